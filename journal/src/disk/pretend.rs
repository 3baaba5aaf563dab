//! A disk in memory that can lose power, fail any one call, and lie about syncing; all by seed.
//!
//! It keeps, beside what a reader sees now, what would be there after a power cut. A write dirties 512-byte sectors;
//! a sync of the file makes them safe, a sync of the directory makes its names safe. [`PretendDisk::after_power_cut`]
//! gives another disk on which a subset of what was not safe has survived: any sectors in any order, one of them
//! torn within itself perhaps, and of each directory's renames and removals a prefix, as a file system with a log
//! keeps them. Every call has a number, so that a clean run counts the places where a call can fail.

mod content;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Disk, DiskFile, count, index};
use content::Content;
pub use content::SECTOR_BYTES;

/// What is left of unsynced sectors after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The first so many, in the order in which they were first written.
    Prefix(usize),
    /// Each or not, by this seed; one kept sector in eight is torn within itself.
    Random(u64),
}

/// The error that a call is made to fail with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// EIO.
    Io,
    /// ENOSPC.
    NoSpace,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io => rustix::io::Errno::IO.into(),
            Failure::NoSpace => rustix::io::Errno::NOSPC.into(),
        }
    }
}

/// A disk in memory; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct PretendDisk {
    state: Arc<Mutex<State>>,
}

type FileId = usize;

#[derive(Debug, Clone, Default)]
struct State {
    calls: u64,
    fail_at: Option<(u64, Failure)>,
    lying: bool,
    /// States before each write and each sync, once asked for.
    history: Option<Vec<State>>,
    random: Random,
    directories: BTreeMap<PathBuf, Directory>,
    /// Directories that got another name, oldest first, while that is not safe.
    moved: Vec<(PathBuf, PathBuf)>,
    files: Vec<Content>,
}

#[derive(Debug, Clone, Default)]
struct Directory {
    names: BTreeMap<String, FileId>,
    safe_names: BTreeMap<String, FileId>,
    /// Changes of names since the last sync, oldest first.
    unsynced: Vec<NameChange>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(String, FileId),
    Move(String, String),
    Remove(String),
}

/// Seeded numbers (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Debug, Clone, Copy, Default)]
pub struct Random(u64);

impl Random {
    /// Numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        index(self.next_u64() % count(end))
    }
}

impl PretendDisk {
    /// A disk with an empty directory `.`; `seed` decides what a failed write or sync leaves behind.
    pub fn new(seed: u64) -> Self {
        let disk = PretendDisk::default();
        disk.state().random = Random::new(seed);
        disk.state().directories.insert(PathBuf::from("."), Directory::default());
        disk
    }

    /// Calls made so far: the number that the next call gets.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Makes call number `call` fail, once.
    pub fn fail_at(&self, call: u64, failure: Failure) {
        self.state().fail_at = Some((call, failure));
    }

    /// From now on a sync answers "done" and does nothing.
    pub fn lie(&self) {
        self.state().lying = true;
    }

    /// From now on keeps the state of the disk before each write and each sync.
    pub fn keep_history(&self) {
        self.state().history = Some(Vec::new());
    }

    /// The disks that were kept, oldest first: each as it was before a write or a sync.
    pub fn history(&self) -> Vec<PretendDisk> {
        let state = self.state();
        let kept = state.history.iter().flatten().cloned();
        kept.map(|state| PretendDisk { state: Arc::new(Mutex::new(state)) }).collect()
    }

    /// How many disks were kept.
    pub fn history_len(&self) -> usize {
        self.state().history.as_ref().map_or(0, Vec::len)
    }

    /// Sectors written and not synced, over all files.
    pub fn unsynced_sectors(&self) -> usize {
        self.state().files.iter().map(|file| file.unsynced.len()).sum()
    }

    /// Another disk: this one after a power cut and a restart. This one goes on.
    #[must_use]
    pub fn after_power_cut(&self, cut: Cut) -> PretendDisk {
        let mut state = self.state().clone();
        state.fail_at = None;
        state.cut(cut);
        PretendDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// Another disk in the same state: what a killed process leaves. What was not synced is seen and still not safe.
    #[must_use]
    pub fn after_kill(&self) -> PretendDisk {
        let mut state = self.state().clone();
        state.fail_at = None;
        PretendDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// Flips bit `bit` of byte `offset` in the seen copy and, if it has been synced, in the safe one: rot.
    pub fn rot(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let mut state = self.state();
        let id = state.file_id(path)?;
        let at = index(offset);
        state.files[id].now[at] ^= 1 << bit;
        if let Some(byte) = state.files[id].safe.get_mut(at) {
            *byte ^= 1 << bit;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a call; the error that it was asked to give, if it is its turn.
    fn call(&mut self) -> Result<(), Failure> {
        let number = self.calls;
        self.calls += 1;
        match self.fail_at {
            Some((call, failure)) if call == number => {
                self.fail_at = None;
                Err(failure)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts a call that changes what is safe, and keeps the state before it.
    fn changing_call(&mut self) -> Result<(), Failure> {
        if let Some(mut history) = self.history.take() {
            history.push(self.clone());
            self.history = Some(history);
        }
        self.call()
    }

    fn directory(&mut self, path: &Path) -> io::Result<&mut Directory> {
        self.directories.get_mut(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file_id(&mut self, path: &Path) -> io::Result<FileId> {
        let (parent, name) = split(path)?;
        self.directory(parent)?.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn cut(&mut self, cut: Cut) {
        let mut random = match cut {
            Cut::Prefix(_) => self.random,
            Cut::Random(seed) => Random::new(seed),
        };
        let mut left = match cut {
            Cut::Prefix(sectors) => sectors,
            Cut::Random(_) => usize::MAX,
        };
        for file in &mut self.files {
            match cut {
                Cut::Prefix(_) => left -= file.keep_first(left),
                Cut::Random(_) => file.keep_some(&mut random),
            }
        }
        for directory in self.directories.values_mut() {
            let kept = random.below(directory.unsynced.len() + 1);
            directory.unsynced.truncate(kept);
            directory.sync();
            directory.names = directory.safe_names.clone();
        }
        let kept = random.below(self.moved.len() + 1);
        for (from, to) in self.moved.drain(..).skip(kept).rev() {
            if let Some(directory) = self.directories.remove(&to) {
                self.directories.insert(from, directory);
            }
        }
    }
}

impl Directory {
    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                NameChange::Set(name, id) => {
                    self.safe_names.insert(name, id);
                }
                NameChange::Move(from, to) => {
                    if let Some(id) = self.safe_names.remove(&from) {
                        self.safe_names.insert(to, id);
                    }
                }
                NameChange::Remove(name) => {
                    self.safe_names.remove(&name);
                }
            }
        }
    }
}

fn split(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    match (path.parent(), name) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        (None, _) | (_, None) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

impl Disk for PretendDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.directories.entry(path.to_owned()).or_default();
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.call()?;
        let id = state.files.len();
        let (parent, name) = split(path)?;
        let directory = state.directory(parent)?;
        if directory.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        directory.names.insert(name.to_owned(), id);
        directory.unsynced.push(NameChange::Set(name.to_owned(), id));
        state.files.push(Content::default());
        Ok(Box::new(PretendFile { disk: self.clone(), id, access: Access::Plain }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.call()?;
        let id = state.file_id(path)?;
        Ok(Box::new(PretendFile { disk: self.clone(), id, access }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.changing_call()?;
        let ((from_parent, from_name), (to_parent, to_name)) = (split(from)?, split(to)?);
        if from_parent != to_parent {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let directory = state.directory(from_parent)?;
        let Some(id) = directory.names.remove(from_name) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        directory.names.insert(to_name.to_owned(), id);
        directory.unsynced.push(NameChange::Move(from_name.to_owned(), to_name.to_owned()));
        Ok(())
    }

    fn rename_dir(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.changing_call()?;
        if state.directories.get(to).is_some_and(|there| !there.names.is_empty()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let directory = state.directories.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.directories.insert(to.to_owned(), directory);
        state.moved.push((from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.changing_call()?;
        let (parent, name) = split(path)?;
        let directory = state.directory(parent)?;
        if directory.names.remove(name).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        directory.unsynced.push(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.changing_call()?;
        let lying = state.lying;
        let directory = state.directory(path)?;
        if !lying {
            directory.sync();
            state.moved.retain(|(_, to)| to.parent() != Some(path));
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.call()?;
        Ok(state.directory(path)?.names.keys().cloned().collect())
    }
}

#[derive(Debug)]
struct PretendFile {
    disk: PretendDisk,
    id: FileId,
    access: Access,
}

impl DiskFile for PretendFile {
    fn bytes(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.call()?;
        Ok(count(state.files[self.id].now.len()))
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call()?;
        let content = &mut state.files[self.id];
        let bytes = index(bytes).max(content.now.len());
        content.now.resize(bytes, 0);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(self.access != Access::Read, "a write to a file that was opened for reading");
        let mut state = self.disk.state();
        let outcome = state.changing_call();
        let written = match outcome {
            Ok(()) => bytes.len(),
            Err(_) => state.random.below(bytes.len() + 1),
        };
        state.files[self.id].write(offset, &bytes[..written]);
        Ok(outcome?)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        assert!(self.access != Access::Pages, "a read from a file that was opened for pages");
        let mut state = self.disk.state();
        state.call()?;
        let start = index(offset);
        let bytes = state.files[self.id].now.get(start..start + into.len());
        into.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let outcome = state.changing_call();
        let State { random, files, lying, .. } = &mut *state;
        match outcome {
            Ok(()) if *lying => {}
            Ok(()) => files[self.id].sync(),
            Err(_) => files[self.id].sync_badly(random),
        }
        Ok(outcome?)
    }

    fn evict(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call()?;
        state.files[self.id].evict();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_with(bytes: &[u8], sync: bool) -> PretendDisk {
        let disk = PretendDisk::new(1);
        disk.create_dir(Path::new("d")).unwrap();
        let mut file = disk.create(Path::new("d/f")).unwrap();
        file.write_at(0, bytes).unwrap();
        if sync {
            file.sync().unwrap();
            disk.sync_dir(Path::new("d")).unwrap();
        }
        disk
    }

    fn content(disk: &PretendDisk) -> Option<Vec<u8>> {
        let file = disk.open(Path::new("d/f"), Access::Read).ok()?;
        let mut bytes = vec![0; index(file.bytes().unwrap())];
        file.read_at(0, &mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn what_was_synced_survives_every_power_cut() {
        let bytes: Vec<u8> = (0..2000).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let disk = disk_with(&bytes, true);
        for seed in 0..100 {
            assert_eq!(content(&disk.after_power_cut(Cut::Random(seed))).unwrap(), bytes);
        }
    }

    #[test]
    fn what_was_not_synced_is_lost_in_some_power_cut() {
        let disk = disk_with(&[7; 2000], false);
        assert!((0..100).any(|seed| content(&disk.after_power_cut(Cut::Random(seed))).is_none()));
        let file = disk.open(Path::new("d/f"), Access::Plain);
        drop(file);
        disk.sync_dir(Path::new("d")).unwrap();
        assert!((0..100).all(|seed| content(&disk.after_power_cut(Cut::Random(seed))).is_some()));
        assert!((0..100).any(|seed| content(&disk.after_power_cut(Cut::Random(seed))).unwrap() != [7; 2000]));
    }

    #[test]
    fn a_lying_disk_saves_nothing() {
        let disk = PretendDisk::new(1);
        disk.lie();
        disk.create_dir(Path::new("d")).unwrap();
        disk.create(Path::new("d/f")).unwrap().sync().unwrap();
        disk.sync_dir(Path::new("d")).unwrap();
        assert!((0..100).any(|seed| content(&disk.after_power_cut(Cut::Random(seed))).is_none()));
    }

    #[test]
    fn a_second_sync_after_a_failed_one_answers_done_and_saves_nothing() {
        let disk = disk_with(&[7; 9_000], false);
        disk.sync_dir(Path::new("d")).unwrap();
        let mut file = disk.open(Path::new("d/f"), Access::Plain).unwrap();
        disk.fail_at(disk.calls(), Failure::Io);
        assert!(file.sync().is_err());
        file.sync().unwrap();
        assert_eq!(content(&disk).unwrap(), [7; 9_000]);
        assert_ne!(content(&disk.after_power_cut(Cut::Random(1))).unwrap(), [7; 9_000]);
    }
}

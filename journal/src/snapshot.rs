//! Snapshots: the exchange's state at one sequence, in a file that is believed only after it was read back.
//!
//! ```text
//! s-<sequence, 16 hex digits>.snap:  | head, a frame of `codec` | body |
//! ```
//!
//! The body is opaque. The head has its BLAKE3 (the *state hash*) and a CRC-32C for each MiB of it, and all that a
//! start needs to go on from there. Written as `*.tmp`, synced, evicted from the cache, read back, renamed. Before that
//! both logs are synced as far as the snapshot goes, so that a journal never ends before its snapshot.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::codec::{self, FRAME_HEAD_BYTES, Framed};
use crate::disk::{Access, Disk, DiskFile, count, index};
use crate::error::{During, JournalError};
use crate::layout::{ClusterId, PAGE_HEADER_BYTES};
use crate::meta::MetaFile;
use crate::page::Chain;
use crate::position::Position;
use crate::recover::scan::{Base, EpochStart};
use crate::segment::reader::{SegmentReader, Slot, blank};
use crate::segment::{Lineage, Log, has_extension, list};

/// Bytes of the body under one checksum.
const CHUNK_BYTES: usize = 1 << 20;
/// Snapshots kept: the newest, and one to fall back on.
pub const KEPT: usize = 2;

/// Where in both logs a snapshot stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPoint {
    /// The last command that the state has applied.
    pub seq: u64,
    /// The position behind that command.
    pub command_at: u64,
    /// A page of the command log at or before `command_at`, from which a start reads on.
    pub base: Base,
    /// The position behind the last event of that command.
    pub event_at: u64,
    /// The event page that `event_at` is in, up to there; empty if it has no event yet.
    pub event_page: Vec<u8>,
    /// The running hash of the full event pages before that one.
    pub event_hash: Chain,
    /// The version of the commands' meaning that wrote the body.
    pub state_machine: u32,
    /// The epochs that began at or before `seq`, oldest first.
    pub epoch_table: Vec<EpochStart>,
}

/// The head of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHead {
    /// Whose state.
    pub cluster_id: ClusterId,
    /// Where it stands.
    pub point: SnapshotPoint,
    /// BLAKE3 of the body.
    pub state_hash: [u8; 32],
    /// Bytes of the body.
    pub body_bytes: u64,
    chunk_crcs: Vec<u32>,
}

impl Framed for SnapshotHead {
    const MAGIC: [u8; 8] = *b"RIALTOSN";
    const VERSION: u32 = 2;
}

/// A snapshot that was read and is right in every byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What the file says of itself.
    pub head: SnapshotHead,
    /// The state.
    pub body: Vec<u8>,
}

/// What loading found.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The newest snapshot that is right.
    pub snapshot: Option<Snapshot>,
    /// Newer ones that are not, and why.
    pub refused: Vec<JournalError>,
}

/// The snapshots of a node.
#[derive(Debug, Clone)]
pub struct Snapshots {
    disk: Arc<dyn Disk>,
    node_dir: PathBuf,
    dir: PathBuf,
    cluster_id: ClusterId,
    /// None behind this sequence goes, where an archive is kept.
    archived: Option<Arc<AtomicU64>>,
}

impl Snapshots {
    /// The snapshots in a node's directory.
    pub fn new(disk: &Arc<dyn Disk>, node_dir: &Path, cluster_id: ClusterId) -> Self {
        let dir = node_dir.join("snapshots");
        Snapshots { disk: Arc::clone(disk), node_dir: node_dir.to_owned(), dir, cluster_id, archived: None }
    }

    /// The same, where none is removed that was made behind the one that `archived` names.
    #[must_use]
    pub fn keeping(self, archived: Option<Arc<AtomicU64>>) -> Self {
        Snapshots { archived, ..self }
    }

    /// Writes a snapshot, reads it back, and notes in `node.meta` that it is right. Older ones than [`KEPT`] go.
    pub fn write(
        &self,
        point: &SnapshotPoint,
        body: &[u8],
        meta: &Mutex<MetaFile>,
    ) -> Result<SnapshotHead, JournalError> {
        self.sync_logs(point)?;
        self.remove_unfinished()?;
        match self.write_file(point, body) {
            Ok(head) => {
                let mut meta = meta.lock().unwrap_or_else(PoisonError::into_inner);
                meta.update(|meta| meta.verified_snapshot = Some(point.seq))?;
                drop(meta);
                self.remove_older()?;
                Ok(head)
            }
            Err(error) => {
                // Where there is no room, an unfinished file takes some.
                self.remove_unfinished()?;
                Err(error)
            }
        }
    }

    fn write_file(&self, point: &SnapshotPoint, body: &[u8]) -> Result<SnapshotHead, JournalError> {
        let head = SnapshotHead {
            cluster_id: self.cluster_id,
            point: point.clone(),
            state_hash: *blake3::hash(body).as_bytes(),
            body_bytes: count(body.len()),
            chunk_crcs: body.chunks(CHUNK_BYTES).map(crc32c::crc32c).collect(),
        };
        let temporary = self.path(point.seq).with_extension("tmp");
        let mut file = self.begin_file(point.seq)?;
        let frame = codec::encode(&head);
        file.write_at(0, &frame).during("write", &temporary)?;
        for (n, chunk) in body.chunks(CHUNK_BYTES).enumerate() {
            let offset = count(frame.len() + n * CHUNK_BYTES);
            file.write_at(offset, chunk).during("write", &temporary)?;
        }
        self.settle(point.seq, file)?;
        Ok(head)
    }

    /// A file for the bytes of a snapshot, which nobody takes for one until [`Self::settle`].
    pub(crate) fn begin_file(&self, seq: u64) -> Result<Box<dyn DiskFile>, JournalError> {
        let temporary = self.path(seq).with_extension("tmp");
        self.disk.create(&temporary).during("create", &temporary)
    }

    /// Makes such a file a snapshot, if it is right when it is read back.
    pub(crate) fn settle(&self, seq: u64, mut file: Box<dyn DiskFile>) -> Result<Snapshot, JournalError> {
        let path = self.path(seq);
        let temporary = path.with_extension("tmp");
        file.sync().during("sync", &temporary)?;
        file.evict().during("evict", &temporary)?;
        drop(file);
        let snapshot = self.read(&temporary)?;
        self.disk.rename(&temporary, &path).during("rename", &temporary)?;
        self.disk.sync_dir(&self.dir).during("sync directory", &self.dir)?;
        Ok(snapshot)
    }

    /// Opens the file of a snapshot, which stays readable while it is open: its head, which is right, the file, whose body
    /// was not read, and its bytes.
    pub fn open(&self, seq: u64) -> Result<(SnapshotHead, Box<dyn DiskFile>, u64), JournalError> {
        let path = self.path(seq);
        let file = self.disk.open(&path, Access::Read).during("open", &path)?;
        let bytes = file.bytes().during("read the size of", &path)?;
        let (head, _) = read_head(&*file, bytes, &path)?;
        Ok((head, file, bytes))
    }

    /// Loads the newest snapshot that is right in every byte.
    pub fn load_newest(&self) -> Result<Loaded, JournalError> {
        let mut loaded = Loaded::default();
        for seq in self.sequences()?.into_iter().rev() {
            match self.read(&self.path(seq)) {
                Ok(snapshot) => {
                    loaded.snapshot = Some(snapshot);
                    break;
                }
                Err(error) => loaded.refused.push(error),
            }
        }
        Ok(loaded)
    }

    /// The sequences of the snapshots that are there, right or not, oldest first.
    pub fn sequences(&self) -> Result<Vec<u64>, JournalError> {
        let names = self.disk.list(&self.dir).during("list", &self.dir)?;
        Ok(names.iter().filter_map(|name| sequence_of(name)).collect())
    }

    /// Reads the snapshot of this sequence, and all of it: right or the reason why not.
    pub fn verify(&self, seq: u64) -> Result<SnapshotHead, JournalError> {
        Ok(self.read(&self.path(seq))?.head)
    }

    /// Loads the snapshot of this sequence: right in every byte, or the reason why not.
    pub fn load(&self, seq: u64) -> Result<Snapshot, JournalError> {
        self.read(&self.path(seq))
    }

    /// The heads of all snapshots that are right, oldest first.
    pub fn verified(&self) -> Result<Vec<SnapshotHead>, JournalError> {
        Ok(self.sequences()?.into_iter().filter_map(|seq| self.verify(seq).ok()).collect())
    }

    /// Removes the snapshots of commands behind `seq`, which are to be cut off.
    pub fn remove_after(&self, seq: u64) -> Result<(), JournalError> {
        for later in self.sequences()?.into_iter().filter(|later| *later > seq) {
            let path = self.path(later);
            self.disk.remove(&path).during("remove", &path)?;
        }
        self.disk.sync_dir(&self.dir).during("sync directory", &self.dir)
    }

    /// Removes the snapshots that reach into page `to` of the command log or behind it. Whether there were any.
    pub(crate) fn remove_behind(&self, to: u64) -> Result<bool, JournalError> {
        let end = Position::page_start(to).get();
        let mut any = false;
        for seq in self.sequences()? {
            if self.verify(seq).is_ok_and(|head| head.point.command_at > end) {
                let path = self.path(seq);
                self.disk.remove(&path).during("remove", &path)?;
                any = true;
            }
        }
        self.disk.sync_dir(&self.dir).during("sync directory", &self.dir)?;
        Ok(any)
    }

    /// Where the snapshot of this sequence is, or would be.
    pub(crate) fn path(&self, seq: u64) -> PathBuf {
        self.dir.join(format!("s-{seq:016x}.snap"))
    }

    /// Reads a snapshot's file, wherever it lies.
    pub(crate) fn read(&self, path: &Path) -> Result<Snapshot, JournalError> {
        let file = self.disk.open(path, Access::Read).during("open", path)?;
        let bytes = file.bytes().during("read the size of", path)?;
        let head = read_head(&*file, bytes, path)?;
        let corrupt = |why: &str| JournalError::corrupt(path, why);
        if head.0.cluster_id != self.cluster_id {
            return Err(JournalError::refused(path, "it is of another cluster"));
        }
        let (head, offset) = head;
        if offset + head.body_bytes != bytes {
            return Err(corrupt("its length is not the one it was written with"));
        }
        let mut body = vec![0; index(head.body_bytes)];
        for (n, chunk) in body.chunks_mut(CHUNK_BYTES).enumerate() {
            file.read_at(offset + count(n * CHUNK_BYTES), chunk).during("read", path)?;
            if head.chunk_crcs.get(n) != Some(&crc32c::crc32c(chunk)) {
                return Err(corrupt(&format!("MiB {n} of its body has changed")));
            }
        }
        if *blake3::hash(&body).as_bytes() != head.state_hash {
            return Err(corrupt("its body has another hash than it was written with"));
        }
        Ok(Snapshot { head, body })
    }

    /// Sees that both logs are on disk as far as the snapshot goes.
    fn sync_logs(&self, point: &SnapshotPoint) -> Result<(), JournalError> {
        let logs = [(Log::Commands, point.command_at), (Log::Events, point.event_at)];
        for (log, at) in logs {
            let dir = self.node_dir.join(log.directory());
            let lineage = Lineage { log, cluster_id: self.cluster_id, state_machine: point.state_machine };
            let at = Position::new(at);
            // The page that an event position is in is kept in the snapshot; one of a command position must be closed.
            let is_needed = log == Log::Commands && at.offset() > PAGE_HEADER_BYTES;
            let pages = at.page() + u64::from(is_needed);
            let mut page = blank();
            let reader = SegmentReader::new(&self.disk, &dir, lineage);
            if pages > 0 && reader.read(pages - 1, &mut page)? != Slot::Good {
                return Err(JournalError::refused(&dir, format!("page {} is not stored yet", pages - 1)));
            }
            for segment in list(&self.disk, &dir, &lineage)?.segments {
                if segment.header.is_begun() && segment.header.first_page < pages {
                    let opened = self.disk.open(&segment.path, Access::Plain);
                    let mut file = opened.during("open", &segment.path)?;
                    file.sync().during("sync", &segment.path)?;
                }
            }
        }
        Ok(())
    }

    fn remove_unfinished(&self) -> Result<(), JournalError> {
        let names = self.disk.list(&self.dir).during("list", &self.dir)?;
        for name in names.iter().filter(|name| has_extension(name, "tmp")) {
            let path = self.dir.join(name);
            self.disk.remove(&path).during("remove", &path)?;
        }
        Ok(())
    }

    /// Removes what is older than the newest [`KEPT`] that are right.
    pub fn remove_older(&self) -> Result<(), JournalError> {
        let mut right = 0;
        let archived = self.archived.as_ref().map_or(u64::MAX, |archived| archived.load(Ordering::Relaxed));
        for seq in self.sequences()?.into_iter().rev() {
            if right < KEPT {
                right += usize::from(self.verify(seq).is_ok());
            } else if seq <= archived {
                let path = self.path(seq);
                match self.disk.remove(&path) {
                    // Another thread was first.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    removed => removed.during("remove", &path)?,
                }
            }
        }
        Ok(())
    }
}

/// The sequence in the name of a snapshot's file.
pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("s-")?.strip_suffix(".snap")?;
    u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16)
}

/// The head and its length in the file.
fn read_head(file: &dyn DiskFile, bytes: u64, path: &Path) -> Result<(SnapshotHead, u64), JournalError> {
    let damaged = |error: codec::FrameError| match error {
        codec::FrameError::Version { .. } => JournalError::refused(path, error.to_string()),
        codec::FrameError::Magic(_)
        | codec::FrameError::Length(_)
        | codec::FrameError::Checksum
        | codec::FrameError::Content(_) => JournalError::corrupt(path, error.to_string()),
    };
    let mut frame = vec![0; FRAME_HEAD_BYTES.min(index(bytes))];
    file.read_at(0, &mut frame).during("read", path)?;
    let (frame_bytes, _) = codec::frame_bytes::<SnapshotHead>(&frame).map_err(damaged)?;
    if count(frame_bytes) > bytes {
        return Err(damaged(codec::FrameError::Length(index(bytes))));
    }
    frame.resize(frame_bytes, 0);
    file.read_at(0, &mut frame).during("read", path)?;
    let (head, frame_bytes) = codec::decode(&frame).map_err(damaged)?;
    Ok((head, count(frame_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_has_the_golden_bytes() {
        let base = Base { page_no: 5, first_seq: 70, epoch: 3, chain: *b"chain of a page!" };
        let point = SnapshotPoint {
            seq: 77,
            command_at: 24_640,
            base,
            event_at: 8292,
            event_page: b"event page".to_vec(),
            event_hash: *b"hash of events!!",
            state_machine: 1,
            epoch_table: vec![EpochStart { epoch: 3, page_no: 4, first_seq: 50 }],
        };
        let head = SnapshotHead {
            cluster_id: *b"cluster of tests",
            point,
            state_hash: *b"BLAKE3 hash of the body, 32 byte",
            body_bytes: 9,
            chunk_crcs: vec![0x0102_0304],
        };
        assert_eq!(codec::encode(&head), include_bytes!("snapshot/head.golden"));
        let (found, _) = codec::decode::<SnapshotHead>(include_bytes!("snapshot/head.golden")).unwrap();
        assert_eq!(found, head);
    }
}

//! The disk behind one trait: every file operation of a node's directory goes through [`Disk`] and [`DiskFile`].
//!
//! So that a test can number every call, make any one of them fail, and cut the power between any two ([`pretend`]).
//! The real disk ([`real`]) has two ways of writing pages: [`mapped`] (memory map and `msync`) and [`direct`]
//! (`O_DIRECT|O_DSYNC`). No call here retries: what a failed write or sync left behind is unknown, and the first one
//! is final for whoever called (a second `fsync` answers "done" for pages that the kernel has dropped).

pub mod direct;
pub mod mapped;
pub mod pretend;
pub mod real;

use std::fmt::Debug;
use std::io;
use std::path::Path;

use rustix::fs::statfs;

/// How a file will be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write, cold: snapshots, `node.meta`, preparation and repair.
    Plain,
    /// Written in whole pages by the storage thread through the backend chosen; not read. The file has its full size.
    Pages,
}

/// A directory tree of files. Paths are used as given; a file is durable when it and its directory have been synced.
pub trait Disk: Debug + Send + Sync {
    /// Makes a directory that only its owner can enter; it may be there already.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a new file, refused where one of that name is.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file that is there.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name in the same directory; a file that has it is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a directory of files another name, also in another directory of the same file system; an empty one that has
    /// it is replaced. Durable when the directory that it goes to is synced.
    fn rename_dir(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names of a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Names of a directory's files, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// An open file.
pub trait DiskFile: Debug + Send {
    /// Size of the file in bytes.
    fn bytes(&self) -> io::Result<u64>;
    /// Gives the file `bytes` bytes and the blocks for all of them, so that a later write cannot find the disk full.
    fn allocate(&mut self, bytes: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`; durable after the next [`DiskFile::sync`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Fills `into` from `offset`; an end of file before that is an error.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// Makes all that was written through this file durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Lets go of cached pages, so that the next read comes from the medium. Advice only.
    fn evict(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether what is synced on a file system outlives the machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A local file system on a disk.
    Durable,
    /// A file system that cannot keep the promise, by name.
    Volatile(&'static str),
}

/// File systems on which a sync proves nothing about this machine's disk, by `statfs` magic (linux/magic.h).
const VOLATILE: [(u64, &str); 12] = [
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0x6573_5546, "fuse"),
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x7371_7368, "squashfs"),
];

/// Tells whether the file system under `path` keeps what is synced. One that is not known to be volatile is durable.
pub fn durability_of(path: &Path) -> io::Result<Durability> {
    // The field is signed; the magic is its low 32 bits.
    let magic = u64::from_ne_bytes(statfs(path)?.f_type.to_ne_bytes()) & 0xffff_ffff;
    let known = VOLATILE.iter().find(|(number, _)| *number == magic);
    Ok(known.map_or(Durability::Durable, |(_, name)| Durability::Volatile(name)))
}

/// A byte count or index as `usize`; nothing here runs on a machine of under 64 bits.
pub(crate) fn index(n: u64) -> usize {
    const { assert!(usize::BITS == 64) };
    usize::try_from(n).expect("usize has 64 bits")
}

/// A length as `u64`.
pub(crate) fn count(n: usize) -> u64 {
    u64::try_from(n).expect("usize has 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_told_from_a_disk() {
        assert_eq!(durability_of(Path::new("/dev/shm")).unwrap(), Durability::Volatile("tmpfs"));
    }
}

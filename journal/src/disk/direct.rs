//! Pages by `pwrite` past the page cache: `O_DIRECT|O_DSYNC` from an aligned buffer. A write that has returned is
//! durable, so a sync has nothing left to do. Keeps its latency when the machine is busy writing other things.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{DiskFile, index};

/// What `O_DIRECT` asks of memory, offset and length on every disk that we know of.
const ALIGNMENT: usize = 4096;
/// Pages of the buffer: a batch of storage. A longer write goes in several calls.
const BUFFER_PAGES: usize = 256;
/// `O_DSYNC` of fcntl.h. (rustix's name for it is the whole of `O_SYNC`, which also waits for the file's times.)
const O_DSYNC: u32 = 0o10_000;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
struct Aligned([u8; ALIGNMENT]);

/// A file written in whole pages, past the page cache.
pub struct DirectFile {
    file: File,
    buffer: Vec<Aligned>,
}

impl std::fmt::Debug for DirectFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectFile").field("file", &self.file).finish_non_exhaustive()
    }
}

impl DirectFile {
    /// Opens a file for writing; `InvalidInput` where the file system has no `O_DIRECT`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC | OFlags::from_bits_retain(O_DSYNC);
        let file = File::from(open(path, flags, Mode::empty())?);
        Ok(DirectFile { file, buffer: vec![Aligned([0; ALIGNMENT]); BUFFER_PAGES] })
    }

    /// Tells whether files in `dir` can be opened so, by an unnamed file.
    pub fn is_possible_in(dir: &Path) -> io::Result<bool> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        match open(dir, flags, Mode::RUSR | Mode::WUSR) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl DiskFile for DirectFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn allocate(&mut self, _bytes: u64) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a page file is allocated before it is opened for pages",
        ))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !index(offset).is_multiple_of(ALIGNMENT) || !bytes.len().is_multiple_of(ALIGNMENT) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a direct write is of whole pages"));
        }
        let mut at = offset;
        for part in bytes.chunks(BUFFER_PAGES * ALIGNMENT) {
            let buffer = &mut self.buffer.as_mut_bytes()[..part.len()];
            buffer.copy_from_slice(part);
            self.file.write_all_at(buffer, at)?;
            at += super::count(part.len());
        }
        Ok(())
    }

    fn read_at(&self, _offset: u64, _into: &mut [u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a page file open for writing is not read"))
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

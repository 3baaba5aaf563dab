//! Pages by stores into a memory map, made durable by `msync`.
//!
//! Invariants of the one unsafe operation:
//! 1. The file has all its blocks (it was written with zeros and synced under another name) and nobody truncates it:
//!    the node's directory is 0700 and locked, so no store meets the end of the file.
//! 2. The map is as long as the file was when opened, and every write is checked against that length.
//! 3. Only this object stores into the map, behind `&mut self`; nothing here hands out a reference into it.

#![expect(unsafe_code, reason = "stores into a memory map")]

use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::io::Errno;

use super::{DiskFile, count, index};

/// A file written through a memory map.
#[derive(Debug)]
pub struct MappedFile {
    map: MmapRaw,
    /// What has been written since the last sync: from the lowest byte to the highest.
    unsynced: Range<usize>,
}

impl MappedFile {
    /// Maps the whole of a file that has its full size.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(MappedFile { map: MmapOptions::new().map_raw(&file)?, unsynced: 0..0 })
    }
}

impl MappedFile {
    /// Has the kernel make the pages writable. A file system that is shut down, or whose device is gone, answers a store
    /// with SIGBUS, which is the end of the process without a word; asked before, it answers with an error.
    fn ask_for(&self, start: usize, length: usize) -> io::Result<()> {
        match self.map.advise_range(Advice::PopulateWrite, start, length) {
            Err(error) if error.raw_os_error() == Some(Errno::FAULT.raw_os_error()) => Err(io::Error::other(
                "the file system takes no more writes: it is shut down, or its device is gone",
            )),
            // Before Linux 5.14.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
            done => done,
        }
    }
}

impl DiskFile for MappedFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(count(self.map.len()))
    }

    fn allocate(&mut self, _bytes: u64) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a page file is allocated before it is opened for pages",
        ))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = index(offset);
        let end = start.checked_add(bytes.len()).filter(|end| *end <= self.map.len());
        let Some(end) = end else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a write past the end of a mapped file"));
        };
        self.ask_for(start, bytes.len())?;
        let target = self.map.as_mut_ptr().wrapping_add(start);
        // SAFETY: `target..target + bytes.len()` lies in the map by the check above (2), whose pages are backed (1);
        // `bytes` cannot overlap it, as no reference into the map exists (3).
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        self.unsynced = if self.unsynced.is_empty() {
            start..end
        } else {
            self.unsynced.start.min(start)..self.unsynced.end.max(end)
        };
        Ok(())
    }

    fn read_at(&self, _offset: u64, _into: &mut [u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a page file open for writing is not read"))
    }

    fn sync(&mut self) -> io::Result<()> {
        let range = std::mem::take(&mut self.unsynced);
        if range.is_empty() { Ok(()) } else { self.map.flush_range(range.start, range.len()) }
    }
}

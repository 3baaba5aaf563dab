//! The machine's own disk. Cold files are written by `pwrite` and `fdatasync`, pages by the backend chosen.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate, fdatasync};

use super::direct::DirectFile;
use super::mapped::MappedFile;
use super::{Access, Disk, DiskFile};

/// How the storage thread's pages reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Stores into a memory map, made durable by `msync`. Works everywhere.
    Mapped,
    /// `pwrite` with `O_DIRECT|O_DSYNC`; [`Backend::Mapped`] where the file system refuses `O_DIRECT`.
    Direct,
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy)]
pub struct RealDisk {
    backend: Backend,
}

impl RealDisk {
    /// A disk that writes pages through `backend`.
    pub fn new(backend: Backend) -> Self {
        RealDisk { backend }
    }

    /// The backend that files in `dir` really get: [`Backend::Mapped`] where `O_DIRECT` is refused.
    pub fn backend_in(self, dir: &Path) -> io::Result<Backend> {
        match self.backend {
            Backend::Mapped => Ok(Backend::Mapped),
            Backend::Direct => {
                Ok(if DirectFile::is_possible_in(dir)? { Backend::Direct } else { Backend::Mapped })
            }
        }
    }
}

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Box::new(PlainFile { file }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        match (access, self.backend) {
            (Access::Read, _) => Ok(Box::new(PlainFile { file: File::open(path)? })),
            (Access::Plain, _) => {
                Ok(Box::new(PlainFile { file: OpenOptions::new().read(true).write(true).open(path)? }))
            }
            (Access::Pages, Backend::Mapped) => Ok(Box::new(MappedFile::open(path)?)),
            (Access::Pages, Backend::Direct) => match DirectFile::open(path) {
                Ok(file) => Ok(Box::new(file)),
                // What a file system without O_DIRECT answers (open(2)).
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    Ok(Box::new(MappedFile::open(path)?))
                }
                Err(error) => Err(error),
            },
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn rename_dir(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            // A name that is not UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

/// A file that is read and written by position.
#[derive(Debug)]
struct PlainFile {
    file: File,
}

impl DiskFile for PlainFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        match fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
            // A file system without fallocate gets its blocks from the zeros that are written next.
            Err(rustix::io::Errno::OPNOTSUPP) => self.file.set_len(bytes),
            other => Ok(other?),
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(fdatasync(&self.file)?)
    }

    fn evict(&self) -> io::Result<()> {
        Ok(fadvise(&self.file, 0, None, Advice::DontNeed)?)
    }
}

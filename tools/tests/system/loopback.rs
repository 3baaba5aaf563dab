//! A file system of its own on a loop device, for what a node's disk may do: be shut down under load, or run full. Needs
//! root, a loop device, and the file system's tools. Whatever way a test ends, it is unmounted and the device is free.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::node::{Node, until};

/// The smallest image that mkfs.xfs takes, with room to spare; a file with holes.
const IMAGE_BYTES: u64 = 384 << 20;

/// How a file system is shut down: what becomes of what is in the kernel's memory and not on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Its own log is written first (`FS_IOC_SHUTDOWN` with flag 1).
    Log,
    /// Nothing is (flag 2): what a power cut leaves.
    Nothing,
}

/// A mounted image.
#[derive(Debug)]
pub(crate) struct LoopDisk {
    kind: &'static str,
    image: PathBuf,
    place: PathBuf,
    is_mounted: bool,
    _folder: TempDir,
}

impl LoopDisk {
    /// A new file system of this kind, mounted. The image is in memory, so that the machine's own disk is left alone.
    pub(crate) fn new(kind: &'static str, bytes: Option<u64>) -> Self {
        let folder = tempfile::Builder::new().prefix("rialto-disk-").tempdir_in("/dev/shm").unwrap();
        let (image, place) = (folder.path().join("image"), folder.path().join("mounted"));
        fs::File::create(&image).unwrap().set_len(bytes.unwrap_or(IMAGE_BYTES)).unwrap();
        fs::create_dir(&place).unwrap();
        run(&format!("mkfs.{kind}"), &["-q", &image.display().to_string()]);
        let mut disk = Self { kind, image, place, is_mounted: false, _folder: folder };
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    pub(crate) fn mount(&mut self) {
        let (image, place) = (self.image.display().to_string(), self.place.display().to_string());
        // `loop` frees the device when it is unmounted.
        run("mount", &["-t", self.kind, "-o", "loop", &image, &place]);
        self.is_mounted = true;
    }

    pub(crate) fn unmount(&mut self) {
        run("umount", &[&self.place.display().to_string()]);
        self.is_mounted = false;
    }

    /// `FS_IOC_SHUTDOWN`: from now on the file system answers every write with an error and writes nothing any more.
    pub(crate) fn shut_down(&self, flush: Flush) {
        let command = match flush {
            Flush::Log => "shutdown -f",
            Flush::Nothing => "shutdown",
        };
        run("xfs_io", &["-x", "-c", command, &self.place.display().to_string()]);
    }
}

impl Node {
    /// The node ends by itself: how, how long that took, and what it wrote to stderr.
    pub(crate) fn ended(mut self) -> (ExitStatus, Duration, String) {
        let began = Instant::now();
        let status = until("the node's end", || self.child.try_wait().unwrap());
        (status, began.elapsed(), self.log())
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            // A node that a failed test leaves behind is killed a little later: the mount goes when it does.
            Command::new("umount").arg("--lazy").arg(&self.place).status().ok();
        }
    }
}

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: is it installed?"));
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

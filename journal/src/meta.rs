//! `node.meta`: the little that a node must remember beside its journal, and `lock`: that only one process is the node.
//!
//! Two slots of 4 KiB, written alternately and synced each time; the valid one with the higher counter holds. A torn
//! write therefore loses the update in hand and never the one before.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::disk::{Access, Disk};
use crate::error::{During, JournalError};
use crate::layout::ClusterId;
use crate::slots::{Kept, SlotFile};

/// Name of the file in the node's directory.
pub const META_NAME: &str = "node.meta";
/// Name of the lock file in the node's directory.
pub const LOCK_NAME: &str = "lock";
/// Directories of a node's directory, in the order in which they are made.
pub const DIRECTORIES: [&str; 5] = ["commands", "events", "snapshots", "torn", "divergent"];
/// Longest name of a cluster, a node or a ring's directory: all of them fit a slot together.
pub const NAME_BYTES_MAX: usize = 255;
/// The longest state of a cluster that a node remembers.
pub const CLUSTER_STATE_BYTES_MAX: usize = 2048;

/// What a node remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMeta {
    /// Random, made once when a cluster is set up; in every page's checksum.
    pub cluster_id: ClusterId,
    /// The cluster's name in the configuration.
    pub cluster: String,
    /// The node's name in the configuration.
    pub node: String,
    /// The highest epoch that this node has promised to follow.
    pub promised_epoch: u32,
    /// The kernel's boot id when a ring was last made: shared memory does not outlive it.
    pub boot_id: [u8; 16],
    /// Number of the newest ring directory ever made; never used again.
    pub generation: u64,
    /// Name of the one shared-memory directory that may hold records which the segments lack.
    pub ring: Option<String>,
    /// The node stopped after syncing all that it had, and has not started since.
    pub clean_stop: bool,
    /// Sequence of the newest snapshot that was read back and found right.
    pub verified_snapshot: Option<u64>,
    /// Command pages below this number were synced: if one is missing or bad, it is loss and not a torn tail.
    pub durable_page: u64,
    /// The command log is being cut off before this page; a start finishes it.
    pub cut_from: Option<u64>,
    /// Records that this node had received and not synced were lost; it is not what its acks said until it is in sync
    /// again.
    pub lost_unsynced: bool,
    /// Another node's snapshot and pages lie whole beside what this node has, whose place they take; a start finishes
    /// that.
    pub seeded: Option<Seeded>,
    /// The cluster's state as this node last heard it, in the words of whoever keeps it; at most
    /// [`CLUSTER_STATE_BYTES_MAX`].
    pub cluster_state: Vec<u8>,
}

/// What a seed holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeded {
    /// The last command of its snapshot; 0 if it has none.
    pub snapshot: u64,
    /// The page behind its last command page.
    pub end_page: u64,
}

impl NodeMeta {
    /// A node that has kept nothing yet.
    pub fn new(cluster_id: ClusterId, cluster: &str, node: &str) -> Self {
        NodeMeta {
            cluster_id,
            cluster: cluster.to_owned(),
            node: node.to_owned(),
            promised_epoch: 0,
            boot_id: [0; 16],
            generation: 0,
            ring: None,
            clean_stop: true,
            verified_snapshot: None,
            durable_page: 0,
            cut_from: None,
            lost_unsynced: false,
            seeded: None,
            cluster_state: Vec::new(),
        }
    }
}

impl Kept for NodeMeta {
    const MAGIC: [u8; 8] = *b"RIALTOND";
    const VERSION: u32 = 3;
}

/// An open `node.meta`.
#[derive(Debug)]
pub struct MetaFile(SlotFile<NodeMeta>);

impl MetaFile {
    /// Makes the node's directory, what belongs into it, and `node.meta` last: a directory with one is complete.
    pub fn create(disk: &Arc<dyn Disk>, dir: &Path, meta: NodeMeta) -> Result<Self, JournalError> {
        let path = dir.join(META_NAME);
        let names = [Some(&meta.cluster), Some(&meta.node), meta.ring.as_ref()];
        if names.into_iter().flatten().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(JournalError::refused(
                &path,
                format!("a name is longer than {NAME_BYTES_MAX} bytes"),
            ));
        }
        disk.create_dir(dir).during("create directory", dir)?;
        for name in DIRECTORIES {
            let directory = dir.join(name);
            disk.create_dir(&directory).during("create directory", &directory)?;
        }
        let commands = dir.join(DIRECTORIES[0]);
        if !disk.list(&commands).during("list", &commands)?.is_empty() {
            return Err(JournalError::corrupt(
                &path,
                format!("it is gone, and {} is not empty", commands.display()),
            ));
        }
        let file = SlotFile::create(disk, path, meta)?;
        sync_names(disk, dir)?;
        Ok(MetaFile(file))
    }

    /// Opens the `node.meta` of a directory.
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Self, JournalError> {
        let file = SlotFile::open(disk, dir.join(META_NAME), Access::Plain)?;
        // The start that made it may have ended before its name was durable.
        sync_names(disk, dir)?;
        Ok(MetaFile(file))
    }

    /// Reads the `node.meta` of a directory that another process may be using.
    pub fn peek(disk: &Arc<dyn Disk>, dir: &Path) -> Result<NodeMeta, JournalError> {
        Ok(SlotFile::<NodeMeta>::open(disk, dir.join(META_NAME), Access::Read)?.get().clone())
    }

    /// What is remembered.
    pub fn get(&self) -> &NodeMeta {
        self.0.get()
    }

    /// Changes what is remembered; durable on return. An error is final: which of the two holds is then unknown.
    pub fn update(&mut self, change: impl FnOnce(&mut NodeMeta)) -> Result<(), JournalError> {
        let mut meta = self.get().clone();
        change(&mut meta);
        if meta == *self.get() {
            return Ok(());
        }
        if meta.cluster_state.len() > CLUSTER_STATE_BYTES_MAX {
            let why = format!("a cluster's state has {} bytes", meta.cluster_state.len());
            return Err(JournalError::refused(self.0.path(), why));
        }
        self.0.set(meta)
    }
}

/// Makes durable what is in the node's directory, and that it is in its parent.
fn sync_names(disk: &Arc<dyn Disk>, dir: &Path) -> Result<(), JournalError> {
    disk.sync_dir(dir).during("sync directory", dir)?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk.sync_dir(parent).during("sync directory", parent)
}

/// Having one tells that no other process is this node; ends with the process, also a killed one.
#[derive(Debug)]
pub struct NodeLock {
    _file: File,
}

impl NodeLock {
    /// Takes the lock of a node's directory, or names the process that has it.
    pub fn take(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(LOCK_NAME);
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = open.during("open", &path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).during("read", &path)?;
                let why = format!("process {} is this node already", holder.trim());
                return Err(JournalError::refused(&path, why));
            }
            Err(error) => return Err(std::io::Error::from(error)).during("lock", &path),
        }
        file.set_len(0).during("truncate", &path)?;
        writeln!(file, "{}", std::process::id()).during("write", &path)?;
        Ok(NodeLock { _file: file })
    }
}

/// Sixteen random bytes for a new cluster.
pub fn new_cluster_id() -> Result<ClusterId, JournalError> {
    let path = Path::new("/dev/urandom");
    let mut id = ClusterId::default();
    File::open(path).and_then(|mut file| file.read_exact(&mut id)).during("read", path)?;
    Ok(id)
}

/// The kernel's name for the time since it was started.
pub fn boot_id() -> Result<[u8; 16], JournalError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = std::fs::read_to_string(path).during("read", path)?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let number = u128::from_str_radix(&digits, 16);
    Ok(number.map_err(|_| JournalError::corrupt(path, "it is not 32 hex digits"))?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::disk::pretend::{Cut, PretendDisk};
    use crate::slots::Slot;

    const DIR: &str = "node";

    fn new_node() -> (PretendDisk, Arc<dyn Disk>, MetaFile) {
        let pretend = PretendDisk::new(1);
        let disk: Arc<dyn Disk> = Arc::new(pretend.clone());
        let file = MetaFile::create(&disk, Path::new(DIR), NodeMeta::new([7; 16], "test", "n1")).unwrap();
        (pretend, disk, file)
    }

    fn promised(pretend: &PretendDisk) -> u32 {
        let disk: Arc<dyn Disk> = Arc::new(pretend.clone());
        MetaFile::open(&disk, Path::new(DIR)).unwrap().get().promised_epoch
    }

    #[test]
    fn slot_has_the_golden_bytes() {
        let meta = NodeMeta {
            promised_epoch: 3,
            boot_id: *b"this boot's name",
            generation: 9,
            ring: Some("rialto-test-n1-9".to_owned()),
            clean_stop: false,
            verified_snapshot: Some(77),
            durable_page: 5,
            cut_from: Some(6),
            lost_unsynced: true,
            seeded: Some(Seeded { snapshot: 78, end_page: 12 }),
            cluster_state: b"state".to_vec(),
            ..NodeMeta::new(*b"cluster of tests", "test", "n1")
        };
        let frame = codec::encode(&Slot { counter: 6, value: meta.clone() });
        assert_eq!(frame, include_bytes!("meta/slot.golden"));
        assert_eq!(
            codec::decode::<Slot<NodeMeta>>(include_bytes!("meta/slot.golden")).unwrap().0.value,
            meta
        );
    }

    #[test]
    fn a_promise_given_is_remembered_after_a_power_cut() {
        let (pretend, _, mut file) = new_node();
        for epoch in 1..20 {
            file.update(|meta| meta.promised_epoch = epoch).unwrap();
            assert_eq!(promised(&pretend.after_power_cut(Cut::Random(u64::from(epoch)))), epoch);
        }
    }

    #[test]
    fn a_torn_update_leaves_the_one_before() {
        let (pretend, disk, mut file) = new_node();
        file.update(|meta| meta.promised_epoch = 5).unwrap();
        pretend.lie();
        file.update(|meta| meta.promised_epoch = 6).unwrap();
        for sectors in 0..8 {
            let found = promised(&pretend.after_power_cut(Cut::Prefix(sectors)));
            assert!(found == 5 || found == 6, "{found} after {sectors} sectors");
        }
        drop((disk, file));
    }

    #[test]
    fn one_slot_of_noise_does_not_matter_and_two_are_refused() {
        let (pretend, disk, file) = new_node();
        drop(file);
        pretend.rot(Path::new("node/node.meta"), 100, 0).unwrap();
        assert_eq!(promised(&pretend), 0);
        pretend.rot(Path::new("node/node.meta"), 4196, 0).unwrap();
        let error = MetaFile::open(&disk, Path::new(DIR)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "node/node.meta: corrupt: neither slot is right: checksum differs; checksum differs"
        );
    }

    #[test]
    fn a_second_process_is_refused_by_the_name_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let lock = NodeLock::take(dir.path()).unwrap();
        let error = NodeLock::take(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("process {} is this node already", std::process::id())), "{error}");
        drop(lock);
        NodeLock::take(dir.path()).unwrap();
    }
}

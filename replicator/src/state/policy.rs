//! Ack policies: which copies of a command exist before anything that it caused is told.

use std::fmt;
use std::str::FromStr;

use rialto_journal::cursor::Policy;
use serde::{Deserialize, Serialize};

/// Which copies are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AckPolicy {
    /// None: what is published is released.
    #[serde(rename = "async")]
    Async,
    /// The primary's disk.
    #[serde(rename = "disk")]
    Disk,
    /// The memory of every in-sync standby.
    #[serde(rename = "ram")]
    Ram,
    /// The primary's disk and the memory of every in-sync standby.
    #[serde(rename = "disk+ram")]
    DiskRam,
    /// The disks of the primary and of every in-sync standby.
    #[serde(rename = "disk+disk")]
    DiskDisk,
}

/// The copy of a command that a policy counts on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// None: the node may lack what was released.
    None,
    /// One in memory: it outlives the process, not the power.
    Memory,
    /// One on disk: it outlives the power.
    Disk,
}

impl AckPolicy {
    /// All of them, the weakest first.
    pub const ALL: [AckPolicy; 5] =
        [AckPolicy::Async, AckPolicy::Disk, AckPolicy::Ram, AckPolicy::DiskRam, AckPolicy::DiskDisk];

    /// Its word on command lines, in the state and in `status`.
    pub fn word(self) -> &'static str {
        match self {
            AckPolicy::Async => "async",
            AckPolicy::Disk => "disk",
            AckPolicy::Ram => "ram",
            AckPolicy::DiskRam => "disk+ram",
            AckPolicy::DiskDisk => "disk+disk",
        }
    }

    /// The copy that it counts on the primary.
    pub fn on_primary(self) -> Counted {
        match self {
            AckPolicy::Async | AckPolicy::Ram => Counted::Memory,
            AckPolicy::Disk | AckPolicy::DiskRam | AckPolicy::DiskDisk => Counted::Disk,
        }
    }

    /// The copy that it counts on each in-sync standby.
    pub fn on_standby(self) -> Counted {
        match self {
            AckPolicy::Async | AckPolicy::Disk => Counted::None,
            AckPolicy::Ram | AckPolicy::DiskRam => Counted::Memory,
            AckPolicy::DiskDisk => Counted::Disk,
        }
    }

    /// Whether a release waits for standbys, so that one of them may take over by itself.
    pub fn waits_for_standbys(self) -> bool {
        self.on_standby() != Counted::None
    }
}

impl From<AckPolicy> for Policy {
    fn from(policy: AckPolicy) -> Self {
        match policy {
            AckPolicy::Async => Policy::Async,
            AckPolicy::Disk => Policy::Disk,
            AckPolicy::Ram => Policy::Ram,
            AckPolicy::DiskRam => Policy::DiskRam,
            AckPolicy::DiskDisk => Policy::DiskDisk,
        }
    }
}

impl fmt::Display for AckPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for AckPolicy {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        AckPolicy::ALL
            .into_iter()
            .find(|policy| policy.word() == word)
            .ok_or_else(|| format!("{word:?} is no ack policy: async, disk, ram, disk+ram or disk+disk"))
    }
}

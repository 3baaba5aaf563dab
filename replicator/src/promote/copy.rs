//! What a node knows of its own copy, and whether the copy that was counted is still there.

use crate::state::{AckPolicy, Counted};

/// A node's own copy of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCopy {
    /// The last epoch in its journal.
    pub epoch: u32,
    /// The last sequence it received.
    pub received: u64,
    /// The last sequence it applied.
    pub applied: u64,
    /// What is wrong with its journal, if something is: it has to be repaired from a peer.
    pub fault: Option<String>,
    /// Why its program cannot go on with this journal, if it cannot.
    pub version: Option<String>,
    /// How its counted copy fared.
    pub counted: CountedCopy,
}

/// How the copy fared that a policy counted on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedCopy {
    /// The weakest policy in force since the node was last in sync: of a record that is not on its disk yet.
    pub policy: AckPolicy,
    /// The node was the primary then.
    pub led: bool,
    /// Since then the machine lost its power or was started anew: the kernel's boot id is another, without a clean
    /// stop before.
    pub power_lost: bool,
    /// The shared memory of then was found, with the incarnation that `node.meta` names, and verified; or nothing was
    /// there that the disk lacks.
    pub memory_found: bool,
}

impl CountedCopy {
    /// The copy that was counted.
    pub fn counted(self) -> Counted {
        if self.led { self.policy.on_primary() } else { self.policy.on_standby() }
    }

    /// Whether all that was counted is there.
    pub fn is_whole(self) -> bool {
        match self.counted() {
            Counted::None => false,
            Counted::Memory => !self.power_lost && self.memory_found,
            Counted::Disk => true,
        }
    }
}

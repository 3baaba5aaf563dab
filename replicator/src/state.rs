//! The cluster's state: one value, kept where all nodes see it, that says who leads, since when, and whose copies
//! are waited for.
//!
//! It changes only by the transitions here, each a pure function that returns the next state or says in words why
//! not. Two rules hold over all of them: the epoch never goes back, and who may be promoted is always among those
//! whose acknowledgements are awaited. So a node leaves the set *before* the primary stops waiting for it, and joins
//! *after* the primary began to. Who keeps the state, and how a change wins against another, is the coordinator's.

pub mod policy;

use rialto_journal::page::Chain;
use serde::{Deserialize, Serialize};

pub use policy::{AckPolicy, Counted};

/// Nodes of a cluster: three is usual, and the state has to fit a frame.
pub const NODES_MAX: usize = 16;
/// Longest name of a node.
pub const NAME_BYTES_MAX: usize = 32;
/// Longest text of a state: [`NODES_MAX`] names and the rest fit it many times.
pub const STATE_BYTES_MAX: usize = 8192;

/// Who leads a cluster, and whose copies its releases wait for.
///
/// Read its fields; change it by its transitions only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// Rises by one with every change.
    pub version: u64,
    /// The epoch of the primary below.
    pub epoch: u32,
    /// The node that leads.
    pub primary: String,
    /// The in-sync set: the primary and the standbys that are waited for. Sorted.
    pub in_sync: Vec<String>,
    /// What a release waits for.
    pub policy: AckPolicy,
    /// A primary that is alone releases nothing.
    pub strict: bool,
    /// The first page of the epoch.
    pub epoch_start_page: u64,
    /// The sequence of the epoch's first record.
    pub epoch_start_seq: u64,
    /// The first page that the epoch before does not have: where its primary's log ended for this one.
    pub prev_end_page: u64,
    /// The chain at that page.
    #[serde(with = "hex")]
    pub prev_chain: Chain,
    /// A sequence up to which all was released; raised now and then.
    pub committed_floor: u64,
    /// The epoch began without what may have been acknowledged before: an operator chose to.
    pub loss: bool,
}

/// Why a state was not changed, or could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateRefusal {
    /// The node is not in the in-sync set.
    #[error("{node} is not in the in-sync set ({set})")]
    NotInSync {
        /// The node.
        node: String,
        /// The set.
        set: String,
    },
    /// The node is in the in-sync set already.
    #[error("{0} is in the in-sync set already")]
    AlreadyInSync(String),
    /// The primary cannot leave the set that it leads.
    #[error("{0} is the primary: promote another node first")]
    IsPrimary(String),
    /// A strict cluster would be left with a lone primary.
    #[error("it would leave {0} alone, and the cluster is strict: let another node join first")]
    Strict(String),
    /// The primary would be the last copy, and its disk lacks what it released.
    #[error(
        "{primary} would be the only copy, and has synced {synced} of {released} released: sync first, then drop"
    )]
    Unsynced {
        /// The primary.
        primary: String,
        /// Released sequence.
        released: u64,
        /// Synced sequence.
        synced: u64,
    },
    /// An epoch would not be newer than the one that stands.
    #[error("epoch {asked} is not newer than {stands}")]
    Epoch {
        /// The epoch asked for.
        asked: u32,
        /// The epoch that stands.
        stands: u32,
    },
    /// An epoch would begin where it cannot.
    #[error("an epoch cannot begin there: {0}")]
    Place(String),
    /// The change changes nothing.
    #[error("nothing to change: {0}")]
    Same(String),
    /// There are no more numbers.
    #[error("no {0} is left")]
    Exhausted(&'static str),
    /// The set is full, or a name cannot be one.
    #[error("{0}")]
    Limit(String),
    /// What is stored is no state.
    #[error("this is no cluster state: {0}")]
    Malformed(String),
}

/// How an epoch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Its number; higher than the one that stands, by more than one if a higher promise was met.
    pub epoch: u32,
    /// Who leads it.
    pub primary: String,
    /// Its first page.
    pub start_page: u64,
    /// Its first sequence.
    pub start_seq: u64,
    /// The first page that the epoch before does not have.
    pub prev_end_page: u64,
    /// The chain at that page.
    pub prev_chain: Chain,
    /// It begins without what may have been acknowledged.
    pub loss: bool,
}

/// How far the primary's own copy reaches at the moment of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Sequence that was released.
    pub released: u64,
    /// Sequence that is on the primary's disk.
    pub synced: u64,
}

impl ClusterState {
    /// The state of a cluster that `primary` founds: epoch 1, alone.
    pub fn founded(primary: &str, policy: AckPolicy, strict: bool) -> Result<Self, StateRefusal> {
        let state = ClusterState {
            version: 1,
            epoch: 1,
            primary: primary.to_owned(),
            in_sync: vec![primary.to_owned()],
            policy,
            strict,
            epoch_start_page: 0,
            epoch_start_seq: 1,
            prev_end_page: 0,
            prev_chain: [0; 16],
            committed_floor: 0,
            loss: false,
        };
        state.check()
    }

    /// Nodes, the primary included, that a release needs.
    pub fn min_in_sync(&self) -> usize {
        if self.strict { 2 } else { 1 }
    }

    /// What a release waits for now: a lone primary goes on under `disk`, unless the cluster is strict: then `None`,
    /// and nothing is released.
    pub fn policy_in_force(&self) -> Option<AckPolicy> {
        if self.in_sync.len() < self.min_in_sync() {
            return None;
        }
        let alone = self.in_sync.len() == 1 && self.policy.waits_for_standbys();
        Some(if alone { AckPolicy::Disk } else { self.policy })
    }

    /// Whether a lone primary goes on under less than what was asked for.
    pub fn is_degraded(&self) -> bool {
        self.policy_in_force() != Some(self.policy)
    }

    /// Whether `node` is in the in-sync set.
    pub fn is_in_sync(&self, node: &str) -> bool {
        self.in_sync.iter().any(|name| name == node)
    }

    /// The in-sync set without `node`.
    pub fn in_sync_but<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a str> {
        self.in_sync.iter().map(String::as_str).filter(move |name| *name != node)
    }

    /// Takes `leaving` out of the in-sync set. Only once the coordinator has this state may the primary cease to
    /// wait for them. The last copy must be on a disk before it is the last: a primary that asks to be left alone
    /// releases nothing but what is on its own disk, from before the swap is sent until its outcome is known.
    pub fn without(&self, leaving: &[&str], held: Held) -> Result<Self, StateRefusal> {
        for node in leaving {
            if *node == self.primary {
                return Err(StateRefusal::IsPrimary(self.primary.clone()));
            }
            self.needs(node)?;
        }
        let mut next = self.next()?;
        next.in_sync.retain(|name| !leaving.contains(&name.as_str()));
        if next.in_sync.len() == self.in_sync.len() {
            return Err(StateRefusal::Same("nobody is to leave".to_owned()));
        }
        if next.in_sync.len() < self.min_in_sync() {
            return Err(StateRefusal::Strict(self.primary.clone()));
        }
        if next.in_sync.len() == 1 && self.policy != AckPolicy::Async && held.synced < held.released {
            let Held { released, synced } = held;
            return Err(StateRefusal::Unsynced { primary: self.primary.clone(), released, synced });
        }
        next.check()
    }

    /// Takes `joining` into the in-sync set. The primary waits for its acknowledgements already, and they reach the
    /// first record of the primary's epoch and all that was released: what the epoch began with may have been
    /// released by the primary before, or may be yet.
    pub fn with(&self, joining: &str) -> Result<Self, StateRefusal> {
        if self.is_in_sync(joining) {
            return Err(StateRefusal::AlreadyInSync(joining.to_owned()));
        }
        let mut next = self.next()?;
        next.in_sync.push(joining.to_owned());
        next.in_sync.sort();
        next.check()
    }

    /// Begins an epoch. `keeping` are the members of the in-sync set, beside the new primary, that stay in it: those
    /// whose logs were seen to hold all that was released. Without loss the new primary is one of the in-sync set. It has
    /// synced its log before it asks, for it may be the only copy afterwards.
    pub fn opened(&self, opening: &Opening, keeping: &[&str]) -> Result<Self, StateRefusal> {
        if opening.epoch <= self.epoch {
            return Err(StateRefusal::Epoch { asked: opening.epoch, stands: self.epoch });
        }
        if !opening.loss {
            self.needs(&opening.primary)?;
            self.place(opening)?;
        }
        for node in keeping {
            self.needs(node)?;
        }
        let mut next = self.next()?;
        next.in_sync = keeping.iter().map(|name| (*name).to_owned()).collect();
        next.in_sync.push(opening.primary.clone());
        next.in_sync.sort();
        next.in_sync.dedup();
        next.epoch = opening.epoch;
        next.primary.clone_from(&opening.primary);
        next.epoch_start_page = opening.start_page;
        next.epoch_start_seq = opening.start_seq;
        next.prev_end_page = opening.prev_end_page;
        next.prev_chain = opening.prev_chain;
        next.loss = opening.loss;
        // What was chosen to be lost is released no longer.
        next.committed_floor = self.committed_floor.min(opening.start_seq.saturating_sub(1));
        next.check()
    }

    /// Asks for another policy. It takes effect once its record is durable on the primary.
    pub fn under(&self, policy: AckPolicy, strict: bool) -> Result<Self, StateRefusal> {
        if policy == self.policy && strict == self.strict {
            return Err(StateRefusal::Same(format!("the policy is {policy} already")));
        }
        let next = ClusterState { policy, strict, ..self.next()? };
        next.check()
    }

    /// Raises the sequence up to which all was released.
    pub fn committed(&self, sequence: u64) -> Result<Self, StateRefusal> {
        if sequence <= self.committed_floor {
            return Err(StateRefusal::Same(format!("{} was released already", self.committed_floor)));
        }
        let next = ClusterState { committed_floor: sequence, ..self.next()? };
        next.check()
    }

    /// The state as text: what the coordinator and the frames carry.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a state holds only what JSON can say")
    }

    /// The state that `bytes` tell, if it is one that can be.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateRefusal> {
        if bytes.len() > STATE_BYTES_MAX {
            return Err(StateRefusal::Malformed(format!("it has {} bytes", bytes.len())));
        }
        let state: ClusterState =
            serde_json::from_slice(bytes).map_err(|error| StateRefusal::Malformed(error.to_string()))?;
        state.check().map_err(|why| StateRefusal::Malformed(why.to_string()))
    }

    /// This state, if it can be one. Whoever read it by other means than [`ClusterState::from_bytes`] asks.
    pub fn check(self) -> Result<Self, StateRefusal> {
        if let Some(name) = self.in_sync.iter().find(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
            return Err(StateRefusal::Limit(format!(
                "{name:?} is no node's name: 1 to {NAME_BYTES_MAX} bytes"
            )));
        }
        if self.in_sync.len() > NODES_MAX {
            return Err(StateRefusal::Limit(format!("the in-sync set has at most {NODES_MAX} nodes")));
        }
        if !self.in_sync.is_sorted_by(|a, b| a < b) {
            return Err(StateRefusal::Malformed("the in-sync set is not in order".to_owned()));
        }
        self.needs(&self.primary)?;
        if self.epoch == 0 || self.version == 0 {
            return Err(StateRefusal::Malformed("version and epoch begin at 1".to_owned()));
        }
        Ok(self)
    }

    fn needs(&self, node: &str) -> Result<(), StateRefusal> {
        if self.is_in_sync(node) {
            return Ok(());
        }
        Err(StateRefusal::NotInSync { node: node.to_owned(), set: self.in_sync.join(", ") })
    }

    fn place(&self, opening: &Opening) -> Result<(), StateRefusal> {
        let Opening { start_page, start_seq, prev_end_page, .. } = *opening;
        let why = if start_page < self.epoch_start_page || start_seq < self.epoch_start_seq {
            format!(
                "page {start_page}, sequence {start_seq} is before epoch {}, which began at page {}, sequence {}",
                self.epoch, self.epoch_start_page, self.epoch_start_seq
            )
        } else if prev_end_page > start_page {
            format!("the epoch before would end at page {prev_end_page}, behind page {start_page}")
        } else if start_seq <= self.committed_floor {
            format!("sequence {start_seq} was released: all up to {} was", self.committed_floor)
        } else {
            return Ok(());
        };
        Err(StateRefusal::Place(why))
    }

    fn next(&self) -> Result<Self, StateRefusal> {
        let version = self.version.checked_add(1).ok_or(StateRefusal::Exhausted("version"))?;
        Ok(ClusterState { version, ..self.clone() })
    }
}

/// A chain as hex digits, so that a person can compare it.
mod hex {
    use std::fmt::Write;

    use rialto_journal::page::Chain;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(chain: &Chain, to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for byte in chain {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        }
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Chain, D::Error> {
        let text = String::deserialize(from)?;
        let fault = || D::Error::custom(format!("{text:?} is not 32 hex digits"));
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(fault());
        }
        let number = u128::from_str_radix(&text, 16).map_err(|_| fault())?;
        Ok(number.to_be_bytes())
    }
}

#[cfg(test)]
mod tests;

//! Who may lead: the checks before a promotion, and what a primary that restarts has to do first.
//!
//! Pure functions over facts that others gathered: the coordinator's view, what peers answer, what the own journal and
//! `node.meta` say. A node may lead if its log surely holds all that was ever released: it is one of those whose
//! copies were waited for, and the copy that was counted is still there. What cannot be sure is refused with the first
//! check that fails, in words; a person may force some of the checks and accept what is lost.
//!
//! Order of a promotion: these checks; the promise of the new epoch, made durable; the swap of the cluster's state; the
//! epoch's first record, made durable; then the others. Between checks and swap the promise keeps the node from
//! acknowledging anything of the old epoch.

pub mod copy;
pub mod restart;
mod words;

use std::fmt;

use crate::state::{AckPolicy, ClusterState};

pub use copy::OwnCopy;

/// A primary stays so long before another is promoted by itself: the guard against links that flap.
pub const MIN_TENURE_NS: u64 = 3_000_000_000;
/// Clocks that are further apart than this could turn the market's time back.
pub const SKEW_MAX_NS: u64 = 1_000_000_000;

/// What a promotion looks at, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The node is one of the cluster.
    UnknownNode,
    /// Nobody else was faster, and the state is not older than the journal.
    Epoch,
    /// The primary does not lead any more; with a planned switch: it does.
    PrimaryAlive,
    /// Its lease is over.
    Lease,
    /// The node is one of those that were waited for.
    InSync,
    /// Its journal is whole and applied, and its program can go on with it.
    Journal,
    /// The copy that was counted did not go with the power.
    Boot,
    /// The policy counted a copy here at all.
    Policy,
    /// After a power cut another member was heard.
    SoleSurvivor,
    /// The last change is not too young.
    Tenure,
    /// The clock is near the others'.
    Clock,
}

impl Check {
    /// Its word in answers.
    pub fn word(self) -> &'static str {
        match self {
            Check::UnknownNode => "unknown-node",
            Check::Epoch => "epoch",
            Check::PrimaryAlive => "primary-alive",
            Check::Lease => "lease",
            Check::InSync => "in-sync",
            Check::Journal => "journal",
            Check::Boot => "boot",
            Check::Policy => "policy",
            Check::SoleSurvivor => "sole-survivor",
            Check::Tenure => "tenure",
            Check::Clock => "clock",
        }
    }

    /// Whether a person may pass over it. What would make two primaries, or a broken one, is never passed over.
    pub fn can_be_forced(self) -> bool {
        self >= Check::InSync && self != Check::Journal
    }

    /// Whether passing over it may lose what was acknowledged.
    pub fn risks_loss(self) -> bool {
        matches!(self, Check::InSync | Check::Boot | Check::Policy | Check::SoleSurvivor)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Who asks for a promotion, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// The node itself, for the lease is gone.
    Automatic,
    /// A person.
    Manual,
    /// A person, and the primary hands over.
    Planned,
    /// A person, with `--force --accept-loss`.
    Forced,
}

/// The primary's lease as the coordinator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseSeen {
    /// There is no coordinator, hence no lease.
    NoCoordinator,
    /// Nobody holds it.
    Absent,
    /// This node holds it.
    Held(String),
}

/// All that the checks look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The node to be promoted: this one.
    pub candidate: String,
    /// Who asks.
    pub request: Request,
    /// The nodes of the cluster.
    pub nodes: Vec<String>,
    /// The state: the coordinator's; without one the newest that this node or one that it heard knows.
    pub state: ClusterState,
    /// The epoch that stood when the promotion was asked for.
    pub asked_at_epoch: u32,
    /// The lease.
    pub lease: LeaseSeen,
    /// This node leads that epoch now.
    pub leads: bool,
    /// The primary answers this node, and says that it leads this epoch.
    pub primary_leads: Option<u32>,
    /// This node's copy.
    pub copy: OwnCopy,
    /// Other members of the in-sync set that were heard since this node started.
    pub heard: Vec<String>,
    /// Time since the last change of primary; `None` if nobody here saw one.
    pub tenure_ns: Option<u64>,
    /// How far this node's clock is from the last primary's.
    pub skew_ns: u64,
}

/// A promotion that may go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleared {
    /// What failed and was forced.
    pub skipped: Vec<Refused>,
}

impl Cleared {
    /// Whether the new epoch may lack what was acknowledged.
    pub fn is_loss(&self) -> bool {
        self.skipped.iter().any(|skipped| skipped.check.risks_loss())
    }
}

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {why}")]
pub struct Refused {
    /// Which.
    pub check: Check,
    /// Why, and what to do.
    pub why: String,
}

/// Why a check fails; `None`: it holds.
type Look = fn(&Facts) -> Option<String>;

const ORDER: [(Check, Look); 11] = [
    (Check::UnknownNode, words::unknown_node),
    (Check::Epoch, words::epoch),
    (Check::PrimaryAlive, words::primary_alive),
    (Check::Lease, words::lease),
    (Check::InSync, words::in_sync),
    (Check::Journal, words::journal),
    (Check::Boot, words::boot),
    (Check::Policy, words::policy),
    (Check::SoleSurvivor, words::sole_survivor),
    (Check::Tenure, words::tenure),
    (Check::Clock, words::clock),
];

/// Looks whether the candidate may lead: the first check that fails, or what was forced.
pub fn check(facts: &Facts) -> Result<Cleared, Refused> {
    let mut cleared = Cleared::default();
    for (check, look) in ORDER {
        let Some(why) = look(facts) else { continue };
        let refused = Refused { check, why };
        if facts.request != Request::Forced || !check.can_be_forced() {
            return Err(refused);
        }
        cleared.skipped.push(refused);
    }
    Ok(cleared)
}

/// The epoch that a candidate promises and opens: above what stands, and above all that it ever promised, so that two
/// tries never mean the same epoch.
pub fn epoch_to_open(state: &ClusterState, promised: u32) -> Option<u32> {
    state.epoch.max(promised).checked_add(1)
}

/// What a primary does that hears of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// Nothing: it is of its own epoch or before.
    Nothing,
    /// It opens this epoch, by a swap; it fences itself if that fails.
    Raise(u32),
    /// It fences itself.
    Fence,
}

/// A promise is not a throne: a primary that still holds lease and state goes on in an epoch above the promise, and so
/// a candidate whose swap failed stops nobody. Without a coordinator it cannot know whether the other leads by now.
pub fn meet_promise(
    promise: u32,
    own_epoch: u32,
    node: &str,
    state: &ClusterState,
    lease: &LeaseSeen,
) -> Met {
    if promise <= own_epoch {
        return Met::Nothing;
    }
    let leads = state.primary == node && state.epoch == own_epoch;
    let holds = matches!(lease, LeaseSeen::Held(holder) if holder == node);
    match promise.checked_add(1) {
        Some(epoch) if leads && holds => Met::Raise(epoch),
        Some(_) | None => Met::Fence,
    }
}

/// The policy that a node's copy was counted under: the weakest in force while it was waited for.
pub fn weaker(a: AckPolicy, b: AckPolicy) -> AckPolicy {
    let strength = |policy: AckPolicy| (policy.on_standby(), policy.on_primary());
    if strength(a) <= strength(b) { a } else { b }
}

#[cfg(test)]
mod tests;

//! What a member of the in-sync set does that starts: nobody knows yet who holds most.
//!
//! A primary that lost unsynced pages with the power must not go on from what is left while a standby holds the rest.
//! So it hears all members first, the longest log of the last epoch leads, and every start opens an epoch. If one
//! cannot be heard it waits and names it, unless it may be promoted as after a death.

use super::copy::CountedCopy;
use crate::state::{AckPolicy, ClusterState};

/// How far a member's log reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The last epoch in its log.
    pub epoch: u32,
    /// The last sequence in its log.
    pub sequence: u64,
    /// How its counted copy fared.
    pub counted: CountedCopy,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restart {
    /// Wait for these to be heard.
    Wait(Vec<String>),
    /// Open the next epoch and lead; `loss` if that is a choice made before, by the policy `async`.
    Lead {
        /// What was acknowledged may be missing.
        loss: bool,
    },
    /// Let this node lead: its log is longer.
    HandOver(String),
    /// Another leads a newer epoch already: follow it.
    Follow(String),
    /// No copy that was counted is left: a person promotes the longest, named here, with `--force --accept-loss`.
    Lost(String),
    /// This node is not in the in-sync set: it waits for a primary.
    Outside,
}

/// Decides it, from the state and what was heard of the other members.
pub fn restart(state: &ClusterState, own: &Member, heard: &[Member]) -> Restart {
    // An epoch beyond the state's was opened by someone who knows more than the state.
    if let Some(newer) = heard.iter().filter(|member| member.epoch > state.epoch).max_by_key(|m| m.epoch)
        && newer.epoch > own.epoch
    {
        return Restart::Follow(newer.name.clone());
    }
    if !state.is_in_sync(&own.name) {
        return Restart::Outside;
    }
    let is_heard = |name: &str| heard.iter().any(|member| member.name == name);
    let missing: Vec<String> =
        state.in_sync_but(&own.name).filter(|name| !is_heard(name)).map(str::to_owned).collect();
    if !missing.is_empty() {
        return Restart::Wait(missing);
    }
    let members = heard.iter().filter(|member| state.is_in_sync(&member.name));
    let longest =
        members.clone().fold(own, |best, member| if is_longer(member, best, own) { member } else { best });
    let any_whole = own.counted.is_whole() || members.clone().any(|member| member.counted.is_whole());
    if !any_whole && !is_choice(state, own, members) {
        return Restart::Lost(longest.name.clone());
    }
    if longest.name == own.name {
        Restart::Lead { loss: !any_whole }
    } else {
        Restart::HandOver(longest.name.clone())
    }
}

/// The in-sync member that should rather lead than this node, for it would lose less of what nobody was told yet.
/// The longest first, ties by name. Any of them is safe.
pub fn better<'a>(own: &Member, heard: &'a [Member]) -> Option<&'a Member> {
    let best = heard.iter().max_by(|a, b| order(a).cmp(&order(b)).then_with(|| b.name.cmp(&a.name)))?;
    let is_better = order(best) > order(own) || (order(best) == order(own) && best.name < own.name);
    is_better.then_some(best)
}

fn order(member: &Member) -> (u32, u64) {
    (member.epoch, member.sequence)
}

/// Of equal logs the own is taken, else the one whose name comes first: all members that hear each other agree, but for
/// the own, and the swap decides between those.
fn is_longer(member: &Member, best: &Member, own: &Member) -> bool {
    let same = order(member) == order(best) && best.name != own.name && member.name < best.name;
    order(member) > order(best) || same
}

/// Whether nothing was promised to outlive the power: under `async` a lost tail was chosen beforehand.
fn is_choice<'a>(state: &ClusterState, own: &Member, members: impl Iterator<Item = &'a Member>) -> bool {
    let chosen = |member: &Member| member.counted.policy == AckPolicy::Async;
    state.policy == AckPolicy::Async && chosen(own) && members.into_iter().all(chosen)
}

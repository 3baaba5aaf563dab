//! Each check: why it fails and what an operator can do, or `None` where it holds.

use super::{Facts, LeaseSeen, MIN_TENURE_NS, Request, SKEW_MAX_NS};
use crate::state::Counted;

const NS_PER_MS: u64 = 1_000_000;

pub(super) fn unknown_node(facts: &Facts) -> Option<String> {
    let Facts { candidate, nodes, .. } = facts;
    let known = nodes.contains(candidate) || facts.state.is_in_sync(candidate);
    (!known).then(|| format!("{candidate} is no node of this cluster ({})", nodes.join(", ")))
}

pub(super) fn epoch(facts: &Facts) -> Option<String> {
    let stands = facts.state.epoch;
    if facts.asked_at_epoch != stands {
        return Some(format!(
            "epoch {} has become {stands}, led by {}: look at `rialto status`, and ask again if it is still wanted",
            facts.asked_at_epoch, facts.state.primary
        ));
    }
    (facts.copy.epoch > stands).then(|| {
        format!(
            "{}'s journal is of epoch {}, the cluster's state of epoch {stands}: the coordinator was set back to an \
             old backup. Stop all nodes, `rialto coordinator reset`, and start the node with the longest journal first",
            facts.candidate, facts.copy.epoch
        )
    })
}

pub(super) fn primary_alive(facts: &Facts) -> Option<String> {
    let (primary, epoch) = (&facts.state.primary, facts.state.epoch);
    if facts.leads {
        return Some(format!("{} leads epoch {epoch} already", facts.candidate));
    }
    let answers = facts.primary_leads == Some(epoch);
    if facts.request == Request::Planned {
        return (!answers).then(|| {
            format!("{primary} does not answer as primary of epoch {epoch}, so it cannot hand over: promote without --planned")
        });
    }
    // One that lost its lease releases nothing, alive or not.
    let has_authority = facts.lease != LeaseSeen::Absent;
    (answers && has_authority)
        .then(|| format!("{primary} is alive and leads epoch {epoch}: use --planned, or stop it first"))
}

pub(super) fn lease(facts: &Facts) -> Option<String> {
    let primary = &facts.state.primary;
    match (&facts.lease, facts.request) {
        (LeaseSeen::Held(holder), Request::Planned) if holder == primary => None,
        (LeaseSeen::Held(_) | LeaseSeen::Absent, Request::Planned) => Some(format!(
            "{primary} does not hold the lease, so it cannot hand over: promote without --planned"
        )),
        (LeaseSeen::NoCoordinator | LeaseSeen::Absent, _) => None,
        (LeaseSeen::Held(holder), _) => Some(format!(
            "{holder} holds the lease and may still release: it ends within 2 s of its death, ask again"
        )),
    }
}

pub(super) fn in_sync(facts: &Facts) -> Option<String> {
    let Facts { candidate, state, .. } = facts;
    (!state.is_in_sync(candidate)).then(|| {
        format!(
            "{candidate} is not in the in-sync set ({}) and may lack acknowledged orders: promote one that is, or \
             accept the loss with --force --accept-loss",
            state.in_sync.join(", ")
        )
    })
}

pub(super) fn journal(facts: &Facts) -> Option<String> {
    let Facts { candidate, copy, .. } = facts;
    if let Some(fault) = &copy.fault {
        return Some(format!("{candidate}'s journal has to be repaired from a peer first: {fault}"));
    }
    if let Some(version) = &copy.version {
        return Some(format!("{candidate} cannot go on with this journal: {version}"));
    }
    (copy.applied < copy.received).then(|| {
        format!(
            "{candidate} has applied {} of {} received: ask again in a moment",
            copy.applied, copy.received
        )
    })
}

pub(super) fn boot(facts: &Facts) -> Option<String> {
    let counted = facts.copy.counted;
    if facts.request == Request::Planned || counted.counted() != Counted::Memory || counted.is_whole() {
        return None;
    }
    let how = if counted.power_lost { "its machine was started anew" } else { "its shared memory is gone" };
    let others: Vec<&str> = facts.state.in_sync_but(&facts.candidate).collect();
    let instead = if others.is_empty() {
        "nobody else holds them".to_owned()
    } else {
        format!("promote {} if it lives", others.join(" or "))
    };
    Some(format!(
        "under {} the copy in {}'s memory was counted, and {how}: acknowledged orders may be missing; {instead}, or \
         accept the loss with --force --accept-loss",
        counted.policy, facts.candidate
    ))
}

pub(super) fn policy(facts: &Facts) -> Option<String> {
    let counted = facts.copy.counted;
    (facts.request != Request::Planned && counted.counted() == Counted::None).then(|| {
        format!(
            "under {} no release waits for {}'s copy, so acknowledged orders may be missing: start {} again, or accept \
             the loss with --force --accept-loss",
            counted.policy, facts.candidate, facts.state.primary
        )
    })
}

/// After a power cut of all of them rot in the last batch on the disk cannot be told from a torn tail without another
/// member's word. A person who promotes says that no other member will come.
pub(super) fn sole_survivor(facts: &Facts) -> Option<String> {
    let is_by_itself = facts.request == Request::Automatic;
    if !is_by_itself || !facts.copy.counted.power_lost || !facts.heard.is_empty() {
        return None;
    }
    let others: Vec<&str> = facts.state.in_sync_but(&facts.candidate).collect();
    (!others.is_empty()).then(|| {
        format!(
            "{} came back from a power cut and has heard none of the other in-sync nodes ({}): start one of them, or \
             promote by hand if they are gone for good",
            facts.candidate,
            others.join(", ")
        )
    })
}

pub(super) fn tenure(facts: &Facts) -> Option<String> {
    let tenure_ns = facts.tenure_ns?;
    (facts.request == Request::Automatic && tenure_ns < MIN_TENURE_NS).then(|| {
        format!(
            "the last change of primary was less than {} ms ago: wait, or promote by hand",
            MIN_TENURE_NS / NS_PER_MS
        )
    })
}

pub(super) fn clock(facts: &Facts) -> Option<String> {
    (facts.skew_ns > SKEW_MAX_NS).then(|| {
        format!(
            "{}'s clock is {} ms from the last primary's, more than {}: set it right, or pass over it with --force",
            facts.candidate,
            facts.skew_ns / NS_PER_MS,
            SKEW_MAX_NS / NS_PER_MS
        )
    })
}

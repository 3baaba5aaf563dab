//! A model of who may lead, searched through all its states: three nodes that crash, lose their power and start again; a
//! stream of records with acks that come late or never; a set that shrinks and grows by swaps; promises, promotions,
//! restarts and a lease that may end at any moment, since nothing may depend on it.
//!
//! The checks of a promotion, the restart rule, the rule for a promise that is met, and the transitions of the
//! state are the real ones. It looks at I1 (an epoch has one primary), I3 (a primary holds all that was
//! ever released, at the same place), I4 (an old epoch releases nothing new after a newer one did) and I6 (who may be
//! promoted is awaited). Each rule is shown to be needed: without it the search finds what breaks.
//!
//! It does not look at time, at the coordinator's own faults, or at what a record means.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "the model counts to eight")]

#[path = "model/nodes.rs"]
mod nodes;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/search.rs"]
mod search;
#[path = "model/steps.rs"]
mod steps;

use std::time::Instant;

use nodes::Left;
use rialto_replicator::state::AckPolicy;
use rules::Rules;
use search::{Found, search};
use steps::{Action, Exchange, Fault};

const STATES_MAX: usize = 4_000_000;

fn look(policy: AckPolicy, fault: Fault, left: Left, looks_at_promotable: bool) -> Found<Action> {
    let begun = Instant::now();
    let model = Exchange { rules: Rules::new(policy), fault, left, epochs_max: 3, looks_at_promotable };
    let found = search(&model, STATES_MAX);
    let (states, depth) = (found.states, found.depth);
    println!("{policy} {fault:?} {left:?}: {states} states, {depth} deep, {:?}", begun.elapsed());
    found
}

#[track_caller]
fn holds(policy: AckPolicy, left: Left) {
    let found = look(policy, Fault::None, left, true);
    assert_eq!(found.broken, None);
}

/// The fault is found, as the breach of this invariant. I6 is looked at only where it is the one expected.
#[track_caller]
fn finds(fault: Fault, left: Left, invariant: &str) {
    let found = look(AckPolicy::Ram, fault, left, invariant == "I6");
    let Some((broken, way)) = found.broken else { panic!("{fault:?} is not found") };
    println!("  {broken}: {way:?}");
    assert_eq!(broken, invariant, "{way:?}");
}

/// One of each, and a lease that ends once.
const ONE: Left = Left { records: 1, crashes: 1, power_cuts: 1, changes: 1, lease_ends: 1 };
const NO_CRASH: Left = Left { records: 1, crashes: 0, power_cuts: 0, changes: 2, lease_ends: 1 };

#[test]
fn no_order_of_crashes_and_changes_of_the_set_loses_what_was_released() {
    holds(AckPolicy::Ram, Left { power_cuts: 0, ..ONE });
    holds(AckPolicy::Ram, Left { crashes: 0, ..ONE });
    holds(AckPolicy::Ram, Left { crashes: 0, power_cuts: 0, changes: 2, lease_ends: 2, ..ONE });
    holds(AckPolicy::Ram, Left { crashes: 0, records: 2, changes: 0, ..ONE });
    holds(AckPolicy::DiskRam, Left { crashes: 0, ..ONE });
    holds(AckPolicy::DiskDisk, Left { crashes: 0, power_cuts: 2, changes: 0, ..ONE });
}

#[test]
fn a_standby_that_leaves_the_set_after_the_primary_ceased_to_wait_is_found() {
    finds(Fault::ShrinkAfterCeasing, NO_CRASH, "I6");
    finds(Fault::ShrinkAfterCeasing, NO_CRASH, "I3");
}

#[test]
fn a_standby_that_joins_the_set_before_the_primary_waits_is_found() {
    finds(Fault::GrowBeforeWaiting, NO_CRASH, "I6");
    finds(Fault::GrowBeforeWaiting, NO_CRASH, "I3");
}

#[test]
fn a_standby_that_joins_without_what_the_epoch_began_with_is_found() {
    finds(Fault::GrowBelowStart, Left { lease_ends: 2, ..NO_CRASH }, "I3");
}

#[test]
fn a_restart_in_the_old_epoch_is_found() {
    finds(Fault::RestartInOldEpoch, Left { crashes: 0, ..ONE }, "I3");
}

#[test]
fn a_promotion_without_a_promise_is_found() {
    finds(Fault::NoPromise, NO_CRASH, "I3");
}

#[test]
fn a_last_copy_that_is_not_on_a_disk_is_found() {
    let left = Left { crashes: 0, changes: 2, ..ONE };
    finds(Fault::ShrinkUnsynced, left, "I3");
    finds(Fault::ShrinkWithoutOwnDisk, left, "I3");
}

#[test]
fn a_node_that_does_not_mind_its_lost_memory_is_found() {
    finds(Fault::IgnoreBoot, Left { crashes: 0, ..ONE }, "I3");
}

#[test]
fn a_swap_over_a_state_that_was_not_seen_is_found() {
    finds(Fault::SwapUnseen, NO_CRASH, "I3");
}

//! What a coordinator promises whoever keeps the keys, asked of the pretend one and of none at all.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rialto_replicator::coordinator::local::Local;
use rialto_replicator::coordinator::pretend::{Pretend, PretendClient};
use rialto_replicator::coordinator::{
    Coordinator, CoordinatorError, LeaseId, LeaseIs, NodeNote, Revision, Swap, Watched, settle,
};
use rialto_replicator::state::{AckPolicy, ClusterState};

const TTL: Duration = Duration::from_secs(2);

fn founded(by: &str) -> ClusterState {
    ClusterState::founded(by, AckPolicy::DiskRam, false).unwrap()
}

fn swap(seen: Revision, state: &ClusterState) -> Swap<'_> {
    Swap { seen, lease_is: LeaseIs::Any, state, hold: None }
}

/// A founded cluster with a lease: the store, two clients, the lease, and when the state was last changed.
fn cluster() -> (Pretend, PretendClient, PretendClient, LeaseId, Revision) {
    let store = Pretend::new("x");
    let (one, two) = (store.client("n1"), store.client("n2"));
    let lease = one.grant(TTL).unwrap().lease;
    let hold =
        Swap { seen: Revision(0), lease_is: LeaseIs::Absent, state: &founded("n1"), hold: Some(lease) };
    let seen = one.swap(&hold).unwrap();
    (store, one, two, lease, seen)
}

#[test]
fn of_two_who_saw_the_same_one_wins() {
    let (_, one, two, _, seen) = cluster();
    let (a, b) = (founded("n1").with("a").unwrap(), founded("n1").with("b").unwrap());
    let won = one.swap(&swap(seen, &a)).unwrap();
    let CoordinatorError::Lost { now, .. } = two.swap(&swap(seen, &b)).unwrap_err() else { panic!() };
    assert_eq!(now.state, Some((a, won)));
    assert_eq!(now.holder.unwrap().node, "n1");
}

#[test]
fn the_lease_conditions_are_none_absent_and_held() {
    let (_, one, two, lease, seen) = cluster();
    let next = founded("n1").with("n2").unwrap();
    let attempt = |lease_is| two.swap(&Swap { lease_is, ..swap(seen, &next) });
    assert!(matches!(attempt(LeaseIs::Absent), Err(CoordinatorError::Lost { .. })));
    assert!(matches!(attempt(LeaseIs::Held(LeaseId(77))), Err(CoordinatorError::Lost { .. })));
    let seen = attempt(LeaseIs::Held(lease)).unwrap();
    one.revoke(lease).unwrap();
    let after = next.under(AckPolicy::Ram, false).unwrap();
    let held = Swap { lease_is: LeaseIs::Held(lease), ..swap(seen, &after) };
    assert!(matches!(one.swap(&held), Err(CoordinatorError::Lost { .. })));
    let gone = Swap { hold: Some(lease), ..swap(seen, &after) };
    assert_eq!(one.swap(&gone), Err(CoordinatorError::Expired));
    assert!(one.swap(&Swap { lease_is: LeaseIs::Absent, ..swap(seen, &after) }).is_ok());
}

#[test]
fn a_lease_that_is_not_renewed_ends_and_a_change_of_leader_only_prolongs_it() {
    let (store, one, two, lease, seen) = cluster();
    let seen = two.read().unwrap().revision.max(seen);
    store.advance(Duration::from_millis(1_900));
    assert_eq!(one.keep_alive(lease), Ok(TTL));
    store.advance(Duration::from_millis(1_900));
    store.change_leader();
    store.advance(Duration::from_millis(1_900));
    assert_eq!(two.watch(seen, TTL).unwrap(), Watched::Nothing);
    assert_eq!(two.read().unwrap().holder.unwrap().lease, lease);
    store.advance(Duration::from_millis(100));
    assert_eq!(two.watch(seen, TTL).unwrap(), Watched::Changed);
    assert_eq!(two.read().unwrap().holder, None);
    assert_eq!(one.keep_alive(lease), Err(CoordinatorError::Expired));
}

#[test]
fn a_lost_answer_settles_as_done_and_a_lost_request_is_sent_again() {
    for answer_only in [true, false] {
        let (store, one, _, _, seen) = cluster();
        let next = founded("n1").with("n2").unwrap();
        let lose = |name| if answer_only { store.lose_answer(name) } else { store.lose_request(name) };
        lose("n1");
        assert!(matches!(one.swap(&swap(seen, &next)), Err(CoordinatorError::Unknown(_))));
        assert_eq!(one.read().unwrap().state() == Some(&next), answer_only);
        lose("n1");
        let settled = settle(&one, &swap(seen, &next)).unwrap();
        assert_eq!(one.read().unwrap().state, Some((next, settled)));
    }
}

#[test]
fn a_lost_answer_behind_which_another_was_faster_settles_as_lost() {
    let (store, one, two, _, seen) = cluster();
    let (a, b) = (founded("n1").with("a").unwrap(), founded("n1").with("b").unwrap());
    two.swap(&swap(seen, &b)).unwrap();
    store.lose_answer("n1");
    let CoordinatorError::Lost { now, .. } = settle(&one, &swap(seen, &a)).unwrap_err() else { panic!() };
    assert_eq!(now.state(), Some(&b));
}

#[test]
fn who_is_cut_off_does_nothing_and_knows_it() {
    let (store, one, two, lease, seen) = cluster();
    store.cut("n1");
    let next = founded("n1").with("n2").unwrap();
    assert!(matches!(settle(&one, &swap(seen, &next)), Err(CoordinatorError::Unreachable(_))));
    assert!(matches!(one.keep_alive(lease), Err(CoordinatorError::Unreachable(_))));
    assert!(two.read().is_ok());
    store.heal("n1");
    assert!(one.read().is_ok());
}

#[test]
fn a_stale_watch_sees_nothing_and_a_read_sees_all() {
    let (store, one, two, _, seen) = cluster();
    store.stale_watches("n2");
    let next = founded("n1").with("n2").unwrap();
    one.swap(&swap(seen, &next)).unwrap();
    assert_eq!(two.watch(seen, TTL).unwrap(), Watched::Nothing);
    assert_eq!(two.read().unwrap().state(), Some(&next));
}

#[test]
fn a_backup_that_is_restored_brings_an_old_state_back() {
    let (store, one, _, _, seen) = cluster();
    let backup = store.backup();
    one.swap(&swap(seen, &founded("n1").with("n2").unwrap())).unwrap();
    store.restore(&backup);
    assert_eq!(one.read().unwrap().state(), Some(&founded("n1")));
}

#[test]
fn a_name_belongs_to_one_life_of_a_node() {
    let (_, one, two, _, _) = cluster();
    let note = |incarnation| NodeNote {
        name: "n1".to_owned(),
        replication: "h:1".to_owned(),
        fix: "h:2".to_owned(),
        boot_id: "ab".to_owned(),
        incarnation,
        role: "standby".to_owned(),
        epoch: 1,
        sequence: 0,
    };
    let (first, second) = (one.grant(TTL).unwrap().lease, two.grant(TTL).unwrap().lease);
    one.register(&note(1), first).unwrap();
    assert!(matches!(two.register(&note(2), second), Err(CoordinatorError::Taken { .. })));
    one.revoke(first).unwrap();
    two.register(&note(2), second).unwrap();
    assert_eq!(two.read().unwrap().nodes, [note(2)]);
    assert_eq!(one.register(&note(1), first), Err(CoordinatorError::Expired));
}

#[test]
fn without_a_coordinator_the_state_is_kept_before_it_counts() {
    let kept: Arc<Mutex<(Option<ClusterState>, bool)>> = Arc::default();
    let keep = {
        let kept = Arc::clone(&kept);
        Box::new(move |state: Option<&ClusterState>| {
            let mut kept = kept.lock();
            if kept.1 {
                return Err("the disk is full".to_owned());
            }
            kept.0 = state.cloned();
            Ok(())
        })
    };
    let local = Local::new(None, keep);
    assert!(!local.has_leases());
    let first = founded("n1");
    let seen = local.swap(&Swap { lease_is: LeaseIs::Absent, ..swap(Revision(0), &first) }).unwrap();
    assert_eq!(kept.lock().0, Some(first.clone()));
    let next = first.with("n2").unwrap();
    kept.lock().1 = true;
    assert!(
        matches!(local.swap(&swap(seen, &next)), Err(CoordinatorError::Unknown(why)) if why.contains("full"))
    );
    assert_eq!(local.read().unwrap().state(), Some(&first));
    kept.lock().1 = false;
    let changed = settle(&local, &swap(seen, &next)).unwrap();
    assert!(matches!(local.swap(&swap(seen, &next)), Err(CoordinatorError::Lost { .. })));
    assert_eq!(local.watch(seen, TTL), Ok(Watched::Changed));
    assert_eq!(local.watch(changed, TTL), Ok(Watched::Nothing));
}

#[test]
fn a_standby_without_a_coordinator_keeps_the_newest_state_that_it_heard_of() {
    let local = Local::new(Some(founded("n1")), Box::new(|_| Ok(())));
    let next = founded("n1").with("n2").unwrap();
    local.learn(&next).unwrap();
    local.learn(&founded("n1")).unwrap();
    assert_eq!(local.read().unwrap().state(), Some(&next));
}

//! What each step releases under each policy.

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Published(u64),
    Synced(u64),
    Policy(Policy),
}
use Step::{Published, Synced};

#[track_caller]
fn check(policy: Policy, steps: &[(Step, u64)]) {
    let cursors = Cursors::anonymous(policy, 10).unwrap();
    for &(step, released) in steps {
        let before = cursors.released();
        let rose = match step {
            Published(sequence) => cursors.advance_published(sequence),
            Synced(sequence) => cursors.advance_synced(sequence),
            Step::Policy(policy) => cursors.set_policy(policy),
        };
        assert_eq!(cursors.released(), released, "after {step:?}");
        assert_eq!(rose, released > before, "after {step:?}");
    }
}

#[test]
fn async_releases_what_is_published() {
    check(Policy::Async, &[(Published(12), 12), (Synced(11), 12), (Published(12), 12), (Published(15), 15)]);
}

#[test]
fn disk_releases_what_is_synced() {
    check(Policy::Disk, &[(Published(12), 10), (Synced(11), 11), (Published(15), 11), (Synced(15), 15)]);
}

#[test]
fn released_never_falls_when_the_policy_gets_stricter() {
    let to_disk = Step::Policy(Policy::Disk);
    check(
        Policy::Async,
        &[(Published(12), 12), (to_disk, 12), (Published(14), 12), (Synced(11), 12), (Synced(13), 13)],
    );
}

#[test]
fn weaker_policy_releases_at_once_what_it_allows() {
    check(Policy::Disk, &[(Published(12), 10), (Step::Policy(Policy::Async), 12)]);
}

#[test]
fn cursors_never_fall() {
    let cursors = Cursors::anonymous(Policy::Async, 10).unwrap();
    cursors.advance_published(9);
    cursors.advance_sealed(9);
    cursors.advance_synced(9);
    let all = [cursors.published(), cursors.sealed(), cursors.synced(), cursors.released()];
    assert_eq!(all, [10; 4]);
}

#[test]
fn first_failure_is_the_one_that_stays() {
    let cursors = Cursors::anonymous(Policy::Disk, 0).unwrap();
    assert_eq!(cursors.failure(), None);
    assert!(cursors.fail(5));
    assert!(!cursors.fail(6));
    assert_eq!(cursors.failure(), Some(5));
}

#[test]
fn attached_cursors_follow_and_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cursors");
    let identity = Identity::new([1; 16], [2; 16], "n1", 4);
    let ours = Cursors::create(&path, &identity, Policy::Disk, 10).unwrap();
    let theirs = Cursors::attach(&path, &identity).unwrap();
    ours.advance_published(12);
    ours.advance_sealed(12);
    ours.advance_synced(11);
    ours.set_storage_idle(true);
    ours.set_draining();
    assert_eq!((theirs.published(), theirs.sealed(), theirs.synced(), theirs.released()), (12, 12, 11, 11));
    assert_eq!((theirs.policy(), theirs.storage_is_idle(), theirs.is_draining()), (Policy::Disk, true, true));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| theirs.set_draining())).unwrap_err();

    let other = Identity::new([1; 16], [2; 16], "n2", 4);
    let error = Cursors::attach(&path, &other).unwrap_err().to_string();
    assert!(error.contains("node is 0x"), "{error}");
}

/// Cursors of a primary whose commands up to 30 are published and up to `synced` on its disk.
fn primary(policy: Policy, synced: u64) -> Cursors {
    let cursors = Cursors::anonymous(policy, 10).unwrap();
    cursors.advance_published(30);
    cursors.advance_synced(synced);
    cursors
}

#[track_caller]
fn check_standbys(policy: Policy, synced: u64, standbys: Standbys, released: u64) {
    let cursors = primary(policy, 10);
    cursors.set_standbys(Standbys { awaited: 1, received: 10, kept: 10 });
    cursors.advance_synced(synced);
    cursors.set_standbys(standbys);
    assert_eq!(cursors.released(), released, "{policy:?}, synced {synced}, {standbys:?}");
}

#[test]
fn each_policy_waits_for_the_copies_that_it_names() {
    let standbys = Standbys { awaited: 2, received: 25, kept: 15 };
    check_standbys(Policy::Ram, 20, standbys, 25);
    check_standbys(Policy::DiskRam, 20, standbys, 20);
    check_standbys(Policy::DiskRam, 28, standbys, 25);
    check_standbys(Policy::DiskDisk, 20, standbys, 15);
    check_standbys(Policy::DiskDisk, 12, standbys, 12);
    check_standbys(Policy::Disk, 20, standbys, 20);
}

#[test]
fn without_a_standby_to_wait_for_the_own_disk_counts() {
    for policy in [Policy::Ram, Policy::DiskRam, Policy::DiskDisk] {
        let cursors = primary(policy, 17);
        assert_eq!((cursors.released(), cursors.policy_in_effect()), (17, Policy::Disk));
    }
}

#[test]
fn nothing_is_released_behind_a_shut_gate() {
    for gate in [Gate::Standby, Gate::Starting, Gate::Shut] {
        let cursors = Cursors::anonymous(Policy::Async, 10).unwrap();
        assert!(!cursors.set_gate(gate));
        assert!(!cursors.advance_published(12) && !cursors.advance_synced(12));
        assert_eq!(cursors.released(), 10);
        assert!(cursors.set_gate(Gate::Open));
        assert_eq!(cursors.released(), 12);
    }
}

#[test]
fn nothing_is_released_after_the_leases_deadline() {
    let cursors = Cursors::anonymous(Policy::Async, 10).unwrap();
    let now = crate::clock::boottime_ns();
    cursors.set_deadline(now.saturating_sub(1));
    assert!(!cursors.advance_published(12));
    assert!(cursors.set_deadline(now + 3_600_000_000_000));
    assert_eq!(cursors.released(), 12);
}

#[test]
fn a_standby_tells_what_the_primary_has_released_and_no_more_than_it_has() {
    let cursors = Cursors::anonymous(Policy::Async, 10).unwrap();
    assert!(!cursors.follow(11), "a primary follows nobody");
    cursors.set_gate(Gate::Standby);
    cursors.advance_published(12);
    assert!(cursors.follow(11));
    assert!(cursors.follow(20));
    assert_eq!(cursors.released(), 12);
}

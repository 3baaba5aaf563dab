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

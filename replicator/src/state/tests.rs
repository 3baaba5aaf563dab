//! The transitions of the cluster's state, and its text.
use super::*;

const ALL_SYNCED: Held = Held { released: 9, synced: 9 };

fn three() -> ClusterState {
    let one = ClusterState::founded("n1", AckPolicy::DiskRam, false).unwrap();
    one.with("n3").unwrap().with("n2").unwrap()
}

fn opening(epoch: u32, primary: &str) -> Opening {
    Opening {
        epoch,
        primary: primary.to_owned(),
        start_page: 7,
        start_seq: 50,
        prev_end_page: 7,
        prev_chain: [0xab; 16],
        loss: false,
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, StateRefusal>, words: &str) {
    let why = result.unwrap_err().to_string();
    assert!(why.contains(words), "{why}");
}

#[test]
fn a_set_grows_in_order_and_each_change_has_its_own_version() {
    let state = three();
    assert_eq!(state.in_sync, ["n1", "n2", "n3"]);
    assert_eq!(state.version, 3);
    refused(state.with("n2"), "n2 is in the in-sync set already");
    refused(state.with(""), "no node's name");
    let mut full = ClusterState::founded("n00", AckPolicy::Ram, false).unwrap();
    for number in 1..NODES_MAX {
        full = full.with(&format!("n{number:02}")).unwrap();
    }
    refused(full.with("one-more"), "at most 16 nodes");
}

#[test]
fn the_primary_never_leaves_the_set_and_only_members_leave() {
    let state = three();
    assert_eq!(state.without(&["n2"], ALL_SYNCED).unwrap().in_sync, ["n1", "n3"]);
    assert_eq!(state.without(&["n2", "n3"], ALL_SYNCED).unwrap().in_sync, ["n1"]);
    refused(state.without(&["n1"], ALL_SYNCED), "n1 is the primary");
    refused(state.without(&["n4"], ALL_SYNCED), "n4 is not in the in-sync set (n1, n2, n3)");
    refused(state.without(&[], ALL_SYNCED), "nobody is to leave");
}

#[test]
fn the_last_copy_is_on_a_disk_before_it_is_the_last() {
    let behind = Held { released: 9, synced: 8 };
    refused(three().without(&["n2", "n3"], behind), "has synced 8 of 9 released");
    assert!(three().without(&["n2"], behind).is_ok(), "n3 holds it too");
    let careless = three().under(AckPolicy::Async, false).unwrap();
    assert!(careless.without(&["n2", "n3"], behind).is_ok());
}

#[test]
fn a_strict_cluster_is_never_left_with_a_lone_primary_and_one_that_founds_it_releases_nothing() {
    let strict = three().under(AckPolicy::DiskRam, true).unwrap();
    let two = strict.without(&["n2"], ALL_SYNCED).unwrap();
    refused(two.without(&["n3"], ALL_SYNCED), "alone, and the cluster is strict");
    let founder = ClusterState::founded("n1", AckPolicy::Ram, true).unwrap();
    assert_eq!(founder.policy_in_force(), None);
    assert_eq!(founder.with("n2").unwrap().policy_in_force(), Some(AckPolicy::Ram));
}

#[test]
fn a_lone_primary_goes_on_under_disk() {
    for policy in AckPolicy::ALL {
        let lone = ClusterState::founded("n1", policy, false).unwrap();
        let expected = if policy == AckPolicy::Async { policy } else { AckPolicy::Disk };
        assert_eq!(lone.policy_in_force(), Some(expected), "{policy}");
        assert_eq!(lone.is_degraded(), policy.waits_for_standbys(), "{policy}");
        assert_eq!(lone.with("n2").unwrap().policy_in_force(), Some(policy), "{policy}");
    }
}

#[test]
fn an_epoch_is_newer_and_is_led_by_a_member() {
    let next = three().opened(&opening(2, "n2"), &[]).unwrap();
    assert_eq!((next.epoch, next.primary.as_str(), next.version), (2, "n2", 4));
    assert_eq!(next.in_sync, ["n2"]);
    assert_eq!((next.epoch_start_page, next.epoch_start_seq, next.prev_end_page), (7, 50, 7));
    refused(three().opened(&opening(1, "n2"), &[]), "epoch 1 is not newer than 1");
    refused(three().opened(&opening(2, "n4"), &[]), "n4 is not in the in-sync set");
    refused(three().opened(&opening(2, "n2"), &["n4"]), "n4 is not in the in-sync set");
    assert_eq!(three().opened(&opening(9, "n1"), &["n3", "n1"]).unwrap().in_sync, ["n1", "n3"]);
    refused(next.opened(&Opening { start_page: 6, ..opening(3, "n2") }, &[]), "before epoch 2");
    refused(next.opened(&Opening { prev_end_page: 8, ..opening(3, "n2") }, &[]), "behind page 7");
    let floor = next.committed(60).unwrap();
    refused(floor.opened(&opening(3, "n2"), &[]), "sequence 50 was released");
    refused(floor.committed(60), "60 was released already");
}

#[test]
fn only_a_chosen_loss_lets_an_outsider_lead() {
    let state = three().committed(60).unwrap();
    let lost = state.opened(&Opening { loss: true, ..opening(2, "n4") }, &[]).unwrap();
    assert_eq!(lost.in_sync, ["n4"]);
    assert!(lost.loss);
    assert_eq!(lost.committed_floor, 49, "what was released beyond is gone");
    let after = lost.opened(&Opening { start_page: 9, start_seq: 70, ..opening(3, "n4") }, &[]).unwrap();
    assert!(!after.loss, "the next epoch began with all that this one had");
}

#[test]
fn a_policy_changes_to_another_one() {
    let state = three().under(AckPolicy::DiskDisk, false).unwrap();
    assert_eq!(state.policy, AckPolicy::DiskDisk);
    refused(state.under(AckPolicy::DiskDisk, false), "disk+disk already");
    assert!(state.under(AckPolicy::DiskDisk, true).unwrap().strict);
}

#[test]
fn a_state_is_the_same_after_its_text_and_after_bincode() {
    let state = three().opened(&opening(5, "n3"), &["n1"]).unwrap();
    let text = String::from_utf8(state.to_bytes()).unwrap();
    assert!(text.contains(r#""policy":"disk+ram""#), "{text}");
    assert!(text.contains(r#""prev_chain":"abababababababababababababababab""#), "{text}");
    assert_eq!(ClusterState::from_bytes(text.as_bytes()).unwrap(), state);
    let packed = bincode::serialize(&state).unwrap();
    assert_eq!(bincode::deserialize::<ClusterState>(&packed).unwrap(), state);
}

#[test]
fn what_cannot_be_a_state_is_refused() {
    let text = String::from_utf8(three().to_bytes()).unwrap();
    let bad = |from: &str, to: &str, words: &str| {
        assert!(text.contains(from), "{text}");
        refused(ClusterState::from_bytes(text.replace(from, to).as_bytes()), words);
    };
    bad(r#"["n1","n2","n3"]"#, r#"["n2","n3"]"#, "n1 is not in the in-sync set");
    bad(r#"["n1","n2","n3"]"#, r#"["n3","n2","n1"]"#, "not in order");
    bad(r#"["n1","n2","n3"]"#, r#"["n1","n1"]"#, "not in order");
    bad(r#""epoch":1"#, r#""epoch":0"#, "begin at 1");
    bad(r#""disk+ram""#, r#""quorum""#, "unknown variant");
    bad(&"0".repeat(32), "+0", "32 hex digits");
    bad(r#""primary":"n1","#, "", "missing field");
    refused(ClusterState::from_bytes(&vec![b' '; STATE_BYTES_MAX + 1]), "8193 bytes");
    refused(ClusterState::from_bytes(b"\xff"), "this is no cluster state");
}

#[test]
fn each_policy_has_one_word_and_strangers_are_named() {
    for policy in AckPolicy::ALL {
        assert_eq!(rialto_journal::cursor::Policy::from(policy).name(), policy.word());
        assert_eq!(policy.to_string().parse::<AckPolicy>().unwrap(), policy);
    }
    assert!("DISK".parse::<AckPolicy>().unwrap_err().contains("disk+ram or disk+disk"));
}

//! The rows of the split-brain table that these rules decide, and each check by itself.
use super::copy::CountedCopy;
use super::restart::{Member, Restart, better, restart};
use super::*;
use crate::state::Opening;

fn state(policy: AckPolicy) -> ClusterState {
    let one = ClusterState::founded("n1", policy, false).unwrap();
    let opening = Opening {
        epoch: 4,
        primary: "n1".to_owned(),
        start_page: 2,
        start_seq: 10,
        prev_end_page: 2,
        prev_chain: [0; 16],
        loss: false,
    };
    one.with("n2").unwrap().opened(&opening, &["n2"]).unwrap()
}

/// n2 after the death of n1, whose lease has ended.
fn facts(policy: AckPolicy) -> Facts {
    let counted = CountedCopy { policy, led: false, power_lost: false, memory_found: true };
    Facts {
        candidate: "n2".to_owned(),
        request: Request::Automatic,
        nodes: ["n1", "n2", "n3"].map(str::to_owned).to_vec(),
        state: state(policy),
        asked_at_epoch: 4,
        lease: LeaseSeen::Absent,
        leads: false,
        primary_leads: None,
        copy: OwnCopy { epoch: 4, received: 20, applied: 20, fault: None, version: None, counted },
        heard: Vec::new(),
        tenure_ns: None,
        skew_ns: 0,
    }
}

/// Checks that a change of the facts above is refused so, or goes on if `expected` is empty.
#[track_caller]
fn check_row(row: &str, expected: &str, change: impl FnOnce(&mut Facts)) {
    let mut facts = facts(AckPolicy::DiskRam);
    change(&mut facts);
    check_facts(row, expected, &facts);
}

#[track_caller]
fn check_facts(row: &str, expected: &str, facts: &Facts) {
    let word = match check(facts) {
        Ok(_) => "",
        Err(refused) => refused.check.word(),
    };
    assert_eq!(word, expected, "{row}: {:?}", check(facts));
}

fn held(by: &str) -> LeaseSeen {
    LeaseSeen::Held(by.to_owned())
}

#[test]
fn the_rows_of_the_split_brain_table_that_these_rules_decide() {
    check_row("1, 2: the primary dies, its lease is over", "", |_| {});
    check_row("2: its lease is not over yet", "lease", |facts| facts.lease = held("n1"));
    check_row("3: cut from etcd only, the standby sees it: lease over", "", |facts| {
        facts.primary_leads = Some(4);
    });
    check_row("3: the same before the lease is over", "primary-alive", |facts| {
        facts.lease = held("n1");
        facts.primary_leads = Some(4);
    });
    check_row("4: cut from the standby, which was taken out", "in-sync", |facts| {
        facts.state.in_sync = vec!["n1".to_owned()];
    });
    check_row("5: the shrink won the race", "in-sync", |facts| {
        facts.state.in_sync = vec!["n1".to_owned(), "n3".to_owned()];
        facts.state.version += 1;
    });
    check_row("7: a paused primary's lease is over", "", |facts| facts.tenure_ns = Some(60_000_000_000));
    check_row("11: etcd was set back", "epoch", |facts| facts.copy.epoch = 5);
    check_row("12: two operators, the other was faster", "epoch", |facts| {
        facts.request = Request::Manual;
        facts.asked_at_epoch = 3;
        facts.lease = held("n1");
    });
    check_row("14: back after its promise, before the swap", "", |_| {});
    check_row("15: all power lost, disk+ram, a standby", "boot", |facts| {
        facts.copy.counted.power_lost = true;
    });
    check_row("17: a link that flaps", "tenure", |facts| facts.tenure_ns = Some(MIN_TENURE_NS - 1));
}

#[test]
fn after_all_power_was_lost_only_copies_on_disk_count() {
    for (policy, led, expected) in [
        (AckPolicy::Async, true, "boot"),
        (AckPolicy::Async, false, "policy"),
        (AckPolicy::Disk, true, ""),
        (AckPolicy::Disk, false, "policy"),
        (AckPolicy::Ram, true, "boot"),
        (AckPolicy::Ram, false, "boot"),
        (AckPolicy::DiskRam, true, ""),
        (AckPolicy::DiskRam, false, "boot"),
        (AckPolicy::DiskDisk, true, ""),
        (AckPolicy::DiskDisk, false, ""),
    ] {
        let mut facts = facts(policy);
        facts.candidate = if led { "n1" } else { "n2" }.to_owned();
        facts.copy.counted.led = led;
        facts.copy.counted.power_lost = true;
        facts.heard = vec!["n1".to_owned()];
        check_facts(&format!("{policy} led {led}"), expected, &facts);
        facts.heard.clear();
        let alone = if expected.is_empty() { "sole-survivor" } else { expected };
        check_facts(&format!("{policy} led {led}, nobody heard"), alone, &facts);
        facts.request = Request::Manual;
        check_facts(&format!("{policy} led {led}, by hand"), expected, &facts);
    }
}

#[test]
fn a_process_that_died_alone_takes_nothing_with_it_if_its_memory_is_found() {
    for policy in AckPolicy::ALL {
        let mut facts = facts(policy);
        facts.copy.counted.led = true;
        check_facts(&format!("{policy}"), "", &facts);
        facts.copy.counted.memory_found = false;
        let expected = if policy.on_primary() == crate::state::Counted::Disk { "" } else { "boot" };
        check_facts(&format!("{policy}, memory gone"), expected, &facts);
    }
}

#[test]
fn each_check_by_itself_is_refused_with_its_word() {
    check_row("unknown", "unknown-node", |facts| facts.candidate = "n9".to_owned());
    check_row("known, outside", "in-sync", |facts| facts.candidate = "n3".to_owned());
    check_row("repair", "journal", |facts| facts.copy.fault = Some("page 7 is bad".to_owned()));
    check_row("version", "journal", |facts| facts.copy.version = Some("it is of version 3".to_owned()));
    check_row("behind", "journal", |facts| facts.copy.applied = 19);
    check_row("clock", "clock", |facts| facts.skew_ns = SKEW_MAX_NS + 1);
    check_row("clock at its limit", "", |facts| facts.skew_ns = SKEW_MAX_NS);
    check_row("leads", "primary-alive", |facts| {
        facts.leads = true;
        facts.request = Request::Manual;
    });
    check_row("tenure does not bind a person", "", |facts| {
        facts.tenure_ns = Some(0);
        facts.request = Request::Manual;
    });
}

#[test]
fn without_a_coordinator_a_live_primary_is_the_only_lease() {
    let by_hand = |facts: &mut Facts| {
        facts.lease = LeaseSeen::NoCoordinator;
        facts.request = Request::Manual;
    };
    check_row("dead", "", by_hand);
    check_row("alive", "primary-alive", |facts| {
        by_hand(facts);
        facts.primary_leads = Some(4);
    });
    check_row("it answers for an epoch that is over", "", |facts| {
        by_hand(facts);
        facts.primary_leads = Some(3);
    });
}

#[test]
fn a_planned_switch_needs_a_primary_that_hands_over_and_waits_for_no_policy() {
    let planned = |facts: &mut Facts| {
        facts.request = Request::Planned;
        facts.lease = held("n1");
        facts.primary_leads = Some(4);
        facts.copy.counted.policy = AckPolicy::Disk;
        facts.tenure_ns = Some(0);
    };
    check_row("planned", "", planned);
    check_row("the primary is silent", "primary-alive", |facts| {
        planned(facts);
        facts.primary_leads = None;
    });
    check_row("the primary lost its lease", "lease", |facts| {
        planned(facts);
        facts.lease = LeaseSeen::Absent;
    });
    check_row("not in sync", "in-sync", |facts| {
        planned(facts);
        facts.state.in_sync = vec!["n1".to_owned()];
    });
}

#[test]
fn force_passes_over_what_may_be_lost_and_says_what_it_was_but_never_makes_two_primaries() {
    let mut facts = facts(AckPolicy::Ram);
    facts.request = Request::Forced;
    assert_eq!(check(&facts), Ok(Cleared::default()), "nothing had to be forced");
    facts.state.in_sync = vec!["n1".to_owned()];
    facts.copy.counted.power_lost = true;
    facts.skew_ns = 2 * SKEW_MAX_NS;
    let cleared = check(&facts).unwrap();
    let words: Vec<&str> = cleared.skipped.iter().map(|skipped| skipped.check.word()).collect();
    assert_eq!(words, ["in-sync", "boot", "clock"]);
    assert!(cleared.is_loss());
    for (change, expected) in [
        ((|facts| facts.lease = held("n1")) as fn(&mut Facts), "lease"),
        (|facts| (facts.lease, facts.primary_leads) = (LeaseSeen::NoCoordinator, Some(4)), "primary-alive"),
        (|facts| facts.asked_at_epoch = 3, "epoch"),
        (|facts| facts.candidate = "n9".to_owned(), "unknown-node"),
        (|facts| facts.copy.fault = Some("rot".to_owned()), "journal"),
    ] {
        let mut facts = facts.clone();
        change(&mut facts);
        check_facts(expected, expected, &facts);
    }
}

#[test]
fn a_forced_clock_loses_nothing() {
    let mut facts = facts(AckPolicy::Ram);
    facts.request = Request::Forced;
    facts.skew_ns = 2 * SKEW_MAX_NS;
    assert!(!check(&facts).unwrap().is_loss());
}

#[test]
fn a_refusal_says_what_to_do() {
    let mut facts = facts(AckPolicy::Ram);
    facts.copy.counted.power_lost = true;
    let why = check(&facts).unwrap_err().to_string();
    assert!(why.starts_with("boot: under ram the copy in n2's memory was counted"), "{why}");
    assert!(why.contains("promote n1 if it lives"), "{why}");
    facts.state.in_sync = vec!["n2".to_owned()];
    assert!(check(&facts).unwrap_err().why.contains("nobody else holds them"));
}

#[test]
fn a_promise_above_the_epoch_stops_only_a_primary_that_has_lost_lease_or_state() {
    let now = state(AckPolicy::Ram);
    let met = |promise, node: &str, lease: LeaseSeen| meet_promise(promise, 4, node, &now, &lease);
    assert_eq!(met(4, "n1", held("n1")), Met::Nothing);
    assert_eq!(met(5, "n1", held("n1")), Met::Raise(6));
    assert_eq!(met(5, "n1", LeaseSeen::Absent), Met::Fence);
    assert_eq!(met(5, "n1", LeaseSeen::NoCoordinator), Met::Fence);
    assert_eq!(met(5, "n2", held("n2")), Met::Fence, "the state names another");
    assert_eq!(met(u32::MAX, "n1", held("n1")), Met::Fence);
    assert_eq!(meet_promise(6, 3, "n1", &now, &held("n1")), Met::Fence, "the state has moved on");
    assert_eq!(epoch_to_open(&now, 0), Some(5));
    assert_eq!(epoch_to_open(&now, 7), Some(8));
    assert_eq!(epoch_to_open(&now, u32::MAX), None);
}

fn member(name: &str, epoch: u32, sequence: u64, counted: CountedCopy) -> Member {
    Member { name: name.to_owned(), epoch, sequence, counted }
}

fn copy(policy: AckPolicy, led: bool, power_lost: bool) -> CountedCopy {
    CountedCopy { policy, led, power_lost, memory_found: !power_lost }
}

#[test]
fn a_primary_that_restarts_hears_all_members_and_the_longest_log_leads() {
    let policy = AckPolicy::Ram;
    let now = state(policy).with("n3").unwrap();
    let own = |sequence, power_lost| member("n1", 4, sequence, copy(policy, true, power_lost));
    let other = |name, epoch, sequence| member(name, epoch, sequence, copy(policy, false, false));
    let wait = restart(&now, &own(20, false), &[other("n2", 4, 20)]);
    assert_eq!(wait, Restart::Wait(vec!["n3".to_owned()]));
    let both = [other("n2", 4, 20), other("n3", 4, 19)];
    assert_eq!(restart(&now, &own(20, false), &both), Restart::Lead { loss: false });
    let after_power_cut = restart(&now, &own(15, true), &both);
    assert_eq!(after_power_cut, Restart::HandOver("n2".to_owned()), "it would roll the standby back");
    let older = [other("n2", 3, 40), other("n3", 4, 20)];
    assert_eq!(
        restart(&now, &own(20, false), &older),
        Restart::Lead { loss: false },
        "the last epoch counts"
    );
    let tied = [other("n3", 4, 21), other("n2", 4, 21)];
    assert_eq!(restart(&now, &own(20, false), &tied), Restart::HandOver("n2".to_owned()));
    let newer = [other("n2", 5, 22), other("n3", 4, 20)];
    assert_eq!(restart(&now, &own(20, false), &newer), Restart::Follow("n2".to_owned()));
    let outsider = member("n4", 4, 20, copy(policy, false, false));
    assert_eq!(restart(&now, &outsider, &both), Restart::Outside);
}

#[test]
fn a_standby_that_starts_with_the_longest_log_leads_in_its_stead() {
    let policy = AckPolicy::Ram;
    let now = state(policy);
    let own = member("n2", 4, 20, copy(policy, false, false));
    let dead = member("n1", 4, 15, copy(policy, true, true));
    assert_eq!(restart(&now, &own, &[dead]), Restart::Lead { loss: false });
}

#[test]
fn after_all_power_was_lost_a_restart_needs_one_copy_that_was_counted_on_disk() {
    for (policy, expected) in [
        (AckPolicy::Async, Restart::Lead { loss: true }),
        (AckPolicy::Disk, Restart::Lead { loss: false }),
        (AckPolicy::Ram, Restart::Lost("n1".to_owned())),
        (AckPolicy::DiskRam, Restart::Lead { loss: false }),
        (AckPolicy::DiskDisk, Restart::Lead { loss: false }),
    ] {
        let own = member("n1", 4, 20, copy(policy, true, true));
        let other = member("n2", 4, 18, copy(policy, false, true));
        assert_eq!(restart(&state(policy), &own, &[other]), expected, "{policy}");
    }
}

#[test]
fn a_longer_log_is_let_before_and_of_equal_ones_the_first_by_name() {
    let counted = copy(AckPolicy::Ram, false, false);
    let own = member("n2", 4, 20, counted);
    let named = |heard: &[Member]| better(&own, heard).map(|member| member.name.clone());
    assert_eq!(named(&[]), None);
    assert_eq!(named(&[member("n3", 4, 20, counted)]), None);
    assert_eq!(named(&[member("n1", 4, 20, counted)]), Some("n1".to_owned()));
    assert_eq!(named(&[member("n1", 4, 20, counted), member("n3", 4, 21, counted)]), Some("n3".to_owned()));
    assert_eq!(named(&[member("n3", 3, 99, counted)]), None);
}

#[test]
fn the_weaker_of_two_policies_is_the_one_that_counts_less_on_a_standby() {
    assert_eq!(weaker(AckPolicy::DiskDisk, AckPolicy::Ram), AckPolicy::Ram);
    assert_eq!(weaker(AckPolicy::Ram, AckPolicy::DiskRam), AckPolicy::Ram);
    assert_eq!(weaker(AckPolicy::Disk, AckPolicy::Ram), AckPolicy::Disk);
}

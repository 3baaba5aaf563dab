//! Partitions between real processes: three hosts in network namespaces, each with a node and a member of etcd, and members
//! that trade while some of what is sent between them is lost. What they were told and what the journals hold is then
//! checked against the invariants of `partition/checker.rs`.
//!
//! All cases run with `RIALTO_SYSTEM=1`, as root, with etcd and `ip`; without it only those that need nothing. In CI
//! (`CI=true`) a case that is skipped is a failure. `RIALTO_ROUNDS` sets the rounds of each case, `RIALTO_SEED` repeats the
//! members' choices, arguments choose cases by a part of their name. A line per case, closing with
//! `N passed, N failed, N skipped`.

#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use std::process::ExitCode;

#[path = "partition/cases.rs"]
mod cases;
#[path = "partition/checker.rs"]
mod checker;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/cluster.rs"]
mod cluster;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/etcd.rs"]
mod etcd;
#[path = "partition/facts.rs"]
mod facts;
#[path = "partition/member.rs"]
mod member;
#[path = "partition/network.rs"]
mod network;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/node.rs"]
mod node;
#[path = "partition/planted.rs"]
mod planted;
#[path = "support/random.rs"]
mod random;
#[path = "support/runner.rs"]
mod runner;
#[path = "partition/site.rs"]
mod site;

use runner::{Case, Rounds};

/// Two participants with two members each. ALPHA's orders cancel each other, BETA's trade with each other.
const CONFIG: &str = r#"
node     = { name = "n1", cluster = "CLUSTER", ack = "disk", idle = "park", pin = "off", segment_mib = 1, shm_mib = 16 }
currency = [{ code = "USD", decimals = 10 }]
instrument = [{ symbol = "ACME", tick = "0.01", lot = "1", currency = "USD", maker_fee_ppm = 10, taker_fee_ppm = 50, replace = "keep-on-decrease" }]
participant = [{ name = "ALPHA", kind = "broker", self_trade = "cancel-oldest" }, { name = "BETA", kind = "institution", self_trade = "off" }]
account = [{ name = "A1", participant = "ALPHA" }, { name = "B1", participant = "BETA" }]
session = [
  { comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret" },
  { comp_id = "ALPHA2", participant = "ALPHA", accounts = ["A1"], password = "secret" },
  { comp_id = "BETA1", participant = "BETA", accounts = ["B1"], password = "secret" },
  { comp_id = "BETA2", participant = "BETA", accounts = ["B1"], password = "secret" },
]
deposit = [
  { id = "d1", account = "A1", asset = "USD", amount = "1000000" },
  { id = "d2", account = "B1", asset = "USD", amount = "1000000" },
  { id = "d3", account = "A1", asset = "ACME", amount = "100000" },
  { id = "d4", account = "B1", asset = "ACME", amount = "100000" },
]
"#;

/// Each with whether it needs hosts.
const CASES: &[Case<bool>] = &[
    ("the_checker_finds_each_planted_fault_and_no_other", false, planted::each_is_found),
    ("a_cut_loses_one_direction_in_silence_and_heals", true, cases::a_cut_is_what_it_says),
    ("a_primary_cut_off_from_all_is_replaced", true, cases::full),
    ("a_primary_that_nobody_hears_is_replaced", true, cases::unheard),
    ("a_primary_that_hears_nobody_is_replaced", true, cases::deaf),
    ("a_primary_cut_off_from_etcd_alone_is_replaced", true, cases::without_etcd),
    ("a_primary_cut_off_from_its_standbys_alone_goes_on", true, cases::without_standbys),
    ("a_vanished_host_is_replaced_within_5_s", true, cases::vanished),
    ("a_standby_cut_off_and_back_catches_up", true, cases::standby),
    ("under_ram_a_primary_cut_off_from_all_is_replaced", true, cases::full_under_ram),
    ("a_promise_that_nobody_leads_by_keeps_no_node_out", true, cases::promised),
    ("what_a_forced_promotion_lost_is_found", true, cases::forced),
];

fn main() -> ExitCode {
    runner::run(
        CASES,
        |needs_hosts| !needs_hosts,
        |needs_hosts, name| {
            let is_root = !needs_hosts || rustix::process::geteuid().is_root();
            assert!(is_root, "{name} makes network namespaces: it needs root");
            assert!(!needs_hosts || etcd::is_installed(), "{name} needs etcd");
        },
    )
}

//! Promises that only whole processes can show: nodes are started, killed and drained, clients come over TCP.
//!
//! All of them run with `RIALTO_SYSTEM=1`, and a case whose needs are not met then fails; without it those run that need
//! neither time nor root, and in CI (`CI=true`) a case that is skipped is a failure. `RIALTO_ROUNDS` sets the rounds of
//! cases that have some, `RIALTO_SEED` repeats a run, arguments choose cases by a part of their name. A line per case,
//! closing with `N passed, N failed, N skipped`.

#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use std::process::ExitCode;

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/caller.rs"]
mod caller;
#[path = "support/client.rs"]
mod client;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/cluster.rs"]
mod cluster;
#[path = "system/drain.rs"]
mod drain;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/etcd.rs"]
mod etcd;
#[path = "system/failover.rs"]
mod failover;
#[path = "system/journal.rs"]
mod journal;
#[path = "system/kill.rs"]
mod kill;
#[path = "system/ledger.rs"]
mod ledger;
#[path = "system/logs.rs"]
mod logs;
#[path = "system/loopback.rs"]
mod loopback;
#[path = "system/neighbours.rs"]
mod neighbours;
#[path = "support/node.rs"]
mod node;
#[path = "system/quickfix.rs"]
mod quickfix;
#[path = "support/random.rs"]
mod random;
#[path = "system/refusal.rs"]
mod refusal;
#[path = "system/retention.rs"]
mod retention;
#[path = "support/runner.rs"]
mod runner;
#[path = "system/shutdown.rs"]
mod shutdown;
#[path = "system/space.rs"]
mod space;
#[path = "support/stock.rs"]
mod stock;
#[path = "system/trader.rs"]
mod trader;
#[path = "system/venue.rs"]
mod venue;

use runner::{Case, Rounds};

/// Two participants with two members each. ALPHA's orders cancel each other, BETA's trade with each other.
const CONFIG: &str = r#"
node     = { name = "n1", cluster = "CLUSTER", ack = "disk", idle = "park", pin = "off", segment_mib = 1, shm_mib = 16, snapshot_every = 2000 }
currency = [{ code = "USD", decimals = 10 }]
instrument = [
  { symbol = "ACME", tick = "0.01", lot = "1", currency = "USD", maker_fee_ppm = 10, taker_fee_ppm = 50, replace = "keep-on-decrease" },
  { symbol = "GRAIN", tick = "0.05", lot = "50", currency = "USD", taker_fee_ppm = 30, replace = "requeue" },
]
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
  { id = "d5", account = "A1", asset = "GRAIN", amount = "1000000" },
  { id = "d6", account = "B1", asset = "GRAIN", amount = "1000000" },
]
"#;

/// What a case needs beside this workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// Some time: not run by a plain `cargo test`.
    Time,
    /// Some time, and etcd.
    Etcd,
    /// To mount: root, loop devices, and the tools of ext4 and XFS.
    Root,
}

const CASES: &[Case<Needs>] = &[
    ("kill_9_loses_and_doubles_nothing", Needs::Nothing, kill::kill_9_loses_and_doubles_nothing),
    (
        "sigterm_drains_within_5_s_and_says_good_bye",
        Needs::Time,
        drain::sigterm_drains_within_5_s_and_says_good_bye,
    ),
    ("a_second_process_on_one_directory_is_refused", Needs::Time, refusal::second_process),
    ("a_journal_of_another_cluster_is_refused", Needs::Time, refusal::another_cluster),
    ("a_durable_policy_is_refused_where_nothing_is_durable", Needs::Time, refusal::disk_on_memory),
    ("a_wrong_configuration_starts_nothing", Needs::Time, refusal::wrong_configuration),
    ("a_slow_reader_is_cut_and_disturbs_nobody", Needs::Time, neighbours::slow_reader),
    ("garbage_disturbs_nobody", Needs::Time, neighbours::garbage),
    (
        "logs_go_to_a_file_and_hold_no_password",
        Needs::Time,
        logs::logs_go_to_a_file_line_by_line_and_hold_no_password,
    ),
    (
        "old_segments_go_and_nothing_that_is_needed_goes",
        Needs::Time,
        retention::old_segments_go_and_nothing_that_is_needed_goes,
    ),
    ("a_primary_killed_under_load_is_replaced_by_hand_and_rejoins", Needs::Time, failover::by_hand),
    ("a_primary_killed_under_load_is_replaced_by_itself_and_rejoins", Needs::Etcd, failover::through_etcd),
    ("row_9_a_primary_and_etcds_leader_die_together", Needs::Etcd, failover::row_9),
    ("row_10_without_etcds_quorum_nobody_is_promoted_and_the_primary_stops", Needs::Etcd, failover::row_10),
    (
        "a_full_disk_takes_cancels_only_until_there_is_room",
        Needs::Root,
        space::full_disk_takes_cancels_only_until_there_is_room,
    ),
    ("nothing_acknowledged_is_lost_when_ext4_is_shut_down_under_load", Needs::Root, shutdown::ext4),
    ("nothing_acknowledged_is_lost_when_xfs_is_shut_down_under_load", Needs::Root, shutdown::xfs),
];

fn main() -> ExitCode {
    runner::run(
        CASES,
        |needs| needs == Needs::Nothing,
        |needs, name| {
            assert!(needs != Needs::Etcd || etcd::is_installed(), "{name} needs etcd");
            let is_root = needs != Needs::Root || rustix::process::geteuid().is_root();
            assert!(is_root, "{name} mounts: it needs root");
        },
    )
}

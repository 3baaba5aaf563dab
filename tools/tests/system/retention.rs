//! What is kept of a journal: segments go once snapshots cover them, and never those that a start or a resend needs.

use crate::client::{Client, Wire};
use crate::journal::{files, verify_deep};
use crate::node::{Node, until};
use crate::trader::Load;
use crate::venue::Venue;
use crate::{CONFIG, Rounds};

/// The first segment's name begins so, whatever its epoch.
const FIRST: &str = "j-0000000000000000-";

pub(crate) fn old_segments_go_and_nothing_that_is_needed_goes(rounds: &Rounds) {
    let config = CONFIG.replace("snapshot_every = 2000", "snapshot_every = 1000, keep_mib = 0");
    let mut venue = Venue::of(&config, rounds.seed);
    let node = venue.start("async");
    venue.come_back(&node, false);
    venue.trade_until(node, 0, |node| until_gone(node, "commands"));
    venue.is_trimmed = true;
    let data = venue.home.data();
    assert!(has_first(&data, "events"), "events of this trading day are kept");
    let first = verify_deep(&data, &[])["first_seq"].as_u64().unwrap();
    assert!(first > 1, "the journal begins at command {first}");

    // A start from a snapshot, and every message of the day once more.
    let node = venue.start("async");
    venue.come_back(&node, true);
    venue.check(&node);
    for trader in &mut venue.traders {
        trader.ledger.day_ends();
    }
    node.asked(&["day-end"]);
    let load = Load::default();
    for trader in &mut venue.traders {
        trader.settle(&load).unwrap();
    }
    venue.trade_until(node, 0, |node| until_gone(node, "events"));

    let node = venue.start("disk");
    for name in ["ALPHA1", "BETA1"] {
        older_than_kept_is_refused(&node, name);
    }
    venue.come_back(&node, false);
    venue.check(&node);
    assert!(node.terminate().0.success());
    verify_deep(&data, &[]);
}

/// Waits until the first segment of a log is gone, then kills the node.
fn until_gone(node: Node, log: &str) {
    until("the first segment to go", || (!has_first(&node.data, log)).then_some(()));
    node.kill();
}

fn has_first(data: &std::path::Path, log: &str) -> bool {
    files(data, log).iter().any(|name| name.starts_with(FIRST))
}

/// A line client that asks for all from 1 is told that this is not kept, and the connection is closed.
fn older_than_kept_is_refused(node: &Node, name: &str) {
    let mut client = Client::connect(node.fix(), Wire::Line, name).unwrap();
    client.send(&format!("35=A|553={name}|554=secret|789=1"), 0, false).unwrap();
    let answer = client.expect();
    assert_eq!(answer.kind(), "5", "{answer}");
    assert!(!answer.field(58).is_empty());
}

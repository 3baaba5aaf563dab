//! A node that lacks what its primary no longer keeps is sent a snapshot and what belongs to it, under load.

#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "a test fails by a panic, also in what it shares with the tests of a cluster"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

#[path = "cluster/trader.rs"]
mod trader;
#[path = "cluster/venue.rs"]
mod venue;

use trader::{Told, Trader};
use venue::{PATIENCE, Venue, until};

/// Two nodes that keep no more of their logs than a start needs.
fn venue() -> Venue {
    let venue = Venue::new(2, "disk+ram");
    for node in 0..2 {
        let text = fs::read_to_string(venue.config(node)).unwrap();
        let text = text.replace("shm_mib = 8", "shm_mib = 8, snapshot_every = 500, keep_mib = 0");
        fs::write(venue.config(node), text).unwrap();
    }
    venue
}

fn names(dir: &Path) -> Vec<String> {
    let found = fs::read_dir(dir).into_iter().flatten().flatten();
    found.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The first command page that a node still has.
fn first_page(venue: &Venue, node: usize) -> u64 {
    let pages = names(&venue.data(node).join("commands")).into_iter().filter_map(|name| {
        let page = name.strip_prefix("j-")?.strip_suffix(".seg")?.split_once('-')?.0.to_owned();
        Some(u64::from_str_radix(&page, 16).unwrap())
    });
    pages.min().unwrap_or(0)
}

/// Waits until both nodes have the same state behind the same command.
fn check_states(venue: &Venue) {
    let nodes = venue.fix.join(",");
    until("both have the same state", || {
        let (_, status) = Venue::rialto(&["status", "--nodes", &nodes, "--state-hash", "--json"]);
        let state = |node: usize| &status["nodes"][node]["state_hash"];
        // The hash, and the command that it is of.
        (state(0)["hash"].is_string() && state(0) == state(1)).then_some(())
    });
}

/// Logs on as `S{session}`, asks for all from the first message, and checks them against what was told before.
fn check_resend(venue: &Venue, node: usize, session: u32, told: &Told) {
    let mut stream = TcpStream::connect(&venue.fix[node]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("35=A|553=S{session}|554=secret|789=1\n").as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let last = *told.numbers.last().unwrap();
    let mut acknowledged = 0;
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        let line = lines.next().unwrap();
        let field = |tag: &str| line.split('|').find_map(|field| field.strip_prefix(tag));
        let number: u32 = field("34=").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        if number <= last {
            assert_eq!(field("43="), Some("Y"), "it is marked as said again: {line}");
            numbers.push(number);
        }
        if line.starts_with("35=8|") {
            assert!(told.acknowledged.contains_key(field("11=").unwrap()), "{line}");
            acknowledged += 1;
        }
    }
    assert_eq!(acknowledged, told.acknowledged.len());
    assert!(numbers.is_sorted(), "in their order");
}

#[test]
fn an_empty_node_joins_a_primary_whose_first_segments_are_gone_and_takes_over() {
    let mut venue = venue();
    venue.start(0);
    let early = Trader::start(&venue.fix, 1);
    std::thread::sleep(Duration::from_millis(200));
    let early = early.finish();
    let load = Trader::start(&venue.fix, 2);
    until("the first segment goes", || (first_page(&venue, 0) > 0).then_some(()));
    venue.start(1);
    assert_eq!(venue.wait_in_sync(&[0, 1]), 0);
    assert!(venue.log(1).contains("it is seeded"), "{}", venue.log(1));
    assert!(first_page(&venue, 1) > 0, "it has no more than it was sent");
    let told = load.finish();
    check_states(&venue);

    let load = Trader::start(&venue.fix, 3);
    std::thread::sleep(Duration::from_millis(200));
    venue.kill(0);
    let (code, promoted) = venue.promote(1, &[]);
    assert_eq!((code, &promoted["promoted"]), (0, &json!("n2")), "{promoted} {}", venue.log(1));
    std::thread::sleep(Duration::from_millis(200));
    let late = load.finish();
    for (session, told) in [(1, &early), (2, &told), (3, &late)] {
        check_resend(&venue, 1, session, told);
    }
    let (code, shown) = venue.admin(1, &["show", "orders"]);
    let open: Vec<Value> = shown["orders"].as_array().unwrap().clone();
    let sent = [&early, &told, &late].map(|told| told.acknowledged.len());
    assert_eq!((code, open.len()), (0, sent.iter().sum()), "each order is open once");
    venue.start(0);
    assert_eq!(venue.wait_in_sync(&[0, 1]), 1);
    check_states(&venue);
}

#[test]
fn a_node_killed_while_it_is_seeded_gets_there_when_it_is_started_again() {
    let mut venue = venue();
    venue.start(0);
    let load = Trader::start(&venue.fix, 1);
    until("the first segments go", || (first_page(&venue, 0) > 500).then_some(()));
    let mut half = 0;
    for _ in 0..20 {
        let before = venue.log(1).matches("the seed is whole").count();
        venue.start(1);
        until("the seed comes", || {
            let comes = names(&venue.data(1).join("seed/commands")).iter().any(|name| name.starts_with("j-"));
            (comes || venue.log(1).matches("the seed is whole").count() > before).then_some(())
        });
        venue.kill(1);
        if venue.log(1).matches("the seed is whole").count() > before {
            fs::remove_dir_all(venue.data(1)).unwrap();
            continue;
        }
        half += 1;
        if half == 3 {
            break;
        }
    }
    assert!(half > 0, "it was killed in the middle");
    venue.start(1);
    venue.wait_in_sync(&[0, 1]);
    let told = load.finish();
    check_states(&venue);
    venue.kill(0);
    assert_eq!(venue.promote(1, &[]).0, 0);
    check_resend(&venue, 1, 1, &told);
}

#[test]
fn a_node_that_was_away_too_long_is_seeded_and_what_it_had_is_kept() {
    let mut venue = venue();
    venue.start_all();
    let load = Trader::start(&venue.fix[..1], 1);
    std::thread::sleep(Duration::from_millis(200));
    venue.kill(1);
    assert_eq!(venue.admin(0, &["drop", "n2"]).0, 0);
    until("the first segment goes", || (first_page(&venue, 0) > 0).then_some(()));
    venue.start(1);
    assert_eq!(venue.wait_in_sync(&[0, 1]), 0);
    load.finish();
    check_states(&venue);
    let divergent = venue.data(1).join("divergent");
    let kept = names(&divergent).into_iter().find(|name| name.starts_with("before-")).unwrap();
    let kept = names(&divergent.join(kept).join("commands"));
    assert!(kept.iter().any(|name| name.starts_with("j-0000000000000000-")), "{kept:?}");
}

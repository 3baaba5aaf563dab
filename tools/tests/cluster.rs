//! A cluster of real nodes without a coordinator: what is acknowledged is there exactly once, whoever dies.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the setting up of a test ends the test")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

#[path = "cluster/trader.rs"]
mod trader;
#[path = "cluster/venue.rs"]
mod venue;

use trader::{Told, Trader};
use venue::{Venue, until};

/// That each acknowledged order is open exactly once on this primary.
fn check_orders(venue: &Venue, primary: usize, told: &[Told]) {
    let (code, shown) = venue.admin(primary, &["show", "orders"]);
    assert_eq!(code, 0);
    let mut open: BTreeMap<&str, u32> = BTreeMap::new();
    for order in shown["orders"].as_array().unwrap() {
        *open.entry(order["cl_ord_id"].as_str().unwrap()).or_default() += 1;
    }
    for order in told.iter().flat_map(|told| told.acknowledged.keys()) {
        assert_eq!(open.remove(order.as_str()), Some(1), "{order} was acknowledged");
    }
    assert!(open.is_empty(), "orders that nobody was told of: {open:?}");
}

#[test]
fn row_01_a_killed_primary_loses_nothing_and_comes_back_as_a_standby() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    let traders = [1, 2].map(|session| Trader::start(&venue.fix, session));
    let mut primary = 0;
    for epoch in 2..5 {
        std::thread::sleep(Duration::from_millis(400));
        let next = 1 - primary;
        venue.kill(primary);
        let promoted = venue.promote(next, &[]);
        assert_eq!((promoted.0, &promoted.1["epoch"]), (0, &json!(epoch)), "{}", promoted.1);
        venue.start(primary);
        assert_eq!(venue.wait_in_sync(&[0, 1]), next);
        primary = next;
    }
    let told = traders.map(Trader::finish);
    assert!(told.iter().all(|told| told.sent > 100), "they traded");
    check_orders(&venue, primary, &told);
    venue.stop(1 - primary);
    venue.stop(primary);
    let (code, diff) = venue.diff(0, 1);
    assert_eq!((code, &diff["equal"]), (0, &json!(true)), "{diff}");
}

#[test]
fn a_standby_that_starts_again_has_nothing_to_keep_aside() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    let trader = Trader::start(&venue.fix, 1);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(150));
        venue.kill(1);
        venue.start(1);
        venue.wait_in_sync(&[0, 1]);
        until("all goes on", || (venue.row(0)["policy_met"] == true).then_some(()));
    }
    let told = [trader.finish()];
    check_orders(&venue, 0, &told);
    let kept = || std::fs::read_dir(venue.data(1).join("divergent")).unwrap().count();
    until("nothing is kept", || (kept() == 0).then_some(()));
}

#[test]
fn a_planned_switch_and_a_sigterm_hand_over_within_a_moment() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    let trader = Trader::start(&venue.fix, 1);
    std::thread::sleep(Duration::from_millis(300));
    let (code, promoted) = venue.promote(1, &["--planned"]);
    assert_eq!((code, &promoted["promoted"]), (0, &json!("n2")), "{promoted}");
    assert!(promoted["gap_ms"].as_u64().unwrap() < 1000, "{promoted}");
    assert_eq!(venue.wait_in_sync(&[0, 1]), 1);
    std::thread::sleep(Duration::from_millis(200));
    venue.stop(1);
    venue.wait_primary(0);
    venue.start(1);
    assert_eq!(venue.wait_in_sync(&[0, 1]), 0);
    let told = [trader.finish()];
    check_orders(&venue, 0, &told);
}

#[test]
fn a_promotion_that_may_not_be_is_refused_by_the_first_check_that_fails() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    let refused = |venue: &Venue, node, flags: &[&str]| {
        let (code, answer) = venue.promote(node, flags);
        (code, answer["refused"]["check"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(refused(&venue, 1, &[]), (3, "primary-alive".to_owned()));
    assert_eq!(refused(&venue, 1, &["--force", "--accept-loss"]), (3, "primary-alive".to_owned()));
    assert_eq!(refused(&venue, 8, &[]).0, 3, "an unknown node");
    assert_eq!(venue.promote(1, &["--force"]).0, 2, "only one of two flags");
    let (code, already) = venue.promote(0, &[]);
    assert_eq!((code, &already["promoted"], &already["epoch"]), (0, &json!("n1"), &json!(1)));
    venue.kill(0);
    venue.kill(1);
    assert_eq!(venue.promote(1, &[]).0, 4, "nobody answers");
}

#[test]
fn row_15_a_primary_that_starts_again_waits_for_its_member_and_says_so() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    venue.kill(1);
    venue.kill(0);
    venue.start(0);
    until("it names whom it waits for", || venue.log(0).contains(r#""waiting_for":["n2"]"#).then_some(()));
    assert_eq!(venue.first_words(0), "! starting");
    assert_eq!(venue.row(0)["role"], "starting");
    venue.start(1);
    assert_eq!(venue.wait_in_sync(&[0, 1]), 0, "the last primary leads");
    assert_eq!(venue.row(0)["epoch"], 2);
    let words = format!("! not primary; primary is {}", venue.fix[0]);
    until("the standby names it", || (venue.first_words(1) == words).then_some(()));
}

#[test]
fn a_power_cut_of_the_primary_under_ram_does_not_roll_its_standby_back() {
    let mut venue = Venue::new(2, "ram");
    venue.start_all();
    let trader = Trader::start(&venue.fix, 1);
    std::thread::sleep(Duration::from_millis(300));
    venue.kill(0);
    venue.lose_memory(0);
    venue.start(0);
    let primary = venue.wait_in_sync(&[0, 1]);
    let told = [trader.finish()];
    check_orders(&venue, primary, &told);
}

#[test]
fn a_standby_that_is_gone_stops_releases_until_it_is_back_or_dropped() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    let trader = Trader::start(&venue.fix, 1);
    std::thread::sleep(Duration::from_millis(200));
    venue.kill(1);
    until("the policy is unmet", || (venue.row(0)["policy_met"] == false).then_some(()));
    let released = venue.row(0)["cursors"]["released"].clone();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(venue.row(0)["cursors"]["released"], released, "nothing is released");
    venue.start(1);
    venue.wait_in_sync(&[0, 1]);
    until("all goes on", || (venue.row(0)["policy_met"] == true).then_some(()));
    venue.kill(1);
    let (code, dropped) = venue.admin(0, &["drop", "n2"]);
    assert_eq!(code, 0, "{dropped}");
    until("it goes on alone", || (venue.row(0)["policy_met"] == true).then_some(()));
    assert_eq!(venue.row(0)["in_sync"], json!(["n1"]));
    std::thread::sleep(Duration::from_millis(200));
    venue.start(1);
    venue.wait_in_sync(&[0, 1]);
    let told = [trader.finish()];
    check_orders(&venue, 0, &told);
}

#[test]
fn a_policy_is_changed_at_run_time_and_both_nodes_know_it() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    for policy in ["ram", "disk+disk", "disk", "async", "disk+ram"] {
        let (code, answer) = venue.admin(0, &["policy", policy]);
        assert_eq!(code, 0, "{answer}");
        assert_eq!(venue.row(0)["ack"], policy);
        until("the standby knows it", || (venue.row(1)["ack"] == policy).then_some(()));
    }
    assert_eq!(venue.admin(1, &["policy", "ram"]).0, 1, "a standby changes nothing");
}

#[test]
fn row_13_a_forced_loss_is_reported_and_the_old_primary_keeps_its_suffix_aside() {
    let mut venue = Venue::new(2, "async");
    venue.start_all();
    venue.signal(1, Signal::STOP);
    let trader = Trader::start(&venue.fix[..1], 1);
    std::thread::sleep(Duration::from_millis(300));
    let before = trader.finish();
    venue.kill(0);
    venue.signal(1, Signal::CONT);
    until("it has noticed", || (venue.row(1)["role"] == "starting").then_some(()));
    let (code, refused) = venue.promote(1, &[]);
    assert_eq!((code, &refused["refused"]["check"]), (3, &json!("policy")), "{refused}");
    let (code, promoted) = venue.promote(1, &["--force", "--accept-loss"]);
    assert_eq!((code, &promoted["promoted"]), (0, &json!("n2")), "{promoted}");
    let report = promoted["possible_loss"]["report"].as_str().unwrap();
    assert!(std::fs::read_to_string(report).unwrap().contains("--accept-loss"));
    venue.start(0);
    assert_eq!(venue.wait_in_sync(&[0, 1]), 1);
    let kept: Vec<_> = std::fs::read_dir(venue.data(0).join("divergent")).unwrap().flatten().collect();
    let texts = kept.iter().filter(|entry| entry.path().extension().is_some_and(|ext| ext == "txt"));
    let text: String = texts.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect();
    let last = before.acknowledged.keys().next_back().unwrap();
    assert!(text.contains(last), "the report names {last}: {text}");
}

#[test]
fn a_strict_primary_releases_nothing_alone() {
    let mut venue = Venue::new(2, "disk+ram").flags(&["--strict"]);
    venue.start(0);
    until("it is alone", || (venue.row(0)["policy_met"] == false).then_some(()));
    venue.start(1);
    venue.wait_in_sync(&[0, 1]);
    let trader = Trader::start(&venue.fix, 1);
    std::thread::sleep(Duration::from_millis(200));
    venue.kill(1);
    until("it is alone again", || (venue.row(0)["policy_met"] == false).then_some(()));
    let (code, _) = venue.admin(0, &["drop", "n2"]);
    assert_eq!(code, 1, "to drop the last standby of a strict cluster is refused");
    venue.start(1);
    venue.wait_in_sync(&[0, 1]);
    let told = [trader.finish()];
    check_orders(&venue, 0, &told);
}

#[test]
fn a_standby_that_stands_still_shows_its_lag() {
    let mut venue = Venue::new(2, "async");
    venue.start_all();
    venue.signal(1, Signal::STOP);
    let trader = Trader::start(&venue.fix[..1], 1);
    until("its lag is shown", || {
        let standby = &venue.row(0)["standbys"][0];
        let lag = |field: &str| standby[field].as_u64().unwrap_or(0);
        (lag("lag_commands") > 50 && lag("lag_us") > 50_000).then_some(())
    });
    venue.signal(1, Signal::CONT);
    let told = [trader.finish()];
    until("it has caught up", || (venue.row(0)["standbys"][0]["lag_commands"] == 0).then_some(()));
    check_orders(&venue, 0, &told);
}

/// Changes the time in the first event of the page that is being filled: what a broken machine might do.
fn change_an_event(events: &std::path::Path) {
    let mut bytes = std::fs::read(events).unwrap();
    let number = |at: usize, bytes: &[u8]| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    // A header, a word for each page, then the pages.
    let pages = (bytes.len() - 4096) / (4096 + 8);
    let first = 4096 + (pages * 8).next_multiple_of(4096);
    let filled = (first..bytes.len()).step_by(4096).filter(|at| number(at + 16, &bytes) > 0);
    let newest = filled.max_by_key(|at| number(at + 8, &bytes)).unwrap();
    let time = newest + 64 + 8;
    bytes[time] ^= 1;
    let file = std::fs::OpenOptions::new().write(true).open(events).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[time..=time], time as u64).unwrap();
}

#[test]
fn a_standby_whose_events_differ_leaves_the_in_sync_set() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    change_an_event(&venue.memory(1).join("events.log"));
    let trader = Trader::start(&venue.fix, 1);
    until("it is found out", || {
        let row = venue.row(0);
        (row["in_sync"] == json!(["n1"]) && row["standbys"][0]["differs"] == true).then_some(())
    });
    let (code, refused) = venue.promote(1, &["--planned"]);
    assert_eq!((code, &refused["refused"]["check"]), (3, &json!("in-sync")), "{refused}");
    let told = [trader.finish()];
    check_orders(&venue, 0, &told);
}

#[test]
fn a_stranger_on_the_replication_port_hears_nothing_and_disturbs_nobody() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start_all();
    let trader = Trader::start(&venue.fix, 1);
    let mut strangers: Vec<TcpStream> =
        (0..100).filter_map(|_| TcpStream::connect(venue.replication(0)).ok()).collect();
    for (seed, stranger) in strangers.iter_mut().enumerate() {
        let noise: Vec<u8> = (0..200).map(|at| u8::try_from((at * 7 + seed * 13) % 251).unwrap()).collect();
        stranger.write_all(&noise).ok();
        stranger.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut heard = Vec::new();
        stranger.read_to_end(&mut heard).ok();
        assert!(heard.len() <= 32, "a nonce at most: {} bytes", heard.len());
    }
    let told = [trader.finish()];
    assert_eq!(venue.row(0)["policy_met"], true);
    check_orders(&venue, 0, &told);
}

#[test]
fn a_node_with_another_key_does_not_join() {
    let mut venue = Venue::new(2, "disk+ram");
    venue.start(0);
    let (config, key) = (venue.config(1), venue.data(1).with_file_name("other.key"));
    std::fs::write(&key, "00".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let text =
        text.replace(&venue.data(1).with_file_name("key").display().to_string(), &key.display().to_string());
    std::fs::write(&config, text).unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rialto"))
        .args(["serve", "--accept-volatile", "--join", venue.replication(0), "--config"])
        .arg(&config)
        .arg("--data")
        .arg(venue.data(1))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(!venue.data(1).join("node.meta").exists(), "it knows no cluster and keeps nothing");
    assert_eq!(venue.row(0)["in_sync"], json!(["n1"]));
    child.kill().unwrap();
    child.wait().unwrap();
}

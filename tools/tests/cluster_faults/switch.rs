//! A planned switch, and promotions that are refused.

use std::thread;
use std::time::Duration;

use crate::CONFIG;
use crate::caller::Caller;
use crate::client::{Client, Wire};
use crate::cluster::Cluster;
use crate::kill::under_load;
use crate::node::{Home, PATIENCE};

/// Planned switches, there and back.
const SWITCHES: usize = 6;
/// Orders that are answered before and after.
const SOME: usize = 300;

#[test]
fn a_planned_switch_takes_less_than_100_ms_and_loses_nothing() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    let mut gaps = Vec::new();
    for round in 0..SWITCHES {
        let to = (round + 1) % 2;
        let done = under_load(&mut caller, || cluster.lead(to, &["--planned"]));
        assert_eq!(done["epoch"], round + 2);
        gaps.push(done["gap_ms"].as_u64().unwrap());
        cluster.wait_in_sync(&["n1", "n2"]);
        caller.check(&nodes[to]);
        caller.check_whole();
    }
    let mut seen = caller.gaps();
    println!("planned switches: {gaps:?} ms without a primary, as a client sees it {seen:?}");
    assert!(gaps.iter().all(|gap| *gap < 100), "{gaps:?} ms");
    // One of them may meet a stop of the whole machine.
    seen.sort_unstable();
    assert!(seen[SWITCHES - 2] < Duration::from_millis(100), "{seen:?}");
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
    assert!(cluster.divergent(0).is_empty() && cluster.divergent(1).is_empty());
}

#[test]
fn a_promotion_beside_a_live_primary_is_refused() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let nodes = cluster.start_all();
    let (code, refused) = cluster.promote("n2", &[]);
    assert_eq!((code, &refused["refused"]["check"]), (Some(3), &"primary-alive".into()), "{refused}");
    assert_eq!(refused["promoted"], serde_json::Value::Null);
    let (code, refused) = cluster.promote("n9", &[]);
    assert_eq!((code, &refused["refused"]["check"]), (Some(3), &"unknown-node".into()), "{refused}");
    let (code, done) = cluster.promote("n1", &[]);
    assert_eq!((code, &done["promoted"], &done["epoch"]), (Some(0), &"n1".into(), &1.into()), "{done}");
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    caller.check(&nodes[0]);
}

#[test]
fn row_12_of_two_promotions_at_once_one_is_refused() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 3, "disk+ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes.remove(0).kill();
    let outcomes = thread::scope(|scope| {
        let asked = ["n2", "n3"].map(|name| scope.spawn(|| cluster.promote(name, &[])));
        asked.map(|thread| thread.join().unwrap())
    });
    let leads = match outcomes.each_ref().map(|(code, _)| *code) {
        [Some(0), Some(3)] => 1,
        [Some(3), Some(0)] => 2,
        _ => panic!("one leads and one is refused: {outcomes:?}"),
    };
    let refused = &outcomes[2 - leads].1;
    // The second may come so late that the first leads, or has said that it does not wait for the second.
    let check = refused["refused"]["check"].as_str().unwrap();
    assert!(["epoch", "primary-alive", "in-sync"].contains(&check), "{refused}");
    cluster.wait_role(3 - leads, "standby");
    caller.place(SOME);
    caller.check(&nodes[leads - 1]);
    caller.check_whole();
    nodes.push(cluster.start(0));
    cluster.wait_in_sync(&["n1", "n2", "n3"]);
    assert_eq!(cluster.equal_journals(0, leads)["equal"], true);
    assert_eq!(cluster.equal_journals(1, 2)["equal"], true);
}

#[test]
fn a_standby_refuses_orders_by_naming_the_primary_and_serves_market_data() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let _nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    let words = caller.log_on(1).unwrap_err().to_string();
    assert_eq!(words, format!("not primary; primary is {}", cluster.places[0].fix));
    let mut fix = Client::connect(&cluster.places[1].fix, Wire::Fix, "ALPHA1").unwrap();
    fix.send("35=A|98=0|108=30|553=ALPHA1|554=secret", 1, false).unwrap();
    assert!(fix.receive(PATIENCE).is_err(), "a FIX connection is closed without a word");
    let mut data = Client::log_on(&cluster.places[1].fix, Wire::Fix, "DATA1", (0, "|141=Y"));
    data.send("35=V|262=r1|263=1|264=0|265=1|267=2|269=0|269=1|146=1|55=ACME", 2, false).unwrap();
    assert_eq!(data.expect().kind(), "W");
    caller.place(SOME);
    let update = data.expect();
    assert_eq!(update.kind(), "X", "what the primary released is told: {update}");
}

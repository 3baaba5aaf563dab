//! kill -9: of the primary under load, and what becomes of it when it comes back; of a standby.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::CONFIG;
use crate::caller::Caller;
use crate::cluster::Cluster;
use crate::node::{Home, Node, rialto, told, until};

/// Orders that are answered before and after each change.
const SOME: usize = 300;

/// A client trades with all nodes' addresses while `change` changes who leads; then all is answered.
pub(crate) fn under_load<T>(caller: &mut Caller, change: impl FnOnce() -> T) -> T {
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        let trading = scope.spawn(|| caller.trade(&enough));
        thread::sleep(Duration::from_millis(300));
        let changed = change();
        thread::sleep(Duration::from_millis(300));
        enough.store(true, Ordering::Relaxed);
        trading.join().unwrap();
        changed
    })
}

#[test]
fn row_1_a_primary_killed_under_load_loses_and_doubles_nothing_and_rejoins_by_itself() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 3, "disk+ram");
    let mut nodes: Vec<Option<Node>> = cluster.start_all().into_iter().map(Some).collect();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    assert_eq!(caller.find(), "n1 epoch 1");
    for (round, (dies, leads)) in [(0, 1), (1, 2)].into_iter().enumerate() {
        let killed = nodes[dies].take().unwrap();
        let promoted = under_load(&mut caller, || {
            killed.kill();
            cluster.lead(leads, &[])
        });
        assert_eq!(promoted["epoch"], round + 2);
        assert_eq!(promoted["gap_ms"], serde_json::Value::Null, "nobody handed over");
        let row = cluster.wait_role(leads, "primary");
        assert_eq!(row["epoch"], round + 2);
        nodes[dies] = Some(cluster.start(dies));
        cluster.wait_role(dies, "standby");
        cluster.wait_in_sync(&cluster.names());
        caller.place(SOME);
        caller.check(nodes[leads].as_ref().unwrap());
        caller.check_whole();
        let compared = cluster.equal_journals(dies, leads);
        assert_eq!(compared["equal"], true, "{compared}");
    }
    assert!(caller.acked() > 2 * SOME);
    println!("gaps with promotion by hand: {:?}", caller.gaps());
}

#[test]
fn row_13_what_only_the_old_primary_had_is_cut_off_with_a_report() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    // It stands still, which is not noticed at once; killed, it would be, and the primary would read no more orders.
    nodes[1].signal(Signal::STOP);
    // The primary takes these and may not answer: their only copy is its own.
    for _ in 0..8 {
        caller.ask().unwrap();
    }
    let (standby, primary) = (nodes.remove(1), nodes.remove(0));
    let published = || primary.status(&[])["cursors"]["published"].as_u64().unwrap();
    let released = || primary.status(&[])["cursors"]["released"].as_u64().unwrap();
    until("the orders to be taken", || (published() >= released() + 8).then_some(()));
    standby.kill();
    let answered = caller.listen(Duration::from_millis(300)).unwrap();
    assert!(!answered, "an order without its second copy is not acknowledged");
    primary.kill();
    let second = cluster.start(1);
    cluster.wait_role(1, "starting");
    cluster.lead(1, &[]);
    // Sent again, each counts once.
    caller.place(SOME);
    let first = cluster.start(0);
    cluster.wait_in_sync(&["n1", "n2"]);
    let reports = cluster.divergent(0);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("None of them is known to have been released"), "{}", reports[0]);
    assert!(reports[0].contains("went on without them"), "{}", reports[0]);
    caller.place(SOME);
    caller.check(&second);
    caller.check_whole();
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
    drop(first);
}

#[test]
fn a_killed_standby_stalls_the_primary_until_it_is_back() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes.remove(1).kill();
    caller.ask().unwrap();
    let primary = &nodes[0];
    until("the policy to be unmet", || (primary.status(&[])["policy_met"] == false).then_some(()));
    assert!(primary.status(&[])["unmet_since_ns"].as_u64().is_some());
    assert_eq!(primary.status(&[])["in_sync"], serde_json::json!(["n1", "n2"]), "nobody leaves by itself");
    assert!(!caller.listen(Duration::from_millis(300)).unwrap(), "nothing is released");
    // Whoever comes now is answered when the policy is met again, and not before.
    let mut other = Caller::new(cluster.addresses(), "ALPHA2");
    assert_eq!(other.log_on(0).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    let standby = cluster.start(1);
    until("the policy to be met", || (primary.status(&[])["policy_met"] == true).then_some(()));
    caller.place(SOME);
    other.place(SOME);
    for one in [&caller, &other] {
        one.check(primary);
        one.check_whole();
    }
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
    drop(standby);
}

#[test]
fn a_killed_standby_that_the_operator_drops_is_not_waited_for_and_joins_again() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 3, "disk+ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes.remove(2).kill();
    caller.ask().unwrap();
    assert!(!caller.listen(Duration::from_millis(300)).unwrap(), "all in sync are waited for");
    let dropped = nodes[0].asked(&["drop", "n3"]);
    assert!(dropped["seq"].as_u64().is_some(), "{dropped}");
    caller.place(SOME);
    let row = nodes[0].status(&[]);
    assert_eq!((&row["policy_met"], &row["in_sync"]), (&true.into(), &serde_json::json!(["n1", "n2"])));
    let (code, _, stderr) = told(&rialto(&["promote", "n3", "--nodes", &cluster.nodes()]));
    assert_eq!(code, Some(4), "n3 is known and not there: {stderr}");
    nodes.push(cluster.start(2));
    cluster.wait_in_sync(&["n1", "n2", "n3"]);
    caller.place(SOME);
    caller.check(&nodes[0]);
    caller.check_whole();
    assert_eq!(cluster.equal_journals(0, 2)["equal"], true);
}

#[test]
fn sigterm_of_a_primary_hands_over_and_of_a_standby_does_not_disturb() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    let (status, took) = under_load(&mut caller, || nodes.remove(0).end_by(Signal::TERM));
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    let row = cluster.wait_role(1, "primary");
    assert_eq!(row["epoch"], 2);
    println!("gaps with SIGTERM: {:?}", caller.gaps());
    let first = cluster.start(0);
    cluster.wait_in_sync(&["n1", "n2"]);
    assert!(cluster.divergent(0).is_empty(), "it had handed over all: {:?}", cluster.divergent(0));
    caller.place(SOME);
    caller.check(&nodes[0]);
    caller.check_whole();
    let (status, took) = first.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

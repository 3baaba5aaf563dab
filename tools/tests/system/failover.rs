//! kill -9 of the primary under load, round after round, of a cluster of three nodes: promoted by hand, or by itself
//! through three etcd processes. Members that know all nodes go on under the same numbers; nothing that was acknowledged
//! is lost or happens twice, and all journals are equal. Two of them have a stock FIX engine.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::caller::Caller;
use crate::cluster::Cluster;
use crate::etcd::EtcdCluster;
use crate::node::{Node, until};
use crate::quickfix::{self, Stock};
use crate::trader::Load;
use crate::venue::Venue;
use crate::{CONFIG, Rounds};

/// Rounds in CI, and where only some cases are run.
const ROUNDS: (usize, usize) = (10, 3);
/// Every so many rounds the supervisor dies with its node, as with a host: the lease has to run out.
const WITH_SUPERVISOR: usize = 5;
/// Longest time without a primary that releases: a killed process, a vanished host, one that dies with etcd's leader.
const KILLED_MAX: Duration = Duration::from_secs(1);
const VANISHED_MAX: Duration = Duration::from_secs(5);
const WITH_ETCD_MAX: Duration = Duration::from_secs(8);
/// Between two changes of the primary that come about by themselves, and some more.
const TENURE: Duration = Duration::from_millis(3500);
/// Answers that members hear after each change.
const SOME: u64 = 400;

pub(crate) fn by_hand(rounds: &Rounds) {
    run(rounds, None);
}

pub(crate) fn through_etcd(rounds: &Rounds) {
    run(rounds, Some(&EtcdCluster::start(3)));
}

fn run(rounds: &Rounds, etcd: Option<&EtcdCluster>) {
    let mut venue = Venue::of(&quickfix::with_members(CONFIG), rounds.seed);
    venue.of_others = &quickfix::NAMES;
    let (cluster, mut nodes) = start(&venue, etcd);
    let addresses = cluster.addresses();
    let mut stock = Stock::start(venue.home.folder(), rounds.seed, &addresses);
    for trader in &mut venue.traders {
        trader.find(&addresses, &Load::default());
    }
    let (mut killed_gaps, mut vanished_gaps) = (Vec::new(), Vec::new());
    let mut changed = Instant::now();
    for round in 0..rounds.count_or(ROUNDS) {
        let leads = until("a primary", || cluster.primary());
        let takes_supervisor = round % WITH_SUPERVISOR == WITH_SUPERVISOR - 1;
        let goal = venue.random.between(200, 3000);
        let load = Load::default();
        let heard =
            |goal: u64| until("load", || (load.received.load(Ordering::Relaxed) >= goal).then_some(()));
        let spans: Vec<usize> = venue.traders.iter().map(|trader| trader.spans.len()).collect();
        stock.told("trade");
        let primary = thread::scope(|scope| {
            for trader in &mut venue.traders {
                let (load, addresses) = (&load, &addresses);
                scope.spawn(move || trader.trade_over(addresses, load));
            }
            let _ends = Ends(&load);
            heard(goal);
            if etcd.is_some() {
                thread::sleep(TENURE.saturating_sub(changed.elapsed()));
            }
            let node = nodes[leads].take().expect("it runs");
            if takes_supervisor {
                node.kill();
            } else {
                node.kill_matcher();
            }
            if etcd.is_none() {
                // One of the others as often as the other: a client may have to try both.
                cluster.lead((leads + 1 + round % 2) % 3, &[]);
            }
            let primary = until("another to lead", || cluster.primary());
            changed = Instant::now();
            heard(load.received.load(Ordering::Relaxed) + SOME);
            nodes[leads] = Some(cluster.start(leads));
            cluster.wait_in_sync(&cluster.names());
            primary
        });
        for trader in &mut venue.traders {
            trader.settle(&load).expect("the primary is up");
        }
        let stock_gaps = stock.settle();
        venue.check(nodes[primary].as_ref().expect("it leads"));
        let found = stock.check(&cluster.places[primary].data);
        check_journals(&cluster, primary);
        // A switch that somebody else asked for has no part in it: one gap a round.
        let gaps = venue.traders.iter().zip(spans).map(|(trader, before)| trader.gap(before));
        let gap = gaps.max().expect("four members");
        let vanishes = takes_supervisor && etcd.is_some();
        if vanishes { &mut vanished_gaps } else { &mut killed_gaps }.push(gap);
        println!("  round {}: {} after {goal} messages, {gap:?}", round + 1, cluster.places[leads].name);
        println!("    stock FIX engines: {stock_gaps} ms without an answer, so far {found}");
    }
    stock.told("end");
    print_gaps("killed", &mut killed_gaps);
    print_gaps("killed with its supervisor", &mut vanished_gaps);
    if etcd.is_some() {
        assert!(killed_gaps.iter().all(|gap| *gap < KILLED_MAX), "{killed_gaps:?}");
        assert!(vanished_gaps.iter().all(|gap| *gap < VANISHED_MAX), "{vanished_gaps:?}");
    }
    for index in 0..3 {
        assert!(cluster.status(&[])[index]["in_sync"] == json!(["n1", "n2", "n3"]));
    }
}

fn start(venue: &Venue, etcd: Option<&EtcdCluster>) -> (Cluster, Vec<Option<Node>>) {
    let mut cluster = Cluster::new(&venue.home, 3, "disk+ram");
    cluster.flags = etcd.iter().flat_map(|etcd| ["--coordinator".to_owned(), etcd.address()]).collect();
    let nodes = cluster.start_all().into_iter().map(Some).collect();
    (cluster, nodes)
}

/// Nobody asks for more once this is gone, and so it is with a case that fails.
struct Ends<'a>(&'a Load);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.ends.store(true, Ordering::Relaxed);
    }
}

fn check_journals(cluster: &Cluster, primary: usize) {
    for other in (0..3).filter(|index| *index != primary) {
        let compared = cluster.equal_journals(other, primary);
        assert_eq!(compared["equal"], true, "{compared}");
    }
}

fn print_gaps(what: &str, gaps: &mut [Duration]) {
    gaps.sort_unstable();
    if let (Some(min), Some(max)) = (gaps.first(), gaps.last()) {
        let median = gaps[gaps.len() / 2];
        println!("  without an answer, primary {what}: min {min:?}, median {median:?}, max {max:?}");
    }
}

pub(crate) fn row_9(rounds: &Rounds) {
    let mut etcd = EtcdCluster::start(3);
    let venue = Venue::of(CONFIG, rounds.seed);
    let (cluster, mut nodes) = start(&venue, Some(&etcd));
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(300);
    let leads = until("a primary", || cluster.primary());
    etcd.kill(etcd.leader().expect("it has one"));
    nodes[leads].take().expect("it runs").kill_matcher();
    caller.place(300);
    let gap = caller.gaps().into_iter().max().expect("another connection");
    println!("  without an answer: {gap:?}");
    assert!(gap < WITH_ETCD_MAX, "{gap:?}");
    let primary = until("another to lead", || cluster.primary());
    assert_ne!(primary, leads);
    caller.check(nodes[primary].as_ref().expect("it leads"));
    caller.check_whole();
}

pub(crate) fn row_10(rounds: &Rounds) {
    let mut etcd = EtcdCluster::start(3);
    let venue = Venue::of(CONFIG, rounds.seed);
    let (cluster, nodes) = start(&venue, Some(&etcd));
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(300);
    let leads = until("a primary", || cluster.primary());
    (0..2).for_each(|member| etcd.kill(member));
    let began = Instant::now();
    until("the primary to stop at its deadline", || {
        (cluster.status(&[])[leads]["policy_met"] != true).then_some(())
    });
    println!("  the primary stopped after {:?}", began.elapsed());
    assert!(began.elapsed() < VANISHED_MAX);
    let released = || cluster.status(&[])[leads]["cursors"]["released"].clone();
    let before = released();
    thread::sleep(Duration::from_secs(3));
    assert_eq!(released(), before, "nothing is released without a lease");
    assert!(cluster.status(&[]).iter().all(|row| row["epoch"] == 1), "nobody else leads");
    (0..2).for_each(|member| etcd.restart(member));
    etcd.wait_for_leader();
    caller.place(300);
    let primary = until("a primary", || cluster.primary());
    caller.check(nodes[primary].as_ref().expect("it leads"));
    caller.check_whole();
}

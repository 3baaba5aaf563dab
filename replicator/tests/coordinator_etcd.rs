//! What the etcd coordinator promises, asked of real etcd processes. They run with `RIALTO_SYSTEM=1` only, and say so
//! otherwise.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../../tools/tests/support/etcd.rs"]
mod etcd;

use std::thread;
use std::time::{Duration, Instant};

use etcd::EtcdCluster;
use rialto_replicator::coordinator::etcd::Etcd;
use rialto_replicator::coordinator::{
    Coordinator, CoordinatorError, LeaseIs, NodeNote, Revision, Swap, Watched, settle,
};
use rialto_replicator::state::{AckPolicy, ClusterState};

const TTL: Duration = Duration::from_secs(2);

/// Starts etcd, if such tests are asked for.
fn cluster(members: usize) -> Option<EtcdCluster> {
    if std::env::var_os("RIALTO_SYSTEM").is_none_or(|value| value != "1") {
        println!("skipped: real etcd processes are started with RIALTO_SYSTEM=1 only");
        return None;
    }
    assert!(etcd::is_installed(), "RIALTO_SYSTEM=1 asks for etcd: install etcd-server");
    Some(EtcdCluster::start(members))
}

fn client(cluster: &EtcdCluster) -> Etcd {
    Etcd::new(&cluster.address(), "test").unwrap()
}

fn founded(by: &str) -> ClusterState {
    ClusterState::founded(by, AckPolicy::DiskRam, false).unwrap()
}

fn found(seen: u64, state: &ClusterState) -> Swap<'_> {
    Swap { seen: Revision(seen), lease_is: LeaseIs::Any, state, hold: None }
}

fn note(name: &str, incarnation: u64) -> NodeNote {
    NodeNote {
        name: name.to_owned(),
        replication: "127.0.0.1:7001".to_owned(),
        fix: "127.0.0.1:7002".to_owned(),
        boot_id: "00ff".to_owned(),
        incarnation,
        role: "standby".to_owned(),
        epoch: 1,
        sequence: 9,
    }
}

/// Waits until `holds` does: true; false after `limit`.
fn within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if holds() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn of_two_who_swap_at_once_exactly_one_wins_and_the_other_sees_how_things_are() {
    let Some(cluster) = cluster(1) else { return };
    let (one, two) = (client(&cluster), client(&cluster));
    assert_eq!(one.read().unwrap().state, None);
    let mut seen = 0;
    for round in 0..12 {
        let now = one.read().unwrap();
        let next = |name: &str| match now.state() {
            None => founded(name),
            Some(state) => state.with(&format!("{name}-{round}")).unwrap(),
        };
        let (a, b) = (next("n1"), next("n2"));
        let (left, right) = thread::scope(|scope| {
            let left = scope.spawn(|| one.swap(&found(seen, &a)));
            let right = scope.spawn(|| two.swap(&found(seen, &b)));
            (left.join().unwrap(), right.join().unwrap())
        });
        let (won, lost, state) = match (left, right) {
            (Ok(won), Err(lost)) => (won, lost, a),
            (Err(lost), Ok(won)) => (won, lost, b),
            both => panic!("{both:?}"),
        };
        let CoordinatorError::Lost { now, .. } = lost else { panic!("{lost}") };
        assert_eq!(now.state, Some((state, won)));
        seen = won.0;
        if round == 5 {
            one.forget().unwrap();
            assert_eq!(one.read().unwrap().state, None);
            let won = one.swap(&found(0, &founded("n1"))).unwrap();
            seen = won.0;
        }
    }
}

#[test]
fn a_swap_happens_only_under_the_lease_that_it_asks_for() {
    let Some(cluster) = cluster(1) else { return };
    let etcd = client(&cluster);
    let (mine, other) = (etcd.grant(TTL).unwrap(), etcd.grant(TTL).unwrap());
    assert_eq!(mine.ttl, TTL);
    let state = founded("n1");
    let swap = |seen, lease_is, hold| etcd.swap(&Swap { seen, lease_is, state: &state, hold });
    let taken = swap(Revision(0), LeaseIs::Absent, Some(mine.lease)).unwrap();
    let holder = etcd.read().unwrap().holder.unwrap();
    assert_eq!((holder.node.as_str(), holder.epoch, holder.lease), ("n1", 1, mine.lease));
    let refused = [LeaseIs::Absent, LeaseIs::Held(other.lease)].map(|lease_is| swap(taken, lease_is, None));
    for lost in refused {
        assert!(matches!(lost, Err(CoordinatorError::Lost { why, .. }) if why.contains("lease")));
    }
    let handed = swap(taken, LeaseIs::Held(mine.lease), Some(other.lease)).unwrap();
    assert_eq!(etcd.read().unwrap().holder.unwrap().lease, other.lease);
    etcd.revoke(mine.lease).unwrap();
    etcd.revoke(mine.lease).unwrap();
    assert_eq!(etcd.keep_alive(mine.lease), Err(CoordinatorError::Expired));
    assert_eq!(etcd.keep_alive(other.lease), Ok(TTL));
    etcd.revoke(other.lease).unwrap();
    assert_eq!(etcd.read().unwrap().holder, None);
    assert_eq!(swap(handed, LeaseIs::Any, Some(other.lease)), Err(CoordinatorError::Expired));
    assert_eq!(etcd.read().unwrap().seen(), handed, "nothing of it was done");
}

#[test]
fn a_name_is_registered_by_one_life_of_a_node_at_a_time() {
    let Some(cluster) = cluster(1) else { return };
    let etcd = client(&cluster);
    let (first, second) = (etcd.grant(TTL).unwrap().lease, etcd.grant(TTL).unwrap().lease);
    etcd.register(&note("n1", 1), first).unwrap();
    etcd.register(&NodeNote { sequence: 10, ..note("n1", 1) }, first).unwrap();
    etcd.register(&note("n2", 7), second).unwrap();
    let taken = etcd.register(&note("n1", 2), second).unwrap_err();
    assert!(taken.to_string().contains("boot 00ff"), "{taken}");
    assert_eq!(etcd.read().unwrap().nodes.iter().map(|node| node.sequence).collect::<Vec<_>>(), [10, 9]);
    etcd.revoke(first).unwrap();
    etcd.register(&note("n1", 2), second).unwrap();
}

#[test]
fn a_lease_that_is_not_renewed_is_seen_to_end_within_three_seconds() {
    let Some(cluster) = cluster(1) else { return };
    let (holder, watcher) = (client(&cluster), client(&cluster));
    let lease = holder.grant(TTL).unwrap().lease;
    let begun = Instant::now();
    let state = founded("n1");
    let swap = Swap { seen: Revision(0), lease_is: LeaseIs::Absent, state: &state, hold: Some(lease) };
    let taken = holder.swap(&swap).unwrap();
    assert_eq!(watcher.watch(taken, Duration::from_millis(50)).unwrap(), Watched::Nothing);
    holder.register(&note("n1", 1), holder.grant(TTL).unwrap().lease).unwrap();
    assert_eq!(
        watcher.watch(taken, Duration::from_millis(50)).unwrap(),
        Watched::Nothing,
        "only a node's note"
    );
    assert_eq!(watcher.watch(taken, Duration::from_secs(5)).unwrap(), Watched::Changed);
    assert_eq!(watcher.read().unwrap().holder, None);
    let took = begun.elapsed();
    println!("seen after {took:?}");
    assert!(took >= TTL, "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(watcher.watch(taken, TTL).unwrap(), Watched::Changed, "what has happened is seen at once");
}

#[test]
fn a_watch_returns_as_soon_as_the_lease_is_revoked() {
    let Some(cluster) = cluster(3) else { return };
    let (holder, watcher) = (client(&cluster), client(&cluster));
    let lease = holder.grant(TTL).unwrap().lease;
    let state = founded("n1");
    let swap = Swap { seen: Revision(0), lease_is: LeaseIs::Absent, state: &state, hold: Some(lease) };
    let taken = holder.swap(&swap).unwrap();
    let (told, took) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let told = watcher.watch(taken, Duration::from_secs(5)).unwrap();
            (told, Instant::now())
        });
        thread::sleep(Duration::from_millis(100));
        let revoked = Instant::now();
        holder.revoke(lease).unwrap();
        let (told, at) = watching.join().unwrap();
        (told, at.saturating_duration_since(revoked))
    });
    assert_eq!(told, Watched::Changed);
    println!("seen {took:?} after it was revoked");
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_lease_outlives_the_death_of_etcds_leader_and_changes_go_on() {
    let Some(mut cluster) = cluster(3) else { return };
    let etcd = client(&cluster);
    let lease = etcd.grant(TTL).unwrap().lease;
    let state = founded("n1");
    let taken = settle(
        &etcd,
        &Swap { seen: Revision(0), lease_is: LeaseIs::Absent, state: &state, hold: Some(lease) },
    )
    .unwrap();
    let leader = cluster.leader().unwrap();
    cluster.kill(leader);
    let killed = Instant::now();
    assert!(within(Duration::from_secs(8), || etcd.keep_alive(lease).is_ok()));
    println!("renewed again after {:?}", killed.elapsed());
    assert_eq!(etcd.read().unwrap().holder.unwrap().lease, lease);
    let next = state.with("n2").unwrap();
    let swap = Swap { seen: taken, lease_is: LeaseIs::Held(lease), state: &next, hold: None };
    settle(&etcd, &swap).unwrap();
    assert_eq!(etcd.read().unwrap().state(), Some(&next));
}

#[test]
fn without_a_quorum_nothing_changes_and_each_call_ends_in_time() {
    let Some(mut cluster) = cluster(3) else { return };
    let etcd = client(&cluster);
    let state = founded("n1");
    let taken = etcd.swap(&found(0, &state)).unwrap();
    let lease = etcd.grant(TTL).unwrap().lease;
    let leader = cluster.leader().unwrap();
    let other = (leader + 1) % 3;
    cluster.kill(leader);
    cluster.kill(other);
    let next = state.with("n2").unwrap();
    let limit = Duration::from_millis(1_800);
    let timed = |call: &str, outcome: Result<(), CoordinatorError>, begun: Instant| {
        assert!(
            matches!(outcome, Err(CoordinatorError::Unreachable(_) | CoordinatorError::Unknown(_))),
            "{call}: {outcome:?}"
        );
        assert!(begun.elapsed() < limit, "{call} took {:?}", begun.elapsed());
    };
    let begun = Instant::now();
    timed("read", etcd.read().map(|_| ()), begun);
    let begun = Instant::now();
    timed("swap", etcd.swap(&found(taken.0, &next)).map(|_| ()), begun);
    let begun = Instant::now();
    timed("keep_alive", etcd.keep_alive(lease).map(|_| ()), begun);
    cluster.restart(leader);
    cluster.restart(other);
    // The swap whose outcome was unknown: it may have happened by now, and happens once.
    assert!(within(Duration::from_secs(15), || settle(&etcd, &found(taken.0, &next)).is_ok()));
    assert_eq!(etcd.read().unwrap().state(), Some(&next));
}

#[test]
fn a_swap_whose_answer_was_lost_is_found_to_have_been_done() {
    let Some(cluster) = cluster(1) else { return };
    let direct = client(&cluster);
    let state = founded("n1");
    // A way to etcd that passes requests on and swallows the first answer.
    let relay = relay::swallowing_first_answer(cluster.port(0));
    let lossy = Etcd::new(&format!("etcd://127.0.0.1:{relay}"), "test").unwrap();
    let lost = lossy.swap(&found(0, &state));
    assert!(matches!(lost, Err(CoordinatorError::Unknown(_))), "{lost:?}");
    assert_eq!(direct.read().unwrap().state(), Some(&state), "it was done all the same");
    let settled = settle(&lossy, &found(0, &state)).unwrap();
    assert_eq!(direct.read().unwrap().seen(), settled);
}

/// A relay on a port of its own.
mod relay {
    use std::io::copy;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;

    pub(crate) fn swallowing_first_answer(to: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // It ends with the test program.
        thread::spawn(move || {
            for (index, client) in listener.incoming().enumerate() {
                let client = client.unwrap();
                let etcd = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let (mut from_client, mut to_etcd) = (client.try_clone().unwrap(), etcd.try_clone().unwrap());
                thread::spawn(move || copy(&mut from_client, &mut to_etcd));
                thread::spawn(move || {
                    let (mut etcd, mut client) = (etcd, client);
                    if index > 0 {
                        copy(&mut etcd, &mut client).ok();
                    } else {
                        copy(&mut etcd, &mut std::io::sink()).ok();
                    }
                    client.shutdown(Shutdown::Both).ok();
                });
            }
        });
        port
    }
}

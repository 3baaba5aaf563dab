//! Real sockets on loopback: a node's port, a standby's connection, questions, and strangers.

#![expect(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "what fails here fails the test; its support serves other tests too"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use cluster::{Log, Primary, credentials};
use rialto_replicator::key::ClusterKey;
use rialto_replicator::link::{AskError, Listener, Question, Reply, Upstream, UpstreamOptions, ask};
use rialto_replicator::message::{Ask, Role};
use rialto_replicator::primary::Limits;
use rialto_replicator::secure::Credentials;

#[path = "support/cluster.rs"]
mod cluster;

const DEADLINE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(1);

fn listener(limits: Limits) -> (Listener, SocketAddr) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), credentials(), limits).unwrap();
    let address = listener.local_address().unwrap();
    (listener, address)
}

fn upstream(address: SocketAddr, log: &mut Log) -> Upstream {
    let (connect, silence) = (Duration::from_secs(2), Duration::from_secs(5));
    let options = UpstreamOptions { addresses: vec![address], connect, silence };
    Upstream::connect(&options, &credentials(), log.hello("b")).unwrap()
}

/// Turns the port and the standby until `done`, or panics.
#[track_caller]
fn turn(
    (port, primary): (&mut Listener, &mut Primary),
    (upstream, log): (&mut Upstream, &mut Log),
    done: impl Fn(&Primary, &Log) -> bool,
) {
    let begun = Instant::now();
    while !done(primary, log) {
        assert!(begun.elapsed() < DEADLINE, "not done: {:?} {:?}", primary.events.last(), log.end());
        port.poll(primary, SHORT).unwrap();
        upstream.poll(SHORT).unwrap();
        let mut ran = false;
        while let Some(event) = upstream.next_event().unwrap() {
            ran |= log.follow(&event);
        }
        if ran {
            upstream.ack(&log.ack(1)).unwrap();
        }
    }
}

/// Has someone ask a question while the port is turned.
fn asked(
    port: &mut Listener,
    primary: &mut Primary,
    by: &Credentials,
    question: Question,
) -> Result<Reply, AskError> {
    let address = port.local_address().unwrap();
    let by = by.clone();
    let asker = std::thread::spawn(move || ask(address, &by, &question, Duration::from_secs(5)));
    let begun = Instant::now();
    while !asker.is_finished() {
        assert!(begun.elapsed() < DEADLINE);
        port.poll(primary, SHORT).unwrap();
    }
    asker.join().unwrap()
}

#[test]
fn standby_follows_over_a_socket_and_its_acks_come_back() {
    let (mut primary, mut log) = (Primary::new(16), Log::new(16));
    let (mut port, address) = listener(Limits::default());
    let mut upstream = upstream(address, &mut log);
    for _ in 0..3_000 {
        primary.log.append(128);
    }
    let all = |primary: &Primary, _: &Log| {
        primary.last_ack().is_some_and(|ack| ack.received == primary.log.next_seq - 1)
    };
    turn((&mut port, &mut primary), (&mut upstream, &mut log), all);
    primary.log.append(32);
    turn((&mut port, &mut primary), (&mut upstream, &mut log), all);
    assert_eq!(log.content(), primary.log.content());
}

#[test]
fn question_is_answered_on_any_node_and_only_to_one_that_has_the_key() {
    let mut primary = Primary::new(16);
    primary.leads = false;
    let (mut port, _) = listener(Limits::default());
    let status = Question::Status(Ask { node: "b".to_owned(), hand_over: false });
    let Ok(Reply::Status(answer)) = asked(&mut port, &mut primary, &credentials(), status.clone()) else {
        panic!("no answer")
    };
    assert_eq!((answer.node.as_str(), answer.role), ("a, asked by b", Role::Standby));
    let promise = Question::Promise { epoch: 4 };
    let Ok(Reply::Promise(promise)) = asked(&mut port, &mut primary, &credentials(), promise) else {
        panic!("no promise")
    };
    assert_eq!((promise.made, primary.promised), (Ok(()), 4));
    let foreign = Credentials { key: ClusterKey::new([8; 32]), ..credentials() };
    asked(&mut port, &mut primary, &foreign, status.clone()).unwrap_err();
    let other_cluster = Credentials { cluster: "other".into(), ..credentials() };
    asked(&mut port, &mut primary, &other_cluster, status).unwrap_err();
}

#[test]
fn flood_of_strangers_is_cut_off_and_disturbs_no_standby() {
    let (mut primary, mut log) = (Primary::new(16), Log::new(16));
    let limits = Limits { proof: Duration::from_millis(300), ..Limits::default() };
    let (mut port, address) = listener(limits);
    let mut upstream = upstream(address, &mut log);
    let all = |primary: &Primary, _: &Log| {
        primary.last_ack().is_some_and(|ack| ack.received == primary.log.next_seq - 1)
    };
    primary.log.append(128);
    turn((&mut port, &mut primary), (&mut upstream, &mut log), all);

    let mut strangers: Vec<TcpStream> = Vec::new();
    for round in 0..300usize {
        let mut stranger = TcpStream::connect(address).unwrap();
        // Some say nothing, some rubbish, some the beginning of a greeting.
        let said: &[u8] = [&b""[..], &[0x5a; 500], b"RIALTR01 and no more"][round % 3];
        stranger.write_all(said).unwrap();
        strangers.push(stranger);
        primary.log.append(128);
        turn((&mut port, &mut primary), (&mut upstream, &mut log), all);
    }
    assert!(port.counters().turned_away > 0, "{:?}", port.counters());
    assert_eq!(primary.gone, [], "the standby stayed, and strangers are nobody's business");
    let begun = Instant::now();
    for stranger in &mut strangers {
        stranger.set_nonblocking(true).unwrap();
        let mut answer = [0; 256];
        loop {
            assert!(begun.elapsed() < DEADLINE, "a stranger is still connected");
            match stranger.read(&mut answer) {
                Ok(0) => break,
                Ok(bytes) => assert!(bytes <= 40, "a stranger was told {bytes} bytes"),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    primary.log.append(128);
                    turn((&mut port, &mut primary), (&mut upstream, &mut log), all);
                }
                Err(_) => break,
            }
        }
    }
    assert_eq!(log.content(), primary.log.content());
}

#[test]
fn node_that_leads_no_more_is_left_and_says_who_leads() {
    let (mut primary, mut log) = (Primary::new(16), Log::new(16));
    let (mut port, address) = listener(Limits::default());
    let mut first = upstream(address, &mut log);
    turn((&mut port, &mut primary), (&mut first, &mut log), |primary, _| primary.welcome().is_some());
    primary.leads = false;
    let why = ended(&mut port, &mut primary, &mut first);
    assert_eq!(why, "closed by the peer");
    assert_eq!(primary.gone, [("b".to_owned(), "this node does not lead in epoch 1 any more".to_owned())]);
    let mut second = upstream(address, &mut log);
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < DEADLINE);
        port.poll(&mut primary, SHORT).unwrap();
        second.poll(SHORT).unwrap();
        if let Some(event) = second.next_event().unwrap() {
            assert!(format!("{event:?}").starts_with("Reject(NotPrimary"), "{event:?}");
            break;
        }
    }
    assert_eq!(ended(&mut port, &mut primary, &mut second), "closed by the peer");
}

/// Turns both until the standby's connection ends; why.
fn ended(port: &mut Listener, primary: &mut Primary, upstream: &mut Upstream) -> String {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < DEADLINE);
        port.poll(primary, SHORT).unwrap();
        let mut heard = upstream.poll(SHORT);
        while heard.is_ok() {
            match upstream.next_event() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(gone) => heard = Err(gone),
            }
        }
        if let Err(gone) = heard {
            return gone.to_string();
        }
    }
}

#[test]
fn newer_connection_of_a_node_takes_the_place_of_its_older_one() {
    let (mut primary, mut log) = (Primary::new(16), Log::new(16));
    let (mut port, address) = listener(Limits::default());
    let mut first = upstream(address, &mut log);
    turn((&mut port, &mut primary), (&mut first, &mut log), |primary, _| primary.welcome().is_some());
    let mut second = upstream(address, &mut log);
    turn((&mut port, &mut primary), (&mut second, &mut log), |primary, _| !primary.gone.is_empty());
    assert_eq!(
        primary.gone,
        [("b".to_owned(), "replaced by a newer connection of the same node".to_owned())]
    );
    assert_eq!(ended(&mut port, &mut primary, &mut first), "closed by the peer");
    primary.log.append(64);
    let end = primary.log.end();
    turn((&mut port, &mut primary), (&mut second, &mut log), |_, log| log.end() == end);
}

#[test]
fn standby_notices_at_once_that_its_primary_is_gone() {
    let (mut primary, mut log) = (Primary::new(16), Log::new(16));
    let (mut port, address) = listener(Limits::default());
    let mut upstream = upstream(address, &mut log);
    turn((&mut port, &mut primary), (&mut upstream, &mut log), |primary, _| primary.welcome().is_some());
    drop(port);
    let begun = Instant::now();
    let gone = loop {
        if let Err(gone) = upstream.poll(SHORT) {
            break gone;
        }
        match upstream.next_event() {
            Ok(_) => assert!(begun.elapsed() < DEADLINE),
            Err(gone) => break gone,
        }
    };
    assert!(begun.elapsed() < Duration::from_secs(4), "by the socket, not by silence: {gone}");
    let (connect, silence) = (Duration::from_secs(2), Duration::from_secs(5));
    let options = UpstreamOptions { addresses: vec![address], connect, silence };
    let refused = Upstream::connect(&options, &credentials(), log.hello("b")).unwrap_err().to_string();
    assert!(refused.contains(&address.to_string()), "{refused}");
}

#[test]
fn doorbell_rung_before_or_in_a_sleep_ends_it() {
    let mut primary = Primary::new(16);
    let (mut port, _) = listener(Limits::default());
    let bell = std::sync::Arc::clone(port.doorbell());
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ringer = {
        let stop = std::sync::Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                bell.ring();
                std::thread::yield_now();
            }
        })
    };
    let begun = Instant::now();
    for _ in 0..200 {
        port.poll(&mut primary, Duration::from_millis(25)).unwrap();
    }
    let took = begun.elapsed();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    ringer.join().unwrap();
    assert!(took < Duration::from_millis(200 * 25 / 2), "200 sleeps of 25 ms took {took:?}");
}

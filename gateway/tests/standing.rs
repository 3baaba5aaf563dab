//! A gateway whose node is not, or not yet, or no longer the primary, and one that may release nothing for now.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rialto_gateway::request::Request;
use rialto_journal::cursor::Gate;
use running::{Client, DEADLINE, Running, Sizes};
use socket2::SockRef;

#[path = "support/running.rs"]
mod running;
#[path = "support/pretend.rs"]
mod support;

const LOG_ON: &str = "35=A|553=ALPHA1|554=secret";
const LOG_ON_2: &str = "35=A|553=ALPHA2|554=secret";
const FEED: &str = "35=A|553=FEED1|554=secret|141=Y";
/// How long nothing has to happen to count as never: several turns of the gateway's timers.
const A_WHILE: Duration = Duration::from_millis(200);

impl Client {
    fn logged_on(running: &Running, log_on: &str) -> Self {
        let mut client = running.connect();
        client.send(log_on);
        assert!(client.line().starts_with("35=A|34="));
        client
    }

    /// Nothing comes, for a while.
    fn hears_nothing(&mut self) {
        let stream = self.reader.get_mut();
        stream.set_read_timeout(Some(A_WHILE)).unwrap();
        let error = stream.read(&mut [0; 16]).expect_err("something came, or the end");
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
    }

    /// The node answers a question of a feed: its gateway took at least one whole turn since.
    fn feed_is_served(&mut self, number: u32) {
        self.send("35=1|112=x");
        assert_eq!(self.line(), format!("35=0|34={number}|112=x"));
    }
}

fn away(running: &Running, gate: Gate) {
    running.cursors.set_gate(gate);
}

fn unmet(running: &Running) {
    running.cursors.set_unmet_since_ns(1);
}

fn met(running: &Running) {
    running.cursors.set_unmet_since_ns(0);
}

/// Returns once the gateway has seen what was changed: it looks at each turn's start, and the second request was read in
/// a turn after the first's.
fn is_seen(running: &Running) {
    for _ in 0..2 {
        let mut client = running.connect();
        client.send("RIALTO {}");
        asked(running).responder.answer("{}");
        assert_eq!(client.line(), "{}");
    }
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_node_that_is_not_the_primary_turns_log_ons_away_with_the_words_alone() {
    let running = Running::start();
    for (gate, primary, words) in [
        (Gate::Standby, None, "! not primary; primary is unknown\n"),
        (Gate::Standby, Some("10.0.0.2:4001"), "! not primary; primary is 10.0.0.2:4001\n"),
        (Gate::Starting, Some("10.0.0.2:4001"), "! starting\n"),
        (Gate::Shut, Some("10.0.0.2:4001"), "! no lease\n"),
    ] {
        away(&running, gate);
        running.standing.set_primary(primary.map(str::to_owned));
        is_seen(&running);
        for log_on in [LOG_ON, "35=A|553=ALPHA1|554=guess", "35=A|553=NOBODY|554=x"] {
            let mut client = running.connect();
            client.send(log_on);
            let mut all = String::new();
            client.reader.read_to_string(&mut all).unwrap();
            assert_eq!(all, words, "{log_on} at {gate:?}");
        }
        let mut client = running.connect();
        client.send_fix(1, "A", "98=0|108=30|553=ALPHA1|554=secret|");
        client.end();
    }
    assert_eq!(running.stop(), Vec::<String>::new());
}

#[test]
fn market_data_are_served_by_a_node_that_is_not_the_primary() {
    let running = Running::start();
    away(&running, Gate::Standby);
    let mut feed = Client::logged_on(&running, FEED);
    feed.send("35=V|262=m|263=1|264=0|267=2|269=0|269=1|146=1|55=ACME");
    assert!(feed.line().starts_with("35=W|34=2|262=m|55=ACME"));
    let mut wrong = running.connect();
    wrong.send("35=A|553=FEED1|554=guess|141=Y");
    assert_eq!(wrong.line(), "! not primary; primary is unknown");
    feed.feed_is_served(3);
    running.stop();
}

#[test]
fn a_primary_that_is_none_any_more_closes_who_trades_and_asks_nothing_more() {
    let running = Running::start();
    running.standing.set_primary(Some("10.0.0.2:4001".to_owned()));
    let mut feed = Client::logged_on(&running, FEED);
    let mut line = Client::logged_on(&running, LOG_ON_2);
    let mut fix = running.connect();
    fix.send_fix(1, "A", "98=0|108=30|553=ALPHA1|554=secret|");
    assert!(fix.fix().contains("|35=A|"));
    away(&running, Gate::Standby);
    assert_eq!(line.line(), "! not primary; primary is 10.0.0.2:4001");
    line.end();
    fix.end();
    feed.feed_is_served(2);
    drop((line, fix));
    let mut again = running.connect();
    again.send(LOG_ON);
    assert_eq!(again.line(), "! not primary; primary is 10.0.0.2:4001");
    assert_eq!(running.stop(), ["logon 0", "logon 1"]);
}

#[test]
fn a_lease_that_is_back_lets_sessions_in_again_where_they_were() {
    let running = Running::start();
    let mut client = Client::logged_on(&running, LOG_ON);
    away(&running, Gate::Shut);
    assert_eq!(client.line(), "! no lease");
    away(&running, Gate::Open);
    wait_for("a log-on is taken", || {
        let mut again = running.connect();
        again.send(LOG_ON);
        again.line() == "35=A|34=2|58=n1 epoch 3"
    });
    let taken = running.stop();
    assert_eq!(taken[..3], ["logon 0", "logoff Drained", "logon 0"], "{taken:?}");
}

#[test]
fn while_the_policy_is_unmet_who_trades_is_not_read_and_market_data_are() {
    let running = Running::with(Sizes { ring: 1024, event_pages: 4096, socket_bytes: Some(16 << 10) });
    let mut feed = Client::logged_on(&running, FEED);
    let mut client = Client::logged_on(&running, LOG_ON);
    SockRef::from(client.reader.get_ref()).set_send_buffer_size(16 << 10).unwrap();
    unmet(&running);
    is_seen(&running);
    let stream = client.reader.get_mut();
    stream.set_write_timeout(Some(A_WHILE)).unwrap();
    let mut sent = 0;
    // What the buffers on the way hold is all that can be sent.
    let words = "n".repeat(150);
    let line = format!("35=1|112={words}\n");
    let line = line.as_bytes();
    let rest = loop {
        match stream.write(line) {
            Ok(bytes) if bytes == line.len() => sent += 1,
            Ok(bytes) => break bytes,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                break 0;
            }
        }
        assert!(sent < 1_000_000, "the gateway reads on");
    };
    client.hears_nothing();
    feed.feed_is_served(2);
    let mut other = Client::logged_on(&running, FEED);
    other.feed_is_served(2);
    met(&running);
    for number in 0..sent {
        assert_eq!(client.line(), format!("35=0|34={}|112={words}", number + 2));
    }
    client.reader.get_mut().write_all(if rest > 0 { &line[rest..] } else { line }).unwrap();
    assert_eq!(client.line(), format!("35=0|34={}|112={words}", sent + 2));
    running.stop();
}

#[test]
fn a_log_on_waits_until_the_policy_is_met_and_is_dropped_if_its_client_leaves() {
    let running = Running::start();
    unmet(&running);
    is_seen(&running);
    let mut guess = running.connect();
    guess.send("35=A|553=ALPHA2|554=guess");
    let mut waits = running.connect();
    waits.send(LOG_ON);
    waits.hears_nothing();
    guess.hears_nothing();
    let mut leaves = running.connect();
    leaves.send(LOG_ON_2);
    leaves.hears_nothing();
    drop(leaves);
    let mut feed = Client::logged_on(&running, FEED);
    feed.feed_is_served(2);
    met(&running);
    assert_eq!(guess.line(), "! unknown name or wrong password");
    assert_eq!(waits.line(), "35=A|34=1|58=n1 epoch 3");
    waits.send("35=1|112=x");
    assert_eq!(waits.line(), "35=0|34=2|112=x");
    let taken = running.stop();
    assert_eq!(taken.iter().filter(|command| command.starts_with("logon")).count(), 1, "{taken:?}");
}

#[test]
fn a_disconnect_while_the_policy_is_unmet_is_journaled_as_one() {
    let running = Running::start();
    let mut met_leaver = Client::logged_on(&running, LOG_ON_2);
    let client = Client::logged_on(&running, LOG_ON);
    met_leaver.reader.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
    met_leaver.end();
    unmet(&running);
    is_seen(&running);
    drop(client);
    let mut again = running.connect();
    again.send(LOG_ON);
    again.hears_nothing();
    met(&running);
    assert_eq!(again.line(), "35=A|34=2|58=n1 epoch 3");
    let taken = running.stop();
    assert_eq!(taken[2..5], ["logoff Disconnected", "logoff PolicyUnmet", "logon 0"], "{taken:?}");
}

#[test]
fn time_stands_still_for_who_trades_while_the_policy_is_unmet() {
    let running = Running::start();
    let mut silent = running.connect();
    let mut client = running.connect();
    client.send("35=A|553=ALPHA1|554=secret|108=1");
    assert_eq!(client.line(), "35=A|34=1|58=n1 epoch 3");
    unmet(&running);
    // Longer than a log-on may take, and than a member with heartbeats each second may be silent.
    let until = Instant::now() + Duration::from_millis(5500);
    while Instant::now() < until {
        client.hears_nothing();
    }
    silent.hears_nothing();
    met(&running);
    silent.send(LOG_ON_2);
    assert_eq!(silent.line(), "35=A|34=1|58=n1 epoch 3");
    client.send("35=1|112=still here");
    let mut heard = client.line();
    while !heard.ends_with("112=still here") {
        assert!(heard.starts_with("35=0|34="), "{heard}");
        heard = client.line();
    }
    running.stop();
}

/// The next request that the node gets.
fn asked(running: &Running) -> Request {
    running.asked.recv_timeout(DEADLINE).unwrap()
}

#[test]
fn a_request_to_the_node_is_answered_with_one_line_whatever_its_standing() {
    let running = Running::start();
    let check = |place: &str| {
        let mut client = running.connect();
        client.send("RIALTO {\"ask\":\"status\"}\r");
        let request = asked(&running);
        assert_eq!(request.text, "{\"ask\":\"status\"}", "{place}");
        assert!(request.is_local());
        assert_eq!(request.local, running.address);
        let answer = std::thread::spawn(move || request.responder.answer("{\"node\":\"n1\"}"));
        assert_eq!(client.line(), "{\"node\":\"n1\"}", "{place}");
        client.end();
        answer.join().unwrap();
    };
    check("open");
    unmet(&running);
    check("unmet");
    for gate in [Gate::Standby, Gate::Starting, Gate::Shut] {
        away(&running, gate);
        check("away");
    }
    running.stop();
}

#[test]
fn a_request_may_come_byte_by_byte_and_one_without_an_answer_just_ends() {
    let running = Running::start();
    let mut client = running.connect();
    for byte in b"RIALTO {}\n" {
        client.reader.get_mut().write_all(&[*byte]).unwrap();
    }
    let request = asked(&running);
    assert_eq!(request.text, "{}");
    drop(request);
    client.end();
    running.stop();
}

#[test]
fn a_request_too_long_or_never_ended_is_cut() {
    let running = Running::start();
    let mut client = running.connect();
    client.send(&format!("RIALTO {}", "x".repeat(4096 - 8)));
    let request = asked(&running);
    assert_eq!(request.text.len(), 4088);
    drop(request);
    client.end();
    let mut long = running.connect();
    long.send(&format!("RIALTO {}", "x".repeat(4096 - 7)));
    let mut rest = Vec::new();
    // A close with bytes unread may be a reset.
    assert!(long.reader.read_to_end(&mut rest).is_err() || rest.is_empty());
    let mut slow = running.connect();
    slow.reader.get_mut().write_all(b"RIALTO {").unwrap();
    unmet(&running);
    let began = Instant::now();
    slow.end();
    assert!(began.elapsed() > Duration::from_secs(4));
    assert!(running.asked.try_recv().is_err());
    running.stop();
}

#[test]
fn sixteen_requests_are_in_hand_at_most() {
    let running = Running::start();
    let mut clients: Vec<Client> = (0..16).map(|_| running.connect()).collect();
    let mut requests = Vec::new();
    for client in &mut clients {
        client.send("RIALTO {}");
        requests.push(asked(&running));
    }
    let mut late = running.connect();
    late.send("RIALTO {}");
    late.end();
    // Who left still counts until it is dealt with.
    drop(clients.pop());
    let mut late = running.connect();
    late.send("RIALTO {}");
    late.end();
    requests.pop().unwrap().responder.answer("{}");
    let mut next = running.connect();
    next.send("RIALTO {\"next\":1}");
    assert_eq!(asked(&running).text, "{\"next\":1}");
    next.end();
    running.stop();
}

#[test]
fn requests_are_read_while_the_ring_to_the_exchange_is_full() {
    let running = Running::with(Sizes { ring: 64, event_pages: 64, socket_bytes: None });
    let mut client = Client::logged_on(&running, LOG_ON);
    running.held.store(true, std::sync::atomic::Ordering::Release);
    // At once: what is written in pieces may wait for the other side's word.
    let lines: Vec<String> = (0..1_000).map(|order| format!("35=1|112=n{order}")).collect();
    client.send(&lines.join("\n"));
    let held = Arc::clone(&running.held);
    let mut asks = TcpStream::connect(running.address).unwrap();
    asks.write_all(b"RIALTO {}\n").unwrap();
    asked(&running).responder.answer("{}");
    let mut answer = String::new();
    asks.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "{}\n");
    held.store(false, std::sync::atomic::Ordering::Release);
    for order in 0..1_000 {
        assert_eq!(client.line(), format!("35=0|34={}|112=n{order}", order + 2));
    }
    running.stop();
}

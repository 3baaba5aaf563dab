//! A gateway over real sockets, before a pretend exchange.

#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "what fails here fails the test; its support serves other tests too"
)]

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use rialto_gateway::poller::listen;
use running::{Client, DEADLINE, Running, Sizes};
use socket2::SockRef;

#[path = "support/running.rs"]
mod running;
#[path = "support/pretend.rs"]
mod support;

#[test]
fn a_line_client_logs_on_and_its_order_is_answered() {
    let running = Running::start();
    let mut client = running.connect();
    client.send("35=A|553=ALPHA1|554=secret");
    assert_eq!(client.line(), "35=A|34=1|58=n1 epoch 3");
    client.send("35=D|11=a1|1=A1|55=ACME|54=1|38=100|40=2|44=10.25");
    assert_eq!(
        client.line(),
        "35=8|34=2|37=1|11=a1|17=2|150=0|39=0|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|59=0|151=100|14=0|6=0|\
         60=20260301-00:00:00.001"
    );
    client.send("35=D|11=a2|1=A1|55=ACMX|54=1|38=1|40=2|44=1");
    assert!(client.line().starts_with("35=8|34=3|37=NONE|11=a2|17=3|150=8|39=8|103=1|"));
    client.send("hello");
    assert!(client.line().starts_with("35=3|34=4|"));
    running.stop();
    client.end();
}

#[test]
fn a_fix_client_logs_on_trades_and_logs_out() {
    let running = Running::start();
    let mut client = running.connect();
    client.send_fix(1, "A", "98=0|108=30|553=ALPHA1|554=secret|");
    assert!(client.fix().contains("|35=A|49=RIALTO|56=ALPHA1|34=1|52=20260301-00:00:00.001|98=0|108=30|10="));
    client.send_fix(2, "D", "11=a1|1=A1|55=ACME|54=1|60=20260301-00:00:00|38=100|40=2|44=10.25|");
    assert!(client.fix().contains("|35=8|49=RIALTO|56=ALPHA1|34=2|"));
    client.send_fix(3, "5", "");
    assert!(client.fix().contains("|35=5|49=RIALTO|56=ALPHA1|34=3|"));
    running.stop();
    client.end();
}

#[test]
fn numbers_go_on_where_they_were_after_a_reconnect() {
    let running = Running::start();
    for round in 0..5 {
        let mut client = running.connect();
        client.send("35=A|553=ALPHA1|554=secret");
        assert_eq!(client.line(), format!("35=A|34={}|58=n1 epoch 3", 2 * round + 1));
        client.send(&format!("35=D|11=a{round}|55=ACME|54=1|38=100|40=2|44=10.25"));
        assert!(client.line().starts_with(&format!("35=8|34={}|", 2 * round + 2)));
    }
    running.stop();
}

#[test]
fn everything_sent_before_hanging_up_is_answered() {
    let running = Running::start();
    let mut client = running.connect();
    client.send("35=A|553=ALPHA1|554=secret");
    for order in 0..500 {
        client.send(&format!("35=D|11=a{order}|55=ACME|54=1|38=100|40=2|44=10.25"));
    }
    client.reader.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
    let lines = client.reader.by_ref().lines().count();
    assert_eq!(lines, 501);
    running.stop();
}

#[test]
fn a_wrong_password_gets_words_in_line_mode_and_nothing_in_fix() {
    let running = Running::start();
    let mut client = running.connect();
    client.send("35=A|553=ALPHA1|554=guess");
    assert_eq!(client.line(), "! unknown name or wrong password");
    client.end();
    let mut client = running.connect();
    client.send_fix(1, "A", "98=0|108=30|553=ALPHA1|554=guess|");
    client.end();
    running.stop();
}

/// Small buffers at both ends, so that little has to be sent until one is full.
const SOCKET_BYTES: usize = 16 << 10;

fn connect_small(running: &Running) -> Client {
    let stream = TcpStream::connect(running.address).unwrap();
    SockRef::from(&stream).set_send_buffer_size(SOCKET_BYTES).unwrap();
    SockRef::from(&stream).set_recv_buffer_size(SOCKET_BYTES).unwrap();
    Client::over(stream)
}

#[test]
fn who_does_not_read_is_cut_and_the_others_notice_nothing() {
    let running = Running::with(Sizes { ring: 1024, event_pages: 4096, socket_bytes: Some(SOCKET_BYTES) });
    let mut slow = connect_small(&running);
    slow.send("35=A|553=ALPHA1|554=secret");
    let mut quick = running.connect();
    quick.send("35=A|553=ALPHA2|554=secret");
    assert_eq!(quick.line(), "35=A|34=1|58=n1 epoch 3");
    let line = format!("35=1|112={}\n", "x".repeat(150));
    let mut asked = 0;
    let cut = loop {
        match slow.reader.get_mut().write_all(line.as_bytes()) {
            Ok(()) => asked += 1,
            Err(error) => break error,
        }
        assert!(asked < 100_000, "still not cut");
    };
    assert!(matches!(cut.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{cut}");
    assert!(asked > 9_000, "cut after {asked} answers that waited");
    quick.send("35=1|112=still here");
    assert_eq!(quick.line(), "35=0|34=2|112=still here");
    running.stop();
}

#[test]
fn while_the_ring_is_full_nobody_is_read_and_nothing_is_lost() {
    let running = Running::with(Sizes { ring: 64, event_pages: 4096, socket_bytes: Some(SOCKET_BYTES) });
    let mut client = connect_small(&running);
    client.send("35=A|553=ALPHA1|554=secret");
    assert_eq!(client.line(), "35=A|34=1|58=n1 epoch 3");
    running.held.store(true, Ordering::Release);
    let stream = client.reader.get_mut();
    stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    let mut sent = Vec::new();
    // More than the buffers on the way hold cannot be sent while nobody reads.
    let full = loop {
        let line = format!("35=1|112=n{}\n", sent.len());
        match stream.write(line.as_bytes()) {
            Ok(bytes) if bytes == line.len() => sent.push(line),
            Ok(bytes) => {
                sent.push(line);
                break bytes;
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                break 0;
            }
        }
        assert!(sent.len() < 1_000_000, "the gateway reads on");
    };
    running.held.store(false, Ordering::Release);
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    let rest = sent.last().filter(|_| full > 0).map_or("", |line| &line[full..]).to_owned();
    let mut writer = stream.try_clone().unwrap();
    writer.write_all(rest.as_bytes()).unwrap();
    for (number, _) in sent.iter().enumerate() {
        assert_eq!(client.line(), format!("35=0|34={}|112=n{number}", number + 2));
    }
    running.stop();
}

#[test]
fn several_gateways_share_one_port_and_each_gets_clients() {
    let listeners = listen("127.0.0.1:0".parse().unwrap(), 3).unwrap();
    let address = listeners[0].local_addr().unwrap();
    assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
    let clients: Vec<TcpStream> = (0..120).map(|_| TcpStream::connect(address).unwrap()).collect();
    let accepted = listeners.iter().map(|listener| {
        listener.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| listener.accept().ok()).count()
    });
    let accepted: Vec<usize> = accepted.collect();
    assert_eq!(accepted.iter().sum::<usize>(), clients.len());
    assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
}

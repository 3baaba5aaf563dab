//! A gateway over real sockets, before a pretend exchange.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rialto_gateway::gateway::{Gateway, GatewayParts, Settings};
use rialto_gateway::poller::listen;
use rialto_gateway::view::View;
use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::log::{LogRing, LogShape, LogStart};
use rialto_journal::position::Position;
use rialto_journal::reader::LogReader;
use rialto_journal::shared::Kind;
use rialto_protocol::{GatewayId, Name};
use rialto_shmring::{Consumer, Doorbell, Geometry, Identity, MessageBuffer, Producer, Region, Side};
use support::{Pretend, seed};

#[path = "support/pretend.rs"]
mod support;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

struct Running {
    address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn start() -> Self {
        let identity = Identity { schema: 0, generation: 0, gateway: 1 };
        let region = Arc::new(Region::anonymous(&identity, Geometry::new(1024).unwrap()).unwrap());
        let doorbell = Arc::new(Doorbell::anonymous().unwrap());
        let cursors = Arc::new(Cursors::anonymous(Policy::Async, 0).unwrap());
        let shape = LogShape { kind: Kind::Events, pages: 64 };
        let mut log = LogRing::anonymous(shape, &LogStart::EMPTY).unwrap();
        let listener = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let (gateway, waker) = Gateway::new(GatewayParts {
            id: GatewayId(1),
            listener,
            ring: Producer::new(Arc::clone(&region)).unwrap(),
            doorbell: Arc::clone(&doorbell),
            cursors: Arc::clone(&cursors),
            events: LogReader::new(Arc::clone(log.ring()), (), Position::FIRST),
            view: View::new(&seed()),
            settings: Settings {
                comp_id: Name::new(b"RIALTO").unwrap(),
                sending_time_tolerance_s: 120,
                user_defined_tags: false,
                messages_per_s: 0,
                spin: false,
            },
        })
        .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let gateway = std::thread::spawn(move || gateway.run(&stopping).unwrap());
        let mut ring = Consumer::new(Arc::clone(&region)).unwrap();
        let stopping = Arc::clone(&stop);
        let matcher = std::thread::spawn(move || {
            let (mut exchange, mut message) = (Pretend::new(), MessageBuffer::new());
            while !stopping.load(Ordering::Relaxed) {
                doorbell.announce();
                let popped = ring.try_pop(&mut message).unwrap();
                let Some(length) = popped else {
                    doorbell.wait(Duration::from_millis(1));
                    continue;
                };
                doorbell.retract();
                for (position, record) in exchange.apply(&message[..length], 1_772_323_200_001_000_000) {
                    assert_eq!(log.append(&record).get(), position);
                }
                log.publish();
                cursors.advance_published(exchange.sequence());
                if region.sleep_flag(Side::Producer).should_wake() {
                    waker.wake().unwrap();
                }
            }
        });
        Self { address, stop, threads: vec![gateway, matcher] }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Client { reader: BufReader::new(stream) }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn send(&mut self, line: &str) {
        self.reader.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn send_fix(&mut self, number: u32, msg_type: &str, body: &str) {
        let now = rialto_gateway::timestamp::format_millis(
            u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap(),
        );
        let now = std::str::from_utf8(&now).unwrap();
        let body =
            format!("35={msg_type}|34={number}|49=ALPHA1|52={now}|56=RIALTO|{body}").replace('|', "\x01");
        let mut bytes = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
        let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256;
        bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
        self.reader.get_mut().write_all(&bytes).unwrap();
    }

    /// One FIX message, with bars.
    fn fix(&mut self) -> String {
        let mut message = String::new();
        loop {
            let mut field = Vec::new();
            self.reader.read_until(1, &mut field).unwrap();
            message.push_str(&String::from_utf8(field).unwrap().replace('\x01', "|"));
            if message.rsplit('|').nth(1).is_none_or(|field| field.starts_with("10=")) {
                return message;
            }
        }
    }

    fn end(&mut self) {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), "");
    }
}

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

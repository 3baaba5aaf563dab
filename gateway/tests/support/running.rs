//! A gateway over real sockets, before a pretend exchange in a thread of its own, and its clients.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rialto_gateway::gateway::{Gateway, GatewayParts, Settings};
use rialto_gateway::poller::listen;
use rialto_gateway::request::{Request, Requests};
use rialto_gateway::standing::Standing;
use rialto_gateway::view::View;
use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::log::{LogRing, LogShape, LogStart};
use rialto_journal::position::Position;
use rialto_journal::reader::LogReader;
use rialto_journal::shared::Kind;
use rialto_protocol::{GatewayId, Name};
use rialto_shmring::{Consumer, Doorbell, Geometry, Identity, MessageBuffer, Producer, Region, Side};
use socket2::SockRef;

use crate::support::{Pretend, seed};

/// Longer than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Of what a gateway works with.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) ring: u32,
    pub(crate) event_pages: u64,
    /// Of the sockets' buffers at the gateway's end; `None` leaves them to the system.
    pub(crate) socket_bytes: Option<usize>,
}

pub(crate) struct Running {
    pub(crate) address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    /// While set, the pretend exchange takes nothing out of the ring.
    pub(crate) held: Arc<AtomicBool>,
    /// The node's gate and policy.
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) standing: Arc<Standing>,
    /// What was asked of the node itself.
    pub(crate) asked: Receiver<Request>,
    /// The pretend exchange, once it stopped.
    threads: (JoinHandle<()>, JoinHandle<Pretend>),
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::with(Sizes { ring: 1024, event_pages: 64, socket_bytes: None })
    }

    pub(crate) fn with(sizes: Sizes) -> Self {
        let identity = Identity { schema: 0, generation: 0, gateway: 1 };
        let region = Arc::new(Region::anonymous(&identity, Geometry::new(sizes.ring).unwrap()).unwrap());
        let doorbell = Arc::new(Doorbell::anonymous().unwrap());
        let cursors = Arc::new(Cursors::anonymous(Policy::Async, 0).unwrap());
        let shape = LogShape { kind: Kind::Events, pages: sizes.event_pages };
        let mut log = LogRing::anonymous(shape, &LogStart::EMPTY).unwrap();
        let listener = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        if let Some(bytes) = sizes.socket_bytes {
            // What it accepts has buffers of its own size.
            SockRef::from(&listener).set_send_buffer_size(bytes).unwrap();
            SockRef::from(&listener).set_recv_buffer_size(bytes).unwrap();
        }
        let standing = Arc::new(Standing::default());
        let (asks, asked) = channel();
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
            standing: Arc::clone(&standing),
            requests: Requests::new(move |request| asks.send(request).unwrap()),
        })
        .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let gateway = std::thread::spawn(move || gateway.run(&stopping).unwrap());
        let mut ring = Consumer::new(Arc::clone(&region)).unwrap();
        let stopping = Arc::clone(&stop);
        let held = Arc::new(AtomicBool::new(false));
        let holds = Arc::clone(&held);
        let published = Arc::clone(&cursors);
        let matcher = std::thread::spawn(move || {
            let (mut exchange, mut message) = (Pretend::new(), MessageBuffer::new());
            while !stopping.load(Ordering::Relaxed) {
                if holds.load(Ordering::Acquire) {
                    std::thread::yield_now();
                    continue;
                }
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
                published.advance_published(exchange.sequence());
                if region.sleep_flag(Side::Producer).should_wake() {
                    waker.wake().unwrap();
                }
            }
            exchange
        });
        Self { address, stop, held, cursors, standing, asked, threads: (gateway, matcher) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address).unwrap())
    }

    /// Stops all; every command that the exchange took.
    pub(crate) fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.0.join().unwrap();
        self.threads.1.join().unwrap().taken
    }
}

pub(crate) struct Client {
    pub(crate) reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.reader.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn send_fix(&mut self, number: u32, msg_type: &str, body: &str) {
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
    pub(crate) fn fix(&mut self) -> String {
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

    pub(crate) fn end(&mut self) {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), "");
    }
}

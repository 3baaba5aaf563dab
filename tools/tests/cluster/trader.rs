//! A member who knows all nodes: it sends orders that never trade, reconnects, asks for what it missed, and sends again
//! what had no answer. It keeps book of all that it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Orders on their way at once.
const WINDOW: usize = 16;

/// What a member was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Orders that were acknowledged, and how often without a mark of being said again.
    pub(crate) acknowledged: BTreeMap<String, u32>,
    /// Numbers of the messages that were heard.
    pub(crate) numbers: BTreeSet<u32>,
    /// The longest times between two acknowledgements.
    pub(crate) gaps: Vec<Duration>,
    /// Orders that were sent.
    pub(crate) sent: u32,
}

/// A member at work in a thread.
pub(crate) struct Trader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Told>,
}

impl Trader {
    /// Session `S{session}` of a venue with these nodes.
    pub(crate) fn start(nodes: &[String], session: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut member = Member {
            nodes: nodes.to_vec(),
            session,
            next_node: 0,
            pending: BTreeSet::new(),
            told: Told::default(),
            last: Instant::now(),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::spawn(move || {
            while !member.is_done() {
                if let Some((stream, rest)) = member.connect() {
                    member.trade(stream, rest);
                }
            }
            member.told
        });
        Self { stop, thread }
    }

    /// Sends no more, waits for all answers, and gives what was told.
    pub(crate) fn finish(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let told = self.thread.join().unwrap();
        let last = told.numbers.last().copied().unwrap_or(0);
        assert_eq!(told.numbers.len(), last as usize, "no number is missing up to {last}");
        for (order, times) in &told.acknowledged {
            assert!(*times <= 1, "{order} was acknowledged {times} times unmarked");
        }
        assert_eq!(told.acknowledged.len(), told.sent as usize, "each order was answered");
        told
    }
}

struct Member {
    nodes: Vec<String>,
    session: u32,
    next_node: usize,
    pending: BTreeSet<String>,
    told: Told,
    last: Instant,
    stop: Arc<AtomicBool>,
}

impl Member {
    fn is_done(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && self.pending.is_empty()
    }

    /// The lowest number that was not heard yet.
    fn next_number(&self) -> u32 {
        let heard = (1..).zip(&self.told.numbers).take_while(|(number, heard)| number == *heard);
        u32::try_from(heard.count()).unwrap() + 1
    }

    /// A connection that is logged on, and what came behind the log-on's answer.
    fn connect(&mut self) -> Option<(TcpStream, Vec<u8>)> {
        let address = self.nodes[self.next_node % self.nodes.len()].parse().unwrap();
        self.next_node += 1;
        std::thread::sleep(Duration::from_millis(5));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
        let log_on = format!("35=A|553=S{}|554=secret|789={}\n", self.session, self.next_number());
        stream.write_all(log_on.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while !bytes.contains(&b'\n') {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            }
        }
        if !bytes.starts_with(b"35=A|") {
            return None;
        }
        self.next_node -= 1;
        for order in &self.pending {
            stream.write_all(format!("{}|43=Y\n", line_of(order)).as_bytes()).ok()?;
        }
        stream.set_read_timeout(Some(Duration::from_millis(2))).ok()?;
        Some((stream, bytes))
    }

    fn trade(&mut self, mut stream: TcpStream, mut bytes: Vec<u8>) {
        let mut buffer = [0; 16384];
        loop {
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                self.hear(&String::from_utf8_lossy(&line));
            }
            if self.is_done() {
                return;
            }
            while self.pending.len() < WINDOW && !self.stop.load(Ordering::Relaxed) {
                self.told.sent += 1;
                let order = format!("s{}-{}", self.session, self.told.sent);
                let line = format!("{}\n", line_of(&order));
                self.pending.insert(order);
                if stream.write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
    }

    fn hear(&mut self, line: &str) {
        let field = |tag: &str| line.trim_end().split('|').find_map(|field| field.strip_prefix(tag));
        let Some(number) = field("34=").and_then(|number| number.parse().ok()) else { return };
        self.told.numbers.insert(number);
        let is_ack = line.starts_with("35=8|") && field("150=") == Some("0");
        if let Some(order) = field("11=").filter(|_| is_ack) {
            let times = self.told.acknowledged.entry(order.to_owned()).or_default();
            *times += u32::from(field("43=") != Some("Y"));
            self.pending.remove(order);
            self.told.gaps.push(self.last.elapsed());
            self.last = Instant::now();
        }
    }
}

/// A buy that rests.
fn line_of(order: &str) -> String {
    format!("35=D|11={order}|55=ACME|54=1|38=1|40=2|44=1.00")
}

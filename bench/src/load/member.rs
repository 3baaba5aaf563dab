//! One connection of a load: what it has asked and not heard back, and since when.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::asks::{Asks, Placed};
use super::wire::{Report, Wire};
use super::{Counts, LoadError, LogOn, Plan};
use crate::flow::Random;

/// How long a log-on may take.
const LOG_ON_WITHIN: Duration = Duration::from_secs(10);
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Bytes that wait to be sent, beyond which a closed loop asks no more.
const UNSENT_BYTES_MAX: usize = 64 << 10;

/// A logged-on connection.
#[derive(Debug)]
pub(super) struct Member {
    who: String,
    stream: TcpStream,
    wire: Wire,
    asks: Asks,
    line: Vec<u8>,
    unsent: Vec<u8>,
    /// Room to read into, and how many bytes of it hold the start of a message.
    unread: Vec<u8>,
    held: usize,
    in_flight: VecDeque<Asked>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u64,
    since_ns: u64,
    placed: Option<Placed>,
}

impl Member {
    /// Logs on. `number` tells the members apart.
    pub(super) fn open(plan: &Plan, log_on: &LogOn, number: u64) -> Result<Member, LoadError> {
        let who = log_on.user.clone();
        let failed = |error| LoadError::Socket { who: who.clone(), error };
        let mut stream = TcpStream::connect_timeout(&plan.address, LOG_ON_WITHIN).map_err(failed)?;
        let LogOn { user, password } = log_on;
        let mut wire = match &plan.fix {
            Some(target) => Wire::fix(user, target),
            None => Wire::Line,
        };
        let mut log_on = Vec::new();
        wire.say(wire.log_on(user, password).as_bytes(), &mut log_on);
        if let Some(said) = greet(&mut stream, &mut wire, &log_on).map_err(failed)? {
            return Err(LoadError::Refused { who, said });
        }
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let random = Random::new(plan.seed.wrapping_mul(1_000).wrapping_add(number));
        let asks = Asks::new(random, &plan.instruments, format!("{started:x}."));
        Ok(Member {
            who,
            stream,
            wire,
            asks,
            line: Vec::new(),
            unsent: Vec::new(),
            unread: Vec::new(),
            held: 0,
            in_flight: VecDeque::new(),
        })
    }

    /// Asks one thing, whose latency counts from `since_ns`; whether there is room for more.
    pub(super) fn ask(&mut self, since_ns: u64) -> bool {
        self.line.clear();
        let (id, placed) = self.asks.next(&mut self.line);
        self.wire.say(&self.line, &mut self.unsent);
        self.in_flight.push_back(Asked { id, since_ns, placed });
        self.unsent.len() < UNSENT_BYTES_MAX
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn resting(&self) -> usize {
        self.asks.resting()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends as much as the socket takes now.
    pub(super) fn flush(&mut self) -> Result<(), LoadError> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }

    /// Reads what has come and counts it.
    pub(super) fn hear(&mut self, clock: &impl Fn() -> u64, counts: &mut Counts) -> Result<(), LoadError> {
        let held = self.held;
        if self.unread.len() < held + READ_BYTES {
            self.unread.resize(held + READ_BYTES, 0);
        }
        let count = match self.stream.read(&mut self.unread[held..]) {
            Ok(0) => return Err(self.failed(ErrorKind::ConnectionAborted.into())),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(self.failed(error)),
        };
        let now_ns = clock();
        let Member { who, wire, asks, in_flight, unread, unsent, .. } = self;
        let mut replies = Vec::new();
        let mut at = 0;
        while let Some((report, used)) = wire.next(&unread[at..held + count]) {
            match report.kind {
                b"8" | b"9" => note(asks, in_flight, &report, now_ns, counts),
                b"1" => replies.push([b"35=0|112=", report.request].concat()),
                b"0" | b"r" => {}
                _ => return Err(LoadError::Refused { who: who.clone(), said: report.words() }),
            }
            at += used;
        }
        for reply in replies {
            wire.say(&reply, unsent);
        }
        unread.copy_within(at..held + count, 0);
        self.held = held + count - at;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> LoadError {
        LoadError::Socket { who: self.who.clone(), error }
    }
}

impl AsFd for Member {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Counts what a report answers, and keeps what rests.
fn note(
    asks: &mut Asks,
    in_flight: &mut VecDeque<Asked>,
    report: &Report<'_>,
    now_ns: u64,
    counts: &mut Counts,
) {
    let refused = report.kind == b"9" || report.exec_type == b"8";
    if report.exec_type == b"F" && report.liquidity == b"2" {
        counts.trades += 1;
    }
    let Some(id) = asks.number(report.cl_ord_id) else { return };
    let done = report.leaves == b"0" || refused;
    if let Ok(at) = in_flight.binary_search_by_key(&id, |asked| asked.id)
        && let Some(asked) = in_flight.remove(at)
    {
        counts.latencies.record(now_ns.saturating_sub(asked.since_ns));
        counts.rejects += u64::from(refused);
        counts.acks += u64::from(!refused);
        if let (Some(placed), false) = (asked.placed, done) {
            asks.rests(id, placed);
        }
    }
    if done {
        let order = asks.number(report.original).unwrap_or(id);
        asks.ended(order);
    }
}

/// Sends the log-on, waits for its answer, and makes the socket one that never blocks.
/// What was said instead of a log-on, if so.
fn greet(stream: &mut TcpStream, wire: &mut Wire, log_on: &[u8]) -> io::Result<Option<String>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOG_ON_WITHIN))?;
    stream.write_all(log_on)?;
    let (mut heard, mut byte) = (Vec::new(), [0]);
    loop {
        stream.read_exact(&mut byte)?;
        heard.push(byte[0]);
        if let Some((report, _)) = wire.next(&heard) {
            stream.set_nonblocking(true)?;
            return Ok((report.kind != b"A").then(|| report.words()));
        }
    }
}

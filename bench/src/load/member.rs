//! One connection of a load: what it has asked and not heard back, and since when.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::asks::{Asks, Placed};
use super::wire::Wire;
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
    unread: Vec<u8>,
    in_flight: VecDeque<Asked>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u64,
    since_ns: u64,
    placed: Option<Placed>,
}

/// What one message says, as far as a load cares.
#[derive(Debug, Default)]
struct Report<'a> {
    kind: &'a [u8],
    cl_ord_id: &'a [u8],
    original: &'a [u8],
    exec_type: &'a [u8],
    leaves: &'a [u8],
    liquidity: &'a [u8],
    request: &'a [u8],
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
        let said = greet(&mut stream, &mut wire, &log_on).map_err(failed)?;
        if Report::read(&said, wire.separator()).kind != b"A" {
            return Err(LoadError::Refused { who, said: words(&said) });
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
        let held = self.unread.len();
        self.unread.resize(held + READ_BYTES, 0);
        let read = match self.stream.read(&mut self.unread[held..]) {
            Ok(0) => Err(self.failed(ErrorKind::ConnectionAborted.into())),
            Ok(count) => Ok(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(self.failed(error)),
        };
        self.unread.truncate(held + *read.as_ref().unwrap_or(&0));
        read?;
        let now_ns = clock();
        let unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        while let Some((message, used)) = self.wire.next(rest) {
            self.message(message, now_ns, counts)?;
            rest = &rest[used..];
        }
        self.unread = rest.to_vec();
        Ok(())
    }

    fn message(&mut self, message: &[u8], now_ns: u64, counts: &mut Counts) -> Result<(), LoadError> {
        let report = Report::read(message, self.wire.separator());
        match report.kind {
            b"8" | b"9" => self.report(&report, now_ns, counts),
            b"1" => {
                self.wire.say(&[b"35=0|112=", report.request].concat(), &mut self.unsent);
            }
            b"0" | b"r" => {}
            _ => {
                return Err(LoadError::Refused { who: self.who.clone(), said: words(message) });
            }
        }
        Ok(())
    }

    fn report(&mut self, report: &Report<'_>, now_ns: u64, counts: &mut Counts) {
        let refused = report.kind == b"9" || report.exec_type == b"8";
        if report.exec_type == b"F" && report.liquidity == b"2" {
            counts.trades += 1;
        }
        let Some(id) = self.asks.number(report.cl_ord_id) else { return };
        let done = report.leaves == b"0" || refused;
        if let Ok(at) = self.in_flight.binary_search_by_key(&id, |asked| asked.id)
            && let Some(asked) = self.in_flight.remove(at)
        {
            counts.latencies.record(now_ns.saturating_sub(asked.since_ns));
            counts.rejects += u64::from(refused);
            counts.acks += u64::from(!refused);
            if let (Some(placed), false) = (asked.placed, done) {
                self.asks.rests(id, placed);
            }
        }
        if done {
            let order = self.asks.number(report.original).unwrap_or(id);
            self.asks.ended(order);
        }
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

impl<'a> Report<'a> {
    fn read(message: &'a [u8], separator: u8) -> Report<'a> {
        let mut report = Report::default();
        for field in message.split(|byte| *byte == separator) {
            let Some(equals) = field.iter().position(|byte| *byte == b'=') else { continue };
            let value = &field[equals + 1..];
            match &field[..equals] {
                b"35" => report.kind = value,
                b"11" => report.cl_ord_id = value,
                b"41" => report.original = value,
                b"150" => report.exec_type = value,
                b"151" => report.leaves = value,
                b"851" => report.liquidity = value,
                b"112" => report.request = value,
                _ => {}
            }
        }
        report
    }
}

/// Sends the log-on, waits for its answer, and makes the socket one that never blocks.
fn greet(stream: &mut TcpStream, wire: &mut Wire, log_on: &[u8]) -> io::Result<Vec<u8>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOG_ON_WITHIN))?;
    stream.write_all(log_on)?;
    let (mut heard, mut byte) = (Vec::new(), [0]);
    loop {
        stream.read_exact(&mut byte)?;
        heard.push(byte[0]);
        if let Some((message, _)) = wire.next(&heard) {
            stream.set_nonblocking(true)?;
            return Ok(message.to_vec());
        }
    }
}

/// A message for a person.
fn words(message: &[u8]) -> String {
    String::from_utf8_lossy(message).replace('\x01', "|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_by_its_tags() {
        let report = Report::read(b"35=8|34=8|37=1|11=x.1|150=F|151=0|851=2", b'|');
        assert_eq!((report.kind, report.cl_ord_id, report.exec_type), (&b"8"[..], &b"x.1"[..], &b"F"[..]));
        assert_eq!((report.leaves, report.liquidity), (&b"0"[..], &b"2"[..]));
    }
}

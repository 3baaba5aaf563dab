//! One connection of a load: what it has asked and not heard back, and since when. It comes back after a loss and sends
//! again what had no answer.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::asks::{Asks, Placed};
use super::wire::{Report, Wire};
use super::{Counts, LoadError, LogOn, Plan};
use crate::flow::Random;
use crate::link::{Link, Numbers, is_elsewhere};

/// How long a log-on may take.
const LOG_ON_WITHIN: Duration = Duration::from_secs(10);
/// How long nobody may be the primary.
const LOST_MAX: Duration = Duration::from_secs(30);
/// Between two looks at a log-on.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Bytes that wait to be sent, beyond which a closed loop asks no more.
const UNSENT_BYTES_MAX: usize = 64 << 10;

/// A member of the exchange, and its connection.
#[derive(Debug)]
pub(super) struct Member {
    log_on: LogOn,
    link: Link,
    numbers: Numbers,
    wire: Wire,
    asks: Asks,
    line: Vec<u8>,
    framed: Vec<u8>,
    /// Room to read into, and how many bytes of it hold the start of a message.
    unread: Vec<u8>,
    held: usize,
    in_flight: VecDeque<Asked>,
}

#[derive(Debug)]
struct Asked {
    id: u64,
    since_ns: u64,
    placed: Option<Placed>,
    /// As it was said, and under which number.
    line: Box<[u8]>,
    number: u32,
}

impl Member {
    /// Logs on. `number` tells the members apart.
    pub(super) fn open(plan: &Plan, log_on: &LogOn, number: u64) -> Result<Member, LoadError> {
        let wire = match &plan.fix {
            Some(target) => Wire::fix(&log_on.user, target),
            None => Wire::Line,
        };
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let random = Random::new(plan.seed.wrapping_mul(1_000).wrapping_add(number));
        let mut member = Member {
            log_on: log_on.clone(),
            link: Link::new(plan.nodes.clone()),
            numbers: Numbers::default(),
            wire,
            asks: Asks::new(random, &plan.instruments, format!("{started:x}.")),
            line: Vec::new(),
            framed: Vec::new(),
            unread: Vec::new(),
            held: 0,
            in_flight: VecDeque::new(),
        };
        let until = Instant::now() + LOG_ON_WITHIN;
        while !member.link.is_up() {
            member.tend()?;
            if let Some(fd) = member.link.fd() {
                poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&LOOK)).ok();
                member.hear(&|| 0, &mut Counts::default())?;
            }
            let alone = plan.nodes.len() == 1 && !is_elsewhere(&member.link.lost().why);
            if member.link.fd().is_none() && (alone || Instant::now() >= until) {
                return Err(member.gone());
            }
        }
        Ok(member)
    }

    /// Asks one thing, whose latency counts from `since_ns`; whether there is room for more.
    pub(super) fn ask(&mut self, since_ns: u64) -> bool {
        self.line.clear();
        self.framed.clear();
        let (id, placed) = self.asks.next(&mut self.line);
        let number = self.wire.number();
        self.wire.say(&self.line, &mut self.framed);
        self.link.say(&self.framed);
        let line = self.line.as_slice().into();
        self.in_flight.push_back(Asked { id, since_ns, placed, line, number });
        self.link.unsent() < UNSENT_BYTES_MAX
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn resting(&self) -> usize {
        self.asks.resting()
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.link.unsent() > 0
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.link.lost().times
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.link.fd()
    }

    /// Sends as much as the socket takes now.
    pub(super) fn flush(&mut self) {
        if self.has_unsent() {
            self.link.flush(Instant::now());
        }
    }

    /// Sees that there is a connection, or will be one.
    pub(super) fn tend(&mut self) -> Result<(), LoadError> {
        if self.link.is_up() {
            return Ok(());
        }
        let now = Instant::now();
        if self.link.lost().since.is_some_and(|since| now > since + LOST_MAX) {
            return Err(self.gone());
        }
        let Member { log_on: LogOn { user, password }, link, numbers, wire, held, .. } = self;
        let connected = link.tend(now, || {
            let mut out = Vec::new();
            let words = wire.log_on(user, password, numbers.next());
            numbers.log_on();
            wire.say(words.as_bytes(), &mut out);
            out
        });
        if connected {
            *held = 0;
        }
        Ok(())
    }

    /// Reads what has come and counts it.
    pub(super) fn hear(&mut self, clock: &impl Fn() -> u64, counts: &mut Counts) -> Result<(), LoadError> {
        let held = self.held;
        if self.unread.len() < held + READ_BYTES {
            self.unread.resize(held + READ_BYTES, 0);
        }
        let count = self.link.read(&mut self.unread[held..], Instant::now());
        let now_ns = clock();
        let Member { log_on, link, numbers, wire, asks, in_flight, unread, .. } = self;
        let first = numbers.next().is_none();
        let mut out = Vec::new();
        let mut at = 0;
        while let Some((report, used)) = wire.next(&unread[at..held + count]) {
            at += used;
            let is_new =
                report.number.is_none_or(|number| numbers.heard(report.kind, number, report.new_number));
            let mut then = Then::Nothing;
            match report.kind {
                b"8" | b"9" => note(asks, in_flight, (&report, is_new), now_ns, counts),
                b"1" => then = Then::Say([b"35=0|112=", report.request].concat()),
                b"A" => then = Then::Resume(None),
                b"2" => then = Then::Resume(report.from),
                b"0" | b"4" | b"r" => {}
                b"5" => then = Then::Leave(report.words()),
                _ if report.bytes.starts_with(b"! ") => then = Then::Leave(report.words()),
                _ => return Err(LoadError::Refused { who: log_on.user.clone(), said: report.words() }),
            }
            match then {
                Then::Nothing => {}
                Then::Say(line) => wire.say(&line, &mut out),
                Then::Resume(from) => {
                    link.logged_on();
                    resume(wire, in_flight, from, &mut out);
                }
                Then::Leave(said) if first && !is_elsewhere(&said) => {
                    return Err(LoadError::Refused { who: log_on.user.clone(), said });
                }
                Then::Leave(said) => link.turned_away(&said, Instant::now()),
            }
        }
        link.say(&out);
        unread.copy_within(at..held + count, 0);
        self.held = held + count - at;
        Ok(())
    }

    fn gone(&self) -> LoadError {
        let error = std::io::Error::new(ErrorKind::ConnectionAborted, self.link.lost().why.clone());
        LoadError::Socket { who: self.log_on.user.clone(), error }
    }
}

/// What a message leads to.
enum Then {
    Nothing,
    /// This is said.
    Say(Vec<u8>),
    /// What had no answer is said again: all of it, or in FIX what the node asks for.
    Resume(Option<u64>),
    /// This node is not the one, or not any more.
    Leave(String),
}

/// Says again what had no answer. In FIX the node asks for what it misses, and gets that.
fn resume(wire: &mut Wire, in_flight: &VecDeque<Asked>, from: Option<u64>, out: &mut Vec<u8>) {
    let end = wire.number();
    let first = match (&wire, from) {
        (Wire::Fix(_), None) => return,
        (_, from) => from.and_then(|from| u32::try_from(from).ok()).unwrap_or(0),
    };
    let mut next = first;
    for asked in in_flight.iter().filter(|asked| asked.number >= first) {
        wire.fill((next, asked.number), out);
        wire.say_again(&asked.line, asked.number, out);
        next = asked.number + u32::from(end > 0);
    }
    wire.fill((next, end), out);
}

/// Counts what a report answers, and keeps what rests. One that is not new may still be the answer to what was said again.
fn note(
    asks: &mut Asks,
    in_flight: &mut VecDeque<Asked>,
    (report, is_new): (&Report<'_>, bool),
    now_ns: u64,
    counts: &mut Counts,
) {
    let refused = report.kind == b"9" || report.exec_type == b"8";
    if is_new && report.exec_type == b"F" && report.liquidity == b"2" {
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

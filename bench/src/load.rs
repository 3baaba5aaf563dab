//! How long does a node take to answer, through TCP in line mode or FIX, at a rate or with so many asks in flight?
//!
//! Open loop: each ask has an intended time, and its latency counts from that, whether or not it could be sent then
//! (no coordinated omission). Closed loop: each connection has so many asks in flight, and the latency counts from
//! sending. One thread, sockets that never block: no connection waits for another. It says nothing of a machine's
//! network.

mod asks;
mod member;
mod wire;

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use thiserror::Error;

pub use asks::Traded;
use member::Member;

use crate::machine::Machine;
use crate::probe::Probe;
use crate::report::{Latencies, Microseconds};

/// How long asks may go unanswered after the last was sent.
const DRAIN: Duration = Duration::from_secs(10);
/// Longest sleep.
const SLEEP_MAX_NS: u64 = 10_000_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many asks a second, over all connections.
    Open {
        /// Asks a second.
        rate: u32,
    },
    /// So many asks in flight on each connection.
    Closed {
        /// Asks.
        window: usize,
    },
}

/// Who logs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOn {
    /// The session's CompID.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// FIX addresses of the nodes, the primary among them.
    pub nodes: Vec<String>,
    /// One connection each.
    pub members: Vec<LogOn>,
    /// What is traded.
    pub instruments: Vec<Traded>,
    /// In FIX, to this CompID; else in line mode.
    pub fix: Option<String>,
    /// How fast.
    pub pace: Pace,
    /// How long.
    pub time: Duration,
    /// Where random numbers start.
    pub seed: u64,
}

/// What a run says.
#[derive(Clone, Debug, Serialize)]
pub struct WireReport {
    /// `fix` or `line`.
    pub spoken: &'static str,
    /// Asks that were to be sent a second; null in a closed loop.
    pub offered_per_s: Option<u32>,
    /// Answers a second.
    pub reached_per_s: f64,
    /// Asks that were answered and not refused.
    pub acks: u64,
    /// Asks that were refused.
    pub rejects: u64,
    /// Asks without an answer at the end.
    pub unanswered: u64,
    /// Trades.
    pub trades: u64,
    /// Latency of all answers.
    pub us: Microseconds,
    /// The floors, measured beside it.
    pub probe: Probe,
    /// Orders that these connections had in the books at the end.
    pub book_orders: u64,
    /// Connections that were lost and made again.
    pub reconnects: u64,
    /// Connections.
    pub connections: usize,
    /// Asks in flight on each; null in an open loop.
    pub window: Option<usize>,
    /// Seconds of sending.
    pub seconds: f64,
    /// What it was measured on.
    pub machine: Machine,
}

/// Why a run gave no figures.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The system refused something.
    #[error("{who}: {error}")]
    Socket {
        /// Whose connection.
        who: String,
        /// Its answer.
        error: io::Error,
    },
    /// The node did not let somebody in, or said something that an order's sender cannot go on after.
    #[error("{who}: {said}")]
    Refused {
        /// Whose connection.
        who: String,
        /// What the node said.
        said: String,
    },
    /// The wait for sockets failed.
    #[error("poll: {0}")]
    Poll(#[from] rustix::io::Errno),
}

/// What was counted.
#[derive(Debug, Default)]
struct Counts {
    latencies: Latencies,
    acks: u64,
    rejects: u64,
    trades: u64,
}

/// Runs it; `probe` was taken beside it.
pub fn run(plan: &Plan, probe: Probe) -> Result<WireReport, LoadError> {
    let open = |(number, log_on): (usize, &LogOn)| Member::open(plan, log_on, number as u64);
    let mut members = plan.members.iter().enumerate().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut counts = Counts::default();
    let start = Instant::now();
    let clock = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let end_ns = u64::try_from(plan.time.as_nanos()).unwrap_or(u64::MAX);
    let mut sent = 0_u64;
    loop {
        let now_ns = clock();
        if now_ns >= end_ns {
            break;
        }
        let next_ns = match plan.pace {
            Pace::Open { rate } => open_loop(&mut members, &mut sent, (now_ns, rate)),
            Pace::Closed { window } => {
                for member in &mut members {
                    while member.in_flight() < window && member.ask(clock()) {}
                }
                end_ns
            }
        };
        for member in &mut members {
            member.flush();
        }
        listen(&mut members, next_ns.min(end_ns).saturating_sub(clock()), &clock, &mut counts)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let answered = counts.latencies.count();
    let until = Instant::now() + DRAIN;
    while members.iter().any(|member| member.in_flight() > 0) && Instant::now() < until {
        for member in &mut members {
            member.flush();
        }
        listen(&mut members, SLEEP_MAX_NS, &clock, &mut counts)?;
    }
    let per_s = f64::from(u32::try_from(answered).unwrap_or(u32::MAX)) / seconds.max(1e-9);
    Ok(WireReport {
        spoken: if plan.fix.is_some() { "fix" } else { "line" },
        offered_per_s: match plan.pace {
            Pace::Open { rate } => Some(rate),
            Pace::Closed { .. } => None,
        },
        reached_per_s: per_s.round(),
        acks: counts.acks,
        rejects: counts.rejects,
        unanswered: members.iter().map(|member| member.in_flight() as u64).sum(),
        trades: counts.trades,
        us: counts.latencies.microseconds(),
        probe,
        book_orders: members.iter().map(|member| member.resting() as u64).sum(),
        reconnects: members.iter().map(Member::reconnects).sum(),
        connections: members.len(),
        window: match plan.pace {
            Pace::Open { .. } => None,
            Pace::Closed { window } => Some(window),
        },
        seconds,
        machine: Machine::here(),
    })
}

/// Asks all that is due, in turn over the connections; when the next is due.
fn open_loop(members: &mut [Member], sent: &mut u64, (now_ns, rate): (u64, u32)) -> u64 {
    let due_ns = |ask: u64| {
        let ns = u128::from(ask) * 1_000_000_000 / u128::from(rate.max(1));
        u64::try_from(ns).unwrap_or(u64::MAX)
    };
    let count = members.len() as u64;
    while due_ns(*sent) <= now_ns {
        let turn = usize::try_from(*sent % count).expect("an index of the members");
        // An ask that finds its connection backed up is late, not left out: it counts from when it was due.
        members[turn].ask(due_ns(*sent));
        *sent += 1;
    }
    due_ns(*sent)
}

/// Waits until something is said, or for `for_ns`, and counts it.
fn listen(
    members: &mut [Member],
    for_ns: u64,
    clock: &impl Fn() -> u64,
    counts: &mut Counts,
) -> Result<(), LoadError> {
    let interest = |member: &Member| {
        if member.has_unsent() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
    };
    for member in members.iter_mut() {
        member.tend()?;
    }
    let mut waited: Vec<PollFd<'_>> = Vec::with_capacity(members.len());
    let mut places = Vec::with_capacity(members.len());
    for (place, member) in members.iter().enumerate() {
        if let Some(fd) = member.fd() {
            waited.push(PollFd::from_borrowed_fd(fd, interest(member)));
            places.push(place);
        }
    }
    let nanoseconds = i64::try_from(for_ns.min(SLEEP_MAX_NS)).expect("at most 10 ms");
    match poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: nanoseconds })) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let spoken = waited.iter().map(|fd| fd.revents().intersects(!PollFlags::OUT));
    let spoken: Vec<usize> =
        places.into_iter().zip(spoken).filter_map(|(at, spoken)| spoken.then_some(at)).collect();
    for place in spoken {
        members[place].hear(clock, counts)?;
    }
    Ok(())
}

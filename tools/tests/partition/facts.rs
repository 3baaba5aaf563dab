//! What is known of a run: what members sent and were told, what nodes said of themselves while it went on, and what their
//! journals hold at its end. Times are nanoseconds on one clock that goes on evenly (`CLOCK_MONOTONIC`).

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

/// Now, since some moment before all others.
pub(crate) fn now_ns() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_nanos()).expect("not for centuries")
}

/// A log-on that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) node: String,
    pub(crate) epoch: u32,
}

/// A request on its way: once, or again on another connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    /// Place in the member's connections.
    pub(crate) connection: usize,
    /// Before the first byte was given away.
    pub(crate) at_ns: u64,
}

/// A message with a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) number: u32,
    /// Behind the last number it stands for.
    pub(crate) until: u32,
    pub(crate) connection: usize,
    /// After the last byte was read.
    pub(crate) at_ns: u64,
    /// Marked as sent before.
    pub(crate) is_again: bool,
    /// The request whose one answer it is.
    pub(crate) answers: Option<String>,
    /// Fields of a report by the journal's names; empty for a message of the session layer.
    pub(crate) fields: BTreeMap<String, String>,
}

/// One member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) connections: Vec<Connection>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) heard: Vec<Heard>,
}

/// What a node said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// When it was asked, and when its answer was there.
    pub(crate) asked_ns: u64,
    pub(crate) told_ns: u64,
    pub(crate) node: String,
    pub(crate) role: String,
    pub(crate) epoch: u32,
    pub(crate) released: u64,
}

/// An epoch as a journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) number: u32,
    pub(crate) node: String,
    pub(crate) first_seq: u64,
}

/// A command of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) ts_ns: u64,
    /// Session and `ClOrdID` of a request that used up a number, which a repeat does not.
    pub(crate) request: Option<(String, String)>,
    /// All of it.
    pub(crate) text: String,
}

/// An event of a journal that has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    pub(crate) fields: BTreeMap<String, String>,
}

/// One node's journal at the end, and its state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Journal {
    pub(crate) node: String,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) lines: Vec<Line>,
    /// By session and number.
    pub(crate) told: BTreeMap<(String, u32), Told>,
    /// Hash of the state behind a sequence: as the node has it, and as a replay has it.
    pub(crate) states: Vec<(u64, String)>,
    /// What a replay says of the money, and what accounts and fees sum up to, by asset, beside what came in.
    pub(crate) is_conserved: bool,
    pub(crate) sums: BTreeMap<String, (i128, i128)>,
    /// Commands that were cut off this node's log, each time: sequence and time.
    pub(crate) cut_off: Vec<Vec<(u64, u64)>>,
}

/// A run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) members: Vec<Record>,
    pub(crate) looks: Vec<Look>,
    /// Of whoever leads at the end first.
    pub(crate) journals: Vec<Journal>,
    /// Moments when nothing was cut any more.
    pub(crate) healed_ns: Vec<u64>,
    /// And when all were in sync again.
    pub(crate) converged_ns: Vec<u64>,
}

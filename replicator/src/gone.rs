//! Why a connection ends, in words an operator can act on.

use std::io;
use std::time::Duration;

use rialto_journal::position::Position;
use rialto_journal::reader::ReadError;
use rialto_journal::record::RecordError;
use thiserror::Error;

use crate::frame::{FrameError, Kind};
use crate::message::{MessageError, Reject};
use crate::secure::HandshakeError;

/// Why a connection has ended, or has to.
#[derive(Debug, Error)]
pub enum Gone {
    /// The peer is not believed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// What came is no frame of the peer's. An alarm: someone changes bytes on the way.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame whose content makes no sense.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A frame that has no place here.
    #[error("{kind:?} frame while {while_what}")]
    Unexpected {
        /// The frame.
        kind: Kind,
        /// What the connection was at.
        while_what: &'static str,
    },
    /// The stream does not go on where the log ends.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// An ACK that cannot be.
    #[error("the standby acknowledges {acked}, and {known}")]
    Ack {
        /// The sequence in the ACK.
        acked: u64,
        /// What it goes against.
        known: String,
    },
    /// Nothing came for too long.
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
    /// The peer did not prove itself, or say what it wants, in time.
    #[error("the peer did not prove itself and say what it wants within {0:?}")]
    Late(Duration),
    /// It asks on and does not read what it was answered.
    #[error("it asks on, and {0} bytes of answers wait to be read")]
    Deaf(usize),
    /// The primary's log cannot be read on: the standby has to come again, and be seeded.
    #[error("cannot read the log: {0}")]
    Log(#[from] ReadError),
    /// The primary's epoch table does not say which epoch a page belongs to.
    #[error("page {0} is of no epoch in the table")]
    Epoch(u64),
    /// The one that would serve leads in an epoch that this standby may not follow any more.
    #[error("it leads in epoch {epoch}, and this node is bound to {bound_to}")]
    OldPrimary {
        /// Its epoch.
        epoch: u32,
        /// The lowest that may be followed.
        bound_to: u32,
    },
    /// The one that would serve has the journal of another cluster.
    #[error("it has the journal of another cluster")]
    OtherCluster,
    /// This node is primary no more, or in another epoch.
    #[error("this node does not lead in epoch {0} any more")]
    NotLeading(u32),
    /// The standby was told why it is not served, or a question was answered.
    #[error("served")]
    Served,
    /// It was told why it is not served.
    #[error("rejected: {0}")]
    Rejected(Reject),
    /// The same node has connected anew.
    #[error("replaced by a newer connection of the same node")]
    Replaced,
    /// The peer has closed the connection.
    #[error("closed by the peer")]
    Closed,
    /// The socket failed.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
}

/// Why records or page ends do not continue a log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StreamError {
    /// A run of no record.
    #[error("run without a record at {0}")]
    Empty(Position),
    /// Not where the log goes on: something was left out, came twice or belongs elsewhere.
    #[error("run at {found}, the log goes on at {expected}")]
    Position {
        /// Where the run says it belongs.
        found: Position,
        /// Where its first record would go.
        expected: Position,
    },
    /// Records that go on behind their page's end.
    #[error("run at {at} of {bytes} bytes leaves its page")]
    Crosses {
        /// Where the run begins.
        at: Position,
        /// Its bytes.
        bytes: usize,
    },
    /// A record that is torn or corrupted.
    #[error("at {at}: {error}")]
    Record {
        /// Where.
        at: Position,
        /// What is wrong.
        error: RecordError,
    },
    /// A record that does not follow the one before it.
    #[error("at {at}: sequence {found}, expected {expected}")]
    Sequence {
        /// Where.
        at: Position,
        /// The sequence in the record.
        found: u64,
        /// The one that follows.
        expected: u64,
    },
    /// A page changes its epoch, an older epoch comes back, or one comes that the primary is not in.
    #[error("run at {at} of epoch {found}, {expected} belongs there")]
    Epoch {
        /// Where.
        at: Position,
        /// The run's epoch.
        found: u32,
        /// In words.
        expected: String,
    },
    /// The end of a page that the log does not end in.
    #[error("end of page {page_no}, the log ends at {end}")]
    Close {
        /// The page.
        page_no: u64,
        /// The log's end.
        end: Position,
    },
    /// A WELCOME that does not fit what was said in HELLO.
    #[error("told to go on at {from} with {next_seq}, which is neither end nor open page of this log")]
    From {
        /// Where.
        from: Position,
        /// The sequence told.
        next_seq: u64,
    },
    /// Told to put pages aside that this log does not have.
    #[error("told to put aside what is behind page {0}, where this log has nothing")]
    Truncate(u64),
    /// Part of a seed that is not the next one.
    #[error("{what} {found} of the seed, expected {expected}")]
    Seed {
        /// Which part.
        what: &'static str,
        /// Its offset or number.
        found: u64,
        /// The next one's.
        expected: u64,
    },
}

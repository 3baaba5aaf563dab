//! Why a ring is dead: the other side, or a third, has stored what no honest peer stores.

use thiserror::Error;

/// The ring is dead for this side and will stay so: nothing more goes in or comes out. Drop it and its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("ring poisoned at index {index}: {cause}")]
pub struct Poisoned {
    /// This side's own position when it noticed.
    pub index: u64,
    /// What it noticed.
    pub cause: Cause,
}

/// What no honest peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Cause {
    /// The stamp is neither of this message nor of the lap before it, or carries an impossible length.
    #[error("stamp {found:#018x} is neither of this lap nor of the one before")]
    Stamp {
        /// As read.
        found: u64,
    },
    /// A later slot of a message is not marked as its continuation.
    #[error("stamp {found:#018x} does not continue the message: expected {expected:#018x}")]
    Continuation {
        /// As read.
        found: u64,
        /// The only right one.
        expected: u64,
    },
    /// The consumer's position went back, or past what was produced.
    #[error("the consumer says it is at {found}, possible is {low} to {high}")]
    Position {
        /// As read.
        found: u64,
        /// What it said before.
        low: u64,
        /// The producer's own position.
        high: u64,
    },
    /// The peer has given the ring up.
    #[error("the other side has given it up")]
    Peer,
}

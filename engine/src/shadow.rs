//! The shadow: a second exchange that follows the released commands at its own pace, so that whatever needs the whole
//! state (its hash, a snapshot, an operator's list) never asks the matcher to walk.

use std::sync::Arc;

use rialto_journal::cursor::Cursors;
use rialto_journal::position::Position;
use rialto_journal::reader::PageSource;
use rialto_protocol::Sequence;

use crate::exchange::Exchange;
use crate::replay::{Replay, ReplayError};

/// An exchange that is a function of the released part of the command log.
#[derive(Debug)]
pub struct Shadow<S> {
    replay: Replay<S>,
    cursors: Arc<Cursors>,
}

impl<S: PageSource> Shadow<S> {
    /// A shadow of the node with these cursors.
    pub fn new(replay: Replay<S>, cursors: Arc<Cursors>) -> Self {
        Self { replay, cursors }
    }

    /// Applies up to `most` released commands; whether there may be more.
    pub fn follow(&mut self, most: usize) -> Result<bool, ReplayError> {
        let released = Sequence(self.cursors.released());
        for _ in 0..most {
            if self.replay.sequence() >= released || self.replay.step(released)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Catches up with what is released now.
    pub fn catch_up(&mut self) -> Result<Sequence, ReplayError> {
        let released = Sequence(self.cursors.released());
        while self.replay.sequence() < released && self.replay.step(released)?.is_some() {}
        Ok(self.replay.sequence())
    }

    /// The state after [`Self::sequence`].
    pub fn exchange(&self) -> &Exchange {
        self.replay.exchange()
    }

    /// The last command applied.
    pub fn sequence(&self) -> Sequence {
        self.replay.sequence()
    }

    /// Where the next command stands, or will.
    pub fn command_position(&self) -> Position {
        self.replay.position()
    }
}

//! Room on the disk: while no further segment can be made for the journal, the exchange takes cancels only, so that what
//! is left of the last segments is theirs. The exchange is told by a journaled command, and so does the same wherever the
//! journal is replayed; once there is room again it is told that too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rialto_protocol::reference::{Author, Operation};
use rialto_protocol::{Command, Note};

use super::operator::Operator;

/// Sees whether there is room, and what the exchange was told of it.
#[derive(Debug)]
pub struct Room {
    /// Said by the thread that makes segments.
    no_space: Arc<AtomicBool>,
    /// Whether the exchange takes cancels only.
    cancel_only: bool,
}

impl Room {
    /// `cancel_only`: what the exchange does now. It goes on until the disk was looked at.
    pub fn new(no_space: &Arc<AtomicBool>, cancel_only: bool) -> Self {
        no_space.store(cancel_only, Ordering::Relaxed);
        Self { no_space: Arc::clone(no_space), cancel_only }
    }

    /// Tells the exchange if the room has run out, or has come back.
    pub fn look(&mut self, operator: &Operator) {
        let no_space = self.no_space.load(Ordering::Relaxed);
        if no_space == self.cancel_only {
            return;
        }
        let why = if no_space { "no room for another segment" } else { "room for segments again" };
        let author = Author {
            uid: rustix::process::getuid().as_raw(),
            pid: std::process::id(),
            why: Note::clipped(why),
        };
        match operator.tell(&Command::Operate(author, Operation::CancelOnly(no_space)), Duration::ZERO) {
            Ok(()) if no_space => tracing::error!("{why}: new orders are refused until there is"),
            Ok(()) => tracing::info!("{why}: new orders are taken"),
            // The next look is soon.
            Err(_) => return,
        }
        self.cancel_only = no_space;
    }
}

//! A standby's engine: appends what the primary has sequenced at its place, applies it, and appends the same events.
//!
//! It holds what a [`crate::matcher::Matcher`] holds. On promotion it becomes one as it stands: nothing is replayed.

use std::sync::Arc;

use rialto_journal::cursor::Cursors;
use rialto_journal::epochs::EpochTable;
use rialto_journal::log::Writer;
use rialto_journal::position::Position;
use rialto_journal::recover::scan::EpochStart;
use rialto_protocol::event::EventBuffer;
use rialto_protocol::record::Malformed;
use rialto_protocol::{Command, Header, Sequence, Timestamp, reference};

use crate::exchange::Exchange;
use crate::matcher::{COMMAND_PAGES_FREE_MIN, EVENT_PAGES_FREE_MIN, policy_of};

/// Why what a primary sent cannot be followed. The state is as before that record.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A record does not stand where the log's rule puts it.
    #[error("a record for {found}, the log ends at {end}")]
    Place {
        /// Where the primary has it.
        found: Position,
        /// Where this log ends.
        end: Position,
    },
    /// It is not the next command.
    #[error("command {found} follows {after}")]
    Gap {
        /// The last one applied.
        after: u64,
        /// The one sent.
        found: u64,
    },
    /// It is no command of this build.
    #[error("command {sequence}: {malformed}")]
    Malformed {
        /// Its sequence.
        sequence: u64,
        /// What is wrong.
        malformed: Malformed,
    },
    /// An epoch lower than that of the page before.
    #[error("a page of epoch {found} behind one of epoch {last}")]
    Epoch {
        /// The last page's epoch.
        last: u32,
        /// The one sent.
        found: u32,
    },
}

/// What the primary says the events up to a page hash to: to be compared once this node has stored them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The command that says it.
    pub sequence: u64,
    /// Event pages before this one.
    pub page: u64,
    /// Their hash.
    pub hash: [u8; 16],
}

/// What a follower is made of.
#[derive(Debug)]
pub struct FollowerParts {
    /// State after the last command in the log.
    pub exchange: Exchange,
    /// Sequence of that command.
    pub sequence: Sequence,
    /// Its time.
    pub timestamp: Timestamp,
    /// Writes the command log.
    pub commands: Writer,
    /// Writes the event log.
    pub events: Writer,
    /// The node's cursors.
    pub cursors: Arc<Cursors>,
    /// The epochs so far.
    pub epochs: Arc<EpochTable>,
}

/// A standby's engine. One thread has it.
#[derive(Debug)]
pub struct Follower {
    parts: FollowerParts,
    epoch: u32,
    emitted: EventBuffer,
    claims: Vec<Claim>,
}

impl Follower {
    /// A follower whose log's last page is of `epoch`.
    pub fn new(parts: FollowerParts, epoch: u32) -> Self {
        Self { parts, epoch, emitted: EventBuffer::default(), claims: Vec::new() }
    }

    /// The state.
    pub fn exchange(&self) -> &Exchange {
        &self.parts.exchange
    }

    /// Sequence of the last command.
    pub fn sequence(&self) -> Sequence {
        self.parts.sequence
    }

    /// Where the command log ends.
    pub fn end(&self) -> Position {
        self.parts.commands.end()
    }

    /// The epoch of the last page with a record.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// What it is made of, for a matcher that goes on with it. All is published and the last page closed.
    pub fn into_parts(mut self) -> FollowerParts {
        self.publish();
        self.parts.commands.close_page();
        self.parts.commands.publish();
        self.parts
    }

    /// Whether there is room for a page of records and what they cause; storage frees it.
    pub fn has_room(&mut self) -> bool {
        self.parts.commands.room() >= COMMAND_PAGES_FREE_MIN
            && self.parts.events.room() >= EVENT_PAGES_FREE_MIN
    }

    /// Takes one record, of a page of `epoch`, that the primary has at `at`. Nothing is shown before [`Self::publish`].
    pub fn take(&mut self, epoch: u32, at: Position, record: &[u8]) -> Result<(), FollowError> {
        let malformed = |malformed| FollowError::Malformed { sequence: self.parts.sequence.0 + 1, malformed };
        let (header, command) = Command::decode(record).map_err(malformed)?;
        let after = self.parts.sequence.0;
        if header.sequence.0 != after + 1 {
            return Err(FollowError::Gap { after, found: header.sequence.0 });
        }
        if epoch < self.epoch {
            return Err(FollowError::Epoch { last: self.epoch, found: epoch });
        }
        self.open_page(epoch, at, record.len(), header.sequence.0)?;
        self.parts.commands.append(record);
        self.emitted.clear();
        self.parts.exchange.apply(&header, &command, &mut self.emitted);
        for event in self.emitted.records() {
            self.parts.events.append(event);
        }
        (self.parts.sequence, self.parts.timestamp) = (header.sequence, header.timestamp);
        self.note(&header, &command);
        Ok(())
    }

    /// The primary has ended this page.
    pub fn close_page(&mut self, page_no: u64) -> Result<(), FollowError> {
        let end = self.parts.commands.end();
        if end.page() != page_no {
            // It was full, or is closed already.
            let found = Position::page_start(page_no);
            return if page_no < end.page() { Ok(()) } else { Err(FollowError::Place { found, end }) };
        }
        self.parts.commands.close_page();
        Ok(())
    }

    /// Whether pages are closed that storage has not stored.
    pub fn has_closed(&self) -> bool {
        let (commands, events) = (self.parts.commands.ring(), self.parts.events.ring());
        commands.freed() < commands.closed_pages() || events.freed() < events.closed_pages()
    }

    /// Shows all that was taken, and what was closed.
    pub fn publish(&mut self) {
        self.parts.events.publish();
        self.parts.commands.publish();
        self.parts.cursors.advance_published(self.parts.sequence.0);
    }

    /// What the primary said of its events since this was last called.
    pub fn take_claims(&mut self) -> Vec<Claim> {
        std::mem::take(&mut self.claims)
    }

    /// Makes sure that the next record goes where the primary has it.
    fn open_page(&mut self, epoch: u32, at: Position, len: usize, sequence: u64) -> Result<(), FollowError> {
        let commands = &mut self.parts.commands;
        if at.page() > commands.end().page() {
            commands.close_page();
        }
        let end = commands.end();
        if Position::place(end, len) != at {
            return Err(FollowError::Place { found: at, end });
        }
        if epoch != self.epoch {
            if commands.current_page_has_records() {
                return Err(FollowError::Place { found: at, end });
            }
            commands.set_epoch(epoch);
            self.epoch = epoch;
            self.parts.epochs.begun(EpochStart { epoch, page_no: at.page(), first_seq: sequence });
        }
        Ok(())
    }

    fn note(&mut self, header: &Header, command: &Command) {
        if let Command::Chain { page, hash } = command {
            self.claims.push(Claim { sequence: header.sequence.0, page: *page, hash: *hash });
        }
        if let Command::Operate(_, reference::Operation::Policy(policy)) = command {
            // Behind a shut gate: what counts is that a promotion finds it.
            self.parts.cursors.set_policy(policy_of(*policy));
        }
    }
}

//! Replaying a command log: the state and the events are a function of it, on any node and any day.

use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, PageSource, ReadError, UpTo};
use rialto_protocol::event::EventBuffer;
use rialto_protocol::record::Malformed;
use rialto_protocol::{Command, Header, Sequence, Timestamp};

use crate::exchange::Exchange;

/// Why a log cannot be replayed further.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The command log cannot be read.
    #[error("command log: {0}")]
    Read(#[from] ReadError),
    /// It holds a record that is no command of this build.
    #[error("command {sequence}: {malformed}")]
    Malformed {
        /// Its sequence.
        sequence: u64,
        /// What is wrong.
        malformed: Malformed,
    },
    /// Commands are missing between two records.
    #[error("command {found} follows {after}")]
    Gap {
        /// The last one applied.
        after: u64,
        /// The next one read.
        found: u64,
    },
}

/// An exchange that follows a command log.
#[derive(Debug)]
pub struct Replay<S> {
    exchange: Exchange,
    sequence: Sequence,
    timestamp: Timestamp,
    commands: LogReader<S>,
    events: EventBuffer,
}

impl<S: PageSource> Replay<S> {
    /// A replay whose exchange has applied all up to `sequence`; `commands` stands at or before the next one.
    pub fn new(exchange: Exchange, sequence: Sequence, commands: LogReader<S>) -> Self {
        Self { exchange, sequence, timestamp: Timestamp::NONE, commands, events: EventBuffer::default() }
    }

    /// Applies the next command that the log has up to `last`; `None` if there is none. Its events are in
    /// [`Self::events`].
    pub fn step(&mut self, last: Sequence) -> Result<Option<(Header, Command)>, ReplayError> {
        loop {
            let Some((_, record)) = self.commands.next(UpTo::Sequence(last.0))? else { return Ok(None) };
            let found = record.sequence();
            if found <= self.sequence.0 {
                continue;
            }
            if found != self.sequence.0 + 1 {
                return Err(ReplayError::Gap { after: self.sequence.0, found });
            }
            let (header, command) = Command::decode(record.bytes())
                .map_err(|malformed| ReplayError::Malformed { sequence: found, malformed })?;
            self.events.clear();
            self.exchange.apply(&header, &command, &mut self.events);
            self.sequence = header.sequence;
            self.timestamp = header.timestamp;
            return Ok(Some((header, command)));
        }
    }

    /// The events of the last step, as records.
    pub fn events(&self) -> &EventBuffer {
        &self.events
    }

    /// The state after [`Self::sequence`].
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The last command applied.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Its time; none if no command was applied yet.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Where the next command stands, or will.
    pub fn position(&self) -> Position {
        self.commands.position()
    }

    /// The state, for whoever goes on with it.
    pub fn into_exchange(self) -> Exchange {
        self.exchange
    }
}

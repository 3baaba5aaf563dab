//! A gateway's two ends at the exchange: its ring in, and the released events out.

use std::sync::Arc;

use rialto_journal::cursor::Cursors;
use rialto_journal::reader::{LogReader, PageSource, ReadError, UpTo};
use rialto_shmring::{Doorbell, Poisoned, Producer, PushError, Region};

use crate::session::Commands;

/// See the module.
#[derive(Debug)]
pub struct Port<S> {
    ring: Producer,
    doorbell: Arc<Doorbell>,
    cursors: Arc<Cursors>,
    /// Released events, in order; and any message of the past.
    pub events: LogReader<S>,
}

impl<S: PageSource> Port<S> {
    /// A port over a ring and a log that nobody else uses.
    pub fn new(ring: Producer, doorbell: Arc<Doorbell>, cursors: Arc<Cursors>, events: LogReader<S>) -> Self {
        Self { ring, doorbell, cursors, events }
    }

    /// Pushes what the ring takes and rings the matcher's bell. The rest stays, and then no socket must be read.
    pub fn push(&mut self, commands: &mut Commands) -> Result<(), Poisoned> {
        if commands.is_empty() {
            return Ok(());
        }
        match self.ring.push_batch(commands.records()) {
            Ok(count) => {
                commands.pushed(count);
                self.doorbell.notify();
                Ok(())
            }
            Err(PushError::Full) => {
                self.doorbell.notify();
                Ok(())
            }
            Err(PushError::Poisoned(poisoned)) => Err(poisoned),
            Err(error @ (PushError::TooLong { .. } | PushError::TooShort { .. })) => {
                unreachable!("a command's record fits the ring: {error}")
            }
        }
    }

    /// The next released event, as its record and position.
    pub fn next_event(&mut self) -> Result<Option<(u64, &[u8])>, ReadError> {
        let released = UpTo::Sequence(self.cursors.released());
        let next = self.events.next(released)?;
        Ok(next.map(|(position, record)| (position.get(), record.bytes())))
    }

    /// The node's cursors.
    pub fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// The ring, for its sleep flag.
    pub fn region(&self) -> &Arc<Region> {
        self.ring.region()
    }
}

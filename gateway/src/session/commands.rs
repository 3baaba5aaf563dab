//! Commands on their way to the exchange, as records, in order. They wait here while the ring is full.

use rialto_protocol::record::{RecordBuffer, offset};
use rialto_protocol::{Command, SessionId, SessionSeq};

/// Records that are still to be pushed.
#[derive(Debug, Default)]
pub struct Commands {
    record: RecordBuffer,
    bytes: Vec<u8>,
    /// Bytes at the front that are pushed.
    taken: usize,
}

impl Commands {
    /// Adds a command of `session` under its inbound `number`.
    pub fn push(&mut self, session: SessionId, number: SessionSeq, command: &Command) {
        command.encode(session, number, &mut self.record);
        self.bytes.extend_from_slice(self.record.as_bytes());
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// Nothing of it is to be pushed any more.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    /// The records that wait.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[self.taken..];
        std::iter::from_fn(move || {
            let (record, behind) = rest.split_at_checked(length(rest)?)?;
            rest = behind;
            Some(record)
        })
    }

    /// The first `count` records are pushed.
    pub fn pushed(&mut self, count: usize) {
        let bytes: usize = self.records().take(count).map(<[u8]>::len).sum();
        self.taken += bytes;
        if self.is_empty() {
            self.clear();
        }
    }
}

fn length(record: &[u8]) -> Option<usize> {
    let bytes = record.get(offset::LENGTH..offset::LENGTH + 2)?;
    Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
}

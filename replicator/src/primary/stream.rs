//! Ships the log to one standby: runs of records as they are published, and where pages end.

use rialto_journal::layout::PAGE_HEADER_BYTES;
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, UpTo};
use rialto_journal::record::Record;

use super::Limits;
use crate::frame::Kind;
use crate::gone::Gone;
use crate::history::History;
use crate::message;
use crate::pace::{Budget, Now};
use crate::secure::Channel;
use crate::ship::{Ship, Stored};

/// How far one standby was shipped to.
#[derive(Debug)]
pub(super) struct Stream {
    reader: LogReader<Stored>,
    /// Behind the last record sent; the start of a page if the one before is known to have ended.
    end: Position,
    next_seq: u64,
    budget: Budget,
}

impl Stream {
    pub(super) fn new(ship: &dyn Ship, from: u64, next_seq: u64) -> Self {
        let end = Position::new(from);
        let reader = LogReader::new(ship.ring().clone(), Stored(ship.stored()), end);
        Stream { reader, end, next_seq, budget: Budget::default() }
    }

    /// The sequence of the last record sent.
    pub(super) const fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    pub(super) fn pump(
        &mut self,
        channel: &mut Channel,
        ship: &dyn Ship,
        limits: &Limits,
        now: Now,
    ) -> Result<(), Gone> {
        self.budget.fill(now, limits.catch_up_bytes_per_s);
        let history = History { epochs: ship.epochs(), end_page: u64::MAX };
        while channel.pending().len() < limits.unsent_bytes {
            let is_stored = self.is_behind_ring();
            if is_stored && self.budget.is_spent() {
                break;
            }
            let Some((position, records)) = self.reader.next_run(UpTo::End)? else {
                let page_no = self.reader.position().page();
                self.close_before(channel, page_no);
                break;
            };
            let next_seq = self.next_seq + count_records(records);
            let end = position.plus(records.len());
            let epoch = history.epoch_of(position.page()).ok_or(Gone::Epoch(position.page()))?;
            // Not `close_before`, which would need all of `self` while the reader lends the records.
            if ends_before(self.end, position.page()) {
                send_close(channel, self.end.page());
            }
            channel.send(Kind::Run, |out| message::put_run(out, epoch, position, records));
            if is_stored {
                self.budget.spend(records.len());
            }
            (self.end, self.next_seq) = (end, next_seq);
        }
        Ok(())
    }

    /// A page in which records were sent has ended if the reader goes on in a later one.
    fn close_before(&mut self, channel: &mut Channel, page_no: u64) {
        if ends_before(self.end, page_no) {
            send_close(channel, self.end.page());
            self.end = Position::page_start(page_no);
        }
    }

    /// Whether the next page to read may have been lapped, so that it comes from the disk.
    pub(super) fn is_behind_ring(&self) -> bool {
        let ring = self.reader.ring();
        self.reader.position().page() + ring.pages() <= ring.end().page()
    }

    /// Whether something is published that was not made ready, and may be by now.
    pub(super) fn has_more(&self) -> bool {
        let end = self.reader.ring().end();
        // The header of a page is no record.
        end.skip_header() > self.end.skip_header() && !(self.is_behind_ring() && self.budget.is_spent())
    }
}

fn ends_before(end: Position, page_no: u64) -> bool {
    end.offset() > PAGE_HEADER_BYTES && end.page() < page_no
}

fn send_close(channel: &mut Channel, page_no: u64) {
    channel.send(Kind::Close, |out| out.extend_from_slice(&page_no.to_le_bytes()));
}

/// How many records a run of the log has: their sequences have no gap.
pub(super) fn count_records(mut records: &[u8]) -> u64 {
    let mut count = 0;
    while let Ok(record) = Record::parse(records) {
        count += 1;
        records = &records[record.bytes().len()..];
    }
    count
}

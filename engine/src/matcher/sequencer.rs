//! The sequencer: gives a command its sequence and time, journals it, applies it, journals its events, and publishes
//! both. It knows no ring.

use rialto_journal::cursor::Policy;
use rialto_protocol::event::EventBuffer;
use rialto_protocol::record::{RECORD_BYTES_MAX, offset};
use rialto_protocol::{Command, Header, RecordBuffer, Sequence, SessionId, SessionSeq, Timestamp, reference};

use super::{COMMAND_PAGES_FREE_MIN, EVENT_PAGES_FREE_MIN, Parts, policy_of};
use crate::clock::Clock;

/// A command page with records is closed after this time, also if nobody waits for it.
const PAGE_OPEN_MAX_NS: u64 = 1_000_000;

/// What a matcher does with a command once it has one.
#[derive(Debug)]
pub(super) struct Sequencer<C> {
    pub(super) parts: Parts<C>,
    own: RecordBuffer,
    emitted: EventBuffer,
    /// When the open command page got its first record.
    page_opened: Timestamp,
    unpublished: bool,
    /// A policy that is journaled and not durable yet, with its command's sequence.
    policy_to_come: Option<(Sequence, Policy)>,
}

impl<C: Clock> Sequencer<C> {
    pub(super) fn new(parts: Parts<C>) -> Self {
        Self {
            page_opened: parts.timestamp,
            parts,
            own: RecordBuffer::default(),
            emitted: EventBuffer::default(),
            unpublished: false,
            policy_to_come: None,
        }
    }

    /// Applies a command of the node itself: an epoch, a refusal, a log-off.
    pub(super) fn submit(&mut self, session: SessionId, number: SessionSeq, command: &Command) {
        let now = self.now();
        let mut own = std::mem::take(&mut self.own);
        command.encode(session, number, &mut own);
        let mut record = [0; RECORD_BYTES_MAX];
        let bytes = own.as_bytes();
        record[..bytes.len()].copy_from_slice(bytes);
        let header = Header::read(bytes).expect("just encoded");
        self.apply(&mut record[..bytes.len()], header, command, now);
        self.own = own;
    }

    /// Stamps, journals and applies a command whose record this is.
    pub(super) fn apply(&mut self, record: &mut [u8], mut header: Header, command: &Command, now: Timestamp) {
        if !self.parts.commands.current_page_has_records() {
            self.page_opened = now;
        }
        self.parts.sequence = Sequence(self.parts.sequence.0 + 1);
        self.parts.timestamp = self.parts.timestamp.max(now);
        header.sequence = self.parts.sequence;
        header.timestamp = self.parts.timestamp;
        record[offset::SEQUENCE..offset::TIMESTAMP].copy_from_slice(&header.sequence.0.to_le_bytes());
        record[offset::TIMESTAMP..offset::LENGTH].copy_from_slice(&header.timestamp.0.to_le_bytes());
        self.parts.in_hand.take_up(header.session.0, header.session_seq.0);
        self.parts.commands.append(record);
        self.emitted.clear();
        self.parts.exchange.apply(&header, command, &mut self.emitted);
        for event in self.emitted.records() {
            self.parts.events.append(event);
        }
        self.parts.in_hand.lay_down();
        self.unpublished = true;
        if let Command::Operate(_, reference::Operation::Policy(policy)) = command {
            self.policy_to_come = Some((header.sequence, policy_of(*policy)));
        }
    }

    /// A policy takes effect once its command is durable here, whatever the policy before it asks for and lacks.
    fn keep_policy(&mut self) {
        if let Some((sequence, policy)) = self.policy_to_come
            && self.parts.cursors.synced() >= sequence.0
        {
            self.policy_to_come = None;
            if self.parts.cursors.set_policy(policy) {
                self.parts.readers.wake();
            }
        }
    }

    /// Shows what has been applied to everyone, and wakes those who wait for it.
    pub(super) fn publish(&mut self) {
        if !self.unpublished {
            return;
        }
        self.unpublished = false;
        // Events first: who sees a command published finds its events (see `Cursors`).
        self.parts.events.publish();
        self.parts.commands.publish();
        if self.parts.cursors.advance_published(self.parts.sequence.0) {
            self.parts.readers.wake();
        }
        self.parts.on_publish.call();
    }

    /// Closes the open command page, so that storage can take it.
    pub(super) fn close_page(&mut self) {
        self.parts.commands.close_page();
        self.parts.commands.publish();
    }

    /// Lets time pass for the exchange, and goes on with mass work.
    pub(super) fn keep_time(&mut self, now: Timestamp) {
        self.keep_policy();
        if self.parts.exchange.work_pending() && self.has_room() {
            self.submit(SessionId::NONE, SessionSeq::NONE, &Command::Continue);
        }
        let due = self.parts.exchange.next_deadline().is_some_and(|deadline| deadline <= now);
        if due && self.has_room() {
            self.submit(SessionId::NONE, SessionSeq::NONE, &Command::Tick);
        }
    }

    /// Closes the open command page once it is due: under `disk` as soon as storage has stored all pages before it (its
    /// records wait for that), else after 1 ms.
    pub(super) fn close_page_if_wanted(&mut self, now: Timestamp) {
        if !self.parts.commands.current_page_has_records() {
            self.wake_storage();
            return;
        }
        let storage_waits = self.parts.commands.ring().freed() >= self.parts.commands.end().page();
        let waits = self.policy_to_come.is_some() || self.parts.cursors.policy_in_effect().asks_disk();
        let asked = waits && storage_waits;
        if asked || now.0.saturating_sub(self.page_opened.0) >= PAGE_OPEN_MAX_NS {
            self.close_page();
        }
        self.wake_storage();
    }

    pub(super) fn wake_storage(&mut self) {
        let ring = self.parts.commands.ring();
        let events = self.parts.events.ring();
        if ring.freed() < ring.closed_pages() || events.freed() < events.closed_pages() {
            self.parts.storage.notify();
        }
    }

    /// Whether a turn, or a command of the node itself, may be taken.
    pub(super) fn has_room(&mut self) -> bool {
        self.parts.commands.room() >= COMMAND_PAGES_FREE_MIN
            && self.parts.events.room() >= EVENT_PAGES_FREE_MIN
    }

    pub(super) fn now(&mut self) -> Timestamp {
        self.parts.clock.now().max(self.parts.timestamp)
    }
}

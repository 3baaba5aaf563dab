//! The matcher: the one writer of state. It takes commands out of the rings in turn, gives each its sequence and time,
//! writes it into the command log, applies it, writes its events into the event log, and then publishes both.
//!
//! It waits for one thing: room in the two logs, whose pages storage frees. It makes no system call but those that wake
//! sleepers, allocates nothing, locks nothing and logs nothing on the order path. What is not a valid command of the
//! gateway that holds its session is dropped and counted, never journaled.

use std::sync::Arc;
use std::time::Duration;

use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::log::Writer;
use rialto_protocol::command::{Inbound, LogOffCause, Notice, NoticeKind, SessionNote, kind};
use rialto_protocol::record::check_crc;
use rialto_protocol::terms::AckPolicy;
use rialto_protocol::{Command, GatewayId, Header, Note, Sequence, SessionId, SessionSeq, Timestamp};
use rialto_shmring::{Doorbell, MessageBuffer};

use crate::clock::Clock;
use crate::exchange::Exchange;
use crate::ports::{Counters, InHand, OnPublish, Port, Readers};
use crate::sessions::Admit;

mod sequencer;

use sequencer::Sequencer;

/// Most records taken from one ring in its turn.
pub const RECORDS_PER_TURN: usize = 64;
/// Event pages that must be free before a command is taken: the most events that one command may emit (4,096) of the
/// largest usual size, 250 bytes, with room to spare.
pub const EVENT_PAGES_FREE_MIN: u64 = 280;
/// Command pages that must be free before a turn begins: 64 records and what they cause fit.
pub const COMMAND_PAGES_FREE_MIN: u64 = 72;
/// Longest sleep: a faulty peer may forget to ring.
const SLEEP_MAX: Duration = Duration::from_millis(1);
/// Turns without work before a waiting matcher yields its core, and before it sleeps. A turn takes some 0.1 µs, and what
/// is burnt here is taken from the threads it waits for: with 64 and 256 turns, one order in flight took five times the
/// processor time and not a microsecond less.
const TURNS_BEFORE_YIELD: u32 = 16;
const TURNS_BEFORE_PARK: u32 = 24;

/// How the matcher waits when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Polls for ever: for a core of its own.
    Spin,
    /// Polls, and lets others run.
    Yield,
    /// Yields for a while, then sleeps until rung, at most 1 ms.
    Park,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Commands were applied.
    Worked,
    /// There was nothing to do.
    Idle,
    /// There is no room in the logs until storage frees some.
    Full,
}

/// Why the matcher's loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The node drains: every session has been told, and all is published.
    Drained,
    /// The journal has failed (see the cursors' failure): nothing more may be released.
    Failed,
    /// The matcher was asked to pause: it takes nothing until it is run again.
    Paused,
}

/// What a matcher is made of.
#[derive(Debug)]
pub struct Parts<C> {
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
    /// Who is to be woken.
    pub readers: Arc<Readers>,
    /// Wakes who ships the log.
    pub on_publish: OnPublish,
    /// Wakes the storage thread.
    pub storage: Arc<Doorbell>,
    /// Counts.
    pub counters: Arc<Counters>,
    /// For the panic hook.
    pub in_hand: Arc<InHand>,
    /// Stamps.
    pub clock: C,
}

/// The matcher. One thread has it.
#[derive(Debug)]
pub struct Matcher<C> {
    sequencer: Sequencer<C>,
    ports: Vec<Port>,
    /// Port whose turn is next.
    next_port: usize,
    message: MessageBuffer,
}

impl<C: Clock> Matcher<C> {
    /// A matcher that goes on where its parts stand, and empties these rings.
    pub fn new(parts: Parts<C>, rings: Vec<Port>) -> Self {
        Self { sequencer: Sequencer::new(parts), ports: rings, next_port: 0, message: MessageBuffer::new() }
    }

    /// The state, for tests and for a caller that has stopped the loop.
    pub fn exchange(&self) -> &Exchange {
        &self.sequencer.parts.exchange
    }

    /// Sequence of the last command.
    pub fn sequence(&self) -> Sequence {
        self.sequencer.parts.sequence
    }

    /// Runs until the node drains or fails.
    pub fn run(&mut self, idle: Idle, doorbell: &Doorbell) -> Ended {
        let mut idle_turns = 0u32;
        loop {
            if self.sequencer.parts.cursors.failure().is_some() {
                return Ended::Failed;
            }
            if self.sequencer.parts.cursors.is_draining() {
                return self.drain();
            }
            if self.sequencer.parts.cursors.is_paused() {
                self.settle();
                return Ended::Paused;
            }
            idle_turns = if self.turn() == Turn::Worked { 0 } else { idle_turns.saturating_add(1) };
            match idle {
                Idle::Spin => std::hint::spin_loop(),
                _ if idle_turns < TURNS_BEFORE_YIELD => std::hint::spin_loop(),
                Idle::Park if idle_turns > TURNS_BEFORE_PARK => self.sleep(doorbell),
                Idle::Yield | Idle::Park => std::thread::yield_now(),
            }
        }
    }

    /// Looks at every ring once, and at the time.
    pub fn turn(&mut self) -> Turn {
        if !self.sequencer.has_room() {
            Counters::add(&self.sequencer.parts.counters.full);
            return Turn::Full;
        }
        let before = self.sequencer.parts.sequence;
        let ports = self.ports.len();
        for _ in 0..ports {
            let port = self.next_port;
            self.next_port = (port + 1) % ports;
            if !self.serve(port) {
                break;
            }
        }
        let now = self.sequencer.now();
        self.sequencer.keep_time(now);
        self.sequencer.publish();
        self.sequencer.close_page_if_wanted(now);
        if self.sequencer.parts.sequence == before { Turn::Idle } else { Turn::Worked }
    }

    /// Applies a command of the node itself: an epoch, a refusal, an operation. There must be room.
    pub fn submit(&mut self, session: SessionId, number: SessionSeq, command: &Command) {
        self.sequencer.submit(session, number, command);
    }

    /// Shows what has been applied to everyone, and closes the open command page.
    pub fn settle(&mut self) {
        self.sequencer.publish();
        self.sequencer.close_page();
    }

    /// Whether the logs have room for a turn.
    pub fn has_room(&mut self) -> bool {
        self.sequencer.has_room()
    }

    /// Takes up to [`RECORDS_PER_TURN`] records from one ring; false if the logs have no more room.
    fn serve(&mut self, port: usize) -> bool {
        let now = self.sequencer.now();
        for _ in 0..RECORDS_PER_TURN {
            if !self.sequencer.has_room() {
                return false;
            }
            let from = self.ports[port].gateway;
            match self.ports[port].ring.try_pop(&mut self.message) {
                Ok(Some(length)) => self.take(from, length, now),
                Ok(None) => break,
                Err(_) => {
                    self.give_up(port);
                    break;
                }
            }
        }
        if let Some(port) = self.ports.get_mut(port) {
            port.ring.release();
        }
        self.sequencer.publish();
        true
    }

    /// A ring whose peer broke it is served no more, and its sessions are no longer live.
    #[cold]
    fn give_up(&mut self, port: usize) {
        let port = self.ports.swap_remove(port);
        self.next_port = 0;
        Counters::add(&self.sequencer.parts.counters.poisoned);
        self.sequencer.submit(SessionId::NONE, SessionSeq::NONE, &Command::GatewayLost(port.gateway));
    }

    /// One record from a ring: checked, then applied, or dropped and counted.
    fn take(&mut self, from: GatewayId, length: usize, now: Timestamp) {
        let Self { sequencer, message, .. } = self;
        let record = &mut message[..length];
        let Some(header) = checked(record) else {
            return Counters::add(&sequencer.parts.counters.malformed);
        };
        // By reference from here on: a command has room for the largest kind, and to move one takes as long as to read it.
        let decoded = Command::decode_body(record, &header);
        let command = match &decoded {
            Ok(command) if may_send(from, &header, command) => command,
            Ok(_) | Err(_) => return Counters::add(&sequencer.parts.counters.malformed),
        };
        match sequencer.parts.exchange.admit(&header, header.kind, from) {
            Admit::Yes => sequencer.apply(record, header, command, now),
            Admit::Drop => Counters::add(&sequencer.parts.counters.dropped),
            Admit::Cut => {
                Counters::add(&sequencer.parts.counters.cut);
                let cut = Command::LogOff(from, LogOffCause::Disconnected);
                sequencer.submit(header.session, SessionSeq::NONE, &cut);
            }
        }
    }

    fn sleep(&mut self, doorbell: &Doorbell) {
        doorbell.announce();
        let quiet = self.ports.iter().all(|port| port.ring.is_empty());
        if quiet && !self.sequencer.parts.exchange.work_pending() {
            doorbell.wait(SLEEP_MAX);
        }
        doorbell.retract();
    }

    /// Tells every live session that the node stops, in a numbered message, and closes the books of this generation.
    fn drain(&mut self) -> Ended {
        while let Some(session) = self.sequencer.parts.exchange.first_live_session() {
            if !self.wait_for_room() {
                return Ended::Failed;
            }
            let words = Notice {
                kind: NoticeKind::Logout,
                ref_type: [0; 2],
                reason: u16::MAX,
                ref_seq: 0,
                ref_tag: None,
                text: Note::clipped("the node stops"),
            };
            let note = SessionNote { inbound: Inbound::Untouched, outbound: Some(words), close: true };
            self.sequencer.submit(session, SessionSeq::NONE, &Command::Note(note));
        }
        self.sequencer.publish();
        self.sequencer.close_page();
        self.sequencer.parts.storage.notify();
        Ended::Drained
    }

    fn wait_for_room(&mut self) -> bool {
        while !self.sequencer.has_room() {
            if self.sequencer.parts.cursors.failure().is_some() {
                return false;
            }
            self.sequencer.publish();
            self.sequencer.wake_storage();
            std::thread::yield_now();
        }
        true
    }
}

/// Header of a record from a ring, if its length and checksum are right.
fn checked(record: &[u8]) -> Option<Header> {
    let header = Header::read(record).ok()?;
    (usize::from(header.length) == record.len() && check_crc(record, &header).is_ok()).then_some(header)
}

/// Whether this gateway may send this command: sessions' commands come from gateways, which name themselves in them, all
/// others from the node's own ring.
fn may_send(from: GatewayId, header: &Header, command: &Command) -> bool {
    let is_sessions = header.kind >= kind::LOG_ON;
    let names = if let Command::LogOn(log_on) = command {
        log_on.gateway
    } else if let Command::LogOff(gateway, _) = command {
        *gateway
    } else {
        from
    };
    is_sessions == from.is_some() && names == from
}

/// The journal's policy for the exchange's word.
pub fn policy_of(policy: AckPolicy) -> Policy {
    match policy {
        AckPolicy::Async => Policy::Async,
        AckPolicy::Disk => Policy::Disk,
        AckPolicy::Ram => Policy::Ram,
        AckPolicy::DiskRam => Policy::DiskRam,
        AckPolicy::DiskDisk => Policy::DiskDisk,
    }
}

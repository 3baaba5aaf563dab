//! The matcher with a faulty gateway at one of its rings: sound checksums around any record at all.

use std::sync::Arc;

use rialto_engine::clock::ManualClock;
use rialto_engine::matcher::{Matcher, Parts, Turn};
use rialto_engine::ports::{Counters, InHand, OnPublish, Port, Readers};
use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::log::{LogRing, LogShape, LogStart};
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, UpTo};
use rialto_journal::shared::Kind;
use rialto_protocol::command::LogOn;
use rialto_protocol::record::{HEADER_BYTES, RECORD_BYTES_MAX, offset};
use rialto_protocol::{Command, Event, GatewayId, RecordBuffer, SessionId, SessionSeq, Timestamp, record};
use rialto_shmring::{Consumer, Doorbell, Geometry, Identity, Producer, Region};

use crate::bytes::Bytes;
use crate::market::{self, SECOND_NS};
use crate::ring_records::read_record;

/// Records of one run.
const RECORDS_MAX: usize = 64;
const GATEWAY: GatewayId = GatewayId(1);
/// The two trading sessions.
const SESSIONS: [SessionId; 2] = [SessionId(1), SessionId(2)];

struct Floor {
    matcher: Matcher<ManualClock>,
    ring: Producer,
    commands: Arc<LogRing>,
    events: Arc<LogRing>,
    cursors: Arc<Cursors>,
    reader: LogReader<()>,
}

/// Plays records to a matcher whose market is open and whose sessions are live.
pub(crate) fn records(bytes: &mut Bytes<'_>) {
    let mut floor = Floor::new();
    for _ in 0..RECORDS_MAX {
        if bytes.is_empty() {
            break;
        }
        let record = floor.next_record(bytes);
        read_record(&record);
        floor.ring.try_push(&record).expect("the ring is emptied after each record");
        floor.settle();
    }
    if let Err(why) = floor.matcher.exchange().conserve() {
        panic!("it does not add up: {why}");
    }
    let body = floor.matcher.exchange().state_body();
    let again = rialto_engine::Exchange::from_state_body(&body).expect("a state is read back");
    assert!(again.state_body() == body, "a state is the same when it was read back");
}

impl Floor {
    fn new() -> Self {
        let stage = market::open();
        let log = |kind, pages| {
            LogRing::anonymous(LogShape { kind, pages }, &LogStart::EMPTY).expect("memory for a small log")
        };
        let (commands, events) = (log(Kind::Commands, 128), log(Kind::Events, 512));
        let cursors = Arc::new(Cursors::anonymous(Policy::Async, 0).expect("memory for cursors"));
        let identity = Identity { schema: 1, generation: 1, gateway: 1 };
        let geometry = Geometry::new(256).expect("a power of two");
        let region = Arc::new(Region::anonymous(&identity, geometry).expect("memory for a small ring"));
        let port = Port { gateway: GATEWAY, ring: Consumer::new(Arc::clone(&region)).expect("it is new") };
        let (command_ring, event_ring) = (Arc::clone(commands.ring()), Arc::clone(events.ring()));
        let parts = Parts {
            exchange: stage.exchange,
            sequence: rialto_protocol::Sequence(0),
            timestamp: stage.now,
            commands,
            events,
            cursors: Arc::clone(&cursors),
            readers: Arc::new(Readers::default()),
            on_publish: OnPublish::default(),
            storage: Arc::new(Doorbell::anonymous().expect("memory for a doorbell")),
            counters: Arc::new(Counters::default()),
            in_hand: Arc::new(InHand::default()),
            clock: ManualClock(Timestamp(market::START_NS + SECOND_NS)),
        };
        let reader = LogReader::new(Arc::clone(&event_ring), (), Position::FIRST);
        let matcher = Matcher::new(parts, vec![port]);
        let ring = Producer::new(region).expect("it is new");
        let mut floor = Self { matcher, ring, commands: command_ring, events: event_ring, cursors, reader };
        for session in SESSIONS {
            floor.log_on(session);
        }
        floor
    }

    fn log_on(&mut self, session: SessionId) {
        let log_on = LogOn {
            gateway: GATEWAY,
            connection: session.0,
            next_expected: 0,
            heartbeat_s: 30,
            reset: 0,
            line: 0,
        };
        let mut record = RecordBuffer::default();
        Command::LogOn(log_on).encode(session, SessionSeq::NONE, &mut record);
        self.ring.try_push(record.as_bytes()).expect("the ring is empty");
        self.settle();
    }

    /// A record of any kind and body; its checksum is right, and so is its number unless it is to be another.
    fn next_record(&self, bytes: &mut Bytes<'_>) -> Vec<u8> {
        let (kind, choice, length) = (bytes.byte(), bytes.byte(), usize::from(bytes.byte()) * 8);
        let body = bytes.take(length.min(RECORD_BYTES_MAX - HEADER_BYTES));
        let session = SessionId(u32::from(choice & 3));
        let expected = self.matcher.exchange().sessions().get(session).map(|state| state.next_inbound().0);
        let number = match choice >> 6 {
            0 | 1 => expected.unwrap_or(0),
            2 => 0,
            _ => bytes.word32(),
        };
        let mut record = vec![0; HEADER_BYTES];
        record.extend_from_slice(body);
        record.resize(record.len().next_multiple_of(8), 0);
        let length = u16::try_from(record.len()).expect("at most RECORD_BYTES_MAX");
        record[offset::LENGTH..offset::LENGTH + 2].copy_from_slice(&length.to_le_bytes());
        record[offset::KIND] = kind;
        record[offset::SESSION..offset::SESSION + 4].copy_from_slice(&session.0.to_le_bytes());
        record[offset::SESSION_SEQ..offset::SESSION_SEQ + 4].copy_from_slice(&number.to_le_bytes());
        let crc = record::crc(&record);
        record[offset::CRC..offset::CRC + 4].copy_from_slice(&crc.to_le_bytes());
        record
    }

    /// The matcher works until nothing is left to do; all that it tells is a sound event.
    fn settle(&mut self) {
        while self.matcher.turn() == Turn::Worked {
            let released = UpTo::Sequence(self.cursors.released());
            while let Some((_, record)) = self.reader.next(released).expect("the log is read in time") {
                let read = Event::decode(record.bytes());
                assert!(read.is_ok(), "the exchange told what nobody can read: {read:?}");
            }
            self.commands.free(self.commands.closed_pages());
            self.events.free(self.events.closed_pages());
        }
    }
}

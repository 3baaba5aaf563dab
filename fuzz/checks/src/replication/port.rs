//! A proven peer that makes no sense, at a node's port.

use rialto_journal::position::Position;
use rialto_replicator::frame::Kind;
use rialto_replicator::gone::Gone;
use rialto_replicator::message::{self, Ack, Answer, Ask, Heartbeat, Hello, Promise, Seed, Welcome};
use rialto_replicator::pace::Now;
use rialto_replicator::peer::Peer;
use rialto_replicator::primary::{Event, Limits};
use rialto_replicator::secure::{Channel, Side};
use rialto_replicator::ship::Node as _;

use super::frames::{Frame, any, edit, structure, words};
use super::log::{CLUSTER_ID, Log};
use super::node::Node;
use super::{MINE, THEIRS, credentials, in_words};
use crate::bytes::Bytes;

/// Few, so that it is soon too many.
const UNSENT_BYTES: usize = 16 * 1024;
/// The longest frame of this node: a piece of a snapshot.
const FRAME_BYTES_MAX: usize = 66 * 1024;
const STEPS_MAX: usize = 48;

/// What the peer was told to expect, and how far that has come.
#[derive(Debug)]
enum Awaited {
    /// It has not said HELLO, or has no answer yet.
    Nothing,
    /// The next record's sequence, and where the standby's log ends.
    Records(u64, Position),
    /// The next byte, page and event page of a seed.
    Seed(Seed, [u64; 3]),
    Over,
}

#[derive(Debug)]
struct Talk {
    node: Node,
    peer: Peer,
    dialler: Channel,
    now: Now,
    piece: usize,
    /// The peer reads what it is sent.
    reads: bool,
    /// What it said in HELLO.
    hello: Option<Hello>,
    awaited: Awaited,
    acked: Ack,
    /// Events of the node that were looked at.
    seen: usize,
    /// The port was sent bytes that nobody sealed.
    is_broken: bool,
}

/// Says things to the port until it has enough of them.
pub(super) fn hears(bytes: &mut Bytes<'_>) {
    let mut talk = Talk::new(usize::from(bytes.byte()));
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        if let Err(why) = talk.step(bytes) {
            in_words(&why);
            break;
        }
    }
}

impl Talk {
    fn new(piece: usize) -> Self {
        let limits = Limits { unsent_bytes: UNSENT_BYTES, ..Limits::default() };
        let mut talk = Talk {
            node: Node::new(Log::new()),
            peer: Peer::new(&credentials(), MINE, limits, Now::default()),
            dialler: Channel::new(Side::Dialler, &credentials(), THEIRS),
            now: Now::default(),
            piece: if piece == 0 { usize::MAX } else { piece },
            reads: true,
            hello: None,
            awaited: Awaited::Nothing,
            acked: Ack::default(),
            seen: 0,
            is_broken: false,
        };
        for _ in 0..2 {
            talk.pass().expect("it has the key");
        }
        assert!(talk.peer.is_proven() && talk.dialler.is_proven(), "both have the key");
        talk
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Gone> {
        let verb = bytes.byte() % 16;
        if let Some(frame) = self.frame(verb, bytes) {
            self.dialler.send(frame.0, |out| out.extend_from_slice(&frame.1));
        } else {
            self.change(verb, bytes)?;
        }
        self.pass()
    }

    /// What the peer says next.
    fn frame(&mut self, verb: u8, bytes: &mut Bytes<'_>) -> Option<Frame> {
        let mut frame = match verb {
            0 => return Some(any(bytes)),
            1 | 2 => {
                let mut hello = self.node.log.hello(usize::from(bytes.byte()));
                if verb == 2 {
                    change_hello(&mut hello, bytes);
                }
                structure(Kind::Hello, &hello)
            }
            3 => structure(
                Kind::Ask,
                &Ask { node: "c".to_owned(), hand_over: !bytes.byte().is_multiple_of(2) },
            ),
            4 => words(Kind::Fence, &[u64::from(bytes.byte())]),
            5 | 6 => {
                let mut payload = Vec::new();
                self.ack(bytes).put(&mut payload);
                (Kind::Ack, payload)
            }
            7 => words(Kind::Heartbeat, &[u64::from(bytes.byte()), bytes.word64(), bytes.word64(), 1]),
            8 => structure(Kind::Promise, &self.node.promise(u32::from(bytes.byte()))),
            _ => return None,
        };
        edit(&mut frame, bytes);
        if frame.0 == Kind::Hello && self.hello.is_none() {
            self.hello = message::get(Kind::Hello, &frame.1).ok();
        }
        Some(frame)
    }

    /// An ACK of what came, or of a little more or less.
    fn ack(&self, bytes: &mut Bytes<'_>) -> Ack {
        let received = if let Awaited::Records(next, _) = self.awaited { next - 1 } else { 0 };
        let mut near = |value: u64| value.saturating_add_signed(i64::from(bytes.byte().cast_signed() / 64));
        Ack {
            epoch: u32::try_from(near(u64::from(self.node.log.epoch()))).unwrap_or(0),
            received: near(received),
            synced: near(received).saturating_sub(1),
            applied: near(received),
            event_pages: near(self.acked.event_pages),
            event_hash: [3; 16],
        }
    }

    /// What happens to the node, or to the bytes between.
    fn change(&mut self, verb: u8, bytes: &mut Bytes<'_>) -> Result<(), Gone> {
        let many = bytes.byte();
        match verb {
            9 | 10 => {
                for _ in 0..many % 32 {
                    self.node.log.append(u16::from(many) / 8 * 8 + 88);
                }
            }
            11 => match many % 4 {
                0 => self.node.log.store(),
                1 => self.node.log.close_page(),
                2 => self.node.log.begin_epoch(self.node.log.epoch() + 1),
                _ => self.node.leads = !self.node.leads,
            },
            12 => self.node.first_page = u64::from(many) % self.node.log.bases.len() as u64,
            13 => self.now.ns += u64::from(many) * 1_000_000,
            14 => self.reads = many.is_multiple_of(2),
            _ => {
                let raw = bytes.take(usize::from(many) + 1);
                self.is_broken |= !raw.is_empty();
                self.peer.receive(raw, self.now)?;
            }
        }
        Ok(())
    }

    /// What both have to say, there and back.
    fn pass(&mut self) -> Result<(), Gone> {
        let up = self.dialler.pending().to_vec();
        self.dialler.sent(up.len());
        let mut heard = Ok(());
        for piece in up.chunks(self.piece) {
            heard = heard.and_then(|()| self.peer.receive(piece, self.now));
            heard = heard.and_then(|()| self.peer.serve(&mut self.node, self.now));
        }
        heard = heard.and_then(|()| self.peer.serve(&mut self.node, self.now));
        self.look_at_events();
        let unsent = self.peer.pending().len();
        assert!(unsent <= UNSENT_BYTES + FRAME_BYTES_MAX, "{unsent} bytes wait for a peer");
        if self.reads {
            let down = self.peer.pending().to_vec();
            self.peer.sent(down.len());
            self.dialler.receive(&down).expect("the port has the key");
            while let Some((kind, place)) = self.dialler.next_frame().expect("the port seals what it says") {
                let payload = self.dialler.payload(place).to_vec();
                self.told(kind, &payload);
            }
        }
        heard
    }

    /// What the node was told of the peer.
    fn look_at_events(&mut self) {
        let events = self.node.events.split_off(self.seen);
        let is_answer = |event: &Event| matches!(event, Event::Welcomed(_) | Event::Stale { .. });
        let are_believed = !events.iter().all(is_answer);
        assert!(!(self.is_broken && are_believed), "bytes that nobody sealed were believed: {events:?}");
        for event in events {
            if let Event::Acked(ack) = event {
                let mine = &self.acked;
                assert!(ack.received <= self.node.log.last_seq(), "{ack:?} of what was never sent");
                assert!(ack.synced <= ack.received && ack.applied <= ack.received, "{ack:?} cannot be");
                let fell =
                    ack.received < mine.received || ack.synced < mine.synced || ack.applied < mine.applied;
                assert!(!fell, "{ack:?} behind {mine:?}");
                self.acked = ack;
            }
        }
    }

    /// The port says something: it makes sense, and is true of its log.
    fn told(&mut self, kind: Kind, payload: &[u8]) {
        match kind {
            Kind::Welcome => {
                let welcome = message::get(kind, payload).expect("the port speaks right");
                self.welcomed(welcome);
            }
            Kind::Run => self.told_records(payload),
            Kind::Close => {
                let page_no = message::get_close(payload).expect("the port speaks right");
                let Awaited::Records(next, _) = self.awaited else { panic!("a page's end without a log") };
                let is_in = |seq: u64| self.record_at(seq).is_some_and(|record| record.page() == page_no);
                assert!(is_in(next - 1) && !is_in(next), "page {page_no} has not ended before {next}");
                self.awaited = Awaited::Records(next, Position::page_start(page_no + 1));
            }
            Kind::Snapshot | Kind::Page | Kind::EventPage | Kind::SeedDone => self.told_seed(kind, payload),
            Kind::Heartbeat => {
                let beat = Heartbeat::get(payload).expect("the port speaks right");
                assert!(beat.committed_seq <= self.node.log.last_seq(), "{beat:?}");
            }
            Kind::State => assert_eq!(payload, b"a state"),
            Kind::Answer => drop(message::get::<Answer>(kind, payload).expect("the port speaks right")),
            Kind::Promise => drop(message::get::<Promise>(kind, payload).expect("the port speaks right")),
            Kind::Hello | Kind::Ack | Kind::Ask | Kind::Fence | Kind::Handover => {
                panic!("{kind:?} from a port")
            }
        }
    }

    fn record_at(&self, sequence: u64) -> Option<Position> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.node.log.records.get(index).map(|record| record.at)
    }

    fn welcomed(&mut self, welcome: Welcome) {
        assert!(matches!(self.awaited, Awaited::Nothing), "a second welcome");
        let hello = self.hello.as_ref().expect("only one that said HELLO is welcomed");
        self.awaited = match welcome {
            Welcome::Stream { from, next_seq, .. } => {
                let is_ours = hello.cluster_id.is_none_or(|id| id == CLUSTER_ID);
                assert!(is_ours && hello.runs(1), "{hello:?}");
                let expected = self.node.log.continues(hello);
                assert_eq!(Some((Position::new(from), next_seq)), expected, "another log is streamed to");
                Awaited::Records(next_seq, Position::new(from))
            }
            Welcome::Seed { seed, .. } => {
                let at = [0, seed.base.page_no, seed.event_pages.0];
                Awaited::Seed(seed, at)
            }
            Welcome::Truncate { bases, .. } => {
                assert!(bases.iter().all(|base| self.node.log.bases.contains(base)), "{bases:?}");
                Awaited::Over
            }
            Welcome::Reject(reject) => {
                assert!(!reject.to_string().is_empty(), "{reject:?} without words");
                Awaited::Over
            }
        };
    }

    fn told_records(&mut self, payload: &[u8]) {
        let (epoch, at, mut records) = message::get_run(payload).expect("the port speaks right");
        let Awaited::Records(next, end) = &mut self.awaited else { panic!("records without a welcome") };
        let mut expected = at;
        while !records.is_empty() {
            let index = usize::try_from(*next - 1).expect("a few hundred");
            let record = &self.node.log.records[index];
            assert_eq!((record.epoch, record.at), (epoch, expected), "record {next}");
            assert!(records.starts_with(&record.bytes), "record {next} is another one");
            assert_eq!(
                Position::place(*end, record.bytes.len()),
                record.at,
                "record {next} is not where the log goes on"
            );
            records = &records[record.bytes.len()..];
            expected = expected.plus(record.bytes.len());
            *end = expected;
            *next += 1;
        }
    }

    fn told_seed(&mut self, kind: Kind, payload: &[u8]) {
        let Awaited::Seed(seed, next) = &mut self.awaited else { panic!("{kind:?} without a seed") };
        if kind == Kind::SeedDone {
            let ends = [seed.snapshot_bytes, seed.end_page, seed.event_pages.1];
            assert_eq!(*next, ends, "a seed ends when all is sent");
            self.awaited = Awaited::Over;
            return;
        }
        let parts = [Kind::Snapshot, Kind::Page, Kind::EventPage];
        let index = parts.iter().position(|part| *part == kind).expect("the caller tells parts only");
        let length = if index == 0 { payload.len() as u64 - 8 } else { 1 };
        let (place, _) = message::get_placed(kind, payload).expect("the port speaks right");
        assert_eq!(place, next[index], "{kind:?} out of order");
        next[index] += length;
    }
}

/// Says something else of the standby than what is.
fn change_hello(hello: &mut Hello, bytes: &mut Bytes<'_>) {
    for _ in 0..=bytes.byte() % 3 {
        let value = bytes.byte();
        let wide = if value < 200 { u64::from(value) } else { bytes.word64() };
        match bytes.byte() % 13 {
            0 => hello.cluster_id = None,
            1 => hello.cluster_id = Some([value; 16]),
            2 => hello.versions = (u32::from(value), u32::from(value) + 1),
            3 => hello.promised_epoch = u32::from(value),
            4 => hello.end.page_no = wide,
            5 => hello.end.first_seq = wide,
            6 => hello.end.chain[0] ^= value,
            7 => hello.end.epoch = u32::from(value),
            8 => hello.open = None,
            9 => {
                if let Some(open) = &mut hello.open {
                    (open.offset, open.last_seq) = (bytes.word16(), wide);
                }
            }
            10 => {
                if let Some(open) = &mut hello.open {
                    open.hash[0] ^= value;
                }
            }
            11 => hello.epochs.truncate(usize::from(value) % 3),
            _ => {
                let count = hello.epochs.len();
                if let Some(row) = hello.epochs.get_mut(usize::from(value) % count.max(1)) {
                    (row.epoch, row.page_no) = (u32::from(bytes.byte()), wide);
                }
            }
        }
    }
}

//! A proven node that makes no sense, to a standby that would follow it.

use std::ops::Range;
use std::time::Duration;

use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::position::Position;
use rialto_journal::record;
use rialto_replicator::frame::Kind;
use rialto_replicator::gone::Gone;
use rialto_replicator::message::{Ack, Hello, Reject, Seed, Welcome, put_run};
use rialto_replicator::pace::Now;
use rialto_replicator::secure::{Channel, Side};
use rialto_replicator::standby::{Event, Standby};

use super::frames::{Frame, any, edit, structure, words};
use super::log::{Log, command};
use super::node::{lead, seed};
use super::{MINE, THEIRS, credentials, in_words};
use crate::bytes::Bytes;

const STEPS_MAX: usize = 64;
/// The longest a standby has to say before it is read: a HELLO, and small frames.
const UNSENT_BYTES_MAX: usize = 16 * 1024;

/// What the standby has been told, and has to be true.
#[derive(Debug)]
enum Follows {
    Nobody,
    /// The leader's epoch, and its own log's end: where, the next sequence, and the epoch of the last page.
    Log {
        lead_epoch: u32,
        end: Position,
        next_seq: u64,
        epoch: u32,
    },
    /// What of the seed is to come.
    Seed {
        snapshot: Range<u64>,
        pages: Range<u64>,
        event_pages: Range<u64>,
    },
    Over,
}

#[derive(Debug)]
struct Talk {
    /// The leader's, which goes on behind what the standby has.
    log: Log,
    hello: Hello,
    standby: Standby,
    listener: Channel,
    now: Now,
    piece: usize,
    follows: Follows,
    is_broken: bool,
}

/// Says things to a standby until it has enough of them.
pub(super) fn hears(bytes: &mut Bytes<'_>) {
    let log = Log::new();
    let mut hello = log.hello(usize::from(bytes.byte()));
    match bytes.byte() {
        // An empty node need not know its cluster.
        0..64 if hello.epochs.is_empty() => hello.cluster_id = None,
        bound @ 128.. => hello.promised_epoch = u32::from(bound % 4),
        _ => {}
    }
    let mut talk = Talk::new(log, hello, usize::from(bytes.byte()));
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
    fn new(log: Log, hello: Hello, piece: usize) -> Self {
        let mut talk = Talk {
            log,
            standby: Standby::new(&credentials(), hello.clone(), MINE, Now::default()),
            hello,
            listener: Channel::new(Side::Listener, &credentials(), THEIRS),
            now: Now::default(),
            piece: if piece == 0 { usize::MAX } else { piece },
            follows: Follows::Nobody,
            is_broken: false,
        };
        for _ in 0..3 {
            talk.pass().expect("it has the key");
        }
        assert!(matches!(talk.listener.next_frame(), Ok(Some((Kind::Hello, _)))), "it says HELLO first");
        talk
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Gone> {
        let verb = bytes.byte() % 16;
        let frame = match verb {
            0 => Some((any(bytes), false)),
            1..=12 => {
                let (mut frame, is_right) = self.frame(verb, bytes);
                let is_changed = edit(&mut frame, bytes);
                Some((frame, is_right && !is_changed))
            }
            _ => None,
        };
        let Some(((kind, payload), is_right)) = frame else { return self.change(verb, bytes) };
        self.listener.send(kind, |out| out.extend_from_slice(&payload));
        let heard = self.pass();
        assert!(!is_right || self.is_broken || heard.is_ok(), "right, and refused: {kind:?} {heard:?}");
        heard
    }

    /// What the leader says next, and whether it is what has to be taken.
    fn frame(&mut self, verb: u8, bytes: &mut Bytes<'_>) -> (Frame, bool) {
        match verb {
            1 | 2 => self.welcome_to_stream(bytes),
            3..=5 => self.run(bytes),
            6 => self.forged_run(bytes),
            7 => {
                let (end, off) = (self.end(), bytes.byte().cast_signed() / 64);
                let page_no = end.page().saturating_add_signed(i64::from(off));
                let has_records = matches!(self.follows, Follows::Log { .. }) && end.offset() > 64;
                (words(Kind::Close, &[page_no]), off == 0 && has_records)
            }
            8 => {
                let choice = bytes.byte() % 4;
                let kind = [Kind::Heartbeat, Kind::State, Kind::Fence, Kind::Handover][usize::from(choice)];
                let is_heard = match self.follows {
                    Follows::Log { .. } => true,
                    Follows::Seed { .. } => kind != Kind::Handover,
                    Follows::Nobody | Follows::Over => false,
                };
                let count = if kind == Kind::Heartbeat { 4 } else { 1 };
                (words(kind, &vec![bytes.word64(); count]), is_heard)
            }
            9 => {
                let bases =
                    bytes.take(3).iter().filter_map(|at| self.log.bases.get(usize::from(*at)).copied());
                let (lead, bases) = (lead(2), bases.collect());
                (structure(Kind::Welcome, &Welcome::Truncate { lead, bases }), false)
            }
            10 => {
                let base = self.log.bases[bytes.below(self.log.bases.len())];
                let end_page = base.page_no.saturating_add_signed(i64::from(bytes.byte().cast_signed() / 16));
                let seed = seed(base, end_page, self.log.epochs.clone());
                (structure(Kind::Welcome, &Welcome::Seed { lead: lead(2), seed }), false)
            }
            11 => self.piece_of_seed(bytes),
            _ => {
                let reject = Reject::Busy("later".to_owned());
                (structure(Kind::Welcome, &Welcome::Reject(reject)), matches!(self.follows, Follows::Nobody))
            }
        }
    }

    /// Where the standby's log ends: by this check's own account.
    fn end(&self) -> Position {
        match self.follows {
            Follows::Log { end, .. } => end,
            Follows::Nobody | Follows::Seed { .. } | Follows::Over => own_end(&self.hello).0,
        }
    }

    fn welcome_to_stream(&self, bytes: &mut Bytes<'_>) -> (Frame, bool) {
        let mut near =
            |value: u64| value.saturating_add_signed(i64::from(bytes.byte().cast_signed() / 64) * 8);
        let (end, next_seq) = own_end(&self.hello);
        let (from, next_seq) = (near(end.get()), near(next_seq));
        let epoch = u32::try_from(near(16)).unwrap_or(0) / 8;
        let is_right = matches!(self.follows, Follows::Nobody)
            && (Position::new(from), next_seq) == own_end(&self.hello)
            && epoch >= bound(&self.hello);
        (structure(Kind::Welcome, &Welcome::Stream { lead: lead(epoch), from, next_seq }), is_right)
    }

    /// Records that follow, or others; at their place, or another; of their epoch, or another.
    fn run(&self, bytes: &mut Bytes<'_>) -> (Frame, bool) {
        let next_seq = match self.follows {
            Follows::Log { next_seq, .. } => next_seq,
            Follows::Nobody | Follows::Seed { .. } | Follows::Over => own_end(&self.hello).1,
        };
        let count = usize::from(bytes.byte() % 8) + 1;
        let mut off = || i64::from(bytes.byte().cast_signed() / 64);
        let (skipped, moved, aged) = (off(), off(), off());
        let first = usize::try_from(next_seq.saturating_add_signed(skipped).max(1) - 1).unwrap_or(0);
        let Some(rest) = self.log.records.get(first..).filter(|rest| !rest.is_empty()) else {
            return (words(Kind::Run, &[2, 64]), false);
        };
        let page_no = rest[0].at.page();
        let run = rest.iter().take(count).take_while(|record| record.at.page() == page_no);
        let records: Vec<u8> = run.flat_map(|record| record.bytes.iter().copied()).collect();
        let at = Position::new(rest[0].at.get().saturating_add_signed(moved * 8));
        let epoch = rest[0].epoch.saturating_add_signed(i32::try_from(aged).unwrap_or(0));
        let mut payload = Vec::new();
        put_run(&mut payload, epoch, at, &records);
        let is_right = if let Follows::Log { lead_epoch, end, next_seq, epoch: last } = self.follows {
            let follows = at == Position::place(end, rest[0].bytes.len()) && first as u64 + 1 == next_seq;
            let stays = (skipped, moved, aged) == (0, 0, 0);
            follows && stays && epoch <= lead_epoch && (at.offset() == 64 || epoch == last)
        } else {
            false
        };
        ((Kind::Run, payload), is_right)
    }

    /// Whole records of any sequence and size, anywhere.
    fn forged_run(&self, bytes: &mut Bytes<'_>) -> (Frame, bool) {
        let mut sequence = match self.follows {
            Follows::Log { next_seq, .. } => next_seq,
            Follows::Nobody | Follows::Seed { .. } | Follows::Over => 1,
        };
        let mut records = Vec::new();
        for _ in 0..=bytes.byte() % 4 {
            let size = 32 + u16::from(bytes.byte()) * 8;
            records.extend(command(sequence, size));
            sequence += u64::from(bytes.byte() < 224);
        }
        let at = if bytes.byte() < 128 {
            Position::place(self.end(), usize::from(u16::from_le_bytes([records[16], records[17]])))
        } else {
            Position::new(bytes.word64())
        };
        records.truncate(4032);
        let mut payload = Vec::new();
        put_run(&mut payload, u32::from(bytes.byte() % 4), at, &records);
        ((Kind::Run, payload), false)
    }

    fn piece_of_seed(&self, bytes: &mut Bytes<'_>) -> (Frame, bool) {
        let Follows::Seed { snapshot, pages, event_pages } = &self.follows else {
            return (words(Kind::SeedDone, &[]), false);
        };
        let (choice, off) = (bytes.byte() % 4, i64::from(bytes.byte().cast_signed() / 64));
        let kind = [Kind::Snapshot, Kind::Page, Kind::EventPage, Kind::SeedDone][usize::from(choice)];
        if kind == Kind::SeedDone {
            let is_whole = snapshot.is_empty() && pages.is_empty() && event_pages.is_empty();
            return (words(kind, &[]), is_whole);
        }
        let rest = [snapshot, pages, event_pages][usize::from(choice)];
        let length = if kind == Kind::Snapshot { usize::from(bytes.word16()) } else { PAGE_BYTES };
        let mut payload = rest.start.saturating_add_signed(off).to_le_bytes().to_vec();
        payload.resize(8 + length, 5);
        let room = rest.end.saturating_sub(rest.start);
        let fits = if kind == Kind::Snapshot { length > 0 && length as u64 <= room } else { room > 0 };
        ((kind, payload), off == 0 && fits)
    }

    /// What the standby says, and what happens to the bytes between.
    fn change(&mut self, verb: u8, bytes: &mut Bytes<'_>) -> Result<(), Gone> {
        let many = bytes.byte();
        match verb {
            13 => self.standby.ack(&Ack { received: u64::from(many), ..Ack::default() }),
            14 => {
                self.now.ns += u64::from(many) * 1_000_000;
                self.standby.tick(self.now, Duration::from_millis(200))?;
            }
            _ => {
                let raw = bytes.take(usize::from(many) + 1);
                self.is_broken |= !raw.is_empty();
                self.standby.receive(raw, self.now)?;
            }
        }
        self.pass()
    }

    /// What both have to say, there and back.
    fn pass(&mut self) -> Result<(), Gone> {
        let down = self.listener.pending().to_vec();
        self.listener.sent(down.len());
        for piece in down.chunks(self.piece) {
            self.standby.receive(piece, self.now)?;
            self.events()?;
        }
        self.events()?;
        let up = self.standby.pending().to_vec();
        assert!(up.len() <= UNSENT_BYTES_MAX, "{} bytes wait", up.len());
        self.standby.sent(up.len());
        self.listener.receive(&up).expect("the standby has the key");
        Ok(())
    }

    fn events(&mut self) -> Result<(), Gone> {
        while let Some(event) = self.standby.next_event()? {
            assert!(!self.is_broken, "bytes that nobody sealed were believed: {event:?}");
            self.follows.take(&event, &self.hello);
            if let Follows::Log { end, next_seq, epoch, .. } = self.follows {
                let tail = self.standby.tail().expect("it streams");
                assert_eq!((tail.end(), tail.next_seq(), tail.epoch()), (end, next_seq, epoch));
            }
        }
        Ok(())
    }
}

/// Where the log of a standby that says this ends, and the next sequence.
fn own_end(hello: &Hello) -> (Position, u64) {
    match &hello.open {
        Some(open) => (Position::at(hello.end.page_no, usize::from(open.offset)), open.last_seq + 1),
        None => (Position::page_start(hello.end.page_no), hello.end.first_seq),
    }
}

/// The lowest epoch that a standby which says this may follow: what it has promised, and what it holds records of.
fn bound(hello: &Hello) -> u32 {
    hello.open.map_or(0, |open| open.epoch).max(hello.end.epoch).max(hello.promised_epoch)
}

impl Follows {
    /// The standby takes this to be said, so it has to be true.
    fn take(&mut self, event: &Event<'_>, hello: &Hello) {
        match (&mut *self, event) {
            (Follows::Nobody, Event::Stream { lead, from, next_seq }) => {
                assert_eq!((*from, *next_seq), own_end(hello), "told to go on elsewhere");
                assert!(lead.epoch >= bound(hello), "an old primary in epoch {} is followed", lead.epoch);
                assert_eq!(lead.cluster_id, hello.cluster_id.unwrap_or(lead.cluster_id), "another cluster's");
                let epoch = hello.open.map_or(hello.end.epoch, |open| open.epoch);
                *self = Follows::Log { lead_epoch: lead.epoch, end: *from, next_seq: *next_seq, epoch };
            }
            (Follows::Nobody, Event::Truncate { lead, bases }) => {
                assert!(lead.epoch >= bound(hello), "an old primary in epoch {} cuts", lead.epoch);
                let (end, _) = own_end(hello);
                let is_behind =
                    |page_no: u64| page_no < end.page() || (page_no == end.page() && hello.open.is_some());
                assert!(bases.iter().all(|base| is_behind(base.page_no)), "nothing is behind {bases:?}");
                *self = Follows::Over;
            }
            (Follows::Nobody, Event::Seed { lead, seed }) => {
                assert!(lead.epoch >= bound(hello), "an old primary in epoch {} seeds", lead.epoch);
                *self = Follows::seed(seed);
            }
            (Follows::Nobody, Event::Reject(_)) => *self = Follows::Over,
            (Follows::Log { .. }, Event::Run { epoch, position, bytes, last_seq }) => {
                self.append((*epoch, *position), bytes);
                let Follows::Log { next_seq, .. } = self else { unreachable!("it was one") };
                assert_eq!(*next_seq, last_seq + 1, "the run's last sequence");
            }
            (Follows::Log { end, .. }, Event::Close { page_no }) => {
                assert!(
                    end.page() == *page_no && end.offset() > 64,
                    "{page_no} closed, the log ends at {end}"
                );
                *end = Position::page_start(page_no + 1);
            }
            (Follows::Seed { snapshot, .. }, Event::SnapshotBytes { offset, bytes }) => {
                advance(snapshot, *offset, bytes.len() as u64);
            }
            (Follows::Seed { pages, .. }, Event::Page { page_no, .. }) => advance(pages, *page_no, 1),
            (Follows::Seed { event_pages, .. }, Event::EventPage { page_no, .. }) => {
                advance(event_pages, *page_no, 1);
            }
            (Follows::Seed { snapshot, pages, event_pages }, Event::SeedDone) => {
                let is_whole = snapshot.is_empty() && pages.is_empty() && event_pages.is_empty();
                assert!(is_whole, "a seed without {snapshot:?} {pages:?} {event_pages:?}");
                *self = Follows::Over;
            }
            (Follows::Log { .. }, Event::Handover { .. })
            | (
                Follows::Log { .. } | Follows::Seed { .. },
                Event::Committed(_) | Event::State(_) | Event::Fence { .. },
            ) => {}
            (follows, event) => panic!("{event:?} while {follows:?}"),
        }
    }

    fn seed(seed: &Seed) -> Self {
        Follows::Seed {
            snapshot: 0..seed.snapshot_bytes,
            pages: seed.base.page_no..seed.end_page,
            event_pages: seed.event_pages.0..seed.event_pages.1,
        }
    }

    /// Each record is whole, the next one, and stands where the rule of the log puts it; an epoch begins with a page.
    fn append(&mut self, (run_epoch, mut at): (u32, Position), mut records: &[u8]) {
        let Follows::Log { lead_epoch, end, next_seq, epoch } = self else { panic!("records out of place") };
        assert!(!records.is_empty(), "a run of nothing");
        while !records.is_empty() {
            let length = usize::from(u16::from_le_bytes([records[16], records[17]]));
            let (record, rest) = records.split_at(length);
            record::check(record).expect("a whole record");
            let sequence = u64::from_le_bytes(*record.first_chunk().expect("a record has a header"));
            assert_eq!(sequence, *next_seq, "the next record");
            assert_eq!(at, Position::place(*end, length), "where the log goes on");
            let is_first = at.offset() == 64;
            assert!(run_epoch <= *lead_epoch, "epoch {run_epoch} from a primary in {lead_epoch}");
            assert!(run_epoch == *epoch || (is_first && run_epoch > *epoch), "{run_epoch} behind {epoch}");
            (*end, *next_seq, *epoch) = (at.plus(length), sequence + 1, run_epoch);
            at = *end;
            records = rest;
        }
    }
}

fn advance(rest: &mut Range<u64>, found: u64, by: u64) {
    assert!(found == rest.start && by > 0 && found + by <= rest.end, "{by} at {found} of {rest:?}");
    rest.start = found + by;
}

//! The standby's side of one connection: who it is goes out, and what the primary says comes in, each piece checked
//! against the place where this log goes on before it is told. Bytes and a time in, bytes and events out.
//!
//! A run that is torn, corrupted, reordered, sent twice or another log's ends the connection with words; nothing of it is
//! told. What the standby does with its log and its disk is the caller's.

use std::ops::Range;
use std::time::Duration;

use crate::frame::Kind;
use crate::gone::{Gone, StreamError};
use crate::message::{self, Ack, Heartbeat, Hello, Lead, Promise, Reject, Seed, Welcome};
use crate::pace::{Now, Pace};
use crate::secure::{Channel, Credentials, Nonce, Side};
use rialto_journal::position::Position;
use rialto_journal::recover::scan::Base;

mod tail;
pub use tail::Tail;

/// What the primary says.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// It serves: [`Event::Run`] and [`Event::Close`] follow, from where this node's log ends, open page included.
    Stream {
        /// The primary.
        lead: Lead,
        /// Where the log goes on.
        from: Position,
        /// The sequence of the next record.
        next_seq: u64,
    },
    /// Pages of this node, or its open page, are not the primary's: put aside all from [`agreed`] on and connect again;
    /// if there is no such base, this node has diverged. The connection is over.
    Truncate {
        /// The primary.
        lead: Lead,
        /// Bases of the primary, the newest first.
        bases: Vec<Base>,
    },
    /// A snapshot follows, then pages.
    Seed {
        /// The primary.
        lead: Lead,
        /// What comes.
        seed: Seed,
    },
    /// Not served, and why. The connection is over.
    Reject(Reject),
    /// Records of one page, each whole, with its crc and sequence right, to be appended at `position` as they are.
    Run {
        /// The epoch of their page: what [`rialto_journal::log::Writer::set_epoch`] wants before the page is opened.
        epoch: u32,
        /// Where the first one goes: where the writer will put it.
        position: Position,
        /// The records.
        bytes: &'a [u8],
        /// The sequence of the last one.
        last_seq: u64,
    },
    /// The page in which the log ends is closed: the next record goes to the next one.
    Close {
        /// The page.
        page_no: u64,
    },
    /// The primary is there, and this is how far it has released.
    Committed(Heartbeat),
    /// The cluster's state as the primary knows it.
    State(&'a [u8]),
    /// Promise durably to follow no epoch below this one, and answer with [`Standby::promise`].
    Fence {
        /// The epoch.
        epoch: u32,
    },
    /// The primary has stopped taking orders, and this node shall lead in this epoch once it has applied all.
    Handover {
        /// The epoch.
        epoch: u32,
    },
    /// The next bytes of the snapshot's file.
    SnapshotBytes {
        /// Where they go in it.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A sealed command page; its seal is for whoever stores it to check.
    Page {
        /// Its number.
        page_no: u64,
        /// Its 4096 bytes.
        bytes: &'a [u8],
    },
    /// A stored event page.
    EventPage {
        /// Its number.
        page_no: u64,
        /// Its 4096 bytes.
        bytes: &'a [u8],
    },
    /// The seed is whole: open it and connect again. The connection is over.
    SeedDone,
}

#[derive(Debug)]
enum Stage {
    /// HELLO goes out once the primary is proven.
    Proving(Box<Hello>),
    Asked(Box<Hello>),
    Streaming {
        epoch: u32,
        tail: Tail,
    },
    Seeding(SeedPlace),
    Over,
}

/// What of a seed comes next.
#[derive(Debug)]
struct SeedPlace {
    snapshot: Range<u64>,
    pages: Range<u64>,
    event_pages: Range<u64>,
}

/// The standby's end of a connection.
#[derive(Debug)]
pub struct Standby {
    channel: Channel,
    stage: Stage,
    pace: Pace,
    /// What heartbeats to the primary say.
    heartbeat: Heartbeat,
}

impl Standby {
    /// Begins to connect; `nonce` must be fresh from the system's random source.
    pub fn new(credentials: &Credentials, mut hello: Hello, nonce: Nonce, now: Now) -> Self {
        message::keep_newest(&mut hello.epochs);
        let heartbeat = Heartbeat { epoch: hello.promised_epoch, ..Heartbeat::default() };
        Standby {
            channel: Channel::new(Side::Dialler, credentials, nonce),
            stage: Stage::Proving(Box::new(hello)),
            pace: Pace::new(now),
            heartbeat,
        }
    }

    /// Takes bytes received. Then [`Self::next_event`] has what they said.
    pub fn receive(&mut self, bytes: &[u8], now: Now) -> Result<(), Gone> {
        self.pace.heard(now);
        self.channel.receive(bytes)?;
        if self.channel.is_proven()
            && let Stage::Proving(hello) = &self.stage
        {
            self.channel.send(Kind::Hello, |out| message::put(out, Kind::Hello, &**hello));
            let stage = std::mem::replace(&mut self.stage, Stage::Over);
            if let Stage::Proving(hello) = stage {
                self.stage = Stage::Asked(hello);
            }
        }
        Ok(())
    }

    /// The next thing the primary said, if it is all there.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, Gone> {
        let Some((kind, place)) = self.channel.next_frame()? else { return Ok(None) };
        let payload = self.channel.payload(place);
        match &mut self.stage {
            Stage::Proving(_) | Stage::Over => {
                Err(Gone::Unexpected { kind, while_what: "nothing was asked" })
            }
            Stage::Asked(hello) => {
                if kind != Kind::Welcome {
                    return Err(Gone::Unexpected { kind, while_what: "a WELCOME was awaited" });
                }
                let (stage, event) = welcomed(message::get(kind, payload)?, hello)?;
                self.stage = stage;
                if let Stage::Streaming { epoch, .. } = self.stage {
                    self.heartbeat.epoch = epoch;
                }
                Ok(Some(event))
            }
            Stage::Streaming { epoch, tail } => {
                let event = streamed(kind, payload, *epoch, tail)?;
                if let Event::Committed(heartbeat) = &event {
                    self.heartbeat.committed_seq = heartbeat.committed_seq;
                }
                Ok(Some(event))
            }
            Stage::Seeding(place) => {
                let event = place.take(kind, payload)?;
                if event == Event::SeedDone {
                    self.stage = Stage::Over;
                }
                Ok(Some(event))
            }
        }
    }

    /// Says how far this node has come; one a batch is enough.
    pub fn ack(&mut self, ack: &Ack) {
        if let Stage::Streaming { .. } = self.stage {
            self.channel.send(Kind::Ack, |out| ack.put(out));
        }
    }

    /// Answers [`Event::Fence`].
    pub fn promise(&mut self, promise: &Promise) {
        if self.channel.is_proven() {
            self.channel.send(Kind::Promise, |out| message::put(out, Kind::Promise, promise));
        }
    }

    /// The version of the cluster state that this node has kept; heartbeats tell it.
    pub fn state_kept(&mut self, version: u64) {
        self.heartbeat.state_version = version;
    }

    /// Called at least every 25 ms: sends a heartbeat when due, and finds out when the primary is silent.
    pub fn tick(&mut self, now: Now, silence: Duration) -> Result<(), Gone> {
        self.pace.check_silence(now, silence)?;
        if !matches!(self.stage, Stage::Proving(_) | Stage::Over) && self.pace.is_beat_due(now) {
            let beat = Heartbeat { wall_ns: now.wall_ns, ..self.heartbeat };
            self.channel.send(Kind::Heartbeat, |out| beat.put(out));
        }
        Ok(())
    }

    /// Where the log stands that the primary continues, while it streams.
    pub fn tail(&self) -> Option<&Tail> {
        match &self.stage {
            Stage::Streaming { tail, .. } => Some(tail),
            Stage::Proving(_) | Stage::Asked(_) | Stage::Seeding(_) | Stage::Over => None,
        }
    }

    /// What the socket shall send next.
    pub fn pending(&self) -> &[u8] {
        self.channel.pending()
    }

    /// The socket has taken the first so many bytes of [`Self::pending`].
    pub fn sent(&mut self, bytes: usize) {
        self.channel.sent(bytes);
    }
}

fn welcomed(welcome: Welcome, hello: &Hello) -> Result<(Stage, Event<'static>), Gone> {
    if let Welcome::Stream { lead, .. } | Welcome::Truncate { lead, .. } | Welcome::Seed { lead, .. } =
        &welcome
    {
        check_lead(lead, hello)?;
    }
    Ok(match welcome {
        Welcome::Stream { lead, from, next_seq } => {
            let from = Position::new(from);
            let tail = Tail::of(hello, from, next_seq)?;
            (Stage::Streaming { epoch: lead.epoch, tail }, Event::Stream { lead, from, next_seq })
        }
        Welcome::Truncate { lead, bases } => {
            if let Some(base) = bases.iter().find(|base| !can_go(base, hello)) {
                return Err(StreamError::Truncate(base.page_no).into());
            }
            (Stage::Over, Event::Truncate { lead, bases })
        }
        Welcome::Seed { lead, seed } => {
            let place = SeedPlace {
                snapshot: 0..seed.snapshot_bytes,
                pages: seed.base.page_no..seed.end_page,
                event_pages: seed.event_pages.0..seed.event_pages.1,
            };
            (Stage::Seeding(place), Event::Seed { lead, seed })
        }
        Welcome::Reject(reject) => (Stage::Over, Event::Reject(reject)),
    })
}

/// A promise binds the standby, and so do the records that it holds, whatever the one that serves it believes.
fn check_lead(lead: &Lead, hello: &Hello) -> Result<(), Gone> {
    let open_epoch = hello.open.map_or(0, |open| open.epoch);
    let bound_to = hello.promised_epoch.max(hello.end.epoch).max(open_epoch);
    if lead.epoch < bound_to {
        return Err(Gone::OldPrimary { epoch: lead.epoch, bound_to });
    }
    if hello.cluster_id.is_some_and(|mine| mine != lead.cluster_id) {
        return Err(Gone::OtherCluster);
    }
    Ok(())
}

/// The newest of the primary's bases that is this node's own, too: all from that page on is to go. `base_at` is this
/// node's base at a page.
pub fn agreed(bases: &[Base], base_at: impl Fn(u64) -> Option<Base>) -> Option<Base> {
    bases.iter().copied().find(|base| base_at(base.page_no) == Some(*base))
}

/// Whether there is something behind this base.
fn can_go(to: &Base, hello: &Hello) -> bool {
    to.page_no < hello.end.page_no || (to.page_no == hello.end.page_no && hello.open.is_some())
}

fn streamed<'a>(kind: Kind, payload: &'a [u8], lead_epoch: u32, tail: &mut Tail) -> Result<Event<'a>, Gone> {
    Ok(match kind {
        Kind::Run => {
            let (epoch, position, bytes) = message::get_run(payload)?;
            let last_seq = tail.take_run(epoch..=lead_epoch, position, bytes)?;
            Event::Run { epoch, position, bytes, last_seq }
        }
        Kind::Close => {
            let page_no = message::get_close(payload)?;
            tail.close(page_no)?;
            Event::Close { page_no }
        }
        Kind::Handover => Event::Handover { epoch: message::get_epoch(kind, payload)? },
        Kind::Heartbeat
        | Kind::State
        | Kind::Fence
        | Kind::Hello
        | Kind::Welcome
        | Kind::Ack
        | Kind::Promise
        | Kind::Ask
        | Kind::Answer
        | Kind::Snapshot
        | Kind::Page
        | Kind::EventPage
        | Kind::SeedDone => said_any_time(kind, payload, "records were streamed")?,
    })
}

fn said_any_time<'a>(kind: Kind, payload: &'a [u8], while_what: &'static str) -> Result<Event<'a>, Gone> {
    match kind {
        Kind::Heartbeat => Ok(Event::Committed(Heartbeat::get(payload)?)),
        Kind::State => Ok(Event::State(payload)),
        Kind::Fence => Ok(Event::Fence { epoch: message::get_epoch(kind, payload)? }),
        Kind::Run
        | Kind::Close
        | Kind::Handover
        | Kind::Hello
        | Kind::Welcome
        | Kind::Ack
        | Kind::Promise
        | Kind::Ask
        | Kind::Answer
        | Kind::Snapshot
        | Kind::Page
        | Kind::EventPage
        | Kind::SeedDone => Err(Gone::Unexpected { kind, while_what }),
    }
}

impl SeedPlace {
    fn take<'a>(&mut self, kind: Kind, payload: &'a [u8]) -> Result<Event<'a>, Gone> {
        match kind {
            Kind::Snapshot => {
                let (offset, bytes) = message::get_placed(kind, payload)?;
                let length = u64::try_from(bytes.len()).expect("a usize fits 64 bits");
                advance("snapshot byte", &mut self.snapshot, offset, length)?;
                Ok(Event::SnapshotBytes { offset, bytes })
            }
            Kind::Page => {
                let (page_no, bytes) = message::get_page(kind, payload)?;
                advance("command page", &mut self.pages, page_no, 1)?;
                Ok(Event::Page { page_no, bytes })
            }
            Kind::EventPage => {
                let (page_no, bytes) = message::get_page(kind, payload)?;
                advance("event page", &mut self.event_pages, page_no, 1)?;
                Ok(Event::EventPage { page_no, bytes })
            }
            Kind::SeedDone => {
                self.is_whole()?;
                Ok(Event::SeedDone)
            }
            Kind::Heartbeat
            | Kind::State
            | Kind::Fence
            | Kind::Handover
            | Kind::Run
            | Kind::Close
            | Kind::Hello
            | Kind::Welcome
            | Kind::Ack
            | Kind::Promise
            | Kind::Ask
            | Kind::Answer => said_any_time(kind, payload, "a seed was sent"),
        }
    }

    fn is_whole(&self) -> Result<(), StreamError> {
        let parts = [
            ("snapshot byte", &self.snapshot),
            ("command page", &self.pages),
            ("event page", &self.event_pages),
        ];
        match parts.into_iter().find(|(_, rest)| !rest.is_empty()) {
            Some((what, rest)) => Err(StreamError::Seed { what, found: rest.end, expected: rest.start }),
            None => Ok(()),
        }
    }
}

fn advance(what: &'static str, rest: &mut Range<u64>, found: u64, by: u64) -> Result<(), StreamError> {
    let fits = found == rest.start && by > 0 && by <= rest.end.saturating_sub(rest.start);
    if !fits {
        return Err(StreamError::Seed { what, found, expected: rest.start });
    }
    rest.start += by;
    Ok(())
}

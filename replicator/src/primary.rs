//! The primary's side of one standby: how to go on with it, then records and page ends as they are published, and what
//! the standby says to them. Bytes go through the connection's [`Channel`]; sockets and clocks are elsewhere.
//!
//! Nobody waits for a standby here: one that falls behind is read to from the segments, at a bounded rate, and what is
//! not yet sent to it is bounded.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::Kind;
use crate::gone::Gone;
use crate::message::{self, Ack, Heartbeat, Hello, Promise, Welcome};
use crate::pace::{HEARTBEAT, Now, Pace};
use crate::secure::Channel;
use crate::ship::Ship;

mod seeding;
mod stream;
mod welcome;

use seeding::Seeding;
use stream::Stream;
use welcome::Decision;

/// How long a standby is kept waiting for what decides how to go on with it.
const DECIDE_MAX: Duration = Duration::from_secs(2);

/// How soon a connection is looked at again that waits for a base or for its share of the disk.
const REST_WHILE_BUSY: Duration = Duration::from_millis(2);

/// What a standby said, or what it meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is here, and is now told how this node goes on with it.
    Hello(Box<Hello>),
    /// The answer that it got. With [`Welcome::Stream`] records follow.
    Welcomed(Box<Welcome>),
    /// It has met a higher epoch than this node's: this node may not lead any more.
    Stale {
        /// That epoch.
        epoch: u32,
    },
    /// How far it has come, in this node's epoch.
    Acked(Ack),
    /// Its event hash, each time it covers more pages: to be compared with this node's own.
    EventHash {
        /// Full event pages covered.
        pages: u64,
        /// The running hash behind the last of them.
        hash: [u8; 16],
    },
    /// It answers a FENCE.
    Promised(Promise),
    /// It is there, and knows this of the cluster's state. Its wall clock tells the skew.
    Heartbeat(Heartbeat),
}

/// How much a connection may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes made ready for a socket that does not take them.
    pub unsent_bytes: usize,
    /// Bytes a second read from the segments for one standby.
    pub catch_up_bytes_per_s: u64,
    /// A peer that says nothing for so long is gone; it says something each 25 ms.
    pub silence: Duration,
    /// To prove oneself and say what one wants.
    pub proof: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            unsent_bytes: 256 * 1024,
            catch_up_bytes_per_s: 200 << 20,
            silence: Duration::from_secs(2),
            proof: Duration::from_secs(2),
        }
    }
}

#[derive(Debug)]
enum Stage {
    /// Until a base is known that decides.
    Deciding {
        since_ns: u64,
    },
    Streaming(Box<Stream>),
    Seeding(Box<Seeding>),
    /// It was told that it is not served, or all of its seed.
    Over,
}

/// One standby, as its primary sees it.
#[derive(Debug)]
pub struct Primary {
    hello: Box<Hello>,
    epoch: u32,
    stage: Stage,
    pace: Pace,
    acked: Ack,
    state_version: Option<u64>,
    /// To be told before more is read.
    events: VecDeque<Event>,
}

impl Primary {
    /// A standby that has said HELLO to a primary in this epoch.
    pub fn new(hello: Hello, epoch: u32, now: Now) -> Self {
        let hello = Box::new(hello);
        let events = VecDeque::from([Event::Hello(hello.clone())]);
        let (stage, pace) = (Stage::Deciding { since_ns: now.ns }, Pace::new(now));
        Primary { hello, epoch, stage, pace, acked: Ack::default(), state_version: None, events }
    }

    /// The standby's name.
    pub fn standby(&self) -> &str {
        &self.hello.node
    }

    /// The epoch that it was welcomed in.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The last ACK in this node's epoch.
    pub const fn acked(&self) -> &Ack {
        &self.acked
    }

    /// Whether it was told that it is not served, or all of its seed: the connection ends when this is sent.
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// The next thing the standby said.
    pub fn next(&mut self, channel: &mut Channel) -> Result<Option<Event>, Gone> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let Some((kind, place)) = channel.next_frame()? else { return Ok(None) };
            let payload = channel.payload(place);
            match kind {
                Kind::Ack => self.take_ack(Ack::get(payload)?)?,
                Kind::Heartbeat => return Ok(Some(Event::Heartbeat(Heartbeat::get(payload)?))),
                Kind::Promise => return Ok(Some(Event::Promised(message::get(kind, payload)?))),
                Kind::Hello
                | Kind::Welcome
                | Kind::Run
                | Kind::Close
                | Kind::State
                | Kind::Fence
                | Kind::Ask
                | Kind::Answer
                | Kind::Handover
                | Kind::Snapshot
                | Kind::Page
                | Kind::EventPage
                | Kind::SeedDone => {
                    return Err(Gone::Unexpected { kind, while_what: "a standby was served" });
                }
            }
        }
    }

    /// ACKs of another epoch say nothing about this one and are dropped.
    fn take_ack(&mut self, ack: Ack) -> Result<(), Gone> {
        if ack.epoch != self.epoch {
            return Ok(());
        }
        let sent = match &self.stage {
            Stage::Streaming(stream) => stream.last_seq(),
            Stage::Deciding { .. } | Stage::Seeding(_) | Stage::Over => 0,
        };
        let mine = &self.acked;
        let falls = |now: u64, before: u64| now < before;
        if ack.received > sent {
            return Err(Gone::Ack { acked: ack.received, known: format!("only {sent} were sent") });
        }
        if ack.synced > ack.received || ack.applied > ack.received {
            let most = ack.synced.max(ack.applied);
            return Err(Gone::Ack { acked: most, known: format!("it has received {}", ack.received) });
        }
        if falls(ack.received, mine.received)
            || falls(ack.synced, mine.synced)
            || falls(ack.applied, mine.applied)
        {
            return Err(Gone::Ack { acked: ack.received, known: format!("it had come further: {mine:?}") });
        }
        if ack.event_pages > mine.event_pages {
            self.events.push_back(Event::EventHash { pages: ack.event_pages, hash: ack.event_hash });
        }
        self.acked = ack;
        self.events.push_back(Event::Acked(ack));
        Ok(())
    }

    /// Makes ready what there is to send, within the limits.
    pub fn pump(
        &mut self,
        channel: &mut Channel,
        ship: &dyn Ship,
        limits: &Limits,
        now: Now,
    ) -> Result<(), Gone> {
        if ship.epoch() != self.epoch {
            return Err(Gone::NotLeading(self.epoch));
        }
        if let Stage::Deciding { since_ns } = self.stage {
            let is_late = now.since(since_ns) > DECIDE_MAX;
            self.decide(channel, ship, is_late)?;
        }
        match &mut self.stage {
            Stage::Streaming(stream) => stream.pump(channel, ship, limits, now)?,
            Stage::Seeding(seeding) => {
                if seeding.pump(channel, limits, now)? {
                    self.stage = Stage::Over;
                }
            }
            Stage::Deciding { .. } | Stage::Over => return Ok(()),
        }
        self.tell(channel, ship, now);
        Ok(())
    }

    fn decide(&mut self, channel: &mut Channel, ship: &dyn Ship, is_late: bool) -> Result<(), Gone> {
        let Some(Decision { welcome, stale, seed }) = welcome::decide(&self.hello, ship, is_late)? else {
            return Ok(());
        };
        channel.send(Kind::Welcome, |out| message::put(out, Kind::Welcome, &welcome));
        self.stage = match (&welcome, seed) {
            (Welcome::Stream { from, next_seq, .. }, _) => {
                Stage::Streaming(Box::new(Stream::new(ship, *from, *next_seq)))
            }
            (Welcome::Seed { .. }, Some(seed)) => Stage::Seeding(Box::new(Seeding::new(seed))),
            (Welcome::Seed { .. }, None) | (Welcome::Truncate { .. } | Welcome::Reject(_), _) => Stage::Over,
        };
        self.events.extend(stale.map(|epoch| Event::Stale { epoch }));
        self.events.push_back(Event::Welcomed(Box::new(welcome)));
        Ok(())
    }

    /// The cluster's state where it has changed, and heartbeats.
    fn tell(&mut self, channel: &mut Channel, ship: &dyn Ship, now: Now) {
        if self.is_over() {
            return;
        }
        let state_version = ship.state_version();
        if self.state_version != Some(state_version) {
            channel.send(Kind::State, |out| out.extend_from_slice(&ship.state()));
            self.state_version = Some(state_version);
        }
        if self.pace.is_beat_due(now) {
            let committed_seq = ship.committed_seq();
            let beat = Heartbeat { epoch: self.epoch, committed_seq, wall_ns: now.wall_ns, state_version };
            channel.send(Kind::Heartbeat, |out| beat.put(out));
        }
    }

    /// Whether records are published that were not made ready yet, and may be by now.
    pub fn has_more(&self) -> bool {
        match &self.stage {
            Stage::Streaming(stream) => stream.has_more(),
            Stage::Seeding(seeding) => seeding.has_more(),
            Stage::Deciding { .. } | Stage::Over => false,
        }
    }

    /// How long it can be left alone if nothing comes.
    pub fn rest(&self) -> Duration {
        match &self.stage {
            // Something is awaited that nobody rings a bell for.
            Stage::Deciding { .. } | Stage::Seeding(_) => REST_WHILE_BUSY,
            Stage::Streaming(stream) if stream.is_behind_ring() => REST_WHILE_BUSY,
            Stage::Streaming(_) | Stage::Over => HEARTBEAT,
        }
    }

    /// Sends FENCE or HANDOVER.
    pub fn send_epoch(&mut self, channel: &mut Channel, kind: Kind, epoch: u32) {
        channel.send(kind, |out| out.extend_from_slice(&u64::from(epoch).to_le_bytes()));
    }
}

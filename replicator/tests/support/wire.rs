//! The wire between a standby and a node's port.

use rialto_replicator::frame::Kind;
use rialto_replicator::gone::Gone;
use rialto_replicator::message::{self, Hello, Welcome};
use rialto_replicator::pace::Now;
use rialto_replicator::peer::Peer;
use rialto_replicator::primary::Limits;
use rialto_replicator::secure::{Channel, Side};
use rialto_replicator::ship::Ship;
use rialto_replicator::standby::{self, Standby};

use crate::cluster::{Log, Primary, credentials};

/// Both ends of a connection; bytes cross it in pieces of the sizes given.
pub struct Wire {
    pub standby: Standby,
    pub peer: Peer,
    pub now: Now,
    pieces: Vec<usize>,
    turn: usize,
    /// All that the standby was told but records, page ends and heartbeats.
    pub told: Vec<String>,
}

impl Wire {
    pub fn new(hello: Hello) -> Self {
        Self::in_pieces(hello, vec![usize::MAX])
    }

    pub fn in_pieces(hello: Hello, pieces: Vec<usize>) -> Self {
        let now = Now { ns: 1_000, wall_ns: 5 };
        Wire {
            standby: Standby::new(&credentials(), hello, [1; 32], now),
            peer: Peer::new(&credentials(), [2; 32], Limits::default(), now),
            now,
            pieces,
            turn: 0,
            told: Vec::new(),
        }
    }

    fn piece(&mut self) -> usize {
        self.turn += 1;
        self.pieces[self.turn % self.pieces.len()]
    }

    /// One piece each way.
    pub fn step(&mut self, primary: &mut Primary) -> Result<(), Gone> {
        let most = self.piece();
        let up = self.standby.pending();
        let up = up[..up.len().min(most)].to_vec();
        self.standby.sent(up.len());
        self.peer.receive(&up, self.now)?;
        self.peer.serve(primary, self.now)?;
        let most = self.piece();
        let down = self.peer.pending();
        let down = down[..down.len().min(most)].to_vec();
        self.peer.sent(down.len());
        self.standby.receive(&down, self.now)?;
        self.now.ns += 1_000_000;
        Ok(())
    }

    /// Until nothing moves; the standby's log follows, and what else it was told is returned by name.
    pub fn settle(&mut self, primary: &mut Primary, log: &mut Log) -> Result<Vec<String>, Gone> {
        let mut told = Vec::new();
        let mut quiet = 0;
        while quiet < 5 {
            self.step(primary)?;
            let mut ran = false;
            while let Some(event) = self.standby.next_event()? {
                if log.follow(&event) {
                    ran = true;
                } else if !matches!(event, standby::Event::Committed(_)) {
                    told.push(format!("{event:?}").split([' ', '(']).next().unwrap().to_owned());
                    self.told.push(format!("{event:?}"));
                }
            }
            if ran {
                self.standby.ack(&log.ack(primary.epoch()));
            }
            let is_quiet = !ran && self.standby.pending().is_empty() && self.peer.pending().is_empty();
            quiet = if is_quiet { quiet + 1 } else { 0 };
        }
        Ok(told)
    }
}

/// A proven listener that says what it is told to, and the standby that hears it.
pub struct Talker {
    pub standby: Standby,
    pub channel: Channel,
}

impl Talker {
    /// Both are proven, and HELLO was said.
    pub fn new(hello: Hello) -> Self {
        let standby = Standby::new(&credentials(), hello, [1; 32], Now::default());
        let channel = Channel::new(Side::Listener, &credentials(), [2; 32]);
        let mut talker = Talker { standby, channel };
        talker.pass().unwrap();
        talker.pass().unwrap();
        talker.pass().unwrap();
        assert!(matches!(talker.channel.next_frame(), Ok(Some((Kind::Hello, _)))));
        talker
    }

    fn pass(&mut self) -> Result<(), Gone> {
        let up = self.standby.pending().to_vec();
        self.standby.sent(up.len());
        self.channel.receive(&up)?;
        let down = self.channel.pending().to_vec();
        self.channel.sent(down.len());
        self.standby.receive(&down, Now::default())
    }

    /// Says something; what the standby makes of it, in words.
    pub fn say(&mut self, kind: Kind, payload: &[u8]) -> Result<String, Gone> {
        self.channel.send(kind, |out| out.extend_from_slice(payload));
        self.pass()?;
        let event = self.standby.next_event()?;
        Ok(format!("{:?}", event.expect("each frame says something")))
    }

    pub fn welcome(&mut self, welcome: &Welcome) -> Result<String, Gone> {
        let mut payload = Vec::new();
        message::put(&mut payload, Kind::Welcome, welcome);
        self.say(Kind::Welcome, &payload)
    }
}

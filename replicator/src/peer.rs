//! One connection to a node's replication port: a stranger first, then, once proven, a standby or someone who asks.

use std::time::Duration;

use crate::frame::Kind;
use crate::gone::Gone;
use crate::message::{self, Ask, Hello, Reject, Welcome};
use crate::pace::Now;
use crate::primary::{Limits, Primary};
use crate::secure::{Channel, Credentials, Nonce, Side};
use crate::ship::{Node, Ship};

/// The port's end of a connection.
#[derive(Debug)]
pub struct Peer {
    channel: Channel,
    limits: Limits,
    since_ns: u64,
    heard_ns: u64,
    /// Once it has said HELLO.
    standby: Option<Box<Primary>>,
    /// Whether it has said what it wants: silence, not lateness, is judged then.
    has_asked: bool,
    /// Since when it has nothing more to hear. What it still says is dropped, until it closes.
    over_ns: Option<u64>,
}

impl Peer {
    /// A connection that was just accepted; `nonce` must be fresh from the system's random source.
    pub fn new(credentials: &Credentials, nonce: Nonce, limits: Limits, now: Now) -> Self {
        Peer {
            channel: Channel::new(Side::Listener, credentials, nonce),
            limits,
            since_ns: now.ns,
            heard_ns: now.ns,
            standby: None,
            has_asked: false,
            over_ns: None,
        }
    }

    /// Takes bytes received. Then [`Self::serve`].
    pub fn receive(&mut self, bytes: &[u8], now: Now) -> Result<(), Gone> {
        self.heard_ns = now.ns;
        Ok(self.channel.receive(bytes)?)
    }

    /// Meets what has come, and makes ready what there is to send.
    pub fn serve(&mut self, node: &mut dyn Node, now: Now) -> Result<(), Gone> {
        self.check_time(now)?;
        if self.over_ns.is_some() {
            while self.channel.next_frame()?.is_some() {}
            return Ok(());
        }
        while self.standby.is_none() && self.over_ns.is_none() {
            let Some((kind, place)) = self.channel.next_frame()? else { break };
            self.has_asked = true;
            let unread = self.channel.pending().len();
            if unread > self.limits.unsent_bytes {
                return Err(Gone::Deaf(unread));
            }
            match kind {
                Kind::Hello => {
                    let hello = message::get(kind, self.channel.payload(place))?;
                    self.hello(hello, node, now);
                }
                Kind::Ask => {
                    let ask: Ask = message::get(kind, self.channel.payload(place))?;
                    let answer = node.answer(&ask);
                    self.channel.send(Kind::Answer, |out| message::put(out, Kind::Answer, &answer));
                }
                Kind::Fence => {
                    let epoch = message::get_epoch(kind, self.channel.payload(place))?;
                    let promise = node.promise(epoch);
                    self.channel.send(Kind::Promise, |out| message::put(out, Kind::Promise, &promise));
                }
                Kind::Welcome
                | Kind::Run
                | Kind::Close
                | Kind::Ack
                | Kind::Heartbeat
                | Kind::State
                | Kind::Promise
                | Kind::Answer
                | Kind::Handover
                | Kind::Snapshot
                | Kind::Page
                | Kind::EventPage
                | Kind::SeedDone => {
                    return Err(Gone::Unexpected { kind, while_what: "a HELLO or a question was awaited" });
                }
            }
        }
        self.serve_standby(node, now)
    }

    fn hello(&mut self, hello: Hello, node: &mut dyn Node, now: Now) {
        let epoch = node.ship().map(Ship::epoch);
        if let Some(epoch) = epoch {
            self.standby = Some(Box::new(Primary::new(hello, epoch, now)));
            return;
        }
        let answer = node.answer(&Ask { node: hello.node, hand_over: false });
        let (primary, address) = (answer.primary, answer.primary_address);
        let welcome = Welcome::Reject(Reject::NotPrimary { primary, address });
        self.channel.send(Kind::Welcome, |out| message::put(out, Kind::Welcome, &welcome));
        self.over_ns = Some(now.ns);
    }

    fn serve_standby(&mut self, node: &mut dyn Node, now: Now) -> Result<(), Gone> {
        let Some(primary) = &mut self.standby else { return Ok(()) };
        while let Some(event) = primary.next(&mut self.channel)? {
            node.event(primary.standby(), event);
        }
        let ship = node.ship().ok_or(Gone::NotLeading(primary.epoch()))?;
        primary.pump(&mut self.channel, ship, &self.limits, now)?;
        while let Some(event) = primary.next(&mut self.channel)? {
            node.event(primary.standby(), event);
        }
        if primary.is_over() {
            self.over_ns = Some(now.ns);
        }
        Ok(())
    }

    fn check_time(&self, now: Now) -> Result<(), Gone> {
        if self.over_ns.is_some_and(|over_ns| now.since(over_ns) > self.limits.proof) {
            return Err(Gone::Served);
        }
        if !self.has_asked {
            let late = now.since(self.since_ns);
            return if late > self.limits.proof { Err(Gone::Late(late)) } else { Ok(()) };
        }
        let silent = now.since(self.heard_ns);
        if silent > self.limits.silence { Err(Gone::Silent(silent)) } else { Ok(()) }
    }

    /// Whether it has proven the cluster's key.
    pub fn is_proven(&self) -> bool {
        self.channel.is_proven()
    }

    /// Whether it was sent all that it shall hear. Then our direction is to be shut down; the peer closes when it has read
    /// that, and is cut off if it does not. (Closed at once, bytes still on their way to us could cost it the last ones.)
    pub fn is_done(&self) -> bool {
        self.over_ns.is_some() && self.channel.pending().is_empty()
    }

    /// How long it is there.
    pub const fn age(&self, now: Now) -> Duration {
        now.since(self.since_ns)
    }

    /// The standby it is, if it is one.
    pub fn standby(&self) -> Option<&Primary> {
        self.standby.as_deref()
    }

    /// Whether there is more to make ready now, once the socket has taken what is pending.
    pub fn has_more(&self) -> bool {
        self.standby.as_ref().is_some_and(|primary| primary.has_more())
    }

    /// How long this connection can be left alone if nothing comes.
    pub fn rest(&self) -> Duration {
        match &self.standby {
            Some(primary) => primary.rest(),
            None => crate::pace::HEARTBEAT,
        }
    }

    /// Sends FENCE or HANDOVER to a standby.
    pub fn send_epoch(&mut self, kind: Kind, epoch: u32) {
        if let Some(primary) = &mut self.standby {
            primary.send_epoch(&mut self.channel, kind, epoch);
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

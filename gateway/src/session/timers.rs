//! Heartbeats and silences. Ours run from the last message sent, the member's from the last one received.

use rialto_protocol::command::NoticeKind;

use super::inbound::notice;
use super::request::Asking;
use super::{Close, Context, Now, Session, State};
use crate::limits::{LOG_ON_WITHIN_NS, SECOND_NS};

/// How long the holder of a session has to answer when somebody else logs on.
const CHALLENGE_NS: u64 = 2 * SECOND_NS;
/// A holder that was heard within this time need not show that it is there. Who comes back from a machine that died
/// finds its session held for so long, and gets it with a later try.
const HEARD_LATELY_NS: u64 = 2 * SECOND_NS;
/// How long the member has to close the connection when all is said. The standard's advice is up to ten seconds; nothing is
/// lost by less, since everything is journaled.
const GOOD_BYE_NS: u64 = 2 * SECOND_NS;

/// When what was last heard and said.
#[derive(Debug)]
pub(super) struct Timers {
    began_ns: u64,
    heard_ns: u64,
    said_ns: u64,
    /// 0 = none.
    heartbeat_ns: u64,
    /// A heartbeat is on its way through the exchange.
    heartbeat_asked: bool,
    /// A test request is out since then.
    tested_ns: Option<u64>,
    /// Another log-on wants the session; this holder must answer by then.
    challenged_until_ns: Option<u64>,
    /// All is said; the connection ends by then.
    end_by_ns: Option<u64>,
}

impl Timers {
    pub(super) fn new(now: Now) -> Self {
        Self {
            began_ns: now.mono_ns,
            heard_ns: now.mono_ns,
            said_ns: now.mono_ns,
            heartbeat_ns: 0,
            heartbeat_asked: false,
            tested_ns: None,
            challenged_until_ns: None,
            end_by_ns: None,
        }
    }

    /// Logged on: with heartbeats every so many seconds, 0 = none.
    pub(super) fn start(&mut self, heartbeat_s: u16, now: Now) {
        *self = Self::new(now);
        self.heartbeat_ns = u64::from(heartbeat_s) * SECOND_NS;
    }

    /// So much time has passed that does not count.
    pub(super) fn pause(&mut self, passed_ns: u64) {
        for at_ns in [&mut self.began_ns, &mut self.heard_ns, &mut self.said_ns] {
            *at_ns += passed_ns;
        }
        for at_ns in [&mut self.tested_ns, &mut self.challenged_until_ns].into_iter().flatten() {
            *at_ns += passed_ns;
        }
    }

    /// A message came. It shows that somebody is there, whatever it says.
    pub(super) fn heard(&mut self, now: Now) {
        self.heard_ns = now.mono_ns;
        self.tested_ns = None;
    }

    /// A heartbeat came.
    pub(super) fn answered(&mut self) {
        self.challenged_until_ns = None;
    }

    /// A message was sent.
    pub(super) fn said(&mut self, now: Now) {
        self.said_ns = now.mono_ns;
        self.heartbeat_asked = false;
    }

    /// Somebody else logs on: whether the member has to be asked if it is still there.
    fn challenged(&mut self, now: Now) -> bool {
        let asks = self.challenged_until_ns.is_none() && now.mono_ns >= self.heard_ns + HEARD_LATELY_NS;
        if asks {
            self.challenged_until_ns = Some(now.mono_ns + CHALLENGE_NS);
        }
        asks
    }
}

impl Session {
    /// Somebody else, who knows the password, logs on to this session.
    pub fn challenged(&mut self, ctx: &mut Context<'_>) {
        if self.is_live() && !self.leaving && !self.resetting && self.timers.challenged(ctx.now) {
            self.note(ctx, (false, 0), Some(notice(NoticeKind::TestRequest, "another log-on")));
        }
    }

    /// Does what is due. Called at least every 100 ms or so.
    pub fn tick(&mut self, ctx: &mut Context<'_>) {
        let now_ns = ctx.now.mono_ns;
        match self.state {
            State::Opening | State::Request(Asking::Reading)
                if now_ns >= self.timers.began_ns + LOG_ON_WITHIN_NS =>
            {
                self.end(Close::Now);
            }
            State::Waiting(_) => self.wait(ctx),
            State::Live if !self.leaving && !self.resetting => self.tick_live(ctx),
            State::Ended => {
                let end_ns = *self.timers.end_by_ns.get_or_insert(now_ns + GOOD_BYE_NS);
                if now_ns >= end_ns {
                    self.close = Some(Close::Now);
                }
            }
            State::Opening | State::Request(_) | State::Asked | State::Live => {}
        }
    }

    fn tick_live(&mut self, ctx: &mut Context<'_>) {
        let (now_ns, timers) = (ctx.now.mono_ns, &mut self.timers);
        if timers.challenged_until_ns.is_some_and(|end_ns| now_ns >= end_ns) {
            self.log_off(ctx);
            return self.end(Close::Now);
        }
        let interval_ns = timers.heartbeat_ns;
        if interval_ns == 0 {
            return;
        }
        if timers.tested_ns.is_some_and(|since_ns| now_ns >= since_ns + interval_ns) {
            // The standard has no Logout here: nobody is there to hear it, and it would use a number.
            self.log_off(ctx);
            return self.end(Close::Now);
        }
        if timers.tested_ns.is_none() && now_ns >= timers.heard_ns + interval_ns + interval_ns / 5 {
            timers.tested_ns = Some(now_ns);
            return self.note(ctx, (false, 0), Some(notice(NoticeKind::TestRequest, "TEST")));
        }
        if !timers.heartbeat_asked && now_ns >= timers.said_ns + interval_ns {
            timers.heartbeat_asked = true;
            self.note(ctx, (false, 0), Some(notice(NoticeKind::Heartbeat, "")));
        }
    }
}

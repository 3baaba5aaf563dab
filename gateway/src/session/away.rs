//! What a conversation does when it may not be about trading now: see [`crate::standing`].

use rialto_journal::cursor::Gate;
use rialto_protocol::command::LogOffCause;
use rialto_protocol::terms::SessionKind;
use rialto_protocol::{Command, SessionSeq};

use super::{Close, Context, Session, State};
use crate::fix::validate::Wire;
use crate::line;
use crate::message::Message;
use crate::standing::Stance;

impl Session {
    /// Nobody trades here any more: the connection ends, in line mode with words, and nothing that has a number is sent
    /// that was not already on its way. Who has not logged on yet hears it then; market data go on.
    pub fn away(&mut self, gate: Gate, ctx: &Context<'_>) {
        if self.is_feed() || !matches!(self.state, State::Waiting(_) | State::Asked | State::Live) {
            return;
        }
        self.held.clear();
        self.resends.clear();
        if self.wire == Wire::Line {
            line::encode::notice(&mut self.out, &ctx.standing.words(gate));
        }
        self.end(Close::Flushed);
    }

    /// Whether, while the policy is unmet, nothing of this connection is read or done.
    pub fn stands_still(&self) -> bool {
        let trades = match self.state {
            State::Opening => self.log_on_waits,
            State::Waiting(_) | State::Asked | State::Live => true,
            State::Request(_) | State::Ended => false,
        };
        trades && !self.is_feed()
    }

    /// Whether the member's end of a connection that stands still is nothing to wait for: all that was asked is answered
    /// or dropped.
    pub fn may_be_dropped(&self) -> bool {
        !self.leaving
    }

    /// So much time has passed that does not count for who wants to trade.
    pub fn pause(&mut self, passed_ns: u64) {
        if self.is_feed() || matches!(self.state, State::Request(_) | State::Ended) {
            return;
        }
        self.timers.pause(passed_ns);
        if let State::Waiting(waiting) = &mut self.state {
            waiting.pause(passed_ns);
        }
    }

    /// Whether this first message is one that waits, unread, until the policy is met. Only who proves to be there for market
    /// data is let in.
    pub(super) fn must_wait(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) -> bool {
        let opens = matches!(self.state, State::Opening) && ctx.stance == Stance::Unmet;
        self.log_on_waits = opens
            && message.msg_type() == b"A"
            && !self.log_on(message, ctx).is_ok_and(|session| session.def.kind == SessionKind::MarketData);
        self.log_on_waits
    }

    /// Tells the exchange, behind what was asked before, that a session that it may hold live has nobody any more.
    pub(super) fn abandon(&self, ctx: &mut Context<'_>) {
        let gone = Command::LogOff(ctx.gateway, LogOffCause::Drained);
        ctx.commands.push(self.id, SessionSeq::NONE, &gone);
    }
}

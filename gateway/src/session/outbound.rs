//! What the exchange tells the session, on its way to the member.

use rialto_protocol::command::NoticeKind;
use rialto_protocol::event::{Event, NoticeEvent, notice_flag};
use rialto_protocol::{Header, SessionSeq};

use super::{Close, Context, Session, State};
use crate::limits::{RESEND_BACKLOG_BYTES, RESENDS_MAX};
use crate::resend::{Past, Run};
use crate::translate;

impl Session {
    /// A numbered message to this connection's session.
    pub fn event(&mut self, header: &Header, event: &Event<'_>, ctx: &mut Context<'_>) {
        let notice = if let Event::Notice(notice) = event { Some(notice) } else { None };
        let mine = notice
            .is_some_and(|notice| (notice.gateway, notice.connection) == (ctx.gateway, self.connection));
        let log_on = notice.filter(|notice| mine && notice.notice.kind == NoticeKind::LogOn);
        match (&self.state, log_on) {
            (State::Asked, Some(notice)) => self.entered(header, notice, ctx),
            (State::Live, Some(notice)) if self.resetting => self.entered(header, notice, ctx),
            (State::Live, _) => self.tell(header, event, ctx),
            // Turned away by a numbered Logout.
            (State::Asked, None) if mine => self.tell(header, event, ctx),
            (State::Opening | State::Request(_) | State::Waiting(_) | State::Asked | State::Ended, _) => {
                return;
            }
        }
        if notice.is_some_and(|notice| notice.flags & notice_flag::CLOSE != 0) {
            ctx.seats.free(self.id);
            let close = if self.asked_to_leave { Close::ByPeer } else { Close::Flushed };
            self.release_held();
            self.end(close);
        }
    }

    /// A log-on that got no number.
    pub fn refused(&mut self, words: &str, ctx: &mut Context<'_>) {
        if matches!(self.state, State::Asked) || self.resetting {
            ctx.seats.free(self.id);
            self.turn_away(words);
        }
    }

    /// The session is no longer live.
    pub fn gone(&mut self, ctx: &mut Context<'_>) {
        let is_live = matches!(self.state, State::Live);
        if self.resetting || !(is_live || self.leaving) {
            return;
        }
        ctx.seats.free(self.id);
        if !is_live {
            return;
        }
        self.release_held();
        self.end(Close::Flushed);
    }

    /// The exchange began a new epoch: nobody is logged on any more.
    pub fn epoch(&mut self, ctx: &mut Context<'_>) {
        match self.state {
            State::Request(_) | State::Ended => return,
            // Its log-on may stand behind the epoch's begin, and then holds the session for nobody.
            State::Asked => self.abandon(ctx),
            State::Live if self.resetting => self.abandon(ctx),
            State::Opening | State::Waiting(_) | State::Live => {}
        }
        self.release_held();
        self.end(Close::Flushed);
    }

    /// What was answered before under this number is sent once more.
    pub fn repeat(&mut self, number: SessionSeq) {
        if self.is_live() && self.resends.len() < RESENDS_MAX {
            self.resends.push_back(Run::new(number.0, number.0));
        }
    }

    /// Whether messages are to be sent again now.
    pub fn resends(&self) -> bool {
        !self.resends.is_empty() && self.out.len() < RESEND_BACKLOG_BYTES
    }

    /// Sends some of them.
    pub fn resend(&mut self, past: &mut dyn Past, ctx: &Context<'_>) {
        let Some(mut run) = self.resends.pop_front() else { return };
        let Some(state) = ctx.view.sessions.get(self.id) else { return };
        let mut out = std::mem::take(&mut self.out);
        let identity = self.identity(ctx.settings);
        run.send(&mut out, (ctx.view, &identity), (state, past), ctx.now.utc_ns);
        self.out = out;
        self.timers.said(ctx.now);
        if !run.is_done() {
            self.resends.push_front(run);
        } else if self.resends.is_empty() {
            self.release_held();
        }
    }

    fn entered(&mut self, header: &Header, notice: &NoticeEvent, ctx: &mut Context<'_>) {
        self.state = State::Live;
        self.resetting = false;
        self.expected = notice.next_inbound.0;
        // A number above the expected one: the exchange itself asks for what is missing.
        self.gap_to = self.log_on_number;
        self.kept.clear();
        self.kept_bytes = 0;
        self.resends.clear();
        self.held.clear();
        self.timers.start(notice.heartbeat_s, ctx.now);
        self.tell(header, &Event::Notice(*notice), ctx);
        let last = header.session_seq.0 - 1;
        if (1..=last).contains(&self.next_expected) {
            self.resends.push_back(Run::new(self.next_expected, last));
        }
    }

    pub(super) fn tell(&mut self, header: &Header, event: &Event<'_>, ctx: &mut Context<'_>) {
        let waits = !self.resends.is_empty();
        let mut out = std::mem::take(if waits { &mut self.held } else { &mut self.out });
        translate::outbound(&mut out, (ctx.view, &self.identity(ctx.settings)), header, event, None);
        *(if waits { &mut self.held } else { &mut self.out }) = out;
        self.out_messages += 1;
        self.timers.said(ctx.now);
    }

    fn release_held(&mut self) {
        self.out.append(&mut self.held);
    }
}

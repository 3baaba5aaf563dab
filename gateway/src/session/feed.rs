//! A market-data session: its numbers are kept here, start at 1 with each log-on and mean nothing afterwards, for a
//! feed is recovered by a new snapshot. What it says of the session layer goes the same way as a trading session's,
//! but for the exchange.

use std::ops::ControlFlow;

use rialto_protocol::command::{Notice, NoticeKind};
use rialto_protocol::event::{Event, NoticeEvent, notice_flag};
use rialto_protocol::{Header, SessionSeq, Timestamp};

use super::inbound::notice;
use super::log_on::Waiting;
use super::{Close, Context, Session, State};
use crate::fix::encode;
use crate::fix::validate::Wire;
use crate::line;
use crate::market_data::{self, Feed, TooSlow};
use crate::message::Message;
use crate::translate;
use crate::view::books::Changes;

/// While so much waits to be written, changes run together instead of waiting as messages.
const FEED_BACKLOG_BYTES: usize = 256 << 10;

/// What a market-data session is, beside a conversation.
#[derive(Debug, Default)]
pub(super) struct Market {
    feed: Feed,
    /// Number of the last message sent.
    sent: u32,
}

impl Session {
    /// Whether this is a market-data session.
    pub fn is_feed(&self) -> bool {
        self.market.is_some()
    }

    /// Logs on to market data: nobody has to be asked.
    pub(super) fn enter_feed(&mut self, waiting: &Waiting, ctx: &mut Context<'_>) {
        let log_on = waiting.log_on();
        if self.log_on_number > 1 || log_on.next_expected > 1 {
            return self.turn_away("market data start at MsgSeqNum 1 with each log-on");
        }
        let user_defined_tags = ctx.settings.user_defined_tags;
        let feed = Feed::new(market_data::Settings { user_defined_tags, looks_only: false });
        self.market = Some(Box::new(Market { feed, sent: 0 }));
        self.state = State::Live;
        (self.expected, self.gap_to) = (2, 0);
        self.timers.start(log_on.heartbeat_s, ctx.now);
        let words = format!("{} epoch {}", ctx.view.node(), ctx.view.epoch());
        self.say(notice(NoticeKind::LogOn, &words), (notice_flag::RESET, log_on.heartbeat_s), ctx);
    }

    /// Says something of the session layer under the feed's own number.
    pub(super) fn say(&mut self, notice: Notice, (flags, heartbeat_s): (u8, u16), ctx: &mut Context<'_>) {
        let Some(market) = &mut self.market else { return };
        market.sent += 1;
        let number = SessionSeq(market.sent);
        let event = Event::Notice(NoticeEvent {
            previous: 0,
            gateway: ctx.gateway,
            connection: self.connection,
            next_inbound: SessionSeq(self.expected),
            incarnation: 0,
            heartbeat_s,
            flags,
            notice,
        });
        let header =
            Header { timestamp: Timestamp(ctx.now.utc_ns), session_seq: number, ..Header::default() };
        self.tell(&header, &event, ctx);
    }

    /// Ends after what has been said.
    pub(super) fn leave_feed(&mut self) {
        self.end(if self.asked_to_leave { Close::ByPeer } else { Close::Flushed });
    }

    /// Takes a request for market data.
    pub(super) fn ask_feed(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) {
        let Some(market) = &mut self.market else { return };
        self.expected += 1;
        if let Err(error @ TooSlow) = market.feed.request(ctx.view, message) {
            self.log_out(&error.to_string(), ctx);
        }
    }

    /// Nothing of a feed is sent again: all that was asked for is one gap.
    pub(super) fn fill_feed(&mut self, (from, to): (u32, u32), ctx: &Context<'_>) {
        let last = self.market.as_ref().map_or(0, |market| market.sent);
        let to = if to == 0 { last } else { to.min(last) };
        if from <= to {
            let mut out = std::mem::take(&mut self.out);
            translate::admin_run(&mut out, &self.identity(ctx.settings), (from, to + 1), ctx.now.utc_ns);
            self.out = out;
        }
    }

    /// A command ended that changed books.
    pub fn changes(&mut self, changes: &Changes, ctx: &mut Context<'_>) {
        let Some(market) = &mut self.market else { return };
        if let Err(error @ TooSlow) = market.feed.changes(changes)
            && !self.leaving
        {
            self.log_out(&error.to_string(), ctx);
        }
    }

    /// Takes a look at a book, from a line client of a trading session: what it sees has no number and is not sent
    /// again. The line uses up its number like any other.
    pub(super) fn look(&mut self, message: &Message<'_>, place: (bool, u32), ctx: &mut Context<'_>) {
        let user_defined_tags = ctx.settings.user_defined_tags;
        let looks = self.looks.get_or_insert_with(|| {
            Box::new(Feed::new(market_data::Settings { user_defined_tags, looks_only: true }))
        });
        match looks.request(ctx.view, message) {
            Ok(()) => self.note(ctx, place, None),
            Err(error @ TooSlow) => self.log_out(&error.to_string(), ctx),
        }
    }

    /// Whether there is market data to be said, and room for it.
    pub fn has_news(&self) -> bool {
        let waits = self.market.as_ref().is_some_and(|market| market.feed.waits())
            || (self.resends.is_empty() && self.looks.as_ref().is_some_and(|looks| looks.waits()));
        waits && self.is_live() && self.out.len() < FEED_BACKLOG_BYTES
    }

    /// Says it.
    pub fn tell_news(&mut self, ctx: &Context<'_>) {
        if !self.has_news() {
            return;
        }
        if let Some(mut market) = self.market.take() {
            let Market { feed, sent } = &mut *market;
            self.say_news(feed, Some(sent), ctx);
            self.market = Some(market);
        } else if let Some(mut looks) = self.looks.take() {
            self.say_news(&mut looks, None, ctx);
            self.looks = Some(looks);
        }
        self.timers.said(ctx.now);
    }

    /// Says what a feed has to say, under its own numbers or under none.
    fn say_news(&mut self, feed: &mut Feed, mut sent: Option<&mut u32>, ctx: &Context<'_>) {
        let mut out = std::mem::take(&mut self.out);
        let identity = self.identity(ctx.settings);
        let flow = feed.pending(ctx.view, &mut |msg_type, body| {
            let number = sent.as_deref_mut().map_or(0, |sent| {
                *sent += 1;
                *sent
            });
            let header = encode::Header {
                msg_type,
                sender: identity.ours,
                target: identity.theirs,
                number,
                sending_time_ns: ctx.now.utc_ns,
                first_sent_ns: None,
            };
            match identity.wire {
                Wire::Fix => encode::message(&mut out, &header, body),
                Wire::Line => line::encode::message(&mut out, &header, body),
            }
            if out.len() < FEED_BACKLOG_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        // Without room the rest is said when there is some.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = flow;
        self.out = out;
    }
}

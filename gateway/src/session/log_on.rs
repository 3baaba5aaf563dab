//! The first message of a connection: who it is, and whether its session is free.
//!
//! Whoever is not known, or does not know the password, hears nothing in FIX: an answer would need a number. A line
//! client is a person more often than not and gets words without a number.

use rialto_protocol::command::{LogOffCause, LogOn};
use rialto_protocol::terms::SessionKind;
use rialto_protocol::{Command, GatewayId, Name, SessionSeq};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Close, Context, Session, State};
use crate::fix::validate::{self, Wire};
use crate::fix::{BEGIN_STRING, tag};
use crate::line;
use crate::message::Message;
use crate::standing::Stance;
use crate::timestamp;
use crate::view::directory;

/// How long a log-on waits for the connection that holds its session to be seen ending: a member that hangs up and
/// comes back at once must not be taken for a second one.
const HANG_UP_NS: u64 = 250_000_000;
/// The longest interval between heartbeats that can be asked for: an hour.
const HEARTBEAT_MAX_S: u32 = 3600;

/// A sound log-on whose session is held by another connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    log_on: LogOn,
    number: u32,
    until_ns: u64,
}

impl Waiting {
    pub(super) fn log_on(&self) -> LogOn {
        self.log_on
    }

    /// The wait takes so much longer.
    pub(super) fn pause(&mut self, passed_ns: u64) {
        self.until_ns += passed_ns;
    }
}

/// Why a log-on is nobody's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    /// What a person may know.
    words: &'static str,
    /// Whose password was wrong.
    guessed: Option<Name>,
}

impl Refused {
    fn because(words: &'static str) -> Self {
        Self { words, guessed: None }
    }
}

impl Session {
    /// The first message must be a log-on.
    pub(super) fn first(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) {
        let known = self.log_on(message, ctx);
        if let Stance::Away(gate) = ctx.stance
            && !known.as_ref().is_ok_and(|session| session.def.kind == SessionKind::MarketData)
        {
            // Not even a wrong password: what this node knows of members may be old.
            return self.turn_away(&ctx.standing.words(gate));
        }
        match known {
            Ok(session) => {
                let waiting = self.asked(message, ctx);
                (self.id, self.comp_id) = (session.id, session.def.comp_id);
                self.log_on_number = waiting.number;
                self.next_expected = waiting.log_on.next_expected;
                if session.def.kind == SessionKind::MarketData {
                    return self.enter_feed(&waiting, ctx);
                }
                self.state = State::Waiting(Box::new(waiting));
                self.wait(ctx);
            }
            Err(refused) => {
                if let Some(name) = refused.guessed {
                    ctx.seats.failed(name);
                }
                self.turn_away(refused.words);
            }
        }
    }

    /// A line that is no message, before or after the log-on.
    pub(super) fn malformed(&mut self, words: &str, ctx: &mut Context<'_>) {
        self.timers.heard(ctx.now);
        if matches!(self.state, State::Opening) {
            self.turn_away("log on first: 35=A|553=NAME|554=PASSWORD");
        } else {
            self.reject_line(words, ctx);
        }
    }

    /// Ends the connection without a numbered word.
    pub(super) fn turn_away(&mut self, words: &str) {
        if self.wire == Wire::Line {
            line::encode::notice(&mut self.out, words);
        }
        self.end(Close::Flushed);
    }

    /// Whose log-on this is, or what a person may know of why it is nobody's.
    pub(super) fn log_on<'v>(
        &self,
        message: &Message<'_>,
        ctx: &mut Context<'v>,
    ) -> Result<&'v directory::Session, Refused> {
        if message.msg_type() != b"A" {
            return Err(Refused::because("log on first: 35=A|553=NAME|554=PASSWORD"));
        }
        if self.wire == Wire::Fix {
            let sound = message.get(tag::BEGIN_STRING) == Some(BEGIN_STRING)
                && message.get(tag::TARGET_COMP_ID) == Some(ctx.settings.comp_id.as_bytes())
                && message.get(tag::SENDING_TIME).is_some_and(|time| is_near(time, ctx));
            if !sound {
                return Err(Refused::because(""));
            }
        }
        if validate::inbound(message, self.checks(ctx.settings)).is_err() {
            return Err(Refused::because("a field of the log-on is wrong or missing"));
        }
        let unknown = Refused::because("unknown name or wrong password");
        let sender = message.get(tag::SENDER_COMP_ID);
        let user = message.get(tag::USERNAME).or(sender).ok_or(unknown)?;
        if self.wire == Wire::Fix && sender != Some(user) {
            return Err(unknown);
        }
        let digest: [u8; 32] = Sha256::digest(message.get(tag::PASSWORD).unwrap_or_default()).into();
        let view: &'v crate::view::View = ctx.view;
        let session = view.directory.session_by_comp_id(user).ok_or(unknown)?;
        if !ctx.seats.may_try(session.def.comp_id, ctx.now) {
            return Err(Refused::because("too many log-ons with a wrong password: wait a minute"));
        }
        if bool::from(digest.ct_eq(&session.def.secret)) {
            Ok(session)
        } else {
            Err(Refused { guessed: Some(session.def.comp_id), ..unknown })
        }
    }

    fn asked(&self, message: &Message<'_>, ctx: &Context<'_>) -> Waiting {
        let heartbeat_s = message.unsigned(tag::HEART_BT_INT).unwrap_or(0).min(HEARTBEAT_MAX_S);
        let log_on = LogOn {
            gateway: ctx.gateway,
            connection: self.connection,
            next_expected: message.unsigned(tag::NEXT_EXPECTED_MSG_SEQ_NUM).unwrap_or(0),
            heartbeat_s: u16::try_from(heartbeat_s).expect("at most an hour"),
            reset: u8::from(message.says_yes(tag::RESET_SEQ_NUM_FLAG)),
            line: u8::from(self.wire == Wire::Line),
        };
        let number = message.unsigned(tag::MSG_SEQ_NUM).unwrap_or(0);
        Waiting { log_on, number, until_ns: ctx.now.mono_ns + HANG_UP_NS }
    }

    /// Logs on as soon as the session is free; challenges who holds it if that takes too long.
    pub(super) fn wait(&mut self, ctx: &mut Context<'_>) {
        let State::Waiting(waiting) = &self.state else { return };
        let waiting = **waiting;
        let seat = ctx.seats.get(self.id);
        let live = ctx.view.sessions.get(self.id).is_some_and(|state| state.holder.0 != GatewayId::NONE);
        if seat.is_none() && !live {
            ctx.seats.take(self.id, self.connection);
            self.state = State::Asked;
            ctx.commands.push(self.id, SessionSeq(waiting.number), &Command::LogOn(waiting.log_on));
        } else if ctx.now.mono_ns >= waiting.until_ns && seat.is_none_or(|seat| !seat.leaving) {
            if live {
                ctx.commands.push(self.id, SessionSeq::NONE, &Command::Challenge);
            }
            self.turn_away("the session is logged on already");
        }
    }

    /// A log-on with 141=Y in a live session: it ends, and begins anew on this connection.
    pub(super) fn reset(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) {
        let asked = self.asked(message, ctx);
        if self.is_feed() {
            return self.enter_feed(&asked, ctx);
        }
        self.log_on_number = asked.number;
        self.next_expected = asked.log_on.next_expected;
        self.resetting = true;
        let gateway = ctx.gateway;
        ctx.commands.push(self.id, SessionSeq::NONE, &Command::LogOff(gateway, LogOffCause::Drained));
        ctx.commands.push(self.id, SessionSeq(asked.number), &Command::LogOn(asked.log_on));
    }

    /// Tells the exchange that the member is gone.
    pub(super) fn log_off(&mut self, ctx: &mut Context<'_>) {
        if self.is_feed() {
            return self.leave_feed();
        }
        let cause = match ctx.stance {
            Stance::Unmet => LogOffCause::PolicyUnmet,
            Stance::Trades | Stance::Away(_) => LogOffCause::Disconnected,
        };
        let gone = Command::LogOff(ctx.gateway, cause);
        ctx.commands.push(self.id, SessionSeq::NONE, &gone);
        ctx.seats.leaving(self.id);
        self.leaving = true;
    }
}

/// Whether a `SendingTime` is near enough to now.
pub(super) fn is_near(time: &[u8], ctx: &Context<'_>) -> bool {
    let tolerance_ns = u64::from(ctx.settings.sending_time_tolerance_s) * crate::limits::SECOND_NS;
    timestamp::parse(time).is_some_and(|sent_ns| sent_ns.abs_diff(ctx.now.utc_ns) <= tolerance_ns)
}

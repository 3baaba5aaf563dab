//! The log-on: which numbers let a member in, and what it is told.

use rialto_protocol::command::{LogOn, Notice, NoticeKind};
use rialto_protocol::event::{NoticeEvent, notice_flag};
use rialto_protocol::terms::SessionKind;
use rialto_protocol::{Header, Note, SessionSeq};

use super::{Link, NUMBER_MAX, SessionState, Sessions, notice, text_notice};
use crate::directory::Directory;

/// What a log-on comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per log-on and used at once")]
pub enum LogOnAnswer {
    /// Not let in, and nothing numbered is sent: `Event::LogOnRefused` with these words.
    Refused(Note),
    /// Not let in: this numbered Logout says why.
    TurnedAway(NoticeEvent),
    /// Let in.
    Live {
        /// The answer, sent first.
        log_on: NoticeEvent,
        /// Asks for the messages that are missing.
        resend_request: Option<NoticeEvent>,
    },
}

impl Sessions {
    /// Decides a log-on of the header's session under the header's number (0 = the expected one). `welcome` is the text
    /// of the answer.
    pub fn log_on(
        &mut self,
        directory: &Directory,
        header: &Header,
        log_on: &LogOn,
        welcome: Note,
    ) -> LogOnAnswer {
        let trading = directory.session(header.session).map(|session| session.kind == SessionKind::Trading);
        let Some(session) = self.get_mut(header.session) else {
            return refused("no such session");
        };
        if trading != Some(true) {
            return refused("a market-data session has no numbers of the exchange's");
        }
        if session.link.is_some() {
            return refused("the session is logged on already");
        }
        let answer = if log_on.reset != 0 {
            session.log_on_with_reset(header.session_seq, log_on, welcome)
        } else {
            session.log_on(header.session_seq, log_on, welcome)
        };
        if matches!(answer, LogOnAnswer::Live { .. })
            && let Some(deadline) = session.grace_deadline.take()
        {
            self.timers.clear(deadline, header.session);
        }
        answer
    }
}

impl SessionState {
    fn log_on(&mut self, number: SessionSeq, log_on: &LogOn, welcome: Note) -> LogOnAnswer {
        if self.next_inbound.max(self.next_outbound).0 > NUMBER_MAX {
            return refused("the session's numbers are used up: it needs a reset");
        }
        let expected = self.next_inbound;
        let wrong = low(number, expected).or_else(|| self.not_to_be_had(log_on.next_expected));
        // A message under the expected number is used up whatever it comes to.
        if number == expected || !number.is_some() {
            self.next_inbound.0 += 1;
        }
        if let Some(words) = wrong {
            let logout = text_notice(NoticeKind::Logout, Note::clipped(&words));
            return LogOnAnswer::TurnedAway(self.told(Link::of(log_on), notice_flag::CLOSE, logout));
        }
        self.enter(log_on);
        let resend_request = (number > expected).then(|| {
            let missing = Notice { ref_seq: expected.0, ..notice(NoticeKind::ResendRequest) };
            self.told(Link::of(log_on), 0, missing)
        });
        LogOnAnswer::Live {
            log_on: self.told(Link::of(log_on), 0, text_notice(NoticeKind::LogOn, welcome)),
            resend_request,
        }
    }

    /// What is wrong with the number (789, 0 = not given) from which the member wants our messages.
    fn not_to_be_had(&self, next_expected: u32) -> Option<String> {
        let (kept, next) = (self.first_kept, self.next_outbound);
        if next_expected > next.0 {
            Some(format!("NextExpectedMsgSeqNum {next_expected} is above the next number, {next}"))
        } else if next_expected != 0 && next_expected < kept.0 {
            Some(format!("NextExpectedMsgSeqNum {next_expected} is older than what is kept, from {kept}"))
        } else {
            None
        }
    }

    fn log_on_with_reset(&mut self, number: SessionSeq, log_on: &LogOn, welcome: Note) -> LogOnAnswer {
        if number.0 > 1 {
            return refused("ResetSeqNumFlag needs MsgSeqNum 1");
        }
        if log_on.next_expected > 1 {
            return refused("ResetSeqNumFlag needs NextExpectedMsgSeqNum 1");
        }
        self.reset();
        self.next_inbound.0 += 1;
        self.enter(log_on);
        let welcome = text_notice(NoticeKind::LogOn, welcome);
        let log_on = self.told(Link::of(log_on), notice_flag::RESET, welcome);
        LogOnAnswer::Live { log_on, resend_request: None }
    }

    fn enter(&mut self, log_on: &LogOn) {
        self.link = Some(Link::of(log_on));
        self.heartbeat_s = log_on.heartbeat_s;
    }
}

fn refused(words: &str) -> LogOnAnswer {
    LogOnAnswer::Refused(Note::clipped(words))
}

fn low(number: SessionSeq, expected: SessionSeq) -> Option<String> {
    (number.is_some() && number < expected)
        .then(|| format!("MsgSeqNum too low, expecting {expected} but received {number}"))
}

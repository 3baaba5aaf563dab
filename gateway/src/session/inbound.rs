//! What a logged-on member says: the rules of numbers first, then each message of the session layer, then what the
//! exchange is asked (FIX 4.4 volume 2, "Session-level test cases").

use rialto_protocol::command::{Inbound, Notice, NoticeKind, SessionNote};
use rialto_protocol::{Command, Note, SessionSeq};

use super::{Context, Kept, Session};
use crate::fix::validate::{self, Fault, Reason, Wire};
use crate::fix::{BEGIN_STRING, tag};
use crate::limits::{KEPT_BYTES_MAX, KEPT_MESSAGES_MAX, RESENDS_MAX, THROTTLED_MAX};
use crate::message::Message;
use crate::resend::Run;
use crate::session::log_on::is_near;
use crate::timestamp;
use crate::translate::{self, Translated};

/// `SessionRejectReason` (373): other.
const OTHER: u16 = 99;
/// `BusinessRejectReason` (380).
const BUSINESS_OTHER: u16 = 0;
const BUSINESS_UNSUPPORTED: u16 = 3;

/// A notice that says no more than its kind and a text.
pub(super) fn notice(kind: NoticeKind, text: &str) -> Notice {
    let text = Note::clipped(text);
    Notice { kind, ref_type: [0; 2], reason: u16::MAX, ref_seq: 0, ref_tag: None, text }
}

/// A notice about a message.
fn about(kind: NoticeKind, message: &Message<'_>, (number, reason): (u32, u16), text: &str) -> Notice {
    let msg_type = message.msg_type();
    let at = |place: usize| msg_type.get(place).copied().unwrap_or(0);
    Notice { ref_type: [at(0), at(1)], reason, ref_seq: number, ..notice(kind, text) }
}

impl Session {
    /// Any message of a live session.
    pub(super) fn numbered(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) {
        if self.wire == Wire::Line {
            return self.line(message, ctx);
        }
        if message.get(tag::BEGIN_STRING) != Some(BEGIN_STRING) {
            return self.log_out("Incorrect BeginString", ctx);
        }
        let Some(number) = message.unsigned(tag::MSG_SEQ_NUM) else {
            return self.log_out("Required tag missing: MsgSeqNum", ctx);
        };
        let resets = message.msg_type() == b"4" && !message.says_yes(tag::GAP_FILL_FLAG);
        let new_log_on = message.msg_type() == b"A" && message.says_yes(tag::RESET_SEQ_NUM_FLAG);
        let in_turn = number == self.expected;
        if let Some(reason) = self.mismatch(message, ctx) {
            let reject =
                about(NoticeKind::Reject, message, (number, u16::from(reason.code())), reason.words());
            self.note(ctx, (in_turn, number), Some(reject));
            return self.log_out("", ctx);
        }
        if resets {
            self.sequence_reset(message, number, ctx);
        } else if new_log_on {
            self.reset(message, ctx);
        } else if number < self.expected {
            self.low(message, number, ctx);
        } else if in_turn {
            self.in_order(message, false, ctx);
        } else {
            self.high(message, number, ctx);
        }
    }

    /// A line: its number may be missing, and then is the expected one.
    fn line(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) {
        let repeats = message.says_yes(tag::POSS_DUP_FLAG);
        match message.unsigned(tag::MSG_SEQ_NUM) {
            // A line sent again uses up no number: its ClOrdID tells whether it was taken.
            None if repeats => self.application(message, 0, ctx),
            Some(number) if repeats && number < self.expected => self.application(message, 0, ctx),
            None => self.in_order(message, false, ctx),
            Some(number) if number == self.expected => self.in_order(message, false, ctx),
            Some(number) if number < self.expected => self.too_low(number, ctx),
            Some(number) => self.high(message, number, ctx),
        }
    }

    /// A line that is no message.
    pub(super) fn reject_line(&mut self, words: &str, ctx: &mut Context<'_>) {
        let reject = Notice { reason: OTHER, ref_seq: self.expected, ..notice(NoticeKind::Reject, words) };
        self.note(ctx, (true, self.expected), Some(reject));
    }

    /// What is wrong with names or times.
    fn mismatch(&self, message: &Message<'_>, ctx: &Context<'_>) -> Option<Reason> {
        let is = |tag, name: &[u8]| message.get(tag).is_none_or(|found| found == name || found.is_empty());
        if !is(tag::SENDER_COMP_ID, self.comp_id.as_bytes())
            || !is(tag::TARGET_COMP_ID, ctx.settings.comp_id.as_bytes())
        {
            return Some(Reason::CompIdProblem);
        }
        let sent = message.get(tag::SENDING_TIME).unwrap_or_default();
        let sent_ns = timestamp::parse(sent)?;
        let first_ns = message.get(tag::ORIG_SENDING_TIME).and_then(timestamp::parse);
        let late = message.says_yes(tag::POSS_DUP_FLAG) && first_ns.is_some_and(|first| first > sent_ns);
        (late || !is_near(sent, ctx)).then_some(Reason::SendingTimeAccuracy)
    }

    /// A number that was used before.
    fn low(&mut self, message: &Message<'_>, number: u32, ctx: &mut Context<'_>) {
        if message.msg_type() == b"5" {
            // Whoever wants to leave is let go.
            self.log_out("", ctx);
        } else if !message.says_yes(tag::POSS_DUP_FLAG) {
            let asks = message.msg_type() == b"2";
            if asks && validate::inbound(message, self.checks(ctx.settings)).is_ok() {
                // What is to be sent again does not hang on the request's own number, and nothing else is done by it.
                self.serve(message, ctx);
            } else {
                self.too_low(number, ctx);
            }
        } else if message.get(tag::ORIG_SENDING_TIME).is_none() {
            let reason = Reason::RequiredTagMissing;
            let reject =
                about(NoticeKind::Reject, message, (number, u16::from(reason.code())), reason.words());
            let ref_tag = Some(i32::from(tag::ORIG_SENDING_TIME));
            self.note(ctx, (false, number), Some(Notice { ref_tag, ..reject }));
        }
    }

    fn too_low(&mut self, number: u32, ctx: &mut Context<'_>) {
        let words = format!("MsgSeqNum too low, expecting {} but received {number}", self.expected);
        self.log_out(&words, ctx);
    }

    /// A number that is not due yet: what is missing is asked for once.
    fn high(&mut self, message: &Message<'_>, number: u32, ctx: &mut Context<'_>) {
        let sound = validate::inbound(message, self.checks(ctx.settings)).is_ok();
        if sound && message.msg_type() == b"5" {
            // What is missing is asked for when the member comes back: its number is not used up.
            self.asked_to_leave = true;
            return self.log_out("", ctx);
        }
        if self.gap_to < self.expected {
            let missing = Notice { ref_seq: self.expected, ..notice(NoticeKind::ResendRequest, "") };
            self.note(ctx, (false, 0), Some(missing));
        }
        self.gap_to = self.gap_to.max(number - 1);
        let served = sound && message.msg_type() == b"2";
        if served {
            // Each side may wait for the other's messages: this one must not wait.
            self.serve(message, ctx);
        }
        let bytes = message.bytes();
        if self.kept.len() < KEPT_MESSAGES_MAX && self.kept_bytes + bytes.len() <= KEPT_BYTES_MAX {
            let mut bytes = bytes.to_vec();
            if self.wire == Wire::Line {
                bytes.push(b'\n');
            }
            self.kept_bytes += bytes.len();
            if let Some(before) = self.kept.insert(number, Kept { bytes, served }) {
                self.kept_bytes -= before.bytes.len();
            }
        }
    }

    /// The message that was kept for the number now expected.
    pub(super) fn take_kept(&mut self) -> Option<Kept> {
        while let Some(first) = self.kept.first_entry() {
            if *first.key() > self.expected {
                return None;
            }
            let (number, kept) = first.remove_entry();
            self.kept_bytes -= kept.bytes.len();
            if number == self.expected {
                return Some(kept);
            }
        }
        None
    }

    /// `SequenceReset` in reset mode: its own number does not count.
    fn sequence_reset(&mut self, message: &Message<'_>, number: u32, ctx: &mut Context<'_>) {
        if let Err(fault) = validate::inbound(message, self.checks(ctx.settings)) {
            return self.refuse(message, (false, number), fault, ctx);
        }
        self.jump(message, number, ctx);
    }

    fn jump(&mut self, message: &Message<'_>, number: u32, ctx: &mut Context<'_>) {
        let next = message.unsigned(tag::NEW_SEQ_NO).unwrap_or(0);
        if next < self.expected {
            let reason = Reason::ValueIncorrect;
            let reject =
                about(NoticeKind::Reject, message, (number, u16::from(reason.code())), reason.words());
            return self.note(ctx, (false, 0), Some(reject));
        }
        if next > self.expected {
            if !self.is_feed() {
                let inbound = Inbound::JumpTo(SessionSeq(next));
                let note = SessionNote { inbound, outbound: None, close: false };
                ctx.commands.push(self.id, SessionSeq::NONE, &Command::Note(note));
            }
            self.expected = next;
        }
    }

    /// A message whose turn it is.
    pub(super) fn in_order(&mut self, message: &Message<'_>, served: bool, ctx: &mut Context<'_>) {
        let number = self.expected;
        if let Err(fault) = validate::inbound(message, self.checks(ctx.settings)) {
            return self.refuse(message, (true, number), fault, ctx);
        }
        match message.msg_type() {
            b"0" => {
                self.timers.answered();
                self.note(ctx, (true, number), None);
            }
            b"1" => self.test_request(message, ctx),
            b"2" => {
                self.note(ctx, (true, number), None);
                if !served {
                    self.serve(message, ctx);
                }
            }
            b"3" => self.note(ctx, (true, number), None),
            b"4" => self.jump(message, number, ctx),
            b"5" => {
                self.asked_to_leave = true;
                self.closing(ctx, (true, number), "");
            }
            b"A" => {
                let reject = about(NoticeKind::Reject, message, (number, OTHER), "logged on already");
                self.note(ctx, (true, number), Some(reject));
            }
            _ => self.application(message, number, ctx),
        }
    }

    /// What is wrong with a message, as an answer. A fault outside of the order uses up no number.
    fn refuse(
        &mut self,
        message: &Message<'_>,
        (in_turn, number): (bool, u32),
        fault: Fault,
        ctx: &mut Context<'_>,
    ) {
        let answer = match fault {
            Fault::Reject { ref_tag, reason } => {
                let code = u16::from(reason.code());
                let reject = about(NoticeKind::Reject, message, (number, code), reason.words());
                Notice { ref_tag, ..reject }
            }
            Fault::Unsupported => about(
                NoticeKind::BusinessReject,
                message,
                (number, BUSINESS_UNSUPPORTED),
                "Unsupported Message Type",
            ),
        };
        self.note(ctx, (in_turn, number), Some(answer));
    }

    fn test_request(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) {
        let number = self.expected;
        let answer = match Note::new(message.get(tag::TEST_REQ_ID).unwrap_or_default()) {
            Ok(text) => Notice { text, ..notice(NoticeKind::Heartbeat, "") },
            Err(error) => {
                let code = u16::from(Reason::ValueIncorrect.code());
                let reject = about(NoticeKind::Reject, message, (number, code), &error.to_string());
                Notice { ref_tag: Some(i32::from(tag::TEST_REQ_ID)), ..reject }
            }
        };
        self.note(ctx, (true, number), Some(answer));
    }

    /// Notes which messages are to be sent again.
    fn serve(&mut self, message: &Message<'_>, ctx: &mut Context<'_>) {
        let asked = (message.unsigned(tag::BEGIN_SEQ_NO), message.unsigned(tag::END_SEQ_NO));
        let (from, end) = (asked.0.unwrap_or(0).max(1), asked.1.unwrap_or(0));
        if self.is_feed() {
            return self.fill_feed((from, end), ctx);
        }
        let last = ctx.view.sessions.get(self.id).map_or(0, |state| state.next_outbound.0.saturating_sub(1));
        let to = if end == 0 { last } else { end.min(last) };
        if self.resends.len() >= RESENDS_MAX {
            self.log_out("too many resend requests at once", ctx);
        } else if from <= to {
            self.resends.push_back(Run::new(from, to));
        }
    }

    /// A message for the exchange; under number 0 it uses up none.
    fn application(&mut self, message: &Message<'_>, number: u32, ctx: &mut Context<'_>) {
        if number == 0
            && let Err(fault) = validate::inbound(message, self.checks(ctx.settings))
        {
            return self.refuse(message, (false, self.expected), fault, ctx);
        }
        let used = number != 0;
        let cancels = matches!(message.msg_type(), b"F" | b"q");
        let bucket = if cancels { &mut self.cancels } else { &mut self.orders };
        let per_s = ctx.settings.messages_per_s;
        if !bucket.takes(per_s, ctx.now.mono_ns) {
            return self.throttle(message, number, ctx);
        }
        if self.is_feed() {
            return self.ask_feed(message, ctx);
        }
        if self.wire == Wire::Line && message.msg_type() == b"V" {
            return self.look(message, (used, number), ctx);
        }
        let answer = match translate::command(ctx.view, message) {
            Translated::Command(command) => {
                ctx.commands.push(self.id, SessionSeq(number), &command);
                if used {
                    self.expected += 1;
                }
                return;
            }
            Translated::Reject { ref_tag, reason, text } => Notice {
                ref_tag: Some(i32::from(ref_tag)),
                ..about(NoticeKind::Reject, message, (number, reason), text.as_str())
            },
            Translated::Business { reason, text } => {
                about(NoticeKind::BusinessReject, message, (number, reason), text.as_str())
            }
        };
        self.note(ctx, (used, number), Some(answer));
    }

    fn throttle(&mut self, message: &Message<'_>, number: u32, ctx: &mut Context<'_>) {
        let words = format!("over {} messages a second", ctx.settings.messages_per_s);
        let answer = about(NoticeKind::BusinessReject, message, (number, BUSINESS_OTHER), &words);
        self.note(ctx, (number != 0, number), Some(answer));
        self.throttled += 1;
        if self.throttled >= THROTTLED_MAX {
            self.log_out(&words, ctx);
        }
    }

    /// A session-level message in, out, or both; in turn, it uses up its number.
    pub(super) fn note(
        &mut self,
        ctx: &mut Context<'_>,
        (in_turn, number): (bool, u32),
        outbound: Option<Notice>,
    ) {
        let (inbound, number) = if in_turn { (Inbound::Consumed, number) } else { (Inbound::Untouched, 0) };
        self.expected += u32::from(in_turn);
        if self.is_feed() {
            if let Some(notice) = outbound {
                self.say(notice, (0, 0), ctx);
            }
        } else if in_turn || outbound.is_some() {
            let note = SessionNote { inbound, outbound, close: false };
            ctx.commands.push(self.id, SessionSeq(number), &Command::Note(note));
        }
    }

    /// Says good-bye for a reason of ours, and ends.
    pub(super) fn log_out(&mut self, words: &str, ctx: &mut Context<'_>) {
        self.closing(ctx, (false, 0), words);
    }

    fn closing(&mut self, ctx: &mut Context<'_>, (in_turn, number): (bool, u32), words: &str) {
        let (inbound, number) = if in_turn { (Inbound::Consumed, number) } else { (Inbound::Untouched, 0) };
        let logout = notice(NoticeKind::Logout, words);
        self.expected += u32::from(in_turn);
        if self.is_feed() {
            self.say(logout, (0, 0), ctx);
            return self.leave_feed();
        }
        let note = SessionNote { inbound, outbound: Some(logout), close: true };
        ctx.commands.push(self.id, SessionSeq(number), &Command::Note(note));
        self.leaving = true;
        ctx.seats.leaving(self.id);
    }
}

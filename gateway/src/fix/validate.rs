//! Finds what is wrong with a message, before anyone asks what it means.
//!
//! The answer is the first fault in the order received, required fields that are missing last, as SessionRejectReason
//! (373) has it in FIX 4.4 volume 2. Session rules (CompIDs, numbers, SendingTime) are not looked at here. In line
//! mode fields may stand in any order, and header, TransactTime and a log-on's settings may be missing.

use super::dictionary::{
    self, Group, HEADER_REQUIRED, HOPS, Kind, MessageRule, Place, Speaker, TagSet, USER_DEFINED, Values,
    find_group,
};
use super::tag;
use crate::message::{Message, unsigned};
use crate::{decimal, timestamp};

/// An inbound group has at most so many entries.
pub const GROUP_ENTRIES_MAX: u32 = 16;

/// SessionRejectReason (373).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// FIX 4.4 has no such tag.
    InvalidTag = 0,
    /// A field is missing that must be there.
    RequiredTagMissing = 1,
    /// The field has no place in this message.
    TagNotDefined = 2,
    /// The field is there without a value.
    NoValue = 4,
    /// The value is none that the field may have.
    ValueIncorrect = 5,
    /// The value has not the field's type.
    BadFormat = 6,
    /// SenderCompID or TargetCompID is not the session's.
    CompIdProblem = 9,
    /// SendingTime is too far from now.
    SendingTimeAccuracy = 10,
    /// FIX 4.4 has no such message.
    InvalidMsgType = 11,
    /// The field stands there twice.
    RepeatedTag = 13,
    /// A header field stands behind a body field, or a body field behind a trailer field.
    OutOfOrder = 14,
    /// A group's entry starts with another field than its first.
    GroupOutOfOrder = 15,
    /// A group has not as many entries as it says.
    GroupCount = 16,
}

impl Reason {
    /// The value of 373.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The specification's words for it, for Text (58).
    pub fn words(self) -> &'static str {
        match self {
            Reason::InvalidTag => "Invalid tag number",
            Reason::RequiredTagMissing => "Required tag missing",
            Reason::TagNotDefined => "Tag not defined for this message type",
            Reason::NoValue => "Tag specified without a value",
            Reason::ValueIncorrect => "Value is incorrect (out of range) for this tag",
            Reason::BadFormat => "Incorrect data format for value",
            Reason::CompIdProblem => "CompID problem",
            Reason::SendingTimeAccuracy => "SendingTime accuracy problem",
            Reason::InvalidMsgType => "Invalid MsgType",
            Reason::RepeatedTag => "Tag appears more than once",
            Reason::OutOfOrder => "Tag specified out of required order",
            Reason::GroupOutOfOrder => "Repeating group fields out of order",
            Reason::GroupCount => "Incorrect NumInGroup count for repeating group",
        }
    }
}

/// A message's first fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// To be answered by a Reject (35=3).
    Reject {
        /// RefTagID (371).
        ref_tag: Option<i32>,
        /// SessionRejectReason (373).
        reason: Reason,
    },
    /// FIX 4.4 has the message, the exchange has no use for it: to be answered by a BusinessMessageReject (35=j)
    /// with reason 3.
    Unsupported,
}

/// How a connection's messages are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// Which protocol.
    pub wire: Wire,
    /// What happens to user-defined fields.
    pub user_defined: UserDefined,
}

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// FIX 4.4.
    Fix,
    /// Line mode.
    Line,
}

/// What happens to fields with tags of 5000 and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserDefined {
    /// They are passed over.
    Allowed,
    /// They are invalid tags.
    Refused,
}

/// Checks a client's message. The rule given back tells its type and groups.
#[inline]
pub fn inbound(message: &Message<'_>, checks: Checks) -> Result<&'static MessageRule, Fault> {
    let rule = known(message)?;
    match rule {
        Some(rule)
            if rule.speaker == Speaker::Client
                || (rule.speaker == Speaker::LineClient && checks.wire == Wire::Line) =>
        {
            Check { message, checks, rule, entries_max: GROUP_ENTRIES_MAX }.run()?;
            Ok(rule)
        }
        Some(_) | None => Err(Fault::Unsupported),
    }
}

/// Checks a message that the exchange sends, as its client's engine would.
pub fn outbound(message: &Message<'_>, checks: Checks) -> Result<&'static MessageRule, Fault> {
    let rule = known(message)?.ok_or(Fault::Unsupported)?;
    Check { message, checks, rule, entries_max: u32::MAX }.run()?;
    Ok(rule)
}

#[inline]
fn known(message: &Message<'_>) -> Result<Option<&'static MessageRule>, Fault> {
    let msg_type = message.msg_type();
    let rule = dictionary::message(msg_type);
    if rule.is_some() || dictionary::is_known(msg_type) {
        return Ok(rule);
    }
    if msg_type.is_empty() {
        return Err(reject(i32::from(tag::MSG_TYPE), Reason::NoValue));
    }
    Err(Fault::Reject { ref_tag: None, reason: Reason::InvalidMsgType })
}

fn reject(ref_tag: i32, reason: Reason) -> Fault {
    Fault::Reject { ref_tag: Some(ref_tag), reason }
}

/// Fields that a line may leave out.
const NOT_NEEDED_IN_LINES: TagSet =
    TagSet::of(&[&[tag::TRANSACT_TIME, tag::ENCRYPT_METHOD, tag::HEART_BT_INT]]);

struct Check<'a> {
    message: &'a Message<'a>,
    checks: Checks,
    rule: &'static MessageRule,
    entries_max: u32,
}

impl Check<'_> {
    #[inline]
    fn run(&self) -> Result<(), Fault> {
        let mut seen = TagSet::EMPTY;
        let mut section = Place::Header;
        let mut at = 0;
        while at < self.message.len() {
            let tag = self.message.tag(at);
            let (Ok(small), value) = (u16::try_from(tag), self.message.value(at)) else {
                self.foreign(at, &mut section)?;
                at += 1;
                continue;
            };
            let rule = dictionary::rule(small);
            if rule.kind == Kind::Undefined {
                self.foreign(at, &mut section)?;
                at += 1;
                continue;
            }
            self.order(tag, rule.place, &mut section)?;
            if value.is_empty() {
                return Err(reject(tag, Reason::NoValue));
            }
            if rule.place == Place::Body && !self.rule.fields.contains(small) {
                return Err(reject(tag, Reason::TagNotDefined));
            }
            if !seen.insert(small) {
                return Err(reject(tag, Reason::RepeatedTag));
            }
            check_value(tag, rule, value)?;
            at += 1;
            if rule.kind == Kind::Count {
                at = self.group_of(small, at)?;
            }
        }
        self.required(&seen)
    }

    #[inline]
    fn order(&self, tag: i32, place: Place, section: &mut Place) -> Result<(), Fault> {
        if place < *section && self.checks.wire == Wire::Fix {
            return Err(reject(tag, Reason::OutOfOrder));
        }
        *section = place;
        Ok(())
    }

    /// A field that FIX 4.4 does not define.
    #[cold]
    fn foreign(&self, at: usize, section: &mut Place) -> Result<(), Fault> {
        let tag = self.message.tag(at);
        if !USER_DEFINED.contains(&tag) || self.checks.user_defined == UserDefined::Refused {
            return Err(reject(tag, Reason::InvalidTag));
        }
        self.order(tag, Place::Body, section)?;
        if self.message.value(at).is_empty() {
            return Err(reject(tag, Reason::NoValue));
        }
        if (0..at).any(|earlier| self.message.tag(earlier) == tag) {
            return Err(reject(tag, Reason::RepeatedTag));
        }
        Ok(())
    }

    #[inline]
    fn required(&self, seen: &TagSet) -> Result<(), Fault> {
        let missing = match self.checks.wire {
            Wire::Fix => HEADER_REQUIRED
                .first_missing_from(seen, &TagSet::EMPTY)
                .or_else(|| self.rule.required.first_missing_from(seen, &TagSet::EMPTY)),
            Wire::Line => self.rule.required.first_missing_from(seen, &NOT_NEEDED_IN_LINES),
        };
        missing.map_or(Ok(()), |tag| Err(reject(i32::from(tag), Reason::RequiredTagMissing)))
    }

    #[cold]
    fn group_of(&self, count: u16, at: usize) -> Result<usize, Fault> {
        let group = if count == HOPS.count { Some(&HOPS) } else { self.rule.group(count) };
        match group {
            Some(group) => self.group(group, at),
            None => Ok(at),
        }
    }

    /// Checks a group whose count stands just before `at`; gives back the place behind its last entry.
    fn group(&self, group: &'static Group, mut at: usize) -> Result<usize, Fault> {
        let stated = unsigned(self.message.value(at - 1)).unwrap_or(u32::MAX);
        let count_tag = i32::from(group.count);
        if stated > self.entries_max {
            return Err(reject(count_tag, Reason::ValueIncorrect));
        }
        let mut entries = 0;
        let mut seen = TagSet::EMPTY;
        while at < self.message.len() {
            let tag = self.message.tag(at);
            let Some(small) = u16::try_from(tag).ok().filter(|tag| group.own.contains(*tag)) else { break };
            if small == group.first {
                entries += 1;
                seen = TagSet::EMPTY;
            } else if entries == 0 && stated > 0 {
                return Err(reject(tag, Reason::GroupOutOfOrder));
            }
            let value = self.message.value(at);
            if value.is_empty() {
                return Err(reject(tag, Reason::NoValue));
            }
            if !seen.insert(small) {
                return Err(reject(tag, Reason::RepeatedTag));
            }
            check_value(tag, dictionary::rule(small), value)?;
            at += 1;
            if let Some(inner) = find_group(group.groups, small) {
                at = self.group(inner, at)?;
            }
        }
        if entries == stated { Ok(at) } else { Err(reject(count_tag, Reason::GroupCount)) }
    }
}

#[inline]
fn check_value(tag: i32, rule: dictionary::Rule, value: &[u8]) -> Result<(), Fault> {
    if !has_format(rule.kind, value) {
        return Err(reject(tag, Reason::BadFormat));
    }
    if !is_among(rule, value) {
        return Err(reject(tag, Reason::ValueIncorrect));
    }
    Ok(())
}

#[inline]
fn has_format(kind: Kind, value: &[u8]) -> bool {
    match kind {
        Kind::Undefined => false,
        Kind::Data => true,
        Kind::Text => value.iter().all(|byte| matches!(byte, 0x20..=0x7e)),
        Kind::Char => matches!(value, [0x21..=0x7e]),
        Kind::Int => is_int(value),
        Kind::Unsigned | Kind::Count => unsigned(value).is_some(),
        Kind::Decimal => decimal::well_formed(value),
        Kind::Boolean => matches!(value, [b'Y' | b'N']),
        Kind::Chars => value.split(|byte| *byte == b' ').all(|word| matches!(word, [0x21..=0x7e])),
        Kind::Timestamp => timestamp::parse(value).is_some(),
        Kind::TimeOfDay => timestamp::parse_time_of_day(value).is_some(),
        Kind::Date => timestamp::parse_date(value).is_some(),
        Kind::MonthYear => is_month_year(value),
    }
}

/// An optional minus and 1 to 18 digits.
#[inline]
fn is_int(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

fn is_month_year(value: &[u8]) -> bool {
    let month = |month: &[u8]| matches!(unsigned(month), Some(1..=12)) && month.len() == 2;
    match value.len() {
        6 => unsigned(&value[..4]).is_some() && month(&value[4..]),
        8 if value[6] == b'w' => {
            unsigned(&value[..4]).is_some() && month(&value[4..6]) && matches!(value[7], b'1'..=b'5')
        }
        8 => timestamp::parse_date(value).is_some(),
        _ => false,
    }
}

#[inline]
fn is_among(rule: dictionary::Rule, value: &[u8]) -> bool {
    match rule.values() {
        Values::Any => true,
        Values::Chars(set) => {
            // Also for lists such as ExecInst: every second byte is a blank.
            value.iter().step_by(2).all(|byte| *byte < 128 && set & 1 << byte != 0)
                && (value.len() == 1 || rule.kind == Kind::Chars)
        }
        Values::Range(first, last) => unsigned(value).is_some_and(|number| (first..=last).contains(&number)),
        Values::Words(words) => words.iter().any(|word| word.as_bytes() == value),
    }
}

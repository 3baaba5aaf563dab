//! Finds whole FIX messages in a stream of bytes.
//!
//! A message is what `8`, `9` and `35` open in this order, BodyLength measures and CheckSum closes. Anything else is
//! garbled: it is skipped, uses up no number and gets no answer (FIX 4.4 volume 2, "Message integrity"). After a
//! garbled message the search goes on from where its BodyLength says that it ends, or from behind its opening where
//! even that cannot be read, for the next `8=FIX`. How TCP cuts the stream makes no difference.

use super::dictionary::data_of_length;
use super::{SOH, encode, tag};
use crate::message::{FieldTable, Message, unsigned};

/// The longest body of a message.
pub const BODY_BYTES_MAX: usize = 4096;

/// The longest body of a log-on, which may carry a signature.
pub const LOGON_BODY_BYTES_MAX: usize = 8192;

/// A buffer of this size holds any message that is taken.
pub const FRAME_BYTES_MAX: usize =
    2 + BEGIN_STRING_BYTES_MAX + 1 + 2 + LENGTH_DIGITS_MAX + 1 + LOGON_BODY_BYTES_MAX + TRAILER_BYTES;

const OPENING: &[u8] = b"8=FIX";
const BEGIN_STRING_BYTES_MAX: usize = 12;
const LENGTH_DIGITS_MAX: usize = 5;
/// `10=nnn` and SOH.
const TRAILER_BYTES: usize = 7;
/// Longer tags would not fit a tag's type; those of 6 to 9 digits are read so that they can be named in a Reject.
const TAG_DIGITS_MAX: usize = 9;

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
const EACH_HIGH_BIT: u64 = 0x8080_8080_8080_8080;

/// Why bytes were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Garbled {
    /// Not the start of a message.
    NoMessage,
    /// 8, 9 and 35 are not the first three fields.
    Opening,
    /// BodyLength is not a number of 1 to 5 digits, or does not lead to the checksum.
    BodyLength,
    /// The checksum is wrong.
    CheckSum,
    /// A field is not `number=value`.
    Field,
    /// The message is longer than allowed.
    TooLong,
    /// The message has more fields than allowed.
    TooManyFields,
}

/// What the front of the buffer is.
#[derive(Debug)]
pub enum Framed<'a> {
    /// Not yet a whole message; nothing may be dropped.
    Partial,
    /// The first `used` bytes (at least one) are to be dropped.
    Garbled {
        /// How many bytes.
        used: usize,
        /// Why.
        why: Garbled,
    },
    /// A whole message.
    Message {
        /// The message.
        message: Message<'a>,
        /// How many bytes it took, from the front of the buffer.
        used: usize,
    },
}

/// Frames one connection's messages; holds the table of the message in hand.
#[derive(Debug, Default)]
pub struct Framer {
    table: FieldTable,
}

/// Where a message's parts lie.
#[derive(Debug, Clone, Copy)]
struct Extent {
    begin_string_end: usize,
    length_start: usize,
    body_start: usize,
    body_end: usize,
}

enum Opening {
    Partial,
    Garbled { resume: usize, why: Garbled },
    Whole(Extent),
}

impl Framer {
    /// Looks at the front of `bytes`. Call again with what follows the `used` bytes until [`Framed::Partial`].
    pub fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Framed<'a> {
        if !bytes.starts_with(OPENING) {
            return skip_to_opening(bytes);
        }
        let extent = match opening(bytes) {
            Opening::Partial => return Framed::Partial,
            Opening::Garbled { resume, why } => return resynchronise(bytes, resume, why),
            Opening::Whole(extent) => extent,
        };
        let Some(trailer) = bytes.get(extent.body_end..extent.body_end + TRAILER_BYTES) else {
            return Framed::Partial;
        };
        if let Err(why) = self.read(bytes, extent, trailer) {
            return resynchronise(bytes, extent.body_end, why);
        }
        let used = extent.body_end + TRAILER_BYTES;
        Framed::Message { message: Message::new(&bytes[..used], &self.table), used }
    }

    #[inline]
    fn read(&mut self, bytes: &[u8], extent: Extent, trailer: &[u8]) -> Result<(), Garbled> {
        let Extent { begin_string_end, length_start, body_start, body_end } = extent;
        if bytes[body_end - 1] != SOH || !trailer.starts_with(b"10=") || trailer[6] != SOH {
            return Err(Garbled::BodyLength);
        }
        if unsigned(&trailer[3..6]) != Some(u32::from(encode::checksum(&bytes[..body_end]))) {
            return Err(Garbled::CheckSum);
        }
        self.table.clear();
        self.table.push(i32::from(tag::BEGIN_STRING), 2, begin_string_end);
        self.table.push(i32::from(tag::BODY_LENGTH), length_start, body_start - 1);
        self.split(&bytes[..body_end], body_start)?;
        if !self.table.push(i32::from(tag::CHECK_SUM), body_end + 3, body_end + 6) {
            return Err(Garbled::TooManyFields);
        }
        Ok(())
    }

    /// Lists the fields from `at` to the end of `bytes`, whose last byte is SOH.
    fn split(&mut self, bytes: &[u8], mut at: usize) -> Result<(), Garbled> {
        let mut data: Option<(i32, usize)> = None;
        while at < bytes.len() {
            let (tag, start) = read_tag(bytes, at).ok_or(Garbled::Field)?;
            let end = match data {
                Some((data_tag, length)) if data_tag == tag => {
                    let end = start.saturating_add(length);
                    if bytes.get(end) != Some(&SOH) {
                        return Err(Garbled::Field);
                    }
                    end
                }
                _ => find_soh(bytes, start).ok_or(Garbled::Field)?,
            };
            if !self.table.push(tag, start, end) {
                return Err(Garbled::TooManyFields);
            }
            data = data_of_length(tag).and_then(|data_tag| {
                let length = unsigned(&bytes[start..end])?;
                Some((data_tag, length as usize))
            });
            at = end + 1;
        }
        Ok(())
    }
}

/// Reads `8=…`, `9=…` and `35=`.
#[inline]
fn opening(bytes: &[u8]) -> Opening {
    let garbled = |resume, why| Opening::Garbled { resume, why };
    let after_opening = OPENING.len();
    let Some(begin_string_end) = find_within(bytes, after_opening, BEGIN_STRING_BYTES_MAX) else {
        return ended(bytes, after_opening + BEGIN_STRING_BYTES_MAX, Garbled::Opening);
    };
    let length_field = begin_string_end + 1;
    let length_start = length_field + 2;
    let rest = &bytes[length_field..];
    if !rest.starts_with(b"9=") {
        return if b"9=".starts_with(rest) {
            Opening::Partial
        } else {
            garbled(after_opening, Garbled::Opening)
        };
    }
    let Some(length_end) = find_within(bytes, length_start, LENGTH_DIGITS_MAX + 1) else {
        return ended(bytes, length_start + LENGTH_DIGITS_MAX + 1, Garbled::BodyLength);
    };
    let Some(length) = unsigned(&bytes[length_start..length_end]) else {
        return garbled(after_opening, Garbled::BodyLength);
    };
    let body_start = length_end + 1;
    let body_end = body_start + length as usize;
    let body = &bytes[body_start..];
    if !body.starts_with(b"35=") {
        return if b"35=".starts_with(body) {
            Opening::Partial
        } else {
            garbled(body_start, Garbled::Opening)
        };
    }
    let Some(next) = body.get(3..5) else { return Opening::Partial };
    let body_bytes_max = if next == [b'A', SOH] { LOGON_BODY_BYTES_MAX } else { BODY_BYTES_MAX };
    if length as usize > body_bytes_max {
        return garbled(body_start, Garbled::TooLong);
    }
    Opening::Whole(Extent { begin_string_end, length_start, body_start, body_end })
}

/// A field that must end before `limit` has not ended.
fn ended(bytes: &[u8], limit: usize, why: Garbled) -> Opening {
    if bytes.len() < limit { Opening::Partial } else { Opening::Garbled { resume: OPENING.len(), why } }
}

#[inline]
fn find_within(bytes: &[u8], from: usize, length_max: usize) -> Option<usize> {
    let end = bytes.len().min(from + length_max);
    bytes[from..end].iter().position(|byte| *byte == SOH).map(|place| from + place)
}

#[cold]
fn skip_to_opening(bytes: &[u8]) -> Framed<'static> {
    if OPENING.starts_with(bytes) {
        return Framed::Partial;
    }
    resynchronise(bytes, 1, Garbled::NoMessage)
}

/// Drops everything up to the next opening at or after `from`, or what may be the start of one.
#[cold]
fn resynchronise(bytes: &[u8], from: usize, why: Garbled) -> Framed<'static> {
    let rest = &bytes[from..];
    let whole = rest.windows(OPENING.len()).position(|window| window == OPENING);
    let place = whole.unwrap_or_else(|| {
        let tail = rest.len().saturating_sub(OPENING.len() - 1);
        (tail..rest.len()).find(|place| OPENING.starts_with(&rest[*place..])).unwrap_or(rest.len())
    });
    Framed::Garbled { used: from + place, why }
}

/// Reads `digits=`; a minus is read too, so that a Reject can name the tag.
#[inline]
pub(crate) fn read_tag(bytes: &[u8], from: usize) -> Option<(i32, usize)> {
    let word = bytes.get(from..).and_then(|rest| rest.first_chunk::<8>());
    match word.and_then(|word| tag_in_word(u64::from_le_bytes(*word))) {
        Some((tag, digits)) => Some((tag, from + digits + 1)),
        None => read_any_tag(bytes, from),
    }
}

/// A tag of 1 to 7 digits and its `=` among eight bytes, and how many digits it has. All digits are turned into a
/// number at once (Lemire, "Quickly parsing eight-digit integers", 2018).
#[inline]
fn tag_in_word(word: u64) -> Option<(i32, usize)> {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let equals = first_zero_byte(word ^ (EACH_BYTE * u64::from(b'=')))?;
    if equals == 0 {
        return None;
    }
    // The digits' values, moved so that what is missing in front counts as zero.
    let digits = (word ^ (EACH_BYTE * u64::from(b'0'))) << (64 - 8 * equals);
    if (digits | digits.wrapping_add(EACH_BYTE * (0x80 - 10))) & EACH_HIGH_BIT != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let even = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let odd = (pairs >> 16 & PAIRS).wrapping_mul(1 + (10_000 << 32));
    let tag = i32::try_from(even.wrapping_add(odd) >> 32).ok()?;
    Some((tag, equals))
}

#[cold]
fn read_any_tag(bytes: &[u8], from: usize) -> Option<(i32, usize)> {
    let mut sum: i32 = 0;
    let mut at = from;
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        if at - from == TAG_DIGITS_MAX {
            return None;
        }
        sum = sum * 10 + i32::from(digit);
        at += 1;
    }
    if bytes.get(at) == Some(&b'=') && at > from {
        return Some((sum, at + 1));
    }
    match bytes.get(from..) {
        Some([b'-', digit, ..]) if digit.is_ascii_digit() => {
            read_any_tag(bytes, from + 1).map(|(tag, start)| (-tag, start))
        }
        _ => None,
    }
}

/// Which of eight bytes, the lowest first, is zero (Warren, "Hacker's Delight", 6-1).
#[inline]
fn first_zero_byte(word: u64) -> Option<usize> {
    let zeros = word.wrapping_sub(EACH_BYTE) & !word & EACH_HIGH_BIT;
    if zeros == 0 { None } else { Some((zeros.trailing_zeros() / 8) as usize) }
}

/// The next SOH, looked for eight bytes at a time.
#[inline]
fn find_soh(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        if let Some(place) = first_zero_byte(u64::from_le_bytes(*word) ^ (EACH_BYTE * u64::from(SOH))) {
            return Some(at + place);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| *byte == SOH).map(|place| at + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_at_once_are_those_read_digit_by_digit() {
        let texts = (0..20_000).map(|tag| format!("{tag}=")).chain(
            [
                "1234567=",
                "12345678=",
                "123456789=",
                "1234567890=",
                "-1=",
                "=",
                "x=",
                "1x=",
                "/=",
                ":=",
                "007=",
                "1",
            ]
            .map(str::to_owned),
        );
        for text in texts {
            for tail in ["", "\x01", "=====9999", "\u{ff}\u{ff}\u{ff}\u{ff}"] {
                let bytes = format!("{text}{tail}").into_bytes();
                assert_eq!(read_tag(&bytes, 0), read_any_tag(&bytes, 0), "{text}{tail}");
            }
        }
    }
}

//! Finds whole lines in a stream of bytes and lists their fields.

use super::{LINE_BYTES_MAX, SEPARATOR};
use crate::fix::frame::read_tag;
use crate::message::{FieldTable, Message};

/// What the front of the buffer is.
#[derive(Debug)]
pub enum Line<'a> {
    /// Not yet a whole line; the bytes must be kept.
    Partial,
    /// Bytes to drop without an answer: an empty line, or the rest of one that was too long.
    Skipped {
        /// How many bytes.
        used: usize,
    },
    /// A line that is no message; it is to be answered.
    Malformed {
        /// How many bytes, from the front of the buffer.
        used: usize,
        /// What is wrong with it, for Text (58).
        why: Malformed,
    },
    /// A whole message.
    Message {
        /// The message.
        message: Message<'a>,
        /// How many bytes it took, from the front of the buffer, with its ending.
        used: usize,
    },
}

/// Why a line is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not start with MsgType.
    #[error("a line starts with 35=")]
    NoMsgType,
    /// A field is not `number=value`.
    #[error("a field is not number=value")]
    Field,
    /// It is longer than allowed.
    #[error("a line has at most 4096 bytes")]
    TooLong,
    /// It has more fields than allowed.
    #[error("a line has at most 256 fields")]
    TooManyFields,
}

/// Reads one connection's lines; holds the table of the line in hand.
#[derive(Debug, Default)]
pub struct Reader {
    table: FieldTable,
    /// The line in hand was too long and has been answered; its rest is being dropped.
    skipping: bool,
}

impl Reader {
    /// Looks at the front of `bytes`. Call again with what follows the `used` bytes until [`Line::Partial`].
    pub fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Line<'a> {
        let end = bytes.iter().take(LINE_BYTES_MAX + 2).position(|byte| *byte == b'\n');
        if self.skipping {
            return self.skip(bytes, end);
        }
        let Some(end) = end else {
            if bytes.len() <= LINE_BYTES_MAX + 1 {
                return Line::Partial;
            }
            // What follows on its end, if that is here, is not part of it.
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.skipping = end.is_none();
            let used = end.map_or(bytes.len(), |end| end + 1);
            return Line::Malformed { used, why: Malformed::TooLong };
        };
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let used = end + 1;
        if line.is_empty() {
            return Line::Skipped { used };
        }
        if line.len() > LINE_BYTES_MAX {
            return Line::Malformed { used, why: Malformed::TooLong };
        }
        match self.split(line) {
            Ok(()) => Line::Message { message: Message::new(line, &self.table), used },
            Err(why) => Line::Malformed { used, why },
        }
    }

    fn skip(&mut self, bytes: &[u8], end: Option<usize>) -> Line<'static> {
        let end = end.or_else(|| bytes.iter().position(|byte| *byte == b'\n'));
        self.skipping = end.is_none();
        match end.map_or(bytes.len(), |end| end + 1) {
            0 => Line::Partial,
            used => Line::Skipped { used },
        }
    }

    fn split(&mut self, line: &[u8]) -> Result<(), Malformed> {
        self.table.clear();
        if !line.starts_with(b"35=") {
            return Err(Malformed::NoMsgType);
        }
        let mut at = 0;
        while at < line.len() {
            let (tag, start) = read_tag(line, at).ok_or(Malformed::Field)?;
            let rest = &line[start..];
            let end =
                rest.iter().position(|byte| *byte == SEPARATOR).map_or(line.len(), |place| start + place);
            if !self.table.push(tag, start, end) {
                return Err(Malformed::TooManyFields);
            }
            at = end + 1;
        }
        Ok(())
    }
}

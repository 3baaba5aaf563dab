//! One connection's decoder: FIX or lines, as its first bytes decided.

use crate::fix::frame::{Framed, Framer};
use crate::fix::validate::Wire;
use crate::line::decode::{Line, Reader};
use crate::message::Message;

/// What the front of the bytes is.
#[derive(Debug)]
pub(super) enum Decoded<'a> {
    /// Not yet anything whole.
    Partial,
    /// Bytes that nobody answers.
    Skipped(usize),
    /// A line that is no message.
    Malformed { used: usize, words: String },
    /// A message.
    Message { message: Message<'a>, used: usize },
}

/// See the module.
#[derive(Debug)]
pub(super) enum Decoder {
    Fix(Framer),
    Line(Reader),
}

impl Decoder {
    pub(super) fn new(wire: Wire) -> Self {
        match wire {
            Wire::Fix => Self::Fix(Framer::default()),
            Wire::Line => Self::Line(Reader::default()),
        }
    }

    pub(super) fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Decoded<'a> {
        match self {
            Self::Fix(framer) => match framer.next(bytes) {
                Framed::Partial => Decoded::Partial,
                Framed::Garbled { used, .. } => Decoded::Skipped(used),
                Framed::Message { message, used } => Decoded::Message { message, used },
            },
            Self::Line(reader) => match reader.next(bytes) {
                Line::Partial => Decoded::Partial,
                Line::Skipped { used } => Decoded::Skipped(used),
                Line::Malformed { used, why } => Decoded::Malformed { used, words: why.to_string() },
                Line::Message { message, used } => Decoded::Message { message, used },
            },
        }
    }
}

//! Frames: how a proven connection cuts its bytes. Bytes in, frames out; any bytes are a frame, part of one, or an error.
//!
//! ```text
//! 0 length u32   4 kind u8   5 0 u8   6 0 u16   8 payload …   8 + length: mac [u8; 16]
//! ```
//!
//! Little-endian; `length` counts the payload alone. The mac (see [`crate::secure`]) covers the frame's number in its
//! direction, header and payload. What a payload means is told in [`crate::message`].

use std::ops::Range;

use thiserror::Error;

use crate::bytes::{array_at, u32_at};
use crate::secure::{Opener, Sealer};

/// Bytes before a frame's payload.
pub const HEADER_BYTES: usize = 8;
/// Bytes behind it.
pub const MAC_BYTES: usize = 16;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $bytes_max:expr;)*) => {
        /// What a frame is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &[Kind] = &[$(Kind::$name,)*];

            const fn of(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Kind::$name),)*
                    _ => None,
                }
            }

            /// The largest payload that is taken.
            pub const fn bytes_max(self) -> usize {
                match self {
                    $(Kind::$name => $bytes_max,)*
                }
            }
        }
    };
}

kinds! {
    /// Who a standby is and what it holds.
    Hello = 1, 512 * 1024;
    /// How the primary goes on with it.
    Welcome = 2, 512 * 1024;
    /// Command records with their place.
    Run = 3, 16 + 4032;
    /// A page ends.
    Close = 4, 8;
    /// How far a standby has come.
    Ack = 5, 56;
    /// Both are there.
    Heartbeat = 6, 32;
    /// The cluster's state.
    State = 7, 64 * 1024;
    /// Follow no epoch below this one.
    Fence = 8, 8;
    /// The answer to it.
    Promise = 9, 4 * 1024;
    /// A question to a node.
    Ask = 10, 4 * 1024;
    /// The answer to it.
    Answer = 11, 64 * 1024;
    /// A planned switch.
    Handover = 12, 8;
    /// Bytes of a snapshot's file.
    Snapshot = 13, 8 + 64 * 1024;
    /// A stored command page.
    Page = 14, 8 + 4096;
    /// A stored event page.
    EventPage = 15, 8 + 4096;
    /// Nothing more to seed.
    SeedDone = 16, 24;
}

/// What is wrong with bytes that should be a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// No frame has this kind.
    #[error("unknown kind of frame {0}")]
    Kind(u8),
    /// The bytes that are zero in each header are not.
    #[error("frame header has a byte that is not zero")]
    Reserved,
    /// Larger than a frame of this kind can be.
    #[error("{kind:?} frame of {length} bytes, at most {max} are taken")]
    Length {
        /// The kind.
        kind: Kind,
        /// The length in the header.
        length: usize,
        /// The largest there is.
        max: usize,
    },
    /// Not what the peer sealed, or not in this place: changed, replayed, reordered or left out.
    #[error("mac of {kind:?} frame {number} is wrong: bytes were changed, replayed, reordered or left out")]
    Mac {
        /// The kind in the header.
        kind: Kind,
        /// The frame's number in its direction, from 0.
        number: u64,
    },
}

/// Appends one frame to `out`; `payload` appends its payload. Panics if that is larger than its kind allows.
pub fn seal(sealer: &mut Sealer, out: &mut Vec<u8>, kind: Kind, payload: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind as u8, 0, 0, 0]);
    payload(out);
    let length = out.len() - at - HEADER_BYTES;
    assert!(length <= kind.bytes_max(), "{kind:?} frame of {length} bytes, at most {}", kind.bytes_max());
    let field = u32::try_from(length).expect("no frame has 4 GiB");
    out[at..at + 4].copy_from_slice(&field.to_le_bytes());
    let mac = sealer.next_mac(&out[at..]);
    out.extend_from_slice(&mac);
}

/// Bytes received that are not yet used up: less than one frame, once [`Self::next`] has said that there is no more.
#[derive(Debug, Default)]
pub struct Inbound {
    buffer: Vec<u8>,
    /// Where the next frame begins.
    from: usize,
}

impl Inbound {
    /// Takes bytes received.
    pub fn push(&mut self, bytes: &[u8]) {
        let is_used_up = self.from == self.buffer.len();
        if is_used_up || self.buffer.capacity() - self.buffer.len() < bytes.len() {
            self.buffer.drain(..self.from);
            self.from = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame: its kind, and where [`Self::payload`] has its payload until bytes are pushed again.
    pub fn next(&mut self, opener: &mut Opener) -> Result<Option<(Kind, Range<usize>)>, FrameError> {
        let received = &self.buffer[self.from..];
        let Some(head) = received.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let (kind, length) = head_of(*head)?;
        let end = HEADER_BYTES + length;
        let Some(frame) = received.get(..end + MAC_BYTES) else { return Ok(None) };
        let number = opener.opened();
        if !opener.next_is(&frame[..end], &array_at(frame, end)) {
            return Err(FrameError::Mac { kind, number });
        }
        let at = self.from + HEADER_BYTES;
        self.from += end + MAC_BYTES;
        Ok(Some((kind, at..at + length)))
    }

    /// The payload that [`Self::next`] told the place of.
    pub fn payload(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }

    /// Bytes held and not used up.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.from
    }

    /// Whether all is used up.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bytes to send that the socket has not taken yet.
#[derive(Debug, Default)]
pub struct Outbound {
    buffer: Vec<u8>,
    /// What is before was sent.
    from: usize,
}

impl Outbound {
    /// What to send next.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.from..]
    }

    /// The first so many bytes of [`Self::pending`] were sent.
    pub fn sent(&mut self, bytes: usize) {
        self.from += bytes;
        assert!(self.from <= self.buffer.len(), "{bytes} bytes sent that were not there");
        if self.from == self.buffer.len() {
            self.buffer.clear();
            self.from = 0;
        }
    }

    /// Where further bytes are appended.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        if self.from > self.buffer.len() / 2 {
            self.buffer.drain(..self.from);
            self.from = 0;
        }
        &mut self.buffer
    }
}

fn head_of(head: [u8; HEADER_BYTES]) -> Result<(Kind, usize), FrameError> {
    let kind = Kind::of(head[4]).ok_or(FrameError::Kind(head[4]))?;
    if head[5..] != [0; 3] {
        return Err(FrameError::Reserved);
    }
    let (length, max) = (usize::try_from(u32_at(&head, 0)).unwrap_or(usize::MAX), kind.bytes_max());
    if length > max { Err(FrameError::Length { kind, length, max }) } else { Ok((kind, length)) }
}

#[cfg(test)]
mod tests;

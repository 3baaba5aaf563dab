//! The record: one command or event as bytes, the same in ring, journal and replication stream.
//!
//! ```text
//!  0 sequence u64      stamped by the matcher; of an event: its command's
//!  8 timestamp u64     stamped by the matcher, ns UTC
//! 16 length u16        whole record, a multiple of 8
//! 18 kind u8           what it is: `command::Kind` or `event::Kind`
//! 19 flags u8
//! 20 crc u32           command: CRC-32C of 16..20 and 24..length, made where it was made; event: its index in its command
//! 24 session u32       0: the node or its operator
//! 28 session_seq u32   command: inbound MsgSeqNum, or the operator's request number; event: outbound MsgSeqNum
//! 32 body              a fixed part, then texts, then zeros to a multiple of 8
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::ids::{Sequence, SessionId, SessionSeq, Timestamp};
use crate::text::Text;

/// Bytes of a record's header.
pub const HEADER_BYTES: usize = 32;
/// Most bytes a record may have: what fits in one page of the journal.
pub const RECORD_BYTES_MAX: usize = 4032;
/// Offsets that others rely on.
pub mod offset {
    /// Of the sequence, 8 bytes.
    pub const SEQUENCE: usize = 0;
    /// Of the timestamp, 8 bytes.
    pub const TIMESTAMP: usize = 8;
    /// Of the length, 2 bytes.
    pub const LENGTH: usize = 16;
    /// Of the kind, 1 byte.
    pub const KIND: usize = 18;
    /// Of the checksum, 4 bytes.
    pub const CRC: usize = 20;
    /// Of the session, 4 bytes.
    pub const SESSION: usize = 24;
    /// Of the session's number, 4 bytes.
    pub const SESSION_SEQ: usize = 28;
}
const _: () = assert!(size_of::<Header>() == HEADER_BYTES);
const _: () = assert!(core::mem::offset_of!(Header, length) == offset::LENGTH);
const _: () = assert!(core::mem::offset_of!(Header, kind) == offset::KIND);
const _: () = assert!(core::mem::offset_of!(Header, crc) == offset::CRC);
const _: () = assert!(core::mem::offset_of!(Header, session_seq) == offset::SESSION_SEQ);

/// The head of every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// Place in the one order of everything.
    pub sequence: Sequence,
    /// When, as the matcher stamped it.
    pub timestamp: Timestamp,
    /// Bytes of the whole record, a multiple of 8.
    pub length: u16,
    /// `command::Kind` or `event::Kind` as a byte.
    pub kind: u8,
    /// Kept zero.
    pub flags: u8,
    /// Checksum of a command; an event's index within its command.
    pub crc: u32,
    /// Whose.
    pub session: SessionId,
    /// The session's own number of it.
    pub session_seq: SessionSeq,
}

/// Why bytes are not a record that this build understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its header, or than its length says.
    #[error("a record of {have} bytes, {need} needed")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes that it says it has.
        need: usize,
    },
    /// A length that no record has.
    #[error("a record length of {0} bytes is not a multiple of 8 between 32 and 4032")]
    Length(u16),
    /// The checksum does not match.
    #[error("checksum {found:08x}, computed {computed:08x}")]
    Crc {
        /// What the record says.
        found: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A kind that this build does not know.
    #[error("unknown record kind {0}")]
    Kind(u8),
    /// A field that holds no valid value.
    #[error("{0} has a value that is not valid")]
    Field(&'static str),
}

impl Header {
    /// Reads the header and checks that `bytes` hold the whole record.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let (header, _) = Self::read_from_prefix(bytes)
            .map_err(|_| Malformed::Short { have: bytes.len(), need: HEADER_BYTES })?;
        let need = usize::from(header.length);
        if !need.is_multiple_of(8) || !(HEADER_BYTES..=RECORD_BYTES_MAX).contains(&need) {
            return Err(Malformed::Length(header.length));
        }
        if bytes.len() < need {
            return Err(Malformed::Short { have: bytes.len(), need });
        }
        Ok(header)
    }
}

/// The checksum of a whole command record: all but sequence, timestamp and the checksum itself.
pub fn crc(record: &[u8]) -> u32 {
    // One run of bytes for records of the usual size: each call of the library costs as much as a hundred bytes.
    const JOINED_MAX: usize = 256;
    let (head, rest) = (&record[offset::LENGTH..offset::CRC], &record[offset::SESSION..]);
    let mut joined = [0; JOINED_MAX];
    match joined.get_mut(..head.len() + rest.len()) {
        Some(joined) => {
            let (to_head, to_rest) = joined.split_at_mut(head.len());
            to_head.copy_from_slice(head);
            to_rest.copy_from_slice(rest);
            crc32c::crc32c(joined)
        }
        None => crc32c::crc32c_append(crc32c::crc32c(head), rest),
    }
}

/// Checks a command record's checksum against its bytes.
pub fn check_crc(record: &[u8], header: &Header) -> Result<(), Malformed> {
    let computed = crc(&record[..usize::from(header.length)]);
    if computed == header.crc { Ok(()) } else { Err(Malformed::Crc { found: header.crc, computed }) }
}

/// Room for one record, reused: what `encode` fills.
#[derive(Clone, Debug)]
pub struct RecordBuffer {
    bytes: Vec<u8>,
}

impl Default for RecordBuffer {
    fn default() -> Self {
        Self { bytes: Vec::with_capacity(RECORD_BYTES_MAX) }
    }
}

impl RecordBuffer {
    /// The record that was encoded last.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Starts a record of `kind`; the rest of the header follows at the end.
    pub(crate) fn start(&mut self, kind: u8) {
        self.bytes.clear();
        self.bytes.resize(HEADER_BYTES, 0);
        self.bytes[offset::KIND] = kind;
    }

    pub(crate) fn fixed<T: IntoBytes + Immutable>(&mut self, part: &T) {
        self.bytes.extend_from_slice(part.as_bytes());
    }

    pub(crate) fn text<const N: usize>(&mut self, text: &Text<N>) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Pads, and stamps length, session and checksum.
    pub(crate) fn finish(&mut self, session: SessionId, number: SessionSeq) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let length = u16::try_from(self.bytes.len()).expect("no record kind exceeds 4032 bytes");
        assert!(usize::from(length) <= RECORD_BYTES_MAX, "a record of {length} bytes does not fit a page");
        self.put(offset::LENGTH, &length.to_le_bytes());
        self.put(offset::SESSION, &session.0.to_le_bytes());
        self.put(offset::SESSION_SEQ, &number.0.to_le_bytes());
        let crc = crc(&self.bytes);
        self.put(offset::CRC, &crc.to_le_bytes());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// The body of a record, taken apart from the front.
#[derive(Debug)]
pub(crate) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    /// The body of a record that [`Header::read`] accepted.
    pub(crate) fn of(record: &'a [u8], header: &Header) -> Self {
        Self(&record[HEADER_BYTES..usize::from(header.length)])
    }

    /// The fixed part; its enumerations are checked.
    pub(crate) fn fixed<T: TryFromBytes + KnownLayout + Immutable>(
        &mut self,
        what: &'static str,
    ) -> Result<T, Malformed> {
        let (part, rest) = T::try_read_from_prefix(self.0).map_err(|_| Malformed::Field(what))?;
        self.0 = rest;
        Ok(part)
    }

    /// A text of `len` bytes.
    pub(crate) fn text<const N: usize>(&mut self, len: u8, what: &'static str) -> Result<Text<N>, Malformed> {
        let (text, rest) = self.0.split_at_checked(usize::from(len)).ok_or(Malformed::Field(what))?;
        self.0 = rest;
        Text::new(text).map_err(|_| Malformed::Field(what))
    }
}

//! One record's frame: what the journal must know of a command or an event to keep it, and no more.
//!
//! ```text
//!  0 sequence u64      16 length u16  18 kind u8  19 flags u8  20 crc u32
//!  8 timestamp u64     24 session u32 (not read here)          28 session number u32 (not read here)
//! 32 payload …         length counts all of it: at least 32, at most 4032, a multiple of 8
//! ```
//!
//! A command's crc is made where the command enters and covers all but what the matcher stamps (sequence, timestamp)
//! and itself. An event has its index within its command in that place.

use thiserror::Error;

use crate::layout::{RECORD_ALIGN_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES, u16_at, u32_at, u64_at};

/// Offset of the sequence, u64: a command's own, an event's command's.
pub const SEQUENCE_AT: usize = 0;
/// Offset of the timestamp, u64 in ns since 1970, UTC.
pub const TIMESTAMP_AT: usize = SEQUENCE_AT + 8;
/// Offset of the record's length in bytes, u16. What the crc covers begins here.
pub const LENGTH_AT: usize = TIMESTAMP_AT + 8;
/// Offset of the kind of command or event, u8.
pub const KIND_AT: usize = LENGTH_AT + 2;
/// Offset of the flags, u8.
pub const FLAGS_AT: usize = KIND_AT + 1;
/// Offset of a command's crc or an event's index, u32.
pub const CRC_AT: usize = FLAGS_AT + 1;
/// Offset of what follows the crc: the second part that the crc covers.
pub const AFTER_CRC_AT: usize = CRC_AT + 4;

const _: () = assert!(AFTER_CRC_AT == 24 && AFTER_CRC_AT + 8 == RECORD_HEADER_BYTES);

/// What is wrong with bytes that should be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Fewer bytes than the record says it has, or than a header has.
    #[error("record cut short: {available} of {needed} bytes")]
    Short {
        /// Bytes that are there.
        available: usize,
        /// Bytes that the record, or its header, has.
        needed: usize,
    },
    /// No record has this length.
    #[error("record length {0} is no multiple of 8 from 32 to 4032")]
    Length(usize),
    /// The bytes are not those that the checksum was made of.
    #[error("record crc is {found:08x}, its bytes give {computed:08x}")]
    Crc {
        /// The crc in the record.
        found: u32,
        /// The crc of its bytes.
        computed: u32,
    },
}

/// A record whose length agrees with its bytes. Nothing else is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at the front of `bytes`, whatever follows it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        if bytes.len() < RECORD_HEADER_BYTES {
            return Err(RecordError::Short { available: bytes.len(), needed: RECORD_HEADER_BYTES });
        }
        let length = usize::from(u16_at(bytes, LENGTH_AT));
        if !length_is_valid(length) {
            return Err(RecordError::Length(length));
        }
        let short = RecordError::Short { available: bytes.len(), needed: length };
        bytes.get(..length).map(|bytes| Self { bytes }).ok_or(short)
    }

    /// The whole record, header included.
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// A command's sequence, or the sequence of an event's command.
    pub fn sequence(self) -> u64 {
        u64_at(self.bytes, SEQUENCE_AT)
    }

    /// When the matcher took the command, in ns since 1970, UTC.
    pub fn timestamp_ns(self) -> u64 {
        u64_at(self.bytes, TIMESTAMP_AT)
    }

    /// Which command or event it is; the journal gives the number no meaning.
    pub fn kind(self) -> u8 {
        self.bytes[KIND_AT]
    }

    /// An event's index within its command.
    pub fn event_index(self) -> u32 {
        u32_at(self.bytes, CRC_AT)
    }

    /// That a command's bytes are those it entered with. (Events have no crc of their own.)
    pub fn check_crc(self) -> Result<(), RecordError> {
        let (found, computed) = (u32_at(self.bytes, CRC_AT), crc(self.bytes));
        if found == computed { Ok(()) } else { Err(RecordError::Crc { found, computed }) }
    }
}

/// Whether a record can have this many bytes.
pub const fn length_is_valid(length: usize) -> bool {
    length >= RECORD_HEADER_BYTES && length <= RECORD_BYTES_MAX && length.is_multiple_of(RECORD_ALIGN_BYTES)
}

/// The CRC-32C that belongs into a command of these bytes. Panics if they are fewer than a header's.
pub fn crc(record: &[u8]) -> u32 {
    assert!(record.len() >= RECORD_HEADER_BYTES, "a record has a header, this has {} bytes", record.len());
    crc32c::crc32c_append(crc32c::crc32c(&record[LENGTH_AT..CRC_AT]), &record[AFTER_CRC_AT..])
}

/// That `bytes` are exactly one command whose length and crc are right.
pub fn check(bytes: &[u8]) -> Result<Record<'_>, RecordError> {
    let record = Record::parse(bytes)?;
    if record.bytes.len() != bytes.len() {
        return Err(RecordError::Length(bytes.len()));
    }
    record.check_crc()?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; RECORD_HEADER_BYTES + payload.len()];
        let length = u16::try_from(bytes.len()).unwrap();
        bytes[LENGTH_AT..KIND_AT].copy_from_slice(&length.to_le_bytes());
        bytes[RECORD_HEADER_BYTES..].copy_from_slice(payload);
        let crc = crc(&bytes);
        bytes[CRC_AT..AFTER_CRC_AT].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn stamping_a_command_leaves_its_crc_right() {
        let mut bytes = command(b"8 or 16.");
        bytes[SEQUENCE_AT..LENGTH_AT].fill(0x5a);
        let record = check(&bytes).unwrap();
        assert_eq!(
            (record.sequence(), record.timestamp_ns()),
            (0x5a5a_5a5a_5a5a_5a5a, 0x5a5a_5a5a_5a5a_5a5a)
        );
    }

    #[test]
    fn every_flipped_bit_outside_the_stamps_is_found() {
        let bytes = command(&[7; 64]);
        for bit in LENGTH_AT * 8..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check(&flipped).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), length: u16) {
            let mut bytes = bytes;
            if let Some(field) = bytes.get_mut(LENGTH_AT..KIND_AT) {
                field.copy_from_slice(&(length % 256).to_le_bytes());
            }
            if let Ok(record) = Record::parse(&bytes) {
                prop_assert!(length_is_valid(record.bytes().len()) && record.bytes().len() <= bytes.len());
            }
            prop_assert!(check(&bytes).is_err(), "a crc met by chance");
        }
    }
}

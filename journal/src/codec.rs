//! The one place where structures become bytes on disk by bincode: `node.meta` and the heads of snapshots.
//!
//! A frame is `magic 8 | format version u32 | payload length u32 | CRC-32C of all the rest u32 | 0 u32 | payload`,
//! little-endian, payload in bincode 1.3.3 with fixed-size integers. A golden file in the tests guards it. Records
//! and pages never pass here.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes before a frame's payload.
pub const FRAME_HEAD_BYTES: usize = 24;
/// Largest payload taken: a snapshot's head with its page, its epochs and a checksum for each of 100,000 chunks.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// They do not begin with the magic asked for.
    #[error("not a {0} file")]
    Magic(String),
    /// Written by another build.
    #[error("format version {found}, this build reads {expected}")]
    Version {
        /// What this build reads.
        expected: u32,
        /// What the file has.
        found: u32,
    },
    /// Cut short or longer than can be.
    #[error("length {0} cannot be")]
    Length(usize),
    /// Bytes have changed since they were written.
    #[error("checksum differs")]
    Checksum,
    /// The checksum is right and the content makes no sense: another build's structure.
    #[error("content: {0}")]
    Content(String),
}

/// What a frame holds and how it is marked.
pub trait Framed: Serialize + DeserializeOwned {
    /// First eight bytes of the frame.
    const MAGIC: [u8; 8];
    /// Grows with each change of the structure.
    const VERSION: u32;
}

fn options() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .with_limit(crate::disk::count(PAYLOAD_BYTES_MAX))
        .reject_trailing_bytes()
}

/// The frame of `value`; panics if it is larger than any that is taken back.
pub fn encode<T: Framed>(value: &T) -> Vec<u8> {
    let payload = options().serialize(value).expect("framed structures are within the limit");
    let mut frame = Vec::with_capacity(FRAME_HEAD_BYTES + payload.len());
    frame.extend_from_slice(&T::MAGIC);
    frame.extend_from_slice(&T::VERSION.to_le_bytes());
    let length = u32::try_from(payload.len()).expect("the limit is below 4 GiB");
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&checksum(&frame, &payload).to_le_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&payload);
    frame
}

/// The value of the frame at the start of `bytes`, and the frame's length.
pub fn decode<T: Framed>(bytes: &[u8]) -> Result<(T, usize), FrameError> {
    let (end, checksum_found) = frame_bytes::<T>(bytes)?;
    let payload = bytes.get(FRAME_HEAD_BYTES..end).ok_or(FrameError::Length(bytes.len()))?;
    if checksum(&bytes[..16], payload) != checksum_found || bytes[20..24] != [0; 4] {
        return Err(FrameError::Checksum);
    }
    let value = options().deserialize(payload).map_err(|error| FrameError::Content(error.to_string()))?;
    Ok((value, end))
}

/// Length of the whole frame and its checksum, by its first [`FRAME_HEAD_BYTES`] bytes.
pub fn frame_bytes<T: Framed>(bytes: &[u8]) -> Result<(usize, u32), FrameError> {
    let head = bytes.get(..FRAME_HEAD_BYTES).ok_or(FrameError::Length(bytes.len()))?;
    if head[..8] != T::MAGIC {
        return Err(FrameError::Magic(String::from_utf8_lossy(&T::MAGIC).trim_end().to_owned()));
    }
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if word(8) != T::VERSION {
        return Err(FrameError::Version { expected: T::VERSION, found: word(8) });
    }
    let length = crate::disk::index(u64::from(word(12)));
    if length > PAYLOAD_BYTES_MAX {
        return Err(FrameError::Length(length));
    }
    Ok((FRAME_HEAD_BYTES + length, word(16)))
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(head), payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u64,
        text: String,
        list: Vec<u32>,
    }

    impl Framed for Sample {
        const MAGIC: [u8; 8] = *b"SAMPLE  ";
        const VERSION: u32 = 3;
    }

    fn sample() -> Sample {
        Sample { number: 7, text: "ab".to_owned(), list: vec![1, 2] }
    }

    #[test]
    fn a_frame_comes_back_as_it_went() {
        let frame = encode(&sample());
        assert_eq!(decode::<Sample>(&frame), Ok((sample(), frame.len())));
    }

    #[test]
    fn any_changed_bit_of_a_frame_is_noticed() {
        let frame = encode(&sample());
        for bit in 0..frame.len() * 8 {
            let mut changed = frame.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<Sample>(&changed).is_err(), "bit {bit}");
        }
        for length in 0..frame.len() {
            assert!(decode::<Sample>(&frame[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn the_format_is_the_golden_one() {
        let golden = b"SAMPLE  \x03\0\0\0\x22\0\0\0\x02\x20\x44\x68\0\0\0\0\
            \x07\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0ab\x02\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0";
        assert_eq!(encode(&sample()), golden);
    }
}

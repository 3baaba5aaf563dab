//! Frames as a fuzzer makes them: right ones, changed ones, and any.

use rialto_replicator::frame::Kind;
use serde::Serialize;

use crate::bytes::Bytes;

const EDITS_MAX: usize = 4;

/// A frame before it is sealed.
pub(crate) type Frame = (Kind, Vec<u8>);

/// A structure as a payload.
pub(crate) fn structure<T: Serialize>(kind: Kind, value: &T) -> Frame {
    let mut payload = Vec::new();
    rialto_replicator::message::put(&mut payload, kind, value);
    (kind, payload)
}

/// Words as a payload.
pub(crate) fn words(kind: Kind, words: &[u64]) -> Frame {
    (kind, words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

/// Any bytes as any frame.
pub(crate) fn any(bytes: &mut Bytes<'_>) -> Frame {
    let kind = Kind::ALL[bytes.below(Kind::ALL.len())];
    let length = usize::from(bytes.word16()) % (kind.bytes_max() + 1);
    (kind, bytes.take(length).to_vec())
}

/// A frame with bytes of its payload changed, or cut, or longer; whether it is another one now.
pub(crate) fn edit(frame: &mut Frame, bytes: &mut Bytes<'_>) -> bool {
    let (kind, payload) = frame;
    let before = payload.clone();
    for _ in 0..bytes.below(EDITS_MAX + 1) {
        let (verb, at) = (bytes.byte() % 8, bytes.below(payload.len() + 1));
        match verb {
            0 => payload.truncate(at),
            1 => payload.extend_from_slice(bytes.take(at % 16)),
            _ => {
                let taken = bytes.take(usize::from(verb));
                for (byte, to) in payload[at..].iter_mut().zip(taken) {
                    *byte = *to;
                }
            }
        }
    }
    payload.truncate(kind.bytes_max());
    *payload != before
}

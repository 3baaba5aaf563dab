//! The stamp of a slot: says which message, if any, the slot holds. See [`crate::layout`].

use crate::layout::{MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN};

const INDEX_BITS: u32 = 48;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
const CONTINUES: u64 = 0xFFFF;
const UNUSED: u64 = 0;

/// The word as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) u64);

/// What a consumer that waits for the message at an index makes of the stamp found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The message has not been published.
    Nothing,
    /// A message of so many bytes starts here, a possible length.
    Message(usize),
    /// No honest producer has ever stored this here.
    Impossible,
}

impl Stamp {
    /// Of the first slot of a message of `length` bytes, at `index`. The length must have been checked.
    pub(crate) fn first(index: u64, length: usize) -> Self {
        Self::marked(index, length as u64)
    }

    /// Of a slot that continues a message.
    pub(crate) fn continues(index: u64) -> Self {
        Self::marked(index, CONTINUES)
    }

    /// Of the slot that will hold `index` in a new ring of so many slots.
    pub(crate) fn unused(index: u64, slots: u32) -> Self {
        Self::marked(index.wrapping_sub(u64::from(slots)), UNUSED)
    }

    pub(crate) fn found_at(self, index: u64, slots: u32) -> Found {
        let tag = self.0 & INDEX_MASK;
        let length = usize::from((self.0 >> INDEX_BITS) as u16);
        if tag == tag_of(index) {
            match length {
                MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX => Found::Message(length),
                _ => Found::Impossible,
            }
        } else if tag == tag_of(index.wrapping_sub(u64::from(slots))) {
            Found::Nothing
        } else {
            Found::Impossible
        }
    }

    fn marked(index: u64, mark: u64) -> Self {
        Self(mark << INDEX_BITS | tag_of(index))
    }
}

fn tag_of(index: u64) -> u64 {
    index.wrapping_add(1) & INDEX_MASK
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn check(stamp: Stamp, index: u64, found: Found) {
        assert_eq!(stamp.found_at(index, 64), found, "{stamp:x?} at {index:x}");
    }

    #[test]
    fn a_stamp_is_told_from_every_other_lap_and_length() {
        for index in [0, 63, 64, (1 << 32) - 1, (1 << 48) - 2, (1 << 48) - 1, 1 << 48, 1 << 62] {
            check(Stamp::first(index, 8), index, Found::Message(8));
            check(Stamp::first(index, 4096), index, Found::Message(4096));
            check(Stamp::first(index, 7), index, Found::Impossible);
            check(Stamp::first(index, 4097), index, Found::Impossible);
            check(Stamp::continues(index), index, Found::Impossible);
            check(Stamp::unused(index, 64), index, Found::Nothing);
            check(Stamp::first(index, 8), index + 64, Found::Nothing);
            check(Stamp::continues(index), index + 64, Found::Nothing);
            check(Stamp::first(index, 8), index + 128, Found::Impossible);
            check(Stamp::first(index + 64, 8), index, Found::Impossible);
        }
    }
}

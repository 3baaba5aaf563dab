//! What lies where in a ring's file and in a doorbell's file. Told here once; all else uses these constants.
//!
//! ```text
//! ring        0        8        16       24       32       40       48       56
//!      0  | magic  | version| schema |genera- | slots  | start  | creator| creator |  written by the creator before
//!         |        | slot B |        |  tion  | gateway| index  | pid, 0 | start   |  READY, copied at attach, never re-read
//!     64  | state u32: NEW, READY, POISONED
//!    128  | consumer position u64: index of the first slot not yet free for reuse; the consumer's alone
//!    256  | producer claim u32: pid of the one producer      320 | consumer claim u32
//!    384  | producer sleep u32 (a SleepFlag)                 512 | consumer sleep u32
//!         | zero
//!   4096  | slot 0: stamp u64, 120 bytes of payload
//!   4224  | slot 1 …                                         slot of index i is i mod slots
//!
//! doorbell 0  | magic | version, 0 | 0 | generation | …     64 | state u32      128 | the futex word u32
//! ```
//!
//! A *message* has 8 to 4096 bytes. Its first 8 belong to the ring while it is there and come out as zero; the others
//! fill the payload of ⌈(length − 8) / 120⌉ slots, at least one, at consecutive indexes. A slot's *stamp* is its length
//! mark in the top 16 bits and, in the low 48, its index + 1:
//!
//! ```text
//! first slot of a message   length          | index + 1 mod 2⁴⁸     stored last, with Release: it publishes the message
//! slots that continue it    0xFFFF          | index + 1 mod 2⁴⁸
//! not yet written           of one lap ago  | index + 1 − slots     a new ring's slots look so too, with mark 0
//! ```
//!
//! All numbers are little-endian (this crate builds only on machines that are). What two sides write lies 64 or more
//! bytes apart, and what is hot 128, because the hardware fetches lines in pairs.

use thiserror::Error;

/// First word of a ring's file.
pub const MAGIC: u64 = u64::from_le_bytes(*b"RIALTORG");
/// First word of a doorbell's file.
pub const DOORBELL_MAGIC: u64 = u64::from_le_bytes(*b"RIALTODB");
/// Moves with every change of this page.
pub const LAYOUT_VERSION: u32 = 1;

const WORD_BYTES: usize = 8;
/// A message's first bytes, which belong to the ring while the message is in it.
pub const STAMP_BYTES: usize = WORD_BYTES;
/// One slot: two cache lines. (A model has small ones, so that a message of two slots stays cheap to explore.)
#[cfg(not(loom))]
pub const SLOT_BYTES: usize = 128;
/// One slot of a model.
#[cfg(loom)]
pub const SLOT_BYTES: usize = 24;
/// What a slot carries of a message.
pub const PAYLOAD_BYTES: usize = SLOT_BYTES - STAMP_BYTES;
pub(crate) const SLOT_WORDS: usize = SLOT_BYTES / WORD_BYTES;

/// The shortest message: nothing but the ring's own bytes.
pub const MESSAGE_BYTES_MIN: usize = STAMP_BYTES;
/// The longest message: a page of the journal, so that no record that the journal takes is too long for the ring.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// Everything before slot 0, in a file of its own page.
pub const HEADER_BYTES: usize = 4096;
/// The fewest slots: the longest message has room in a ring of any size.
pub const SLOTS_MIN: u32 = 64;
/// The most slots: 128 MiB.
pub const SLOTS_MAX: u32 = 1 << 20;
/// The highest first index: from here a thousand million slots a second take 146 years to the end of a u64.
pub const START_MAX: u64 = 1 << 62;

const LINE_BYTES: usize = 64;
const PAIR_BYTES: usize = 2 * LINE_BYTES;

pub(crate) const AT_MAGIC: usize = 0;
pub(crate) const AT_VERSION: usize = AT_MAGIC + 8;
pub(crate) const AT_SLOT_BYTES: usize = AT_VERSION + 4;
pub(crate) const AT_SCHEMA: usize = AT_SLOT_BYTES + 4;
pub(crate) const AT_GENERATION: usize = AT_SCHEMA + 8;
pub(crate) const AT_SLOTS: usize = AT_GENERATION + 8;
pub(crate) const AT_GATEWAY: usize = AT_SLOTS + 4;
pub(crate) const AT_START: usize = AT_GATEWAY + 4;
pub(crate) const AT_CREATOR_PID: usize = AT_START + 8;
pub(crate) const AT_CREATOR_START: usize = AT_CREATOR_PID + 8;
pub(crate) const AT_STATE: usize = AT_CREATOR_START + 8;
pub(crate) const AT_CONSUMER_POSITION: usize = PAIR_BYTES;
pub(crate) const AT_PRODUCER_CLAIM: usize = AT_CONSUMER_POSITION + PAIR_BYTES;
pub(crate) const AT_CONSUMER_CLAIM: usize = AT_PRODUCER_CLAIM + LINE_BYTES;
pub(crate) const AT_PRODUCER_SLEEP: usize = AT_CONSUMER_CLAIM + LINE_BYTES;
pub(crate) const AT_CONSUMER_SLEEP: usize = AT_PRODUCER_SLEEP + PAIR_BYTES;
pub(crate) const AT_FUTEX: usize = PAIR_BYTES;
const AT_HEADER_END: usize = AT_CONSUMER_SLEEP + PAIR_BYTES;

const _: () = {
    assert!(AT_STATE == LINE_BYTES, "what is copied at attach fills one line");
    assert!(AT_HEADER_END <= HEADER_BYTES, "the fields fit in the header");
    assert!(HEADER_BYTES.is_multiple_of(PAIR_BYTES), "slot 0 starts a pair of lines");
    assert!(SLOT_BYTES.is_multiple_of(WORD_BYTES), "a slot is whole words");
    assert!(cfg!(loom) || SLOT_BYTES == PAIR_BYTES, "a slot is a pair of lines");
    assert!(
        cfg!(loom) || slots_for(MESSAGE_BYTES_MAX) <= SLOTS_MIN as usize,
        "the longest message fits the smallest ring"
    );
    assert!(
        SLOTS_MIN.is_power_of_two() && SLOTS_MAX.is_power_of_two(),
        "a slot is found by masking its index"
    );
    assert!(MESSAGE_BYTES_MAX < u16::MAX as usize, "a length is never the mark of a slot that continues");
    assert!(
        cfg!(target_endian = "little") && cfg!(target_pointer_width = "64"),
        "64-bit little-endian machines only"
    );
};

/// Slots that a message of this many bytes takes.
pub const fn slots_for(message_bytes: usize) -> usize {
    let slots = message_bytes.saturating_sub(STAMP_BYTES).div_ceil(PAYLOAD_BYTES);
    if slots == 0 { 1 } else { slots }
}

/// Which ring this is. An attach says what it expects and is refused if anything differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Stands for the layouts of all records that go through the ring: two builds that differ must not talk.
    pub schema: u64,
    /// The matcher's life that the ring belongs to.
    pub generation: u64,
    /// The gateway at the ring's producing end.
    pub gateway: u32,
}

/// The number of slots of a ring and its first index. Having one tells you that they are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    slots: u32,
    start: u64,
}

/// A ring cannot have this many slots, or start there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{slots} slots from index {start}: need a power of two from {SLOTS_MIN} to {SLOTS_MAX}, and a start up to {START_MAX}"
)]
pub struct SlotsOutOfRange {
    /// Slots asked for.
    pub slots: u32,
    /// First index asked for.
    pub start: u64,
}

impl Geometry {
    /// A ring of `slots` slots, a power of two from [`SLOTS_MIN`] to [`SLOTS_MAX`], whose first index is 0.
    pub fn new(slots: u32) -> Result<Self, SlotsOutOfRange> {
        Self::starting_at(slots, 0)
    }

    /// The same, with another first index, up to [`START_MAX`]: a ring as it is after long use.
    pub fn starting_at(slots: u32, start: u64) -> Result<Self, SlotsOutOfRange> {
        let in_range = cfg!(loom) || (SLOTS_MIN..=SLOTS_MAX).contains(&slots);
        if in_range && slots.is_power_of_two() && start <= START_MAX {
            Ok(Self { slots, start })
        } else {
            Err(SlotsOutOfRange { slots, start })
        }
    }

    /// Number of slots.
    pub fn slots(self) -> u32 {
        self.slots
    }

    /// Index of the first message.
    pub fn start(self) -> u64 {
        self.start
    }

    /// Bytes of the ring's file.
    pub fn file_bytes(self) -> usize {
        HEADER_BYTES + self.slots as usize * SLOT_BYTES
    }
}

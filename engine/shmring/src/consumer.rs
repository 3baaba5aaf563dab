//! The end of the ring where messages come out.
//!
//! A message is copied out as words into the caller's own memory before anybody looks at it; what it says is the
//! caller's to check, and the peer cannot change it any more.

use std::ops::{Deref, DerefMut};

use crate::{
    layout::{MESSAGE_BYTES_MAX, PAYLOAD_BYTES, SLOT_WORDS, STAMP_BYTES, slots_for},
    poison::{Cause, Poisoned},
    region::{Region, Side, Taken},
    stamp::{Found, Stamp},
    sync::{Arc, AtomicU64, Ordering},
};

/// Slots after which the consumer publishes its position if nobody asked: few enough that a producer seldom finds the
/// ring full, many enough that the line does not travel for each message. Small rings: a quarter of the ring.
const PUBLISH_SLOTS: u64 = 64;

/// The one consumer of a ring. Lines apart from its neighbours, as the producer may be one.
#[derive(Debug)]
#[repr(align(128))]
pub struct Consumer {
    region: Arc<Region>,
    slots: u32,
    publish_slots: u64,
    /// Index of the next message.
    position: u64,
    /// The position that the producer may know.
    published: u64,
    poisoned: Option<Poisoned>,
}

/// Private memory for one message, of any length, 8-aligned as records want it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct MessageBuffer([u8; MESSAGE_BYTES_MAX]);

impl Consumer {
    /// Takes the ring's consuming end, once and for all.
    pub fn new(region: Arc<Region>) -> Result<Self, Taken> {
        region.claim(Side::Consumer)?;
        let (slots, start) = (region.geometry().slots(), region.geometry().start());
        let publish_slots = (u64::from(slots) / 4).clamp(1, PUBLISH_SLOTS);
        Ok(Self { region, slots, publish_slots, position: start, published: start, poisoned: None })
    }

    /// Copies the next message out and says how many bytes it has; its first 8 are zero. What lies behind it in `into`
    /// is unspecified. `Ok(None)`: there is none now. A poisoned ring stays so.
    #[inline]
    pub fn try_pop(&mut self, into: &mut MessageBuffer) -> Result<Option<usize>, Poisoned> {
        let slot = self.region.memory().slot(self.position);
        // Asked for now, the slot's second line travels beside its first, not after it.
        #[cfg(not(loom))]
        crate::hint::prefetch(&slot[SLOT_WORDS / 2]);
        // Pairs with the Release in `Producer::publish`: who sees the stamp sees the payload.
        let stamp = Stamp(slot[0].load(Ordering::Acquire));
        match stamp.found_at(self.position, self.slots) {
            Found::Message(length) if self.poisoned.is_none() => {
                self.copy_out(length, into)?;
                self.position += slots_for(length) as u64;
                if self.position - self.published >= self.publish_slots {
                    self.release();
                }
                Ok(Some(length))
            }
            Found::Nothing if self.poisoned.is_none() && !self.region.is_given_up() => {
                self.release();
                Ok(None)
            }
            Found::Nothing => Err(self.poison(Cause::Peer)),
            Found::Message(_) | Found::Impossible => Err(self.poison(Cause::Stamp { found: stamp.0 })),
        }
    }

    /// Tells the producer that all messages popped so far have made room. Done anyway every few messages and when the
    /// ring is found empty; call it at the end of a turn that stops earlier.
    #[inline]
    pub fn release(&mut self) {
        if self.published != self.position {
            // Pairs with the Acquire in `Producer::look_at_consumer`: our reads come before its next stores.
            self.region.consumer_position().store(self.position, Ordering::Release);
            self.published = self.position;
        }
    }

    /// Whether a pop would find nothing. False for a poisoned ring, so that the next pop tells.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // Relaxed: nothing but the stamp is looked at. A sleeper's fence stands before it (`SleepFlag::announce`).
        let stamp = Stamp(self.region.memory().slot(self.position)[0].load(Ordering::Relaxed));
        self.poisoned.is_none() && stamp.found_at(self.position, self.slots) == Found::Nothing
    }

    /// The ring that this empties.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    #[inline]
    fn copy_out(&mut self, length: usize, into: &mut MessageBuffer) -> Result<(), Poisoned> {
        let (stamp, payload) = into.0.split_at_mut(STAMP_BYTES);
        stamp.fill(0);
        // Whole words: behind a message of 4096 bytes or fewer there is room for them.
        let payload = &mut payload[..(length - STAMP_BYTES).next_multiple_of(8)];
        let (first, rest) = payload.split_at_mut(payload.len().min(PAYLOAD_BYTES));
        copy_payload(self.region.memory().slot(self.position), first);
        for (index, part) in (self.position + 1..).zip(rest.chunks_mut(PAYLOAD_BYTES)) {
            let slot = self.region.memory().slot(index);
            // Relaxed: stored before the first slot's stamp, which has been seen.
            let (found, expected) = (slot[0].load(Ordering::Relaxed), Stamp::continues(index).0);
            if found != expected {
                return Err(self.poison(Cause::Continuation { found, expected }));
            }
            copy_payload(slot, part);
        }
        Ok(())
    }

    #[cold]
    fn poison(&mut self, cause: Cause) -> Poisoned {
        self.region.give_up();
        *self.poisoned.get_or_insert(Poisoned { index: self.position, cause })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.release();
    }
}

#[inline]
fn copy_payload(slot: &[AtomicU64; SLOT_WORDS], part: &mut [u8]) {
    if let Ok(full) = <&mut [u8; PAYLOAD_BYTES]>::try_from(&mut *part) {
        // The same with a length that the compiler knows: a quarter less time for push and pop together.
        for (bytes, word) in full.as_chunks_mut::<8>().0.iter_mut().zip(&slot[1..]) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        return;
    }
    for (bytes, word) in part.as_chunks_mut::<8>().0.iter_mut().zip(&slot[1..]) {
        *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
    }
}

impl MessageBuffer {
    /// All zero.
    pub fn new() -> Self {
        Self([0; MESSAGE_BYTES_MAX])
    }
}

impl Default for MessageBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for MessageBuffer {
    type Target = [u8; MESSAGE_BYTES_MAX];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for MessageBuffer {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

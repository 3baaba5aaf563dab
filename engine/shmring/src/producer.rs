//! The end of the ring where messages go in.
//!
//! A message exists once its first slot's stamp is stored, and that is the last store of all; so a producer that dies
//! half-way has put in nothing.

use thiserror::Error;

use crate::{
    layout::{MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN, PAYLOAD_BYTES, SLOT_WORDS, STAMP_BYTES, slots_for},
    poison::{Cause, Poisoned},
    region::{Region, Side, Taken},
    stamp::Stamp,
    sync::{Arc, AtomicU64, Ordering},
};

/// The one producer of a ring. Lines apart from its neighbours, as the consumer may be one.
#[derive(Debug)]
#[repr(align(128))]
pub struct Producer {
    region: Arc<Region>,
    slots: u64,
    /// Index of the next slot to fill.
    head: u64,
    /// The consumer's position as last read: at most `head`, and never lower than before.
    consumed: u64,
    /// Slots below this index may be filled: a lap beyond `consumed`. Zero in a poisoned ring, so every push looks again.
    limit: u64,
    poisoned: Option<Poisoned>,
}

/// A message did not go in, and nothing of it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PushError {
    /// The consumer has not yet made room for a message of this length.
    #[error("the ring is full")]
    Full,
    /// Over [`MESSAGE_BYTES_MAX`].
    #[error("a message of {bytes} bytes is too long: at most {MESSAGE_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Under [`MESSAGE_BYTES_MIN`].
    #[error("a message of {bytes} bytes is too short: at least {MESSAGE_BYTES_MIN}")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
    /// The ring is dead.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

impl Producer {
    /// Takes the ring's producing end, once and for all.
    pub fn new(region: Arc<Region>) -> Result<Self, Taken> {
        region.claim(Side::Producer)?;
        let geometry = region.geometry();
        let (slots, start) = (u64::from(geometry.slots()), geometry.start());
        Ok(Self { region, slots, head: start, consumed: start, limit: start + slots, poisoned: None })
    }

    /// Puts one message in, all but its first 8 bytes, which come out as zero. Wakes nobody.
    #[inline]
    pub fn try_push(&mut self, message: &[u8]) -> Result<(), PushError> {
        let slots = self.room_for(self.head, message)?;
        self.fill(self.head, message);
        self.publish(message.len());
        self.head += slots;
        Ok(())
    }

    /// Puts in as many of the messages as there is room for and says how many. They appear to the consumer all at once,
    /// or, if this process dies first, not at all. An error means that the first of them did not go in; one that is met
    /// later ends the batch before it, and comes back when the rest is tried again. An empty batch is `Ok(0)`.
    /// If `messages` panics, the batch ends there too.
    pub fn push_batch<'m>(
        &mut self,
        messages: impl IntoIterator<Item = &'m [u8]>,
    ) -> Result<usize, PushError> {
        let mut batch = Batch { next: self.head, first_bytes: 0, producer: self };
        let mut count = 0;
        for message in messages {
            match batch.add(message) {
                Ok(()) => count += 1,
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(count)
    }

    /// Slots that can be filled now, as the consumer has last published.
    pub fn free_slots(&mut self) -> Result<usize, Poisoned> {
        self.look_at_consumer()?;
        Ok(usize::try_from(self.limit - self.head).expect("at most the number of slots"))
    }

    /// The ring that this fills.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Slots that `message` needs, if they are free from `index` on.
    #[inline]
    fn room_for(&mut self, index: u64, message: &[u8]) -> Result<u64, PushError> {
        let bytes = message.len();
        if bytes > MESSAGE_BYTES_MAX {
            return Err(PushError::TooLong { bytes });
        }
        if bytes < MESSAGE_BYTES_MIN {
            return Err(PushError::TooShort { bytes });
        }
        let slots = slots_for(bytes) as u64;
        if index + slots > self.limit {
            self.look_at_consumer()?;
            if index + slots > self.limit {
                return Err(PushError::Full);
            }
        }
        Ok(slots)
    }

    #[cold]
    fn look_at_consumer(&mut self) -> Result<(), Poisoned> {
        if let Some(poisoned) = self.poisoned {
            return Err(poisoned);
        }
        // Pairs with the Release in `Consumer::release`: the consumer's reads of these slots come before our stores.
        let found = self.region.consumer_position().load(Ordering::Acquire);
        let cause = if found < self.consumed || found > self.head {
            Cause::Position { found, low: self.consumed, high: self.head }
        } else if self.region.is_given_up() {
            Cause::Peer
        } else {
            self.consumed = found;
            self.limit = found + self.slots;
            return Ok(());
        };
        let poisoned = Poisoned { index: self.head, cause };
        self.poisoned = Some(poisoned);
        self.limit = 0;
        self.region.give_up();
        Err(poisoned)
    }

    /// Stores all of the message but its first slot's stamp.
    #[inline]
    fn fill(&self, index: u64, message: &[u8]) {
        let payload = &message[STAMP_BYTES..];
        let (first, rest) = payload.split_at(payload.len().min(PAYLOAD_BYTES));
        fill_payload(self.region.memory().slot(index), first);
        for (index, part) in (index + 1..).zip(rest.chunks(PAYLOAD_BYTES)) {
            let slot = self.region.memory().slot(index);
            fill_payload(slot, part);
            slot[0].store(Stamp::continues(index).0, Ordering::Relaxed);
        }
    }

    /// Stores the stamp at `head`, and so shows the message there and what was filled after it.
    #[inline]
    fn publish(&self, length: usize) {
        // Pairs with the Acquire in `Consumer::try_pop`: who sees the stamp sees the payload.
        self.region.memory().slot(self.head)[0].store(Stamp::first(self.head, length).0, Ordering::Release);
    }
}

/// Messages filled in behind one that is not yet shown. Dropping it shows them, also when a panic does so: stamps of this
/// lap must never stay behind where the next message may end.
struct Batch<'p> {
    producer: &'p mut Producer,
    first_bytes: usize,
    next: u64,
}

impl Batch<'_> {
    #[inline]
    fn add(&mut self, message: &[u8]) -> Result<(), PushError> {
        let index = self.next;
        let slots = self.producer.room_for(index, message)?;
        self.producer.fill(index, message);
        if index == self.producer.head {
            self.first_bytes = message.len();
        } else {
            // Relaxed: the consumer comes here only after it has seen the first message's stamp.
            let stamp = Stamp::first(index, message.len());
            self.producer.region.memory().slot(index)[0].store(stamp.0, Ordering::Relaxed);
        }
        self.next = index + slots;
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.next != self.producer.head {
            self.producer.publish(self.first_bytes);
            self.producer.head = self.next;
        }
    }
}

/// Words are kept as they lie in memory. The last may be cut short and is filled up with zeros.
#[inline]
fn fill_payload(slot: &[AtomicU64; SLOT_WORDS], part: &[u8]) {
    if let Ok(full) = <&[u8; PAYLOAD_BYTES]>::try_from(part) {
        // The same with a length that the compiler knows: a quarter less time for push and pop together.
        for (word, bytes) in slot[1..].iter().zip(full.as_chunks::<8>().0) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        return;
    }
    let (words, rest) = part.as_chunks::<8>();
    for (word, bytes) in slot[1..].iter().zip(words) {
        word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    }
    if !rest.is_empty() {
        let mut bytes = [0; 8];
        bytes[..rest.len()].copy_from_slice(rest);
        slot[1 + words.len()].store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
    }
}

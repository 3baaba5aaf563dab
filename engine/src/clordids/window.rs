//! The last names of one session: a ring of keys in the order in which they came, and a table from key to place.
//!
//! A table entry is one word: whether it is used, 17 bits of the key's hash, of which the upper 15 are the slot where it
//! belongs, and the place in the ring. So an entry can be moved when another leaves, and nearly every name that is new
//! is seen to be new, without looking into the ring.

use rialto_protocol::SessionSeq;
use rialto_shmring::hint::prefetch;

use super::Key;

/// Names that a session's window keeps.
pub const NAMES_KEPT: usize = 1 << PLACE_BITS;

const PLACE_BITS: u32 = 14;
const SLOT_BITS: u32 = 15;
const SLOTS: usize = 1 << SLOT_BITS;
/// Bits of the hash that a table entry keeps beyond those that say where it belongs: they spare a look into the ring.
const TAG_BITS: u32 = 2;
const HASH_BITS: u32 = SLOT_BITS + TAG_BITS;
const USED: u32 = 1 << 31;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: Key,
    answer: SessionSeq,
    hash: u32,
}

const _: () = assert!(size_of::<Entry>() == 24);

/// The last names of one session.
#[derive(Clone, Debug, Default)]
pub struct Window {
    ring: Vec<Entry>,
    /// Nothing until the first name comes. Of a length that the compiler knows, so that a masked index needs no check.
    table: Option<Box<Table>>,
    /// Where the next name goes once the ring is full.
    next: usize,
}

type Table = [u32; SLOTS];

impl Window {
    /// The message that first answered this name.
    #[inline]
    pub fn answer(&self, key: Key) -> Option<SessionSeq> {
        self.find(key).map(|at| self.ring[at].answer)
    }

    pub(super) fn answered(&mut self, key: Key, answer: SessionSeq) {
        if let Some(at) = self.find(key) {
            self.ring[at].answer = answer;
        }
    }

    /// Notes a name that it does not hold; the oldest one leaves when it is full.
    #[inline]
    pub(super) fn note(&mut self, key: Key, answer: SessionSeq) {
        let Self { ring, table, next } = self;
        let table = table.get_or_insert_with(|| {
            ring.reserve_exact(NAMES_KEPT);
            vec![0; SLOTS].into_boxed_slice().try_into().expect("as many as the array has")
        });
        let hash = hash(key);
        let entry = Entry { key, answer, hash };
        let place = if ring.len() < NAMES_KEPT {
            ring.push(entry);
            ring.len() - 1
        } else {
            let place = *next;
            *next = (place + 1) % NAMES_KEPT;
            let oldest = std::mem::replace(&mut ring[place], entry);
            forget(table, oldest.hash, place);
            // The one that leaves next: where it stands is seldom in a near cache.
            prefetch(&table[home(ring[*next].hash)]);
            place
        };
        let mut at = home(hash);
        while table[at] != 0 {
            at = (at + 1) % SLOTS;
        }
        table[at] = packed(hash, place);
    }

    /// Place of a name in the ring.
    #[inline]
    fn find(&self, key: Key) -> Option<usize> {
        let table = self.table.as_ref()?;
        let hash = hash(key);
        let mut at = home(hash);
        loop {
            let word = table[at];
            if word == 0 {
                return None;
            }
            if hash_of(word) == hash && self.ring[place(word)].key == key {
                return Some(place(word));
            }
            at = (at + 1) % SLOTS;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// All names, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, SessionSeq)> {
        let (newer, older) = self.ring.split_at(self.next);
        older.iter().chain(newer).map(|entry| (entry.key, entry.answer))
    }
}

/// Takes the name at a place of the ring out of the table, and closes the gap: entries behind it move up unless they
/// stand where they belong.
#[inline]
fn forget(table: &mut Table, hash: u32, left: usize) {
    let leaves = packed(hash, left);
    let mut gap = home(hash);
    while table[gap] != leaves {
        gap = (gap + 1) % SLOTS;
    }
    let mut at = gap;
    loop {
        at = (at + 1) % SLOTS;
        let word = table[at];
        if word == 0 {
            break;
        }
        // Distance from where it belongs to where it is, and to the gap, around the end of the table.
        let (from_home, from_gap) = ((at + SLOTS - slot(word)) % SLOTS, (at + SLOTS - gap) % SLOTS);
        if from_home >= from_gap {
            table[gap] = word;
            gap = at;
        }
    }
    table[gap] = 0;
}

#[inline]
fn hash(key: Key) -> u32 {
    u32::try_from(key.spread(0) >> (64 - HASH_BITS)).expect("17 bits")
}

/// Where an entry of this hash belongs.
#[inline]
fn home(hash: u32) -> usize {
    (hash >> TAG_BITS) as usize
}

#[inline]
fn packed(hash: u32, place: usize) -> u32 {
    USED | (hash << PLACE_BITS) | u32::try_from(place).expect("14 bits")
}

#[inline]
fn hash_of(word: u32) -> u32 {
    (word & !USED) >> PLACE_BITS
}

/// The slot where an entry belongs.
#[inline]
fn slot(word: u32) -> usize {
    home(hash_of(word))
}

#[inline]
fn place(word: u32) -> usize {
    word as usize % NAMES_KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots from where a key belongs to where it stands, at most.
    fn longest_probe(window: &Window) -> usize {
        let used =
            window.table.iter().flat_map(|table| table.iter()).enumerate().filter(|&(_, &word)| word != 0);
        used.map(|(at, &word)| (at + SLOTS - slot(word)) % SLOTS).max().unwrap_or(0)
    }

    #[test]
    fn window_forgets_the_oldest_name_and_no_other_for_ever() {
        let key = |number: usize| Key::of(&number.to_string().parse().unwrap());
        let mut window = Window::default();
        for number in 0..5 * NAMES_KEPT {
            assert_eq!(window.answer(key(number)), None);
            window.note(key(number), SessionSeq(u32::try_from(number).unwrap()));
            if number % 777 == 0 {
                let oldest = (number + 1).saturating_sub(NAMES_KEPT);
                assert!(window.answer(key(oldest)).is_some() && window.answer(key(number)).is_some());
                assert_eq!(oldest.checked_sub(1).and_then(|before| window.answer(key(before))), None);
                assert_eq!(
                    window.table.iter().flat_map(|table| table.iter()).filter(|&&word| word != 0).count(),
                    window.ring.len()
                );
                assert!(
                    longest_probe(&window) < 256,
                    "{} slots after {number} names",
                    longest_probe(&window)
                );
            }
        }
    }
}

//! The last names of one session: a ring of keys in the order in which they came, and a table from key to place.
//!
//! A table entry is one word: whether it is used, the slot where its key belongs, and the place in the ring. So an
//! entry can be moved when another leaves, and nearly every name that is new is seen to be new, without looking into
//! the ring.

use rialto_protocol::SessionSeq;

use super::Key;

/// Names that a session's window keeps.
pub const NAMES_KEPT: usize = 1 << PLACE_BITS;

const PLACE_BITS: u32 = 14;
const SLOT_BITS: u32 = 15;
const SLOTS: usize = 1 << SLOT_BITS;
const USED: u32 = 1 << 31;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: Key,
    answer: SessionSeq,
}

/// The last names of one session.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Empty until the first name comes.
    ring: Vec<Entry>,
    table: Vec<u32>,
    /// Where the next name goes once the ring is full.
    next: usize,
}

impl Window {
    /// The message that first answered this name.
    #[inline]
    pub fn answer(&self, key: Key) -> Option<SessionSeq> {
        let at = self.find(key)?;
        Some(self.ring[place(self.table[at])].answer)
    }

    pub(super) fn answered(&mut self, key: Key, answer: SessionSeq) {
        if let Some(at) = self.find(key) {
            self.ring[place(self.table[at])].answer = answer;
        }
    }

    /// Notes a name that it does not hold; the oldest one leaves when it is full.
    #[inline]
    pub(super) fn note(&mut self, key: Key, answer: SessionSeq) {
        let entry = Entry { key, answer };
        let place = if self.ring.len() < NAMES_KEPT {
            self.append(entry)
        } else {
            let place = self.next;
            self.next = (place + 1) % NAMES_KEPT;
            let oldest = std::mem::replace(&mut self.ring[place], entry);
            self.forget(oldest.key, place);
            place
        };
        let home = home(key);
        let mut at = home;
        while self.table[at] != 0 {
            at = (at + 1) % SLOTS;
        }
        self.table[at] = packed(home, place);
    }

    fn append(&mut self, entry: Entry) -> usize {
        if self.table.is_empty() {
            self.table = vec![0; SLOTS];
            self.ring = Vec::with_capacity(NAMES_KEPT);
        }
        self.ring.push(entry);
        self.ring.len() - 1
    }

    /// Slot of the table where `key` stands.
    #[inline]
    fn find(&self, key: Key) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        let home = home(key);
        let mut at = home;
        loop {
            let word = self.table[at];
            if word == 0 {
                return None;
            }
            if slot(word) == home && self.ring[place(word)].key == key {
                return Some(at);
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// Takes the name at a place of the ring out of the table, and closes the gap: entries behind it move up unless they
    /// stand where they belong.
    #[inline]
    fn forget(&mut self, key: Key, left: usize) {
        let mut gap = home(key);
        while place(self.table[gap]) != left || self.table[gap] == 0 {
            gap = (gap + 1) % SLOTS;
        }
        let mut at = gap;
        loop {
            at = (at + 1) % SLOTS;
            let word = self.table[at];
            if word == 0 {
                break;
            }
            // Distance from where it belongs to where it is, and to the gap, around the end of the table.
            let (from_home, from_gap) = ((at + SLOTS - slot(word)) % SLOTS, (at + SLOTS - gap) % SLOTS);
            if from_home >= from_gap {
                self.table[gap] = word;
                gap = at;
            }
        }
        self.table[gap] = 0;
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

#[inline]
fn home(key: Key) -> usize {
    usize::try_from(key.spread(0) >> (64 - SLOT_BITS)).expect("15 bits")
}

#[inline]
fn packed(home: usize, place: usize) -> u32 {
    USED | u32::try_from((home << PLACE_BITS) | place).expect("29 bits")
}

#[inline]
fn slot(word: u32) -> usize {
    ((word & !USED) >> PLACE_BITS) as usize
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
        let used = window.table.iter().enumerate().filter(|&(_, &word)| word != 0);
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
                assert_eq!(window.table.iter().filter(|&&word| word != 0).count(), window.ring.len());
                assert!(
                    longest_probe(&window) < 256,
                    "{} slots after {number} names",
                    longest_probe(&window)
                );
            }
        }
    }
}

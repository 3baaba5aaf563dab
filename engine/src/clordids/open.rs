//! The names of open orders, of all sessions: from session and name to the order's slot.
//!
//! An open table of words, each a tag and a slot; whether the order there really has the name is the caller's to say,
//! who has the names. It is doubled when it is half full, a few entries with each insertion, so that no order waits
//! for a table to be copied.

use rialto_protocol::SessionId;

use super::Key;
use crate::book::Slot;

/// Slots of the smallest table.
const SLOTS_MIN: usize = 1 << 12;
/// Slots of the old table that are emptied with each insertion: the new one is twice as large, so it is done long before
/// that is half full.
const SLOTS_PER_STEP: usize = 16;

/// A table of names: an entry is a hash and the order under it.
#[derive(Clone, Debug)]
struct Table {
    entries: Vec<Entry>,
    used: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u32,
    slot: Option<Slot>,
}

const _: () = assert!(size_of::<Entry>() == 8);

impl Table {
    fn new(slots: usize) -> Self {
        Self { entries: vec![Entry::default(); slots], used: 0 }
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    #[inline]
    fn find(&self, hash: u32, is_it: &impl Fn(Slot) -> bool) -> Option<(usize, Slot)> {
        let mut at = self.home(hash);
        loop {
            let entry = self.entries[at];
            let slot = entry.slot?;
            if entry.hash == hash && is_it(slot) {
                return Some((at, slot));
            }
            at = self.next(at);
        }
    }

    #[inline]
    fn insert(&mut self, entry: Entry) {
        let mut at = self.home(entry.hash);
        while self.entries[at].slot.is_some() {
            at = self.next(at);
        }
        self.entries[at] = entry;
        self.used += 1;
    }

    /// Empties a slot and closes the gap behind it.
    #[inline]
    fn remove(&mut self, mut gap: usize) {
        let mask = self.entries.len() - 1;
        let mut at = gap;
        loop {
            at = self.next(at);
            let entry = self.entries[at];
            if entry.slot.is_none() {
                break;
            }
            let (from_home, from_gap) =
                (at.wrapping_sub(self.home(entry.hash)) & mask, at.wrapping_sub(gap) & mask);
            if from_home >= from_gap {
                self.entries[gap] = entry;
                gap = at;
            }
        }
        self.entries[gap] = Entry::default();
        self.used -= 1;
    }
}

/// Names of open orders.
#[derive(Clone, Debug)]
pub struct OpenNames {
    table: Table,
    /// The table before it was doubled, until all of it has moved: its slots below the number are empty.
    before: Option<(Table, usize)>,
}

impl Default for OpenNames {
    fn default() -> Self {
        Self { table: Table::new(SLOTS_MIN), before: None }
    }
}

impl OpenNames {
    /// The order under a name, of those for which `is_it` is true.
    #[inline]
    pub fn find(&self, session: SessionId, key: Key, is_it: impl Fn(Slot) -> bool) -> Option<Slot> {
        let hash = hash(session, key);
        if let Some((_, slot)) = self.table.find(hash, &is_it) {
            return Some(slot);
        }
        let (before, _) = self.before.as_ref()?;
        before.find(hash, &is_it).map(|(_, slot)| slot)
    }

    /// Puts an order under a name that it does not have yet.
    #[inline]
    pub fn insert(&mut self, session: SessionId, key: Key, slot: Slot) {
        if self.before.is_some() {
            self.move_some();
        }
        if self.table.used * 2 >= self.table.entries.len() {
            self.double();
        }
        self.table.insert(Entry { hash: hash(session, key), slot: Some(slot) });
    }

    /// Takes an order's name out.
    ///
    /// # Panics
    /// If it is not there.
    #[inline]
    pub fn remove(&mut self, session: SessionId, key: Key, slot: Slot) {
        let hash = hash(session, key);
        let same = |other: Slot| other == slot;
        if let Some((at, _)) = self.table.find(hash, &same) {
            self.table.remove(at);
            return;
        }
        let before = self.before.as_mut().and_then(|(before, _)| {
            let (at, _) = before.find(hash, &same)?;
            before.remove(at);
            Some(())
        });
        assert!(before.is_some(), "the name of order {slot:?} of {session:?} is not there");
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.table.used + self.before.as_ref().map_or(0, |(before, _)| before.used)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn double(&mut self) {
        let larger = Table::new(self.table.entries.len() * 2);
        let before = std::mem::replace(&mut self.table, larger);
        assert!(
            self.before.replace((before, 0)).is_none(),
            "a table is doubled while the last one still moves"
        );
    }

    /// Empties the next slots of the old table. What its gaps are closed with is looked at in the same place again.
    #[cold]
    fn move_some(&mut self) {
        let Some((mut before, mut done)) = self.before.take() else { return };
        for _ in 0..SLOTS_PER_STEP {
            if before.used == 0 {
                return;
            }
            let at = done & (before.entries.len() - 1);
            let entry = before.entries[at];
            if entry.slot.is_none() {
                done += 1;
                continue;
            }
            before.remove(at);
            self.table.insert(entry);
        }
        self.before = Some((before, done));
    }
}

#[inline]
fn hash(session: SessionId, key: Key) -> u32 {
    u32::try_from(key.spread(session.0) >> 32).expect("32 bits")
}

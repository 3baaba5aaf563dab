//! Open orders by number. Numbers grow, so the last four million lie in a ring by number, where coming and going is one
//! store; the few that stay open for longer are moved to a map.

use std::collections::BTreeMap;

use rialto_protocol::OrderId;
use rialto_shmring::hint::huge_pages;

use crate::book::Slot;

/// Numbers that the ring covers.
const RING_NUMBERS: usize = 1 << 22;
/// Numbers in a block, of which it is known how many are open: so that whoever walks passes over empty stretches.
const BLOCK_NUMBERS: usize = 1 << 12;

/// Open orders by number.
#[derive(Clone, Debug)]
pub(super) struct OpenOrders {
    /// Places of slots, 0 = none: plain zeros, so that memory is only taken as it is used.
    ring: Vec<u32>,
    /// Open orders in each block of the ring.
    blocks: Vec<u32>,
    older: BTreeMap<OrderId, Slot>,
    /// Below it every order is among the older ones.
    ring_from: u64,
    /// One more than the highest number seen.
    ring_to: u64,
}

impl Default for OpenOrders {
    fn default() -> Self {
        let mut ring = vec![0; RING_NUMBERS];
        huge_pages(&mut ring);
        Self {
            ring,
            blocks: vec![0; RING_NUMBERS / BLOCK_NUMBERS],
            older: BTreeMap::new(),
            ring_from: 0,
            ring_to: 0,
        }
    }
}

impl OpenOrders {
    #[inline]
    fn place(id: u64) -> usize {
        usize::try_from(id).expect("64-bit machines") % RING_NUMBERS
    }

    /// Adds an order.
    #[inline]
    pub(super) fn insert(&mut self, id: OrderId, slot: Slot) {
        if id.0 < self.ring_from {
            self.older.insert(id, slot);
            return;
        }
        let from = (id.0 + 1).saturating_sub(RING_NUMBERS as u64);
        if from > self.ring_from {
            self.advance(from);
        }
        let place = Self::place(id.0);
        self.ring[place] = slot.place();
        self.blocks[place / BLOCK_NUMBERS] += 1;
        self.ring_to = self.ring_to.max(id.0 + 1);
    }

    /// Moves those below `from` to the older ones.
    fn advance(&mut self, from: u64) {
        for id in self.ring_from..from.min(self.ring_to) {
            if let Some(slot) = self.take(id) {
                self.older.insert(OrderId(id), slot);
            }
        }
        self.ring_from = from;
    }

    #[inline]
    fn take(&mut self, id: u64) -> Option<Slot> {
        let place = Self::place(id);
        let slot = Slot::new(std::mem::take(&mut self.ring[place]))?;
        self.blocks[place / BLOCK_NUMBERS] -= 1;
        Some(slot)
    }

    /// Takes out an order that is open.
    #[inline]
    pub(super) fn remove(&mut self, id: OrderId) {
        let slot = if id.0 >= self.ring_from { self.take(id.0) } else { self.older.remove(&id) };
        assert!(slot.is_some(), "{id:?} is not open");
    }

    /// The open order with this number.
    #[inline]
    pub(super) fn find(&self, id: OrderId) -> Option<Slot> {
        if id.0 >= self.ring_to {
            None
        } else if id.0 >= self.ring_from {
            Slot::new(self.ring[Self::place(id.0)])
        } else {
            self.older.get(&id).copied()
        }
    }

    /// The open order with the lowest number from `from` on.
    pub(super) fn next(&self, from: OrderId) -> Option<(OrderId, Slot)> {
        if from.0 < self.ring_from
            && let Some((&id, &slot)) = self.older.range(from..).next()
        {
            return Some((id, slot));
        }
        let mut id = from.0.max(self.ring_from);
        while id < self.ring_to {
            let place = Self::place(id);
            if self.blocks[place / BLOCK_NUMBERS] == 0 {
                id += (BLOCK_NUMBERS - place % BLOCK_NUMBERS) as u64;
                continue;
            }
            if let Some(slot) = Slot::new(self.ring[place]) {
                return Some((OrderId(id), slot));
            }
            id += 1;
        }
        None
    }

    /// All open orders, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (OrderId, Slot)> {
        std::iter::successors(self.next(OrderId(0)), |(id, _)| self.next(OrderId(id.0 + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_found_and_walked_by_number_whatever_their_age() {
        let mut open = OpenOrders::default();
        let slot = |place| Slot::new(place).unwrap();
        let ring = RING_NUMBERS as u64;
        let mut twin = BTreeMap::new();
        // Some stay while many come and go, a jump in the numbers comes, and one below the ring comes late.
        let numbers = (1..20).chain([5_000, 5_001, ring - 1, ring, ring + 3, 3 * ring]);
        for (place, number) in (1..).zip(numbers.chain([1_000_000_000_001, 1_000_000_000_002, 7_000])) {
            open.insert(OrderId(number), slot(place));
            twin.insert(OrderId(number), slot(place));
            if number % 3 == 0 && number != 3 * ring {
                open.remove(OrderId(number));
                twin.remove(&OrderId(number));
            }
            assert!(open.iter().eq(twin.iter().map(|(&id, &slot)| (id, slot))), "{number}");
            assert!((0..25).all(|id| open.find(OrderId(id)) == twin.get(&OrderId(id)).copied()));
        }
        assert_eq!(open.find(OrderId(2_000_000_000_000)), None);
        while let Some((&id, _)) = twin.first_key_value() {
            open.remove(id);
            twin.remove(&id);
        }
        assert_eq!(open.next(OrderId(0)), None);
    }
}

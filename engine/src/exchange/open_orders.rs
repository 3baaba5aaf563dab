//! Open orders by number. Numbers grow, so the last four million lie in a ring by number, where coming and going is one
//! store; the few that stay open for longer are moved to a map.

use std::collections::BTreeMap;

use rialto_protocol::OrderId;

use crate::book::Slot;

/// Numbers that the ring covers.
const RING_NUMBERS: usize = 1 << 22;

/// Open orders by number.
#[derive(Clone, Debug)]
pub(super) struct OpenOrders {
    /// Places of slots, 0 = none: plain zeros, so that memory is only taken as it is used.
    ring: Vec<u32>,
    older: BTreeMap<OrderId, Slot>,
    /// Below it every order is among the older ones.
    ring_from: u64,
    /// One more than the highest number seen.
    ring_to: u64,
}

impl Default for OpenOrders {
    fn default() -> Self {
        Self { ring: vec![0; RING_NUMBERS], older: BTreeMap::new(), ring_from: 0, ring_to: 0 }
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
        self.ring[Self::place(id.0)] = slot.place();
        self.ring_to = self.ring_to.max(id.0 + 1);
    }

    /// Moves those below `from` to the older ones.
    fn advance(&mut self, from: u64) {
        for id in self.ring_from..from.min(self.ring_to) {
            if let Some(slot) = Slot::new(std::mem::take(&mut self.ring[Self::place(id)])) {
                self.older.insert(OrderId(id), slot);
            }
        }
        self.ring_from = from;
    }

    /// Takes an order out.
    #[inline]
    pub(super) fn remove(&mut self, id: OrderId) {
        if id.0 >= self.ring_from {
            self.ring[Self::place(id.0)] = 0;
        } else {
            self.older.remove(&id);
        }
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

    /// The lowest number from `from` on that may be open.
    pub(super) fn seek(&self, from: OrderId) -> OrderId {
        if from.0 >= self.ring_from {
            return from;
        }
        self.older.range(from..).next().map_or(OrderId(self.ring_from), |(&id, _)| id)
    }

    /// All open orders, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (OrderId, Slot)> {
        let older = self.older.iter().map(|(&id, &slot)| (id, slot));
        let recent = self.ring_from..self.ring_to;
        older.chain(recent.filter_map(|id| Some((OrderId(id), Slot::new(self.ring[Self::place(id)])?))))
    }
}

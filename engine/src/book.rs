//! One instrument's resting orders in price, then time, priority.
//!
//! A book is two sides; a side keeps its levels in a list from the best price to the worst, so that matching and
//! sweeping only follow links, and an index from price to level, used when an order comes to rest. Orders, levels and
//! index nodes of every book of an exchange live in one [`Orders`], so an empty book costs a few words. The book
//! decides nothing: who may trade, at what price, and what is told about it belong to the exchange. Sides do not look
//! at each other, so a book may be crossed (during a call auction).

mod arena;
mod index;
mod orders;

#[cfg(test)]
mod table;
#[cfg(test)]
mod twin;

use index::Root;
use orders::LevelId;
pub use orders::{Level, Order, Orders, Slot};
use rialto_protocol::{Price, Quantity, Side};

/// Largest quantity of one order, in lots: with [`ORDERS_MAX`] it keeps the total of a level or a side within an `i64`.
pub const QUANTITY_MAX: Quantity = Quantity(1 << 39);
/// Most orders that one [`Orders`] can be made to hold.
pub const ORDERS_MAX: u32 = (1 << 24) - 1;

const _: () = assert!((QUANTITY_MAX.0 as i128) * (ORDERS_MAX as i128) <= i64::MAX as i128);

/// Whether an order of `side` with this limit would trade at `price`.
#[inline]
#[must_use]
pub fn accepts(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// The resting orders of one instrument. All its operations take the [`Orders`] that it was first used with.
#[derive(Debug, Default)]
pub struct Book {
    bids: Half,
    asks: Half,
}

/// One side of a book.
#[derive(Debug, Default)]
struct Half {
    best: Option<LevelId>,
    root: Root,
    orders: u32,
    levels: u32,
}

impl Book {
    /// An empty book; it takes no memory beyond itself until an order rests in it.
    #[must_use]
    pub fn new() -> Book {
        Book::default()
    }

    /// Best price of a side.
    #[inline]
    #[must_use]
    pub fn best(&self, orders: &Orders, side: Side) -> Option<Price> {
        self.half(side).best.map(|level| orders.levels[level].price)
    }

    /// The order of a side that trades first.
    #[inline]
    #[must_use]
    pub fn front(&self, orders: &Orders, side: Side) -> Option<Slot> {
        self.half(side).best.map(|level| orders.levels[level].head)
    }

    /// Puts an order behind all others of its price.
    ///
    /// # Panics
    /// If it already rests, or has no open quantity.
    pub fn rest(&mut self, orders: &mut Orders, slot: Slot) {
        let Order { side, price, open, level, .. } = orders[slot];
        assert!(level.is_none() && open.0 > 0, "order {slot:?} cannot rest: level {level:?}, {open:?}");
        let half = self.half_mut(side);
        half.orders += 1;
        match half.find(orders, side, price) {
            Some(level) => orders.join(level, slot),
            None => half.open_level(orders, slot),
        }
    }

    /// Takes a resting order out of the book. Its slot stays valid until [`Orders::free`].
    ///
    /// # Panics
    /// If it does not rest.
    #[inline]
    pub fn remove(&mut self, orders: &mut Orders, slot: Slot) {
        let side = orders[slot].side;
        let half = self.half_mut(side);
        half.orders -= 1;
        if let Some(emptied) = orders.leave(slot) {
            half.close_level(orders, side, emptied);
        }
    }

    /// Trades `quantity` of a resting order and returns what stays open; at zero the order has left the book.
    ///
    /// # Panics
    /// If the order does not rest or has less than `quantity` open.
    #[inline]
    pub fn fill(&mut self, orders: &mut Orders, slot: Slot, quantity: Quantity) -> Quantity {
        let open = orders.trade(slot, quantity);
        if open == Quantity(0) {
            self.remove(orders, slot);
        }
        open
    }

    /// Shrinks a resting order's open quantity to `open`; it keeps its place.
    ///
    /// # Panics
    /// If the order does not rest, or `open` is not between 1 and what is open now.
    pub fn reduce(&mut self, orders: &mut Orders, slot: Slot, open: Quantity) {
        debug_assert!(self.half(orders[slot].side).best.is_some());
        orders.shrink(slot, open);
    }

    /// The level at a price, if any order rests there.
    #[must_use]
    pub fn level(&self, orders: &Orders, side: Side, price: Price) -> Option<Level> {
        self.half(side).find(orders, side, price).map(|level| orders.levels[level].view())
    }

    /// The levels of a side from the best.
    pub fn levels<'a>(&self, orders: &'a Orders, side: Side) -> impl Iterator<Item = Level> + 'a {
        orders.levels_from(self.half(side).best)
    }

    /// The orders at a price, first come first.
    pub fn queue<'a>(&self, orders: &'a Orders, side: Side, price: Price) -> impl Iterator<Item = Slot> + 'a {
        let level = self.half(side).find(orders, side, price);
        let head = level.map(|level| orders.levels[level].head);
        std::iter::successors(head, |&slot| orders[slot].next)
    }

    /// All orders of a side in the order in which they would trade.
    pub fn priority<'a>(&self, orders: &'a Orders, side: Side) -> impl Iterator<Item = Slot> + 'a {
        std::iter::successors(self.front(orders, side), |&slot| orders.behind(slot))
    }

    /// How much rests on `side` at `limit` or better (as an order with that limit against it sees it), counted from
    /// the best level until `enough` is reached.
    #[must_use]
    pub fn available(&self, orders: &Orders, side: Side, limit: Price, enough: Quantity) -> Quantity {
        let taker = side.opposite();
        let mut found = 0;
        for level in self.levels(orders, side).take_while(|level| accepts(taker, limit, level.price)) {
            found += level.open.0;
            if found >= enough.0 {
                break;
            }
        }
        Quantity(found)
    }

    /// How many orders rest on a side.
    #[must_use]
    pub fn orders_count(&self, side: Side) -> u32 {
        self.half(side).orders
    }

    /// How many prices of a side have orders.
    #[must_use]
    pub fn levels_count(&self, side: Side) -> u32 {
        self.half(side).levels
    }

    #[inline]
    fn half(&self, side: Side) -> &Half {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    #[inline]
    fn half_mut(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

impl Half {
    /// The level of a price; joining the best one, the most usual case, does not ask the index.
    #[inline]
    fn find(&self, orders: &Orders, side: Side, price: Price) -> Option<LevelId> {
        let best = self.best?;
        if orders.levels[best].price == price {
            return Some(best);
        }
        self.root.find(orders, orders::key(side, price))
    }

    /// Makes a level for the first order at a price.
    fn open_level(&mut self, orders: &mut Orders, slot: Slot) {
        let level = orders.new_level(slot);
        let better = self.root.insert(orders, level);
        let worse = match better {
            Some(better) => orders.levels[better].worse,
            None => self.best.replace(level),
        };
        orders.link(better, level, worse);
        self.levels += 1;
    }

    /// Forgets a level that has lost its last order.
    fn close_level(&mut self, orders: &mut Orders, side: Side, level: LevelId) {
        self.root.remove(orders, orders::key(side, orders.levels[level].price));
        let worse = orders.unlink(level);
        if self.best == Some(level) {
            self.best = worse;
        }
        orders.free_level(level);
        self.levels -= 1;
    }
}

//! The orders of all books of an exchange, and the levels that they queue in.
//!
//! An order is one 64-byte cache line: what matching reads and changes, the links of its queue, and a few plain numbers
//! that only the exchange interprets. What is seldom needed (a ClOrdID, say) the exchange keeps in an array of its own
//! by [`Slot::index`](super::arena::Id::index). Memory is reserved for a stated maximum at the start, touched as it is
//! used, and reused last freed first; nothing is moved, ever.

use std::ops::{Index, IndexMut};

use rialto_protocol::{AccountId, InstrumentId, OrderId, ParticipantId, Price, Quantity, SessionId, Side};

use super::arena::{Arena, Id};
use super::index::Node;
use super::{ORDERS_MAX, QUANTITY_MAX};

/// Where an order is kept.
pub type Slot = Id<Order>;
pub(super) type LevelId = Id<Queue>;

/// An order that rests in a book, or is about to.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Order {
    /// The exchange's number for it.
    pub id: OrderId,
    pub(super) price: Price,
    pub(super) open: Quantity,
    filled: Quantity,
    pub(super) next: Option<Slot>,
    prev: Option<Slot>,
    pub(super) level: Option<LevelId>,
    /// In which book it rests.
    pub instrument: InstrumentId,
    /// Whose money it is. The book does not look at this and what follows.
    pub account: AccountId,
    /// Who is told.
    pub session: SessionId,
    /// Whose other orders it must not meet.
    pub owner: ParticipantId,
    /// Marks of the exchange's own.
    pub flags: u16,
    pub(super) side: Side,
}

const _: () = assert!(size_of::<Order>() == 64);

impl Order {
    /// An order that has not traded and does not rest.
    #[inline]
    #[must_use]
    pub fn new(id: OrderId, instrument: InstrumentId, side: Side, price: Price, open: Quantity) -> Order {
        Order {
            id,
            price,
            open,
            filled: Quantity(0),
            next: None,
            prev: None,
            level: None,
            instrument,
            account: AccountId::NONE,
            session: SessionId::NONE,
            owner: ParticipantId::NONE,
            flags: 0,
            side,
        }
    }

    /// Its limit.
    #[inline]
    #[must_use]
    pub fn price(&self) -> Price {
        self.price
    }

    /// What it still wants to trade.
    #[inline]
    #[must_use]
    pub fn open(&self) -> Quantity {
        self.open
    }

    /// What it has traded so far.
    #[inline]
    #[must_use]
    pub fn filled(&self) -> Quantity {
        self.filled
    }

    /// Which way it trades.
    #[inline]
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Whether it stands in its book.
    #[inline]
    #[must_use]
    pub fn rests(&self) -> bool {
        self.level.is_some()
    }
}

/// What rests at one price of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// Open quantity of all its orders.
    pub open: Quantity,
    /// How many orders.
    pub orders: u32,
}

/// The orders of one price and side, first come first, and its neighbours. Never empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    pub(super) price: Price,
    open: i64,
    pub(super) head: Slot,
    tail: Slot,
    better: Option<LevelId>,
    pub(super) worse: Option<LevelId>,
    orders: u32,
    side: Side,
}

impl Queue {
    pub(super) fn view(&self) -> Level {
        Level { price: self.price, open: Quantity(self.open), orders: self.orders }
    }
}

/// A number that is smaller the better a price is on its side, so that both sides are searched alike.
#[inline]
pub(super) fn key(side: Side, price: Price) -> u64 {
    match side {
        Side::Buy => !price.0.cast_unsigned(),
        Side::Sell => price.0.cast_unsigned(),
    }
}

/// All orders and levels of the books of one exchange.
#[derive(Debug)]
pub struct Orders {
    slab: Arena<Order>,
    pub(super) levels: Arena<Queue>,
    pub(super) nodes: Arena<Node>,
}

impl Orders {
    /// Room for `orders_max` orders. Their memory is reserved now and provided by the operating system as it is used.
    ///
    /// # Panics
    /// If `orders_max` is 0 or over [`ORDERS_MAX`].
    #[must_use]
    pub fn new(orders_max: u32) -> Orders {
        assert!((1..=ORDERS_MAX).contains(&orders_max), "{orders_max} orders: not in 1..={ORDERS_MAX}");
        let nobody = Order::new(OrderId::NONE, InstrumentId::NONE, Side::Buy, Price(0), Quantity(0));
        let first = Id::new(1).expect("1 is not 0");
        let nowhere = Queue {
            price: Price(0),
            open: 0,
            head: first,
            tail: first,
            better: None,
            worse: None,
            orders: 0,
            side: Side::Buy,
        };
        Orders {
            slab: Arena::new(orders_max, nobody),
            levels: Arena::new(orders_max, nowhere),
            nodes: Arena::new(orders_max, Node::default()),
        }
    }

    /// Keeps an order, which does not rest yet; `None` when the maximum is reached.
    ///
    /// # Panics
    /// If its price is not positive or its open quantity not in 0 to [`QUANTITY_MAX`].
    #[inline]
    pub fn insert(&mut self, order: Order) -> Option<Slot> {
        assert_terms(order.price, order.open);
        self.slab.insert(Order { next: None, prev: None, level: None, ..order })
    }

    /// Ends an order that does not rest: its slot will be reused.
    ///
    /// # Panics
    /// If it rests.
    #[inline]
    pub fn free(&mut self, slot: Slot) {
        assert!(!self[slot].rests(), "order {slot:?} still rests");
        self.slab.free(slot);
    }

    /// Gives an order that does not rest new terms: it may rest again, behind those already there.
    ///
    /// # Panics
    /// If it rests, and as [`Orders::insert`].
    #[inline]
    pub fn amend(&mut self, slot: Slot, price: Price, open: Quantity) {
        assert_terms(price, open);
        let order = &mut self[slot];
        assert!(!order.rests(), "order {slot:?} still rests");
        order.price = price;
        order.open = open;
    }

    /// Counts a trade of an order that does not rest (a taker's), and returns what stays open.
    ///
    /// # Panics
    /// If it rests, or has less than `quantity` open.
    #[inline]
    pub fn take(&mut self, slot: Slot, quantity: Quantity) -> Quantity {
        let order = &mut self[slot];
        assert!(!order.rests(), "order {slot:?} still rests");
        assert!(0 < quantity.0 && quantity <= order.open, "{quantity:?} of {:?} open", order.open);
        order.open.0 -= quantity.0;
        order.filled.0 += quantity.0;
        order.open
    }

    /// The order that would trade after this resting one.
    #[inline]
    #[must_use]
    pub fn behind(&self, slot: Slot) -> Option<Slot> {
        let order = &self[slot];
        order.next.or_else(|| {
            let worse = self.levels[order.level?].worse?;
            Some(self.levels[worse].head)
        })
    }

    /// How many orders are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.slab.len()
    }

    /// One more than the highest index of a slot handed out so far.
    #[must_use]
    pub fn slots_used(&self) -> usize {
        self.slab.places_used()
    }

    /// Adds an order to the end of a level.
    #[inline]
    pub(super) fn join(&mut self, level: LevelId, slot: Slot) {
        let open = self.slab[slot].open.0;
        let queue = &mut self.levels[level];
        let last = std::mem::replace(&mut queue.tail, slot);
        queue.open += open;
        queue.orders += 1;
        self.slab[last].next = Some(slot);
        let order = &mut self.slab[slot];
        order.prev = Some(last);
        order.level = Some(level);
    }

    /// Takes an order out of its level, and names the level if that leaves it without orders.
    #[inline]
    pub(super) fn leave(&mut self, slot: Slot) -> Option<LevelId> {
        let order = &mut self.slab[slot];
        let (next, prev, open) = (order.next.take(), order.prev.take(), order.open.0);
        let level = order.level.take().expect("an order that leaves rests");
        let queue = &mut self.levels[level];
        queue.open -= open;
        queue.orders -= 1;
        match (prev, next) {
            (None, None) => return Some(level),
            (None, Some(next)) => queue.head = next,
            (Some(prev), None) => queue.tail = prev,
            (Some(_), Some(_)) => {}
        }
        if let Some(prev) = prev {
            self.slab[prev].next = next;
        }
        if let Some(next) = next {
            self.slab[next].prev = prev;
        }
        None
    }

    /// Counts a trade of a resting order and returns what stays open.
    #[inline]
    pub(super) fn trade(&mut self, slot: Slot, quantity: Quantity) -> Quantity {
        let order = &mut self.slab[slot];
        assert!(0 < quantity.0 && quantity <= order.open, "{quantity:?} of {:?} open", order.open);
        let level = order.level.expect("an order that trades as a maker rests");
        order.open.0 -= quantity.0;
        order.filled.0 += quantity.0;
        self.levels[level].open -= quantity.0;
        order.open
    }

    pub(super) fn shrink(&mut self, slot: Slot, open: Quantity) {
        let order = &mut self.slab[slot];
        assert!(0 < open.0 && open <= order.open, "{:?} open cannot shrink to {open:?}", order.open);
        let level = order.level.expect("an order that is reduced rests");
        self.levels[level].open -= order.open.0 - open.0;
        order.open = open;
    }

    /// A level of one order, without neighbours yet.
    pub(super) fn new_level(&mut self, slot: Slot) -> LevelId {
        let Order { price, open, side, .. } = self.slab[slot];
        let queue =
            Queue { price, open: open.0, head: slot, tail: slot, better: None, worse: None, orders: 1, side };
        let level = self.levels.insert(queue).expect("there are as many levels as orders");
        self.slab[slot].level = Some(level);
        level
    }

    /// Puts a level between two that were neighbours.
    pub(super) fn link(&mut self, better: Option<LevelId>, level: LevelId, worse: Option<LevelId>) {
        self.levels[level].better = better;
        self.levels[level].worse = worse;
        self.link_neighbours(better, Some(level), worse, Some(level));
    }

    /// Takes a level out from between its neighbours, and names the worse one.
    pub(super) fn unlink(&mut self, level: LevelId) -> Option<LevelId> {
        let Queue { better, worse, .. } = self.levels[level];
        self.link_neighbours(better, worse, worse, better);
        worse
    }

    fn link_neighbours(
        &mut self,
        better: Option<LevelId>,
        its_worse: Option<LevelId>,
        worse: Option<LevelId>,
        its_better: Option<LevelId>,
    ) {
        if let Some(better) = better {
            self.levels[better].worse = its_worse;
        }
        if let Some(worse) = worse {
            self.levels[worse].better = its_better;
        }
    }

    pub(super) fn free_level(&mut self, level: LevelId) {
        self.levels.free(level);
    }

    /// The key of a level, by which the index finds it.
    #[inline]
    pub(super) fn level_key(&self, level: LevelId) -> u64 {
        let queue = &self.levels[level];
        key(queue.side, queue.price)
    }

    pub(super) fn levels_from(&self, best: Option<LevelId>) -> impl Iterator<Item = Level> + '_ {
        std::iter::successors(best, |&level| self.levels[level].worse).map(|level| self.levels[level].view())
    }
}

impl Index<Slot> for Orders {
    type Output = Order;

    #[inline]
    fn index(&self, slot: Slot) -> &Order {
        &self.slab[slot]
    }
}

impl IndexMut<Slot> for Orders {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Order {
        &mut self.slab[slot]
    }
}

#[inline]
fn assert_terms(price: Price, open: Quantity) {
    assert!(price.0 > 0, "{price:?} is not positive");
    assert!((0..=QUANTITY_MAX.0).contains(&open.0), "{open:?} is not in 0 to {QUANTITY_MAX:?}");
}

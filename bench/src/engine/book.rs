//! The book alone, as a matching core would use it: orders found by their dense number, matching, and an event of fixed
//! size for everything that happens. No accounts, no money.

use rialto_engine::book::{Book, Order, Orders, Slot, accepts};
use rialto_protocol::{InstrumentId, OrderId, Price, Quantity, Side};
use rialto_shmring::hint::huge_pages;

use super::Layer;
use crate::flow::{Ask, Flow, FlowOp};
use crate::totals::{Resting, Sums, Trade};

/// Events in the buffer before the first is overwritten: about what a reader that keeps up would leave in the cache.
/// The untimed pass reads after each record, so no record of a known flow may emit more.
const EVENTS: usize = 4096;

/// What happened, as it would be handed to whoever tells it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An order was taken in, new or entered anew; its trades follow.
    Accepted {
        /// Which.
        id: OrderId,
        /// What it wants to trade.
        quantity: Quantity,
    },
    /// Two orders met.
    Traded {
        /// The one that came.
        taker: OrderId,
        /// The one that rested.
        maker: OrderId,
        /// The maker's limit.
        price: Price,
        /// How much.
        quantity: Quantity,
    },
    /// An order left the book at its owner's wish.
    Cancelled {
        /// Which.
        id: OrderId,
        /// What it had still open.
        open: Quantity,
    },
    /// An order that was asked for is gone.
    Rejected {
        /// Which.
        id: OrderId,
    },
}

/// A buffer of events that is written over and over.
#[derive(Debug)]
struct Events {
    ring: Box<[Event; EVENTS]>,
    /// Events ever written, and those ever read.
    written: usize,
    read: usize,
}

impl Events {
    fn new() -> Events {
        let nothing = Event::Rejected { id: OrderId::NONE };
        let ring = vec![nothing; EVENTS].into_boxed_slice().try_into().expect("as many as the array has");
        Events { ring, written: 0, read: 0 }
    }

    #[inline]
    fn push(&mut self, event: Event) {
        self.ring[self.written % EVENTS] = event;
        self.written += 1;
    }

    fn drain(&mut self, mut each: impl FnMut(&Event)) {
        assert!(self.written - self.read <= EVENTS, "events were overwritten before they were read");
        while self.read < self.written {
            each(&self.ring[self.read % EVENTS]);
            self.read += 1;
        }
    }
}

/// Books, the orders in them, and where each order number rests.
#[derive(Debug)]
pub struct BookLayer {
    books: Vec<Book>,
    orders: Orders,
    slots: Vec<Option<Slot>>,
    events: Events,
    sums: Sums,
}

impl Layer for BookLayer {
    const NAME: &'static str = "book";

    fn new(flow: &Flow) -> BookLayer {
        let ids = usize::try_from(flow.header.id_max).expect("order numbers are dense");
        let orders_max = u32::try_from(ids.max(1)).expect("order numbers are dense");
        let mut slots = Vec::with_capacity(ids + 1);
        huge_pages(&mut slots);
        slots.resize(ids + 1, None);
        BookLayer {
            books: (0..flow.header.symbols).map(|_| Book::new()).collect(),
            orders: Orders::new(orders_max),
            slots,
            events: Events::new(),
            sums: Sums::default(),
        }
    }

    #[inline]
    fn apply(&mut self, op: &FlowOp) {
        match op.ask {
            Ask::New => self.enter(op),
            Ask::Cancel => self.cancel(op),
            Ask::Modify => self.replace(op),
        }
    }

    fn trades(&mut self, each: &mut dyn FnMut(&Trade)) {
        self.events(|event| {
            if let Event::Traded { taker, maker, price, quantity } = *event {
                each(&Trade { taker: taker.0, maker: maker.0, price: price.0, quantity: quantity.0 });
            }
        });
    }

    fn sums(&self) -> Sums {
        self.sums
    }

    fn resting(&self, each: &mut dyn FnMut(&Resting)) {
        for book in &self.books {
            for side in [Side::Buy, Side::Sell] {
                for slot in book.priority(&self.orders, side) {
                    let order = &self.orders[slot];
                    each(&Resting { id: order.id.0, price: order.price().0, open: order.open().0 });
                }
            }
        }
    }
}

impl BookLayer {
    /// The events since they were last asked for.
    ///
    /// # Panics
    /// If there were more than the buffer holds.
    pub fn events(&mut self, each: impl FnMut(&Event)) {
        self.events.drain(each);
    }

    #[inline]
    fn enter(&mut self, op: &FlowOp) {
        let id = OrderId(op.id);
        self.events.push(Event::Accepted { id, quantity: Quantity(op.quantity) });
        let open = self.trade(op);
        if open > Quantity(0) {
            let order = Order::new(id, InstrumentId(u32::from(op.symbol)), op.side, Price(op.price), open);
            let slot = self.orders.insert(order).expect("as many slots as order numbers");
            self.books[usize::from(op.symbol)].rest(&mut self.orders, slot);
            self.slots[place(id)] = Some(slot);
        }
    }

    #[inline]
    fn cancel(&mut self, op: &FlowOp) {
        let id = OrderId(op.id);
        let Some(slot) = self.slots[place(id)].take() else {
            self.reject(id);
            return;
        };
        let order = &self.orders[slot];
        let (open, instrument) = (order.open(), order.instrument);
        self.books[instrument.0 as usize].remove(&mut self.orders, slot);
        self.orders.free(slot);
        self.events.push(Event::Cancelled { id, open });
    }

    /// Cancels and enters anew: the order keeps its number and loses its place.
    #[inline]
    fn replace(&mut self, op: &FlowOp) {
        let id = OrderId(op.id);
        let Some(slot) = self.slots[place(id)].take() else {
            self.reject(id);
            return;
        };
        self.books[usize::from(op.symbol)].remove(&mut self.orders, slot);
        self.orders.free(slot);
        self.enter(op);
    }

    fn reject(&mut self, id: OrderId) {
        self.sums.rejects += 1;
        self.events.push(Event::Rejected { id });
    }

    /// Trades an incoming order as far as it goes, and returns what stays open.
    #[inline]
    fn trade(&mut self, op: &FlowOp) -> Quantity {
        let book = &mut self.books[usize::from(op.symbol)];
        let resting = op.side.opposite();
        let mut open = op.quantity;
        while open > 0 {
            let Some(slot) = book.front(&self.orders, resting) else { break };
            let maker = &self.orders[slot];
            let (price, maker_id) = (maker.price(), maker.id);
            if !accepts(op.side, Price(op.price), price) {
                break;
            }
            let quantity = Quantity(open.min(maker.open().0));
            open -= quantity.0;
            self.sums.trade(price.0, quantity.0);
            self.events.push(Event::Traded { taker: OrderId(op.id), maker: maker_id, price, quantity });
            if book.fill(&mut self.orders, slot, quantity) == Quantity(0) {
                self.slots[place(maker_id)] = None;
                self.orders.free(slot);
            }
        }
        Quantity(open)
    }
}

#[inline]
fn place(id: OrderId) -> usize {
    usize::try_from(id.0).expect("order numbers are dense")
}

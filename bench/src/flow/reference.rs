//! The plainest matching that can be trusted: sorted maps of queues, orders found by their number.
//!
//! The generator runs it to know its books, and a bench that is given an unknown flow compares with it. It shares no
//! code with the engine's book.

use std::collections::BTreeMap;

use rialto_protocol::Side;

use super::{Ask, Flow, FlowOp};
use crate::totals::{BookHash, Resting, Sums, Totals, Trade, TradeHash};

/// What there is to know of an order number; 0 stands for no order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) symbol: u16,
    pub(super) side: Side,
    pub(super) live: bool,
    pub(super) price: i64,
    pub(super) open: i64,
    ahead: u64,
    behind: u64,
}

const UNKNOWN: Known =
    Known { symbol: 0, side: Side::Buy, live: false, price: 0, open: 0, ahead: 0, behind: 0 };

#[derive(Clone, Copy, Debug, Default)]
struct Queue {
    first: u64,
    last: u64,
}

#[derive(Clone, Debug, Default)]
struct ReferenceBook {
    bids: BTreeMap<i64, Queue>,
    asks: BTreeMap<i64, Queue>,
}

impl ReferenceBook {
    fn side(&mut self, side: Side) -> &mut BTreeMap<i64, Queue> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

#[derive(Debug)]
pub(super) struct Reference {
    orders: Vec<Known>,
    books: Vec<ReferenceBook>,
    sums: Sums,
    trade_hash: TradeHash,
}

impl Reference {
    pub(super) fn new(symbols: usize) -> Reference {
        Reference {
            orders: vec![UNKNOWN],
            books: vec![ReferenceBook::default(); symbols],
            sums: Sums::default(),
            trade_hash: TradeHash::default(),
        }
    }

    pub(super) fn known(&self, id: u64) -> &Known {
        &self.orders[place(id)]
    }

    pub(super) fn best(&self, symbol: u16, side: Side) -> Option<i64> {
        let book = &self.books[usize::from(symbol)];
        match side {
            Side::Buy => book.bids.last_key_value(),
            Side::Sell => book.asks.first_key_value(),
        }
        .map(|(&price, _)| price)
    }

    /// Applies a record; makers that it fills are told in the order in which they leave.
    pub(super) fn apply(&mut self, op: &FlowOp, filled: &mut impl FnMut(u64)) {
        if op.ask == Ask::New {
            let highest = self.orders.len().max(place(op.id) + 1);
            self.orders.resize(highest, UNKNOWN);
        } else if !self.known(op.id).live {
            self.sums.rejects += 1;
            return;
        } else {
            self.leave(op.id);
        }
        match op.ask {
            Ask::Cancel => {}
            Ask::New | Ask::Modify => {
                let open = self.trade(op, filled);
                let order = &mut self.orders[place(op.id)];
                *order = Known { symbol: op.symbol, side: op.side, price: op.price, open, ..UNKNOWN };
                if open > 0 {
                    self.rest(op.id);
                }
            }
        }
    }

    /// Trades an incoming order as far as it goes, and returns what stays open.
    fn trade(&mut self, op: &FlowOp, filled: &mut impl FnMut(u64)) -> i64 {
        let mut open = op.quantity;
        while open > 0 {
            let Some(price) = self.best(op.symbol, op.side.opposite()) else { break };
            let crosses = match op.side {
                Side::Buy => price <= op.price,
                Side::Sell => price >= op.price,
            };
            if !crosses {
                break;
            }
            let maker = self.books[usize::from(op.symbol)].side(op.side.opposite())[&price].first;
            let resting = &mut self.orders[place(maker)];
            let quantity = open.min(resting.open);
            open -= quantity;
            resting.open -= quantity;
            let empty = resting.open == 0;
            self.sums.trade(price, quantity);
            self.trade_hash.add(&Trade { taker: op.id, maker, price, quantity });
            if empty {
                self.leave(maker);
                filled(maker);
            }
        }
        open
    }

    fn rest(&mut self, id: u64) {
        let Known { symbol, side, price, .. } = *self.known(id);
        let queue = self.books[usize::from(symbol)].side(side).entry(price).or_default();
        let ahead = std::mem::replace(&mut queue.last, id);
        if ahead == 0 {
            queue.first = id;
        } else {
            self.orders[place(ahead)].behind = id;
        }
        let order = &mut self.orders[place(id)];
        (order.live, order.ahead, order.behind) = (true, ahead, 0);
    }

    fn leave(&mut self, id: u64) {
        let order = &mut self.orders[place(id)];
        order.live = false;
        let Known { symbol, side, price, ahead, behind, .. } = *order;
        let levels = self.books[usize::from(symbol)].side(side);
        if (ahead, behind) == (0, 0) {
            levels.remove(&price);
            return;
        }
        let queue = levels.get_mut(&price).expect("a live order's level");
        if ahead == 0 {
            queue.first = behind;
        } else {
            self.orders[place(ahead)].behind = behind;
        }
        if behind == 0 {
            queue.last = ahead;
        } else {
            self.orders[place(behind)].ahead = ahead;
        }
    }

    fn book_hash(&self) -> BookHash {
        let mut hash = BookHash::default();
        for book in &self.books {
            for queue in book.bids.values().rev().chain(book.asks.values()) {
                let mut id = queue.first;
                while id != 0 {
                    let order = self.known(id);
                    hash.add(&Resting { id, price: order.price, open: order.open });
                    id = order.behind;
                }
            }
        }
        hash
    }
}

fn place(id: u64) -> usize {
    usize::try_from(id).expect("order numbers are dense")
}

/// What a flow comes to.
#[must_use]
pub fn replay(flow: &Flow) -> Totals {
    let mut reference = Reference::new(flow.header.symbols as usize);
    for op in &flow.ops {
        reference.apply(op, &mut |_| {});
    }
    Totals { sums: reference.sums, trade_hash: reference.trade_hash, book_hash: reference.book_hash() }
}

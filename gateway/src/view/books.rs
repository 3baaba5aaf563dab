//! The books as the reports tell them: open orders, price levels, and what changed since the last look.

use std::collections::{BTreeMap, HashMap};

use rialto_protocol::event::ReportBody;
use rialto_protocol::{InstrumentId, OrderId, Price, Quantity, Side, TradeId};

use super::directory::index;
use super::seed::Seed;

/// A price level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Lots open.
    pub quantity: i64,
    /// Orders.
    pub orders: u32,
}

/// A trade as the market sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// 527
    pub trade: TradeId,
    /// In what.
    pub instrument: InstrumentId,
    /// Side of the order that came and took.
    pub aggressor: Side,
    /// At what price.
    pub price: Price,
    /// How much.
    pub quantity: Quantity,
}

/// One instrument's book.
#[derive(Clone, Debug, Default)]
pub struct Book {
    bids: BTreeMap<i64, Level>,
    asks: BTreeMap<i64, Level>,
    last_price: Option<Price>,
    last_trade: Option<Trade>,
}

impl Book {
    /// Levels of a side from the best, prices in ticks.
    pub fn levels(&self, side: Side) -> Box<dyn Iterator<Item = (Price, Level)> + '_> {
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().map(|(price, level)| (Price(*price), *level))),
            Side::Sell => Box::new(self.asks.iter().map(|(price, level)| (Price(*price), *level))),
        }
    }

    /// Number of levels of a side.
    pub fn depth(&self, side: Side) -> usize {
        self.side(side).len()
    }

    /// The level at a price; empty if there is none.
    pub fn level(&self, side: Side, price: Price) -> Level {
        self.side(side).get(&price.0).copied().unwrap_or_default()
    }

    /// Price of the last trade.
    pub fn last_price(&self) -> Option<Price> {
        self.last_price
    }

    /// The last trade; `None` also where only its price is known, from the seed.
    pub fn last_trade(&self) -> Option<Trade> {
        self.last_trade
    }

    fn side(&self, side: Side) -> &BTreeMap<i64, Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn change(&mut self, side: Side, price: Price, quantity: i64, orders: i32) {
        let levels = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        let level = levels.entry(price.0).or_default();
        level.quantity += quantity;
        level.orders = level.orders.saturating_add_signed(orders);
        if level.orders == 0 {
            levels.remove(&price.0);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    instrument: InstrumentId,
    side: Side,
    price: Price,
    leaves: Quantity,
}

/// Levels that changed and trades that happened since the last [`Books::take_changes`]. Take them at a command's end:
/// within a command an incoming order stands in the book before it trades.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Each level touched, and what it was before the first touch.
    pub levels: BTreeMap<(InstrumentId, Side, Price), Level>,
    /// In order.
    pub trades: Vec<Trade>,
    /// Trades that were undone.
    pub busts: Vec<(TradeId, InstrumentId)>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.trades.is_empty() && self.busts.is_empty()
    }
}

/// All books.
#[derive(Clone, Debug, Default)]
pub struct Books {
    by_instrument: Vec<Book>,
    open: HashMap<OrderId, Open>,
    changes: Changes,
}

impl Books {
    pub(super) fn new(seed: &Seed) -> Self {
        let mut books = Self::default();
        for (id, instrument) in (1..).zip(&seed.instruments) {
            books.book_mut(InstrumentId(id)).last_price = instrument.last_price;
        }
        for order in &seed.orders {
            let (instrument, side, price) = (order.instrument, order.side, order.price);
            books.insert(order.order, Open { instrument, side, price, leaves: order.open });
        }
        books.changes = Changes::default();
        books
    }

    /// The book of an instrument; `None` if nothing was ever known of it.
    pub fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.by_instrument.get(index(instrument.0))
    }

    /// Number of open orders in all books.
    pub fn open_orders(&self) -> usize {
        self.open.len()
    }

    /// Whether all changes were taken, so that the books are what those who take them know.
    pub fn settled(&self) -> bool {
        self.changes.is_empty()
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn rest(&mut self, body: &ReportBody) {
        if body.leaves.0 > 0 && body.price.0 > 0 {
            let (instrument, side, price) = (body.instrument, body.side, body.price);
            self.insert(body.order, Open { instrument, side, price, leaves: body.leaves });
        }
    }

    pub(super) fn set_leaves(&mut self, order: OrderId, leaves: Quantity) {
        let Some(open) = self.open.get_mut(&order) else { return };
        let (before, gone) = (*open, leaves.0 <= 0);
        open.leaves = leaves;
        if gone {
            self.open.remove(&order);
        }
        let orders = if gone { -1 } else { 0 };
        self.change(&before, leaves.0 - before.leaves.0, orders);
    }

    pub(super) fn traded(&mut self, trade: Trade) {
        let book = self.book_mut(trade.instrument);
        (book.last_price, book.last_trade) = (Some(trade.price), Some(trade));
        self.changes.trades.push(trade);
    }

    pub(super) fn busted(&mut self, trade: TradeId, instrument: InstrumentId) {
        self.changes.busts.push((trade, instrument));
    }

    fn insert(&mut self, order: OrderId, open: Open) {
        self.open.insert(order, open);
        self.change(&open, open.leaves.0, 1);
    }

    fn change(&mut self, at: &Open, quantity: i64, orders: i32) {
        let book = self.book_mut(at.instrument);
        let before = book.level(at.side, at.price);
        book.change(at.side, at.price, quantity, orders);
        self.changes.levels.entry((at.instrument, at.side, at.price)).or_insert(before);
    }

    fn book_mut(&mut self, instrument: InstrumentId) -> &mut Book {
        let at = index(instrument.0);
        if at >= self.by_instrument.len() {
            self.by_instrument.resize_with(at + 1, Book::default);
        }
        &mut self.by_instrument[at]
    }
}

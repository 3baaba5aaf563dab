//! Reading the state: for snapshots' makers, tools and tests. Nothing here is on the order path.

use rialto_protocol::{AccountId, AssetId, ClOrdId, InstrumentId, OrderId, Price, Quantity, SessionId, Side};

use super::Exchange;
use crate::accounts::{AssetTotals, Balance};
use crate::book::{Book, Orders, Slot};
use crate::trades::Trade;

/// What an account has of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// The account.
    pub account: AccountId,
    /// The asset.
    pub asset: AssetId,
    /// Total and reserved.
    pub balance: Balance,
}

/// An open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Its number.
    pub order: OrderId,
    /// Its name.
    pub cl_ord_id: ClOrdId,
    /// Whose it is.
    pub session: SessionId,
    /// Whose money.
    pub account: AccountId,
    /// In what.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Its limit.
    pub price: Price,
    /// All of it.
    pub quantity: Quantity,
    /// What is left.
    pub open: Quantity,
}

/// A line of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookRow {
    /// In what.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Its limit.
    pub price: Price,
    /// The order.
    pub order: OrderId,
    /// What is left of it.
    pub open: Quantity,
}

impl Exchange {
    /// Everything that accounts hold, by account, then asset.
    pub fn account_rows(&self) -> impl Iterator<Item = AccountRow> {
        self.accounts.iter().map(|(account, asset, balance)| AccountRow { account, asset, balance })
    }

    /// What an account has of an asset.
    pub fn balance(&self, account: AccountId, asset: AssetId) -> Balance {
        self.accounts.find(account, asset).map_or_else(Balance::default, |row| self.accounts.balance(row))
    }

    /// The running sums of every asset, by number.
    pub fn totals(&self) -> impl Iterator<Item = (AssetId, AssetTotals)> {
        let assets = u32::try_from(self.directory.assets().len()).expect("assets are few");
        (1..=assets).map(|asset| (AssetId(asset), self.accounts.totals(AssetId(asset))))
    }

    /// All open orders, by number.
    pub fn order_rows(&self) -> impl Iterator<Item = OrderRow> {
        self.open.iter().map(|(_, slot)| self.order_row(slot))
    }

    /// The open order with this number.
    pub fn open_order(&self, order: OrderId) -> Option<OrderRow> {
        self.open.find(order).map(|slot| self.order_row(slot))
    }

    /// How many orders are open.
    pub fn orders_open(&self) -> usize {
        self.names.len()
    }

    fn order_row(&self, slot: Slot) -> OrderRow {
        let order = &self.orders[slot];
        OrderRow {
            order: order.id,
            cl_ord_id: self.terms[slot.index()].cl_ord_id,
            session: order.session,
            account: order.account,
            instrument: order.instrument,
            side: order.side(),
            price: order.price(),
            quantity: Quantity(order.filled().0 + order.open().0),
            open: order.open(),
        }
    }

    /// All books: instruments by number, buys then sells, each from the best, in queue order.
    pub fn book_rows(&self) -> impl Iterator<Item = BookRow> {
        let instruments = u32::try_from(self.directory.instruments().len()).expect("instruments are few");
        (1..=instruments).map(InstrumentId).flat_map(move |instrument| {
            [Side::Buy, Side::Sell].into_iter().flat_map(move |side| {
                let book = &self.markets[instrument.0 as usize].book;
                book.priority(&self.orders, side).map(move |slot| {
                    let order = &self.orders[slot];
                    BookRow { instrument, side, price: order.price(), order: order.id, open: order.open() }
                })
            })
        })
    }

    /// The book of an instrument, and the orders that it is to be read with.
    pub fn book(&self, instrument: InstrumentId) -> Option<(&Book, &Orders)> {
        let market = self.markets.get(instrument.0 as usize)?;
        instrument.is_some().then_some((&market.book, &self.orders))
    }

    /// Price of the last trade in an instrument.
    pub fn last_price(&self, instrument: InstrumentId) -> Option<Price> {
        self.markets.get(instrument.0 as usize)?.last
    }

    /// The trades that are kept, oldest first.
    pub fn trades(&self) -> impl DoubleEndedIterator<Item = &Trade> {
        self.trades.iter()
    }
}

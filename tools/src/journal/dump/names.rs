//! Names and decimals of a state, as people write them; a field that has none is left out.

use std::fmt::Display;

use rialto_engine::exchange::Exchange;
use rialto_protocol::terms::{OrderKind, TimeInForce};
use rialto_protocol::{AccountId, Cash, InstrumentId, OrderId, Price, Quantity, Side};
use serde_json::{Map, Value};

use crate::serve::show;

/// The state that numbers are looked up in.
pub(super) struct Names<'a>(pub(super) &'a Exchange);

impl Names<'_> {
    pub(super) fn symbol(&self, instrument: InstrumentId) -> String {
        show::symbol(self.0, instrument).to_owned()
    }

    pub(super) fn account(&self, account: AccountId) -> String {
        let known = self.0.directory().account(account);
        known.map_or_else(String::new, |known| known.name.as_str().to_owned())
    }

    pub(super) fn price(&self, instrument: InstrumentId, price: Price) -> String {
        show::price(self.0, instrument, price)
    }

    pub(super) fn quantity(&self, instrument: InstrumentId, quantity: Quantity) -> String {
        show::quantity(self.0, instrument, quantity)
    }

    /// An amount of an instrument's currency, in its smallest units.
    pub(super) fn funds(&self, instrument: InstrumentId, units: i64) -> String {
        let cash = self.0.directory().instrument(instrument).map(|known| known.cash);
        cash.map_or_else(String::new, |cash| show::amount(self.0, cash, Cash(i128::from(units))))
    }
}

/// Fields being put together.
#[derive(Debug, Default)]
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    /// A field, unless it is empty.
    #[must_use]
    pub(super) fn with(mut self, key: &str, value: impl Display) -> Self {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.insert(key.to_owned(), value.into());
        }
        self
    }

    /// A number or a truth.
    #[must_use]
    pub(super) fn plain(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// What an order is in, and its side.
    #[must_use]
    pub(super) fn place(self, names: &Names<'_>, instrument: InstrumentId, side: Side) -> Self {
        self.with("symbol", names.symbol(instrument)).with("side", show::side(side))
    }

    /// 37, if there is one.
    #[must_use]
    pub(super) fn order(self, order: OrderId) -> Self {
        if order.is_some() { self.with("37", order) } else { self }
    }

    /// 40 and 59.
    #[must_use]
    pub(super) fn kind(self, kind: OrderKind, time_in_force: TimeInForce) -> Self {
        self.with("40", char::from(kind as u8)).with("59", char::from(time_in_force as u8))
    }
}

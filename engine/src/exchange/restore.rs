//! The state taken apart for a snapshot, and put together again.

use rialto_journal::position::Position;
use rialto_protocol::{AccountId, AssetId, InstrumentId, Quantity, Side};

use super::matching::Incoming;
use super::terms::Terms;
use super::{Exchange, Market};
use crate::accounts::Accounts;
use crate::book::{Order, Slot};
use crate::clordids::{Key, Windows};
use crate::state::{OrderBody, StateBody, SweepBody};

impl Exchange {
    pub(crate) fn to_body(&self) -> StateBody {
        let mut orders = Vec::with_capacity(self.names.len());
        for market in &self.markets {
            for side in [Side::Buy, Side::Sell] {
                orders.extend(market.book.priority(&self.orders, side).map(|slot| self.order_body(slot)));
            }
        }
        StateBody {
            event_end: self.event_end.get(),
            issued: self.issued,
            term: self.term,
            directory: self.directory.clone(),
            sessions: self.sessions.clone(),
            accounts: self.accounts.body(),
            transfers: self.transfers.clone(),
            last_prices: self.markets.iter().map(|market| market.last).collect(),
            orders,
            sweeps: self
                .sweeps
                .iter()
                .map(|incoming| SweepBody {
                    order: self.order_body(incoming.slot),
                    funds: incoming.funds,
                    listed: incoming.listed,
                })
                .collect(),
            names: self.windows.body(),
            trades: self.trades.iter().copied().collect(),
            work: self.work.clone(),
        }
    }

    fn order_body(&self, slot: Slot) -> OrderBody {
        let (order, terms) = (&self.orders[slot], &self.terms[slot.index()]);
        OrderBody {
            id: order.id,
            instrument: order.instrument,
            side: order.side(),
            price: order.price(),
            open: order.open(),
            filled: order.filled(),
            account: order.account,
            session: order.session,
            owner: order.owner,
            flags: order.flags,
            made: terms.made,
            taken: terms.taken,
            rates: terms.rates,
            answer: terms.answer,
            cl_ord_id: terms.cl_ord_id,
        }
    }

    pub(crate) fn from_body(body: StateBody) -> Result<Self, String> {
        // Before any table grows to hold them.
        let directory = &body.directory;
        let unknown = |(account, asset): &(AccountId, AssetId)| {
            directory.account(*account).is_none() || directory.asset(*asset).is_none()
        };
        if let Some((account, asset)) = body.accounts.owners().find(unknown) {
            return Err(format!("a balance of {account:?} in {asset:?}"));
        }
        let mut exchange = Self {
            event_end: Position::new(body.event_end),
            issued: body.issued,
            term: body.term,
            directory: body.directory,
            sessions: body.sessions,
            accounts: Accounts::from_body(body.accounts),
            transfers: body.transfers,
            markets: body.last_prices.into_iter().map(|last| Market { last, ..Market::default() }).collect(),
            windows: Windows::from_body(body.names),
            work: body.work,
            ..Self::new()
        };
        if exchange.markets.len() != exchange.directory.instruments().len() + 1 {
            return Err(format!("{} last prices", exchange.markets.len()));
        }
        for trade in body.trades {
            exchange.trades.keep(trade);
        }
        // Older ones first, so that each is found where it was before.
        let mut by_number: Vec<(OrderBody, Slot)> = Vec::with_capacity(body.orders.len());
        for order in &body.orders {
            let slot = exchange.take_in(order)?;
            exchange.markets[order.instrument.0 as usize].book.rest(&mut exchange.orders, slot);
            by_number.push((*order, slot));
        }
        for sweep in &body.sweeps {
            let slot = exchange.take_in(&sweep.order)?;
            exchange.sweeps.push(Incoming { slot, funds: sweep.funds, listed: sweep.listed });
            if sweep.listed {
                by_number.push((sweep.order, slot));
            }
        }
        by_number.sort_by_key(|(order, _)| order.id);
        for (order, slot) in by_number {
            exchange.open.insert(order.id, slot);
            exchange.names.insert(order.session, Key::of(&order.cl_ord_id), slot);
        }
        exchange.conserve()?;
        Ok(exchange)
    }

    /// Gives an order of a snapshot a slot.
    fn take_in(&mut self, body: &OrderBody) -> Result<Slot, String> {
        let instrument: InstrumentId = body.instrument;
        let defined = self.directory.instrument(instrument).ok_or("an order of no instrument")?;
        let (cash, asset) = (defined.cash, defined.asset);
        self.directory.account(body.account).ok_or("an order of no account")?;
        let all = body.open.0.checked_add(body.filled.0).map(Quantity).ok_or("an order of too many lots")?;
        if body.price.0 <= 0 || body.open.0 < 0 || body.filled.0 < 0 || all > crate::book::QUANTITY_MAX {
            return Err(format!("{body:?}"));
        }
        let mut order = Order::new(body.id, instrument, body.side, body.price, all);
        order.account = body.account;
        order.session = body.session;
        order.owner = body.owner;
        order.flags = body.flags;
        let slot = self.orders.insert(order).ok_or("more orders than can be kept")?;
        if body.filled > Quantity(0) {
            self.orders.take(slot, body.filled);
        }
        self.terms.resize(self.orders.slots_used().max(self.terms.len()), Terms::default());
        self.terms[slot.index()] = Terms {
            made: body.made,
            taken: body.taken,
            cash: self.accounts.row(body.account, cash),
            holding: self.accounts.row(body.account, asset),
            rates: body.rates,
            answer: body.answer,
            cl_ord_id: body.cl_ord_id,
        };
        Ok(slot)
    }
}

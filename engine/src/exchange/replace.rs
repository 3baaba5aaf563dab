//! A replace: new terms for an open order, which keeps its number.

use rialto_protocol::command::ReplaceOrder;
use rialto_protocol::event::{Report, report_flag};
use rialto_protocol::terms::ReplaceRule;
use rialto_protocol::{ClOrdId, ExecType, Header, OrderKind, Quantity, Reason, Side, TimeInForce};

use super::Exchange;
use super::cancel::Request;
use super::emit::Emitter;
use super::matching::Incoming;
use super::terms::{self, mark};
use crate::book::{Slot, accepts};
use crate::clordids::Key;
use crate::risk::{self, Size};

impl Exchange {
    pub(super) fn replace(&mut self, header: &Header, asked: &ReplaceOrder, out: &mut Emitter<'_>) {
        if !self.take_number(header) {
            return;
        }
        let request = Request {
            session: header.session,
            order: asked.order,
            instrument: asked.instrument,
            side: asked.side,
            flags: asked.flags,
            replace: true,
            cl_ord_id: &asked.cl_ord_id,
            orig_cl_ord_id: &asked.orig_cl_ord_id,
        };
        let Some(slot) = self.addressed(&request, out) else { return };
        match self.check_replace(slot, asked).and_then(|()| self.set_aside_anew(slot, asked)) {
            Ok(()) => self.give_new_terms(slot, asked, out),
            Err(reason) => self.refuse_request(&request, Some(slot), reason, out),
        }
    }

    /// Everything but money that can be held against a replace, in this order.
    fn check_replace(&self, slot: Slot, asked: &ReplaceOrder) -> Result<(), Reason> {
        let order = &self.orders[slot];
        let instrument = self.directory.instrument(order.instrument).ok_or(Reason::UnknownInstrument)?;
        if self.directory.killed(order.session, order.account) {
            return Err(Reason::Killed);
        }
        if self.directory.cancel_only() {
            return Err(Reason::CancelOnly);
        }
        risk::check_market(instrument.market)?;
        if asked.kind != OrderKind::Limit
            || !matches!(asked.time_in_force, TimeInForce::Day | TimeInForce::GoodTillCancel)
        {
            return Err(Reason::Unsupported);
        }
        if asked.price.0 <= 0 {
            return Err(Reason::BadPrice);
        }
        risk::check_quantity(asked.quantity)?;
        if asked.quantity <= order.filled() {
            return Err(Reason::TooLate);
        }
        let value = risk::value(asked.price, asked.quantity, instrument.unit).ok_or(Reason::ValueLimit)?;
        let size = Size { quantity: asked.quantity, value, price: Some(asked.price) };
        let market = self.market(order.instrument);
        risk::check_limits(&self.directory.limits(order.account, order.instrument), &size, market.last)?;
        let best = market.book.best(&self.orders, order.side().opposite());
        let would_trade = best.is_some_and(|best| accepts(order.side(), asked.price, best));
        if order.flags & mark::POST_ONLY != 0 && would_trade { Err(Reason::WouldTrade) } else { Ok(()) }
    }

    /// Reserves what the new terms need more than the old ones, or releases what they need less.
    fn set_aside_anew(&mut self, slot: Slot, asked: &ReplaceOrder) -> Result<(), Reason> {
        let (order, held) = (&self.orders[slot], &self.terms[slot.index()]);
        let unit = self.directory.instrument(order.instrument).map_or(1, |instrument| instrument.unit);
        let open = Quantity(asked.quantity.0 - order.filled().0);
        let before = held.reserved(order, order.open(), unit);
        let (row, short, after) = match order.side() {
            Side::Sell => (held.holding, Reason::NotEnoughHoldings, i128::from(open.0)),
            Side::Buy => {
                let value = risk::value(asked.price, open, unit).ok_or(Reason::ValueLimit)?;
                (held.cash, Reason::NotEnoughCash, held.rates.reservation(held.traded(unit), value))
            }
        };
        if after <= before {
            self.accounts.release(row, before - after);
            return Ok(());
        }
        if self.accounts.reserve(row, after - before) { Ok(()) } else { Err(short) }
    }

    fn give_new_terms(&mut self, slot: Slot, asked: &ReplaceOrder, out: &mut Emitter<'_>) {
        let order = self.orders[slot];
        let instrument =
            self.directory.instrument(order.instrument).expect("an order's instrument is defined");
        let open = Quantity(asked.quantity.0 - order.filled().0);
        let keeps = instrument.replace == ReplaceRule::KeepOnDecrease
            && asked.price == order.price()
            && open < order.open();
        let book = &mut self.markets[order.instrument.0 as usize].book;
        if keeps {
            book.reduce(&mut self.orders, slot, open);
        } else {
            book.remove(&mut self.orders, slot);
            self.orders.amend(slot, asked.price, open);
        }
        self.orders[slot].flags = terms::marks_with(&order, asked.time_in_force);
        let name = self.rename(slot, asked);
        let exec = self.issued.exec();
        let held = &self.terms[slot.index()];
        let mut body = held.report(&self.orders[slot], exec);
        body.exec_type = ExecType::Replaced;
        if keeps {
            body.flags |= report_flag::KEPT_PLACE;
        }
        let report = Report {
            body,
            fill: None,
            funds: None,
            cl_ord_id: asked.cl_ord_id.as_bytes(),
            orig_cl_ord_id: name.as_bytes(),
            request: b"",
        };
        let answer = out.report(&mut self.sessions, order.session, report);
        self.terms[slot.index()].answer = answer;
        self.windows.note(order.session, Key::of(&asked.cl_ord_id), answer);
        if !keeps {
            self.go_in(Incoming { slot, funds: None, listed: true }, out);
        }
    }

    /// From now on the order is addressed by the request's name; its name until now.
    fn rename(&mut self, slot: Slot, asked: &ReplaceOrder) -> ClOrdId {
        let session = self.orders[slot].session;
        let held = &mut self.terms[slot.index()];
        let name = std::mem::replace(&mut held.cl_ord_id, asked.cl_ord_id);
        self.names.remove(session, Key::of(&name), slot);
        self.names.insert(session, Key::of(&asked.cl_ord_id), slot);
        name
    }
}

//! A new order: checked, its money set aside, announced, matched, and what is left of it put to rest.

use rialto_protocol::command::{NewOrder, OrderTerms, order_flag};
use rialto_protocol::event::{Event, Report, ReportBody, report_flag};
use rialto_protocol::{
    AccountId, ClOrdId, ExecType, Header, OrderId, OrderKind, OrderStatus, Price, Quantity, Reason,
    SessionId, SessionSeq, Side,
};

use super::emit::Emitter;
use super::matching::{Incoming, Stop};
use super::terms::{self, Terms};
use super::{Exchange, ORDERS_OPEN_MAX};
use crate::accounts::fees::Rates;
use crate::book::{Order, QUANTITY_MAX, accepts};
use crate::clordids::Key;
use crate::directory::Instrument;
use crate::risk::{self, Size};

/// What a name is to the session that uses it.
pub(super) enum Used {
    /// It is new.
    No,
    /// It was used, and nothing is left to do for a message that says so itself.
    Answered,
    /// It was used.
    Yes,
}

impl Exchange {
    pub(super) fn new_order(&mut self, header: &Header, asked: &NewOrder, out: &mut Emitter<'_>) {
        if !self.take_number(header) {
            return;
        }
        let (session, key) = (header.session, Key::of(&asked.cl_ord_id));
        match self.used(session, &asked.cl_ord_id, asked.terms.flags, out) {
            Used::No => {}
            Used::Answered => return,
            Used::Yes => {
                self.reject(session, asked, Reason::DuplicateClOrdId, out);
                return;
            }
        }
        match self.accept(session, asked) {
            Err(reason) => {
                let answer = self.reject(session, asked, reason, out);
                if !asked.cl_ord_id.is_empty() {
                    self.windows.note(session, key, answer);
                }
            }
            Ok(incoming) => {
                let answer = self.announce(&incoming, out);
                self.terms[incoming.slot.index()].answer = answer;
                self.windows.note(session, key, answer);
                self.go_in(incoming, out);
            }
        }
    }

    /// Whether a session used a name before. If it did and says that it may repeat itself, that is the end of it: for a
    /// possible duplicate it is told which message answered then, for a possible resend nothing, as the standard's test
    /// case 19a has it.
    pub(super) fn used(&self, session: SessionId, name: &ClOrdId, flags: u8, out: &mut Emitter<'_>) -> Used {
        let Some(answer) = self.first_answer(session, name) else { return Used::No };
        if flags & order_flag::POSSIBLE_REPEAT != 0 && answer.is_some() {
            out.tell(session, &Event::Repeat(answer));
            Used::Answered
        } else if flags & order_flag::POSSIBLE_RESEND != 0 {
            Used::Answered
        } else {
            Used::Yes
        }
    }

    /// The message that first answered a name, if it was used.
    #[inline]
    pub(super) fn first_answer(&self, session: SessionId, name: &ClOrdId) -> Option<SessionSeq> {
        let key = Key::of(name);
        self.windows.answer(session, key).or_else(|| {
            let slot = self.named(session, name, key)?;
            Some(self.terms[slot.index()].answer)
        })
    }

    /// Everything that can be held against a new order, in this order; then its money is set aside and it has a slot.
    fn accept(&mut self, session: SessionId, asked: &NewOrder) -> Result<Incoming, Reason> {
        let terms = &asked.terms;
        if asked.cl_ord_id.is_empty() {
            return Err(Reason::BadValue);
        }
        let instrument = *self.directory.instrument(terms.instrument).ok_or(Reason::UnknownInstrument)?;
        let account = self.directory.account_for(session, terms.account)?;
        if self.directory.killed(session, account) {
            return Err(Reason::Killed);
        }
        if self.directory.cancel_only() {
            return Err(Reason::CancelOnly);
        }
        risk::check_market(instrument.market)?;
        if self.is_locked(terms.instrument) {
            return Err(Reason::MarketHalted);
        }
        risk::check_terms(terms)?;
        self.check_size(account, terms, &instrument)?;
        let open_max = self.directory.orders_open_max();
        let open = self.sessions.get(session).map_or(0, crate::sessions::SessionState::orders_open);
        if (open_max != 0 && open >= open_max) || self.orders.count() >= ORDERS_OPEN_MAX as usize {
            return Err(Reason::OpenOrdersLimit);
        }
        if terms.has(order_flag::POST_ONLY) && self.would_trade(terms) {
            return Err(Reason::WouldTrade);
        }
        self.set_aside(session, account, asked, &instrument)
    }

    fn check_size(
        &self,
        account: AccountId,
        terms: &OrderTerms,
        instrument: &Instrument,
    ) -> Result<(), Reason> {
        let last = self.market(terms.instrument).last;
        let by_funds = terms.has(order_flag::BY_FUNDS);
        let (quantity, price, value) = match (terms.kind, last) {
            (OrderKind::Market, _) if by_funds => (Quantity(0), None, Some(i128::from(terms.quantity.0))),
            (OrderKind::Market, None) => (terms.quantity, None, Some(0)),
            (OrderKind::Market, Some(last)) => {
                (terms.quantity, None, risk::value(last, terms.quantity, instrument.unit))
            }
            (OrderKind::Limit, _) => {
                (terms.quantity, Some(terms.price), risk::value(terms.price, terms.quantity, instrument.unit))
            }
        };
        let size = Size { quantity, value: value.ok_or(Reason::ValueLimit)?, price };
        risk::check_limits(&self.directory.limits(account, terms.instrument), &size, last)
    }

    fn would_trade(&self, terms: &OrderTerms) -> bool {
        self.market(terms.instrument)
            .book
            .best(&self.orders, terms.side.opposite())
            .is_some_and(|best| accepts(terms.side, terms.price, best))
    }

    fn set_aside(
        &mut self,
        session: SessionId,
        account: AccountId,
        asked: &NewOrder,
        instrument: &Instrument,
    ) -> Result<Incoming, Reason> {
        let terms = &asked.terms;
        let by_funds = terms.has(order_flag::BY_FUNDS);
        let price = match (terms.kind, terms.side) {
            (OrderKind::Limit, _) => terms.price,
            (OrderKind::Market, Side::Buy) => Price(i64::MAX),
            (OrderKind::Market, Side::Sell) => Price(1),
        };
        let quantity = if by_funds { QUANTITY_MAX } else { terms.quantity };
        let mut order = Order::new(OrderId::NONE, terms.instrument, terms.side, price, quantity);
        order.account = account;
        order.session = session;
        let owner = self.directory.account(account).map(|account| account.participant);
        order.owner = owner.ok_or(Reason::UnknownAccount)?;
        order.flags = terms::marks(terms);
        let held = Terms {
            cash: self.accounts.row(account, instrument.cash),
            holding: self.accounts.row(account, instrument.asset),
            rates: Rates { maker_ppm: instrument.maker_fee_ppm, taker_ppm: instrument.taker_fee_ppm },
            cl_ord_id: asked.cl_ord_id,
            ..Terms::default()
        };
        let (row, short) = match terms.side {
            Side::Buy => (held.cash, Reason::NotEnoughCash),
            Side::Sell => (held.holding, Reason::NotEnoughHoldings),
        };
        if !self.accounts.reserve(row, held.reserved(&order, quantity, instrument.unit)) {
            return Err(short);
        }
        order.id = self.issued.order();
        let slot = self.orders.insert(order).expect("room was seen to be there");
        let used = self.orders.slots_used();
        if used > self.terms.len() {
            self.terms.resize(used, Terms::default());
        }
        self.terms[slot.index()] = held;
        let funds = by_funds.then_some(terms.quantity.0);
        Ok(Incoming { slot, funds, listed: false })
    }

    /// Tells that a new order was accepted; the message's number.
    fn announce(&mut self, incoming: &Incoming, out: &mut Emitter<'_>) -> SessionSeq {
        let exec = self.issued.exec();
        let (order, terms) = (&self.orders[incoming.slot], &self.terms[incoming.slot.index()]);
        let report = Report {
            body: terms.report(order, exec),
            fill: None,
            funds: incoming.funds,
            cl_ord_id: terms.cl_ord_id.as_bytes(),
            orig_cl_ord_id: b"",
            request: b"",
        };
        out.report(&mut self.sessions, order.session, report)
    }

    /// Matches an incoming order and does with the rest what its terms say.
    pub(super) fn go_in(&mut self, incoming: Incoming, out: &mut Emitter<'_>) {
        let stop = match self.cannot_fill(&incoming) {
            Some(reason) => Stop::Cancelled(reason),
            None => self.match_incoming(&incoming, out),
        };
        self.settle_rest(incoming, stop, out);
    }

    /// Refuses a new order; the message's number.
    fn reject(
        &mut self,
        session: SessionId,
        asked: &NewOrder,
        reason: Reason,
        out: &mut Emitter<'_>,
    ) -> SessionSeq {
        let terms = &asked.terms;
        let by_funds = terms.has(order_flag::BY_FUNDS);
        let mut body = ReportBody::new(OrderId::NONE, self.issued.exec(), terms.side, terms.kind);
        body.exec_type = ExecType::Rejected;
        body.status = OrderStatus::Rejected;
        body.reason = reason;
        body.price = terms.price;
        if by_funds {
            body.flags |= report_flag::BY_FUNDS;
        } else {
            body.quantity = terms.quantity;
        }
        if terms.has(order_flag::POST_ONLY) {
            body.flags |= report_flag::POST_ONLY;
        }
        body.account = self.directory.account_for(session, terms.account).unwrap_or(terms.account);
        body.instrument = terms.instrument;
        body.time_in_force = terms.time_in_force;
        let report = Report {
            body,
            fill: None,
            funds: by_funds.then_some(terms.quantity.0),
            cl_ord_id: asked.cl_ord_id.as_bytes(),
            orig_cl_ord_id: b"",
            request: b"",
        };
        out.report(&mut self.sessions, session, report)
    }
}

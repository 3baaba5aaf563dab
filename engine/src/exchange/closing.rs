//! How orders come to rest and how they end.

use rialto_protocol::event::{Report, report_flag};
use rialto_protocol::{ClOrdId, ExecType, OrderStatus, Quantity, Reason, SessionId, TimeInForce};

use super::Exchange;
use super::emit::Emitter;
use super::matching::{Incoming, Stop};
use super::terms;
use crate::book::Slot;
use crate::clordids::Key;

/// How an order ends that is not filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) exec_type: ExecType,
    pub(super) reason: Reason,
    /// The request that asked for it, if one did.
    pub(super) request: Option<ClOrdId>,
    /// Bits of [`report_flag`].
    pub(super) flags: u8,
}

impl Ending {
    /// Nobody of its session asked for it.
    pub(super) fn unsolicited(reason: Reason) -> Self {
        Self { exec_type: ExecType::Canceled, reason, request: None, flags: report_flag::UNSOLICITED }
    }
}

impl Exchange {
    /// The open order that has a name now, in its session.
    #[inline]
    pub(super) fn named(&self, session: SessionId, name: &ClOrdId, key: Key) -> Option<Slot> {
        self.names.find(session, key, |slot| {
            self.orders[slot].session == session && self.terms[slot.index()].cl_ord_id == *name
        })
    }

    /// Does with an incoming order what matching has left to do.
    pub(super) fn settle_rest(&mut self, incoming: Incoming, stop: Stop, out: &mut Emitter<'_>) {
        let slot = incoming.slot;
        match stop {
            Stop::Filled => {
                if incoming.listed {
                    self.unlist(slot);
                }
                self.orders.free(slot);
            }
            Stop::NoMore => match terms::time_in_force(&self.orders[slot]) {
                _ if terms::kind(&self.orders[slot]) == rialto_protocol::OrderKind::Market => {
                    self.end(&incoming, &Ending::unsolicited(Reason::NoLiquidity), out);
                }
                TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => {
                    self.end(&incoming, &Ending::unsolicited(Reason::NoLiquidity), out);
                }
                TimeInForce::Day | TimeInForce::GoodTillCancel => self.rest(&incoming),
            },
            Stop::Cancelled(reason) => self.end(&incoming, &Ending::unsolicited(reason), out),
            Stop::Paused => self.sweeps.push(incoming),
        }
    }

    /// Puts an order behind all others of its price.
    fn rest(&mut self, incoming: &Incoming) {
        let slot = incoming.slot;
        let order = &self.orders[slot];
        let (id, session, instrument) = (order.id, order.session, order.instrument);
        self.markets[instrument.0 as usize].book.rest(&mut self.orders, slot);
        if !incoming.listed {
            self.open.insert(id, slot);
            self.names.insert(session, Key::of(&self.terms[slot.index()].cl_ord_id), slot);
            self.sessions.order_opened(session);
        }
    }

    /// Takes an order out of the lists of open ones.
    #[inline]
    pub(super) fn unlist(&mut self, slot: Slot) {
        let (id, session) = (self.orders[slot].id, self.orders[slot].session);
        self.names.remove(session, Key::of(&self.terms[slot.index()].cl_ord_id), slot);
        self.open.remove(id);
        self.sessions.order_closed(session);
    }

    /// Ends a resting order that the member has not asked to end.
    pub(super) fn end_resting(&mut self, slot: Slot, reason: Reason, out: &mut Emitter<'_>) {
        self.take_out(slot, &Ending::unsolicited(reason), out);
    }

    /// Takes a resting order out of its book, and ends it.
    pub(super) fn take_out(&mut self, slot: Slot, ending: &Ending, out: &mut Emitter<'_>) {
        let instrument = self.orders[slot].instrument;
        self.markets[instrument.0 as usize].book.remove(&mut self.orders, slot);
        self.end(&Incoming { slot, funds: None, listed: true }, ending, out);
    }

    /// Ends an order that does not rest: releases what it has reserved, tells its session, forgets it.
    fn end(&mut self, incoming: &Incoming, ending: &Ending, out: &mut Emitter<'_>) {
        let Incoming { slot, funds, listed } = *incoming;
        let (order, terms) = (&self.orders[slot], &self.terms[slot.index()]);
        let instrument =
            self.directory.instrument(order.instrument).expect("an order's instrument is defined");
        let row = match order.side() {
            rialto_protocol::Side::Buy => terms.cash,
            rialto_protocol::Side::Sell => terms.holding,
        };
        self.accounts.release(row, terms.reserved(order, order.open(), instrument.unit));
        let mut body = terms.report(order, self.issued.exec());
        body.exec_type = ending.exec_type;
        body.status = match ending.exec_type {
            ExecType::Expired => OrderStatus::Expired,
            ExecType::New
            | ExecType::Canceled
            | ExecType::Replaced
            | ExecType::Rejected
            | ExecType::Trade
            | ExecType::TradeCancel
            | ExecType::OrderStatus => OrderStatus::Canceled,
        };
        body.leaves = Quantity(0);
        body.reason = ending.reason;
        body.flags |= ending.flags;
        let name = terms.cl_ord_id;
        let (cl_ord_id, orig_cl_ord_id) = match &ending.request {
            Some(request) => (request.as_bytes(), name.as_bytes()),
            None => (name.as_bytes(), &b""[..]),
        };
        let report = Report { body, fill: None, funds, cl_ord_id, orig_cl_ord_id, request: b"" };
        out.report(&mut self.sessions, order.session, report);
        if listed {
            self.unlist(slot);
        }
        self.orders.free(slot);
    }
}

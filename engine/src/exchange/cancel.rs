//! A cancel, and what it has in common with a replace: finding the order, and refusing.

use rialto_protocol::command::{CancelOrder, order_flag};
use rialto_protocol::event::{CancelReject, Event};
use rialto_protocol::{
    ClOrdId, ExecType, Header, InstrumentId, OrderId, OrderStatus, Reason, SessionId, SessionSeq, Side,
};

use super::Exchange;
use super::closing::Ending;
use super::emit::Emitter;
use super::enter::Used;
use super::terms;
use crate::book::Slot;
use crate::clordids::Key;

/// Which order a cancel or replace is for, and under which name it asks.
pub(super) struct Request<'a> {
    pub(super) session: SessionId,
    pub(super) order: OrderId,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) flags: u8,
    pub(super) replace: bool,
    pub(super) cl_ord_id: &'a ClOrdId,
    pub(super) orig_cl_ord_id: &'a ClOrdId,
}

impl Exchange {
    pub(super) fn cancel(&mut self, header: &Header, asked: &CancelOrder, out: &mut Emitter<'_>) {
        if !self.take_number(header) {
            return;
        }
        let request = Request {
            session: header.session,
            order: asked.order,
            instrument: asked.instrument,
            side: asked.side,
            flags: asked.flags,
            replace: false,
            cl_ord_id: &asked.cl_ord_id,
            orig_cl_ord_id: &asked.orig_cl_ord_id,
        };
        let Some(slot) = self.addressed(&request, out) else { return };
        let (answer, _) = self.sessions.next_message(header.session).unwrap_or_default();
        self.windows.note(header.session, Key::of(&asked.cl_ord_id), answer);
        let ending = Ending {
            exec_type: ExecType::Canceled,
            reason: Reason::None,
            request: Some(asked.cl_ord_id),
            flags: 0,
        };
        self.take_out(slot, &ending, out);
    }

    /// The order that a request is for; else the request has been answered.
    pub(super) fn addressed(&mut self, request: &Request<'_>, out: &mut Emitter<'_>) -> Option<Slot> {
        let slot = self.find_order(request);
        match self.used(request.session, request.cl_ord_id, request.flags, out) {
            Used::No => {}
            Used::Answered => return None,
            Used::Yes => {
                self.reject_request(request, slot, Reason::DuplicateClOrdId, out);
                return None;
            }
        }
        match self.check_request(request, slot) {
            Ok(slot) => Some(slot),
            Err(reason) => {
                self.refuse_request(request, slot, reason, out);
                None
            }
        }
    }

    fn find_order(&self, request: &Request<'_>) -> Option<Slot> {
        let slot = if request.order.is_some() {
            self.open.find(request.order)?
        } else {
            self.named(request.session, request.orig_cl_ord_id, Key::of(request.orig_cl_ord_id))?
        };
        (self.orders[slot].session == request.session).then_some(slot)
    }

    fn check_request(&self, request: &Request<'_>, slot: Option<Slot>) -> Result<Slot, Reason> {
        if request.cl_ord_id.is_empty() || request.flags & !order_flag::REPEATS != 0 {
            return Err(Reason::BadValue);
        }
        let slot = slot.ok_or(Reason::UnknownOrder)?;
        let order = &self.orders[slot];
        if order.instrument != request.instrument || order.side() != request.side {
            return Err(Reason::OrderMismatch);
        }
        if self.is_locked(order.instrument) {
            return Err(Reason::TooLate);
        }
        Ok(slot)
    }

    /// Refuses a request and remembers its name.
    pub(super) fn refuse_request(
        &mut self,
        request: &Request<'_>,
        slot: Option<Slot>,
        reason: Reason,
        out: &mut Emitter<'_>,
    ) {
        let answer = self.reject_request(request, slot, reason, out);
        if !request.cl_ord_id.is_empty() {
            self.windows.note(request.session, Key::of(request.cl_ord_id), answer);
        }
    }

    fn reject_request(
        &mut self,
        request: &Request<'_>,
        slot: Option<Slot>,
        reason: Reason,
        out: &mut Emitter<'_>,
    ) -> SessionSeq {
        let (order, status) = match slot.map(|slot| &self.orders[slot]) {
            Some(order) => (order.id, terms::status(order)),
            None => (OrderId::NONE, OrderStatus::Rejected),
        };
        out.message(&mut self.sessions, request.session, |previous| {
            Event::CancelReject(CancelReject {
                previous,
                order,
                status,
                reason,
                replace: request.replace,
                cl_ord_id: request.cl_ord_id.as_bytes(),
                orig_cl_ord_id: request.orig_cl_ord_id.as_bytes(),
                words: b"",
            })
        })
    }
}

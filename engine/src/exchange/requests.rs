//! Requests that change no order, and those that the gateway has refused and the exchange only numbers.

use rialto_protocol::command::{MassCancelRequest, MassStatusRequest, SecurityListRequest, StatusRequest};
use rialto_protocol::event::{
    CancelReject, Event, Report, ReportBody, SECURITIES_PER_MESSAGE, SecurityListPart,
};
use rialto_protocol::{
    ClOrdId, Command, ExecType, Header, InstrumentId, OrderId, OrderKind, OrderStatus, Reason, SessionId,
    SessionSeq,
};

use super::Exchange;
use super::emit::Emitter;
use crate::clordids::Key;
use crate::directory::Covered;
use crate::work::{Selection, Task};

/// Messages of one security list: more instruments than fit are left out, since a command tells at most 4,096 events.
const MESSAGES_MAX: usize = 1 << 10;
const _: () = assert!(MESSAGES_MAX * SECURITIES_PER_MESSAGE >= 1 << 16, "every instrument fits");

impl Exchange {
    pub(super) fn request(&mut self, header: &Header, command: &Command, out: &mut Emitter<'_>) {
        if !self.take_number(header) {
            return;
        }
        let session = header.session;
        match command {
            Command::Status(asked) => self.order_status(session, asked, out),
            Command::MassStatus(asked) => self.mass_status(session, asked, out),
            Command::MassCancel(asked) => self.mass_cancel(session, asked, out),
            Command::SecurityList(asked) => self.security_list(session, asked, out),
            Command::RefusedOrder(order) => {
                let exec = self.issued.exec();
                let answer = out.message(&mut self.sessions, session, |previous| Event::RefusedOrder {
                    previous,
                    exec,
                    order: *order,
                });
                if order.exec_type == ExecType::Rejected {
                    self.note_refused(session, &order.cl_ord_id, answer);
                }
            }
            Command::RefusedCancel(refused) => {
                let answer = out.message(&mut self.sessions, session, |previous| {
                    Event::CancelReject(CancelReject {
                        previous,
                        order: OrderId::NONE,
                        status: OrderStatus::Rejected,
                        reason: refused.reason,
                        replace: refused.replace,
                        cl_ord_id: refused.cl_ord_id.as_bytes(),
                        orig_cl_ord_id: refused.orig_cl_ord_id.as_bytes(),
                        words: refused.words.as_bytes(),
                    })
                });
                self.note_refused(session, &refused.cl_ord_id, answer);
            }
            Command::Epoch(_)
            | Command::Version(_)
            | Command::Tick
            | Command::Continue
            | Command::Chain { .. }
            | Command::Refuse
            | Command::GatewayLost(_)
            | Command::Operate(..)
            | Command::LogOn(_)
            | Command::LogOff(..)
            | Command::Note(_)
            | Command::Challenge
            | Command::NewOrder(_)
            | Command::Cancel(_)
            | Command::Replace(_) => unreachable!("{command:?} is no request"),
        }
    }

    /// Remembers the name of something that the gateway refused, unless it was used before.
    fn note_refused(&mut self, session: SessionId, name: &ClOrdId, answer: SessionSeq) {
        if !name.is_empty() && self.first_answer(session, name).is_none() {
            self.windows.note(session, Key::of(name), answer);
        }
    }

    fn order_status(&mut self, session: SessionId, asked: &StatusRequest, out: &mut Emitter<'_>) {
        let found = if asked.order.is_some() {
            self.open.find(asked.order)
        } else {
            self.named(session, &asked.cl_ord_id, Key::of(&asked.cl_ord_id))
        };
        let open = found.filter(|&slot| {
            let order = &self.orders[slot];
            order.session == session && order.instrument == asked.instrument && order.side() == asked.side
        });
        if let Some(slot) = open {
            self.tell_status(slot, &asked.request, (0, 0), out);
            return;
        }
        let mut body = ReportBody::new(OrderId::NONE, self.issued.exec(), asked.side, OrderKind::Limit);
        body.exec_type = ExecType::OrderStatus;
        body.status = OrderStatus::Rejected;
        body.reason = Reason::UnknownOrder;
        body.instrument = asked.instrument;
        let report = Report {
            body,
            fill: None,
            funds: None,
            cl_ord_id: asked.cl_ord_id.as_bytes(),
            orig_cl_ord_id: b"",
            request: asked.request.as_bytes(),
        };
        out.report(&mut self.sessions, session, report);
    }

    fn mass_status(&mut self, session: SessionId, asked: &MassStatusRequest, out: &mut Emitter<'_>) {
        let selection = Selection {
            covered: Covered::Session(session),
            instrument: asked.instrument,
            time_in_force: None,
        };
        self.start(Task::Count { session, request: asked.request }, selection, out);
    }

    /// A name that was used before makes it a repeat, marked or not: what was answered then is sent again.
    fn mass_cancel(&mut self, session: SessionId, asked: &MassCancelRequest, out: &mut Emitter<'_>) {
        if let Some(answer) = self.first_answer(session, &asked.cl_ord_id) {
            if answer.is_some() {
                out.tell(session, &Event::Repeat(answer));
            }
            return;
        }
        if !asked.cl_ord_id.is_empty() {
            self.windows.note(session, Key::of(&asked.cl_ord_id), SessionSeq::NONE);
        }
        let (instrument, cl_ord_id) = (asked.instrument, asked.cl_ord_id);
        let selection = Selection { covered: Covered::Session(session), instrument, time_in_force: None };
        self.start(Task::MassCancel { session, instrument, cl_ord_id }, selection, out);
    }

    fn security_list(&mut self, session: SessionId, asked: &SecurityListRequest, out: &mut Emitter<'_>) {
        let known = self.directory.instruments().len();
        let all: Vec<u8> = (1..=u32::try_from(known).unwrap_or(u32::MAX))
            .filter(|&number| !asked.instrument.is_some() || asked.instrument == InstrumentId(number))
            .flat_map(u32::to_le_bytes)
            .collect();
        let total = u32::try_from(all.len() / 4).unwrap_or(u32::MAX);
        let per_message = SECURITIES_PER_MESSAGE * 4;
        let messages = all.len().div_ceil(per_message).clamp(1, MESSAGES_MAX);
        for message in 0..messages {
            let exec = self.issued.exec();
            let from = message * per_message;
            let part = &all[from..all.len().min(from + per_message)];
            out.message(&mut self.sessions, session, |previous| {
                Event::SecurityList(SecurityListPart {
                    previous,
                    total,
                    last: message + 1 == messages,
                    exec,
                    request: asked.request.as_bytes(),
                    instruments: part,
                })
            });
        }
    }
}

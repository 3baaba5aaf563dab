//! Requests that change no order, and those that the gateway has refused and the exchange only numbers.

use rialto_protocol::command::{
    BalanceRequest, MassCancelRequest, MassStatusRequest, RefusedCancel, RefusedOrder, SecurityListRequest,
    StatusRequest, order_flag,
};
use rialto_protocol::event::{
    BalanceRow, CancelReject, Event, Report, ReportBody, SECURITIES_PER_MESSAGE, SecurityListPart,
};
use rialto_protocol::{
    AccountId, Cash, ClOrdId, Command, Decimal, ExecType, Header, InstrumentId, OrderId, OrderKind,
    OrderStatus, Reason, SessionId, SessionSeq, Symbol,
};

use super::Exchange;
use super::emit::Emitter;
use super::enter::Used;
use super::view::AccountRow;
use crate::clordids::Key;
use crate::directory::{Covered, Session};
use crate::work::{Selection, Task};

/// Messages of one security list: more instruments than fit are left out, since a command tells at most 4,096 events.
const MESSAGES_MAX: usize = 1 << 10;
const _: () = assert!(MESSAGES_MAX * SECURITIES_PER_MESSAGE >= 1 << 16, "every instrument fits");

/// Rows that answer one request for balances: a command tells at most 4,096 events.
const BALANCES_MAX: usize = 4_000;

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
            Command::Balances(asked) => self.balances(session, asked, out),
            Command::RefusedOrder(order) => self.refused_order(session, order, out),
            Command::RefusedCancel(refused) => self.refused_cancel(session, refused, out),
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

    fn refused_order(&mut self, session: SessionId, order: &RefusedOrder, out: &mut Emitter<'_>) {
        if self.says_it_repeats(session, &order.cl_ord_id, order.flags, out) {
            return;
        }
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

    fn refused_cancel(&mut self, session: SessionId, refused: &RefusedCancel, out: &mut Emitter<'_>) {
        if self.says_it_repeats(session, &refused.cl_ord_id, refused.flags, out) {
            return;
        }
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

    /// Whether a message that no terms could be made of repeats one that was answered, and says so itself.
    fn says_it_repeats(
        &mut self,
        session: SessionId,
        name: &ClOrdId,
        flags: u8,
        out: &mut Emitter<'_>,
    ) -> bool {
        flags & order_flag::REPEATS != 0 && matches!(self.used(session, name, flags, out), Used::Answered)
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

    /// A name that was used before makes it a repeat, marked or not: what was answered then is sent again, but for a
    /// possible resend.
    fn mass_cancel(&mut self, session: SessionId, asked: &MassCancelRequest, out: &mut Emitter<'_>) {
        if let Some(answer) = self.first_answer(session, &asked.cl_ord_id) {
            if answer.is_some() && asked.flags & order_flag::POSSIBLE_RESEND == 0 {
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

    /// What accounts have, as of this command. The answers have no number, see [`BalanceRow`].
    fn balances(&mut self, session: SessionId, asked: &BalanceRequest, out: &mut Emitter<'_>) {
        let blank = BalanceRow {
            account: asked.account,
            rows: 0,
            reason: Reason::None,
            asset: Symbol::EMPTY,
            unit: Decimal::default(),
            total: Cash(0),
            reserved: Cash(0),
            request: asked.request.as_bytes(),
        };
        let rows = match self.balance_rows(session, asked.account) {
            Ok(rows) => rows,
            Err(reason) => return out.tell(session, &Event::Balance(BalanceRow { reason, ..blank })),
        };
        if rows.is_empty() {
            out.tell(session, &Event::Balance(blank));
        }
        let count = u32::try_from(rows.len()).expect("at most BALANCES_MAX");
        for AccountRow { account, asset, balance } in rows {
            out.tell(
                session,
                &Event::Balance(BalanceRow {
                    account,
                    rows: count,
                    asset: self.directory.asset_name(asset).unwrap_or(Symbol::EMPTY),
                    unit: self.directory.asset_unit(asset).unwrap_or_default(),
                    total: balance.total,
                    reserved: balance.reserved,
                    ..blank
                }),
            );
        }
    }

    fn balance_rows(&self, session: SessionId, asked: AccountId) -> Result<Vec<AccountRow>, Reason> {
        let named = [asked];
        let accounts = if asked.is_some() {
            self.directory.account_for(session, asked)?;
            &named[..]
        } else {
            self.directory.session(session).map_or(&[][..], Session::accounts)
        };
        let rows = accounts.iter().flat_map(|&account| {
            self.accounts.of(account).map(move |(asset, balance)| AccountRow { account, asset, balance })
        });
        let rows: Vec<AccountRow> = rows.take(BALANCES_MAX + 1).collect();
        if rows.len() > BALANCES_MAX { Err(Reason::TooManyRows) } else { Ok(rows) }
    }
}

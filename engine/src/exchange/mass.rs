//! Mass work: what one slice does.

use rialto_protocol::event::{Event, MassCancelReport, Report, ReportBody, report_flag};
use rialto_protocol::{ExecType, Note, OrderId, OrderKind, OrderStatus, Reason, SessionId, Side};

use super::Exchange;
use super::closing::Ending;
use super::emit::Emitter;
use super::terms;
use crate::book::Slot;
use crate::clordids::Key;
use crate::directory::Covered;
use crate::work::{Job, LOOKS_PER_SLICE, ORDERS_PER_SLICE, Selection, Task};

/// What is left of a slice.
struct Left {
    orders: usize,
    looks: usize,
}

impl Exchange {
    /// Starts a job on the orders that are open now; its first slice follows at once unless others wait.
    pub(super) fn start(&mut self, task: Task, selection: Selection, out: &mut Emitter<'_>) {
        let idle = self.work.is_empty();
        let (next, end) = (OrderId(0), OrderId(self.issued.order + 1));
        self.work.push(Job { task, selection, next, end, done: 0 });
        if idle {
            self.work_on(out);
        }
    }

    /// The next slice.
    pub(super) fn work_on(&mut self, out: &mut Emitter<'_>) {
        if self.end_lost(out) {
            return;
        }
        let mut left = Left { orders: ORDERS_PER_SLICE, looks: LOOKS_PER_SLICE };
        while left.orders > 0
            && let Some(mut job) = self.work.first()
        {
            if !self.slice(&mut job, &mut left, out) {
                self.work.advance(job);
                return;
            }
            self.finish(job, out);
            left.orders = left.orders.saturating_sub(1);
        }
    }

    /// Goes on with a job as far as the slice reaches; whether it has come to its end.
    fn slice(&mut self, job: &mut Job, left: &mut Left, out: &mut Emitter<'_>) -> bool {
        if self.sweeps.iter().any(|incoming| self.selects(&job.selection, incoming.slot)) {
            // It is on its way through the book: what is left of it comes to rest first.
            return false;
        }
        loop {
            let Some((id, slot)) = self.open.next(job.next).filter(|(id, _)| *id < job.end) else {
                return true;
            };
            if self.has_none(&job.selection) {
                return true;
            }
            // Counted in open orders alone, which are the same on every node, wherever in memory they are.
            if left.orders == 0 || left.looks == 0 {
                return false;
            }
            left.looks -= 1;
            job.next = OrderId(id.0 + 1);
            if self.selects(&job.selection, slot) {
                if !matches!(job.task, Task::Count { .. }) {
                    left.orders -= 1;
                }
                job.done += 1;
                self.do_one(job, slot, out);
            }
        }
    }

    /// Whether no order can be selected, which saves looking through all.
    fn has_none(&self, selection: &Selection) -> bool {
        match selection.covered {
            Covered::Session(id) => self.sessions.get(id).is_none_or(|session| session.orders_open() == 0),
            Covered::All | Covered::Account(_) | Covered::Participant(_) | Covered::Instrument(_) => {
                self.names.is_empty()
            }
        }
    }

    fn selects(&self, selection: &Selection, slot: Slot) -> bool {
        let order = &self.orders[slot];
        let covered = match selection.covered {
            Covered::All => true,
            Covered::Session(session) => order.session == session,
            Covered::Account(account) => order.account == account,
            Covered::Participant(owner) => order.owner == owner,
            Covered::Instrument(instrument) => order.instrument == instrument,
        };
        covered
            && (!selection.instrument.is_some() || order.instrument == selection.instrument)
            && selection.time_in_force.is_none_or(|asked| terms::time_in_force(order) == asked)
    }

    fn do_one(&mut self, job: &Job, slot: Slot, out: &mut Emitter<'_>) {
        match &job.task {
            Task::Cancel(reason) => self.take_out(slot, &Ending::unsolicited(*reason), out),
            Task::MassCancel { .. } => {
                let ending = Ending { flags: 0, ..Ending::unsolicited(Reason::MassCancel) };
                self.take_out(slot, &ending, out);
            }
            Task::DayEnd => {
                let ending = Ending { exec_type: ExecType::Expired, ..Ending::unsolicited(Reason::EndOfDay) };
                self.take_out(slot, &ending, out);
            }
            Task::Count { .. } => {}
            Task::Report { request, total, .. } => {
                let last = if job.done == *total { report_flag::LAST_REPORT } else { 0 };
                self.tell_status(slot, request, (*total, last), out);
            }
        }
    }

    fn finish(&mut self, job: Job, out: &mut Emitter<'_>) {
        self.work.finish();
        match job.task {
            Task::MassCancel { session, instrument, cl_ord_id } => {
                let exec = self.issued.exec();
                let answer = out.message(&mut self.sessions, session, |previous| {
                    Event::MassCancelReport(MassCancelReport {
                        previous,
                        instrument,
                        affected: job.done,
                        exec,
                        cl_ord_id: cl_ord_id.as_bytes(),
                    })
                });
                self.windows.answered(session, Key::of(&cl_ord_id), answer);
            }
            Task::DayEnd => out.tell(SessionId::NONE, &Event::DayEnded),
            Task::Count { session, request } if job.done > 0 => {
                let task = Task::Report { session, request, total: job.done };
                self.work.push_first(Job { task, next: OrderId(0), done: 0, ..job });
            }
            Task::Count { session, request } => self.tell_no_order(session, &request, 0, out),
            Task::Report { session, request, total } if job.done < total => {
                self.tell_no_order(session, &request, total, out);
            }
            Task::Cancel(_) | Task::Report { .. } => {}
        }
    }

    /// Reports an open order in answer to a request; `of`: how many are reported, and flags.
    pub(super) fn tell_status(&mut self, slot: Slot, request: &Note, of: (u32, u8), out: &mut Emitter<'_>) {
        let exec = self.issued.exec();
        let (order, held) = (&self.orders[slot], &self.terms[slot.index()]);
        let mut body = held.report(order, exec);
        body.exec_type = ExecType::OrderStatus;
        body.total_reports = of.0;
        body.flags |= of.1;
        let report = Report {
            body,
            fill: None,
            funds: None,
            cl_ord_id: held.cl_ord_id.as_bytes(),
            orig_cl_ord_id: b"",
            request: request.as_bytes(),
        };
        out.report(&mut self.sessions, order.session, report);
    }

    /// Ends a mass status that found no order, or whose last one has ended meanwhile.
    fn tell_no_order(&mut self, session: SessionId, request: &Note, total: u32, out: &mut Emitter<'_>) {
        let mut body = ReportBody::new(OrderId::NONE, self.issued.exec(), Side::Buy, OrderKind::Limit);
        body.exec_type = ExecType::OrderStatus;
        body.status = OrderStatus::Rejected;
        body.reason = Reason::UnknownOrder;
        body.flags = report_flag::LAST_REPORT;
        body.total_reports = total;
        let report = Report {
            body,
            fill: None,
            funds: None,
            cl_ord_id: b"",
            orig_cl_ord_id: b"",
            request: request.as_bytes(),
        };
        out.report(&mut self.sessions, session, report);
    }
}

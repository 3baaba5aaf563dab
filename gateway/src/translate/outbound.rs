//! From events to messages.

use rialto_protocol::command::{Notice, NoticeKind, RefusedOrder, order_flag};
use rialto_protocol::event::{
    BalanceRow, CancelReject, Event, MassCancelReport, NoticeEvent, Report, SecurityListPart, notice_flag,
    report_flag,
};
use rialto_protocol::terms::{ExecType, Liquidity, OrderStatus};
use rialto_protocol::{Cash, Header, InstrumentId, OrderId, Reason};

use super::{UNIT, Wire, scale, unit};
use crate::fix::{encode, tag};
use crate::line;
use crate::view::View;
use crate::view::directory::Instrument;
use crate::write::{Average, FieldWriter};

/// Whose conversation it is.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Our `CompID`.
    pub ours: &'a [u8],
    /// The member's.
    pub theirs: &'a [u8],
    /// What it speaks.
    pub wire: Wire,
}

/// A message is sent again: when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resend {
    /// `SendingTime` (52) of this sending, ns UTC.
    pub now_ns: u64,
}

/// Whether a resend repeats this event's message; a run of others is filled by one `SequenceReset`.
pub fn is_application(event: &Event<'_>) -> bool {
    match event {
        Event::Report(_)
        | Event::RefusedOrder { .. }
        | Event::CancelReject(_)
        | Event::MassCancelReport(_)
        | Event::SecurityList(_) => true,
        Event::Notice(notice) => {
            matches!(notice.notice.kind, NoticeKind::BusinessReject | NoticeKind::Reject)
        }
        Event::LogOnRefused { .. }
        | Event::Repeat(_)
        | Event::Gone
        | Event::Challenged
        | Event::Balance(_)
        | Event::Epoch(_)
        | Event::Reference { .. }
        | Event::Market(..)
        | Event::Answer { .. }
        | Event::Busted(..)
        | Event::DayEnded
        | Event::Policy(_) => false,
    }
}

/// Appends the message of one event to a session; nothing for an event that has none.
pub fn outbound(
    out: &mut Vec<u8>,
    (view, identity): (&View, &Identity<'_>),
    header: &Header,
    event: &Event<'_>,
    resend: Option<Resend>,
) {
    let put = |out: &mut Vec<u8>, msg_type: &[u8], body: &dyn Fn(&mut FieldWriter<'_>)| {
        let head = encode::Header {
            msg_type,
            sender: identity.ours,
            target: identity.theirs,
            number: header.session_seq.0,
            sending_time_ns: resend.map_or(header.timestamp.0, |resend| resend.now_ns),
            first_sent_ns: resend.map(|_| header.timestamp.0),
        };
        match identity.wire {
            Wire::Fix => encode::message(out, &head, body),
            Wire::Line => line::encode::message(out, &head, body),
        }
    };
    let time_ns = header.timestamp.0;
    match event {
        Event::Report(report) => put(out, b"8", &|fields| self::report(fields, view, report, time_ns)),
        Event::RefusedOrder { exec, order, .. } => {
            put(out, b"8", &|fields| refused_order(fields, exec.0, order, time_ns));
        }
        Event::CancelReject(reject) => put(out, b"9", &|fields| cancel_reject(fields, reject, time_ns)),
        Event::MassCancelReport(report) => {
            put(out, b"r", &|fields| mass_cancel_report(fields, view, report, time_ns));
        }
        Event::SecurityList(part) => put(out, b"y", &|fields| security_list(fields, view, part)),
        Event::Notice(event) => {
            put(out, &[event.notice.kind as u8], &|fields| notice(fields, event, identity.wire));
        }
        // FIX has no message without a number; there nobody can have asked.
        Event::Balance(row) if identity.wire == Wire::Line => {
            let found = row.rows > 0;
            put(out, if found { b"AP" } else { b"AO" }, &|fields| balance(fields, view, row));
        }
        Event::LogOnRefused { .. }
        | Event::Repeat(_)
        | Event::Gone
        | Event::Challenged
        | Event::Balance(_)
        | Event::Epoch(_)
        | Event::Reference { .. }
        | Event::Market(..)
        | Event::Answer { .. }
        | Event::Busted(..)
        | Event::DayEnded
        | Event::Policy(_) => {}
    }
}

/// Appends what stands for a run of administrative messages in a resend: `first` is the run's first number, `next` the
/// number behind its last.
pub fn admin_run(out: &mut Vec<u8>, identity: &Identity<'_>, (first, next): (u32, u32), now_ns: u64) {
    let head = encode::Header {
        msg_type: b"4",
        sender: identity.ours,
        target: identity.theirs,
        number: first,
        sending_time_ns: now_ns,
        first_sent_ns: Some(now_ns),
    };
    let body = |fields: &mut FieldWriter<'_>| {
        fields.unsigned(tag::NEW_SEQ_NO, u64::from(next));
        fields.char(tag::GAP_FILL_FLAG, b'Y');
    };
    match identity.wire {
        Wire::Fix => encode::message(out, &head, body),
        Wire::Line => line::encode::message(out, &head, body),
    }
}

fn order_id(fields: &mut FieldWriter<'_>, order: OrderId) {
    if order.is_some() {
        fields.unsigned(tag::ORDER_ID, order.0);
    } else {
        fields.bytes(tag::ORDER_ID, b"NONE");
    }
}

/// The standard's word for a symbol that must stand where there is none: a mass status that found no order.
const NO_SYMBOL: &[u8] = b"[N/A]";

fn known(view: &View, id: InstrumentId) -> Option<&Instrument> {
    view.directory.instrument(id)
}

fn report(fields: &mut FieldWriter<'_>, view: &View, report: &Report<'_>, time_ns: u64) {
    let body = &report.body;
    let instrument = known(view, body.instrument);
    let tick = instrument.map_or(UNIT, |known| scale(known.def.tick));
    let lot = instrument.map_or(UNIT, |known| scale(known.def.lot));
    order_id(fields, body.order);
    fields.text(tag::CL_ORD_ID, report.cl_ord_id);
    fields.text(tag::ORIG_CL_ORD_ID, report.orig_cl_ord_id);
    fields.unsigned(tag::EXEC_ID, body.exec.0);
    fields.char(tag::EXEC_TYPE, body.exec_type as u8);
    fields.char(tag::ORD_STATUS, body.status as u8);
    if body.exec_type == ExecType::Rejected {
        fields.unsigned(tag::ORD_REJ_REASON, u64::from(body.reason.ord_rej_reason()));
    }
    if let Some(account) = view.directory.account(body.account) {
        fields.text(tag::ACCOUNT, account.name.as_bytes());
    }
    fields.text(tag::SYMBOL, instrument.map_or(NO_SYMBOL, |known| known.def.symbol.as_bytes()));
    fields.char(tag::SIDE, body.side as u8);
    fields.decimal(tag::ORDER_QTY, body.quantity.0, lot);
    fields.char(tag::ORD_TYPE, body.kind as u8);
    if body.price.0 > 0 {
        fields.decimal(tag::PRICE, body.price.0, tick);
    }
    fields.char(tag::TIME_IN_FORCE, body.time_in_force as u8);
    if body.flags & report_flag::POST_ONLY != 0 {
        fields.char(tag::EXEC_INST, b'6');
    }
    if let Some(funds) = report.funds {
        let decimals = instrument.map_or(0, |known| known.currency_decimals);
        fields.decimal(tag::CASH_ORDER_QTY, funds, unit(decimals));
    }
    if let Some(fill) = report.fill {
        fields.decimal(tag::LAST_QTY, fill.last_quantity.0, lot);
        fields.decimal(tag::LAST_PX, fill.last_price.0, tick);
    }
    fields.decimal(tag::LEAVES_QTY, body.leaves.0, lot);
    fields.decimal(tag::CUM_QTY, body.cumulative.0, lot);
    let Cash(notional) = body.notional();
    fields.average(tag::AVG_PX, Average { notional, quantity: body.cumulative.0 }, tick);
    fields.time(tag::TRANSACT_TIME, time_ns);
    if let Some(fill) = report.fill {
        fields.unsigned(tag::SECONDARY_EXEC_ID, fill.trade.0);
    }
    if body.liquidity != Liquidity::None {
        fields.char(tag::LAST_LIQUIDITY_IND, body.liquidity as u8);
    }
    if body.flags & report_flag::UNSOLICITED != 0 {
        fields.unsigned(tag::EXEC_RESTATEMENT_REASON, u64::from(body.reason.restatement_reason()));
    }
    status_request(fields, report);
    fields.text(tag::TEXT, words(body.reason, report.cl_ord_id).as_bytes());
}

/// What a status report answers: one order's request (790), or a mass status (584) with its count.
fn status_request(fields: &mut FieldWriter<'_>, report: &Report<'_>) {
    let last = report.body.flags & report_flag::LAST_REPORT != 0;
    if report.body.total_reports == 0 && !last {
        fields.text(tag::ORD_STATUS_REQ_ID, report.request);
        return;
    }
    fields.text(tag::MASS_STATUS_REQ_ID, report.request);
    fields.unsigned(tag::TOT_NUM_REPORTS, u64::from(report.body.total_reports));
    fields.yes_no(tag::LAST_RPT_REQUESTED, last);
}

/// The reason's words, with the name that they speak of.
fn words(reason: Reason, name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    if name.is_empty() {
        reason.words().to_owned()
    } else if reason == Reason::UnknownOrder {
        format!("no order {name}")
    } else if reason == Reason::DuplicateClOrdId {
        format!("ClOrdID {name} was used before")
    } else {
        reason.words().to_owned()
    }
}

fn refused_order(fields: &mut FieldWriter<'_>, exec: u64, order: &RefusedOrder, time_ns: u64) {
    fields.bytes(tag::ORDER_ID, b"NONE");
    fields.text(tag::CL_ORD_ID, order.cl_ord_id.as_bytes());
    fields.unsigned(tag::EXEC_ID, exec);
    fields.char(tag::EXEC_TYPE, order.exec_type as u8);
    fields.char(tag::ORD_STATUS, OrderStatus::Rejected as u8);
    fields.unsigned(tag::ORD_REJ_REASON, u64::from(order.reason.ord_rej_reason()));
    fields.text(tag::ACCOUNT, order.account.as_bytes());
    fields.text(tag::SYMBOL, order.symbol.as_bytes());
    // Required by the standard; where the member wrote no side, undisclosed (7) says so.
    fields.char(tag::SIDE, order.side.map_or(b'7', |side| side as u8));
    let by_funds = order.flags & order_flag::BY_FUNDS != 0;
    let quantity = order.quantity.unwrap_or_default().to_string();
    fields.bytes(tag::ORDER_QTY, if by_funds { b"0" } else { quantity.as_bytes() });
    let asked_for_an_order = order.ord_type != 0;
    if asked_for_an_order {
        fields.char(tag::ORD_TYPE, order.ord_type);
    }
    if let Some(price) = order.price {
        fields.bytes(tag::PRICE, price.to_string().as_bytes());
    }
    if asked_for_an_order {
        // An order that says nothing else is for the day.
        fields.char(tag::TIME_IN_FORCE, if order.time_in_force == 0 { b'0' } else { order.time_in_force });
    }
    if by_funds {
        fields.bytes(tag::CASH_ORDER_QTY, quantity.as_bytes());
    }
    for quantity in [tag::LEAVES_QTY, tag::CUM_QTY, tag::AVG_PX] {
        fields.char(quantity, b'0');
    }
    fields.time(tag::TRANSACT_TIME, time_ns);
    fields.text(tag::TEXT, order.words.as_bytes());
}

fn cancel_reject(fields: &mut FieldWriter<'_>, reject: &CancelReject<'_>, time_ns: u64) {
    order_id(fields, reject.order);
    fields.text(tag::CL_ORD_ID, reject.cl_ord_id);
    fields.text(tag::ORIG_CL_ORD_ID, reject.orig_cl_ord_id);
    fields.char(tag::ORD_STATUS, reject.status as u8);
    fields.char(tag::CXL_REJ_RESPONSE_TO, if reject.replace { b'2' } else { b'1' });
    fields.unsigned(tag::CXL_REJ_REASON, u64::from(reject.reason.cxl_rej_reason()));
    if reject.words.is_empty() {
        let name =
            if reject.reason == Reason::DuplicateClOrdId { reject.cl_ord_id } else { reject.orig_cl_ord_id };
        fields.text(tag::TEXT, words(reject.reason, name).as_bytes());
    } else {
        fields.text(tag::TEXT, reject.words);
    }
    fields.time(tag::TRANSACT_TIME, time_ns);
}

fn mass_cancel_report(
    fields: &mut FieldWriter<'_>,
    view: &View,
    report: &MassCancelReport<'_>,
    time_ns: u64,
) {
    fields.text(tag::CL_ORD_ID, report.cl_ord_id);
    fields.unsigned(tag::ORDER_ID, report.exec.0);
    let instrument = known(view, report.instrument);
    let kind = if instrument.is_some() { b'1' } else { b'7' };
    fields.char(tag::MASS_CANCEL_REQUEST_TYPE, kind);
    fields.char(tag::MASS_CANCEL_RESPONSE, kind);
    fields.unsigned(tag::TOTAL_AFFECTED_ORDERS, u64::from(report.affected));
    if let Some(known) = instrument {
        fields.text(tag::SYMBOL, known.def.symbol.as_bytes());
    }
    fields.time(tag::TRANSACT_TIME, time_ns);
}

pub(crate) fn security_list(fields: &mut FieldWriter<'_>, view: &View, part: &SecurityListPart<'_>) {
    fields.text(tag::SECURITY_REQ_ID, part.request);
    fields.unsigned(tag::SECURITY_RESPONSE_ID, part.exec.0);
    let (ids, _) = part.instruments.as_chunks::<4>();
    let listed = ids.iter().filter_map(|id| known(view, InstrumentId(u32::from_le_bytes(*id))));
    let found = if part.total == 0 { b'2' } else { b'0' };
    fields.char(tag::SECURITY_REQUEST_RESULT, found);
    fields.unsigned(tag::TOT_NO_RELATED_SYM, u64::from(part.total));
    fields.yes_no(tag::LAST_FRAGMENT, part.last);
    let count = listed.clone().count();
    if count > 0 {
        fields.unsigned(tag::NO_RELATED_SYM, count as u64);
    }
    for known in listed {
        fields.text(tag::SYMBOL, known.def.symbol.as_bytes());
        fields.text(tag::CURRENCY, known.def.currency.as_bytes());
        fields.bytes(tag::ROUND_LOT, known.def.lot.to_string().as_bytes());
    }
}

/// `PosReqResult` (728): valid, invalid, nothing found, not authorized, other.
fn request_result(row: &BalanceRow<'_>) -> &'static [u8] {
    if row.rows > 0 {
        return b"0";
    }
    if row.reason == Reason::None {
        b"2"
    } else if row.reason == Reason::UnknownAccount {
        b"1"
    } else if row.reason == Reason::AccountNotAllowed {
        b"3"
    } else {
        b"99"
    }
}

fn balance(fields: &mut FieldWriter<'_>, view: &View, row: &BalanceRow<'_>) {
    fields.text(tag::POS_REQ_ID, row.request);
    fields.char(tag::POS_REQ_TYPE, b'0');
    fields.unsigned(tag::TOTAL_NUM_POS_REPORTS, u64::from(row.rows));
    fields.bytes(tag::POS_REQ_RESULT, request_result(row));
    if let Some(account) = view.directory.account(row.account) {
        fields.text(tag::ACCOUNT, account.name.as_bytes());
    }
    if row.rows == 0 {
        let nothing = row.reason == Reason::None;
        return fields
            .text(tag::TEXT, if nothing { b"nothing there" } else { row.reason.words().as_bytes() });
    }
    fields.text(tag::SYMBOL, row.asset.as_bytes());
    let unit = scale(row.unit);
    fields.decimal_wide(tag::LONG_QTY, row.total.0, unit);
    fields.decimal_wide(tag::SHORT_QTY, row.reserved.0, unit);
}

fn notice(fields: &mut FieldWriter<'_>, event: &NoticeEvent, wire: Wire) {
    let notice = &event.notice;
    match notice.kind {
        NoticeKind::LogOn if wire == Wire::Line => {
            if event.flags & notice_flag::RESET != 0 {
                fields.char(tag::RESET_SEQ_NUM_FLAG, b'Y');
            }
            fields.text(tag::TEXT, notice.text.as_bytes());
        }
        NoticeKind::LogOn => {
            fields.char(tag::ENCRYPT_METHOD, b'0');
            fields.unsigned(tag::HEART_BT_INT, u64::from(event.heartbeat_s));
            if event.flags & notice_flag::RESET != 0 {
                fields.char(tag::RESET_SEQ_NUM_FLAG, b'Y');
            }
        }
        NoticeKind::Heartbeat | NoticeKind::TestRequest => {
            fields.text(tag::TEST_REQ_ID, notice.text.as_bytes());
        }
        NoticeKind::ResendRequest => {
            fields.unsigned(tag::BEGIN_SEQ_NO, u64::from(notice.ref_seq));
            // To the end.
            fields.char(tag::END_SEQ_NO, b'0');
        }
        NoticeKind::Reject => reject(fields, notice),
        NoticeKind::BusinessReject => business_reject(fields, notice),
        NoticeKind::Logout => fields.text(tag::TEXT, notice.text.as_bytes()),
    }
}

fn ref_type(notice: &Notice) -> &[u8] {
    notice.ref_type.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn reject(fields: &mut FieldWriter<'_>, notice: &Notice) {
    fields.unsigned(tag::REF_SEQ_NUM, u64::from(notice.ref_seq));
    if let Some(ref_tag) = notice.ref_tag {
        fields.int(tag::REF_TAG_ID, i64::from(ref_tag));
    }
    fields.text(tag::REF_MSG_TYPE, ref_type(notice));
    if notice.reason != u16::MAX {
        fields.unsigned(tag::SESSION_REJECT_REASON, u64::from(notice.reason));
    }
    fields.text(tag::TEXT, notice.text.as_bytes());
}

fn business_reject(fields: &mut FieldWriter<'_>, notice: &Notice) {
    fields.unsigned(tag::REF_SEQ_NUM, u64::from(notice.ref_seq));
    fields.text(tag::REF_MSG_TYPE, ref_type(notice));
    fields.unsigned(tag::BUSINESS_REJECT_REASON, u64::from(notice.reason));
    fields.text(tag::TEXT, notice.text.as_bytes());
}

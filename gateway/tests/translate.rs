//! Whatever the exchange tells, a client gets a message that its own engine takes, and gets it again the same.

use proptest::prelude::*;
use proptest::sample::select;
use rialto_gateway::fix::frame::{Framed, Framer};
use rialto_gateway::fix::validate::{self, Checks, Fault, UserDefined, Wire};
use rialto_gateway::line::decode::{Line, Reader};
use rialto_gateway::message::Message;
use rialto_gateway::translate::{Identity, Resend, outbound};
use rialto_gateway::view::View;
use rialto_gateway::view::seed::{InstrumentSeed, Seed};
use rialto_protocol::command::{Notice, NoticeKind, RefusedOrder, order_flag};
use rialto_protocol::event::{
    CancelReject, Event, EventBuffer, Fill, MassCancelReport, NoticeEvent, Report, ReportBody,
    SECURITIES_PER_MESSAGE, SecurityListPart, Stamp, kind, notice_flag, report_flag,
};
use rialto_protocol::reference::{AccountDef, CurrencyDef, InstrumentDef};
use rialto_protocol::terms::{ExecType, Liquidity, MarketState, OrderStatus, ReplaceRule};
use rialto_protocol::*;

/// Ticks and lots of all sorts.
const STEPS: [(&str, &str); 4] = [("0.01", "1"), ("0.05", "100"), ("1", "0.00000001"), ("0.0000000001", "1")];

fn view() -> View {
    let instrument = |(number, (tick, lot)): (usize, (&str, &str))| InstrumentSeed {
        def: InstrumentDef {
            symbol: format!("SYM{number}").parse().expect("the tests give what is sound"),
            currency: "USD".parse().expect("the tests give what is sound"),
            tick: tick.parse().expect("the tests give what is sound"),
            lot: lot.parse().expect("the tests give what is sound"),
            maker_fee_ppm: 0,
            taker_fee_ppm: 0,
            replace: ReplaceRule::Requeue,
            midpoint: false,
        },
        state: MarketState::Open,
        last_price: None,
    };
    View::new(&Seed {
        currencies: vec![CurrencyDef {
            code: "USD".parse().expect("the tests give what is sound"),
            decimals: 10,
        }],
        instruments: STEPS
            .into_iter()
            .cycle()
            .take(SECURITIES_PER_MESSAGE)
            .enumerate()
            .map(instrument)
            .collect(),
        accounts: vec![AccountDef {
            name: "A1".parse().expect("the tests give what is sound"),
            participant: "ALPHA".parse().expect("the tests give what is sound"),
        }],
        ..Seed::default()
    })
}

/// The record of an event, as the exchange writes it.
fn record(event: &Event<'_>, (time_ns, number): (u64, u32)) -> Vec<u8> {
    let stamp = Stamp {
        sequence: Sequence(9),
        timestamp: Timestamp(time_ns),
        index: 0,
        session: SessionId(1),
        number: SessionSeq(number),
    };
    let mut buffer = EventBuffer::default();
    buffer.push(&stamp, event);
    buffer.as_bytes().to_vec()
}

fn message_of(view: &View, record: &[u8], wire: Wire, resend: Option<Resend>) -> Vec<u8> {
    let (header, event) = Event::decode(record).expect("the tests give what is sound");
    let mut out = b"before".to_vec();
    outbound(
        &mut out,
        (view, &Identity { ours: b"RIALTO", theirs: b"ALPHA1", wire }),
        &header,
        &event,
        resend,
    );
    out.split_off(b"before".len())
}

/// Hands the one message in `bytes` to `check`, once the client's side has taken it.
fn taken<T>(bytes: &[u8], wire: Wire, check: impl FnOnce(&Message<'_>) -> T) -> T {
    let checks = Checks { wire, user_defined: UserDefined::Refused };
    let sound = |message: &Message<'_>, used: usize| {
        assert_eq!(used, bytes.len(), "{}", bytes.escape_ascii());
        let fault = validate::outbound(message, checks).err();
        // FIX 4.4 has no text in a log-on; a line's log-on names node and epoch there.
        let text = Fault::Reject { ref_tag: Some(58), reason: validate::Reason::TagNotDefined };
        let said = wire == Wire::Line && message.msg_type() == b"A";
        assert_eq!(fault, said.then_some(text), "{}", bytes.escape_ascii());
    };
    match wire {
        Wire::Fix => {
            let mut framer = Framer::default();
            let Framed::Message { message, used } = framer.next(bytes) else {
                panic!("{}", bytes.escape_ascii())
            };
            sound(&message, used);
            check(&message)
        }
        Wire::Line => {
            let mut reader = Reader::default();
            let Line::Message { message, used } = reader.next(bytes) else {
                panic!("{}", bytes.escape_ascii())
            };
            sound(&message, used);
            check(&message)
        }
    }
}

/// All fields but those in which a message sent again may differ.
fn lasting(message: &Message<'_>) -> Vec<(i32, Vec<u8>)> {
    let fields = message.fields().filter(|(tag, _)| ![8, 9, 10, 43, 52, 122].contains(tag));
    fields.map(|(tag, value)| (tag, value.to_vec())).collect()
}

/// The promises for one event; gives back what FIX says of it.
fn check(event: &Event<'_>, at: (u64, u32), now_ns: u64) -> Vec<(i32, Vec<u8>)> {
    let (view, record) = (view(), record(event, at));
    let mut said = Vec::new();
    for wire in [Wire::Line, Wire::Fix] {
        let first = message_of(&view, &record, wire, None);
        let again = message_of(&view, &record, wire, Some(Resend { now_ns }));
        said = taken(&first, wire, lasting);
        assert_eq!(said, taken(&again, wire, lasting), "{event:?}");
        taken(&again, wire, |message| assert!(message.says_yes(43)));
        if wire == Wire::Fix {
            let sent = taken(&first, wire, |message| {
                message.get(52).expect("the tests give what is sound").to_vec()
            });
            taken(&again, wire, |message| assert_eq!(message.get(122), Some(&sent[..])));
        }
        assert!(taken(&first, wire, |message| message.unsigned(34) == Some(at.1)));
    }
    said
}

fn value(said: &[(i32, Vec<u8>)], tag: i32) -> Option<&str> {
    let found = said.iter().find(|(found, _)| *found == tag);
    found.map(|(_, value)| std::str::from_utf8(value).expect("the tests give what is sound"))
}

fn at() -> impl Strategy<Value = (u64, u32)> {
    (any::<u64>(), any::<u32>())
}

fn words() -> impl Strategy<Value = String> {
    "[ -~]{0,200}"
}

fn name() -> impl Strategy<Value = String> {
    "[ -~]{1,36}"
}

fn reason() -> impl Strategy<Value = Reason> {
    use Reason::*;
    select(vec![
        None,
        UnknownInstrument,
        UnknownAccount,
        AccountNotAllowed,
        MarketClosed,
        MarketHalted,
        DuplicateClOrdId,
        UnknownOrder,
        QuantityLimit,
        ValueLimit,
        PriceCollar,
        NotEnoughCash,
        NotEnoughHoldings,
        OpenOrdersLimit,
        Killed,
        WouldTrade,
        Unsupported,
        BadPrice,
        TooLate,
        NoLiquidity,
        CashExhausted,
        SelfTrade,
        Disconnected,
        ByOperator,
        EndOfDay,
        MassCancel,
        Busted,
        Internal,
        BadValue,
        OrderMismatch,
        Throttled,
        CancelOnly,
    ])
}

fn status() -> impl Strategy<Value = OrderStatus> {
    use OrderStatus::{Canceled, Expired, Filled, New, PartiallyFilled, Rejected};
    select(vec![New, PartiallyFilled, Filled, Canceled, Rejected, Expired])
}

fn side() -> impl Strategy<Value = Side> {
    select(vec![Side::Buy, Side::Sell])
}

/// From nothing to the largest, small numbers more often.
fn units() -> impl Strategy<Value = i64> {
    prop_oneof![0..1_000i64, 0..=i64::MAX]
}

prop_compose! {
    fn body()(
        (exec_type, status, reason) in (exec_type(), status(), reason()),
        (order, exec, account, instrument) in (any::<u64>(), any::<u64>(), 0..2u32, 0..=64u32),
        (price, quantity, leaves, cumulative) in (units(), units(), units(), units()),
        notional in prop_oneof![0..1_000_000i128, 0..=i128::MAX],
        (side, kind, time_in_force) in (side(), select(vec![OrderKind::Market, OrderKind::Limit]), time_in_force()),
        liquidity in select(vec![Liquidity::None, Liquidity::Maker, Liquidity::Taker]),
        (flags, total_reports) in (0u8..32, prop_oneof![Just(0u32), any::<u32>()]),
    ) -> ReportBody {
        let mut body = ReportBody::new(OrderId(order), ExecId(exec), side, kind);
        (body.exec_type, body.status, body.reason) = (exec_type, status, reason);
        (body.account, body.instrument) = (AccountId(account), InstrumentId(instrument));
        (body.price, body.quantity) = (Price(price), Quantity(quantity));
        (body.leaves, body.cumulative) = (Quantity(leaves), Quantity(cumulative));
        body.set_notional(Cash(notional));
        (body.time_in_force, body.liquidity) = (time_in_force, liquidity);
        (body.flags, body.total_reports) = (flags, total_reports);
        body
    }
}

fn exec_type() -> impl Strategy<Value = ExecType> {
    use ExecType::{Canceled, Expired, New, OrderStatus, Rejected, Replaced, Trade, TradeCancel};
    select(vec![New, Canceled, Replaced, Rejected, Expired, Trade, TradeCancel, OrderStatus])
}

fn time_in_force() -> impl Strategy<Value = TimeInForce> {
    use TimeInForce::{Day, FillOrKill, GoodTillCancel, ImmediateOrCancel};
    select(vec![Day, GoodTillCancel, ImmediateOrCancel, FillOrKill])
}

fn fill() -> impl Strategy<Value = Fill> {
    (units(), units(), any::<u64>()).prop_map(|(quantity, price, trade)| Fill {
        last_quantity: Quantity(quantity),
        last_price: Price(price),
        trade: TradeId(trade),
    })
}

fn notice_kind() -> impl Strategy<Value = NoticeKind> {
    use NoticeKind::{BusinessReject, Heartbeat, LogOn, Logout, Reject, ResendRequest, TestRequest};
    select(vec![LogOn, Heartbeat, TestRequest, ResendRequest, Reject, Logout, BusinessReject])
}

proptest! {
    #[test]
    fn every_report_is_a_sound_message_and_repeats_itself(
        body in body(),
        (fill, funds) in (proptest::option::of(fill()), proptest::option::of(0..=i64::MAX)),
        (cl_ord_id, orig, request) in ("[ -~]{0,36}", "[ -~]{0,36}", words()),
        (at, now_ns) in (at(), any::<u64>()),
    ) {
        let (cl_ord_id, orig) = (cl_ord_id.as_bytes(), orig.as_bytes());
        let request = request.as_bytes();
        let report = Report { body, fill, funds, cl_ord_id, orig_cl_ord_id: orig, request };
        let said = check(&Event::Report(report), at, now_ns);
        prop_assert_eq!(value(&said, 11), std::str::from_utf8(cl_ord_id).ok().filter(|name| !name.is_empty()));
        prop_assert_eq!(value(&said, 31).is_some(), fill.is_some());
        prop_assert_eq!(value(&said, 527).is_some(), fill.is_some());
        let unsolicited = body.flags & report_flag::UNSOLICITED != 0;
        prop_assert_eq!(value(&said, 378).is_some(), unsolicited);
        for always in [37, 17, 150, 39, 55, 54, 151, 14, 6, 38, 60, 40, 59] {
            prop_assert!(value(&said, always).is_some(), "{} is missing", always);
        }
    }

    #[test]
    fn every_refused_order_is_a_sound_message_and_repeats_itself(
        (reason, side, flags) in (reason(), proptest::option::of(side()), 0..16u8),
        (ord_type, time_in_force) in (select(vec![0, b'1', b'2', b'3']), select(vec![0, b'0', b'1', b'6'])),
        exec_type in select(vec![ExecType::Rejected, ExecType::OrderStatus]),
        (quantity, price) in (proptest::option::of(written()), proptest::option::of(written())),
        (cl_ord_id, symbol, account) in (name(), "[ -~]{1,32}", "[ -~]{0,32}"),
        (words, exec, at, now_ns) in (words(), any::<u64>(), at(), any::<u64>()),
    ) {
        let order = RefusedOrder {
            exec_type,
            reason,
            side,
            ord_type,
            time_in_force,
            flags,
            quantity,
            price,
            cl_ord_id: cl_ord_id.parse().expect("the tests give what is sound"),
            symbol: symbol.parse().expect("the tests give what is sound"),
            account: account.parse().expect("the tests give what is sound"),
            words: words.parse().expect("the tests give what is sound"),
        };
        let said = check(&Event::RefusedOrder { previous: 0, exec: ExecId(exec), order }, at, now_ns);
        prop_assert_eq!(value(&said, 11), Some(cl_ord_id.as_str()));
        prop_assert_eq!(value(&said, 37), Some("NONE"));
        prop_assert_eq!(value(&said, 39), Some("8"));
        for always in [37, 17, 150, 39, 55, 54, 151, 14, 6, 11, 38, 60] {
            prop_assert!(value(&said, always).is_some(), "{} is missing", always);
        }
        // Whoever asked for an order said which; a status request may not.
        prop_assert_eq!(value(&said, 40).is_some(), ord_type != 0);
        prop_assert_eq!(value(&said, 59).is_some(), ord_type != 0);
        prop_assert_eq!(value(&said, 152).is_some(), flags & order_flag::BY_FUNDS != 0);
    }

    #[test]
    fn every_cancel_reject_is_a_sound_message_and_repeats_itself(
        (order, status, reason, replace) in (any::<u64>(), status(), reason(), any::<bool>()),
        (cl_ord_id, orig, words) in (name(), name(), words()),
        (at, now_ns) in (at(), any::<u64>()),
    ) {
        let reject = CancelReject {
            previous: 0,
            order: OrderId(order),
            status,
            reason,
            replace,
            cl_ord_id: cl_ord_id.as_bytes(),
            orig_cl_ord_id: orig.as_bytes(),
            words: words.as_bytes(),
        };
        let said = check(&Event::CancelReject(reject), at, now_ns);
        prop_assert_eq!(value(&said, 41), Some(orig.as_str()));
        prop_assert_eq!(value(&said, 434), Some(if replace { "2" } else { "1" }));
    }

    #[test]
    fn every_mass_cancel_report_is_a_sound_message_and_repeats_itself(
        (instrument, affected, exec) in (0..=64u32, any::<u32>(), any::<u64>()),
        (cl_ord_id, at, now_ns) in (name(), at(), any::<u64>()),
    ) {
        let report = MassCancelReport {
            previous: 0,
            instrument: InstrumentId(instrument),
            affected,
            exec: ExecId(exec),
            cl_ord_id: cl_ord_id.as_bytes(),
        };
        let said = check(&Event::MassCancelReport(report), at, now_ns);
        prop_assert_eq!(value(&said, 55).is_some(), instrument != 0);
        let affected = affected.to_string();
        prop_assert_eq!(value(&said, 533), Some(affected.as_str()));
    }

    #[test]
    fn every_security_list_is_a_sound_message_and_repeats_itself(
        ids in proptest::collection::vec(0..70u32, 0..=SECURITIES_PER_MESSAGE),
        (total, last, exec, request) in (any::<u32>(), any::<bool>(), any::<u64>(), "[ -~]{1,200}"),
        (at, now_ns) in (at(), any::<u64>()),
    ) {
        let instruments: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let (request, exec) = (request.as_bytes(), ExecId(exec));
        let part = SecurityListPart { previous: 0, total, last, exec, request, instruments: &instruments };
        let said = check(&Event::SecurityList(part), at, now_ns);
        let known = ids.iter().filter(|id| (1..=64).contains(*id)).count();
        prop_assert_eq!(said.iter().filter(|(tag, _)| *tag == 55).count(), known);
    }

    #[test]
    fn every_notice_is_a_sound_message_and_repeats_itself(
        kind in notice_kind(),
        ref_type in select(vec![*b"D\0", *b"AF", *b"V\0"]),
        reason in prop_oneof![0..=7u16, Just(u16::MAX)],
        (ref_seq, heartbeat_s, flags) in (any::<u32>(), any::<u16>(), 0..8u8),
        ref_tag in proptest::option::of(-1_000_000_000..1_000_000_000),
        (text, at, now_ns) in ("[ -~]{1,200}", at(), any::<u64>()),
    ) {
        // A business reject always says why.
        let reason = if kind == NoticeKind::BusinessReject { reason % 8 } else { reason };
        let event = NoticeEvent {
            previous: 0,
            gateway: GatewayId(1),
            connection: 1,
            next_inbound: SessionSeq(2),
            incarnation: 1,
            heartbeat_s,
            flags,
            notice: Notice { kind, ref_type, reason, ref_seq, ref_tag, text: text.parse().expect("the tests give what is sound") },
        };
        let said = check(&Event::Notice(event), at, now_ns);
        match kind {
            NoticeKind::Heartbeat | NoticeKind::TestRequest => {
                prop_assert_eq!(value(&said, 112), Some(text.as_str()), "echoed to the letter");
            }
            NoticeKind::LogOn => {
                prop_assert_eq!(value(&said, 141).is_some(), flags & notice_flag::RESET != 0);
            }
            NoticeKind::ResendRequest | NoticeKind::Reject | NoticeKind::Logout | NoticeKind::BusinessReject => {}
        }
    }
}

/// A number as a member may write it.
fn written() -> impl Strategy<Value = Decimal> {
    "-?[0-9]{1,17}(\\.[0-9]{0,18})?"
        .prop_map(|text| Decimal::parse(text.as_bytes()).expect("the tests give what is sound"))
}

#[test]
fn what_is_not_for_a_session_is_no_message() {
    let view = view();
    for event in [
        Event::Repeat(SessionSeq(1)),
        Event::Gone,
        Event::Challenged,
        Event::Market(InstrumentId(1), MarketState::Open),
        Event::Busted(TradeId(1), InstrumentId(1)),
        Event::DayEnded,
    ] {
        assert!(event.kind() >= kind::UNNUMBERED);
        assert!(message_of(&view, &record(&event, (1, 1)), Wire::Fix, None).is_empty());
    }
}

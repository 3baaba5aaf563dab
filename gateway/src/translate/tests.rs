//! The contract's examples, line by line, in both directions.

use rialto_protocol::command::{BalanceRequest, Notice, NoticeKind};
use rialto_protocol::event::{
    BalanceRow, CancelReject, Event, EventBuffer, Fill, NoticeEvent, Report, ReportBody, Stamp,
};
use rialto_protocol::reference::{AccountDef, CurrencyDef, InstrumentDef, SessionDef};
use rialto_protocol::terms::{ExecType, Liquidity, MarketState, OrderStatus, ReplaceRule, SessionKind};
use rialto_protocol::*;

use super::*;
use crate::fix::frame::{Framed, Framer};
use crate::fix::validate::{self, Checks, UserDefined};
use crate::line::decode::{Line, Reader};
use crate::view::View;
use crate::view::seed::{InstrumentSeed, Seed, SessionSeed};

fn view() -> View {
    View::new(&Seed {
        currencies: vec![CurrencyDef { code: "USD".parse().unwrap(), decimals: 4 }],
        instruments: vec![InstrumentSeed {
            def: InstrumentDef {
                symbol: "ACME".parse().unwrap(),
                currency: "USD".parse().unwrap(),
                tick: "0.01".parse().unwrap(),
                lot: "1".parse().unwrap(),
                maker_fee_ppm: 0,
                taker_fee_ppm: 0,
                replace: ReplaceRule::Requeue,
                midpoint: false,
            },
            state: MarketState::Open,
            last_price: None,
        }],
        accounts: vec![AccountDef { name: "A1".parse().unwrap(), participant: "ALPHA".parse().unwrap() }],
        sessions: vec![SessionSeed {
            def: SessionDef {
                comp_id: "ALPHA1".parse().unwrap(),
                participant: "ALPHA".parse().unwrap(),
                kind: SessionKind::Trading,
                cancel_on_disconnect: false,
                secret: [0; 32],
            },
            accounts: vec![AccountId(1)],
            holder: (GatewayId::NONE, 0),
            next_outbound: SessionSeq(1),
            incarnation: 1,
            last: 0,
            marks: Vec::new(),
        }],
        ..Seed::default()
    })
}

fn inbound(line: &str) -> Translated {
    let mut reader = Reader::default();
    let text = format!("{line}\n");
    let Line::Message { message, .. } = reader.next(text.as_bytes()) else { panic!("{line} is no message") };
    command(&view(), &message)
}

#[test]
fn an_order_becomes_terms_in_ticks_and_lots() {
    let translated = inbound("35=D|11=a1|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|18=6|43=Y");
    let Translated::Command(Command::NewOrder(order)) = translated else { panic!("{translated:?}") };
    assert_eq!(order.cl_ord_id.as_str(), "a1");
    assert_eq!((order.terms.price, order.terms.quantity), (Price(1025), Quantity(100)));
    assert_eq!((order.terms.account, order.terms.instrument), (AccountId(1), InstrumentId(1)));
    assert_eq!(order.terms.flags, 1 | 4);
    let translated = inbound("35=D|11=a1|55=ACME|54=2|152=12.5|40=1|59=3");
    let Translated::Command(Command::NewOrder(order)) = translated else { panic!("{translated:?}") };
    assert_eq!((order.terms.quantity, order.terms.flags), (Quantity(125_000), 2));
    assert_eq!(order.terms.time_in_force, TimeInForce::ImmediateOrCancel);
}

#[test]
fn what_does_not_fit_is_refused_in_words_by_the_exchange() {
    let check = |line: &str, reason: Reason, words: &str| match inbound(line) {
        Translated::Command(Command::RefusedOrder(refused)) => {
            assert_eq!((refused.reason, refused.words.as_str()), (reason, words), "{line}");
        }
        Translated::Command(Command::RefusedCancel(refused)) => {
            assert_eq!((refused.reason, refused.words.as_str()), (reason, words), "{line}");
        }
        other @ (Translated::Command(_) | Translated::Reject { .. } | Translated::Business { .. }) => {
            panic!("{line}: {other:?}")
        }
    };
    check("35=D|11=a|55=ACMX|54=1|38=1|40=2|44=1", Reason::UnknownInstrument, "no instrument ACMX");
    check("35=D|11=a|1=A9|55=ACME|54=1|38=1|40=2|44=1", Reason::UnknownAccount, "no account A9");
    let price = "price 10.251 is not a multiple of 0.01";
    check("35=D|11=a|55=ACME|54=1|38=1|40=2|44=10.251", Reason::BadPrice, price);
    check("35=D|11=a|55=ACME|54=1|38=1|40=2", Reason::BadPrice, "price (44) is missing");
    check("35=D|11=a|55=ACME|54=1|40=2|44=1", Reason::BadValue, "quantity (38) is missing");
    check("35=D|11=a|55=ACME|54=1|38=1.5|40=2|44=1", Reason::BadValue, "quantity 1.5 is not a multiple of 1");
    check("35=D|11=a|55=ACME|54=1|38=-1|40=2|44=1", Reason::BadValue, "quantity -1 is negative");
    let side = "side 5 is not offered: 1 buys, 2 sells";
    check("35=D|11=a|55=ACME|54=5|38=1|40=2|44=1", Reason::Unsupported, side);
    let kind = "order type 3 is not offered: 1 market, 2 limit";
    check("35=D|11=a|55=ACME|54=1|38=1|40=3|99=1", Reason::Unsupported, kind);
    let time = "time in force 6 is not offered: 0, 1, 3 or 4";
    check("35=D|11=a|55=ACME|54=1|38=1|40=2|44=1|59=6", Reason::Unsupported, time);
    let displayed = "a displayed quantity (111) is not offered";
    check("35=D|11=a|55=ACME|54=1|38=1|40=2|44=1|111=1", Reason::Unsupported, displayed);
    let instruction = "instruction G is not offered: 6 is post-only";
    check("35=D|11=a|55=ACME|54=1|38=1|40=2|44=1|18=G", Reason::Unsupported, instruction);
    check("35=F|11=c|41=a|55=ACMX|54=1", Reason::UnknownInstrument, "no instrument ACMX");
    check("35=F|11=c|41=a|37=x7|55=ACME|54=1", Reason::UnknownOrder, "no order x7");
}

#[test]
fn what_cannot_be_numbered_as_business_is_answered_by_the_session() {
    let long = format!("35=D|11={}|55=ACME|54=1|38=1|40=2|44=1", "x".repeat(37));
    let Translated::Reject { ref_tag, reason, text } = inbound(&long) else { panic!() };
    assert_eq!((ref_tag, reason), (11, 5));
    assert_eq!(text.as_str(), "field 11: 37 characters, at most 36 are allowed");
    let Translated::Business { reason, .. } = inbound("35=V|262=1") else { panic!() };
    assert_eq!(reason, 3);
}

fn out(event: &Event<'_>, number: u32, wire: Wire, resend: Option<Resend>) -> String {
    let stamp = Stamp {
        sequence: Sequence(9),
        timestamp: Timestamp(1_772_323_200_001_000_000),
        index: 0,
        session: SessionId(1),
        number: SessionSeq(number),
    };
    let mut buffer = EventBuffer::default();
    buffer.push(&stamp, event);
    let record = buffer.records().next().unwrap();
    let (header, event) = Event::decode(record).unwrap();
    let identity = Identity { ours: b"RIALTO", theirs: b"ALPHA1", wire };
    let mut bytes = Vec::new();
    outbound(&mut bytes, (&view(), &identity), &header, &event, resend);
    if wire == Wire::Fix && !bytes.is_empty() {
        let mut framer = Framer::default();
        let Framed::Message { message, .. } = framer.next(&bytes) else {
            panic!("{:?}", bytes.escape_ascii())
        };
        let checks = Checks { wire, user_defined: UserDefined::Refused };
        assert_eq!(validate::outbound(&message, checks).err(), None, "{}", bytes.escape_ascii());
    }
    String::from_utf8(bytes).unwrap().replace('\x01', "|").trim_end().to_owned()
}

fn accepted() -> Report<'static> {
    let mut body = ReportBody::new(OrderId(1), ExecId(1), Side::Buy, OrderKind::Limit);
    body.price = Price(1025);
    body.quantity = Quantity(100);
    body.leaves = Quantity(100);
    body.account = AccountId(1);
    body.instrument = InstrumentId(1);
    Report { body, fill: None, funds: None, cl_ord_id: b"a1", orig_cl_ord_id: b"", request: b"" }
}

#[test]
fn replies_in_line_mode_are_those_of_the_contract() {
    assert_eq!(
        out(&Event::Report(accepted()), 8, Wire::Line, None),
        "35=8|34=8|37=1|11=a1|17=1|150=0|39=0|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|59=0|151=100|14=0|6=0|\
         60=20260301-00:00:00.001"
    );
    let reject = CancelReject {
        previous: 0,
        order: OrderId::NONE,
        status: OrderStatus::Rejected,
        reason: Reason::UnknownOrder,
        replace: false,
        cl_ord_id: b"c1",
        orig_cl_ord_id: b"zz",
        words: b"",
    };
    assert_eq!(
        out(&Event::CancelReject(reject), 10, Wire::Line, None),
        "35=9|34=10|37=NONE|11=c1|41=zz|39=8|434=1|102=1|58=no order zz|60=20260301-00:00:00.001"
    );
    let Translated::Command(Command::RefusedOrder(order)) =
        inbound("35=D|11=a2|1=A1|55=ACMX|54=1|38=1|40=2|44=1")
    else {
        panic!()
    };
    assert_eq!(
        out(&Event::RefusedOrder { previous: 0, exec: ExecId(2), order }, 9, Wire::Line, None),
        "35=8|34=9|37=NONE|11=a2|17=2|150=8|39=8|103=1|1=A1|55=ACMX|54=1|38=1|40=2|44=1|59=0|151=0|14=0|6=0|\
         60=20260301-00:00:00.001|58=no instrument ACMX"
    );
}

#[test]
fn a_refused_order_by_funds_names_them() {
    let asked = inbound("35=D|11=a2|55=ACMX|54=2|152=1000.50|40=1|59=3|97=Y");
    let Translated::Command(Command::RefusedOrder(order)) = asked else { panic!() };
    assert_eq!(
        out(&Event::RefusedOrder { previous: 0, exec: ExecId(2), order }, 9, Wire::Line, None),
        "35=8|34=9|37=NONE|11=a2|17=2|150=8|39=8|103=1|55=ACMX|54=2|38=0|40=1|59=3|152=1000.5|151=0|14=0|6=0|\
         60=20260301-00:00:00.001|58=no instrument ACMX"
    );
}

#[test]
fn balances_are_told_in_lines_alone_and_under_no_number() {
    let asked = inbound("35=AN|710=b|724=0|1=A1");
    let account = AccountId(1);
    let request = BalanceRequest { account, request: "b".parse().unwrap() };
    assert_eq!(asked, Translated::Command(Command::Balances(request)));
    let Translated::Business { reason, text } = inbound("35=AN|710=b|724=0|1=A9") else { panic!() };
    assert_eq!((reason, text.as_str()), (1, "no account A9"));
    let row = BalanceRow {
        account,
        rows: 2,
        reason: Reason::None,
        asset: "USD".parse().unwrap(),
        unit: Decimal::new(1, 4),
        total: Cash(10_000_500),
        reserved: Cash(0),
        request: b"b",
    };
    let line = |row| out(&Event::Balance(row), 0, Wire::Line, None);
    assert_eq!(line(row), "35=AP|710=b|724=0|727=2|728=0|1=A1|55=USD|704=1000.05|705=0");
    let (asset, unit) = ("ACME".parse().unwrap(), Decimal::new(100, 0));
    let (total, reserved) = (Cash(5), Cash(2));
    let holding = BalanceRow { asset, unit, total, reserved, ..row };
    assert_eq!(line(holding), "35=AP|710=b|724=0|727=2|728=0|1=A1|55=ACME|704=500|705=200");
    assert_eq!(out(&Event::Balance(row), 0, Wire::Fix, None), "");
    let refused = |reason| line(BalanceRow { rows: 0, reason, ..row });
    assert_eq!(refused(Reason::None), "35=AO|710=b|724=0|727=0|728=2|1=A1|58=nothing there");
    let words = "the session may not act for this account";
    assert_eq!(refused(Reason::AccountNotAllowed), format!("35=AO|710=b|724=0|727=0|728=3|1=A1|58={words}"));
    assert!(refused(Reason::TooManyRows).contains("|728=99|"));
}

#[test]
fn a_log_on_is_answered_in_each_protocols_way() {
    let log_on = NoticeEvent {
        previous: 0,
        gateway: GatewayId(1),
        connection: 1,
        next_inbound: SessionSeq(2),
        incarnation: 1,
        heartbeat_s: 30,
        flags: 0,
        notice: Notice {
            kind: NoticeKind::LogOn,
            ref_type: [0; 2],
            reason: u16::MAX,
            ref_seq: 0,
            ref_tag: None,
            text: "n1 epoch 3".parse().unwrap(),
        },
    };
    assert_eq!(out(&Event::Notice(log_on), 7, Wire::Line, None), "35=A|34=7|58=n1 epoch 3");
    let fix = out(&Event::Notice(log_on), 7, Wire::Fix, None);
    assert!(fix.contains("|98=0|108=30|10="), "{fix}");
}

#[test]
fn a_fill_names_its_trade_and_a_resend_differs_only_in_its_times() {
    let mut report = accepted();
    report.body.exec_type = ExecType::Trade;
    report.body.status = OrderStatus::PartiallyFilled;
    report.body.leaves = Quantity(40);
    report.body.cumulative = Quantity(60);
    report.body.set_notional(Cash(61_530));
    report.body.liquidity = Liquidity::Taker;
    report.fill = Some(Fill { last_quantity: Quantity(60), last_price: Price(1025), trade: TradeId(3) });
    let first = out(&Event::Report(report), 8, Wire::Fix, None);
    let again = out(&Event::Report(report), 8, Wire::Fix, Some(Resend { now_ns: 1_772_323_299_000_000_000 }));
    assert!(first.contains("|32=60|31=10.25|151=40|14=60|6=10.255|"), "{first}");
    assert!(first.contains("|527=3|851=2|"), "{first}");
    let kept = |text: &str| {
        let differs = ["9=", "10=", "43=", "52=", "122="];
        let fields = text.split('|').filter(|field| !differs.iter().any(|tag| field.starts_with(tag)));
        fields.collect::<Vec<_>>().join("|")
    };
    assert_eq!(kept(&first), kept(&again));
    assert!(again.contains("|43=Y|52=20260301-00:01:39.000|122=20260301-00:00:00.001|"), "{again}");
}

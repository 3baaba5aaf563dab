//! What does one message cost the gateway between bytes and records? A new order framed, checked and translated; a
//! report decoded and encoded. One thread, warm memory; it does not say what sockets and rings cost.
//!
//! `cargo bench -p rialto-gateway --profile fast --bench translate`

use std::hint::black_box;
use std::time::Instant;

use rialto_gateway::fix::frame::{Framed, Framer};
use rialto_gateway::fix::validate::{self, Checks, UserDefined, Wire};
use rialto_gateway::translate::{self, Identity, Translated};
use rialto_gateway::view::View;
use rialto_gateway::view::seed::{InstrumentSeed, Seed};
use rialto_protocol::event::{Event, EventBuffer, Fill, Report, ReportBody, Stamp};
use rialto_protocol::reference::{AccountDef, CurrencyDef, InstrumentDef};
use rialto_protocol::terms::{ExecType, Liquidity, MarketState, OrderStatus, ReplaceRule};
use rialto_protocol::{
    AccountId, Cash, Command, ExecId, InstrumentId, OrderId, OrderKind, Price, Quantity, Sequence, SessionId,
    SessionSeq, Side, Timestamp, TradeId,
};

const MESSAGES: u32 = 200_000;
const ROUNDS: usize = 11;
const NOON_NS: u64 = 1_772_366_400_123_000_000;

fn main() {
    let view = view();
    println!("{:32} {:>8} {:>8} {:>8}", "ns each", "best", "median", "worst");
    inbound(&view);
    for (wire, name) in [(Wire::Fix, "FIX"), (Wire::Line, "line")] {
        outbound(&view, wire, &format!("report of an order, {name}"), &accepted());
        outbound(&view, wire, &format!("report of a fill, {name}"), &filled());
    }
}

fn view() -> View {
    View::new(&Seed {
        currencies: vec![CurrencyDef { code: "USD".parse().expect("short"), decimals: 4 }],
        instruments: vec![InstrumentSeed {
            def: InstrumentDef {
                symbol: "ACME".parse().expect("short"),
                currency: "USD".parse().expect("short"),
                tick: "0.01".parse().expect("a decimal"),
                lot: "1".parse().expect("a decimal"),
                maker_fee_ppm: 0,
                taker_fee_ppm: 0,
                replace: ReplaceRule::Requeue,
                midpoint: false,
            },
            state: MarketState::Open,
            last_price: None,
        }],
        accounts: vec![AccountDef {
            name: "A1".parse().expect("short"),
            participant: "ALPHA".parse().expect("short"),
        }],
        ..Seed::default()
    })
}

fn inbound(view: &View) {
    let body = "35=D|49=ALPHA1|56=RIALTO|34=12|52=20260301-12:00:00.123|11=order-17|1=A1|55=ACME|54=1|\
                60=20260301-12:00:00.123|38=100|40=2|44=10.25|59=0|";
    let headed = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
    let sum = headed.bytes().fold(0u8, u8::wrapping_add);
    let bytes = format!("{headed}10={sum:03}\x01").into_bytes();
    let checks = Checks { wire: Wire::Fix, user_defined: UserDefined::Refused };
    let mut framer = Framer::default();
    let Framed::Message { message, .. } = framer.next(&bytes) else { panic!("the message is whole") };
    let translated = translate::command(view, &message);
    assert!(matches!(translated, Translated::Command(Command::NewOrder(_))), "{translated:?}");
    time("new order, translated", || {
        black_box(translate::command(view, black_box(&message)));
    });
    let mut framer = Framer::default();
    time("new order, framed and checked too", || {
        let Framed::Message { message, .. } = framer.next(black_box(&bytes)) else { return };
        if validate::inbound(&message, checks).is_ok() {
            black_box(translate::command(view, &message));
        }
    });
}

fn accepted() -> Report<'static> {
    let mut body = ReportBody::new(OrderId(123_456), ExecId(234_567), Side::Buy, OrderKind::Limit);
    (body.price, body.quantity, body.leaves) = (Price(1025), Quantity(100), Quantity(100));
    (body.account, body.instrument) = (AccountId(1), InstrumentId(1));
    Report { body, fill: None, funds: None, cl_ord_id: b"order-17", orig_cl_ord_id: b"", request: b"" }
}

fn filled() -> Report<'static> {
    let mut report = accepted();
    let body = &mut report.body;
    (body.exec_type, body.status) = (ExecType::Trade, OrderStatus::PartiallyFilled);
    (body.leaves, body.cumulative, body.liquidity) = (Quantity(40), Quantity(60), Liquidity::Maker);
    body.set_notional(Cash(61_530));
    let (last_quantity, last_price) = (Quantity(20), Price(1025));
    report.fill = Some(Fill { last_quantity, last_price, trade: TradeId(99_999) });
    report
}

fn outbound(view: &View, wire: Wire, name: &str, report: &Report<'_>) {
    let stamp = Stamp {
        sequence: Sequence(9),
        timestamp: Timestamp(NOON_NS),
        index: 0,
        session: SessionId(1),
        number: SessionSeq(1_234),
    };
    let mut buffer = EventBuffer::default();
    buffer.push(&stamp, &Event::Report(*report));
    let identity = Identity { ours: b"RIALTO", theirs: b"ALPHA1", wire };
    let mut out = Vec::with_capacity(4096);
    time(name, || {
        out.clear();
        let Ok((header, event)) = Event::decode(black_box(buffer.as_bytes())) else { return };
        translate::outbound(&mut out, (view, &identity), &header, &event, None);
        black_box(&out);
    });
    assert!(!out.is_empty(), "a report has a message");
}

fn time(name: &str, mut once: impl FnMut()) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..MESSAGES {
                once();
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(MESSAGES)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:32} {:>8.1} {:>8.1} {:>8.1}", times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
}

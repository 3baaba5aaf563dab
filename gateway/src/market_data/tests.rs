//! A client that applies what it is sent has the book, whatever the flow, the depth and the room for messages.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;
use rialto_protocol::event::{Event, EventBuffer, Fill, Report, ReportBody, Stamp, report_flag};
use rialto_protocol::reference::{CurrencyDef, InstrumentDef};
use rialto_protocol::terms::{ExecType, Liquidity, MarketState, OrderKind, ReplaceRule};
use rialto_protocol::{
    ExecId, InstrumentId, OrderId, Price, Quantity, Sequence, SessionId, SessionSeq, Side, Timestamp, TradeId,
};

use super::*;
use crate::fix::dictionary;
use crate::fix::encode::{self, Header};
use crate::fix::frame::{Framed, Framer};
use crate::fix::validate::{self, Checks, UserDefined, Wire};
use crate::line;
use crate::line::decode::{Line, Reader};
use crate::view::View;
use crate::view::seed::{InstrumentSeed, Seed};

/// A market of ACME (ticks of 0.01, lots of 10) and ZETA, and what the client of one connection was sent.
struct Market {
    view: View,
    feed: Feed,
    sequence: u64,
    sent: Vec<String>,
}

impl Market {
    fn new(settings: Settings) -> Self {
        let instrument = |symbol: &str| InstrumentSeed {
            def: InstrumentDef {
                symbol: symbol.parse().unwrap(),
                currency: "USD".parse().unwrap(),
                tick: "0.01".parse().unwrap(),
                lot: "10".parse().unwrap(),
                maker_fee_ppm: 0,
                taker_fee_ppm: 0,
                replace: ReplaceRule::Requeue,
                midpoint: false,
            },
            state: MarketState::Open,
            last_price: None,
        };
        let view = View::new(&Seed {
            currencies: vec![CurrencyDef { code: "USD".parse().unwrap(), decimals: 4 }],
            instruments: vec![instrument("ACME"), instrument("ZETA")],
            ..Seed::default()
        });
        Self { view, feed: Feed::new(settings), sequence: 0, sent: Vec::new() }
    }

    /// One command's events, and its end.
    fn command(&mut self, reports: &[Report<'_>]) {
        self.command_without_end(reports);
        self.feed.changes(&self.view.books.take_changes()).unwrap();
    }

    fn command_without_end(&mut self, reports: &[Report<'_>]) {
        self.sequence += 1;
        let events: Vec<_> = reports.iter().map(|report| Event::Report(*report)).collect();
        self.apply(&events);
    }

    fn apply(&mut self, events: &[Event<'_>]) {
        for (index, event) in (0..).zip(events) {
            let stamp = Stamp {
                sequence: Sequence(self.sequence),
                timestamp: Timestamp(self.sequence),
                index,
                session: SessionId(1),
                number: SessionSeq(1),
            };
            let mut buffer = EventBuffer::default();
            buffer.push(&stamp, event);
            self.view.apply(buffer.records().next().unwrap(), 64).unwrap();
        }
    }

    fn ask(&mut self, line: &str) {
        let mut reader = Reader::default();
        let text = format!("{line}\n");
        let Line::Message { message, .. } = reader.next(text.as_bytes()) else { panic!("{line}") };
        let checks = Checks { wire: Wire::Line, user_defined: UserDefined::Refused };
        validate::inbound(&message, checks).unwrap();
        self.feed.request(&self.view, &message).unwrap();
    }

    /// Sends at most `room` messages; each is checked as a client's engine would.
    fn send(&mut self, room: usize) -> &mut Self {
        let (mut room, sent) = (room, &mut self.sent);
        if room == 0 {
            return self;
        }
        let mut emit = |msg_type: &[u8], body: &dyn Fn(&mut FieldWriter<'_>)| {
            let header = Header {
                msg_type,
                sender: b"RIALTO",
                target: b"MD1",
                number: 1,
                sending_time_ns: 1,
                first_sent_ns: None,
            };
            let (mut fix, mut text) = (Vec::new(), Vec::new());
            encode::message(&mut fix, &header, body);
            line::encode::message(&mut text, &header, body);
            check_fix(&fix);
            sent.push(String::from_utf8(text).unwrap().trim_end().replace("|34=1|", "|"));
            room -= 1;
            if room == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let _ = self.feed.pending(&self.view, &mut emit);
        self
    }

    fn sent(&mut self) -> Vec<String> {
        self.send(usize::MAX);
        std::mem::take(&mut self.sent)
    }
}

fn check_fix(bytes: &[u8]) {
    let mut framer = Framer::default();
    let Framed::Message { message, .. } = framer.next(bytes) else { panic!("{}", bytes.escape_ascii()) };
    let allowed = message.find(SEQUENCE_TAG).is_some();
    let user_defined = if allowed { UserDefined::Allowed } else { UserDefined::Refused };
    let found = validate::outbound(&message, Checks { wire: Wire::Fix, user_defined });
    assert_eq!(found.err(), None, "{}", bytes.escape_ascii());
}

#[derive(Clone, Copy)]
struct Order {
    id: u64,
    instrument: u32,
    side: Side,
    price: i64,
    leaves: i64,
}

fn report(order: Order, exec_type: ExecType) -> Report<'static> {
    let mut body = ReportBody::new(OrderId(order.id), ExecId(1), order.side, OrderKind::Limit);
    body.price = Price(order.price);
    body.leaves = Quantity(order.leaves);
    body.instrument = InstrumentId(order.instrument);
    body.exec_type = exec_type;
    Report { body, fill: None, funds: None, cl_ord_id: b"a", orig_cl_ord_id: b"", request: b"" }
}

fn fill(order: Order, liquidity: Liquidity, (quantity, price, trade): (i64, i64, u64)) -> Report<'static> {
    let mut report = report(order, ExecType::Trade);
    report.body.liquidity = liquidity;
    report.fill =
        Some(Fill { last_quantity: Quantity(quantity), last_price: Price(price), trade: TradeId(trade) });
    report
}

fn buy(id: u64, price: i64, leaves: i64) -> Order {
    Order { id, instrument: 1, side: Side::Buy, price, leaves }
}

fn sell(id: u64, price: i64, leaves: i64) -> Order {
    Order { side: Side::Sell, ..buy(id, price, leaves) }
}

const SUBSCRIBE: &str = "35=V|262=r|263=1|264=0|267=3|269=0|269=1|269=2|146=1|55=ACME";

#[test]
fn a_subscription_starts_with_a_snapshot_and_goes_on_with_changes() {
    let mut market = Market::new(Settings::default());
    market.command(&[report(buy(1, 1025, 10), ExecType::New)]);
    market.command(&[report(sell(2, 1030, 5), ExecType::New)]);
    market.ask(SUBSCRIBE);
    assert_eq!(
        market.sent(),
        ["35=W|262=r|55=ACME|268=2|269=0|270=10.25|271=100|346=1|290=1|269=1|270=10.3|271=50|346=1|290=1"]
    );
    market.command(&[report(buy(3, 1025, 2), ExecType::New)]);
    assert_eq!(market.sent(), ["35=X|262=r|268=1|279=1|269=0|55=ACME|270=10.25|271=120|346=2"]);
    let (taker, maker) = (buy(4, 1030, 0), sell(2, 1030, 0));
    market.command(&[
        report(Order { leaves: 5, ..taker }, ExecType::New),
        fill(taker, Liquidity::Taker, (5, 1030, 1)),
        fill(maker, Liquidity::Maker, (5, 1030, 1)),
    ]);
    assert_eq!(
        market.sent(),
        ["35=X|262=r|268=2|279=0|269=2|278=1|55=ACME|270=10.3|271=50|279=2|269=1|55=ACME|270=10.3"]
    );
    market.ask("35=V|262=once|263=0|264=1|267=1|269=2|146=1|55=ACME");
    assert_eq!(market.sent(), ["35=W|262=once|55=ACME|268=1|269=2|270=10.3|271=50"]);
    market.apply(&[Event::Busted(TradeId(1), InstrumentId(1))]);
    market.command(&[]);
    assert_eq!(market.sent(), ["35=X|262=r|268=1|279=2|269=2|278=1|55=ACME"]);
    market.ask("35=V|262=r|263=2|264=0|267=1|269=0|146=1|55=ACME");
    market.command(&[report(buy(5, 1, 1), ExecType::New)]);
    assert_eq!(market.sent(), Vec::<String>::new());
    assert!(market.feed.streams.is_empty() && !market.feed.waits());
}

#[test]
fn a_request_asks_for_several_instruments_and_an_empty_book_has_no_entries() {
    let mut market = Market::new(Settings::default());
    market.ask("35=V|262=r|263=1|264=1|267=1|269=0|146=3|55=ACME|55=ZETA|55=ACME");
    assert_eq!(market.sent(), ["35=W|262=r|55=ACME|268=0", "35=W|262=r|55=ZETA|268=0"]);
    market.command(&[report(Order { instrument: 2, ..buy(1, 100, 1) }, ExecType::New)]);
    market.command(&[report(sell(2, 101, 1), ExecType::New)]);
    assert_eq!(market.sent(), ["35=X|262=r|268=1|279=0|269=0|55=ZETA|270=1|271=10|346=1"]);
}

#[test]
fn what_happens_within_a_command_is_not_told() {
    let mut market = Market::new(Settings::default());
    market.ask(SUBSCRIBE);
    market.command_without_end(&[report(buy(1, 1025, 10), ExecType::New)]);
    assert_eq!(market.sent(), Vec::<String>::new());
    market.command(&[report(buy(1, 1025, 0), ExecType::Canceled)]);
    assert_eq!(market.sent(), ["35=W|262=r|55=ACME|268=0"]);
    market.command(&[report(buy(2, 1025, 10), ExecType::New), report(buy(2, 1025, 0), ExecType::Canceled)]);
    assert_eq!(market.sent(), Vec::<String>::new());
}

#[test]
fn a_level_that_leaves_the_asked_depth_is_deleted_and_one_that_comes_in_is_new() {
    let mut market = Market::new(Settings::default());
    market.command(&[report(buy(1, 100, 1), ExecType::New), report(buy(2, 99, 1), ExecType::New)]);
    market.ask("35=V|262=r|263=1|264=1|267=2|269=0|269=1|146=1|55=ACME");
    assert_eq!(market.sent(), ["35=W|262=r|55=ACME|268=1|269=0|270=1|271=10|346=1|290=1"]);
    market.command(&[report(buy(3, 98, 1), ExecType::New)]);
    assert!(!market.feed.waits(), "a level beyond the depth is nobody's business");
    market.command(&[report(buy(1, 100, 0), ExecType::Canceled)]);
    assert_eq!(
        market.sent(),
        ["35=X|262=r|268=2|279=2|269=0|55=ACME|270=1|279=0|269=0|55=ACME|270=0.99|271=10|346=1"]
    );
}

#[test]
fn messages_say_at_which_command_they_are_true_where_the_venue_allows_the_tag() {
    let mut market = Market::new(Settings { user_defined_tags: true, ..Settings::default() });
    market.command(&[report(buy(1, 100, 1), ExecType::New)]);
    market.ask(SUBSCRIBE);
    assert_eq!(market.sent(), ["35=W|262=r|5001=1|55=ACME|268=1|269=0|270=1|271=10|346=1|290=1"]);
    market.command(&[report(buy(1, 100, 0), ExecType::Expired)]);
    assert_eq!(market.sent(), ["35=X|262=r|5001=2|268=1|279=2|269=0|55=ACME|270=1"]);
}

#[test]
fn what_is_not_offered_is_refused_with_its_reason() {
    let check = |request: &str, answer: &str| {
        let mut market = Market::new(Settings::default());
        market.ask("35=V|262=used|263=1|264=0|267=1|269=0|146=1|55=ACME");
        market.sent();
        market.ask(request);
        assert_eq!(market.sent(), [answer], "{request}");
    };
    let tail = "267=1|269=0|146=1|55=ACME";
    check("35=V|262=r|263=1|264=0|267=1|269=0|146=1|55=ACMX", "35=Y|262=r|281=0|58=no instrument ACMX");
    check(&format!("35=V|262=used|263=0|264=0|{tail}"), "35=Y|262=used|281=1|58=MDReqID used is in use");
    check(&format!("35=V|262=r|263=2|264=0|{tail}"), "35=Y|262=r|281=4|58=no subscription r");
    let depth = "market depth 101 is not offered: 0 for all, or 1 to 100";
    check(&format!("35=V|262=r|263=1|264=101|{tail}"), &format!("35=Y|262=r|281=5|58={depth}"));
    let refresh = "full refreshes are not offered: 265=1 sends changes";
    check(&format!("35=V|262=r|263=1|264=0|265=0|{tail}"), &format!("35=Y|262=r|281=6|58={refresh}"));
    let orders = "single orders are not offered: 266=Y sends levels";
    check(&format!("35=V|262=r|263=1|264=0|266=N|{tail}"), &format!("35=Y|262=r|281=7|58={orders}"));
    let kind = "entry type 7 is not offered: 0 bid, 1 offer, 2 trade";
    let high = "35=V|262=r|263=1|264=0|267=1|269=7|146=1|55=ACME";
    check(high, &format!("35=Y|262=r|281=8|58={kind}"));
    let order = "35=D|34=7|11=a|55=ACME|54=1|38=1|40=1";
    check(order, "35=j|45=7|372=D|380=6|58=a market-data session takes no orders");
    check("35=g|335=s|263=0", "35=j|372=g|380=3|58=not offered on a market-data session");
}

#[test]
fn instruments_are_listed_on_the_spot() {
    let mut market = Market::new(Settings::default());
    market.ask("35=x|320=s|559=4");
    market.ask("35=x|320=t|559=0|55=ZETA");
    market.ask("35=x|320=u|559=0|55=NONE");
    assert_eq!(
        market.sent(),
        [
            "35=y|320=s|322=1|560=0|393=2|893=Y|146=2|55=ACME|15=USD|561=10|55=ZETA|15=USD|561=10",
            "35=y|320=t|322=2|560=0|393=1|893=Y|146=1|55=ZETA|15=USD|561=10",
            "35=y|320=u|322=3|560=2|393=0|893=Y",
        ]
    );
}

#[test]
fn a_client_that_leaves_too_much_unread_is_to_be_cut() {
    let mut market = Market::new(Settings::default());
    market.ask(SUBSCRIBE);
    market.send(usize::MAX);
    let (taker, maker) = (buy(1, 100, 1), sell(2, 100, 1));
    let mut told = Ok(());
    let mut trades = 0;
    while told.is_ok() {
        trades += 1;
        market.command_without_end(&[
            fill(taker, Liquidity::Taker, (1, 100, trades)),
            fill(maker, Liquidity::Maker, (1, 100, trades)),
        ]);
        told = market.feed.changes(&market.view.books.take_changes());
    }
    assert_eq!(trades, TRADES_WAITING_MAX as u64 + 1);
    let mut market = Market::new(Settings::default());
    for _ in 0..ANSWERS_WAITING_MAX {
        market.ask("35=g|335=s|263=0");
    }
    let mut reader = Reader::default();
    let Line::Message { message, .. } = reader.next(b"35=g|335=s|263=0\n") else { panic!() };
    assert_eq!(market.feed.request(&market.view, &message), Err(TooSlow));
}

#[test]
fn no_connection_follows_more_than_its_share() {
    let mut market = Market::new(Settings::default());
    for number in 0..STREAMS_MAX / 2 {
        market.ask(&format!("35=V|262={number}|263=1|264=1|267=1|269=0|146=2|55=ACME|55=ZETA"));
    }
    market.sent();
    market.ask(SUBSCRIBE);
    assert_eq!(market.sent(), ["35=Y|262=r|281=2|58=at most 1024 instruments can be followed"]);
}

/// What a client makes of the messages: for each side and price (as written) quantity and orders.
type Levels = BTreeMap<(u8, String), (String, String)>;

fn apply_as_client(levels: &mut Levels, line: &str) {
    let mut reader = Reader::default();
    let text = format!("{line}\n");
    let Line::Message { message, .. } = reader.next(text.as_bytes()) else { panic!("{line}") };
    let group = dictionary::message(message.msg_type()).unwrap().group(tag::NO_MD_ENTRIES).unwrap();
    let snapshot = message.msg_type() == b"W";
    if snapshot {
        levels.clear();
    }
    for entry in message.entries(group) {
        let word = |tag| entry.get(tag).map(|value| String::from_utf8_lossy(value).into_owned());
        let side = entry.get(tag::MD_ENTRY_TYPE).unwrap()[0];
        if side == b'2' {
            continue;
        }
        let key = (side, word(tag::MD_ENTRY_PX).unwrap());
        let level = || (word(tag::MD_ENTRY_SIZE).unwrap(), word(tag::NUMBER_OF_ORDERS).unwrap());
        match entry.get(tag::MD_UPDATE_ACTION) {
            None | Some(b"0") => assert_eq!(levels.insert(key, level()), None, "{line}"),
            Some(b"1") => assert!(levels.insert(key, level()).is_some(), "{line}"),
            Some(_) => assert!(levels.remove(&key).is_some(), "{line}"),
        }
    }
}

/// The best `depth` levels of each side as the orders themselves make them.
fn naive(orders: &[Order], depth: usize) -> Levels {
    let mut sides: BTreeMap<(u8, i64), (i64, u32)> = BTreeMap::new();
    for order in orders.iter().filter(|order| order.leaves > 0) {
        let rank = if order.side == Side::Buy { -order.price } else { order.price };
        let level = sides.entry((order.side as u8, rank)).or_default();
        *level = (level.0 + order.leaves, level.1 + 1);
    }
    let shown = |((side, rank), (quantity, count)): (&(u8, i64), &(i64, u32))| {
        let price = written(rank.abs());
        ((side - 1, price), ((quantity * 10).to_string(), count.to_string()))
    };
    let of = |side: Side| sides.iter().filter(move |((of, _), _)| *of == side as u8).take(depth).map(shown);
    of(Side::Buy).chain(of(Side::Sell)).collect()
}

fn written(ticks: i64) -> String {
    let text = format!("{}.{:02}", ticks / 100, ticks % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Add { buy: bool, price: i64, quantity: i64 },
    Trade { which: usize, quantity: i64 },
    Cancel { which: usize },
    Replace { which: usize, price: i64, quantity: i64 },
    Shrink { which: usize, quantity: i64 },
    Send { room: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (price, quantity, which) = (995i64..1005, 1i64..9, 0usize..64);
    prop_oneof![
        4 => (any::<bool>(), price.clone(), quantity.clone())
            .prop_map(|(buy, price, quantity)| Step::Add { buy, price, quantity }),
        2 => (which.clone(), quantity.clone()).prop_map(|(which, quantity)| Step::Trade { which, quantity }),
        2 => which.clone().prop_map(|which| Step::Cancel { which }),
        1 => (which.clone(), price, quantity.clone())
            .prop_map(|(which, price, quantity)| Step::Replace { which, price, quantity }),
        1 => (which, quantity).prop_map(|(which, quantity)| Step::Shrink { which, quantity }),
        5 => (0usize..3).prop_map(|room| Step::Send { room }),
    ]
}

fn play(market: &mut Market, orders: &mut Vec<Order>, step: Step) {
    let live = orders.len();
    let pick = |which: usize| if live == 0 { None } else { Some(which % live) };
    match step {
        Step::Add { buy, price, quantity } => {
            let side = if buy { Side::Buy } else { Side::Sell };
            let order = Order { id: market.sequence + 1, instrument: 1, side, price, leaves: quantity };
            orders.push(order);
            market.command(&[report(order, ExecType::New)]);
        }
        Step::Trade { which, quantity } => {
            let Some(at) = pick(which) else { return };
            let order = &mut orders[at];
            let quantity = quantity.min(order.leaves);
            order.leaves -= quantity;
            let trade = (quantity, order.price, market.sequence + 1);
            let incoming =
                Order { id: market.sequence + 1, side: order.side.opposite(), leaves: quantity, ..*order };
            market.command(&[
                report(incoming, ExecType::New),
                fill(Order { leaves: 0, ..incoming }, Liquidity::Taker, trade),
                fill(*order, Liquidity::Maker, trade),
            ]);
        }
        Step::Cancel { which } => {
            let Some(at) = pick(which) else { return };
            orders[at].leaves = 0;
            market.command(&[report(orders[at], ExecType::Canceled)]);
        }
        Step::Replace { which, price, quantity } => {
            let Some(at) = pick(which) else { return };
            (orders[at].price, orders[at].leaves) = (price, quantity);
            market.command(&[report(orders[at], ExecType::Replaced)]);
        }
        Step::Shrink { which, quantity } => {
            let Some(at) = pick(which) else { return };
            orders[at].leaves = orders[at].leaves.min(quantity);
            let mut report = report(orders[at], ExecType::Replaced);
            report.body.flags = report_flag::KEPT_PLACE;
            market.command(&[report]);
        }
        Step::Send { room } => {
            market.send(room);
        }
    }
    orders.retain(|order| order.leaves > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whoever_applies_all_messages_has_the_book(steps in prop::collection::vec(step(), 1..120)) {
        const DEPTHS: [usize; 4] = [0, 1, 3, 100];
        let mut market = Market::new(Settings::default());
        let (mut orders, mut clients) = (Vec::new(), vec![Levels::new(); DEPTHS.len()]);
        let mut told = |market: &mut Market, orders: &[Order]| {
            for line in std::mem::take(&mut market.sent) {
                let name = line.split('|').nth(1).unwrap().strip_prefix("262=").unwrap();
                let client = DEPTHS.iter().position(|depth| depth.to_string() == name).unwrap();
                apply_as_client(&mut clients[client], &line);
            }
            if !market.feed.waits() {
                for (depth, client) in DEPTHS.iter().zip(&clients) {
                    let depth = if *depth == 0 { usize::MAX } else { *depth };
                    assert_eq!(*client, naive(orders, depth), "depth {depth}");
                }
            }
        };
        let (early, late) = steps.split_at(steps.len() / 4);
        for step in early {
            play(&mut market, &mut orders, *step);
        }
        for depth in DEPTHS {
            market.ask(&format!("35=V|262={depth}|263=1|264={depth}|267=3|269=0|269=1|269=2|146=1|55=ACME"));
        }
        for step in late {
            play(&mut market, &mut orders, *step);
            told(&mut market, &orders);
        }
        market.send(usize::MAX);
        told(&mut market, &orders);
        prop_assert!(!market.feed.waits());
    }
}

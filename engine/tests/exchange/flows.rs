//! Random flows: the exchange and its naive twin tell the same and hold the same after every command; the same commands,
//! with a snapshot in between or without, give the same bytes.

use proptest::prelude::*;
use rialto_engine::Exchange;
use rialto_engine::stage::Stage;
use rialto_protocol::terms::SelfTrade;

use crate::table::World;
use crate::twin::{ACCOUNTS, Ask, At, SCOPES, STATES, SYMBOLS, Twin};

const RULES: [SelfTrade; 4] =
    [SelfTrade::Off, SelfTrade::CancelNewest, SelfTrade::CancelOldest, SelfTrade::CancelBoth];

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 95..106_i64, 1 => 1_000..400_000_i64, 1 => -1..3_i64]
}

fn quantity() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1..20_i64, 2 => 1..1_200_i64, 1 => -1..2_i64]
}

fn new_order() -> impl Strategy<Value = Ask> {
    let at = prop_oneof![
        8 => price().prop_map(At::Limit),
        1 => Just(At::Market),
        1 => prop_oneof![1..3_000_i64, 1..900_000_i64].prop_map(At::Funds),
    ];
    let time = prop_oneof![6 => Just("day"), 2 => Just("gtc"), 2 => Just("ioc"), 2 => Just("fok")];
    (0..ACCOUNTS.len(), any::<bool>(), quantity(), at, time, proptest::bool::weighted(0.1), 0..SYMBOLS.len())
        .prop_map(|(account, sell, quantity, at, time, post, symbol)| Ask::New {
            account,
            sell,
            quantity,
            at,
            time,
            post,
            symbol,
        })
}

fn operator() -> impl Strategy<Value = Ask> {
    prop_oneof![
        2 => (0..STATES.len(), 0..SYMBOLS.len()).prop_map(|(state, symbol)| Ask::Market { state, symbol }),
        4 => (0..SYMBOLS.len()).prop_map(|symbol| Ask::Market { state: 0, symbol }),
        1 => (0..SCOPES.len()).prop_map(|scope| Ask::Kill { scope, on: true }),
        3 => (0..SCOPES.len()).prop_map(|scope| Ask::Kill { scope, on: false }),
        1 => (0..SCOPES.len()).prop_map(|scope| Ask::CancelAll { scope }),
        4 => any::<usize>().prop_map(|pick| Ask::Bust { pick }),
        1 => Just(Ask::DayEnd),
        2 => (0..ACCOUNTS.len(), 0..5_usize, -1..1_500_000_i64, any::<bool>())
            .prop_map(|(account, asset, amount, withdraw)| Ask::Transfer { account, asset, amount, withdraw }),
        1 => (0..1_000_i64, 0..50_000_i64, 0..90_000_i64, 0..20_i64)
            .prop_map(|(quantity, value, collar, orders)| Ask::Limits { quantity, value, collar, orders }),
        3 => Just(Ask::Limits { quantity: 0, value: 0, collar: 0, orders: 0 }),
        2 => (0..2_usize).prop_map(|member| Ask::LogOff { member }),
        2 => (0..2_usize).prop_map(|member| Ask::LogOn { member }),
        2 => (1..8_u64).prop_map(|seconds| Ask::Wait { seconds }),
        1 => any::<bool>().prop_map(|loss| Ask::Epoch { loss }),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let member = || 0..2_usize;
    let time = prop_oneof![4 => Just("day"), 2 => Just("gtc"), 1 => Just("ioc")];
    prop_oneof![
        40 => new_order(),
        10 => (member(), any::<usize>(), any::<bool>())
            .prop_map(|(member, pick, by_number)| Ask::Cancel { member, pick, by_number }),
        15 => (member(), any::<usize>(), quantity(), price(), time)
            .prop_map(|(member, pick, quantity, price, time)| Ask::Replace { member, pick, quantity, price, time }),
        4 => (member(), any::<bool>()).prop_map(|(member, marked)| Ask::Again { member, marked }),
        1 => (member(), proptest::option::of(0..SYMBOLS.len()))
            .prop_map(|(member, symbol)| Ask::MassCancel { member, symbol }),
        3 => (member(), any::<usize>()).prop_map(|(member, pick)| Ask::Status { member, pick }),
        12 => operator(),
    ]
}

fn flow() -> impl Strategy<Value = (SelfTrade, Vec<Ask>)> {
    ((0..RULES.len()).prop_map(|rule| RULES[rule]), prop::collection::vec(ask(), 1..120))
}

fn compare(world: &World, twin: &Twin) {
    for (account, _) in ACCOUNTS {
        for asset in SYMBOLS.into_iter().chain(["USD"]) {
            let expected = (twin.total(account, asset), twin.reserved(account, asset));
            assert_eq!(world.has(account, asset), expected, "{account} {asset}");
        }
    }
    assert_eq!(world.fees(), twin.fees);
    for (number, symbol) in SYMBOLS.into_iter().enumerate() {
        assert_eq!(world.book(symbol), twin.book(number));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exchange_tells_and_holds_what_its_naive_twin_does((rule, asks) in flow()) {
        let (mut world, mut twin) = (World::new(rule), Twin::new(rule));
        let mut history = Vec::new();
        for ask in &asks {
            let (line, told) = twin.ask(ask);
            history.push(line.clone());
            world.ask(&line);
            prop_assert_eq!(world.told(), told, "{}", history.join("\n"));
            compare(&world, &twin);
        }
    }

    #[test]
    fn same_commands_give_the_same_bytes_with_a_snapshot_between_or_without((rule, asks) in flow(), cut in any::<prop::sample::Index>()) {
        let (mut straight, mut resumed, mut twin) = (World::new(rule), World::new(rule), Twin::new(rule));
        let cut = cut.index(asks.len());
        for (at, ask) in asks.iter().enumerate() {
            let (line, _) = twin.ask(ask);
            straight.ask(&line);
            resumed.ask(&line);
            prop_assert_eq!(straight.stage.events.as_bytes(), resumed.stage.events.as_bytes(), "{}", line);
            if at == cut {
                let body = resumed.stage.exchange.state_body();
                let exchange = Exchange::from_state_body(&body).unwrap();
                prop_assert!(exchange.state_body() == body, "a state is not what it was made from");
                let (sequence, now) = (resumed.stage.sequence, resumed.stage.now);
                resumed.stage = Stage::with(exchange, sequence, now);
            }
        }
        prop_assert_eq!(straight.stage.exchange.state_hash(), resumed.stage.exchange.state_hash());
    }
}

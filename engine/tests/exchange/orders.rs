//! New orders, trades, cancels.

use rialto_protocol::terms::SelfTrade;

use crate::table::{World, check};

#[test]
fn best_price_trades_first_then_the_earlier_order() {
    check(
        "sell a 10 @ 102 -> new a
         sell b 10 @ 101 -> new b
         sell c 10 @ 101 -> new c
         B:buy d 25 @ 102 -> B:new d; B:fill d 10 @ 101 left 15; fill b 10 @ 101 done; B:fill d 10 @ 101 left 5; fill c 10 @ 101 done; B:fill d 5 @ 102 done; fill a 5 @ 102 left 5",
    );
}

#[test]
fn trade_is_at_the_resting_orders_price() {
    check(
        "buy a 5 @ 110 -> new a
         B:sell b 5 @ 100 -> B:new b; B:fill b 5 @ 110 done; fill a 5 @ 110 done",
    );
}

#[test]
fn rest_of_a_day_order_rests_behind_what_is_there() {
    let world = check(
        "sell a 5 @ 100 -> new a
         buy b 3 @ 99 -> new b
         B:buy c 8 @ 100 -> B:new c; B:fill c 5 @ 100 left 3; fill a 5 @ 100 done
         B:buy d 1 @ 99 -> B:new d",
    );
    assert_eq!(world.book("ACME"), ["buy 3 @ 100", "buy 3 @ 99", "buy 1 @ 99"]);
}

#[test]
fn immediate_order_trades_what_it_can_and_the_rest_is_cancelled() {
    let world = check(
        "sell a 5 @ 100 -> new a
         sell b 5 @ 101 -> new b
         B:buy c 8 @ 100 ioc -> B:new c; B:fill c 5 @ 100 left 3; fill a 5 @ 100 done; B:cancelled c filled 5: nothing left to trade with
         B:buy d 8 @ 99 ioc -> B:new d; B:cancelled d: nothing left to trade with",
    );
    assert_eq!(world.book("ACME"), ["sell 5 @ 101"]);
    assert_eq!(world.has("B1", "USD"), (999_500, 0));
}

#[test]
fn fill_or_kill_order_trades_in_full_or_not_at_all() {
    check(
        "sell a 5 @ 100 -> new a
         sell b 5 @ 101 -> new b
         B:buy c 11 @ 101 fok -> B:new c; B:cancelled c: nothing left to trade with
         B:buy d 6 @ 100 fok -> B:new d; B:cancelled d: nothing left to trade with
         B:buy e 6 @ 101 fok -> B:new e; B:fill e 5 @ 100 left 1; fill a 5 @ 100 done; B:fill e 1 @ 101 done; fill b 1 @ 101 left 4
         B:buy f 5 market fok -> B:new f; B:cancelled f: nothing left to trade with
         B:buy g 4 market fok -> B:new g; B:fill g 4 @ 101 done; fill b 4 @ 101 done",
    );
}

#[test]
fn fill_or_kill_market_buy_needs_the_cash_for_all_of_it() {
    check(
        "sell a 5 @ 250000 -> new a
         B:buy b 5 market fok -> B:new b; B:cancelled b: available cash is used up
         B:buy c 4 market fok -> B:new c; B:fill c 4 @ 250000 done; fill a 4 @ 250000 left 1",
    );
}

#[test]
fn post_only_order_that_would_trade_is_refused() {
    let world = check(
        "sell a 5 @ 100 -> new a
         B:buy b 5 @ 100 post -> B:rejected b: post-only order would trade
         B:buy c 5 @ 99 post -> B:new c",
    );
    assert_eq!(world.book("ACME"), ["buy 5 @ 99", "sell 5 @ 100"]);
}

#[test]
fn market_order_trades_at_any_price_and_never_rests() {
    check(
        "sell a 5 @ 100 -> new a
         sell b 5 @ 900 -> new b
         B:buy c 12 market -> B:new c; B:fill c 5 @ 100 left 7; fill a 5 @ 100 done; B:fill c 5 @ 900 left 2; fill b 5 @ 900 done; B:cancelled c filled 10: nothing left to trade with
         B:sell d 1 market -> B:new d; B:cancelled d: nothing left to trade with",
    );
}

#[test]
fn market_buy_goes_as_far_as_the_cash() {
    let world = check(
        "sell a 5 @ 300000 -> new a
         B:buy b 5 market -> B:new b; B:fill b 3 @ 300000 left 2; fill a 3 @ 300000 left 2; B:cancelled b filled 3: available cash is used up",
    );
    assert_eq!(world.has("B1", "USD"), (100_000, 0));
}

#[test]
fn market_buy_leaves_room_for_its_fee() {
    // 4 lots at 250,000 would take all the cash; their fee does not fit any more.
    let world = check(
        "sell a 5 @ 250000 in FEE -> new a
         B:buy b 5 market in FEE -> B:new b; B:fill b 3 @ 250000 left 2; fill a 3 @ 250000 left 2; B:cancelled b filled 3: available cash is used up",
    );
    assert_eq!(world.has("B1", "USD"), (1_000_000 - 750_000 - 1_500, 0));
}

#[test]
fn order_by_funds_buys_whole_lots_at_each_price_until_a_lot_costs_more_than_is_left() {
    check(
        "sell a 3 @ 100 -> new a
         sell b 9 @ 150 -> new b
         B:buy c funds 740 -> B:new c; B:fill c 3 @ 100 left 0; fill a 3 @ 100 done; B:fill c 2 @ 150 done; fill b 2 @ 150 left 7
         B:buy d funds 149 -> B:new d; B:cancelled d: available cash is used up
         B:buy e funds 2000 -> B:new e; B:fill e 7 @ 150 left 0; fill b 7 @ 150 done; B:cancelled e filled 7: nothing left to trade with",
    );
}

#[test]
fn order_by_funds_sells_until_the_funds_are_met_or_the_holdings_end() {
    check(
        "buy a 3 @ 100 -> new a
         buy b 5000 @ 10 -> new b
         B:sell c funds 340 -> B:new c; B:fill c 3 @ 100 left 0; fill a 3 @ 100 done; B:fill c 4 @ 10 done; fill b 4 @ 10 left 4996
         B:sell d funds 100000 -> B:new d; B:fill d 993 @ 10 left 0; fill b 993 @ 10 left 4003; B:cancelled d filled 993: not enough holdings available",
    );
}

#[test]
fn midpoint_trade_is_halfway_rounded_for_the_resting_order() {
    check(
        "sell a 5 @ 100 in MID -> new a
         B:buy b 1 @ 110 in MID -> B:new b; B:fill b 1 @ 105 done; fill a 1 @ 105 left 4
         B:buy c 1 @ 111 in MID -> B:new c; B:fill c 1 @ 106 done; fill a 1 @ 106 left 3
         B:buy d 1 market in MID -> B:new d; B:fill d 1 @ 100 done; fill a 1 @ 100 left 2
         buy e 1 @ 90 in MID -> new e
         B:sell f 1 @ 87 in MID -> B:new f; B:fill f 1 @ 88 done; fill e 1 @ 88 done",
    );
}

#[test]
fn order_that_is_not_offered_is_refused_with_its_reason() {
    let unsupported = "this combination of order type and instructions is not offered";
    let table = "buy a 1 market gtc -> rejected a: UNSUPPORTED
         buy b 1 market post -> rejected b: UNSUPPORTED
         buy c 1 @ 1 ioc post -> rejected c: UNSUPPORTED
         buy d funds 10 fok -> rejected d: UNSUPPORTED
         buy e 1 @ 0 -> rejected e: price is not a positive multiple of the tick
         buy f 0 @ 1 -> rejected f: quantity is over the limit
         buy g -1 @ 1 -> rejected g: quantity is over the limit
         buy h 549755813889 @ 1 -> rejected h: quantity is over the limit
         buy i 500000000000 @ 9000000000000000000 -> rejected i: value is over the limit
         buy j 1 @ 1 in NONE -> rejected j: no such instrument
         buy k 1 @ 1 for B1 -> rejected k: the session may not act for this account
         buy l 1 @ 1 for NONE -> rejected l: no such account
         buy m funds 0 -> rejected m: quantity is over the limit";
    check(&table.replace("UNSUPPORTED", unsupported));
}

#[test]
fn cancel_ends_an_order_and_names_both_ids() {
    let world = check(
        "buy a 5 @ 100 -> new a
         cancel c a -> cancelled c was a
         cancel d a -> denied d: no such order
         cancel e zz -> denied e: no such order",
    );
    assert_eq!(world.has("A1", "USD"), (1_000_000, 0));
}

#[test]
fn cancel_of_a_partly_filled_order_says_what_was_filled() {
    check(
        "buy a 5 @ 100 -> new a
         B:sell b 2 @ 100 -> B:new b; B:fill b 2 @ 100 done; fill a 2 @ 100 left 3
         cancel c a -> cancelled c was a filled 2",
    );
}

#[test]
fn order_is_addressed_by_its_number_where_that_is_given() {
    check(
        "buy a 5 @ 100 -> new a
         sell b 5 @ 200 -> new b
         cancel c zz order 1 -> cancelled c was a
         cancel d b order 1 -> denied d: no such order
         cancel e b order 2 as buy -> denied e order 2: the order is of another instrument or side
         cancel f b in FEE -> denied f order 2: the order is of another instrument or side",
    );
}

#[test]
fn nobody_touches_another_sessions_order() {
    check(
        "buy a 5 @ 100 -> new a
         B:cancel c a -> B:denied c: no such order
         B:cancel d a order 1 -> B:denied d: no such order
         B:replace e a 3 @ 100 order 1 -> B:denied e: no such order
         B:status a order 1 -> B:status a: no such order",
    );
}

#[test]
fn status_reports_an_open_order() {
    check(
        "buy a 5 @ 100 -> new a
         B:sell b 2 @ 100 -> B:new b; B:fill b 2 @ 100 done; fill a 2 @ 100 left 3
         status a -> status a 5 open 3
         status a order 1 -> status a 5 open 3
         status zz -> status zz: no such order",
    );
}

#[track_caller]
fn check_self_trade(rule: SelfTrade, table: &str) {
    World::new(rule).check(table);
}

#[test]
fn participant_trades_with_itself_only_where_allowed() {
    check(
        "sell a 5 @ 100 -> new a
         buy b 5 @ 100 -> new b; fill b 5 @ 100 done; fill a 5 @ 100 done",
    );
    check_self_trade(
        SelfTrade::CancelNewest,
        "B:sell x 1 @ 99 -> B:new x
         sell a 5 @ 100 for A2 -> new a
         buy b 5 @ 100 -> new b; fill b 1 @ 99 left 4; B:fill x 1 @ 99 done; cancelled b filled 1: would trade with the same participant",
    );
    check_self_trade(
        SelfTrade::CancelOldest,
        "sell a 5 @ 99 for A2 -> new a
         B:sell x 1 @ 100 -> B:new x
         buy b 5 @ 100 -> new b; cancelled a: would trade with the same participant; fill b 1 @ 100 left 4; B:fill x 1 @ 100 done",
    );
    check_self_trade(
        SelfTrade::CancelBoth,
        "B:sell x 1 @ 99 -> B:new x
         sell a 5 @ 100 for A2 -> new a
         buy b 5 @ 100 -> new b; fill b 1 @ 99 left 4; B:fill x 1 @ 99 done; cancelled a: would trade with the same participant; cancelled b filled 1: would trade with the same participant",
    );
}

#[test]
fn fill_or_kill_does_not_count_what_self_trade_prevention_keeps_from_it() {
    let book = "sell a 5 @ 99 -> new a
         B:sell x 5 @ 100 -> B:new x";
    check_self_trade(
        SelfTrade::CancelNewest,
        &format!("{book}\n buy b 5 @ 100 fok -> new b; cancelled b: nothing left to trade with"),
    );
    check_self_trade(
        SelfTrade::CancelOldest,
        &format!("{book}\n buy b 6 @ 100 fok -> new b; cancelled b: nothing left to trade with
          buy c 5 @ 100 fok -> new c; cancelled a: would trade with the same participant; fill c 5 @ 100 done; B:fill x 5 @ 100 done"),
    );
}

#[test]
fn sweep_too_long_for_one_command_goes_on_and_locks_its_market_until_it_is_done() {
    let mut world = World::new(SelfTrade::Off);
    for lot in 0..1_000 {
        world.check(&format!("sell s{lot} 1 @ 100 for A{} -> new s{lot}", 1 + lot % 2));
    }
    for lot in 0..600 {
        world.check(&format!("B:sell t{lot} 1 @ 101 -> B:new t{lot}"));
    }
    world.check("deposit big B1 USD 1000000 -> done");
    // The first thousand fills.
    world.ask("B:buy big 1601 @ 102");
    let told = world.told();
    assert_eq!((told.len(), told.last().map(String::as_str)), (2_001, Some("fill s999 1 @ 100 done")));
    assert!(world.stage.exchange.work_pending());
    // Whatever comes next goes on with it first; an order in another market is not held up.
    world.ask("continue");
    let told = world.told();
    assert_eq!((told.len(), world.book("ACME").len()), (1_200, 1));
    assert_eq!(world.book("ACME"), ["buy 1 @ 102"]);
    assert!(!world.stage.exchange.work_pending());
}

#[test]
fn orders_and_cancels_in_a_locked_market_are_refused() {
    let mut world = World::new(SelfTrade::Off);
    world.check("deposit more A1 ACME 5000 -> done\n deposit big B1 USD 1000000 -> done");
    for lot in 0..2_500 {
        world.check(&format!("sell s{lot} 1 @ 100 -> new s{lot}"));
    }
    world.ask("B:buy big 2500 @ 100");
    world.told();
    world.ask("cancel c s2400");
    assert_eq!(
        world.told().last().map(String::as_str),
        Some("denied c order 2401: too late to change the order")
    );
    assert!(world.stage.exchange.work_pending());
    world.ask("cancel d s2400");
    assert_eq!(world.told().last().map(String::as_str), Some("denied d: no such order"));
    assert!(!world.stage.exchange.work_pending());
}

//! Cash, holdings, fees.

use rialto_protocol::reference::{Grant, Operation};
use rialto_protocol::{Decimal, Name};

use crate::table::{World, check};

#[test]
fn buy_reserves_cash_and_a_sell_holdings() {
    let world = check("buy a 5 @ 100 -> new a\n sell b 7 @ 200 -> new b");
    assert_eq!(world.has("A1", "USD"), (1_000_000, 500));
    assert_eq!(world.has("A1", "ACME"), (1_000, 7));
}

#[test]
fn member_is_told_what_his_accounts_have_under_no_number() {
    let mut world = check(
        "buy a 5 @ 100 -> new a
         sell b 7 @ 200 in LAST -> new b
         balance A1 -> A1 USD 1000000 of 500; A1 ACME 1000 of 0; A1 FEE 1000 of 0; A1 MID 1000 of 0; A1 LAST 1000 of 7
         balance B1 -> no balance: the session may not act for this account
         balance zz -> no balance: no such account
         withdraw w1 A2 ACME 1000 -> done
         withdraw w2 A2 FEE 1000 -> done
         withdraw w3 A2 MID 1000 -> done
         withdraw w4 A2 LAST 1000 -> done
         balance A2 -> A2 USD 1000000 of 0
         balance -> A1 USD 1000000 of 500; A1 ACME 1000 of 0; A1 FEE 1000 of 0; A1 MID 1000 of 0; A1 LAST 1000 of 7; A2 USD 1000000 of 0
         withdraw w5 A2 USD 1000000 -> done
         balance A2 -> no balance:",
    );
    let numbers = |world: &World| {
        let state = world.stage.exchange.sessions().get(world.sessions[0]).unwrap();
        (state.next_inbound().0, state.next_outbound().0)
    };
    let (inbound, outbound) = numbers(&world);
    world.check("balance A2 -> no balance:");
    assert_eq!(numbers(&world), (inbound + 1, outbound));
}

#[test]
fn more_balances_than_one_command_may_tell_are_refused_in_words() {
    let mut world = check("");
    for number in 0..4_000 {
        let account = format!("M{number}");
        world.stage.account(&account, "A").unwrap();
        world.stage.deposit(&account, "USD", Decimal::new(1, 0)).unwrap();
        let grant = Grant { session: Name::clipped("A"), account: Name::clipped(&account) };
        world.stage.operate(Operation::Grant(grant)).unwrap();
    }
    world.told_unchecked();
    world.check(
        "balance -> no balance: too much for one answer: name an account
         balance M7 -> M7 USD 1 of 0",
    );
}

#[test]
fn buy_reserves_its_worst_fee_too() {
    // 2,000 millionths of 501, rounded up.
    let world = check("buy a 3 @ 167 in FEE -> new a");
    assert_eq!(world.has("A1", "USD"), (1_000_000, 501 + 2));
}

#[test]
fn nobody_spends_what_is_reserved_elsewhere() {
    check(
        "buy a 9 @ 100000 -> new a
         buy b 2 @ 100000 -> rejected b: not enough cash available
         buy c 1 @ 100000 -> new c
         sell d 1000 @ 200000 -> new d
         sell e 1 @ 200000 in ACME -> rejected e: not enough holdings available
         sell f 1 market -> rejected f: not enough holdings available
         withdraw w1 A1 USD 1 -> no: account A1 has 0 USD available, 1 are asked for",
    );
}

#[test]
fn fill_moves_cash_and_holdings() {
    let world = check(
        "sell a 5 @ 100 -> new a
         B:buy b 5 @ 110 -> B:new b; B:fill b 5 @ 100 done; fill a 5 @ 100 done",
    );
    assert_eq!(world.has("A1", "USD"), (1_000_500, 0));
    assert_eq!(world.has("A1", "ACME"), (995, 0));
    assert_eq!(world.has("B1", "USD"), (999_500, 0));
    assert_eq!(world.has("B1", "ACME"), (1_005, 0));
}

#[test]
fn better_price_releases_the_difference() {
    let world = check(
        "sell a 5 @ 100 -> new a
         B:buy b 10 @ 110 -> B:new b; B:fill b 5 @ 100 left 5; fill a 5 @ 100 done",
    );
    assert_eq!(world.has("B1", "USD"), (999_500, 550));
}

#[test]
fn fee_of_an_order_is_rounded_up_once_however_often_it_trades() {
    // Ten fills of one lot at 100 as maker (1,000 millionths): 1 in all, not 10. The taker pays 2 for its 1,000.
    let mut table = String::from("sell a 10 @ 100 in FEE -> new a\n");
    for lot in 0..10 {
        let left = if lot == 9 { String::from("done") } else { format!("left {}", 9 - lot) };
        let told = format!("B:new b{lot}; B:fill b{lot} 1 @ 100 done; fill a 1 @ 100 {left}");
        table = format!("{table}B:buy b{lot} 1 @ 100 in FEE -> {told}\n");
    }
    let world = check(&table);
    assert_eq!(world.has("A1", "USD"), (1_000_000 + 1_000 - 1, 0));
    // Each of ten orders rounds for itself.
    assert_eq!(world.has("B1", "USD"), (1_000_000 - 1_000 - 10, 0));
    assert_eq!(world.fees(), 11);
}

#[test]
fn order_that_takes_and_then_makes_pays_each_rate_for_its_part() {
    let world = check(
        "sell a 10 @ 1000 in FEE -> new a
         B:buy b 20 @ 1000 in FEE -> B:new b; B:fill b 10 @ 1000 left 10; fill a 10 @ 1000 done
         sell c 10 @ 1000 in FEE -> new c; fill c 10 @ 1000 done; B:fill b 10 @ 1000 done",
    );
    // b: 2,000 ppm of 10,000 and 1,000 ppm of 10,000.
    assert_eq!(world.has("B1", "USD"), (1_000_000 - 20_000 - 30, 0));
    assert_eq!(world.fees(), 30 + 10 + 20);
}

#[test]
fn fees_change_for_new_orders_only() {
    let mut world = check("sell a 10 @ 1000 in FEE -> new a");
    let cheaper = rialto_protocol::reference::InstrumentDef {
        maker_fee_ppm: 0,
        taker_fee_ppm: 0,
        ..rialto_engine::stage::plain_instrument("FEE", "USD")
    };
    world.stage.instrument(cheaper).unwrap();
    world.told();
    world.check("B:buy b 10 @ 1000 in FEE -> B:new b; B:fill b 10 @ 1000 done; fill a 10 @ 1000 done");
    assert_eq!(world.fees(), 10);
}

#[test]
fn deposit_id_counts_once() {
    let world = check(
        "deposit d1 A1 USD 100 -> done
         deposit d1 A1 USD 100 -> done by 35
         deposit d1 A1 USD 101 -> no: transfer d1 was made before with other data
         deposit d1 A2 USD 100 -> no: transfer d1 was made before with other data
         withdraw d1 A1 USD 100 -> no: transfer d1 was made before with other data
         withdraw d2 A1 ACME 1000 -> done
         withdraw d2 A1 ACME 1000 -> done by 40
         withdraw d3 A1 ACME 1 -> no: account A1 has 0 ACME available, 1 are asked for
         deposit d3 A1 ACME 0.5 -> no: 0.5 is not a positive multiple of 1 ACME
         deposit d3 A1 ACME 0 -> no: 0 is not a positive multiple of 1 ACME
         deposit d3 A1 ACME -1 -> no: -1 is not a positive multiple of 1 ACME
         deposit d3 NONE USD 1 -> no: no account NONE
         deposit d3 A1 NONE 1 -> no: no asset NONE
         deposit d3 A1 USD 1 -> done",
    );
    assert_eq!(world.has("A1", "USD"), (1_000_101, 0));
    assert_eq!(world.has("A1", "ACME"), (0, 0));
}

#[test]
fn deposits_stay_within_what_sums_can_hold() {
    check(
        "deposit d1 A1 USD 1208925819614629174706176 -> no: deposits of USD come to too much
         deposit d2 A1 USD 1208925819614629171706176 -> done
         deposit d3 A1 USD 1 -> no: deposits of USD come to too much",
    );
}

#[test]
fn bust_gives_everything_back_once() {
    let world = check(
        "sell a 5 @ 1000 in FEE -> new a
         B:buy b 5 @ 1000 in FEE -> B:new b; B:fill b 5 @ 1000 done; fill a 5 @ 1000 done
         bust 1 -> B:busted b 5 @ 1000; busted a 5 @ 1000; trade 1 busted; done
         bust 1 -> no: trade 1 was busted before
         bust 2 -> no: trade 2 was never made or is not kept any more",
    );
    for account in ["A1", "B1"] {
        assert_eq!(world.has(account, "USD"), (1_000_000, 0));
        assert_eq!(world.has(account, "FEE"), (1_000, 0));
    }
    assert_eq!(world.fees(), 0);
}

#[test]
fn bust_that_a_side_cannot_bear_is_refused() {
    let world = check(
        "sell a 5 @ 100 -> new a
         B:buy b 5 @ 100 -> B:new b; B:fill b 5 @ 100 done; fill a 5 @ 100 done
         withdraw w1 A1 USD 1000001 -> done
         bust 1 -> no: trade 1: the seller no longer has the cash
         B:sell c 1001 @ 500 -> B:new c
         deposit d1 A1 USD 1 -> done
         bust 1 -> no: trade 1: the buyer no longer has the holdings
         B:cancel e c -> B:cancelled e was c
         bust 1 -> B:busted b 5 @ 100; busted a 5 @ 100; trade 1 busted; done",
    );
    assert_eq!(world.has("A1", "USD"), (0, 0));
}

#[test]
fn bust_leaves_an_open_order_as_it_is() {
    check(
        "sell a 5 @ 100 -> new a
         B:buy b 2 @ 100 -> B:new b; B:fill b 2 @ 100 done; fill a 2 @ 100 left 3
         bust 1 -> B:busted b 2 @ 100; busted a 2 @ 100; trade 1 busted; done
         status a -> status a 5 open 3",
    );
}

//! Market states, limits, kill switches.

use crate::table::{World, check};
use rialto_protocol::terms::SelfTrade;

#[test]
fn closed_or_halted_market_takes_cancels_only() {
    check(
        "buy a 5 @ 100 -> new a
         halt ACME -> ACME Halted; done
         buy b 5 @ 100 -> rejected b: the market is halted
         replace c a 4 @ 100 -> denied c order 1: the market is halted
         cancel d a -> cancelled d was a
         open ACME -> ACME Open; done
         close -> ACME Closed; FEE Closed; MID Closed; LAST Closed; done
         buy e 5 @ 100 -> rejected e: the market is closed
         open -> ACME Open; FEE Open; MID Open; LAST Open; done
         buy f 5 @ 100 -> new f",
    );
}

#[test]
fn exchange_short_of_room_takes_cancels_only_and_leaves_each_market_as_it_was() {
    let world = check(
        "buy a 5 @ 100 -> new a
         sell b 5 @ 101 -> new b
         halt FEE -> FEE Halted; done
         cancel-only on -> done
         buy c 5 @ 100 -> rejected c: only cancels are taken now: the exchange is short of room
         replace d a 4 @ 100 -> denied d order 1: only cancels are taken now: the exchange is short of room
         cancel e a -> cancelled e was a
         mass-cancel f -> cancelled b: cancelled by mass cancel; mass-cancelled f 1
         cancel-only on -> done
         cancel-only off -> done
         buy g 5 @ 100 -> new g
         buy h 5 @ 100 in FEE -> rejected h: the market is halted",
    );
    assert!(!world.stage.exchange.directory().cancel_only());
}

#[test]
fn order_over_a_limit_is_refused() {
    check(
        "limit quantity 10 value 5000 -> done
         buy a 11 @ 1 -> rejected a: quantity is over the limit
         buy b 10 @ 501 -> rejected b: value is over the limit
         buy c 10 @ 500 -> new c
         buy d 11 market -> rejected d: quantity is over the limit
         buy e funds 5001 -> rejected e: value is over the limit
         replace f c 11 @ 500 -> denied f order 1: quantity is over the limit
         replace g c 10 @ 501 -> denied g order 1: value is over the limit",
    );
}

#[test]
fn collar_holds_around_the_last_trade_and_not_before_it() {
    check(
        "limit collar 100000 -> done
         sell a 5 @ 1000 -> new a
         B:buy b 1 @ 1000 -> B:new b; B:fill b 1 @ 1000 done; fill a 1 @ 1000 left 4
         buy c 1 @ 899 -> rejected c: price is outside the collar
         buy d 1 @ 900 -> new d
         sell e 1 @ 1101 -> rejected e: price is outside the collar
         sell f 1 @ 1100 -> new f
         replace g f 1 @ 1101 -> denied g order 4: price is outside the collar
         B:sell h 1 @ 2000 in FEE -> B:new h",
    );
}

#[test]
fn session_has_at_most_so_many_open_orders() {
    check(
        "limit orders 2 -> done
         buy a 1 @ 100 -> new a
         buy b 1 @ 100 -> new b
         buy c 1 @ 100 -> rejected c: too many open orders
         B:buy d 1 @ 100 -> B:new d
         cancel e a -> cancelled e was a
         buy f 1 @ 100 -> new f",
    );
}

#[test]
fn kill_switch_stops_entry_and_cancels_what_is_open() {
    check(
        "buy a 1 @ 100 -> new a
         buy b 1 @ 100 for A2 -> new b
         B:buy x 1 @ 100 -> B:new x
         kill account A2 -> cancelled b: stopped by a kill switch; done
         buy c 1 @ 100 for A2 -> rejected c: stopped by a kill switch
         buy d 1 @ 100 -> new d
         kill session A -> cancelled a: stopped by a kill switch; cancelled d: stopped by a kill switch; done
         buy e 1 @ 100 -> rejected e: stopped by a kill switch
         free session A -> done
         free account A2 -> done
         buy f 1 @ 100 for A2 -> new f
         kill participant A -> cancelled f: stopped by a kill switch; done
         free participant A -> done
         kill session ZZ -> no: no session ZZ",
    );
}

#[test]
fn cancel_all_ends_the_orders_of_its_scope() {
    check(
        "buy a 1 @ 100 -> new a
         buy b 1 @ 100 in FEE -> new b
         B:buy x 1 @ 100 -> B:new x
         B:buy y 1 @ 100 in FEE gtc -> B:new y
         cancel-all instrument ACME -> cancelled a: cancelled by the operator; B:cancelled x: cancelled by the operator; done
         cancel-all session A -> cancelled b: cancelled by the operator; done
         cancel-all session ZZ -> no: no session ZZ
         cancel-all -> B:cancelled y: cancelled by the operator; done",
    );
}

#[test]
fn day_orders_end_with_the_day_and_others_stay() {
    let world = check(
        "buy a 1 @ 100 -> new a
         buy b 1 @ 100 gtc -> new b
         B:sell x 1 @ 101 -> B:new x
         day-end -> expired a: ended with the day; B:expired x: ended with the day; day ended; done
         buy a 1 @ 100 -> rejected a: ClOrdID was used before",
    );
    assert_eq!(world.book("ACME"), ["buy 1 @ 100"]);
}

#[test]
fn market_defined_after_the_load_is_open_at_once() {
    let mut world = World::new(SelfTrade::Off);
    world.stage.instrument(rialto_engine::stage::plain_instrument("NEW", "USD")).unwrap();
    world.told();
    world.check("buy a 1 @ 100 in NEW -> new a");
}

#[test]
fn loss_by_choice_jumps_every_counter() {
    let world = check(
        "buy a 5 @ 100 -> new a
         epoch 2 loss -> epoch 2
         logon -> LogOn n1 epoch 2
         buy b 5 @ 100 -> new b
         cancel c a -> cancelled c was a
         status b order 1000000000002 -> status b 5 open 5",
    );
    assert_eq!(world.book("ACME"), ["buy 5 @ 100"]);
}

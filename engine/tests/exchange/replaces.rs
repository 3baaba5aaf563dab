//! Replaces.

use crate::table::check;

#[test]
fn smaller_quantity_keeps_the_place() {
    check(
        "sell a 5 @ 100 -> new a
         sell b 5 @ 100 -> new b
         replace c a 3 @ 100 -> replaced c was a 3 @ 100 left 3 kept
         B:buy x 1 @ 100 -> B:new x; B:fill x 1 @ 100 done; fill c 1 @ 100 left 2",
    );
}

#[test]
fn any_other_change_goes_to_the_back() {
    for (change, told) in [("5 @ 100", "5 @ 100 left 5"), ("6 @ 100", "6 @ 100 left 6")] {
        check(&format!(
            "sell a 5 @ 100 -> new a
             sell b 5 @ 100 -> new b
             replace c a {change} -> replaced c was a {told}
             B:buy x 1 @ 100 -> B:new x; B:fill x 1 @ 100 done; fill b 1 @ 100 left 4",
        ));
    }
    check(
        "sell a 5 @ 100 in LAST -> new a
         sell b 5 @ 100 in LAST -> new b
         replace c a 3 @ 100 -> replaced c was a 3 @ 100 left 3
         B:buy x 1 @ 100 in LAST -> B:new x; B:fill x 1 @ 100 done; fill b 1 @ 100 left 4",
    );
}

#[test]
fn replace_that_crosses_trades_at_once() {
    let world = check(
        "sell a 5 @ 105 -> new a
         B:buy x 3 @ 100 -> B:new x
         replace b a 5 @ 100 -> replaced b was a 5 @ 100 left 5; fill b 3 @ 100 left 2; B:fill x 3 @ 100 done",
    );
    assert_eq!(world.book("ACME"), ["sell 2 @ 100"]);
}

#[test]
fn quantity_is_the_new_total() {
    check(
        "buy a 5 @ 100 -> new a
         B:sell x 2 @ 100 -> B:new x; B:fill x 2 @ 100 done; fill a 2 @ 100 left 3
         replace b a 8 @ 101 -> replaced b was a 8 @ 101 left 6
         replace c b 2 @ 101 -> denied c order 1: too late to change the order
         replace d b 1 @ 101 -> denied d order 1: too late to change the order
         status b -> status b 8 open 6",
    );
}

#[test]
fn old_name_no_longer_addresses_the_order() {
    check(
        "buy a 5 @ 100 -> new a
         replace b a 4 @ 100 -> replaced b was a 4 @ 100 left 4 kept
         cancel c a -> denied c: no such order
         replace d zz 3 @ 100 order 1 -> replaced d was b 3 @ 100 left 3 kept
         cancel e d -> cancelled e was d",
    );
}

#[test]
fn replace_moves_what_is_reserved() {
    let world = check(
        "buy a 5 @ 100 -> new a
         replace b a 5 @ 120 -> replaced b was a 5 @ 120 left 5",
    );
    assert_eq!(world.has("A1", "USD"), (1_000_000, 600));
    let world = check(
        "sell a 900 @ 100 -> new a
         replace b a 1001 @ 100 -> denied b order 1: not enough holdings available
         replace c a 1000 @ 100 -> replaced c was a 1000 @ 100 left 1000
         replace d c 10 @ 100 -> replaced d was c 10 @ 100 left 10 kept",
    );
    assert_eq!(world.has("A1", "ACME"), (1_000, 10));
    check(
        "buy a 10 @ 100000 -> new a
         replace b a 11 @ 100000 -> denied b order 1: not enough cash available
         cancel c a -> cancelled c was a",
    );
}

#[test]
fn replace_of_a_post_only_order_may_not_cross() {
    check(
        "sell a 5 @ 105 post -> new a
         B:buy x 3 @ 100 -> B:new x
         replace b a 5 @ 100 -> denied b order 1: post-only order would trade
         replace c a 5 @ 101 -> replaced c was a 5 @ 101 left 5",
    );
}

#[test]
fn replace_is_checked_like_a_new_order() {
    check(
        "buy a 5 @ 100 -> new a
         replace b a 5 @ 100 ioc -> denied b order 1: this combination of order type and instructions is not offered
         replace c a 5 @ 0 -> denied c order 1: price is not a positive multiple of the tick
         replace d a 0 @ 5 -> denied d order 1: quantity is over the limit
         halt ACME -> ACME Halted; done
         replace e a 5 @ 99 -> denied e order 1: the market is halted
         cancel f a -> cancelled f was a",
    );
}

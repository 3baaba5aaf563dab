//! `ClOrdID`s.

use rialto_engine::clordids::NAMES_KEPT;
use rialto_protocol::terms::SelfTrade;

use crate::table::{World, check};

#[test]
fn name_is_used_once() {
    check(
        "buy a 5 @ 100 -> new a
         buy a 5 @ 100 -> rejected a: ClOrdID was used before
         cancel a a -> denied a order 1: ClOrdID was used before
         replace a a 3 @ 100 -> denied a order 1: ClOrdID was used before
         cancel c a -> cancelled c was a
         buy c 5 @ 100 -> rejected c: ClOrdID was used before
         buy a 5 @ 100 -> rejected a: ClOrdID was used before
         B:buy a 5 @ 100 -> B:new a",
    );
}

#[test]
fn name_of_a_refused_order_counts_as_used() {
    check(
        "buy a 5 @ 0 -> rejected a: price is not a positive multiple of the tick
         buy a 5 @ 100 -> rejected a: ClOrdID was used before
         cancel c zz -> denied c: no such order
         buy c 5 @ 100 -> rejected c: ClOrdID was used before",
    );
}

#[test]
fn marked_repeat_is_answered_by_its_first_answer_and_has_no_effect() {
    let world = check(
        "buy a 5 @ 100 -> new a
         buy a 5 @ 100 again -> repeat 2
         cancel c a -> cancelled c was a
         cancel c a again -> repeat 3
         buy a 5 @ 100 again -> repeat 2
         buy x 5 @ 0 -> rejected x: price is not a positive multiple of the tick
         buy x 5 @ 100 again -> repeat 4
         buy y 5 @ 100 again -> new y
         replace z y 4 @ 100 again -> replaced z was y 4 @ 100 left 4 kept
         replace z y 4 @ 100 again -> repeat 6
         mass-cancel q -> cancelled z: cancelled by mass cancel; mass-cancelled q 1
         mass-cancel q -> repeat 8",
    );
    assert_eq!(world.book("ACME"), Vec::<String>::new());
}

#[test]
fn marked_resend_of_a_used_name_is_passed_over_and_of_a_new_one_taken() {
    let world = check(
        "buy a 5 @ 100 seen -> new a
         buy a 5 @ 100 seen -> 
         cancel c a seen -> cancelled c was a
         cancel c a seen -> 
         buy a 5 @ 100 seen -> 
         buy x 5 @ 0 -> rejected x: price is not a positive multiple of the tick
         buy x 5 @ 100 seen -> 
         buy y 5 @ 100 -> new y
         replace z y 4 @ 100 seen -> replaced z was y 4 @ 100 left 4 kept
         replace z y 3 @ 100 seen -> 
         mass-cancel q seen -> cancelled z: cancelled by mass cancel; mass-cancelled q 1
         mass-cancel q seen -> 
         buy y 5 @ 100 seen again -> repeat 5",
    );
    assert_eq!(world.book("ACME"), Vec::<String>::new());
}

#[test]
fn marked_repeat_of_what_no_terms_could_be_made_of_is_not_refused_again() {
    check(
        "misspelt a -> refused a: no instrument ACMX
         misspelt a -> refused a: no instrument ACMX
         misspelt a again -> repeat 2
         misspelt a seen -> 
         buy a 5 @ 100 -> rejected a: ClOrdID was used before
         miscancel c a -> denied c: no such instrument
         miscancel c a again -> repeat 5
         miscancel c a seen -> 
         misspelt b seen -> refused b: no instrument ACMX",
    );
}

#[test]
fn long_names_are_told_apart() {
    check(
        "buy abcdefghijklmnop 5 @ 100 -> new abcdefghijklmnop
         buy abcdefghijklmno 5 @ 100 -> new abcdefghijklmno
         buy abcdefghijklmnopqrstuvwxyz0123456789 5 @ 100 -> new abcdefghijklmnopqrstuvwxyz0123456789
         buy abcdefghijklmnopqrstuvwxyz0123456788 5 @ 100 -> new abcdefghijklmnopqrstuvwxyz0123456788
         cancel c abcdefghijklmnopqrstuvwxyz0123456789 -> cancelled c was abcdefghijklmnopqrstuvwxyz0123456789
         buy abcdefghijklmnopqrstuvwxyz0123456789 5 @ 100 -> rejected abcdefghijklmnopqrstuvwxyz0123456789: ClOrdID was used before",
    );
}

#[test]
fn name_may_be_used_again_after_16384_others_but_not_while_its_order_is_open() {
    let mut world = World::new(SelfTrade::Off);
    world.check("buy open 5 @ 100 -> new open\n buy gone 5 @ 100 ioc -> new gone; cancelled gone: nothing left to trade with");
    // `gone` is the second name of all: it leaves the window with the 16,384th after it.
    for number in 0..NAMES_KEPT {
        if number == NAMES_KEPT - 1 {
            world.told_unchecked();
            world.check("buy gone 5 @ 0 -> rejected gone: ClOrdID was used before");
        }
        world.ask(&format!("cancel n{number} zz"));
    }
    world.told_unchecked();
    world.check(
        "buy gone 5 @ 0 -> rejected gone: price is not a positive multiple of the tick
         buy open 5 @ 0 -> rejected open: ClOrdID was used before
         buy open 5 @ 0 again -> repeat 2
         cancel c open -> cancelled c was open
         buy open 5 @ 100 -> new open",
    );
}

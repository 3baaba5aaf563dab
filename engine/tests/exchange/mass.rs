//! Mass cancels, mass status, and the slices that they go on in.

use rialto_protocol::terms::SelfTrade;

use crate::table::{World, check};

#[test]
fn mass_cancel_ends_the_sessions_orders_and_is_answered_behind_them() {
    check(
        "buy a 1 @ 100 -> new a
         buy b 1 @ 100 in FEE -> new b
         B:buy x 1 @ 100 -> B:new x
         mass-cancel q ACME -> cancelled a: cancelled by mass cancel; mass-cancelled q 1
         mass-cancel r -> cancelled b: cancelled by mass cancel; mass-cancelled r 1
         mass-cancel s -> mass-cancelled s 0",
    );
}

#[test]
fn mass_status_reports_every_open_order_and_marks_the_last() {
    check(
        "mass-status -> status: no such order
         buy a 1 @ 100 -> new a
         buy b 1 @ 100 in FEE -> new b
         B:buy x 1 @ 100 -> B:new x
         mass-status -> status a 1 open 1 of 2; status b 1 open 1 of 2 last
         mass-status FEE -> status b 1 open 1 of 1 last",
    );
}

fn with_orders(count: usize) -> World {
    let mut world = World::new(SelfTrade::Off);
    for number in 0..count {
        world.check(&format!("buy o{number} 1 @ 100 -> new o{number}"));
    }
    world
}

#[test]
fn mass_work_goes_on_in_slices_and_spares_what_comes_later() {
    let mut world = with_orders(600);
    world.ask("mass-cancel q");
    assert_eq!(world.told().len(), 256);
    assert!(world.stage.exchange.work_pending());
    world.check("buy late 1 @ 100 -> new late");
    world.ask("continue");
    assert_eq!(world.told().len(), 256);
    world.ask("continue");
    let told = world.told();
    assert_eq!((told.len(), told.last().map(String::as_str)), (89, Some("mass-cancelled q 600")));
    assert!(!world.stage.exchange.work_pending());
    assert_eq!(world.book("ACME"), ["buy 1 @ 100"]);
    world.check("continue -> ");
}

#[test]
fn jobs_are_done_in_the_order_in_which_they_were_asked_for() {
    let mut world = with_orders(300);
    world.check("B:buy x 1 @ 100 -> B:new x");
    world.ask("mass-cancel q");
    world.told();
    world.check("B:mass-cancel r -> ");
    world.ask("continue");
    let told = world.told();
    assert_eq!(
        told[told.len() - 3..],
        ["mass-cancelled q 300", "B:cancelled x: cancelled by mass cancel", "B:mass-cancelled r 1"]
    );
}

#[test]
fn mass_status_ends_even_if_its_last_order_has_gone_meanwhile() {
    let mut world = with_orders(300);
    world.ask("mass-status");
    assert_eq!(world.told().last().map(String::as_str), Some("status o254 1 open 1 of 300"));
    world.check("cancel c o299 -> cancelled c was o299");
    world.ask("continue");
    let told = world.told();
    assert_eq!(told[told.len() - 2..], ["status o298 1 open 1 of 300", "status: no such order"]);
}

#[test]
fn operators_request_is_answered_at_once_and_its_work_goes_on() {
    let mut world = with_orders(300);
    world.ask("cancel-all");
    assert_eq!(world.told().last().map(String::as_str), Some("done"));
    world.ask("continue");
    assert_eq!(world.told().len(), 44);
}

//! What the session layer does to orders, and that everything numbered is numbered.

use crate::table::check;

#[test]
fn cancel_on_disconnect_waits_for_the_grace_and_spares_orders_till_cancelled() {
    check(
        "buy a 1 @ 100 -> new a
         buy b 1 @ 100 gtc -> new b
         logoff -> gone
         wait 9 -> 
         wait 1 -> cancelled a: cancelled on disconnect
         logon -> LogOn n1 epoch 1",
    );
}

#[test]
fn member_who_is_back_in_time_keeps_his_orders() {
    let world = check(
        "buy a 1 @ 100 -> new a
         logoff -> gone
         wait 9 -> 
         logon -> LogOn n1 epoch 1
         wait 9 -> ",
    );
    assert_eq!(world.book("ACME"), ["buy 1 @ 100"]);
}

#[test]
fn lost_gateway_ends_its_sessions_and_their_grace_begins() {
    check(
        "buy a 1 @ 100 -> new a
         lost -> gone; B:gone
         wait 10 -> cancelled a: cancelled on disconnect",
    );
}

#[test]
fn epoch_begins_every_grace_anew() {
    check(
        "buy a 1 @ 100 -> new a
         logoff -> gone
         wait 9 -> 
         epoch 2 -> epoch 2
         wait 9 -> 
         wait 1 -> cancelled a: cancelled on disconnect",
    );
}

#[test]
fn reports_to_a_member_who_is_away_are_numbered_all_the_same() {
    let world = check(
        "buy a 1 @ 100 -> new a
         logoff -> gone
         B:sell x 1 @ 100 -> B:new x; B:fill x 1 @ 100 done; fill a 1 @ 100 done
         logon -> LogOn n1 epoch 1",
    );
    let state = world.stage.exchange.sessions().get(world.sessions[0]).unwrap();
    assert_eq!(state.next_outbound().0, 5);
}

#[test]
fn numbers_that_start_anew_forget_what_was_answered_before() {
    check(
        "buy a 1 @ 100 -> new a
         cancel c zz -> denied c: no such order
         logoff -> gone
         logon 1 reset -> LogOn n1 epoch 1
         buy c 1 @ 100 -> new c
         buy a 1 @ 100 again -> rejected a: ClOrdID was used before
         reset A -> gone; done
         logon -> LogOn n1 epoch 1
         buy c 1 @ 100 again -> rejected c: ClOrdID was used before",
    );
}

#[test]
fn message_that_stopped_the_exchange_once_is_refused_and_used_up() {
    let world = check(
        "epoch 2 -> epoch 2
         refuse -> BusinessReject 2 the exchange could not apply this message",
    );
    let state = world.stage.exchange.sessions().get(world.sessions[0]).unwrap();
    assert_eq!(state.next_inbound().0, 3);
}

#[test]
fn second_log_on_is_refused_without_a_number() {
    check("logon -> no logon: the session is logged on already");
}

#[test]
fn security_list_names_every_instrument() {
    check("securities -> 4 of 4 securities");
}

#[test]
fn second_log_on_is_made_known_to_whoever_holds_the_session() {
    check(
        "challenge -> challenged
         logoff -> gone
         challenge -> 
         B:challenge -> B:challenged",
    );
}

//! What the session layer does to orders, and that everything numbered is numbered.

use std::collections::BTreeSet;

use rialto_engine::exchange::Exchange;
use rialto_engine::stage::Stage;
use rialto_protocol::command::EpochOpened;
use rialto_protocol::event::Event;
use rialto_protocol::terms::SelfTrade;
use rialto_protocol::{Command, Epoch, GatewayId, Name, SessionId};

use crate::table::check;

/// More than one command may tell of.
const MANY: u32 = 5_000;
/// Events of one command at most.
const EVENTS_MAX: usize = 4_096;

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

#[test]
fn lost_gateway_of_more_sessions_than_a_command_may_tell_of_loses_them_slice_by_slice() {
    let mut stage = many_live();
    let mut gone = BTreeSet::new();
    stage.own(&Command::GatewayLost(GatewayId(1)));
    take_gone(&stage, &mut gone);
    let mut slices = 1;
    while stage.exchange.work_pending() {
        // A state in the middle of it goes on just the same.
        let body = stage.exchange.state_body();
        stage.exchange = Exchange::from_state_body(&body).unwrap();
        stage.own(&Command::Continue);
        take_gone(&stage, &mut gone);
        slices += 1;
    }
    assert!(slices > 1);
    assert_eq!(gone.len(), MANY as usize, "each is told once");
    assert_eq!(stage.exchange.sessions().live(), 0);
    stage.log_on(SessionId(1));
    assert_eq!(stage.exchange.sessions().live(), 1);
}

#[test]
fn sessions_of_the_next_epoch_are_not_ended_for_a_gateway_that_the_last_one_lost() {
    let mut stage = many_live();
    stage.own(&Command::GatewayLost(GatewayId(1)));
    assert!(stage.exchange.work_pending());
    stage.own(&Command::Epoch(EpochOpened { epoch: Epoch(2), node: Name::clipped("n1"), loss: false }));
    let last = SessionId(MANY);
    stage.log_on(last);
    stage.own(&Command::Continue);
    assert!(!stage.exchange.work_pending());
    assert!(stage.exchange.sessions().get(last).unwrap().link().is_some());
}

/// Many sessions, all live on gateway 1.
fn many_live() -> Stage {
    let mut stage = Stage::new();
    stage.participant("P", SelfTrade::Off).unwrap();
    stage.account("A", "P").unwrap();
    for number in 1..=MANY {
        stage.session(&format!("S{number}"), "P", &["A"], false).unwrap();
    }
    assert_eq!(stage.exchange.sessions().live(), MANY as usize);
    stage
}

/// Who is told to be gone, and nothing else is told.
fn take_gone(stage: &Stage, gone: &mut BTreeSet<SessionId>) {
    let mut told = 0;
    for record in stage.events.records() {
        let (header, event) = Event::decode(record).unwrap();
        assert!(matches!(event, Event::Gone), "{event:?}");
        assert!(gone.insert(header.session), "{:?} is told twice", header.session);
        told += 1;
    }
    assert!(told <= EVENTS_MAX, "{told} events of one command");
}

#[test]
fn nothing_that_was_told_before_the_trading_day_began_is_kept_for_a_resend() {
    let mut world = check("buy a 1 @ 100 -> new a");
    assert_eq!(world.stage.exchange.sessions().day_began().get(), 0);
    let before = world.stage.exchange.event_end();
    world.check("day-end -> expired a: ended with the day; day ended; done");
    let began = world.stage.exchange.sessions().day_began().get();
    assert_eq!(began, before, "what is told of the end belongs to the new day");
    let last = world.stage.exchange.sessions().get(world.sessions[0]).unwrap().positions().last();
    assert!(last >= began);
}

//! One small history, whose events and state must stay the same bytes in every build that supports this VERSION. If they
//! change, journals and snapshots that exist are no longer read as they were written: raise `VERSION` or `STATE_VERSION`.

use rialto_engine::Exchange;
use rialto_engine::stage::Stage;
use rialto_protocol::terms::SelfTrade;

use crate::table::World;

const HISTORY: [&str; 22] = [
    "sell a 10 @ 101 in FEE",
    "sell b 5 @ 101 in FEE gtc",
    "B:buy x 7 @ 102 in FEE",
    "B:buy x 7 @ 102 in FEE again",
    "replace c a 6 @ 101",
    "B:buy y 100 @ 90 in MID post",
    "sell d 3 @ 87 in MID",
    "sell e 3 market in MID",
    "B:buy z funds 1000 in FEE",
    "cancel f zz",
    "B:cancel w y order 4",
    "limit collar 50000",
    "sell g 1 @ 200 in FEE",
    "deposit d1 A1 USD 12345",
    "withdraw d1 A1 USD 12345",
    "bust 1",
    "mass-status",
    "B:mass-cancel q",
    "kill account A2",
    "logoff",
    "wait 10",
    "day-end",
];

#[test]
fn history_gives_the_same_events_and_state_in_every_build() {
    let mut world = World::new(SelfTrade::CancelOldest);
    let mut events = blake3::Hasher::new();
    for line in HISTORY {
        world.ask(line);
        events.update(world.stage.events.as_bytes());
        world.told();
    }
    let hashes =
        [events.finalize().to_hex().to_string(), world.stage.exchange.state_hash().to_hex().to_string()];
    assert_eq!(hashes, [EVENTS, STATE]);
}

const EVENTS: &str = "244faccb38d3391e40b8b6f66765f1f34e7e2ffe4273dd847f8d5f9b376782c1";
const STATE: &str = "25840252017ae9bf5dfab1a24f49233949ca99ee4df3bde5efdff02691280d5d";

#[test]
fn snapshot_in_the_middle_of_mass_work_and_of_a_sweep_changes_nothing() {
    let fill = |world: &mut World| {
        for lot in 0..900 {
            for line in [format!("buy m{lot} 1 @ 90 in MID gtc"), format!("sell s{lot} 1 @ 100 for A2")] {
                world.ask(&line);
            }
            world.ask(&format!("B:sell t{lot} 1 @ 101"));
        }
        for line in [
            "epoch 2 loss",
            "deposit big B1 USD 1000000",
            "B:buy big 1700 @ 102",
            "mass-status",
            "mass-cancel q",
        ] {
            world.ask(line);
        }
        world.told_unchecked();
    };
    let (mut straight, mut resumed) = (World::new(SelfTrade::Off), World::new(SelfTrade::Off));
    fill(&mut straight);
    fill(&mut resumed);
    let mut slices = 0;
    while straight.stage.exchange.work_pending() {
        let body = resumed.stage.exchange.state_body();
        let exchange = Exchange::from_state_body(&body).unwrap();
        assert!(exchange.state_body() == body, "slice {slices}");
        resumed.stage = Stage::with(exchange, resumed.stage.sequence, resumed.stage.now);
        for world in [&mut straight, &mut resumed] {
            world.ask("continue");
        }
        assert_eq!(straight.told(), resumed.told(), "slice {slices}");
        assert_eq!(straight.stage.events.as_bytes(), resumed.stage.events.as_bytes());
        slices += 1;
    }
    assert!(slices > 6, "{slices} slices");
    assert_eq!(straight.stage.exchange.state_hash(), resumed.stage.exchange.state_hash());
}

#[test]
fn bytes_that_are_no_state_are_refused() {
    let world = World::new(SelfTrade::Off);
    let body = world.stage.exchange.state_body();
    assert!(Exchange::from_state_body(&body[..body.len() - 1]).is_err());
    assert!(Exchange::from_state_body(&[]).is_err());
    let mut other = body.clone();
    other[0] = 99;
    let refused = Exchange::from_state_body(&other).unwrap_err().to_string();
    assert_eq!(refused, "state version 99, this build reads 2");
}

//! A primary and a standby joined by a wire that splits and joins bytes as it likes: the standby's log becomes the
//! primary's, record for record and page for page.

#![expect(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "what fails here fails the test; its support serves other tests too"
)]

use cluster::{Log, Primary};
use proptest::prelude::*;
use rialto_replicator::message::Welcome;
use wire::Wire;

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/wire.rs"]
mod wire;

#[test]
fn standby_that_keeps_up_has_each_record_and_page_end_as_published() {
    let (mut primary, mut log) = (Primary::new(64), Log::new(64));
    let mut wire = Wire::new(log.hello("b"));
    assert_eq!(wire.settle(&mut primary, &mut log).unwrap(), ["Stream", "State"]);
    for round in 0..300 {
        primary.log.append(32 + round % 50 * 8);
        if round % 7 == 0 {
            primary.log.close_page();
        }
        wire.settle(&mut primary, &mut log).unwrap();
        assert_eq!(log.end(), primary.log.end(), "round {round}");
    }
    assert_eq!(log.content(), primary.log.content());
    assert_eq!(primary.last_ack(), Some(log.ack(1)));
    log.store();
    primary.log.store();
    assert_eq!(log.bases, primary.log.bases, "the chains are equal");
}

#[test]
fn standby_that_was_away_catches_up_from_the_segments_and_goes_over_to_the_ring() {
    let (mut primary, mut log) = (Primary::new(4), Log::new(4));
    for _ in 0..1_000 {
        primary.log.append(104);
    }
    let mut wire = Wire::in_pieces(log.hello("b"), vec![1_000, 70_000, 3]);
    wire.settle(&mut primary, &mut log).unwrap();
    assert_eq!(log.content(), primary.log.content());
    primary.log.append(104);
    wire.settle(&mut primary, &mut log).unwrap();
    assert_eq!(log.end(), primary.log.end());
}

#[test]
fn standby_that_comes_again_goes_on_inside_its_open_page() {
    let (mut primary, mut log) = (Primary::new(64), Log::new(64));
    for _ in 0..100 {
        primary.log.append(104);
    }
    Wire::new(log.hello("b")).settle(&mut primary, &mut log).unwrap();
    let before = log.end();
    assert!(before.offset() > 64);
    primary.log.append(104);
    primary.log.store();
    let mut wire = Wire::new(log.hello("b"));
    assert_eq!(wire.settle(&mut primary, &mut log).unwrap(), ["Stream", "State"]);
    let welcome = primary.welcome().unwrap();
    assert!(matches!(welcome, Welcome::Stream { from, .. } if from == before.get()), "{welcome:?}");
    assert_eq!(log.content(), primary.log.content());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Append(usize),
    Close,
    Store,
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (4..60usize).prop_map(|words| Step::Append(words * 8)),
        1 => Just(Step::Append(4032)),
        2 => Just(Step::Close),
        2 => Just(Step::Store),
        4 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn standbys_log_is_the_primarys_however_the_wire_cuts_its_bytes(
        steps in steps(),
        pieces in prop::collection::vec(1..5_000usize, 1..8),
    ) {
        let (mut primary, mut log) = (Primary::new(4), Log::new(4));
        let mut wire = Wire::in_pieces(log.hello("b"), pieces);
        for step in steps {
            match step {
                Step::Append(bytes) => primary.log.append(bytes),
                Step::Close => primary.log.close_page(),
                Step::Store => primary.log.store(),
                Step::Settle => wire.step(&mut primary).unwrap(),
            }
        }
        wire.settle(&mut primary, &mut log).unwrap();
        prop_assert_eq!(log.end().skip_header(), primary.log.end().skip_header());
        prop_assert_eq!(log.content(), primary.log.content());
    }
}

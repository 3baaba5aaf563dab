//! Each call to the disk fails once, with each error: the node stops, and nothing acknowledged is lost.

use std::path::Path;
use std::sync::Arc;

use rialto_journal::cursor::Policy;
use rialto_journal::disk::Disk;
use rialto_journal::disk::pretend::{Cut, Failure, PretendDisk};
use rialto_journal::error::JournalError;
use rialto_journal::storage::{FAILURE_STORAGE, Stepped};

use crate::node::{Begin, Node, restart};

fn dir() -> &'static Path {
    Path::new("node")
}

fn shared(disk: &PretendDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// What a run came to before it ended or failed.
#[derive(Default)]
struct Outcome {
    acknowledged: u64,
    lives: Vec<u32>,
    error: Option<JournalError>,
}

/// Two lives of a node, over several segments of each log, with clean stops.
fn scenario(disk: &PretendDisk) -> Outcome {
    let mut outcome = Outcome::default();
    for life in 1..3 {
        let known = outcome.lives.clone();
        let begin = Begin { lives: &known, ..Begin::new(dir(), Policy::Disk, life) };
        let node = match Node::start(&shared(disk), &begin) {
            Ok(node) => node,
            Err(error) => {
                outcome.error = Some(error);
                return outcome;
            }
        };
        if !live(node, &mut outcome) {
            return outcome;
        }
    }
    outcome
}

fn live(mut node: Node, outcome: &mut Outcome) -> bool {
    let preparer = node.storage.preparer();
    for round in 0..14 {
        for _ in 0..24 {
            node.apply();
        }
        if round % 3 == 0 {
            node.close_page();
        }
        let failed = node.storage.step() == Stepped::Failed || preparer.step().is_err();
        outcome.acknowledged = node.acknowledged();
        outcome.lives.clone_from(&node.lives);
        if failed {
            assert_eq!(node.cursors.failure(), Some(FAILURE_STORAGE), "the failure is told to all who wait");
            let after = (node.acknowledged(), node.storage.durable_page());
            node.apply();
            node.close_page();
            node.storage.step();
            if node.storage.failure().is_some() {
                assert_eq!(
                    after,
                    (node.acknowledged(), node.storage.durable_page()),
                    "the first error is final"
                );
            }
            outcome.lives.clone_from(&node.lives);
            outcome.acknowledged = node.acknowledged();
            return false;
        }
    }
    let cursors = Arc::clone(&node.cursors);
    let published = node.cursors.published();
    let ended = node.stop();
    outcome.acknowledged = cursors.released();
    match ended {
        Ok(lives) => {
            assert_eq!(cursors.released(), published, "a clean stop stores all");
            outcome.lives = lives;
            true
        }
        Err(error) => {
            outcome.error = Some(error);
            false
        }
    }
}

#[test]
fn the_first_failure_of_any_disk_call_stops_the_node_and_loses_nothing_acknowledged() {
    let clean = PretendDisk::new(1);
    assert!(scenario(&clean).error.is_none());
    let calls = clean.calls();
    assert!(calls > 250, "{calls} calls");
    let mut failed = 0;
    for call in 0..calls {
        for failure in [Failure::Io, Failure::NoSpace] {
            let disk = PretendDisk::new(call);
            disk.fail_at(call, failure);
            let outcome = scenario(&disk);
            failed += u64::from(outcome.error.is_some());
            let begin = Begin { lives: &outcome.lives, ..Begin::new(dir(), Policy::Disk, 7) };
            let told = format!("call {call}, {failure:?}, acknowledged {}", outcome.acknowledged);
            let cut = || ("power cut", disk.after_power_cut(Cut::Random(call)));
            let kill = || ("kill", disk.after_kill());
            let lefts = match failure {
                Failure::Io => vec![cut(), kill()],
                Failure::NoSpace => vec![if call % 2 == 0 { cut() } else { kill() }],
            };
            for (kind, left) in lefts {
                let again = restart(&shared(&left), &begin, outcome.acknowledged);
                let again = again.unwrap_or_else(|fault| panic!("{told}: after a {kind}: {fault:?}"));
                // What a start has found, it has made durable.
                let last = left.after_power_cut(Cut::Random(!call));
                let again = restart(&shared(&last), &begin, again.found.last_seq);
                again.unwrap_or_else(|fault| panic!("{told}: after a {kind} and a cut: {fault:?}"));
            }
        }
    }
    assert!(failed > calls / 4, "{failed} of {} runs ended with an error", calls * 2);
}

#[test]
fn a_node_under_async_that_its_disk_stopped_has_in_its_ring_what_the_disk_lacks() {
    let run = |disk: &PretendDisk| {
        let mut node = Node::start(&shared(disk), &Begin::new(dir(), Policy::Async, 1)).ok()?;
        for _ in 0..8 {
            for _ in 0..30 {
                node.apply();
            }
            node.storage.step();
        }
        // The matcher goes on as far as there is room, until it looks at the failure word.
        while node.apply() {}
        Some(node)
    };
    let clean = PretendDisk::new(1);
    assert!(run(&clean).unwrap().storage.failure().is_none());
    for call in 0..clean.calls() {
        let disk = PretendDisk::new(call);
        disk.fail_at(call, Failure::Io);
        let Some(node) = run(&disk) else { continue };
        let ring = Some(&**node.commands.ring());
        let begin = Begin { lives: &node.lives, ring, ..Begin::new(dir(), Policy::Async, 7) };
        let again = restart(&shared(&disk.after_kill()), &begin, node.acknowledged());
        again.unwrap_or_else(|fault| panic!("call {call}, acknowledged {}: {fault:?}", node.acknowledged()));
    }
}

//! kill -9 at random moments under load: nothing acknowledged is lost, nothing happens twice.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;

use crate::Rounds;
use crate::node::{Node, until};
use crate::trader::Load;
use crate::venue::Venue;

/// What happens between a kill and the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// Nothing more.
    None,
    /// Memory is lost too, as in a power cut.
    MemoryLost,
    /// The event segments are gone; they are made again from the commands.
    EventsLost,
}

/// One round's plan: the ack policy under load, and what is lost beside the process.
const PLANS: [(&str, Harm); 5] = [
    ("disk", Harm::MemoryLost),
    ("async", Harm::None),
    ("disk", Harm::EventsLost),
    ("async", Harm::EventsLost),
    ("disk", Harm::None),
];

pub(crate) fn kill_9_loses_and_doubles_nothing(rounds: &Rounds) {
    let mut venue = Venue::new(rounds.seed);
    let mut harm = Harm::None;
    for round in 0..rounds.count_or(5) {
        let (policy, next_harm) = PLANS[round % PLANS.len()];
        let node = venue.start(policy);
        let node = venue.kill_while_they_come_back(node, (policy, harm));
        venue.come_back(&node, harm == Harm::EventsLost);
        venue.check(&node);
        let goal = venue.random.between(50, 4000);
        let received = venue.trade_until(node, goal, Node::kill);
        harm = next_harm;
        venue.harm(harm);
        println!("  round {}: {policy}, {harm:?}, killed after {received} messages", round + 1);
    }
    let node = venue.start("disk");
    venue.come_back(&node, true);
    venue.check(&node);
    let (status, _) = node.terminate();
    assert!(status.success(), "{status}");
}

impl Venue {
    /// In some rounds the node dies while its members come back.
    fn kill_while_they_come_back(&mut self, node: Node, (policy, harm): (&str, Harm)) -> Node {
        if self.random.below(3) > 0 {
            return node;
        }
        let goal = self.random.between(1, 40);
        let address = node.fix().to_owned();
        let (load, all) = (Load::default(), harm == Harm::EventsLost);
        thread::scope(|scope| {
            for trader in &mut self.traders {
                let (address, load) = (&address, &load);
                scope.spawn(move || {
                    let from = if all { 1 } else { trader.ledger.next() };
                    // It ends with an error if the kill comes first.
                    trader.come_back(address, from, load).ok();
                    load.ends.store(true, Ordering::Relaxed);
                });
            }
            let enough =
                || load.received.load(Ordering::Relaxed) >= goal || load.ends.load(Ordering::Relaxed);
            until("some to come back", || enough().then_some(()));
            node.kill();
        });
        self.start(policy)
    }

    fn harm(&self, harm: Harm) {
        let everything_in = |path: &Path| {
            for entry in std::fs::read_dir(path).unwrap().flatten() {
                if entry.path().is_dir() {
                    std::fs::remove_dir_all(entry.path()).unwrap();
                } else {
                    std::fs::remove_file(entry.path()).unwrap();
                }
            }
        };
        match harm {
            Harm::None => {}
            Harm::MemoryLost => everything_in(self.home.shm()),
            Harm::EventsLost => everything_in(&self.home.data().join("events")),
        }
    }
}

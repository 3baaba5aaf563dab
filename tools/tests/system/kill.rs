//! kill -9 at random moments under load: nothing acknowledged is lost, nothing happens twice, and what a start makes of
//! snapshots and the journal's tail is what an uninterrupted replay comes to.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;

use crate::Rounds;
use crate::journal::files;
use crate::node::{Node, until};
use crate::trader::Load;
use crate::venue::Venue;

/// What happens between a kill and the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing more.
    None,
    /// Memory is lost too, as in a power cut.
    MemoryLost,
    /// The event segments are gone; they are made again from the commands.
    EventsLost,
    /// A byte of the newest snapshot has changed.
    SnapshotRotten,
}

/// One round's plan: the ack policy under load, and what is lost beside the process.
const PLANS: [(&str, Harm); 7] = [
    ("disk", Harm::MemoryLost),
    ("async", Harm::None),
    ("disk", Harm::EventsLost),
    ("disk", Harm::SnapshotRotten),
    ("async", Harm::EventsLost),
    ("disk", Harm::None),
    ("async", Harm::SnapshotRotten),
];
/// Rounds in CI, and where only `cargo test` is asked for.
const ROUNDS: (usize, usize) = (50, 3);
/// Rounds in which a start from a snapshot must have come about.
const ROUNDS_TO_SNAPSHOT: usize = 10;

pub(crate) fn kill_9_loses_and_doubles_nothing(rounds: &Rounds) {
    let mut venue = Venue::new(rounds.seed);
    let mut harm = Harm::None;
    let count = rounds.count_or(ROUNDS);
    for round in 0..count {
        let (policy, next_harm) = PLANS[round % PLANS.len()];
        let node = venue.start(policy);
        let node = venue.kill_while_they_come_back(node, (policy, harm));
        venue.come_back(&node, harm == Harm::EventsLost);
        venue.check(&node);
        let goal = venue.random.between(50, 2000);
        let received = venue.trade_until(node, goal, Node::kill);
        venue.verify_stopped();
        harm = next_harm;
        venue.harm(harm);
        println!("  round {}: {policy}, {harm:?}, killed after {received} messages", round + 1);
    }
    let node = venue.start("disk");
    venue.come_back(&node, true);
    venue.check(&node);
    let (status, _) = node.terminate();
    assert!(status.success(), "{status}");
    venue.verify_stopped();
    println!("  {} starts from a snapshot", venue.from_snapshot);
    assert!(venue.from_snapshot > 0 || count < ROUNDS_TO_SNAPSHOT, "no start was from a snapshot");
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

    /// Does a node that is no more some harm.
    pub(crate) fn harm(&mut self, harm: Harm) {
        match harm {
            Harm::None => {}
            Harm::MemoryLost => remove_everything_in(self.home.shm()),
            Harm::EventsLost => remove_everything_in(&self.home.data().join("events")),
            Harm::SnapshotRotten => self.rot_snapshot(),
        }
    }

    fn rot_snapshot(&mut self) {
        let data = self.home.data();
        let names = files(&data, "snapshots");
        let Some(newest) =
            names.iter().rfind(|name| Path::new(name).extension().is_some_and(|found| found == "snap"))
        else {
            return;
        };
        let path = data.join("snapshots").join(newest);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = usize::try_from(self.random.below(bytes.len() as u64)).unwrap();
        bytes[at] ^= 1 << self.random.below(8);
        std::fs::write(&path, bytes).unwrap();
        self.rotten = true;
    }
}

fn remove_everything_in(path: &Path) {
    for entry in std::fs::read_dir(path).unwrap().flatten() {
        if entry.path().is_dir() {
            std::fs::remove_dir_all(entry.path()).unwrap();
        } else {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
}

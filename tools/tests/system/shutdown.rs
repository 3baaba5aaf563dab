//! A disk that fails under load. The file system below a node's journal is shut down: what was not synced is gone, and
//! every write or sync is answered by an error. The node ends by itself, in words; what it acknowledged is there after
//! the file system is mounted anew and the node started from its segments alone.

use std::time::Duration;

use crate::Rounds;
use crate::kill::Harm;
use crate::loopback::{Flush, LoopDisk};
use crate::venue::Venue;

/// Moments at which a file system is shut down, for each kind, way and backend.
const ROUNDS: (usize, usize) = (3, 3);
/// "Stopped itself".
const STOPPED: i32 = 5;
/// Longest from the error to the end of the process.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn ext4(rounds: &Rounds) {
    fails_under_load("ext4", rounds);
}

pub(crate) fn xfs(rounds: &Rounds) {
    fails_under_load("xfs", rounds);
}

fn fails_under_load(kind: &'static str, rounds: &Rounds) {
    for flush in [Flush::Nothing, Flush::Log] {
        for backend in ["mapped", "direct"] {
            let disk = LoopDisk::new(kind, None);
            let mut venue = Venue::on(disk.place(), rounds.seed);
            venue.flags = vec!["--storage".into(), backend.into()];
            run(&mut venue, disk, (flush, rounds.count_or(ROUNDS)));
            println!("  {kind}, {flush:?} flushed, {backend}");
        }
    }
}

fn run(venue: &mut Venue, mut disk: LoopDisk, (flush, rounds): (Flush, usize)) {
    for _ in 0..rounds {
        let node = venue.start("disk");
        venue.come_back(&node, false);
        venue.check(&node);
        let goal = venue.random.between(50, 2500);
        venue.trade_until(node, goal, |node| {
            disk.shut_down(flush);
            let (status, took, log) = node.ended();
            assert_eq!(status.code(), Some(STOPPED), "{log}");
            assert!(took < ENDS_WITHIN, "{took:?}");
            assert!(log.contains("the journal failed") || log.contains("its disk failed"), "in words: {log}");
        });
        disk.unmount();
        venue.harm(Harm::MemoryLost);
        disk.mount();
        venue.verify_stopped();
    }
    let node = venue.start("disk");
    venue.come_back(&node, true);
    venue.check(&node);
    let (status, _) = node.terminate();
    assert!(status.success(), "{status}");
    disk.unmount();
}

//! The thread that makes segments ahead, slowly and at low priority.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::cursor::Cursors;
use crate::error::JournalError;
use crate::segment::supply::{Supplied, Supply};
use crate::storage::FAILURE_STORAGE;

/// Between two steps: at one MiB a step, some 200 MiB/s at most, and the disk's queue empties in between.
const PAUSE: Duration = Duration::from_millis(5);
/// When enough is ready, or there is no room.
const PAUSE_IDLE: Duration = Duration::from_millis(50);
/// The lowest priority (nice value) of a thread.
const NICE: i32 = 19;

/// Makes segments for the two logs of a node.
#[derive(Debug)]
pub struct Preparer {
    supplies: [Arc<Supply>; 2],
    cursors: Arc<Cursors>,
    no_space: Arc<AtomicBool>,
}

impl Preparer {
    pub(crate) fn new(supplies: [Arc<Supply>; 2], cursors: Arc<Cursors>) -> Self {
        Preparer { supplies, cursors, no_space: Arc::default() }
    }

    /// Whether the disk has no room for another segment: new orders are to be refused while the last ones fill.
    pub fn no_space(&self) -> &Arc<AtomicBool> {
        &self.no_space
    }

    /// Does a little for each log. An error is final: the node's failure word is set.
    pub fn step(&self) -> Result<Supplied, JournalError> {
        let mut done = Supplied::Enough;
        for supply in &self.supplies {
            let supplied = supply.step();
            match supplied.inspect_err(|_| _ = self.cursors.fail(FAILURE_STORAGE))? {
                Supplied::Worked if done == Supplied::Enough => done = Supplied::Worked,
                Supplied::NoSpace => done = Supplied::NoSpace,
                Supplied::Worked | Supplied::Enough => {}
            }
        }
        self.no_space.store(done == Supplied::NoSpace, Ordering::Relaxed);
        Ok(done)
    }

    /// Steps until `stop` is set or the node has failed.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), JournalError> {
        // Of the calling thread alone, on Linux. Where it is not allowed, the pauses have to do.
        _ = rustix::process::setpriority_process(None, NICE);
        while !stop.load(Ordering::Relaxed) && self.cursors.failure().is_none() {
            match self.step()? {
                Supplied::Worked => thread::sleep(PAUSE),
                Supplied::Enough | Supplied::NoSpace => thread::sleep(PAUSE_IDLE),
            }
        }
        Ok(())
    }
}

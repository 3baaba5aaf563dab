//! The view's thread: follows released events, keeps what a starting gateway, `status` and metrics need, and hands
//! operators their answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rialto_gateway::view::View;
use rialto_journal::cursor::{Cursors, Gate};
use rialto_journal::reader::{LogReader, PageSource, UpTo};
use rialto_journal::storage::event_hash::EventHashes;
use rialto_protocol::{Command, Event};
use rialto_shmring::{Region, Side};

use super::operator::{Answer, Operator};
use super::room::Room;

/// Longest sleep: the readers are woken when something is released, but a missed wake must not matter.
const SLEEP_MAX: Duration = Duration::from_millis(20);
/// Under load it looks again after this time, without being woken for each command: nobody waits for it as traders wait
/// for a gateway.
const REST: Duration = Duration::from_millis(1);
/// Events applied under one hold of the lock.
const STRIDE: usize = 512;

/// Commands between two journaled values of the event log's hash chain.
const CHAIN_EVERY: u64 = 65_536;

/// What the view's thread works with.
#[derive(Debug)]
pub struct Following<S> {
    /// The view that it keeps.
    pub view: Arc<Mutex<View>>,
    /// The event log.
    pub events: LogReader<S>,
    /// The node's cursors.
    pub cursors: Arc<Cursors>,
    /// Whose answers it reads.
    pub operator: Arc<Operator>,
    /// Ring 0: its producer's flag says that this thread sleeps.
    pub region: Arc<Region>,
    /// Hashes of the event log, to be journaled from time to time.
    pub event_hashes: Arc<EventHashes>,
    /// The last command before which one was.
    pub chained: u64,
    /// Whether the disk has room.
    pub room: Room,
}

impl<S: PageSource> Following<S> {
    /// Follows until `stop` is set and all that was released is seen.
    pub fn run(mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut has_worked = false;
        loop {
            let leads = self.cursors.gate() == Gate::Open;
            if leads {
                self.room.look(&self.operator);
            }
            if self.follow()? {
                if leads {
                    self.chain();
                }
                has_worked = true;
                continue;
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if std::mem::take(&mut has_worked) {
                std::thread::sleep(REST);
                continue;
            }
            let region = Arc::clone(&self.region);
            let flag = region.sleep_flag(Side::Producer);
            flag.announce();
            if !self.follow()? {
                std::thread::park_timeout(SLEEP_MAX);
            }
            flag.retract();
        }
    }

    /// Has the event log's hash journaled when it is time: replays and other nodes compare theirs, so that any difference
    /// in behaviour shows.
    fn chain(&mut self) {
        let released = self.cursors.released();
        let (page, hash) = self.event_hashes.latest();
        if released < self.chained + CHAIN_EVERY || page == 0 {
            return;
        }
        match self.operator.tell(&Command::Chain { page, hash }, Duration::ZERO) {
            Ok(()) => self.chained = released,
            Err(error) => tracing::debug!(%error, "the event hash is journaled later"),
        }
    }

    /// Applies some events; whether there were any.
    fn follow(&mut self) -> anyhow::Result<bool> {
        let released = self.cursors.released();
        let mut view = self.view.lock();
        for done in 0..STRIDE {
            let Some((position, record)) = self.events.next(UpTo::Sequence(released))? else {
                return Ok(done > 0);
            };
            let (_, event) = view.apply(record.bytes(), position.get())?;
            if let Event::Answer { request, outcome, sequence, text } = event {
                let text = text.as_str().to_owned();
                self.operator.answered(request, Answer { sequence, outcome, text });
            }
        }
        // What changed is for market data; nobody asks here.
        view.books.take_changes();
        Ok(true)
    }
}

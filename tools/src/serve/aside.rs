//! What needs the whole state is asked here, aside from the matcher: a thread at low priority keeps a shadow of the
//! exchange, answers questions about it, and makes snapshots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use rialto_engine::exchange::Exchange;
use rialto_engine::shadow::Shadow;
use rialto_journal::reader::PageSource;
use rialto_protocol::Sequence;

use super::snapshots::{Made, Snapshooter};

type Question = Box<dyn FnOnce(&Exchange, Sequence) + Send>;

/// Asks the shadow.
#[derive(Debug, Clone)]
pub struct Aside(Sender<Question>);

/// The thread's side of [`Aside`].
#[derive(Debug)]
pub struct Questions(Receiver<Question>);

/// How long a question may wait for the shadow to catch up.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks when nothing is asked.
const PAUSE: Duration = Duration::from_millis(50);
/// At a stop: how long storage may take for the last pages, and between two looks whether it has.
const STORED_MAX: Duration = Duration::from_secs(1);
const STORED_LOOK: Duration = Duration::from_millis(2);
/// Commands applied between two looks at the questions.
const STRIDE: usize = 4096;

/// The two sides.
pub fn aside() -> (Aside, Questions) {
    let (sender, receiver) = unbounded();
    (Aside(sender), Questions(receiver))
}

impl Aside {
    /// Calls `question` with a state that has applied at least what was released when this was called. `None` if the
    /// shadow is no more, or too far behind.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Exchange, Sequence) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = bounded(1);
        let question = Box::new(move |exchange: &Exchange, sequence| {
            sender.try_send(question(exchange, sequence)).ok();
        });
        self.0.send(question).ok()?;
        receiver.recv_timeout(PATIENCE).ok()
    }
}

impl Questions {
    /// Follows, answers and makes snapshots until `stop` is set; then one more snapshot, of all that was released.
    pub fn serve<S: PageSource>(
        self,
        mut shadow: Shadow<S>,
        mut snapshots: Snapshooter,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<()> {
        lower_priority();
        loop {
            // A snapshot that waits for storage holds the shadow where it is.
            let waits = snapshots.is_due(shadow.sequence()) && snapshots.make(&shadow)? == Made::NotYet;
            let behind = !waits && shadow.follow(STRIDE)?;
            match self.0.recv_timeout(if behind { Duration::ZERO } else { PAUSE }) {
                Ok(question) => {
                    shadow.catch_up()?;
                    question(shadow.exchange(), shadow.sequence());
                }
                Err(_) if stop.load(Ordering::Relaxed) => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => thread::sleep(PAUSE),
            }
        }
        shadow.catch_up()?;
        let deadline = Instant::now() + STORED_MAX;
        while snapshots.make(&shadow)? == Made::NotYet {
            if Instant::now() > deadline {
                tracing::warn!("no snapshot at this stop: the last pages are not stored");
                break;
            }
            thread::sleep(STORED_LOOK);
        }
        Ok(())
    }
}

/// The shadow must never take a core from the order path: nice 19.
fn lower_priority() {
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        tracing::warn!(%error, "the shadow runs at normal priority");
    }
}

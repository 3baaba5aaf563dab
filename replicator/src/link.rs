//! The outside: the sockets, clocks and waits of replication, and nothing else. What is said is decided elsewhere.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::pace::Now;

mod ask;
mod listener;
mod upstream;

pub use ask::{AskError, Question, Reply, ask};
pub use listener::{Counters, Listener};
pub use upstream::{Upstream, UpstreamOptions};

/// Bytes taken from a socket by one read.
const READ_BYTES: usize = 64 * 1024;

/// Wakes the thread that sleeps in a [`Listener`] or an [`Upstream`]. To ring costs a fence and a load while it is
/// awake, and one system call when it sleeps.
#[derive(Debug)]
pub struct Doorbell {
    waker: mio::Waker,
    asleep: AtomicBool,
}

impl Doorbell {
    fn new(registry: &mio::Registry) -> io::Result<Arc<Self>> {
        let waker = mio::Waker::new(registry, WAKER)?;
        Ok(Arc::new(Doorbell { waker, asleep: AtomicBool::new(false) }))
    }

    /// There is something to see: call it behind what makes it so, such as publishing. Never lost.
    pub fn ring(&self) {
        // Pairs with the fence in `asleep`: either this sees the sleeper, or the sleeper saw what was published.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed)
            && self.asleep.swap(false, Ordering::Relaxed)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake the replication thread");
        }
    }

    /// Announces a sleep; look once more for something to do before it.
    fn asleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `ring`.
        fence(Ordering::SeqCst);
    }

    fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

const WAKER: mio::Token = mio::Token(usize::MAX);

/// The clocks of this machine.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Clock(Instant::now())
    }

    fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now { ns: ns(self.0.elapsed()), wall_ns: ns(wall) }
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What one try to read or write gave.
enum Tried {
    Bytes(usize),
    Closed,
    NotNow,
}

/// Reads or writes once, whatever interrupts it.
fn try_io(mut io: impl FnMut() -> io::Result<usize>) -> io::Result<Tried> {
    loop {
        match io() {
            Ok(0) => return Ok(Tried::Closed),
            Ok(bytes) => return Ok(Tried::Bytes(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Tried::NotNow),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

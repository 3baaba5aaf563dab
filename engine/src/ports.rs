//! What the matcher is connected to: the rings that commands come in by, and the readers to wake when something is
//! released.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rialto_protocol::GatewayId;
use rialto_shmring::{Consumer, Region, Side};

/// One ring in, and whose it is. Number 0 is the node's own control ring.
#[derive(Debug)]
pub struct Port {
    /// Who fills it.
    pub gateway: GatewayId,
    /// The end that the matcher empties.
    pub ring: Consumer,
}

/// A reader of released events that may sleep: its flag lies in its ring's region, on the producer's side.
struct Reader {
    region: Arc<Region>,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// All readers to wake when the released cursor rises; shared by whoever may raise it.
#[derive(Default)]
pub struct Readers(Vec<Reader>);

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readers").field(&self.0.len()).finish()
    }
}

impl Readers {
    /// Adds the reader that fills the ring in `region`; `wake` must get it out of its sleep.
    pub fn add(&mut self, region: Arc<Region>, wake: impl Fn() + Send + Sync + 'static) {
        self.0.push(Reader { region, wake: Box::new(wake) });
    }

    /// Wakes those that sleep, in the order in which they were added: at most one system call for each of them.
    pub fn wake(&self) {
        for reader in &self.0 {
            if reader.region.sleep_flag(Side::Producer).should_wake() {
                (reader.wake)();
            }
        }
    }
}

/// Called whenever something was published: it wakes who ships the log to other nodes. None on a node without others.
#[derive(Clone, Default)]
pub struct OnPublish(Option<Arc<dyn Fn() + Send + Sync>>);

impl fmt::Debug for OnPublish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnPublish").field(&self.0.is_some()).finish()
    }
}

impl OnPublish {
    /// Calls `wake`, which must not take long.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(wake)))
    }

    pub(crate) fn call(&self) {
        if let Some(wake) = &self.0 {
            wake();
        }
    }
}

/// What the matcher counts; read by metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records that were no valid command: length, checksum, kind or fields.
    pub malformed: AtomicU64,
    /// Commands of a session number already used, or of a gateway that does not hold the session.
    pub dropped: AtomicU64,
    /// Sessions cut since a number was skipped.
    pub cut: AtomicU64,
    /// Rings given up since their peer broke them.
    pub poisoned: AtomicU64,
    /// Turns that found the logs full.
    pub full: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The message that is being applied: if the process dies in it, this says which one to refuse next time.
#[derive(Debug, Default)]
pub struct InHand {
    /// Session and its number, 0 = nothing in hand.
    message: AtomicU64,
}

impl InHand {
    pub(crate) fn take_up(&self, session: u32, number: u32) {
        self.message.store((u64::from(session) << 32) | u64::from(number), Ordering::Relaxed);
    }

    pub(crate) fn lay_down(&self) {
        self.message.store(0, Ordering::Relaxed);
    }

    /// Session and number of what is being applied, for the panic hook.
    pub fn message(&self) -> Option<(u32, u32)> {
        let message = self.message.load(Ordering::Relaxed);
        let number = u32::try_from(message & u64::from(u32::MAX)).expect("masked");
        let session = u32::try_from(message >> 32).expect("shifted");
        (message != 0).then_some((session, number))
    }
}

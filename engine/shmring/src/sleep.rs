//! How one side sleeps without missing what the other does: announce, look once more, sleep; publish, look for a
//! sleeper, wake. The way to sleep (futex, epoll with an eventfd) is the caller's.

use crate::sync::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
pub(crate) const ASLEEP: u32 = 1;

/// One sleeper's flag in shared memory. Having one lets you take either part:
///
/// * the sleeper: [`announce`](Self::announce), look at everything it waits for once more, sleep only if there was
///   nothing, then [`retract`](Self::retract);
/// * a waker, one or many: publish, then wake if [`should_wake`](Self::should_wake).
///
/// Either the sleeper's last look sees what was published, or the waker sees the flag (Dekker's argument: each side
/// stores, fences, loads). A faulty peer can cause a wake too many or a sleep to its timeout, so sleep with a timeout.
#[derive(Clone, Copy, Debug)]
pub struct SleepFlag<'a>(&'a AtomicU32);

impl<'a> SleepFlag<'a> {
    /// Over a word that starts as zero and is used for nothing else.
    pub fn new(word: &'a AtomicU32) -> Self {
        Self(word)
    }

    /// Says that the sleeper is about to sleep. What it waits for must be looked at after this.
    pub fn announce(self) {
        // A swap, so that this comes after any waker's swap of an earlier announcement and is not undone by it; AcqRel pairs
        // with the AcqRel there.
        self.0.swap(ASLEEP, Ordering::AcqRel);
        // Pairs with the fence in `should_wake`: the later of the two sides sees the earlier's store.
        fence(Ordering::SeqCst);
    }

    /// Says that the sleeper is awake. A waker that was quicker may still be at it: a wake too many is harmless.
    pub fn retract(self) {
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// After publishing: whether the sleeper must be woken, which is then the caller's duty. True for at most one caller
    /// per announcement, so a batch costs at most one wake.
    #[must_use = "a true answer makes the wake this caller's duty"]
    pub fn should_wake(self) -> bool {
        // Pairs with the fence in `announce`. The AcqRel below pairs with the one there.
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) == ASLEEP && self.0.swap(AWAKE, Ordering::AcqRel) == ASLEEP
    }
}

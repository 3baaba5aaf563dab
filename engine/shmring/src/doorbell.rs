//! One futex word in a small file of shared memory: how the reader of many rings sleeps and any of their writers wakes it.

use std::time::Duration;

use crate::{
    layout::AT_FUTEX,
    memory::Page,
    sleep::{ASLEEP, SleepFlag},
};

/// A doorbell for one sleeper and any number of ringers; a [`SleepFlag`] whose way to sleep is a futex.
///
/// The sleeper: [`announce`](Self::announce), look at all rings once more, [`wait`](Self::wait) if they were empty,
/// [`retract`](Self::retract). A ringer: push a batch, then [`notify`](Self::notify).
#[derive(Debug)]
pub struct Doorbell {
    page: Page,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Somebody rang, before or during it (or a signal came): look at the rings.
    Rung,
    /// Nobody did.
    TimedOut,
}

impl Doorbell {
    /// A doorbell in the memory of a model.
    #[cfg(loom)]
    pub fn modelled() -> Self {
        Self { page: Page::modelled() }
    }

    /// The sleeper says that it is about to sleep, and must look at all rings once more after this.
    pub fn announce(&self) {
        self.flag().announce();
    }

    /// The sleeper sleeps until somebody rings, has rung since [`announce`](Self::announce), or the time has passed: at
    /// most 1 ms or so, as a faulty peer may forget to ring.
    pub fn wait(&self, timeout: Duration) -> Wait {
        if self.page.futex_wait(AT_FUTEX, ASLEEP, timeout) { Wait::Rung } else { Wait::TimedOut }
    }

    /// The sleeper says that it is awake.
    pub fn retract(&self) {
        self.flag().retract();
    }

    /// A ringer, after a batch: wakes the sleeper if it sleeps, by one system call, and says whether it did so. Without a
    /// sleeper this is a fence and a load.
    pub fn notify(&self) -> bool {
        let wake = self.flag().should_wake();
        if wake {
            self.page.futex_wake(AT_FUTEX);
        }
        wake
    }

    fn flag(&self) -> SleepFlag<'_> {
        SleepFlag::new(self.page.word32(AT_FUTEX))
    }
}

#[cfg(not(loom))]
mod file {
    //! A doorbell's file.

    use std::{io, path::Path, time::Instant};

    use memmap2::MmapOptions;

    use super::Doorbell;
    use crate::{
        layout::{
            AT_GENERATION, AT_MAGIC, AT_STATE, AT_VERSION, DOORBELL_MAGIC, HEADER_BYTES, LAYOUT_VERSION,
        },
        memory::{Page, state},
        region::{
            Field, RegionError,
            file::{create_mapped, different, open_ready},
        },
        sync::Ordering,
    };

    impl Doorbell {
        /// Makes a doorbell in a new file, for this user alone.
        pub fn create(path: &Path, generation: u64) -> Result<Self, RegionError> {
            Ok(Self::written(Page::new(create_mapped(path, HEADER_BYTES)?), generation))
        }

        /// A doorbell between threads of this process, in no file.
        pub fn anonymous() -> io::Result<Self> {
            Ok(Self::written(Page::new(MmapOptions::new().len(HEADER_BYTES).map_anon()?.into()), 0))
        }

        /// Attaches a doorbell that another process makes, or will have made by the deadline.
        pub fn attach(path: &Path, generation: u64, deadline: Instant) -> Result<Self, RegionError> {
            let (_, page) = open_ready(path, DOORBELL_MAGIC, deadline)?;
            // Relaxed: written before the state word, which `open_ready` has seen with Acquire.
            let found = page.word64(AT_GENERATION).load(Ordering::Relaxed);
            different(path, Field::Generation, found, generation)?;
            Ok(Self { page })
        }

        fn written(page: Page, generation: u64) -> Self {
            page.word64(AT_MAGIC).store(DOORBELL_MAGIC, Ordering::Relaxed);
            page.word32(AT_VERSION).store(LAYOUT_VERSION, Ordering::Relaxed);
            page.word64(AT_GENERATION).store(generation, Ordering::Relaxed);
            // Pairs with the Acquire in `open_ready`: who sees READY sees all of the above.
            page.word32(AT_STATE).store(state::READY, Ordering::Release);
            Self { page }
        }
    }
}

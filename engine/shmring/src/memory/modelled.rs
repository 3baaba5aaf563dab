//! A model of a mapping over loom's atomics: words that nobody uses in a model are left out, and so are timeouts: a
//! sleeper that nobody wakes is a deadlock, which loom reports.

use std::time::Duration;

use loom::sync::{Condvar, Mutex};

use crate::{
    layout::{AT_CONSUMER_SLEEP, Geometry, SLOT_WORDS},
    stamp::Stamp,
    sync::{AtomicU32, AtomicU64, Ordering},
};

const LINE_BYTES: usize = 64;
const LINES: usize = AT_CONSUMER_SLEEP / LINE_BYTES + 1;

/// Every word that changes has a line of its own, and so one atomic of each width.
#[derive(Debug)]
pub(crate) struct Page {
    words64: Vec<AtomicU64>,
    words32: Vec<AtomicU32>,
    bucket: Mutex<()>,
    woken: Condvar,
}

#[derive(Debug)]
pub(crate) struct Memory {
    page: Page,
    slots: Vec<[AtomicU64; SLOT_WORDS]>,
}

impl Page {
    pub(crate) fn modelled() -> Self {
        Self {
            words64: (0..LINES).map(|_| AtomicU64::new(0)).collect(),
            words32: (0..LINES).map(|_| AtomicU32::new(0)).collect(),
            bucket: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    pub(crate) fn word64(&self, offset: usize) -> &AtomicU64 {
        &self.words64[offset / LINE_BYTES]
    }

    pub(crate) fn word32(&self, offset: usize) -> &AtomicU32 {
        &self.words32[offset / LINE_BYTES]
    }

    /// As the kernel does it: the word is looked at and the sleeper queued under one lock, which a wake takes too.
    pub(crate) fn futex_wait(&self, offset: usize, while_value: u32, _timeout: Duration) -> bool {
        let bucket = self.bucket.lock().expect("no thread of a model panics");
        if self.word32(offset).load(Ordering::SeqCst) == while_value {
            drop(self.woken.wait(bucket).expect("no thread of a model panics"));
        }
        true
    }

    pub(crate) fn futex_wake(&self, _offset: usize) {
        let _bucket = self.bucket.lock().expect("no thread of a model panics");
        self.woken.notify_one();
    }
}

impl Memory {
    pub(crate) fn modelled(geometry: Geometry) -> Self {
        let slots = geometry.slots();
        let empty = |_| std::array::from_fn(|_| AtomicU64::new(0));
        let memory = Self { page: Page::modelled(), slots: (0..slots).map(empty).collect() };
        for index in geometry.start()..geometry.start() + u64::from(slots) {
            memory.slot(index)[0].store(Stamp::unused(index, slots).0, Ordering::Relaxed);
        }
        memory
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    pub(crate) fn slot(&self, index: u64) -> &[AtomicU64; SLOT_WORDS] {
        &self.slots[usize::try_from(index % self.slots.len() as u64).expect("a model is small")]
    }
}

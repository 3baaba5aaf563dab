//! A mapping, seen only as atomic words. This is the one module of the crate with unsafe code.
//!
//! Invariants:
//! 1. The mapping of a [`Page`] has at least `HEADER_BYTES` bytes, starts on a page boundary, is readable and writable,
//!    and lives as long as the `Page`.
//! 2. The mapping of a [`Memory`] has exactly `HEADER_BYTES + slots × SLOT_BYTES` bytes, and `mask` is `slots − 1`.
//! 3. Nobody in this process makes a reference to mapped bytes other than to atomics, so any store by anybody, also by a
//!    hostile process, is an atomic store as far as we can tell, and any byte pattern is a value.
//! 4. Not promised: that the file keeps its length. Whoever may truncate it can stop us with SIGBUS; do not let a peer.
#![expect(unsafe_code, reason = "shared memory is reached through raw pointers")]

use std::time::Duration;

use memmap2::MmapRaw;
use rustix::{
    io::Errno,
    thread::futex::{self, Timespec},
};

use crate::{
    layout::{Geometry, HEADER_BYTES, SLOT_BYTES, SLOT_WORDS},
    sync::{AtomicU32, AtomicU64},
};

/// A mapped file's header. Having one tells you that all its words can be reached.
#[derive(Debug)]
pub(crate) struct Page {
    map: MmapRaw,
}

/// A whole mapped ring.
#[derive(Debug)]
pub(crate) struct Memory {
    page: Page,
    mask: u64,
}

impl Page {
    /// Panics if the mapping is shorter than a header: the caller has checked the file's length.
    pub(crate) fn new(map: MmapRaw) -> Self {
        assert!(map.len() >= HEADER_BYTES, "a mapping of {} bytes has no header", map.len());
        assert!(map.as_ptr().addr().is_multiple_of(SLOT_BYTES), "a mapping starts on a page boundary");
        Self { map }
    }

    #[inline]
    pub(crate) fn word64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset <= HEADER_BYTES - 8, "no header word at {offset}");
        // SAFETY: `offset` is inside the header, and so inside the mapping (1).
        let word = unsafe { self.map.as_mut_ptr().add(offset) };
        // SAFETY: aligned, mapped for `&self`'s life (1), and reached as atomics alone (3).
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }

    #[inline]
    pub(crate) fn word32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset <= HEADER_BYTES - 4, "no header word at {offset}");
        // SAFETY: `offset` is inside the header, and so inside the mapping (1).
        let word = unsafe { self.map.as_mut_ptr().add(offset) };
        // SAFETY: aligned, mapped for `&self`'s life (1), and reached as atomics alone (3).
        unsafe { AtomicU32::from_ptr(word.cast()) }
    }

    /// Sleeps while the word is `while_value`, at most for `timeout`: false if the time has passed, true on a wake, a
    /// changed word, or a signal.
    pub(crate) fn futex_wait(&self, offset: usize, while_value: u32, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        // No PRIVATE flag: the ringer is another process.
        futex::wait(self.word32(offset), futex::Flags::empty(), while_value, Some(&timeout))
            != Err(Errno::TIMEDOUT)
    }

    /// Wakes the one that sleeps on the word.
    pub(crate) fn futex_wake(&self, offset: usize) {
        futex::wake(self.word32(offset), futex::Flags::empty(), 1)
            .expect("the word is mapped, and so a valid futex");
    }
}

impl Memory {
    /// Panics if the mapping's length is not the geometry's: the caller has checked the file's length.
    pub(crate) fn new(map: MmapRaw, geometry: Geometry) -> Self {
        assert_eq!(map.len(), geometry.file_bytes(), "the mapping is the whole ring");
        Self { page: Page::new(map), mask: u64::from(geometry.slots()) - 1 }
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    /// The slot that holds `index`: its stamp, then its payload.
    #[inline]
    pub(crate) fn slot(&self, index: u64) -> &[AtomicU64; SLOT_WORDS] {
        let number = usize::try_from(index & self.mask).expect("a slot's number is below 2^20");
        // SAFETY: `number` is below the number of slots, so the slot is inside the mapping (2).
        let slot = unsafe { self.page.map.as_mut_ptr().add(HEADER_BYTES + number * SLOT_BYTES) };
        #[expect(
            clippy::cast_ptr_alignment,
            reason = "the mapping is page-aligned and slots are multiples of 128"
        )]
        let slot = slot.cast::<[AtomicU64; SLOT_WORDS]>();
        // SAFETY: aligned, mapped for `&self`'s life (1), and reached as atomics alone (3).
        unsafe { &*slot }
    }
}

//! The running hash over full event pages, readable by page number from any thread.
//!
//! `hash(0)` is the xxh3-128 of the cluster id, and `hash(n + 1)` that of `hash(n)` followed by the bytes of event page
//! `n` as stored. Two nodes that have made the same events have the same hash at the same page.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use xxhash_rust::xxh3::Xxh3;

use crate::disk::index;
use crate::layout::{ClusterId, Page};
use crate::page::{self, Chain};

/// How many of the newest hashes can be asked for: those of 16 MiB of events.
const KEPT: u64 = 4096;

/// The hash before the first page.
pub fn genesis(cluster_id: &ClusterId) -> Chain {
    page::genesis_chain(cluster_id)
}

/// The hash behind `page`, from the one before it.
pub fn next(hash: &Chain, page: &Page) -> Chain {
    let mut hasher = Xxh3::new();
    hasher.update(hash);
    hasher.update(page);
    hasher.digest128().to_le_bytes()
}

/// The newest hashes. One thread puts them, any may read.
#[derive(Debug)]
pub struct EventHashes {
    latest: AtomicU64,
    kept: Vec<Kept>,
}

/// `pages` is the number of pages that the hash covers, plus 1; 0 while it changes.
#[derive(Debug, Default)]
struct Kept {
    pages: AtomicU64,
    low: AtomicU64,
    high: AtomicU64,
}

impl EventHashes {
    /// Hashes from `hash` on, which covers `pages` pages.
    pub fn new(pages: u64, hash: Chain) -> Self {
        let kept = (0..KEPT).map(|_| Kept::default()).collect();
        let hashes = EventHashes { latest: AtomicU64::new(pages), kept };
        hashes.put(pages, hash);
        hashes
    }

    /// Adds the hash over the first `pages` pages.
    pub(crate) fn put(&self, pages: u64, hash: Chain) {
        let number = u128::from_le_bytes(hash);
        let (high, low) = (number >> 64, number & u128::from(u64::MAX));
        let kept = self.place(pages);
        kept.pages.store(0, Ordering::Relaxed);
        // Pairs with the Acquire fence in `at`: who reads a new half also reads 0 or the new number.
        fence(Ordering::Release);
        kept.low.store(u64::try_from(low).expect("the low half"), Ordering::Relaxed);
        kept.high.store(u64::try_from(high).expect("the high half"), Ordering::Relaxed);
        kept.pages.store(pages + 1, Ordering::Release);
        self.latest.store(pages, Ordering::Release);
    }

    /// The hash over the first `pages` pages, if it was made and is still kept.
    pub fn at(&self, pages: u64) -> Option<Chain> {
        let kept = self.place(pages);
        // Pairs with the last-but-one store in `put`: both halves are there.
        if kept.pages.load(Ordering::Acquire) != pages + 1 {
            return None;
        }
        let (low, high) = (kept.low.load(Ordering::Relaxed), kept.high.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let number = u128::from(high) << 64 | u128::from(low);
        (kept.pages.load(Ordering::Relaxed) == pages + 1).then(|| number.to_le_bytes())
    }

    /// The newest hash and the number of pages that it covers.
    pub fn latest(&self) -> (u64, Chain) {
        loop {
            let pages = self.latest.load(Ordering::Acquire);
            // It can only be gone if thousands of newer ones have come meanwhile.
            if let Some(hash) = self.at(pages) {
                return (pages, hash);
            }
        }
    }

    fn place(&self, pages: u64) -> &Kept {
        &self.kept[index(pages % KEPT)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_found_by_page_until_newer_ones_take_their_place() {
        let hashes = EventHashes::new(5, [9; 16]);
        assert_eq!(hashes.latest(), (5, [9; 16]));
        for pages in 6..6 + KEPT {
            hashes.put(pages, pages.to_le_bytes().repeat(2).try_into().unwrap());
        }
        assert_eq!(hashes.at(5), None);
        assert_eq!(hashes.at(6), Some(6u64.to_le_bytes().repeat(2).try_into().unwrap()));
        assert_eq!(hashes.at(5 + KEPT).map(|hash| (5 + KEPT, hash)), Some(hashes.latest()));
        assert_eq!(hashes.at(6 + KEPT), None);
    }
}

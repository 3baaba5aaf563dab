//! One file of the pretend disk: what is seen, what is safe, and which sectors are between the two.

use std::collections::BTreeSet;

use super::Random;
use crate::disk::index;

/// The unit in which a disk keeps or loses what was written.
pub const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) now: Vec<u8>,
    pub(super) safe: Vec<u8>,
    /// Sectors written since the last sync, in the order of their first write.
    pub(super) unsynced: Vec<usize>,
    unsynced_set: BTreeSet<usize>,
}

impl Content {
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let start = index(offset);
        let end = start + bytes.len();
        if end > self.now.len() {
            self.now.resize(end, 0);
        }
        self.now[start..end].copy_from_slice(bytes);
        for sector in start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            if self.unsynced_set.insert(sector) {
                self.unsynced.push(sector);
            }
        }
    }

    pub(super) fn sync(&mut self) {
        let unsynced = self.forget_unsynced();
        self.safe.resize(self.now.len(), 0);
        for sector in unsynced {
            self.save(sector);
        }
    }

    /// A sync that failed: some sectors are safe, the others never will be, and the kernel calls all of them clean.
    pub(super) fn sync_badly(&mut self, random: &mut Random) {
        let unsynced = self.forget_unsynced();
        self.safe.resize(self.now.len(), 0);
        for sector in unsynced {
            if random.below(2) == 0 {
                self.save(sector);
            }
        }
    }

    /// What the kernel calls clean is read from the medium again: also what a failed sync did not save.
    pub(super) fn evict(&mut self) {
        self.safe.resize(self.now.len(), 0);
        for sector in 0..self.now.len().div_ceil(SECTOR_BYTES) {
            if !self.unsynced_set.contains(&sector) {
                let range = self.sector(sector);
                self.now[range.clone()].copy_from_slice(&self.safe[range]);
            }
        }
    }

    fn forget_unsynced(&mut self) -> Vec<usize> {
        self.unsynced_set.clear();
        std::mem::take(&mut self.unsynced)
    }

    fn save(&mut self, sector: usize) {
        let range = self.sector(sector);
        self.safe[range.clone()].copy_from_slice(&self.now[range]);
    }

    fn sector(&self, sector: usize) -> std::ops::Range<usize> {
        let start = sector * SECTOR_BYTES;
        start..(start + SECTOR_BYTES).min(self.now.len())
    }

    pub(super) fn keep_first(&mut self, sectors: usize) -> usize {
        let unsynced = self.forget_unsynced();
        let kept = unsynced.len().min(sectors);
        self.safe.resize(self.now.len(), 0);
        for sector in &unsynced[..kept] {
            self.save(*sector);
        }
        self.now = self.safe.clone();
        kept
    }

    pub(super) fn keep_some(&mut self, random: &mut Random) {
        let unsynced = self.forget_unsynced();
        // The new length is kept or not, like a sector.
        if random.below(2) == 0 {
            self.safe.resize(self.now.len(), 0);
        } else {
            self.now.truncate(self.safe.len());
        }
        for sector in unsynced {
            let range = self.sector(sector);
            if range.start >= range.end {
                continue;
            }
            match random.below(16) {
                0 => {
                    let torn = range.start + random.below(range.len());
                    self.safe[range.start..torn].copy_from_slice(&self.now[range.start..torn]);
                }
                1..8 => self.save(sector),
                _ => {}
            }
        }
        self.now = self.safe.clone();
    }
}

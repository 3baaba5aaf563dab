//! The table of epochs: where each began. Two histories are compared by it, never by their length.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::recover::scan::EpochStart;

/// The epochs of a node's log, shared by who opens pages and who compares histories.
#[derive(Debug, Default)]
pub struct EpochTable(Mutex<Vec<EpochStart>>);

impl EpochTable {
    /// The table of a log with these epochs, oldest first.
    pub fn new(rows: Vec<EpochStart>) -> Self {
        Self(Mutex::new(rows))
    }

    /// An epoch's first page was opened. Noted once, whoever says it.
    pub fn begun(&self, row: EpochStart) {
        let mut rows = self.lock();
        if rows.last().is_none_or(|last| last.epoch < row.epoch) {
            rows.push(row);
        }
    }

    /// All of it, oldest first.
    pub fn rows(&self) -> Vec<EpochStart> {
        self.lock().clone()
    }

    /// The epochs that began at or before a command.
    pub fn up_to(&self, sequence: u64) -> Vec<EpochStart> {
        self.lock().iter().copied().filter(|row| row.first_seq <= sequence).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<EpochStart>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_noted_once_and_found_by_its_first_command() {
        let row = |epoch, page_no, first_seq| EpochStart { epoch, page_no, first_seq };
        let table = EpochTable::new(vec![row(1, 0, 1)]);
        table.begun(row(2, 7, 100));
        table.begun(row(2, 7, 100));
        table.begun(row(1, 0, 1));
        assert_eq!(table.rows(), [row(1, 0, 1), row(2, 7, 100)]);
        assert_eq!(table.up_to(99), [row(1, 0, 1)]);
        assert_eq!(table.up_to(100), table.rows());
    }
}

//! How far two logs are the same, from their epoch tables alone: the leader-epoch rule.
//!
//! An epoch has one primary, so two logs agree within an epoch as far as both go in it; and an epoch begins on a page of
//! its own. Lengths decide nothing: two logs of one length may differ from the first page on. What is found here is
//! where the logs *may* still be equal; the chain at that page says whether they are.

use rialto_journal::recover::scan::EpochStart;

/// A log as its epochs tell it.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Where each epoch begins, oldest first; also that of a page which is still open. The oldest rows may be missing (the
    /// log was seeded, or they are too many to be sent), but never one between two others.
    pub epochs: &'a [EpochStart],
    /// The first page that is not closed.
    pub end_page: u64,
}

impl History<'_> {
    /// Whether a log can have this table: epochs, pages and sequences rise, and none begins behind the end.
    pub fn is_sound(&self) -> bool {
        let rises = |pair: &[EpochStart]| {
            pair[0].epoch < pair[1].epoch
                && pair[0].page_no < pair[1].page_no
                && pair[0].first_seq < pair[1].first_seq
        };
        self.epochs.windows(2).all(rises) && self.epochs.last().is_none_or(|row| row.page_no <= self.end_page)
    }

    /// The epoch of a page, if the table has it.
    pub fn epoch_of(&self, page_no: u64) -> Option<u32> {
        let rows = self.epochs.partition_point(|row| row.page_no <= page_no);
        Some(self.epochs[rows.checked_sub(1)?].epoch)
    }

    /// Where this log ends in the epoch of the row at `index`.
    fn end_in(&self, index: usize) -> u64 {
        self.epochs.get(index + 1).map_or(self.end_page, |next| next.page_no)
    }
}

/// The first page that the two logs do not have in common, if the chain says so too: all below it are the same or
/// both have diverged. `None` if they share no epoch and neither is empty. Both must be sound.
pub fn meet(mine: &History<'_>, theirs: &History<'_>) -> Option<u64> {
    // Newest first: a shared row is found in both tables at the same epoch, which rises in both.
    let shared = mine.epochs.iter().enumerate().rev().find_map(|(index, row)| {
        let other = theirs.epochs.binary_search_by_key(&row.epoch, |row| row.epoch).ok()?;
        (theirs.epochs[other] == *row).then_some((index, other))
    });
    match shared {
        Some((mine_at, theirs_at)) => Some(mine.end_in(mine_at).min(theirs.end_in(theirs_at))),
        None if theirs.end_page == 0 => Some(0),
        None => None,
    }
}

#[cfg(test)]
mod tests;

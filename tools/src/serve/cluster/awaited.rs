//! What each standby has acknowledged, and whom the primary waits for: from both, what all of them have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rialto_engine::ports::Readers;
use rialto_journal::cursor::{Cursors, Standbys};
use rialto_replicator::message::Ack;

/// One standby.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its connection is up and records are sent to it.
    pub streams: bool,
    /// What it acknowledged last.
    pub ack: Ack,
    /// Since when it lacks something that is published; `None`: it lacks nothing.
    pub behind_since: Option<Instant>,
    /// It is waited for.
    pub awaited: bool,
    /// Its events differ from this node's: it may not be in sync.
    pub differs: bool,
}

/// All standbys of a primary.
#[derive(Debug)]
pub struct Awaited {
    rows: Mutex<Rows>,
    cursors: Arc<Cursors>,
    readers: Arc<Readers>,
}

#[derive(Debug, Default)]
struct Rows {
    by_name: BTreeMap<String, Row>,
    /// The cluster is strict and the primary alone: nobody's copies are enough.
    too_few: bool,
}

impl Row {
    fn new() -> Self {
        Self { streams: false, ack: Ack::default(), behind_since: None, awaited: false, differs: false }
    }

    /// For how long it has lacked something.
    pub fn behind(&self) -> Duration {
        self.behind_since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Awaited {
    /// Nobody, of a node with these cursors and who is woken when they release.
    pub fn new(cursors: Arc<Cursors>, readers: Arc<Readers>) -> Self {
        Self { rows: Mutex::default(), cursors, readers }
    }

    /// A primary begins: it waits for these.
    pub fn begin(&self, standbys: impl Iterator<Item = String>) {
        self.change(|rows| {
            rows.by_name.clear();
            for name in standbys {
                rows.by_name.insert(name, Row { awaited: true, ..Row::new() });
            }
        });
    }

    /// Records are sent to a standby from now on.
    pub fn streams(&self, name: &str) {
        self.change(|rows| {
            let row = rows.by_name.entry(name.to_owned()).or_insert_with(Row::new);
            row.streams = true;
            row.differs = false;
        });
    }

    /// A standby says how far it is.
    pub fn acked(&self, name: &str, ack: &Ack) {
        let published = self.cursors.published();
        self.change(|rows| {
            let Some(row) = rows.by_name.get_mut(name) else { return };
            row.ack = *ack;
            row.behind_since = (ack.received < published).then(Instant::now);
        });
    }

    /// A standby's connection ended. If it is waited for, it still is.
    pub fn gone(&self, name: &str) {
        self.change(|rows| {
            if let Some(row) = rows.by_name.get_mut(name) {
                row.streams = false;
                if !row.awaited {
                    rows.by_name.remove(name);
                }
            }
        });
    }

    /// A standby's events differ from this node's.
    pub fn differs(&self, name: &str) {
        self.change(|rows| {
            if let Some(row) = rows.by_name.get_mut(name) {
                row.differs = true;
            }
        });
    }

    /// Waits for a standby from here on, or no longer.
    pub fn wait_for(&self, name: &str, awaited: bool) {
        self.change(|rows| {
            if let Some(row) = rows.by_name.get_mut(name) {
                row.awaited = awaited;
                if !awaited && !row.streams {
                    rows.by_name.remove(name);
                }
            }
        });
    }

    /// Whether there are too few copies whatever anyone acknowledges.
    pub fn set_too_few(&self, too_few: bool) {
        if self.rows.lock().too_few != too_few {
            self.change(|rows| rows.too_few = too_few);
        }
    }

    /// All rows, by name; each with since when it lacks what is published now.
    pub fn rows(&self) -> Vec<(String, Row)> {
        let published = self.cursors.published();
        let mut rows = self.rows.lock();
        for row in rows.by_name.values_mut() {
            if row.ack.received >= published {
                row.behind_since = None;
            } else {
                row.behind_since.get_or_insert_with(Instant::now);
            }
        }
        rows.by_name.iter().map(|(name, row)| (name.clone(), row.clone())).collect()
    }

    /// Changes the rows, and releases what they allow.
    fn change(&self, change: impl FnOnce(&mut Rows)) {
        let mut rows = self.rows.lock();
        change(&mut rows);
        let awaited = rows.by_name.values().filter(|row| row.awaited);
        let none = Standbys { awaited: 0, received: u64::MAX, kept: u64::MAX };
        let mut standbys = awaited.fold(none, |all, row| Standbys {
            awaited: all.awaited + 1,
            received: all.received.min(row.ack.received),
            kept: all.kept.min(row.ack.synced),
        });
        if rows.too_few {
            standbys = Standbys { awaited: standbys.awaited + 1, received: 0, kept: 0 };
        } else if standbys.awaited == 0 {
            standbys = Standbys::default();
        }
        // Under the lock, so that an older view of the rows never replaces a newer one.
        let released = self.cursors.set_standbys(standbys);
        drop(rows);
        if released {
            self.readers.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use rialto_journal::cursor::Policy;

    use super::*;

    fn ack(received: u64) -> Ack {
        Ack { received, synced: received / 2, ..Ack::default() }
    }

    #[test]
    fn the_slowest_of_those_waited_for_counts_and_no_other() {
        let cursors = Arc::new(Cursors::anonymous(Policy::Ram, 0).unwrap());
        let awaited = Awaited::new(Arc::clone(&cursors), Arc::default());
        awaited.begin(["b".to_owned(), "c".to_owned()].into_iter());
        cursors.advance_published(100);
        awaited.acked("b", &ack(80));
        assert_eq!(cursors.released(), 0, "c was not heard");
        awaited.acked("c", &ack(60));
        assert_eq!(cursors.released(), 60);
        awaited.streams("d");
        awaited.acked("d", &ack(10));
        awaited.gone("c");
        assert_eq!(cursors.released(), 60, "c is still waited for, d is not");
        awaited.wait_for("c", false);
        assert_eq!(cursors.released(), 80);
    }

    #[test]
    fn too_few_copies_release_nothing() {
        let cursors = Arc::new(Cursors::anonymous(Policy::DiskRam, 0).unwrap());
        let awaited = Awaited::new(Arc::clone(&cursors), Arc::default());
        awaited.set_too_few(true);
        cursors.advance_published(100);
        cursors.advance_synced(100);
        assert_eq!(cursors.released(), 0);
        awaited.set_too_few(false);
        assert_eq!(cursors.released(), 100);
    }
}

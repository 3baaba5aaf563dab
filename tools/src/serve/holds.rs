//! Pages that another node is being sent: retention leaves them, and for a while what comes behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rialto_journal::retention::Needed;

/// How long pages are left for a node that was sent its seed: it has to open it, and comes back for what follows.
const COMES_BACK: Duration = Duration::from_mins(1);

/// What is held on this node.
#[derive(Debug)]
pub struct Holds {
    rows: Mutex<Vec<Row>>,
    next: AtomicU64,
    /// The event page in which the trading day began.
    day_page: AtomicU64,
    /// How far the archive goes, where there is one.
    archived: Mutex<Option<Needed>>,
    /// The last snapshot in it; the highest number there is where there is none.
    archived_snapshot: Arc<AtomicU64>,
}

impl Default for Holds {
    fn default() -> Self {
        Self {
            rows: Mutex::default(),
            next: AtomicU64::new(0),
            day_page: AtomicU64::new(0),
            archived: Mutex::default(),
            archived_snapshot: Arc::new(AtomicU64::new(u64::MAX)),
        }
    }
}

#[derive(Debug)]
struct Row {
    number: u64,
    needed: Needed,
    /// `None` as long as its [`Held`] is there.
    until: Option<Instant>,
}

/// Pages from some on stay as long as this is there, and a minute longer.
#[derive(Debug)]
pub struct Held {
    holds: Arc<Holds>,
    number: u64,
}

impl Holds {
    /// Holds pages from these on.
    pub fn hold(self: &Arc<Self>, needed: Needed) -> Held {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.rows.lock().push(Row { number, needed, until: None });
        Held { holds: Arc::clone(self), number }
    }

    /// The first pages that someone needs, where `needed` are those of everybody else.
    pub fn with(&self, needed: Needed) -> Needed {
        let mut rows = self.rows.lock();
        let now = Instant::now();
        rows.retain(|row| row.until.is_none_or(|until| until > now));
        let archived = *self.archived.lock();
        rows.iter().map(|row| row.needed).chain(archived).fold(needed, |least, needed| Needed {
            command_page: least.command_page.min(needed.command_page),
            event_page: least.event_page.min(needed.event_page),
        })
    }

    /// The archive has all before these pages, and snapshots up to this one: what it has not stays.
    pub fn archived(&self, needed: Needed, snapshot: u64) {
        *self.archived.lock() = Some(needed);
        self.archived_snapshot.store(snapshot, Ordering::Relaxed);
    }

    /// The last snapshot that the archive has: no later one may go.
    pub fn archived_snapshot(&self) -> &Arc<AtomicU64> {
        &self.archived_snapshot
    }

    /// The event page in which the trading day began, of whose messages a session may ask again.
    pub fn day_page(&self) -> u64 {
        self.day_page.load(Ordering::Relaxed)
    }

    /// The trading day began in this event page.
    pub fn day_began(&self, page: u64) {
        self.day_page.store(page, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let until = Instant::now() + COMES_BACK;
        let mut rows = self.holds.rows.lock();
        rows.iter_mut().filter(|row| row.number == self.number).for_each(|row| row.until = Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_while_it_is_sent_and_until_the_node_has_come_back() {
        let holds = Arc::new(Holds::default());
        let all = Needed { command_page: 90, event_page: 80 };
        assert_eq!(holds.with(all), all);
        let held = holds.hold(Needed { command_page: 7, event_page: 85 });
        let both = Needed { command_page: 7, event_page: 80 };
        assert_eq!(holds.with(all), both);
        drop(held);
        assert_eq!(holds.with(all), both);
        holds.rows.lock()[0].until = Some(Instant::now());
        assert_eq!(holds.with(all), all);
        holds.archived(Needed { command_page: 14, event_page: 99 }, 300);
        assert_eq!(holds.with(all), Needed { command_page: 14, event_page: 80 });
    }
}

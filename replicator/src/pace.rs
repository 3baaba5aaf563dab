//! When to say that one is there, and when to believe that the other is not.

use std::time::Duration;

use crate::gone::Gone;

/// A heartbeat goes out this often: a standby hears soon what is released, and a silent peer is noticed in a few of them.
pub const HEARTBEAT: Duration = Duration::from_millis(25);

/// One look at the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Of a clock that never goes back, from any start.
    pub ns: u64,
    /// Since 1970, UTC.
    pub wall_ns: u64,
}

impl Now {
    /// The time since an earlier look; zero if it is later.
    pub const fn since(self, earlier_ns: u64) -> Duration {
        Duration::from_nanos(self.ns.saturating_sub(earlier_ns))
    }
}

/// When something was last heard, and when a heartbeat last went out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    heard_ns: u64,
    beat_ns: Option<u64>,
}

impl Pace {
    pub(crate) const fn new(now: Now) -> Self {
        Pace { heard_ns: now.ns, beat_ns: None }
    }

    pub(crate) const fn heard(&mut self, now: Now) {
        self.heard_ns = now.ns;
    }

    pub(crate) fn check_silence(&self, now: Now, most: Duration) -> Result<(), Gone> {
        let silent = now.since(self.heard_ns);
        if silent > most { Err(Gone::Silent(silent)) } else { Ok(()) }
    }

    /// Whether a heartbeat is due; if so, it counts as sent now.
    pub(crate) fn is_beat_due(&mut self, now: Now) -> bool {
        let is_due = self.beat_ns.is_none_or(|beat_ns| now.since(beat_ns) >= HEARTBEAT);
        if is_due {
            self.beat_ns = Some(now.ns);
        }
        is_due
    }
}

/// What may be read from the disk for a peer: so many bytes a second, and never more than a quarter of a second's at once.
/// The last piece read may go beyond what was there; that is owed, and nothing more is read until it is made up for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budget {
    bytes: i64,
    filled_ns: Option<u64>,
}

impl Budget {
    /// Adds what has come due.
    pub(crate) fn fill(&mut self, now: Now, bytes_per_s: u64) {
        let most = i64::try_from(bytes_per_s / 4).unwrap_or(i64::MAX).max(1);
        let Some(filled_ns) = self.filled_ns else {
            (self.bytes, self.filled_ns) = (most, Some(now.ns));
            return;
        };
        let due = now.since(filled_ns).as_nanos() * u128::from(bytes_per_s) / 1_000_000_000;
        if due > 0 {
            let due = i64::try_from(due).unwrap_or(i64::MAX);
            (self.bytes, self.filled_ns) = (most.min(self.bytes.saturating_add(due)), Some(now.ns));
        }
    }

    pub(crate) const fn is_spent(&self) -> bool {
        self.bytes <= 0
    }

    pub(crate) fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

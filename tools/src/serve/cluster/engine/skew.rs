//! How far this node's clock is from the primary's, as heartbeats show it.
//!
//! A heartbeat carries the primary's time and is late by its way, and by as long as this node stood still. So the
//! nearest one of the last while counts: a late one says nothing against the clock.

use std::time::{Duration, Instant};

/// Heartbeats of this time, and of as long before, count.
const WINDOW: Duration = Duration::from_secs(10);

/// The nearest heartbeat of this window and of the one before.
#[derive(Debug)]
pub(super) struct Skew {
    since: Instant,
    least: [u64; 2],
}

impl Skew {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, least: [u64::MAX; 2] }
    }

    /// A heartbeat's time was so far from this node's own.
    pub(super) fn note(&mut self, now: Instant, skew_ns: u64) {
        if now.duration_since(self.since) > WINDOW {
            self.since = now;
            self.least = [u64::MAX, self.least[0]];
        }
        self.least[0] = self.least[0].min(skew_ns);
    }

    /// How far the clocks are apart; 0 until that is known, which takes a window.
    pub(super) fn ns(&self) -> u64 {
        let [this, before] = self.least;
        if before == u64::MAX { 0 } else { this.min(before) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn heartbeats_that_were_late_say_nothing_against_the_clock() {
        let mut now = Instant::now();
        let mut skew = Skew::new(now);
        skew.note(now, 500 * MS);
        assert_eq!(skew.ns(), 0, "one that was late is no ground for an alarm");
        skew.note(now, 3 * MS);
        now += WINDOW * 3;
        // This node stood still: what came meanwhile is old.
        (0..1000).for_each(|_| skew.note(now, 20_000 * MS));
        assert_eq!(skew.ns(), 3 * MS);
    }

    #[test]
    fn a_clock_that_was_set_wrong_shows_within_two_windows() {
        let mut now = Instant::now();
        let mut skew = Skew::new(now);
        skew.note(now, MS);
        for _ in 0..23 {
            now += Duration::from_secs(1);
            skew.note(now, 2_000 * MS);
        }
        assert_eq!(skew.ns(), 2_000 * MS);
    }
}

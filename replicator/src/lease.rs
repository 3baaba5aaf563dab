//! Until when a primary may release, by the lease it holds: arithmetic on the boot clock's nanoseconds, nothing else.
//!
//! The coordinator counts a lease's life from the moment when it saw the renewal; the holder counts from the moment
//! when it *sent* it, less a margin for clocks that run apart. So the holder always stops first. The clock is one
//! that goes on while the machine sleeps (`CLOCK_BOOTTIME`).

/// Life of a primary's lease: the shortest that etcd grants at its default timing.
pub const TTL_NS: u64 = 2_000_000_000;
/// The part of the margin that does not grow with the life: a stall between reading the clock and releasing.
const MARGIN_FIXED_NS: u64 = 100_000_000;

/// How long a lease lives, and how early its holder stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Life after a renewal.
    pub ttl_ns: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Terms { ttl_ns: TTL_NS }
    }
}

impl Terms {
    /// How long before the end of a lease's life its holder stops: 10 % of the life and 100 ms.
    pub fn margin_ns(self) -> u64 {
        (self.ttl_ns / 10).saturating_add(MARGIN_FIXED_NS).min(self.ttl_ns)
    }

    /// Time between renewals: a quarter of the life.
    pub fn renew_every_ns(self) -> u64 {
        self.ttl_ns / 4
    }
}

/// A lease as its holder sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    terms: Terms,
    deadline_ns: u64,
    next_renewal_ns: u64,
}

impl Tenure {
    /// A lease that was asked for at `sent_ns` and granted for `granted_ns`; a coordinator may grant a longer life
    /// than was asked for, which its holder does not use.
    pub fn granted(terms: Terms, sent_ns: u64, granted_ns: u64) -> Self {
        let mut tenure = Tenure { terms, deadline_ns: 0, next_renewal_ns: 0 };
        tenure.renewed(sent_ns, granted_ns);
        tenure
    }

    /// A renewal that was sent at `sent_ns` came back good, with `granted_ns` to live. Answers may come in any order:
    /// the deadline never goes back.
    pub fn renewed(&mut self, sent_ns: u64, granted_ns: u64) {
        let life_ns = self.terms.ttl_ns.min(granted_ns);
        let deadline_ns = sent_ns.saturating_add(life_ns).saturating_sub(self.terms.margin_ns());
        self.deadline_ns = self.deadline_ns.max(deadline_ns);
        self.next_renewal_ns = self.next_renewal_ns.max(sent_ns.saturating_add(self.terms.renew_every_ns()));
    }

    /// A renewal was sent at `sent_ns` and is not answered, or came back bad: the next is due soon.
    pub fn tried(&mut self, sent_ns: u64) {
        let soon_ns = self.terms.renew_every_ns() / 4;
        self.next_renewal_ns = self.next_renewal_ns.max(sent_ns.saturating_add(soon_ns));
    }

    /// The moment from which nothing may be released.
    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }

    /// Whether something may be released at `now_ns`.
    pub fn holds(&self, now_ns: u64) -> bool {
        now_ns < self.deadline_ns
    }

    /// Whether it is time to renew.
    pub fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.next_renewal_ns
    }

    /// When it is time to renew.
    pub fn next_renewal_ns(&self) -> u64 {
        self.next_renewal_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_lease_of_two_seconds_lets_its_holder_release_for_1700_ms_after_the_renewal_was_sent() {
        let tenure = Tenure::granted(Terms::default(), 1_000 * MS, TTL_NS);
        assert_eq!(Terms::default().margin_ns(), 300 * MS);
        assert!(tenure.holds(2_699 * MS));
        assert!(!tenure.holds(2_700 * MS), "at the deadline it is over");
        assert_eq!(tenure.deadline_ns(), 2_700 * MS);
    }

    #[test]
    fn a_renewal_is_due_each_quarter_of_the_life_and_sooner_after_one_that_failed() {
        let mut tenure = Tenure::granted(Terms::default(), 0, TTL_NS);
        assert!(!tenure.is_due(499 * MS));
        assert!(tenure.is_due(500 * MS));
        tenure.tried(500 * MS);
        assert!(!tenure.is_due(624 * MS));
        assert!(tenure.is_due(625 * MS));
        assert_eq!(tenure.deadline_ns(), 1_700 * MS, "what was only tried prolongs nothing");
    }

    #[test]
    fn an_answer_counts_from_its_own_sending_and_never_moves_the_deadline_back() {
        let mut tenure = Tenure::granted(Terms::default(), 0, TTL_NS);
        tenure.renewed(500 * MS, TTL_NS);
        assert_eq!(tenure.deadline_ns(), 2_200 * MS);
        tenure.renewed(100 * MS, TTL_NS);
        assert_eq!(tenure.deadline_ns(), 2_200 * MS);
    }

    #[test]
    fn a_longer_grant_is_not_used_and_a_shorter_one_is_obeyed() {
        assert_eq!(Tenure::granted(Terms::default(), 0, 5 * TTL_NS).deadline_ns(), 1_700 * MS);
        assert_eq!(Tenure::granted(Terms::default(), 0, 1_000 * MS).deadline_ns(), 700 * MS);
        assert!(!Tenure::granted(Terms::default(), 0, 0).holds(0), "a lease of no life allows nothing");
    }

    #[test]
    fn the_holder_stops_before_the_coordinator_forgets_whatever_the_delays() {
        // The coordinator counts from a moment between sending and answer; clocks run apart by up to 5 %.
        for delay_ms in [0, 1, 250, 499, 1_900] {
            let sent_ns = 10_000 * MS;
            let tenure = Tenure::granted(Terms::default(), sent_ns, TTL_NS);
            let forgotten_ns = sent_ns + delay_ms * MS + TTL_NS;
            let slowest_ns = sent_ns + (tenure.deadline_ns() - sent_ns) * 105 / 100;
            assert!(slowest_ns < forgotten_ns, "{delay_ms} ms");
        }
    }
}

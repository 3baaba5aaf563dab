//! What one client may take from all others: sizes, counts and rates, each with its reason.

use std::collections::HashMap;
use std::net::IpAddr;

use rialto_protocol::Name;

/// Connections of one gateway: what a process may open by default, less what else it needs.
pub const CONNECTIONS_MAX: usize = 1024;
/// Connections from one address other than this machine's own.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;
/// A connection that has not logged on by then is closed.
pub const LOG_ON_WITHIN_NS: u64 = 5 * SECOND_NS;
/// Log-ons under one name in a minute, so that nobody guesses passwords. This machine's own clients may reconnect more
/// often, after a failover for instance; what is refused are wrong passwords.
pub const FAILED_LOG_ONS_PER_MINUTE: u32 = 10;
/// Bytes that wait for a slow reader; the log keeps what it misses.
pub const BACKLOG_BYTES_MAX: usize = 4 << 20;
/// Messages that wait for a slow reader.
pub const BACKLOG_MESSAGES_MAX: usize = 10_000;
/// Bytes read from one socket in a turn, so that one sender does not keep the others waiting.
pub const READ_BYTES: usize = 16 << 10;
/// Bytes that came and are not dealt with; more stay in the socket. Any message fits.
pub const INBOX_BYTES_MAX: usize = 32 << 10;
/// Messages kept that came before their turn; the others are asked for once more.
pub const KEPT_MESSAGES_MAX: usize = 4096;
/// Bytes of them.
pub const KEPT_BYTES_MAX: usize = 1 << 20;
/// Messages of a resend that are read in one turn.
pub const RESEND_CHUNK: u32 = 64;
/// A resend goes on only while less than this waits to be written.
pub const RESEND_BACKLOG_BYTES: usize = 256 << 10;
/// Runs that may wait to be sent again; a member that asks for more without reading is cut.
pub const RESENDS_MAX: usize = 64;
/// Refused messages over the rate, after which a session is logged out.
pub const THROTTLED_MAX: u32 = 10_000;

/// A second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// A token bucket: a second's messages may come at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// Nanoseconds of allowance that are used, as of `at_ns`.
    used_ns: u64,
    at_ns: u64,
}

impl Bucket {
    /// Whether one more message is within `per_s` messages a second (0 = no limit).
    pub fn takes(&mut self, per_s: u32, now_ns: u64) -> bool {
        if per_s == 0 {
            return true;
        }
        self.used_ns = self.used_ns.saturating_sub(now_ns.saturating_sub(self.at_ns));
        self.at_ns = now_ns;
        let price_ns = SECOND_NS / u64::from(per_s);
        if self.used_ns + price_ns > SECOND_NS {
            return false;
        }
        self.used_ns += price_ns;
        true
    }
}

/// Failed log-ons by name, over the running minute.
#[derive(Debug, Default)]
pub struct Attempts {
    failed: HashMap<Name, u32>,
    minute: u64,
}

impl Attempts {
    /// Whether another log-on under this name is looked at.
    pub fn may_try(&mut self, name: Name, now_ns: u64) -> bool {
        let minute = now_ns / (60 * SECOND_NS);
        if minute != self.minute {
            self.minute = minute;
            self.failed.clear();
        }
        self.failed.get(&name).is_none_or(|failed| *failed < FAILED_LOG_ONS_PER_MINUTE)
    }

    /// A log-on under this name failed.
    pub fn failed(&mut self, name: Name) {
        // Names are only those of sessions that exist, so the map is bounded by the directory.
        *self.failed.entry(name).or_default() += 1;
    }
}

/// Connections by address.
#[derive(Debug, Default)]
pub struct Addresses(HashMap<IpAddr, usize>);

impl Addresses {
    /// Counts a connection in; false if its address has too many.
    pub fn enter(&mut self, address: IpAddr) -> bool {
        let count = self.0.entry(address).or_default();
        if *count >= CONNECTIONS_PER_ADDRESS_MAX && !address.is_loopback() {
            return false;
        }
        *count += 1;
        true
    }

    /// Counts a connection out.
    pub fn leave(&mut self, address: IpAddr) {
        if let Some(count) = self.0.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_messages_may_come_at_once_and_then_as_fast_as_allowed() {
        let mut bucket = Bucket::default();
        let at = |seconds: u64| 100 * SECOND_NS + seconds * SECOND_NS / 10;
        assert_eq!((0..20).filter(|_| bucket.takes(10, at(0))).count(), 10);
        assert_eq!((0..20).filter(|_| bucket.takes(10, at(3))).count(), 3);
        assert_eq!((0..20).filter(|_| bucket.takes(10, at(50))).count(), 10);
        assert!((0..20).all(|_| bucket.takes(0, at(50))));
    }

    #[test]
    fn guessing_under_one_name_ends_for_the_minute() {
        let (mut attempts, name) = (Attempts::default(), Name::new(b"ALPHA1").unwrap());
        for _ in 0..FAILED_LOG_ONS_PER_MINUTE {
            assert!(attempts.may_try(name, 0));
            attempts.failed(name);
        }
        assert!(!attempts.may_try(name, 59 * SECOND_NS));
        assert!(attempts.may_try(name, 61 * SECOND_NS));
    }

    #[test]
    fn one_address_has_a_bounded_number_of_connections() {
        let mut addresses = Addresses::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!((0..100).filter(|_| addresses.enter(address)).count(), CONNECTIONS_PER_ADDRESS_MAX);
        addresses.leave(address);
        assert!(addresses.enter(address) && !addresses.enter(address));
    }
}

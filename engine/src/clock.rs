//! Where the matcher's time comes from. The exchange itself knows no clock: time arrives in the record.

use rialto_protocol::Timestamp;

/// Gives the time that commands are stamped with.
pub trait Clock {
    /// UTC nanoseconds since 1970. May step back; the matcher never stamps less than before.
    fn now(&mut self) -> Timestamp;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where time enters; the exchange only sees the stamp"
    )]
    fn now(&mut self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A clock that a test or a replay moves by hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct ManualClock(pub Timestamp);

impl Clock for ManualClock {
    fn now(&mut self) -> Timestamp {
        self.0
    }
}

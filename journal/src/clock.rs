//! The clock that leases are counted by: it goes on while the machine sleeps and nobody sets it.

/// Nanoseconds since the machine was started, time asleep included.
#[cfg(not(loom))]
pub fn boottime_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let whole = u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000);
    whole.saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Models have no time.
#[cfg(loom)]
pub fn boottime_ns() -> u64 {
    0
}

//! How fast does the ring hand messages from one thread to another, and how long does a message take there and back?
//!
//! Throughput in batches, as a gateway pushes them; the round trip over two rings, one message at a time. Both sides
//! spin and let others run when that takes long: with fewer than two free cores this measures the scheduler. The bare
//! round trip of a cache line stands beside it.

use std::hint::{black_box, spin_loop};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, anyhow};
use rialto_shmring::{Consumer, Geometry, Identity, MessageBuffer, Producer, PushError, Region};
use serde::Serialize;

use crate::machine::Machine;
use crate::probe::cache_line_ns;
use crate::report::Latencies;

/// Bytes of a message: an order with its header.
const MESSAGE_BYTES: usize = 128;
/// Messages that are pushed at once.
const BATCH: usize = 64;
/// Slots of the ring, as a gateway's has.
const SLOTS: u32 = 8192;
/// Turns of spinning before others may run.
const SPINS: u32 = 10_000;

/// What a run says.
#[derive(Clone, Debug, Serialize)]
pub struct RingReport {
    /// Messages of each part.
    pub messages: u64,
    /// Bytes of each.
    pub message_bytes: usize,
    /// Messages pushed at once in the first part.
    pub batch: usize,
    /// Messages a second, in batches.
    pub per_s: f64,
    /// One message there and back.
    pub round_trip_ns: RoundTrip,
    /// A bare cache line there and back.
    pub cache_line_ns: f64,
    /// Sum of what was read, so that nothing can be left out.
    pub sum: u64,
    /// What it was measured on.
    pub machine: Machine,
}

/// Percentiles in nanoseconds, the clock's own cost included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RoundTrip {
    /// Half are faster.
    pub p50: u64,
    /// One in a hundred is slower.
    pub p99: u64,
    /// One in a thousand is slower.
    pub p99_9: u64,
}

/// Both parts, with rings in files of their own in `dir`, which should be shared memory.
pub fn run(dir: &Path, messages: u64) -> anyhow::Result<RingReport> {
    let (per_s, sum) = throughput(dir, messages)?;
    let round_trip_ns = round_trips(dir, messages / 50)?;
    Ok(RingReport {
        messages,
        message_bytes: MESSAGE_BYTES,
        batch: BATCH,
        per_s: per_s.round(),
        round_trip_ns,
        cache_line_ns: cache_line_ns()?,
        sum,
        machine: Machine::here(),
    })
}

/// The two ends of a ring of gateway `number`, in memory that is nobody else's.
pub(crate) fn ring(dir: &Path, number: u32) -> anyhow::Result<(Producer, Consumer)> {
    static RINGS: AtomicU64 = AtomicU64::new(0);
    let (process, nth) = (std::process::id(), RINGS.fetch_add(1, Ordering::Relaxed));
    let path = dir.join(format!("rialto-bench-{process}-{nth}.ring"));
    let identity = Identity { schema: 1, generation: 1, gateway: number };
    let region = Arc::new(Region::create(&path, &identity, Geometry::new(SLOTS)?)?);
    // The memory stays as long as it is mapped.
    std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
    Ok((Producer::new(Arc::clone(&region))?, Consumer::new(region)?))
}

fn throughput(dir: &Path, messages: u64) -> anyhow::Result<(f64, u64)> {
    let (mut producer, mut consumer) = ring(dir, 1)?;
    let reading = thread::Builder::new().name("consumer".into()).spawn(move || {
        let (mut buffer, mut sum) = (MessageBuffer::new(), 0_u64);
        for _ in 0..messages {
            sum = sum.wrapping_add(pop(&mut consumer, &mut buffer)?);
        }
        consumer.release();
        anyhow::Ok(sum)
    })?;
    let message = [7; MESSAGE_BYTES];
    let start = Instant::now();
    let mut left = messages;
    while left > 0 {
        let batch = usize::try_from(left).unwrap_or(BATCH).min(BATCH);
        left -= push(&mut producer, &message, batch)?;
    }
    let sum = reading.join().map_err(|_| anyhow!("the consumer panicked"))??;
    let count = f64::from(u32::try_from(messages).unwrap_or(u32::MAX));
    Ok((count / start.elapsed().as_secs_f64(), sum))
}

fn round_trips(dir: &Path, rounds: u64) -> anyhow::Result<RoundTrip> {
    let ((mut there, mut theirs), (mut answers, mut back)) = (ring(dir, 2)?, ring(dir, 3)?);
    let answering = thread::Builder::new().name("answers".into()).spawn(move || {
        let (mut buffer, message) = (MessageBuffer::new(), [9; MESSAGE_BYTES]);
        for _ in 0..rounds {
            pop(&mut theirs, &mut buffer)?;
            push(&mut answers, &message, 1)?;
        }
        anyhow::Ok(())
    })?;
    let (mut buffer, message) = (MessageBuffer::new(), [7; MESSAGE_BYTES]);
    let mut latencies = Latencies::default();
    for _ in 0..rounds {
        let start = Instant::now();
        push(&mut there, &message, 1)?;
        pop(&mut back, &mut buffer)?;
        latencies.record(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    answering.join().map_err(|_| anyhow!("the answering thread panicked"))??;
    Ok(RoundTrip { p50: latencies.at_ns(0.5), p99: latencies.at_ns(0.99), p99_9: latencies.at_ns(0.999) })
}

/// Pushes up to `count` messages, once there is room for one, and says how many.
fn push(producer: &mut Producer, message: &[u8], count: usize) -> anyhow::Result<u64> {
    let mut turns = 0;
    loop {
        match producer.push_batch(std::iter::repeat_n(black_box(message), count)) {
            Ok(pushed) => return Ok(pushed as u64),
            Err(PushError::Full) => wait(&mut turns),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Pops a message, and says what its first bytes come to.
fn pop(consumer: &mut Consumer, buffer: &mut MessageBuffer) -> anyhow::Result<u64> {
    let mut turns = 0;
    loop {
        if let Some(bytes) = consumer.try_pop(buffer)? {
            black_box(&*buffer);
            return Ok(bytes as u64);
        }
        wait(&mut turns);
    }
}

fn wait(turns: &mut u32) {
    *turns += 1;
    if turns.is_multiple_of(SPINS) { thread::yield_now() } else { spin_loop() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_messages_arrive_and_both_parts_are_measured() {
        let dir = tempfile::tempdir().unwrap();
        let report = run(dir.path(), 10_000).unwrap();
        assert_eq!(report.sum, 10_000 * MESSAGE_BYTES as u64);
        assert!(report.per_s > 0.0 && report.round_trip_ns.p50 > 0 && report.cache_line_ns > 0.0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

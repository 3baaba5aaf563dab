//! Latency as it is reported: percentiles of an HDR histogram in microseconds, never a mean.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told from longer ones: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Microseconds {
    /// Half are faster.
    pub p50: f64,
    /// One in a hundred is slower.
    pub p99: f64,
    /// One in a thousand is slower.
    pub p99_9: f64,
    /// One in ten thousand is slower.
    pub p99_99: f64,
    /// The slowest.
    pub max: f64,
}

/// Latencies recorded so far.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies(Histogram::new_with_max(LATENCY_MAX_NS, 3).expect("three digits up to a minute"))
    }
}

impl Latencies {
    /// Takes one in.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// How many were taken in.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// In nanoseconds, at this quantile.
    #[must_use]
    pub fn at_ns(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The usual percentiles.
    #[must_use]
    pub fn microseconds(&self) -> Microseconds {
        let at = |quantile| us(self.0.value_at_quantile(quantile));
        Microseconds {
            p50: at(0.5),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: us(self.0.max()),
        }
    }
}

/// Microseconds with one digit behind the point.
fn us(ns: u64) -> f64 {
    f64::from(u32::try_from(ns / 100).unwrap_or(u32::MAX)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_told_in_microseconds() {
        let mut latencies = Latencies::default();
        (1..=10_000).for_each(|us| latencies.record(us * 1_000));
        let Microseconds { p50, p99, p99_9, p99_99, max } = latencies.microseconds();
        let near = |figure: f64, wanted: f64| (figure - wanted).abs() <= wanted / 500.0;
        assert!(near(p50, 5_000.0) && near(p99, 9_900.0) && near(p99_9, 9_990.0));
        assert!(near(p99_99, 9_999.0) && near(max, 10_000.0));
        assert_eq!(latencies.count(), 10_000);
    }
}

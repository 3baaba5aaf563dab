//! The trading floor: one thread on which all simulated traders act when they are due and hear what is said to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use rialto_bench::flow::Random;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::desk::Desk;
use super::figures::Figures;
use super::market::{INSTRUMENTS, MAKERS_PER_INSTRUMENT, NOISE_TRADERS, trader_names};
use super::trader::Trader;
use super::trader::maker::Maker;
use super::trader::momentum::Momentum;
use super::trader::noise::Noise;

/// Longest sleep, so that a stop is seen.
const SLEEP_MAX_MS: u64 = 50;

/// All traders, logged on.
#[derive(Debug)]
pub struct Floor {
    desks: Vec<Desk>,
    figures: Arc<Mutex<Figures>>,
}

impl Floor {
    /// Logs all traders on at the primary among `nodes`. `prefix` starts their `ClOrdID`s.
    pub fn open(
        nodes: &[String],
        (seed, prefix): (u64, &str),
        figures: &Arc<Mutex<Figures>>,
    ) -> anyhow::Result<Self> {
        let open = |(number, name): (usize, String)| Desk::open(nodes, &name, trader(number, seed), prefix);
        let desks = trader_names().into_iter().enumerate().map(open).collect::<anyhow::Result<_>>()?;
        Ok(Self { desks, figures: Arc::clone(figures) })
    }

    /// Trades until `stop` is set.
    pub fn run(mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let start = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let now_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            let mut next_ms = now_ms + SLEEP_MAX_MS;
            for desk in &mut self.desks {
                desk.tend()?;
                if desk.next_ms() <= now_ms {
                    desk.act(now_ms);
                }
                if !desk.is_busy() {
                    next_ms = next_ms.min(desk.next_ms());
                }
            }
            self.listen(next_ms.saturating_sub(now_ms))?;
        }
        self.desks.into_iter().for_each(Desk::close);
        Ok(())
    }

    /// Waits until something is said, or for `for_ms`, and hears all of it.
    fn listen(&mut self, for_ms: u64) -> anyhow::Result<()> {
        let mut waited: Vec<PollFd<'_>> = Vec::with_capacity(self.desks.len());
        let mut places = Vec::with_capacity(self.desks.len());
        for (place, desk) in self.desks.iter().enumerate() {
            if let Some(fd) = desk.fd() {
                waited.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                places.push(place);
            }
        }
        let nanoseconds = i64::try_from(for_ms.min(SLEEP_MAX_MS) * 1_000_000).expect("at most 50 ms");
        match poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: nanoseconds })) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let spoken = waited.iter().map(|fd| !fd.revents().is_empty());
        let spoken: Vec<usize> =
            places.into_iter().zip(spoken).filter_map(|(at, spoken)| spoken.then_some(at)).collect();
        for place in spoken {
            self.desks[place].hear(&mut self.figures.lock())?;
        }
        Ok(())
    }
}

/// The trader with this number, as [`trader_names`] counts them. Each draws from a source of its own; the makers of one
/// instrument share the seed of its fair price.
fn trader(number: usize, seed: u64) -> Box<dyn Trader> {
    let of = |number: usize| seed.wrapping_mul(1_000).wrapping_add(number as u64);
    let random = Random::new(of(100 + number));
    let makers = INSTRUMENTS.len() * MAKERS_PER_INSTRUMENT;
    if number < makers {
        let instrument = number % INSTRUMENTS.len();
        Box::new(Maker::new(instrument, of(instrument), random))
    } else if number < makers + NOISE_TRADERS {
        Box::new(Noise::new(random))
    } else {
        Box::new(Momentum::new(random))
    }
}

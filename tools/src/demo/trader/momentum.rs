//! A momentum trader: buys what has been rising and sells what has been falling. It feels for the price by trading a
//! single share now and then, and compares a quick average of those prices with a slow one.

use rialto_bench::flow::Random;
use rialto_protocol::Side;

use super::super::market::{Cents, INSTRUMENTS};
use super::{AskId, Heard, Pad, Terms, Trader, What};

/// Between two acts, and how much of that is random.
const PAUSE_MS: u64 = 80;
const JITTER_MS: u64 = 40;
/// A price goes into an average by one part in so many.
const QUICK: i64 = 4;
const SLOW: i64 = 24;
/// Averages are kept in parts of a cent, so that they can move by less.
const PARTS: i64 = 256;
/// Parts of a cent between the averages that make it follow.
const TREND: i64 = PARTS * 3 / 2;
/// Shares with which it follows.
const SHARES: i64 = 200;
/// Part of the price that it goes beyond the last one.
const REACH_PARTS: i64 = 25;

#[derive(Debug, Clone, Copy)]
struct Averages {
    last: Cents,
    quick: i64,
    slow: i64,
}

impl Averages {
    fn saw(&mut self, price: Cents) {
        self.last = price;
        self.quick += (price * PARTS - self.quick) / QUICK;
        self.slow += (price * PARTS - self.slow) / SLOW;
    }

    fn trend(&self) -> Option<Side> {
        match self.quick - self.slow {
            rising if rising > TREND => Some(Side::Buy),
            falling if falling < -TREND => Some(Side::Sell),
            _ => None,
        }
    }
}

/// A trader who follows trends.
#[derive(Debug)]
pub struct Momentum {
    random: Random,
    next_ms: u64,
    /// The instrument it looks at next.
    looks_at: usize,
    averages: [Averages; INSTRUMENTS.len()],
    /// Orders without an end yet, and what they are in.
    orders: Vec<(AskId, usize)>,
}

impl Momentum {
    /// A trader that draws from `random`.
    pub fn new(mut random: Random) -> Self {
        let next_ms = 300 + random.below(PAUSE_MS);
        let averages = INSTRUMENTS.map(|instrument| {
            let price = instrument.start * PARTS;
            Averages { last: instrument.start, quick: price, slow: price }
        });
        Self { random, next_ms, looks_at: 0, averages, orders: Vec::new() }
    }
}

impl Trader for Momentum {
    fn next_ms(&self) -> u64 {
        self.next_ms
    }

    fn act(&mut self, now_ms: u64, pad: &mut Pad) {
        self.next_ms = now_ms + PAUSE_MS + self.random.below(JITTER_MS);
        let instrument = self.looks_at;
        self.looks_at = (instrument + 1) % INSTRUMENTS.len();
        let averages = self.averages[instrument];
        let feeler = if self.random.percent(50) { Side::Buy } else { Side::Sell };
        let (side, quantity) = averages.trend().map_or((feeler, 1), |side| (side, SHARES));
        let reach = averages.last / REACH_PARTS;
        let price = if side == Side::Buy { averages.last + reach } else { averages.last - reach };
        let terms = Terms { instrument, side, quantity, price: price.max(1) };
        self.orders.push((pad.enter(terms, true), instrument));
    }

    fn hear(&mut self, heard: &Heard) {
        let Some(at) = self.orders.iter().position(|(id, _)| *id == heard.id) else { return };
        if let What::Traded { price, .. } = heard.what {
            self.averages[self.orders[at].1].saw(price);
        }
        if heard.open == 0 {
            self.orders.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_momentum_trader_follows_a_trend_and_only_that() {
        let mut averages = Averages { last: 1000, quick: 1000 * PARTS, slow: 1000 * PARTS };
        averages.saw(1001);
        averages.saw(1000);
        assert_eq!(averages.trend(), None);
        for price in 1001..1010 {
            averages.saw(price);
        }
        assert_eq!(averages.trend(), Some(Side::Buy));
        for price in (980..1009).rev() {
            averages.saw(price);
        }
        assert_eq!(averages.trend(), Some(Side::Sell));
    }
}

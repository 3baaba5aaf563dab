//! A noise trader: buys and sells at random, for reasons of its own. What a share costs it knows from its last trade.

use rialto_bench::flow::Random;
use rialto_protocol::Side;

use super::super::market::{Cents, INSTRUMENTS};
use super::{AskId, Heard, Pad, Terms, Trader, What};

/// Mean pause between two acts.
const PAUSE_MS: u64 = 60;
/// Most pauses in a row, so that a draw cannot put a trader to sleep.
const PAUSE_MAX_MS: i64 = 400;
/// Of 100 acts, those that take at once; the rest leave an order in the book.
const TAKES_PERCENT: u64 = 70;
/// Cents that a taking order goes beyond the last price: far enough to trade.
const REACH_PARTS: i64 = 25;
/// Cents behind the last price where resting orders lie.
const REST_CENTS: u32 = 12;
const REST_BEHIND: Cents = 3;
/// Most shares of one order.
const SHARES_MAX: u32 = 150;
/// Orders that it leaves in the books.
const RESTING_MAX: usize = 12;

/// A trader without a plan.
#[derive(Debug)]
pub struct Noise {
    random: Random,
    next_ms: u64,
    /// Last price heard of each instrument.
    last: [Cents; INSTRUMENTS.len()],
    /// Orders that wait for an answer or rest, oldest first.
    orders: Vec<(AskId, Terms)>,
}

impl Noise {
    /// A trader that draws from `random`.
    pub fn new(mut random: Random) -> Self {
        let next_ms = 300 + random.below(PAUSE_MS);
        let last = INSTRUMENTS.map(|instrument| instrument.start);
        Self { random, next_ms, last, orders: Vec::new() }
    }
}

impl Trader for Noise {
    fn next_ms(&self) -> u64 {
        self.next_ms
    }

    fn act(&mut self, now_ms: u64, pad: &mut Pad) {
        let pause = self.random.geometric(PAUSE_MS, PAUSE_MAX_MS).max(1);
        self.next_ms = now_ms + pause.cast_unsigned();
        let instrument = self.random.index(INSTRUMENTS.len());
        let side = if self.random.percent(50) { Side::Buy } else { Side::Sell };
        let immediate = self.random.percent(TAKES_PERCENT);
        let last = self.last[instrument];
        let towards =
            if immediate { last / REACH_PARTS } else { -(REST_BEHIND + self.random.ticks_below(REST_CENTS)) };
        let price = if side == Side::Buy { last + towards } else { last - towards };
        let quantity = 1 + self.random.ticks_below(SHARES_MAX);
        let terms = Terms { instrument, side, quantity, price: price.max(1) };
        self.orders.push((pad.enter(terms, immediate), terms));
        if self.orders.len() > RESTING_MAX {
            let (old, terms) = self.orders.remove(0);
            pad.cancel(old, terms);
        }
    }

    fn hear(&mut self, heard: &Heard) {
        let Some(at) = self.orders.iter().position(|(id, _)| *id == heard.id) else { return };
        if let What::Traded { price, .. } = heard.what {
            self.last[self.orders[at].1.instrument] = price;
        }
        if heard.open == 0 {
            self.orders.remove(at);
        }
    }
}

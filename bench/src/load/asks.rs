//! What a load asks: orders around a fixed price, most of which rest and are cancelled later, some of which trade.

use std::collections::VecDeque;
use std::io::Write;

use rialto_protocol::Decimal;

use crate::flow::Random;

/// Orders that each connection leaves in the books, about.
const RESTING_MAX: usize = 100;
/// Of 100 new orders, those that cross.
const CROSSING_PERCENT: u64 = 15;
/// Ticks from the middle to the worst resting order, and how far a crossing one reaches.
const TICKS: u32 = 20;
/// The middle, in ticks.
const MIDDLE: i64 = 1_000;
/// Lots of an order at most.
const LOTS_MAX: u32 = 100;

/// An instrument as orders name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traded {
    /// Its symbol.
    pub symbol: String,
    /// Smallest step of a price.
    pub tick: Decimal,
    /// Smallest quantity.
    pub lot: Decimal,
}

/// Writes one connection's asks.
#[derive(Debug)]
pub(super) struct Asks {
    random: Random,
    instruments: Vec<Traded>,
    prefix: String,
    last: u64,
    /// Numbers of orders in the books, oldest first, and what a cancel of them has to say.
    resting: VecDeque<(u64, Placed)>,
}

/// Where an order was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    instrument: usize,
    side: u8,
    lots: i64,
}

impl Asks {
    pub(super) fn new(random: Random, instruments: &[Traded], prefix: String) -> Asks {
        Asks { random, instruments: instruments.to_vec(), prefix, last: 0, resting: VecDeque::new() }
    }

    /// Appends the next ask's line without its end, and says its number, and what it placed if it was an order.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> (u64, Option<Placed>) {
        self.last += 1;
        let id = self.last;
        if self.resting.len() > RESTING_MAX
            && let Some((old, Placed { instrument, side, lots })) = self.resting.pop_front()
        {
            let (prefix, Traded { symbol, lot, .. }) = (&self.prefix, &self.instruments[instrument]);
            let quantity = times(lot, lots);
            let words =
                format_args!("35=F|11={prefix}{id}|41={prefix}{old}|55={symbol}|54={side}|38={quantity}");
            out.write_fmt(words).expect("memory takes all that is written");
            return (id, None);
        }
        let placed = self.order(id, out);
        (id, Some(placed))
    }

    fn order(&mut self, id: u64, out: &mut Vec<u8>) -> Placed {
        let instrument = self.random.index(self.instruments.len());
        let side = if self.random.percent(50) { 1 } else { 2 };
        let away = 1 + self.random.ticks_below(TICKS);
        let better = if self.random.percent(CROSSING_PERCENT) { away } else { -away };
        let ticks = if side == 1 { MIDDLE + better } else { MIDDLE - better };
        let lots = 1 + self.random.ticks_below(LOTS_MAX);
        let Traded { symbol, tick, lot } = &self.instruments[instrument];
        let prefix = &self.prefix;
        let (price, quantity) = (times(tick, ticks), times(lot, lots));
        let words = format_args!("35=D|11={prefix}{id}|55={symbol}|54={side}|38={quantity}|40=2|44={price}");
        out.write_fmt(words).expect("memory takes all that is written");
        Placed { instrument, side, lots }
    }

    /// The order with this number rests.
    pub(super) fn rests(&mut self, id: u64, placed: Placed) {
        self.resting.push_back((id, placed));
    }

    /// The order with this number is no more.
    pub(super) fn ended(&mut self, id: u64) {
        if let Ok(at) = self.resting.binary_search_by_key(&id, |(id, _)| *id) {
            self.resting.remove(at);
        }
    }

    pub(super) fn resting(&self) -> usize {
        self.resting.len()
    }

    /// The number in a `ClOrdID` of ours.
    pub(super) fn number(&self, cl_ord_id: &[u8]) -> Option<u64> {
        let digits = cl_ord_id.strip_prefix(self.prefix.as_bytes())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

fn times(unit: &Decimal, count: i64) -> Decimal {
    unit.times(i128::from(count)).unwrap_or(*unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_are_the_same_for_a_seed_and_cancel_what_rests_too_long() {
        let acme =
            Traded { symbol: "ACME".into(), tick: "0.01".parse().unwrap(), lot: "10".parse().unwrap() };
        let text = |seed| {
            let mut asks = Asks::new(Random::new(seed), std::slice::from_ref(&acme), "x.".into());
            let mut out = Vec::new();
            for _ in 0..150 {
                if let (id, Some(placed)) = asks.next(&mut out) {
                    asks.rests(id, placed);
                }
                out.push(b'\n');
            }
            assert!(asks.resting() <= RESTING_MAX + 1);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
        let first = text(1);
        assert!(
            first.lines().take(101).all(|line| line.starts_with("35=D|11=x.") && line.contains("|40=2|44="))
        );
        assert!(first.lines().any(|line| line.starts_with("35=F|11=x.102|41=x.1|55=ACME|54=")), "{first}");
    }
}

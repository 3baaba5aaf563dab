//! What an instrument is worth, as market makers believe: a seeded walk in whole cents, a step at a time.
//!
//! It drifts back to where it started, so that a demo may run for days, and has spells in which it leans one way, so
//! that there is a trend to follow. Equal seeds walk alike: the makers of one instrument agree without talking.

use rialto_bench::flow::Random;

use super::market::Cents;

/// Between two steps.
pub const STEP_MS: u64 = 200;
/// Steps between two changes of the lean.
const SPELL_STEPS: u64 = 25;
/// The walk is pulled back in proportion to how far it has strayed; at this part of the start price it turns for sure.
const RANGE_PARTS: i64 = 5;

/// An instrument's fair price.
#[derive(Debug, Clone)]
pub struct Fair {
    random: Random,
    start: Cents,
    price: Cents,
    lean: i64,
    step: u64,
}

impl Fair {
    /// A walk from `start`.
    pub fn new(seed: u64, start: Cents) -> Self {
        Self { random: Random::new(seed), start, price: start, lean: 0, step: 0 }
    }

    /// The price at `now_ms` since the walk began. Time must not go back.
    pub fn at(&mut self, now_ms: u64) -> Cents {
        while self.step < now_ms / STEP_MS {
            self.walk();
        }
        self.price
    }

    /// One cent up, down or nowhere.
    fn walk(&mut self) {
        if self.step.is_multiple_of(SPELL_STEPS) {
            self.lean = self.random.ticks_below(41) - 20;
        }
        self.step += 1;
        let range = (self.start / RANGE_PARTS).max(1);
        let pull = (self.start - self.price) * 50 / range;
        let up = (50 + self.lean + pull).clamp(0, 100);
        match self.random.ticks_below(150) {
            drawn if drawn < up => self.price += 1,
            drawn if drawn < 100 => self.price -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_walk_alike_however_often_they_are_asked() {
        let (mut often, mut seldom) = (Fair::new(7, 1025), Fair::new(7, 1025));
        for now_ms in (0..60_000).step_by(17) {
            often.at(now_ms);
        }
        assert_eq!(often.at(60_000), seldom.at(60_000));
        let others =
            (0..20).map(|seed| Fair::new(seed, 1025).at(600_000)).collect::<std::collections::BTreeSet<_>>();
        assert!(others.len() > 5, "{others:?}");
    }

    #[test]
    fn fair_price_moves_a_cent_a_step_and_stays_in_its_range_for_a_day() {
        let mut fair = Fair::new(1, 560);
        let mut last = 560;
        for step in 0..86_400_000 / STEP_MS {
            let price = fair.at(step * STEP_MS);
            assert!(
                (price - last).abs() <= 1 && (448..=672).contains(&price),
                "step {step}: {last} then {price}"
            );
            last = price;
        }
    }
}

//! A market maker: keeps orders on both sides of one instrument around its fair price, and moves them as the price
//! moves. What it has bought makes it quote lower, what it has sold higher, so that its holding comes back.

use rialto_bench::flow::Random;
use rialto_protocol::Side;

use super::super::fair::Fair;
use super::super::market::{Cents, INSTRUMENTS};
use super::{AskId, Heard, Pad, Terms, Trader, What};

/// Prices that it quotes on each side.
const LEVELS: usize = 5;
/// Cents from the fair price to its best quote.
const HALF_SPREAD: Cents = 2;
/// Between two looks at its quotes, and how much of that is random.
const PAUSE_MS: u64 = 80;
const JITTER_MS: u64 = 40;
/// Shares that move its quotes by a cent.
const SHARES_PER_CENT: i64 = 2_000;
/// Cents that its holding moves its quotes by at most.
const SKEW_MAX: Cents = 3;
/// Shares of the best quote; each one behind it has as many more.
const QUOTE_SHARES: i64 = 400;

/// One order of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    /// There is none.
    None,
    /// It waits for the first answer.
    Entered { id: AskId, price: Cents },
    /// It rests.
    Live { id: AskId, price: Cents, open: i64, traded: i64 },
    /// It rests, and a replace waits for its answer.
    Moving { old: AskId, was: Cents, open: i64, traded: i64, new: AskId, price: Cents },
}

/// A market maker of one instrument.
#[derive(Debug)]
pub struct Maker {
    instrument: usize,
    fair: Fair,
    random: Random,
    next_ms: u64,
    holding: i64,
    buys: [Quote; LEVELS],
    sells: [Quote; LEVELS],
}

impl Maker {
    /// A maker of `instrument`, whose fair price walks by `seed`.
    pub fn new(instrument: usize, seed: u64, mut random: Random) -> Self {
        let fair = Fair::new(seed, INSTRUMENTS[instrument].start);
        let next_ms = random.below(JITTER_MS);
        let none = [Quote::None; LEVELS];
        Self { instrument, fair, random, next_ms, holding: 0, buys: none, sells: none }
    }

    /// Looks at the quotes of a side.
    fn quote(&mut self, side: Side, middle: Cents, pad: &mut Pad) {
        for level in 0..LEVELS {
            let depth = i64::try_from(level).expect("few levels");
            let away = HALF_SPREAD + depth;
            let price = match side {
                Side::Buy => (middle - away).max(1),
                Side::Sell => middle + away,
            };
            let quantity = QUOTE_SHARES * (depth + 1) + self.random.ticks_below(100);
            let terms = Terms { instrument: self.instrument, side, quantity, price };
            let quote = &mut self.side(side)[level];
            *quote = place(*quote, terms, pad);
        }
    }

    fn side(&mut self, side: Side) -> &mut [Quote; LEVELS] {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }
}

/// Brings one quote to where it should be: enters it, moves it, or leaves it.
fn place(quote: Quote, terms: Terms, pad: &mut Pad) -> Quote {
    match quote {
        Quote::None => Quote::Entered { id: pad.enter(terms, false), price: terms.price },
        Quote::Live { id, price, open, traded } if price != terms.price || open < terms.quantity / 2 => {
            let total = Terms { quantity: traded + terms.quantity, ..terms };
            let new = pad.replace(id, total);
            Quote::Moving { old: id, was: price, open, traded, new, price: terms.price }
        }
        Quote::Live { .. } | Quote::Entered { .. } | Quote::Moving { .. } => quote,
    }
}

/// What becomes of a quote by what was heard; `None` if it was about another.
fn heard_of(quote: Quote, heard: &Heard) -> Option<Quote> {
    let Heard { id: about, what, open, traded } = *heard;
    let rests = |id, price| if open > 0 { Quote::Live { id, price, open, traded } } else { Quote::None };
    match quote {
        Quote::Entered { id, price } | Quote::Live { id, price, .. } if id == about => Some(match what {
            What::Accepted | What::Traded { .. } | What::Replaced => rests(id, price),
            What::Ended => Quote::None,
            What::Refused { .. } => quote,
        }),
        Quote::Moving { new, price, .. } if new == about && what == What::Replaced => Some(rests(new, price)),
        Quote::Moving { old, was, open, traded, new, .. } if new == about => Some(match what {
            What::Refused { gone: false } => Quote::Live { id: old, price: was, open, traded },
            What::Refused { gone: true } | What::Ended => Quote::None,
            What::Accepted | What::Traded { .. } | What::Replaced => quote,
        }),
        Quote::Moving { old, was, new, price, .. } if old == about => Some(match what {
            What::Ended => Quote::None,
            What::Traded { .. } if open == 0 => Quote::None,
            What::Accepted | What::Traded { .. } | What::Replaced | What::Refused { .. } => {
                Quote::Moving { old, was, open, traded, new, price }
            }
        }),
        Quote::None | Quote::Entered { .. } | Quote::Live { .. } | Quote::Moving { .. } => None,
    }
}

impl Trader for Maker {
    fn next_ms(&self) -> u64 {
        self.next_ms
    }

    fn act(&mut self, now_ms: u64, pad: &mut Pad) {
        self.next_ms = now_ms + PAUSE_MS + self.random.below(JITTER_MS);
        let skew = (self.holding / SHARES_PER_CENT).clamp(-SKEW_MAX, SKEW_MAX);
        let middle = self.fair.at(now_ms) - skew;
        // The side that the price moves away from goes first, so that the maker does not meet itself.
        let best = match self.buys[0] {
            Quote::Live { price, .. } | Quote::Entered { price, .. } | Quote::Moving { was: price, .. } => {
                price
            }
            Quote::None => 0,
        };
        let rising = middle - HALF_SPREAD > best;
        let order = if rising { [Side::Sell, Side::Buy] } else { [Side::Buy, Side::Sell] };
        for side in order {
            self.quote(side, middle, pad);
        }
    }

    fn hear(&mut self, heard: &Heard) {
        for side in [Side::Buy, Side::Sell] {
            for quote in self.side(side) {
                if let Some(now) = heard_of(*quote, heard) {
                    *quote = now;
                    if let What::Traded { quantity, .. } = heard.what {
                        self.holding += if side == Side::Buy { quantity } else { -quantity };
                    }
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ask;
    use super::*;

    fn maker() -> (Maker, Vec<Ask>) {
        let mut maker = Maker::new(0, 1, Random::new(2));
        let mut pad = Pad::default();
        maker.act(0, &mut pad);
        (maker, pad.take())
    }

    #[test]
    fn a_maker_quotes_both_sides_and_never_meets_itself() {
        let (_, asks) = maker();
        let prices = |wanted: Side| -> Vec<Cents> {
            let of = |ask: &Ask| match ask {
                Ask::New { terms, .. } if terms.side == wanted => Some(terms.price),
                Ask::New { .. } | Ask::Replace { .. } | Ask::Cancel { .. } => None,
            };
            asks.iter().filter_map(of).collect()
        };
        assert_eq!(prices(Side::Buy), [1023, 1022, 1021, 1020, 1019]);
        assert_eq!(prices(Side::Sell), [1027, 1028, 1029, 1030, 1031]);
    }

    #[test]
    fn a_quote_that_was_taken_is_entered_again() {
        let (mut maker, asks) = maker();
        for ask in &asks {
            let Ask::New { id, terms, .. } = *ask else { panic!("{ask:?}") };
            maker.hear(&Heard { id, what: What::Accepted, open: terms.quantity, traded: 0 });
        }
        let Ask::New { id, terms, .. } = asks[0] else { panic!("{asks:?}") };
        let what = What::Traded { quantity: terms.quantity, price: terms.price };
        maker.hear(&Heard { id, what, open: 0, traded: terms.quantity });
        let mut pad = Pad::default();
        maker.act(100, &mut pad);
        let again = pad.take();
        assert!(
            matches!(again[..], [Ask::New { terms: new, .. }] if (new.side, new.price) == (terms.side, terms.price)),
            "{again:?}"
        );
    }

    #[test]
    fn a_refused_move_leaves_the_quote_where_it_was() {
        let moving = Quote::Moving { old: 1, was: 10, open: 5, traded: 2, new: 2, price: 11 };
        let refused = |gone| Heard { id: 2, what: What::Refused { gone }, open: 0, traded: 0 };
        assert_eq!(
            heard_of(moving, &refused(false)),
            Some(Quote::Live { id: 1, price: 10, open: 5, traded: 2 })
        );
        assert_eq!(heard_of(moving, &refused(true)), Some(Quote::None));
        assert_eq!(heard_of(moving, &Heard { id: 9, ..refused(true) }), None);
    }
}

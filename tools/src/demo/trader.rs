//! A simulated trader: what it asks, given the time and what it has heard. No clock, socket or thread is here, and all
//! arithmetic is in integers, so that a seed and the same answers give the same asks.

pub mod maker;
pub mod momentum;
pub mod noise;

use std::fmt;

use rialto_protocol::Side;

use super::market::Cents;

/// The number that a trader gave an ask; it becomes a `ClOrdID`.
pub type AskId = u64;

/// What a trader wants of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Enter an order.
    New {
        /// Its number.
        id: AskId,
        /// What for.
        terms: Terms,
        /// Whether what does not trade at once is given up.
        immediate: bool,
    },
    /// Give an order a new price and a new total quantity.
    Replace {
        /// Number of this ask, and from then on of the order.
        id: AskId,
        /// The order's number so far.
        old: AskId,
        /// The new terms.
        terms: Terms,
    },
    /// Give an order up.
    Cancel {
        /// Number of this ask.
        id: AskId,
        /// The order's number.
        old: AskId,
        /// What the order was for.
        terms: Terms,
    },
}

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Which of the demo's instruments.
    pub instrument: usize,
    /// Which side.
    pub side: Side,
    /// Shares.
    pub quantity: i64,
    /// Limit.
    pub price: Cents,
}

/// What the exchange said about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The order's number, or that of the ask which was refused.
    pub id: AskId,
    /// What it said.
    pub what: What,
    /// Shares still open.
    pub open: i64,
    /// Shares traded so far.
    pub traded: i64,
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was taken in.
    Accepted,
    /// Some of it traded.
    Traded {
        /// Shares.
        quantity: i64,
        /// At what price.
        price: Cents,
    },
    /// It has new terms.
    Replaced,
    /// It is no more: cancelled, expired or refused.
    Ended,
    /// A cancel or a replace was refused.
    Refused {
        /// The order is not there any more.
        gone: bool,
    },
}

/// Where a trader writes what it asks, and gets its numbers.
#[derive(Debug, Default)]
pub struct Pad {
    last: AskId,
    asks: Vec<Ask>,
}

impl Pad {
    /// Asks for a new order.
    pub fn enter(&mut self, terms: Terms, immediate: bool) -> AskId {
        let id = self.number();
        self.asks.push(Ask::New { id, terms, immediate });
        id
    }

    /// Asks for new terms.
    pub fn replace(&mut self, old: AskId, terms: Terms) -> AskId {
        let id = self.number();
        self.asks.push(Ask::Replace { id, old, terms });
        id
    }

    /// Asks for an order's end.
    pub fn cancel(&mut self, old: AskId, terms: Terms) -> AskId {
        let id = self.number();
        self.asks.push(Ask::Cancel { id, old, terms });
        id
    }

    /// What was asked since the last call.
    pub fn take(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asks)
    }

    fn number(&mut self) -> AskId {
        self.last += 1;
        self.last
    }
}

/// Somebody who trades.
pub trait Trader: fmt::Debug + Send {
    /// When it wants to act next, in milliseconds since the demo began.
    fn next_ms(&self) -> u64;

    /// Acts.
    fn act(&mut self, now_ms: u64, pad: &mut Pad);

    /// Hears about one of its orders.
    fn hear(&mut self, heard: &Heard);
}

#[cfg(test)]
mod tests {
    use rialto_bench::flow::Random;

    use super::maker::Maker;
    use super::momentum::Momentum;
    use super::noise::Noise;
    use super::*;

    /// Everything that a trader asks in a minute, of an exchange that takes all orders in and trades every third at
    /// once.
    fn minute_of(trader: &mut dyn Trader) -> Vec<Ask> {
        let (mut pad, mut all) = (Pad::default(), Vec::new());
        while trader.next_ms() < 60_000 {
            trader.act(trader.next_ms(), &mut pad);
            for ask in pad.take() {
                all.push(ask);
                let heard = match ask {
                    Ask::New { id, terms, .. } if id % 3 == 0 => {
                        let what = What::Traded { quantity: terms.quantity, price: terms.price };
                        Heard { id, what, open: 0, traded: terms.quantity }
                    }
                    Ask::New { id, terms, immediate: false } => {
                        Heard { id, what: What::Accepted, open: terms.quantity, traded: 0 }
                    }
                    Ask::New { id, .. } => Heard { id, what: What::Ended, open: 0, traded: 0 },
                    Ask::Replace { id, terms, .. } => {
                        Heard { id, what: What::Replaced, open: terms.quantity, traded: 0 }
                    }
                    Ask::Cancel { old, .. } => Heard { id: old, what: What::Ended, open: 0, traded: 0 },
                };
                trader.hear(&heard);
            }
        }
        all
    }

    type Made = Box<dyn Trader>;

    fn kinds(seed: u64) -> [Made; 3] {
        let random = || Random::new(seed);
        [
            Box::new(Maker::new(0, seed, random())),
            Box::new(Noise::new(random())),
            Box::new(Momentum::new(random())),
        ]
    }

    #[test]
    fn a_seed_and_the_same_answers_give_the_same_asks() {
        for ((mut first, mut again), mut other) in kinds(7).into_iter().zip(kinds(7)).zip(kinds(8)) {
            let asks = minute_of(&mut *first);
            assert!(asks.len() > 100, "{} asks in a minute", asks.len());
            assert_eq!(asks, minute_of(&mut *again));
            assert_ne!(asks, minute_of(&mut *other));
        }
    }

    #[test]
    fn all_asks_have_a_price_and_a_quantity() {
        for seed in 0..20 {
            for mut trader in kinds(seed) {
                for ask in minute_of(&mut *trader) {
                    let (Ask::New { terms, .. } | Ask::Replace { terms, .. } | Ask::Cancel { terms, .. }) =
                        ask;
                    assert!(terms.price > 0 && terms.quantity > 0, "seed {seed}: {ask:?}");
                }
            }
        }
    }
}

//! Replaying a public data set: its operations become order requests, and what a venue makes of them is compared
//! with what the real exchange stated.
//!
//! The venue is whatever takes orders: an exchange in this process, a node behind TCP, or the tests' twin. It knows
//! orders by ClOrdID only. A twin runs beside it, but decides nothing about equality: it tells how much of an order
//! is open before a reduction, and it runs a call auction, whose remainder is then sent as resting orders.
use std::time::Instant;

use rialto_protocol::Side;
use serde::Serialize;

use crate::dataset::{Action, Dataset, Op, Resting};
use crate::failure::{Code, failure};
use crate::twin::{LevelTotal, Twin};

pub mod command;
mod compare;
mod market;
mod requests;

pub use compare::{Difference, Skipped};
pub use market::Market;
pub use requests::{Force, Request, Terms};

use compare::Comparison;
use requests::Requests;

/// Operations between two looks at what was answered, so that answers do not pile up.
const OPS_PER_LOOK: usize = 4_096;

/// What takes orders and can be asked what came of them.
pub trait Venue {
    /// Sends one request; may return before it is answered. A refusal is an answer, not an error.
    fn send(&mut self, request: &Request) -> anyhow::Result<()>;

    /// Waits until all that was sent is answered; then all answers since the last call, in order.
    fn answers(&mut self) -> anyhow::Result<Vec<Answer>>;

    /// The first `depth` levels of a side, the best first.
    fn levels(&mut self, side: Side, depth: usize) -> anyhow::Result<Vec<LevelTotal>>;

    /// All resting orders: bids, then offers, each side from the best, in queue order; `id` is the ClOrdID.
    fn queue(&mut self) -> anyhow::Result<Vec<Resting>>;

    /// A hash of the whole state, in hexadecimal, where the venue has one.
    fn state_hash(&mut self) -> anyhow::Result<Option<String>>;
}

/// What a venue told about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Two orders traded.
    Traded {
        /// ClOrdID of the order that bought.
        buy: String,
        /// ClOrdID of the order that sold.
        sell: String,
        /// Ticks.
        price: i64,
        /// Lots.
        quantity: i64,
        /// The side that came and took.
        taker: Side,
    },
    /// A request was refused.
    Refused {
        /// ClOrdID of the request.
        cl_ord_id: String,
        /// Why, in the venue's words.
        why: String,
    },
}

/// The outcome, as `rialto replay --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The set's name.
    pub set: String,
    /// Its operations.
    pub ops: usize,
    /// Trades that the set states, without those of a skipped part.
    pub trades_stated: usize,
    /// Trades that the venue made.
    pub trades_made: usize,
    /// Trades of operations whose trades are all equal.
    pub trades_equal: usize,
    /// Books that the set states.
    pub books_stated: usize,
    /// Those that the venue's book equalled.
    pub books_equal: usize,
    /// Whether the whole book at the end is equal in queue order; `None` where the set states none.
    pub closing_equal: Option<bool>,
    /// Parts that were not sent as they stand.
    pub skipped: Vec<Skipped>,
    /// The first operation after which the venue differed.
    pub first_difference: Option<Difference>,
    /// The venue's state hash at the end.
    pub state_hash: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// Whether everything stated was made, and nothing else.
    pub fn all_equal(&self) -> bool {
        self.first_difference.is_none()
            && self.trades_stated == self.trades_made
            && self.trades_stated == self.trades_equal
            && self.books_stated == self.books_equal
            && self.closing_equal != Some(false)
    }
}

/// Sends the whole of `set` to `venue` and compares.
pub fn replay(set: &Dataset, venue: &mut dyn Venue) -> anyhow::Result<Report> {
    let started = Instant::now();
    let mut run = Run {
        twin: Twin::new(),
        requests: Requests::default(),
        comparison: Comparison::new(set),
        auction_from: None,
    };
    for (index, op) in set.ops.iter().enumerate() {
        run.step(op, venue)?;
        if set.books.contains_key(&op.n) {
            run.look(venue)?;
            run.comparison.book(op.n, venue)?;
        } else if index % OPS_PER_LOOK == OPS_PER_LOOK - 1 {
            run.look(venue)?;
        }
    }
    if let Some(from) = run.auction_from {
        return Err(failure(Code::CheckFailed, format!("operation {from}: an auction that never ends")));
    }
    run.look(venue)?;
    let closing_equal = run.comparison.closing(venue)?;
    let Comparison { skipped, books_equal, .. } = &run.comparison;
    Ok(Report {
        set: set.name.clone(),
        ops: set.ops.len(),
        trades_stated: run.comparison.trades_stated(),
        trades_made: run.comparison.trades_made(),
        trades_equal: run.comparison.trades_equal(),
        books_stated: set.books.len(),
        books_equal: *books_equal,
        closing_equal,
        skipped: skipped.clone(),
        first_difference: run.comparison.first_difference(),
        state_hash: venue.state_hash()?,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// A replay on its way.
struct Run<'a> {
    twin: Twin,
    requests: Requests,
    comparison: Comparison<'a>,
    auction_from: Option<u64>,
}

impl Run<'_> {
    /// Runs one operation in the twin, and sends it unless it belongs to a call auction.
    fn step(&mut self, op: &Op, venue: &mut dyn Venue) -> anyhow::Result<()> {
        let refusal_due = matches!(&op.action, Action::Post(limit) if self.twin.crosses(limit));
        let trades = self.twin.run(op).map_err(|error| failure(Code::CheckFailed, error.to_string()))?;
        match (&op.action, self.auction_from) {
            (Action::Auction, _) => {
                self.auction_from = Some(op.n);
                self.comparison.auction(op.n, &trades);
            }
            (Action::Uncross { .. }, from) => {
                self.comparison.auction(op.n, &trades);
                self.comparison.skip(from.unwrap_or(op.n), op.n);
                self.auction_from = None;
                for order in self.twin.queue() {
                    venue.send(&self.requests.resting(op.n, order))?;
                }
            }
            (_, Some(_)) => self.comparison.auction(op.n, &trades),
            (_, None) => {
                if refusal_due {
                    self.comparison.refusal_due(op.n);
                }
                if let Some(request) = self.requests.of(op, &self.twin) {
                    venue.send(&request)?;
                }
            }
        }
        Ok(())
    }

    /// Takes in what the venue answered so far.
    fn look(&mut self, venue: &mut dyn Venue) -> anyhow::Result<()> {
        for answer in venue.answers()? {
            self.comparison.answer(answer, &self.requests);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

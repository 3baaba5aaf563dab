//! What a set states against what a venue made: trades by operation, books, and the closing queue.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use rialto_protocol::Side;
use serde::Serialize;

use super::requests::Requests;
use super::{Answer, Venue};
use crate::dataset::{Dataset, Resting, Trade};

/// Operations that were not sent as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The first one.
    pub from_n: u64,
    /// The last one.
    pub to_n: u64,
    /// Why, and what was done instead.
    pub why: String,
}

/// Where a venue first differed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The operation; 0 where no operation caused it.
    pub n: u64,
    /// `trades`, `book`, `closing` or `refused`.
    pub what: &'static str,
    /// What the set states.
    pub stated: String,
    /// What the venue made.
    pub made: String,
}

/// What was stated and what has been made so far.
pub(super) struct Comparison<'a> {
    set: &'a Dataset,
    made: BTreeMap<u64, Vec<Trade>>,
    refusals_due: BTreeSet<u64>,
    differences: Vec<Difference>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) books_equal: usize,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(set: &'a Dataset) -> Comparison<'a> {
        Comparison {
            set,
            made: BTreeMap::new(),
            refusals_due: BTreeSet::new(),
            differences: Vec::new(),
            skipped: Vec::new(),
            books_equal: 0,
        }
    }

    /// What the twin made of an operation of an auction; it has to be what is stated.
    pub(super) fn auction(&mut self, n: u64, trades: &[Trade]) {
        let stated = self.set.trades.get(&n).map_or(&[][..], Vec::as_slice);
        if stated != trades {
            self.differ(n, "trades", (&stated, &trades));
        }
    }

    pub(super) fn skip(&mut self, from_n: u64, to_n: u64) {
        let why = "call auction: run in replay's own twin, its remainder sent as resting orders".to_owned();
        self.skipped.push(Skipped { from_n, to_n, why });
    }

    /// The operation has to be refused, since it is post-only and would trade.
    pub(super) fn refusal_due(&mut self, n: u64) {
        self.refusals_due.insert(n);
    }

    pub(super) fn answer(&mut self, answer: Answer, requests: &Requests) {
        match answer {
            Answer::Traded { buy, sell, price, quantity, taker } => {
                let by = match taker {
                    Side::Buy => &buy,
                    Side::Sell => &sell,
                };
                let n = requests.sender(by).unwrap_or(0);
                let id = |cl_ord_id: &str| Requests::id_of(cl_ord_id).to_owned();
                let trade = Trade { buy: id(&buy), sell: id(&sell), price, quantity };
                self.made.entry(n).or_default().push(trade);
            }
            Answer::Refused { cl_ord_id, why } => {
                let n = requests.sender(&cl_ord_id).unwrap_or(0);
                if !self.refusals_due.remove(&n) {
                    self.differ(n, "refused", (&"accepted", &why));
                }
            }
        }
    }

    /// Compares the levels that are stated after operation `n`.
    pub(super) fn book(&mut self, n: u64, venue: &mut dyn Venue) -> anyhow::Result<()> {
        let stated = &self.set.books[&n];
        let mut equal = true;
        for side in [Side::Buy, Side::Sell] {
            let depth = stated.iter().filter(|level| level.side == side).map(|level| level.level).max();
            let found = venue.levels(side, depth.unwrap_or(0))?;
            for level in stated.iter().filter(|level| level.side == side) {
                let place = found.get(level.level - 1);
                let same = place.is_some_and(|found| level.is(found));
                if !same && equal {
                    self.differ(n, "book", (level, &place));
                    equal = false;
                }
            }
        }
        self.books_equal += usize::from(equal);
        Ok(())
    }

    /// Compares the whole book with the closing one, if the set states one.
    pub(super) fn closing(&mut self, venue: &mut dyn Venue) -> anyhow::Result<Option<bool>> {
        let Some(stated) = &self.set.closing else { return Ok(None) };
        let mut made = venue.queue()?;
        for order in &mut made {
            order.id = Requests::id_of(&order.id).to_owned();
        }
        if *stated == made {
            return Ok(Some(true));
        }
        let length = stated.len().max(made.len());
        let at = (0..length).find(|at| stated.get(*at) != made.get(*at)).unwrap_or(0);
        let last = self.set.ops.last().map_or(0, |op| op.n);
        let order = |orders: &[Resting]| orders.get(at).cloned();
        self.differ(last, "closing", (&order(stated), &order(&made)));
        Ok(Some(false))
    }

    pub(super) fn trades_stated(&self) -> usize {
        self.stated().map(|(_, trades)| trades.len()).sum()
    }

    pub(super) fn trades_made(&self) -> usize {
        self.made.values().map(Vec::len).sum()
    }

    pub(super) fn trades_equal(&self) -> usize {
        let equal = |(n, trades): &(&u64, &Vec<Trade>)| self.made.get(n) == Some(trades);
        self.stated().filter(equal).map(|(_, trades)| trades.len()).sum()
    }

    /// The difference at the lowest operation.
    pub(super) fn first_difference(&self) -> Option<Difference> {
        let numbers: BTreeSet<u64> =
            self.stated().map(|(n, _)| *n).chain(self.made.keys().copied()).collect();
        let none = Vec::new();
        let differs = |n: &u64| self.set.trades.get(n) != self.made.get(n);
        let trades = numbers.into_iter().find(differs).map(|n| Difference {
            n,
            what: "trades",
            stated: format!("{:?}", self.set.trades.get(&n).unwrap_or(&none)),
            made: format!("{:?}", self.made.get(&n).unwrap_or(&none)),
        });
        let due = self.refusals_due.first().map(|n| Difference {
            n: *n,
            what: "refused",
            stated: "refused, since it is post-only and would trade".to_owned(),
            made: "accepted".to_owned(),
        });
        let told = self.differences.iter().cloned();
        trades.into_iter().chain(told).chain(due).min_by_key(|difference| difference.n)
    }

    /// What is stated of the operations that were sent.
    fn stated(&self) -> impl Iterator<Item = (&u64, &Vec<Trade>)> {
        let sent = |n: u64| !self.skipped.iter().any(|part| (part.from_n..=part.to_n).contains(&n));
        self.set.trades.iter().filter(move |(n, _)| sent(**n))
    }

    fn differ(&mut self, n: u64, what: &'static str, (stated, made): (&dyn Debug, &dyn Debug)) {
        let (stated, made) = (format!("{stated:?}"), format!("{made:?}"));
        self.differences.push(Difference { n, what, stated, made });
    }
}

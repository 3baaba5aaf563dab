//! A plain price-time book that is obviously right: the reference that data sets are run against.
//!
//! It holds one instrument, knows neither money nor accounts, and looks an order up by walking its level. Prices and
//! quantities are whole ticks and lots. It also runs a call auction, which `rialto replay` leaves to it.
use std::collections::{BTreeMap, HashMap, VecDeque};

use rialto_protocol::Side;

use crate::dataset::{Action, Limit, Op, Resting, Trade};

/// One price level: orders from the oldest to the newest, each with what is open of it.
type Level = VecDeque<(String, i64)>;

/// A level as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelTotal {
    /// Ticks.
    pub price: i64,
    /// Lots of all its orders.
    pub quantity: i64,
    /// How many orders.
    pub orders: u64,
}

/// Why an operation cannot be run; a set with such an operation is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinError {
    /// The operation.
    pub n: u64,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for TwinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operation {}: {}", self.n, self.why)
    }
}

impl std::error::Error for TwinError {}

/// The book and where each resting order stands in it.
#[derive(Debug, Clone, Default)]
pub struct Twin {
    bids: BTreeMap<i64, Level>,
    offers: BTreeMap<i64, Level>,
    places: HashMap<String, (Side, i64)>,
    in_auction: bool,
}

/// What an incoming order may still take.
enum Want {
    Lots(i64),
    Funds(i128),
}

impl Twin {
    /// An empty book in continuous trading.
    pub fn new() -> Twin {
        Twin::default()
    }

    /// Runs one operation and returns its trades in order of execution.
    pub fn run(&mut self, op: &Op) -> Result<Vec<Trade>, TwinError> {
        let failed = |why: String| TwinError { n: op.n, why };
        match &op.action {
            Action::Limit(limit) => return self.limit(limit, true).map_err(failed),
            Action::Immediate(limit) => return self.limit(limit, false).map_err(failed),
            Action::Post(limit) if self.crosses(limit) => {}
            Action::Rest(limit) | Action::Post(limit) => {
                self.rest(limit, limit.quantity).map_err(failed)?;
            }
            Action::Market { id, side, quantity } => {
                return Ok(self.sweep(id, *side, None, &mut Want::Lots(*quantity)));
            }
            Action::Funds { id, side, funds } => {
                return Ok(self.sweep(id, *side, None, &mut Want::Funds(*funds)));
            }
            Action::Cancel { id } => {
                self.take_off(id, i64::MAX).map_err(failed)?;
            }
            Action::Reduce { id, by } => self.reduce(id, *by).map_err(failed)?,
            Action::Auction => self.in_auction = true,
            Action::Uncross { price } => return Ok(self.uncross(*price)),
        }
        Ok(Vec::new())
    }

    /// Whether a call auction is on.
    pub fn in_auction(&self) -> bool {
        self.in_auction
    }

    /// What is open of an order; 0 where it does not rest.
    pub fn open(&self, id: &str) -> i64 {
        let Some((side, price)) = self.places.get(id) else { return 0 };
        let level = self.side(*side).get(price);
        let found = level.and_then(|level| level.iter().find(|(order, _)| order == id));
        found.map_or(0, |(_, open)| *open)
    }

    /// Whether `limit` would trade now.
    pub fn crosses(&self, limit: &Limit) -> bool {
        let best = self.best(limit.side.opposite());
        best.is_some_and(|best| reaches(limit.side, limit.price, best))
    }

    /// The first `depth` levels of a side, the best first.
    pub fn levels(&self, side: Side, depth: usize) -> Vec<LevelTotal> {
        let total = |price: &i64| {
            let level = &self.side(side)[price];
            let orders = u64::try_from(level.len()).unwrap_or(u64::MAX);
            LevelTotal { price: *price, quantity: level.iter().map(|(_, open)| open).sum(), orders }
        };
        self.prices(side).take(depth).map(|price| total(&price)).collect()
    }

    /// All resting orders: bids, then offers, each side from the best, in queue order.
    pub fn queue(&self) -> Vec<Resting> {
        let mut all = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            for price in self.prices(side) {
                let level = self.side(side)[&price].iter();
                all.extend(level.map(|(id, open)| Resting { side, price, id: id.clone(), open: *open }));
            }
        }
        all
    }

    fn side(&self, side: Side) -> &BTreeMap<i64, Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.offers,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<i64, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.offers,
        }
    }

    fn prices(&self, side: Side) -> Box<dyn Iterator<Item = i64> + '_> {
        match side {
            Side::Buy => Box::new(self.bids.keys().rev().copied()),
            Side::Sell => Box::new(self.offers.keys().copied()),
        }
    }

    fn best(&self, side: Side) -> Option<i64> {
        self.prices(side).next()
    }

    fn rest(&mut self, limit: &Limit, open: i64) -> Result<(), String> {
        if self.places.insert(limit.id.clone(), (limit.side, limit.price)).is_some() {
            return Err(format!("order {} rests already", limit.id));
        }
        self.side_mut(limit.side).entry(limit.price).or_default().push_back((limit.id.clone(), open));
        Ok(())
    }

    fn limit(&mut self, limit: &Limit, rests: bool) -> Result<Vec<Trade>, String> {
        let mut want = Want::Lots(limit.quantity);
        let trades = if self.in_auction {
            Vec::new()
        } else {
            self.sweep(&limit.id, limit.side, Some(limit.price), &mut want)
        };
        match want {
            Want::Lots(left) if left > 0 && rests => self.rest(limit, left)?,
            Want::Lots(_) | Want::Funds(_) => {}
        }
        Ok(trades)
    }

    /// Trades against the other side, best price and oldest order first, as far as `limit` and `want` reach.
    fn sweep(&mut self, id: &str, side: Side, limit: Option<i64>, want: &mut Want) -> Vec<Trade> {
        let mut trades = Vec::new();
        while let Some(price) = self.best(side.opposite()) {
            if limit.is_some_and(|limit| !reaches(side, limit, price)) {
                break;
            }
            let (maker, open) = self.side(side.opposite())[&price][0].clone();
            let quantity = match want {
                Want::Lots(left) => open.min(*left),
                Want::Funds(left) => i64::try_from(*left / i128::from(price)).unwrap_or(i64::MAX).min(open),
            };
            if quantity <= 0 {
                break;
            }
            match want {
                Want::Lots(left) => *left -= quantity,
                Want::Funds(left) => *left -= i128::from(quantity) * i128::from(price),
            }
            trades.push(match side {
                Side::Buy => Trade { buy: id.to_owned(), sell: maker.clone(), price, quantity },
                Side::Sell => Trade { buy: maker.clone(), sell: id.to_owned(), price, quantity },
            });
            self.take_off(&maker, quantity).expect("the best order rests");
        }
        trades
    }

    fn reduce(&mut self, id: &str, by: i64) -> Result<(), String> {
        match self.open(id) {
            open if open < by => Err(format!("order {id} has {open} open, less than {by}")),
            _ => self.take_off(id, by),
        }
    }

    /// Takes up to `quantity` off a resting order; with nothing left it leaves the book.
    fn take_off(&mut self, id: &str, quantity: i64) -> Result<(), String> {
        let (side, price) = *self.places.get(id).ok_or_else(|| format!("order {id} does not rest"))?;
        let levels = self.side_mut(side);
        let level = levels.get_mut(&price).expect("a level stands as long as an order rests in it");
        let index = level.iter().position(|(order, _)| order == id).expect("an order stands at its place");
        level[index].1 -= quantity.min(level[index].1);
        if level[index].1 == 0 {
            level.remove(index);
            if level.is_empty() {
                levels.remove(&price);
            }
            self.places.remove(id);
        }
        Ok(())
    }

    /// Trades at one price whatever crosses it, then trading is continuous.
    fn uncross(&mut self, price: i64) -> Vec<Trade> {
        let mut trades = Vec::new();
        while let (Some(bid), Some(offer)) = (self.best(Side::Buy), self.best(Side::Sell)) {
            if bid < price || offer > price {
                break;
            }
            let (buyer, bid_for) = self.bids[&bid][0].clone();
            let (seller, offered) = self.offers[&offer][0].clone();
            let quantity = bid_for.min(offered);
            self.take_off(&buyer, quantity).expect("the best bid rests");
            self.take_off(&seller, quantity).expect("the best offer rests");
            trades.push(Trade { buy: buyer, sell: seller, price, quantity });
        }
        self.in_auction = false;
        trades
    }
}

/// Whether an order of `side` with this limit trades with an order that rests at `price`.
fn reaches(side: Side, limit: i64, price: i64) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

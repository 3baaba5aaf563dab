//! Order flows: what a market sends to its matching core, as plain records that can be made again from a seed.
//!
//! A flow first builds its books (`warm` records, never timed) and then goes on around the depth it was asked for:
//! 55 % new orders, 15 % of them crossing, 40 % cancels, 5 % modifies, and now and then a cancel of an order that is
//! gone. Buyers have even accounts and sellers odd ones, so nobody trades with himself.

mod file;
mod generate;
mod random;
mod reference;

pub use file::{FlowFileError, read, write};
pub use generate::generate;
pub use random::Random;
pub use reference::replay;
use rialto_protocol::Side;

/// What one record asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A new limit order.
    New,
    /// Cancel the order.
    Cancel,
    /// Cancel the order and enter it anew with this price and open quantity, behind all others.
    Modify,
}

/// One record of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowOp {
    /// What is asked.
    pub ask: Ask,
    /// The order's side, in every record.
    pub side: Side,
    /// From 0.
    pub symbol: u16,
    /// Whose order.
    pub account: u32,
    /// The order's number: from 1, without gaps.
    pub id: u64,
    /// In ticks; 0 in a cancel.
    pub price: i64,
    /// In lots: of a new order, or the new open quantity; 0 in a cancel.
    pub quantity: i64,
}

/// What is known of a flow as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowHeader {
    /// The first records, which build the books: apply them, do not time them.
    pub warm: usize,
    /// How many symbols.
    pub symbols: u32,
    /// How many accounts.
    pub accounts: u32,
    /// What it was made from.
    pub seed: u64,
    /// Highest order number.
    pub id_max: u64,
    /// Highest price, in ticks.
    pub price_max: i64,
}

/// A whole flow in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What is known of it as a whole.
    pub header: FlowHeader,
    /// Its records in order.
    pub ops: Vec<FlowOp>,
}

/// What to generate. Two equal ones give the same bytes on any machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSpec {
    /// Timed records.
    pub ops: usize,
    /// Books, the first ones far busier than the last (as 1/rank).
    pub symbols: u16,
    /// Orders that each book is filled with, and about which it stays.
    pub depth: u32,
    /// Where the random numbers start.
    pub seed: u64,
    /// Of 10,000 new orders that could cross, how many do.
    pub crossing_per_10k: u64,
    /// Accounts, an even number.
    pub accounts: u32,
    /// Records of the usual mix before timing, after the books are filled.
    pub warm_mix: usize,
    /// How far the fair price strays, in ticks: 4,000/10,000 is taken from the odds of going on at this distance.
    pub range: i64,
}

impl FlowSpec {
    /// One book of about 4,000 orders on 259 levels.
    pub const S1: FlowSpec = FlowSpec {
        ops: 5_000_000,
        symbols: 1,
        depth: 4_000,
        seed: 42,
        crossing_per_10k: 1_500,
        accounts: 64,
        warm_mix: 250_000,
        range: 1_000,
    };
    /// A hundred books of about 1,000 orders.
    pub const S100: FlowSpec = FlowSpec { symbols: 100, depth: 1_000, ..FlowSpec::S1 };
    /// One book of about 49,000 orders.
    pub const S1DEEP: FlowSpec = FlowSpec { depth: 50_000, seed: 7, ..FlowSpec::S1 };
    /// The known flows by name.
    pub const NAMED: [(&'static str, FlowSpec); 3] =
        [("s1", FlowSpec::S1), ("s100", FlowSpec::S100), ("s1deep", FlowSpec::S1DEEP)];

    /// The known flow of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<FlowSpec> {
        FlowSpec::NAMED.iter().find(|(known, _)| *known == name).map(|&(_, spec)| spec)
    }
}

//! The small market that a set is replayed in, and its requests as FIX lines for it.
//!
//! One broker session acts for a buyer's and a seller's account; fees and self-trade prevention are off, and both
//! accounts own far more than any set can use.
use rialto_protocol::{Decimal, Side};

use super::requests::{Force, Request, Terms};
use crate::dataset::Dataset;

/// Lots of the instrument that the seller owns.
const LOTS: i128 = 100_000_000_000_000_000;
/// Cash that the buyer owns, in ticks times lots.
const CASH: i128 = 1 << 70;

/// The names and units that a set is replayed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    tick: Decimal,
    lot: Decimal,
}

impl Market {
    /// Symbol of the one instrument.
    pub const SYMBOL: &str = "SET";
    /// Code of the one currency.
    pub const CURRENCY: &str = "CASH";
    /// `CompID` of the one session.
    pub const SESSION: &str = "REPLAY";
    /// Its password; its node is on loopback and lives as long as the replay.
    pub const PASSWORD: &str = "replay";
    /// The account that buys.
    pub const BUYER: &str = "BUYER";
    /// The account that sells.
    pub const SELLER: &str = "SELLER";

    /// The market for `set`.
    pub fn of(set: &Dataset) -> Market {
        Market { tick: set.tick, lot: set.lot }
    }

    /// The configuration of a node for it; what else a node needs has its default or comes from flags. `None` where
    /// tick and lot are too fine for any currency.
    pub fn config(&self) -> Option<String> {
        let smallest = self.product(1)?;
        let cash = self.product(CASH)?;
        let lots = self.lot.times(LOTS)?;
        Some(format!(
            "node = {{ name = \"replay\", cluster = \"replay\" }}\n\
             currency = [{{ code = \"{currency}\", decimals = {decimals} }}]\n\
             instrument = [{{ symbol = \"{symbol}\", tick = \"{tick}\", lot = \"{lot}\", \
             currency = \"{currency}\" }}]\n\
             participant = [{{ name = \"BROKER\", kind = \"broker\", self_trade = \"off\" }}]\n\
             account = [{{ name = \"{buyer}\", participant = \"BROKER\" }}, \
             {{ name = \"{seller}\", participant = \"BROKER\" }}]\n\
             session = [{{ comp_id = \"{session}\", participant = \"BROKER\", \
             accounts = [\"{buyer}\", \"{seller}\"], password = \"{password}\" }}]\n\
             deposit = [{{ id = \"cash\", account = \"{buyer}\", asset = \"{currency}\", amount = \"{cash}\" }}, \
             {{ id = \"lots\", account = \"{seller}\", asset = \"{symbol}\", amount = \"{lots}\" }}]\n",
            currency = Self::CURRENCY,
            decimals = smallest.decimals,
            symbol = Self::SYMBOL,
            tick = self.tick,
            lot = self.lot,
            buyer = Self::BUYER,
            seller = Self::SELLER,
            session = Self::SESSION,
            password = Self::PASSWORD,
        ))
    }

    /// The account that trades on `side`.
    pub fn account(side: Side) -> &'static str {
        match side {
            Side::Buy => Self::BUYER,
            Side::Sell => Self::SELLER,
        }
    }

    /// `request` as a FIX line, without its line end; `None` where a number is too large to be written.
    pub fn line(&self, request: &Request) -> Option<String> {
        let head = |kind: char, cl_ord_id: &str, side: Side| {
            let account = Self::account(side);
            let code = match side {
                Side::Buy => 1,
                Side::Sell => 2,
            };
            format!("35={kind}|11={cl_ord_id}|1={account}|55={}|54={code}", Self::SYMBOL)
        };
        match request {
            Request::New { cl_ord_id, side, terms } => {
                Some(format!("{}|{}", head('D', cl_ord_id, *side), self.terms(*terms)?))
            }
            Request::Cancel { cl_ord_id, orig_cl_ord_id, side, quantity } => {
                let head = head('F', cl_ord_id, *side);
                Some(format!("{head}|41={orig_cl_ord_id}|38={}", self.quantity(*quantity)?))
            }
            Request::Replace { cl_ord_id, orig_cl_ord_id, side, price, quantity } => {
                let head = head('G', cl_ord_id, *side);
                let (price, quantity) = (self.price(*price)?, self.quantity(*quantity)?);
                Some(format!("{head}|41={orig_cl_ord_id}|38={quantity}|40=2|44={price}"))
            }
        }
    }

    /// A price that a venue wrote, in ticks.
    pub fn ticks(&self, price: &str) -> Option<i64> {
        count(price, self.tick)
    }

    /// A quantity that a venue wrote, in lots.
    pub fn lots(&self, quantity: &str) -> Option<i64> {
        count(quantity, self.lot)
    }

    fn terms(&self, terms: Terms) -> Option<String> {
        Some(match terms {
            Terms::Limit { price, quantity, force } => {
                let life = match force {
                    Force::Day => "",
                    Force::ImmediateOrCancel => "|59=3",
                    Force::PostOnly => "|18=6",
                };
                format!("38={}|40=2|44={}{life}", self.quantity(quantity)?, self.price(price)?)
            }
            Terms::Market { quantity } => format!("38={}|40=1", self.quantity(quantity)?),
            Terms::Funds { funds } => format!("152={}|40=1", self.product(funds)?),
        })
    }

    fn price(&self, ticks: i64) -> Option<Decimal> {
        self.tick.times(i128::from(ticks))
    }

    fn quantity(&self, lots: i64) -> Option<Decimal> {
        self.lot.times(i128::from(lots))
    }

    /// `count` times tick times lot.
    fn product(&self, count: i128) -> Option<Decimal> {
        let mantissa = self.tick.mantissa.checked_mul(self.lot.mantissa)?.checked_mul(count)?;
        Some(Decimal::new(mantissa, self.tick.decimals + self.lot.decimals))
    }
}

fn count(text: &str, unit: Decimal) -> Option<i64> {
    let decimal = Decimal::parse(text.as_bytes()).ok()?;
    i64::try_from(decimal.in_units_of(unit)?).ok()
}

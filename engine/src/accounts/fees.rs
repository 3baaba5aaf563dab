//! What an order costs: its value, its fee, and how much it must set aside before it trades.
//!
//! The fee of an order is its rates times what it has traded so far, rounded up once for the whole order: each trade
//! pays the difference. So what is set aside at the worse of the two rates is always enough.

use serde::{Deserialize, Serialize};

/// Largest value of one order, in its currency's smallest units.
pub const VALUE_MAX: i128 = 1 << 80;

const MILLION: i128 = 1_000_000;

/// What an amount of ticks times lots is worth, where a tick of a lot is worth `unit`.
#[inline]
pub fn worth(ticks: i128, unit: i64) -> i128 {
    // A product of two 64-bit numbers is one instruction; one of 128 bits is a call.
    match i64::try_from(ticks) {
        Ok(ticks) => i128::from(ticks) * i128::from(unit),
        Err(_) => ticks * i128::from(unit),
    }
}

/// The fee rates of an order: those of its instrument when it came in, for its whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// For what it trades as the resting side, millionths.
    pub maker_ppm: u32,
    /// For what it trades as the incoming side, millionths.
    pub taker_ppm: u32,
}

/// What an order has traded, in its currency's smallest units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traded {
    /// As the resting side.
    pub made: i128,
    /// As the incoming side.
    pub taken: i128,
}

impl Rates {
    /// All fees of an order that has traded this much.
    #[inline]
    pub fn fee(self, traded: Traded) -> i128 {
        let (Ok(made), Ok(taken)) = (u64::try_from(traded.made), u64::try_from(traded.taken)) else {
            return self.fee_of_large(traded);
        };
        let product =
            u128::from(made) * u128::from(self.maker_ppm) + u128::from(taken) * u128::from(self.taker_ppm);
        match u64::try_from(product) {
            Ok(product) => i128::from(product.div_ceil(1_000_000)),
            Err(_) => ceil(i128::try_from(product).expect("two products of 64 and 20 bits")),
        }
    }

    /// The same in parts, so that no product overflows.
    #[cold]
    fn fee_of_large(self, traded: Traded) -> i128 {
        let (maker, taker) = (i128::from(self.maker_ppm), i128::from(self.taker_ppm));
        let whole = maker * (traded.made / MILLION) + taker * (traded.taken / MILLION);
        let rest = maker * (traded.made % MILLION) + taker * (traded.taken % MILLION);
        whole + ceil(rest)
    }

    /// Most fees that an order can come to that has traded this much and may trade `more`.
    #[inline]
    pub fn worst(self, traded: Traded, more: i128) -> i128 {
        let rate = self.maker_ppm.max(self.taker_ppm);
        let all = Traded { made: 0, taken: traded.made + traded.taken + more };
        Rates { maker_ppm: 0, taker_ppm: rate }.fee(all)
    }

    /// What a buy must keep aside that has traded this much and may pay `more` for the rest: the value and the fee at
    /// the worse rate, less the fee that it has paid.
    #[inline]
    pub fn reservation(self, traded: Traded, more: i128) -> i128 {
        if more == 0 {
            return 0;
        }
        more + self.worst(traded, more) - self.fee(traded)
    }

    /// How many lots of `lot_value` each an incoming buy can pay for out of `cash`, fee included, up to `lots_max`.
    pub fn affordable(self, traded: Traded, lot_value: i128, cash: i128, lots_max: i64) -> i64 {
        let paid = self.fee(traded);
        let cost = |lots: i64| {
            let value = lot_value * i128::from(lots);
            value + self.fee(Traded { taken: traded.taken + value, ..traded }) - paid
        };
        if cost(lots_max) <= cash {
            return lots_max;
        }
        // Cost grows with lots: look for the last that fits.
        let (mut fits, mut too_many) = (0, lots_max);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if cost(middle) <= cash { fits = middle } else { too_many = middle }
        }
        fits
    }
}

/// Ceiling of millionths.
fn ceil(product: i128) -> i128 {
    (product + MILLION - 1) / MILLION
}

//! Pre-trade limits of an account in an instrument. Limits are set for one account or all, in one instrument or all; of
//! those that fit an order the most specific ones count, as a whole: (account, instrument), then (account, any), then
//! (any, instrument), then (any, any).

use std::collections::BTreeMap;

use rialto_protocol::reference::Limits;
use rialto_protocol::{AccountId, InstrumentId};
use serde::{Deserialize, Serialize};

use super::{Directory, Refusal};

/// Most open orders of one session until the operator says otherwise: the configuration's own default.
pub const ORDERS_OPEN_MAX: u32 = 1_000_000;

/// Limits of one order; 0 = none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLimits {
    /// Most lots.
    pub quantity_max: i64,
    /// Most value, in the currency's smallest units.
    pub value_max: i64,
    /// Farthest that a limit price may be from the last trade's, millionths of it.
    pub collar_ppm: u32,
}

/// The limits that lie neither with an account nor with an instrument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SharedLimits {
    /// (any, any)
    everywhere: OrderLimits,
    /// (account, instrument)
    pairs: BTreeMap<(AccountId, InstrumentId), OrderLimits>,
    orders_open_max: u32,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self { everywhere: OrderLimits::default(), pairs: BTreeMap::new(), orders_open_max: ORDERS_OPEN_MAX }
    }
}

impl Directory {
    /// The limits of an order for `account` in `instrument`.
    pub fn limits(&self, account: AccountId, instrument: InstrumentId) -> OrderLimits {
        let owner = self.account(account);
        if owner.is_some_and(|account| account.limited_by_instrument)
            && let Some(limits) = self.limits.pairs.get(&(account, instrument))
        {
            return *limits;
        }
        owner
            .and_then(|account| account.limits)
            .or_else(|| self.instrument(instrument)?.limits)
            .unwrap_or(self.limits.everywhere)
    }

    /// Most open orders that one session may have; 0 = no limit.
    pub fn orders_open_max(&self) -> u32 {
        self.limits.orders_open_max
    }

    /// Sets limits in place of those of the same account and instrument.
    pub fn set_limits(&mut self, asked: &Limits) -> Result<(), Refusal> {
        for (value, what) in [(asked.quantity_max, "quantity_max"), (asked.value_max, "value_max")] {
            if value < 0 {
                return Err(Refusal::new(format!("{what} is {value}: a limit is at least 0, and 0 is none")));
            }
        }
        let limits = OrderLimits {
            quantity_max: asked.quantity_max,
            value_max: asked.value_max,
            collar_ppm: asked.collar_ppm,
        };
        let (all_accounts, all_instruments) = (asked.account.is_empty(), asked.instrument.is_empty());
        if asked.orders_open_max != 0 && !(all_accounts && all_instruments) {
            return Err(Refusal::new(
                "orders_open_max counts a session's orders: it goes with no account and no instrument",
            ));
        }
        match (all_accounts, all_instruments) {
            (true, true) => {
                self.limits.everywhere = limits;
                self.limits.orders_open_max = asked.orders_open_max;
            }
            (true, false) => {
                self.instruments.named_mut(asked.instrument.as_bytes())?.1.limits = Some(limits);
            }
            (false, true) => self.accounts.named_mut(asked.account.as_bytes())?.1.limits = Some(limits),
            (false, false) => {
                let (instrument, _) = self.instruments.named(asked.instrument.as_bytes())?;
                let (number, account) = self.accounts.named_mut(asked.account.as_bytes())?;
                account.limited_by_instrument = true;
                self.limits.pairs.insert((AccountId(number), InstrumentId(instrument)), limits);
            }
        }
        Ok(())
    }
}

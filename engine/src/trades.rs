//! The last trades, kept so that one can be busted: who traded with whom, what was paid, and what the two orders were
//! like then, since an order is forgotten when it ends.

use std::collections::VecDeque;

use rialto_protocol::{
    AccountId, Cash, ClOrdId, InstrumentId, OrderId, OrderKind, OrderStatus, Price, Quantity, SessionId,
    Side, TimeInForce, TradeId,
};
use rialto_shmring::hint::huge_pages;
use serde::{Deserialize, Serialize};

/// How many trades are kept.
pub const TRADES_KEPT: usize = 1 << 20;

/// One side of a trade, as its order was once it had traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeSide {
    /// The order.
    pub order: OrderId,
    /// Whose money.
    pub account: AccountId,
    /// Who was told.
    pub session: SessionId,
    /// What it paid for this trade, in the currency's smallest units.
    pub fee: Cash,
    /// Its limit; 0 = none.
    pub price: Price,
    /// All of it; 0 for an order by funds.
    pub quantity: Quantity,
    /// What it had traded, this trade included.
    pub cumulative: Quantity,
    /// Sum of price times lots of that.
    pub notional: Cash,
    /// Limit or market.
    pub kind: OrderKind,
    /// Its time in force.
    pub time_in_force: TimeInForce,
    /// Its status.
    pub status: OrderStatus,
    /// Its name.
    pub cl_ord_id: ClOrdId,
}

/// A trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// Its number.
    pub id: TradeId,
    /// In what.
    pub instrument: InstrumentId,
    /// At what price.
    pub price: Price,
    /// How much.
    pub quantity: Quantity,
    /// Side of the incoming order.
    pub taker: Side,
    /// Whether it was undone.
    pub busted: bool,
    /// Who bought.
    pub buy: TradeSide,
    /// Who sold.
    pub sell: TradeSide,
}

/// The last trades, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Trades {
    kept: VecDeque<Trade>,
}

impl Trades {
    /// Keeps a trade; numbers ascend. The oldest one is forgotten when there are too many.
    #[inline]
    pub fn keep(&mut self, trade: Trade) {
        if self.kept.len() == TRADES_KEPT {
            self.kept.pop_front();
        } else if self.kept.capacity() == 0 {
            let mut room = Vec::with_capacity(TRADES_KEPT);
            huge_pages(&mut room);
            self.kept = VecDeque::from(room);
        }
        self.kept.push_back(trade);
    }

    /// The trade with this number, if it is kept.
    pub fn find(&self, id: TradeId) -> Option<&Trade> {
        self.kept.get(self.place(id)?)
    }

    /// Marks a trade as busted.
    pub fn bust(&mut self, id: TradeId) {
        if let Some(trade) = self.place(id).and_then(|at| self.kept.get_mut(at)) {
            trade.busted = true;
        }
    }

    /// Numbers may have jumped, so a trade is searched by halving.
    fn place(&self, id: TradeId) -> Option<usize> {
        self.kept.binary_search_by_key(&id, |trade| trade.id).ok()
    }

    /// All that are kept, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Trade> {
        self.kept.iter()
    }
}

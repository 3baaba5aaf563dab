//! Deposits and withdrawals by the id that the operator gave each: an id counts once, for ever, so that a request whose
//! answer was lost can be sent again.

use std::collections::BTreeMap;

use rialto_protocol::{AccountId, AssetId, Cash, ClOrdId, Sequence};
use serde::{Deserialize, Serialize};

/// How many ids are remembered: a thousand transfers a day for forty years.
pub const TRANSFERS_MAX: usize = 1 << 24;

/// A transfer that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// By which command.
    pub sequence: Sequence,
    /// What it moved.
    pub moved: Moved,
}

/// What a transfer moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Whose.
    pub account: AccountId,
    /// What.
    pub asset: AssetId,
    /// How much, in the asset's smallest units.
    pub amount: Cash,
    /// Out of the exchange instead of into it.
    pub withdraw: bool,
}

/// All transfers that were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    made: BTreeMap<ClOrdId, Made>,
}

impl Transfers {
    /// The transfer with this id.
    pub fn find(&self, id: &ClOrdId) -> Option<&Made> {
        self.made.get(id)
    }

    /// Whether there is no room for another id.
    pub fn is_full(&self) -> bool {
        self.made.len() >= TRANSFERS_MAX
    }

    /// Remembers a transfer with a new id.
    pub fn note(&mut self, id: ClOrdId, made: Made) {
        let before = self.made.insert(id, made);
        assert!(before.is_none(), "transfer {id} was made before: {before:?}");
    }
}

//! What a gateway may do with trading sessions now: whether its node is the primary, and whether the policy is met.
//!
//! A node that is not the primary turns log-ons to trading sessions away, with words that have no number; while the policy
//! is unmet nobody who trades is read. Market data, and requests to the node itself, go on either way.

use parking_lot::Mutex;
use rialto_journal::cursor::{Cursors, Gate};

/// What may be done with trading sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// All.
    Trades,
    /// The policy is unmet: who trades is not read, and nothing that is timed moves on.
    Unmet,
    /// Nothing: the node is not, or not yet, the primary.
    Away(Gate),
}

impl Stance {
    /// What the node's cursors say.
    pub fn of(cursors: &Cursors) -> Self {
        match cursors.gate() {
            Gate::Open if cursors.unmet_since_ns() == 0 => Self::Trades,
            Gate::Open => Self::Unmet,
            gate @ (Gate::Standby | Gate::Starting | Gate::Shut) => Self::Away(gate),
        }
    }
}

/// What a node says of its standing to who wants to trade. Its control thread writes it, its gateways read it.
#[derive(Debug, Default)]
pub struct Standing {
    primary: Mutex<Option<String>>,
}

impl Standing {
    /// The primary's FIX address as it is configured; `None`: unknown.
    pub fn set_primary(&self, address: Option<String>) {
        *self.primary.lock() = address;
    }

    /// The primary's FIX address, where it is known.
    pub fn primary(&self) -> Option<String> {
        self.primary.lock().clone()
    }

    /// Why nobody trades here, without the `! ` before it.
    pub fn words(&self, gate: Gate) -> String {
        match gate {
            Gate::Open | Gate::Standby => {
                format!("not primary; primary is {}", self.primary().as_deref().unwrap_or("unknown"))
            }
            Gate::Starting => "starting".to_owned(),
            Gate::Shut => "no lease".to_owned(),
        }
    }
}

//! The whole state as bytes, and back: what a snapshot keeps and what the state hash is of. Everything stands in a fixed
//! order, so equal states are equal bytes. Places in memory (slots, rows, tables) are not part of it: no behaviour depends
//! on them.

use bincode::Options;
use rialto_protocol::{
    AccountId, ClOrdId, InstrumentId, OrderId, ParticipantId, Price, Quantity, SessionId, SessionSeq, Side,
};
use serde::{Deserialize, Serialize};

use crate::accounts::AccountsBody;
use crate::accounts::fees::Rates;
use crate::clordids::Key;
use crate::directory::Directory;
use crate::exchange::{Exchange, Issued, Term};
use crate::sessions::Sessions;
use crate::trades::Trade;
use crate::transfers::Transfers;
use crate::work::Work;

/// First bytes of a state; grows with every change of its structure.
pub const STATE_VERSION: u32 = 2;

/// Why bytes are not a state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Written by another build.
    #[error("state version {found}, this build reads {STATE_VERSION}")]
    Version {
        /// What the bytes say.
        found: u32,
    },
    /// Cut short, or of another structure.
    #[error("state: {0}")]
    Content(#[from] bincode::Error),
    /// Its parts contradict each other.
    #[error("state: {0}")]
    Contradiction(String),
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderBody {
    pub(crate) id: OrderId,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) open: Quantity,
    pub(crate) filled: Quantity,
    pub(crate) account: AccountId,
    pub(crate) session: SessionId,
    pub(crate) owner: ParticipantId,
    pub(crate) flags: u16,
    pub(crate) made: i128,
    pub(crate) taken: i128,
    pub(crate) rates: Rates,
    pub(crate) answer: SessionSeq,
    pub(crate) cl_ord_id: ClOrdId,
}

/// An incoming order between two commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SweepBody {
    pub(crate) order: OrderBody,
    pub(crate) funds: Option<i64>,
    pub(crate) listed: bool,
}

/// Everything.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StateBody {
    pub(crate) event_end: u64,
    pub(crate) issued: Issued,
    pub(crate) term: Term,
    pub(crate) directory: Directory,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: AccountsBody,
    pub(crate) transfers: Transfers,
    /// Price of the last trade of each instrument.
    pub(crate) last_prices: Vec<Option<Price>>,
    /// By instrument, buys before sells, each in the order in which they trade.
    pub(crate) orders: Vec<OrderBody>,
    pub(crate) sweeps: Vec<SweepBody>,
    pub(crate) names: Vec<Vec<(Key, SessionSeq)>>,
    pub(crate) trades: Vec<Trade>,
    pub(crate) work: Work,
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_little_endian().with_no_limit()
}

impl Exchange {
    /// The whole state as bytes.
    pub fn state_body(&self) -> Vec<u8> {
        let mut bytes = STATE_VERSION.to_le_bytes().to_vec();
        options().serialize_into(&mut bytes, &self.to_body()).expect("a state is made of plain values");
        bytes
    }

    /// The exchange of which [`Self::state_body`] was made.
    pub fn from_state_body(bytes: &[u8]) -> Result<Self, StateError> {
        let (version, rest) = bytes.split_at_checked(4).unwrap_or((&[0; 4], &[]));
        let found = u32::from_le_bytes(version.try_into().expect("4 bytes"));
        if found != STATE_VERSION {
            return Err(StateError::Version { found });
        }
        let limit = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        let body: StateBody = bincode::DefaultOptions::new()
            .with_fixint_encoding()
            .with_little_endian()
            .with_limit(limit)
            .deserialize(rest)?;
        Self::from_body(body).map_err(StateError::Contradiction)
    }

    /// BLAKE3 of the whole state.
    pub fn state_hash(&self) -> blake3::Hash {
        blake3::hash(&self.state_body())
    }
}

//! What a view starts from: the exchange's public state at one position of the event log, in plain values.

use rialto_protocol::reference::{AccountDef, CurrencyDef, InstrumentDef, SessionDef};
use rialto_protocol::terms::MarketState;
use rialto_protocol::{
    AccountId, Epoch, GatewayId, InstrumentId, Name, OrderId, Price, Quantity, Sequence, SessionId,
    SessionSeq, Side,
};

/// The start of a view.
#[derive(Clone, Debug, Default)]
pub struct Seed {
    /// The event log's position behind the last event that this takes in.
    pub position: u64,
    /// The command of that event.
    pub sequence: Sequence,
    /// The epoch in force.
    pub epoch: Epoch,
    /// The node that opened it.
    pub node: Name,
    /// Currencies in the order of their numbers, from 1.
    pub currencies: Vec<CurrencyDef>,
    /// Instruments in the order of their numbers, from 1.
    pub instruments: Vec<InstrumentSeed>,
    /// Accounts in the order of their numbers, from 1.
    pub accounts: Vec<AccountDef>,
    /// Sessions in the order of their numbers, from 1.
    pub sessions: Vec<SessionSeed>,
    /// Open orders; those of one side and price in queue order.
    pub orders: Vec<OrderSeed>,
}

/// An instrument.
#[derive(Clone, Copy, Debug)]
pub struct InstrumentSeed {
    /// Its definition.
    pub def: InstrumentDef,
    /// Whether it trades.
    pub state: MarketState,
    /// Price of its last trade.
    pub last_price: Option<Price>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct SessionSeed {
    /// Its definition.
    pub def: SessionDef,
    /// Accounts that it may act for, its default first.
    pub accounts: Vec<AccountId>,
    /// Gateway and connection that hold it live; [`GatewayId::NONE`] = not live.
    pub holder: (GatewayId, u32),
    /// Next outbound number.
    pub next_outbound: SessionSeq,
    /// Which numbering that is.
    pub incarnation: u32,
    /// Position of its last message, 0 = none.
    pub last: u64,
    /// Positions of its messages whose numbers are multiples of 64, in order, with their numbers.
    pub marks: Vec<(SessionSeq, u64)>,
}

/// An open order.
#[derive(Clone, Copy, Debug)]
pub struct OrderSeed {
    /// 37
    pub order: OrderId,
    /// Whose.
    pub session: SessionId,
    /// In what.
    pub instrument: InstrumentId,
    /// Of which side.
    pub side: Side,
    /// At what price.
    pub price: Price,
    /// How much is open.
    pub open: Quantity,
}

//! What is said: ids, money, the commands that ask and the events that tell, and their fixed byte layouts.
//!
//! The same bytes stand in the rings, in the journal and on the replication link. Each layout is told once, by a
//! `#[repr(C)]` struct that `zerocopy` reads and writes; texts of variable length follow it. This crate decides
//! nothing: what a command *does* is the exchange's (crate `engine`), how it is kept is the journal's.

#[cfg(not(target_endian = "little"))]
compile_error!(
    "Rialto's records are little-endian and read in place: only little-endian machines are supported"
);

pub mod command;
pub mod event;
pub mod ids;
pub mod money;
pub mod reason;
pub mod record;
pub mod reference;
pub mod terms;
pub mod text;

pub use command::Command;
pub use event::Event;
pub use ids::{
    AccountId, AssetId, CurrencyId, Epoch, ExecId, GatewayId, InstrumentId, OrderId, ParticipantId, Sequence,
    SessionId, SessionSeq, Timestamp, TradeId,
};
pub use money::{Cash, Decimal, Price, Quantity};
pub use reason::Reason;
pub use record::{Header, RecordBuffer};
pub use terms::{ExecType, OrderKind, OrderStatus, Side, TimeInForce};
pub use text::{ClOrdId, Name, Note, Symbol, Text};

/// The journaled version of behaviour and encodings. A build supports this one and, later, the one before; a
/// VERSION command in the journal says which is in force.
pub const VERSION: u32 = 1;

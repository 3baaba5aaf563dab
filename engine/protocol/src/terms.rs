//! The words of an order: side, kind, time in force, and what a report says happened. Values are FIX 4.4's own
//! characters, so that a record reads like the message it came from (FIX 4.4 volume 6, fields 39, 40, 54, 59, 150).

use serde::{Deserialize, Serialize};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// `Side` (54).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum Side {
    /// 1
    Buy = b'1',
    /// 2
    Sell = b'2',
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// `OrdType` (40).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum OrderKind {
    /// 1: trades what it can at any price; the rest is cancelled.
    Market = b'1',
    /// 2: trades at its price or better.
    Limit = b'2',
}

/// `TimeInForce` (59).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum TimeInForce {
    /// 0: until the end of the day.
    Day = b'0',
    /// 1: until cancelled.
    GoodTillCancel = b'1',
    /// 3: trades at once what it can; the rest is cancelled.
    ImmediateOrCancel = b'3',
    /// 4: trades at once in full, or not at all.
    FillOrKill = b'4',
}

/// `ExecType` (150): why a report is sent.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum ExecType {
    /// 0: accepted.
    New = b'0',
    /// 4: cancelled, by request or unsolicited.
    Canceled = b'4',
    /// 5: replaced.
    Replaced = b'5',
    /// 8: refused.
    Rejected = b'8',
    /// C: ended by its time in force.
    Expired = b'C',
    /// F: traded.
    Trade = b'F',
    /// H: a trade was busted.
    TradeCancel = b'H',
    /// I: answers a status request.
    OrderStatus = b'I',
}

/// `OrdStatus` (39): what the order is now.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum OrderStatus {
    /// 0
    New = b'0',
    /// 1
    PartiallyFilled = b'1',
    /// 2
    Filled = b'2',
    /// 4
    Canceled = b'4',
    /// 8
    Rejected = b'8',
    /// C
    Expired = b'C',
}

/// `LastLiquidityInd` (851), 0 where no trade is reported.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum Liquidity {
    /// No trade.
    None = 0,
    /// 1: its order rested in the book.
    Maker = b'1',
    /// 2: its order came and took.
    Taker = b'2',
}

/// What a participant is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum ParticipantKind {
    /// Has customers' accounts.
    Broker = 1,
    /// Trades for itself.
    Institution = 2,
    /// Runs the market.
    Operator = 3,
}

/// What happens when an order would trade with one of the same participant.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum SelfTrade {
    /// They trade.
    Off = 0,
    /// The rest of the incoming order is cancelled.
    CancelNewest = 1,
    /// The resting order is cancelled, matching goes on.
    CancelOldest = 2,
    /// Both are cancelled.
    CancelBoth = 3,
}

/// What a session is for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum SessionKind {
    /// Sends orders; its numbers are the exchange's state.
    Trading = 1,
    /// Reads market data; its numbers start at 1 at each log-on and belong to the gateway.
    MarketData = 2,
}

/// What a replace does to an order's place in its queue.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum ReplaceRule {
    /// Kept when only the quantity shrinks; otherwise the order goes to the back.
    KeepOnDecrease = 1,
    /// The order always goes to the back.
    Requeue = 2,
}

/// Whether an instrument trades.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum MarketState {
    /// Orders are refused; cancels work.
    Closed = 1,
    /// Continuous trading.
    Open = 2,
    /// Stopped for now: orders are refused, cancels work.
    Halted = 3,
}

/// What must have happened before anything is told (see the journal's cursors).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum AckPolicy {
    /// Published in this node's shared memory.
    Async = 0,
    /// Synced on this node.
    Disk = 1,
    /// Received by every standby in sync.
    Ram = 2,
    /// Synced on this node and received by every standby in sync.
    DiskRam = 3,
    /// Synced on this node and by every standby in sync.
    DiskDisk = 4,
}

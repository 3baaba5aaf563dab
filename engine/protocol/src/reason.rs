//! Why something was refused or cancelled: one code per reason, with its words and its FIX codes (FIX 4.4 volume 6,
//! fields 102, 103, 378).

use serde::{Deserialize, Serialize};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// A reason. The byte is journaled in events and never changes its meaning.
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
pub enum Reason {
    /// Nothing to explain.
    None = 0,
    /// No such instrument.
    UnknownInstrument = 1,
    /// No such account.
    UnknownAccount = 2,
    /// The session may not act for the account.
    AccountNotAllowed = 3,
    /// The market in the instrument is closed.
    MarketClosed = 4,
    /// The market in the instrument is halted.
    MarketHalted = 5,
    /// The `ClOrdID` was used before.
    DuplicateClOrdId = 6,
    /// No such order, or none that is open.
    UnknownOrder = 7,
    /// The order's quantity is over the limit or not a positive number of lots.
    QuantityLimit = 8,
    /// The order's value is over the limit.
    ValueLimit = 9,
    /// The price is outside the collar around the reference price.
    PriceCollar = 10,
    /// Not enough cash available.
    NotEnoughCash = 11,
    /// Not enough of the instrument available.
    NotEnoughHoldings = 12,
    /// Too many open orders.
    OpenOrdersLimit = 13,
    /// The session, account or participant is stopped by its kill switch.
    Killed = 14,
    /// A post-only order would have traded.
    WouldTrade = 15,
    /// The combination of order kind, time in force and instructions is not offered.
    Unsupported = 16,
    /// The price is not a positive number of ticks.
    BadPrice = 17,
    /// Too late: the order is already filled, or below its filled quantity.
    TooLate = 18,
    /// A market or immediate order found no more to trade with.
    NoLiquidity = 19,
    /// Not enough cash for the rest of a market order.
    CashExhausted = 20,
    /// Would have traded with the same participant.
    SelfTrade = 21,
    /// Cancelled since the session went away.
    Disconnected = 22,
    /// Cancelled by the operator.
    ByOperator = 23,
    /// Ended with the day.
    EndOfDay = 24,
    /// Cancelled by a mass cancel.
    MassCancel = 25,
    /// The trade was busted.
    Busted = 26,
    /// The message could not be applied; see the node's log.
    Internal = 27,
    /// A value that does not fit the instrument's tick or lot, or is malformed for business.
    BadValue = 28,
    /// Replaces and cancels of this order must name the same instrument and side.
    OrderMismatch = 29,
    /// Too many messages in too short a time.
    Throttled = 30,
    /// More rows than one answer can have.
    TooManyRows = 31,
    /// Only cancels are taken: the journal is short of room.
    CancelOnly = 32,
}

impl Reason {
    /// The words for `Text` (58), without the names that a gateway may add.
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::UnknownInstrument => "no such instrument",
            Self::UnknownAccount => "no such account",
            Self::AccountNotAllowed => "the session may not act for this account",
            Self::MarketClosed => "the market is closed",
            Self::MarketHalted => "the market is halted",
            Self::DuplicateClOrdId => "ClOrdID was used before",
            Self::UnknownOrder => "no such order",
            Self::QuantityLimit => "quantity is over the limit",
            Self::ValueLimit => "value is over the limit",
            Self::PriceCollar => "price is outside the collar",
            Self::NotEnoughCash => "not enough cash available",
            Self::NotEnoughHoldings => "not enough holdings available",
            Self::OpenOrdersLimit => "too many open orders",
            Self::Killed => "stopped by a kill switch",
            Self::WouldTrade => "post-only order would trade",
            Self::Unsupported => "this combination of order type and instructions is not offered",
            Self::BadPrice => "price is not a positive multiple of the tick",
            Self::TooLate => "too late to change the order",
            Self::NoLiquidity => "nothing left to trade with",
            Self::CashExhausted => "available cash is used up",
            Self::SelfTrade => "would trade with the same participant",
            Self::Disconnected => "cancelled on disconnect",
            Self::ByOperator => "cancelled by the operator",
            Self::EndOfDay => "ended with the day",
            Self::MassCancel => "cancelled by mass cancel",
            Self::Busted => "trade busted",
            Self::Internal => "the exchange could not apply this message",
            Self::BadValue => "value does not fit the instrument",
            Self::OrderMismatch => "the order is of another instrument or side",
            Self::Throttled => "too many messages",
            Self::TooManyRows => "too much for one answer: name an account",
            Self::CancelOnly => "only cancels are taken now: the exchange is short of room",
        }
    }

    /// `OrdRejReason` (103).
    pub const fn ord_rej_reason(self) -> u8 {
        match self {
            Self::UnknownInstrument => 1,
            Self::MarketClosed | Self::MarketHalted => 2,
            Self::QuantityLimit
            | Self::ValueLimit
            | Self::PriceCollar
            | Self::NotEnoughCash
            | Self::NotEnoughHoldings
            | Self::OpenOrdersLimit => 3,
            Self::UnknownOrder => 5,
            Self::DuplicateClOrdId => 6,
            Self::Unsupported => 11,
            Self::UnknownAccount | Self::AccountNotAllowed => 15,
            Self::None
            | Self::Killed
            | Self::WouldTrade
            | Self::BadPrice
            | Self::TooLate
            | Self::NoLiquidity
            | Self::CashExhausted
            | Self::SelfTrade
            | Self::Disconnected
            | Self::ByOperator
            | Self::EndOfDay
            | Self::MassCancel
            | Self::Busted
            | Self::Internal
            | Self::BadValue
            | Self::OrderMismatch
            | Self::Throttled
            | Self::TooManyRows
            | Self::CancelOnly => 99,
        }
    }

    /// `CxlRejReason` (102).
    pub const fn cxl_rej_reason(self) -> u8 {
        match self {
            Self::TooLate => 0,
            Self::UnknownOrder => 1,
            Self::DuplicateClOrdId => 6,
            Self::None
            | Self::UnknownInstrument
            | Self::UnknownAccount
            | Self::AccountNotAllowed
            | Self::MarketClosed
            | Self::MarketHalted
            | Self::QuantityLimit
            | Self::ValueLimit
            | Self::PriceCollar
            | Self::NotEnoughCash
            | Self::NotEnoughHoldings
            | Self::OpenOrdersLimit
            | Self::Killed
            | Self::WouldTrade
            | Self::Unsupported
            | Self::BadPrice
            | Self::NoLiquidity
            | Self::CashExhausted
            | Self::SelfTrade
            | Self::Disconnected
            | Self::ByOperator
            | Self::EndOfDay
            | Self::MassCancel
            | Self::Busted
            | Self::Internal
            | Self::BadValue
            | Self::OrderMismatch
            | Self::Throttled
            | Self::TooManyRows
            | Self::CancelOnly => 99,
        }
    }

    /// `ExecRestatementReason` (378) of an unsolicited cancel: 8 (market option) by self-trade prevention and the market's
    /// own rules, 99 (other) otherwise.
    pub const fn restatement_reason(self) -> u8 {
        if matches!(self, Self::NoLiquidity | Self::CashExhausted | Self::SelfTrade) { 8 } else { 99 }
    }
}

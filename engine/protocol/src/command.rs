//! Commands: what is asked of the exchange. Each is one record; applied in sequence they are its whole history.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::ids::{AccountId, Epoch, GatewayId, InstrumentId, OrderId, SessionSeq};
use crate::money::{Decimal, Price, Quantity};
use crate::reason::Reason;
use crate::reference::{Author, Operation};
use crate::terms::{ExecType, OrderKind, Side, TimeInForce};
use crate::text::{ClOrdId, Name, Note};

mod wire;
pub(crate) use wire::NO_TAG;

/// Numbers of the record kinds; operations have those of [`crate::reference::kind`].
pub mod kind {
    /// [`super::Command::Epoch`]
    pub const EPOCH: u8 = 1;
    /// [`super::Command::Version`]
    pub const VERSION: u8 = 2;
    /// [`super::Command::Tick`]
    pub const TICK: u8 = 3;
    /// [`super::Command::Continue`]
    pub const CONTINUE: u8 = 4;
    /// [`super::Command::Chain`]
    pub const CHAIN: u8 = 5;
    /// [`super::Command::Refuse`]
    pub const REFUSE: u8 = 6;
    /// [`super::Command::GatewayLost`]
    pub const GATEWAY_LOST: u8 = 7;
    /// [`super::Command::LogOn`]
    pub const LOG_ON: u8 = 48;
    /// [`super::Command::LogOff`]
    pub const LOG_OFF: u8 = 49;
    /// [`super::Command::Note`]
    pub const NOTE: u8 = 50;
    /// [`super::Command::Challenge`]
    pub const CHALLENGE: u8 = 51;
    /// [`super::Command::NewOrder`]
    pub const NEW_ORDER: u8 = 64;
    /// [`super::Command::Cancel`]
    pub const CANCEL: u8 = 65;
    /// [`super::Command::Replace`]
    pub const REPLACE: u8 = 66;
    /// [`super::Command::Status`]
    pub const STATUS: u8 = 67;
    /// [`super::Command::MassStatus`]
    pub const MASS_STATUS: u8 = 68;
    /// [`super::Command::MassCancel`]
    pub const MASS_CANCEL: u8 = 69;
    /// [`super::Command::SecurityList`]
    pub const SECURITY_LIST: u8 = 70;
    /// [`super::Command::RefusedOrder`]
    pub const REFUSED_ORDER: u8 = 71;
    /// [`super::Command::RefusedCancel`]
    pub const REFUSED_CANCEL: u8 = 72;
    /// [`super::Command::Balances`]
    pub const BALANCES: u8 = 73;
    /// The last one that a member's message can become.
    pub const LAST: u8 = BALANCES;
}

/// A node began to act as primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochOpened {
    /// The new epoch.
    pub epoch: Epoch,
    /// Name of the node.
    pub node: Name,
    /// Whether records may have been lost by choice, so that counters must jump.
    pub loss: bool,
}

/// A session's member came in by a gateway that has checked its password. The header's `session_seq` is the message's
/// `MsgSeqNum`, 0 in line mode (taken as the expected one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LogOn {
    /// The gateway.
    pub gateway: GatewayId,
    /// Its number for the connection, echoed in the answer.
    pub connection: u32,
    /// `NextExpectedMsgSeqNum` (789), 0 = not given.
    pub next_expected: u32,
    /// `HeartBtInt` (108), seconds, 0 = none.
    pub heartbeat_s: u16,
    /// `ResetSeqNumFlag` (141): 1 = both numbers start anew.
    pub reset: u8,
    /// 1 = line mode.
    pub line: u8,
}

/// Why a session is no longer live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum LogOffCause {
    /// The connection ended or was cut.
    Disconnected = 1,
    /// It ended while the ack policy was unmet: orders stay.
    PolicyUnmet = 2,
    /// The node drains.
    Drained = 3,
}

/// What a message does to the session's inbound number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// Nothing: the gateway speaks by itself.
    Untouched,
    /// The header's `session_seq` is used up.
    Consumed,
    /// The next expected number becomes this one (`SequenceReset`).
    JumpTo(SessionSeq),
}

/// A session-level message to be numbered and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum NoticeKind {
    /// 35=A, the exchange's answer to a log-on.
    LogOn = b'A',
    /// 35=0; the text is 112.
    Heartbeat = b'0',
    /// 35=1; the text is 112.
    TestRequest = b'1',
    /// 35=2; from `ref_seq` to the end.
    ResendRequest = b'2',
    /// 35=3; 45 `ref_seq`, 371 `ref_tag`, 372 `ref_type`, 373 `reason`.
    Reject = b'3',
    /// 35=5; the text is 58.
    Logout = b'5',
    /// 35=j; 45 `ref_seq`, 372 `ref_type`, 380 `reason`.
    BusinessReject = b'j',
}

/// What a session-level message says, whatever its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which message.
    pub kind: NoticeKind,
    /// `RefMsgType` (372), the second byte 0 where it has one character.
    pub ref_type: [u8; 2],
    /// `SessionRejectReason` (373) or `BusinessRejectReason` (380); `u16::MAX` = not given.
    pub reason: u16,
    /// `RefSeqNum` (45) or `BeginSeqNo` (7).
    pub ref_seq: u32,
    /// `RefTagID` (371): as the member wrote it, so it may be 0 or negative.
    pub ref_tag: Option<i32>,
    /// `Text` (58) or `TestReqID` (112).
    pub text: Note,
}

/// A message of the session layer, inbound, outbound, or both at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionNote {
    /// What it does to the inbound number.
    pub inbound: Inbound,
    /// What is sent.
    pub outbound: Option<Notice>,
    /// Whether the session is no longer live after it.
    pub close: bool,
}

/// A new order. The fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct OrderTerms {
    /// Limit in ticks; 0 for a market order.
    pub price: Price,
    /// Lots; with [`order_flag::BY_FUNDS`] the funds, in the currency's smallest units.
    pub quantity: Quantity,
    /// For whom; [`AccountId::NONE`]: the session's default account.
    pub account: AccountId,
    /// In what.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub kind: OrderKind,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// Bits of [`order_flag`].
    pub flags: u8,
    pub(crate) cl_ord_id_len: u8,
    zero: [u8; 3],
}

impl OrderTerms {
    /// A day limit order; the other fields are public.
    pub const fn limit(side: Side, quantity: Quantity, instrument: InstrumentId, price: Price) -> Self {
        Self {
            price,
            quantity,
            account: AccountId::NONE,
            instrument,
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Day,
            flags: 0,
            cl_ord_id_len: 0,
            zero: [0; 3],
        }
    }

    /// Whether a bit of [`order_flag`] is set.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Bits of an order's flags.
pub mod order_flag {
    /// 18=6: refused if it would trade at once.
    pub const POST_ONLY: u8 = 1;
    /// 152 instead of 38: the quantity is funds.
    pub const BY_FUNDS: u8 = 2;
    /// 43=Y: a `ClOrdID` that was used makes it a repeat, not a duplicate: what was answered then is sent again.
    pub const POSSIBLE_REPEAT: u8 = 4;
    /// 97=Y: a `ClOrdID` that was used makes it a repeat that is passed over without a word.
    pub const POSSIBLE_RESEND: u8 = 8;
    /// What a cancel or replace may carry.
    pub const REPEATS: u8 = POSSIBLE_REPEAT | POSSIBLE_RESEND;
}

/// `NewOrderSingle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// All but its name.
    pub terms: OrderTerms,
    /// Its name.
    pub cl_ord_id: ClOrdId,
}

/// `OrderCancelRequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelOrder {
    /// By `OrderID` (37), if given; else by `orig_cl_ord_id`.
    pub order: OrderId,
    /// In what.
    pub instrument: InstrumentId,
    /// Of which side.
    pub side: Side,
    /// Bits of [`order_flag`]: only those of [`order_flag::REPEATS`].
    pub flags: u8,
    /// The request's own name.
    pub cl_ord_id: ClOrdId,
    /// The order's name.
    pub orig_cl_ord_id: ClOrdId,
}

/// `OrderCancelReplaceRequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaceOrder {
    /// By `OrderID` (37), if given; else by `orig_cl_ord_id`.
    pub order: OrderId,
    /// New limit in ticks.
    pub price: Price,
    /// New total quantity (`OrderQty`), filled part included.
    pub quantity: Quantity,
    /// In what.
    pub instrument: InstrumentId,
    /// Of which side.
    pub side: Side,
    /// Must be the order's.
    pub kind: OrderKind,
    /// New time in force.
    pub time_in_force: TimeInForce,
    /// Bits of [`order_flag`]: only those of [`order_flag::REPEATS`].
    pub flags: u8,
    /// The order's name from then on.
    pub cl_ord_id: ClOrdId,
    /// Its name until then.
    pub orig_cl_ord_id: ClOrdId,
}

/// `OrderStatusRequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRequest {
    /// By `OrderID` (37), if given; else by `cl_ord_id`.
    pub order: OrderId,
    /// In what.
    pub instrument: InstrumentId,
    /// Of which side.
    pub side: Side,
    /// The order's name.
    pub cl_ord_id: ClOrdId,
    /// `OrdStatusReqID` (790), echoed.
    pub request: Note,
}

/// `OrderMassStatusRequest`: all open orders of the session, in one instrument or in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassStatusRequest {
    /// [`InstrumentId::NONE`]: all.
    pub instrument: InstrumentId,
    /// `MassStatusReqID` (584), echoed.
    pub request: Note,
}

/// `OrderMassCancelRequest`: all open orders of the session, in one instrument or in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassCancelRequest {
    /// [`InstrumentId::NONE`]: all (530=7).
    pub instrument: InstrumentId,
    /// Bits of [`order_flag`]: only those of [`order_flag::REPEATS`].
    pub flags: u8,
    /// The request's name.
    pub cl_ord_id: ClOrdId,
}

/// `SecurityListRequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityListRequest {
    /// [`InstrumentId::NONE`]: all.
    pub instrument: InstrumentId,
    /// `SecurityReqID` (320), echoed.
    pub request: Note,
}

/// `RequestForPositions`, for the cash and holdings of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceRequest {
    /// [`AccountId::NONE`]: of all that the session may act for.
    pub account: AccountId,
    /// `PosReqID` (710), echoed.
    pub request: Note,
}

/// An order that the gateway could not turn into terms (no such instrument, a price between ticks, …): the exchange
/// numbers the refusal. What the member wrote is echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedOrder {
    /// [`ExecType::Rejected`], or [`ExecType::OrderStatus`] for a status request.
    pub exec_type: ExecType,
    /// Why.
    pub reason: Reason,
    /// 54, `None` where what was written is no side.
    pub side: Option<Side>,
    /// 40 as written, 0 = not.
    pub ord_type: u8,
    /// 59 as written, 0 = not.
    pub time_in_force: u8,
    /// Bits of [`order_flag`]: those of [`order_flag::REPEATS`], and [`order_flag::BY_FUNDS`].
    pub flags: u8,
    /// 38 as written, or 152 with [`order_flag::BY_FUNDS`].
    pub quantity: Option<Decimal>,
    /// 44 as written.
    pub price: Option<Decimal>,
    /// 11
    pub cl_ord_id: ClOrdId,
    /// 55 as written, as much as fits.
    pub symbol: Name,
    /// 1 as written, as much as fits.
    pub account: Name,
    /// 58
    pub words: Note,
}

/// A cancel or replace that the gateway could not turn into a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedCancel {
    /// Why.
    pub reason: Reason,
    /// Whether it was a replace (434=2).
    pub replace: bool,
    /// Bits of [`order_flag`]: only those of [`order_flag::REPEATS`].
    pub flags: u8,
    /// 11
    pub cl_ord_id: ClOrdId,
    /// 41
    pub orig_cl_ord_id: ClOrdId,
    /// 58
    pub words: Note,
}

/// Everything that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A primary's term begins: every session is no longer live and its grace starts.
    Epoch(EpochOpened),
    /// The behaviour in force from here on.
    Version(u32),
    /// Time has passed a deadline.
    Tick,
    /// The next slice of mass work.
    Continue,
    /// The hash chain over the full event pages below `page`.
    Chain {
        /// Event pages covered.
        page: u64,
        /// Their chain value.
        hash: [u8; 16],
    },
    /// The message of this session and number (header) made the exchange stop once; it is refused instead.
    Refuse,
    /// All sessions of a gateway are no longer live.
    GatewayLost(GatewayId),
    /// An operator's.
    Operate(Author, Operation),
    /// A member came in.
    LogOn(LogOn),
    /// A member went away.
    LogOff(GatewayId, LogOffCause),
    /// A session-level message.
    Note(SessionNote),
    /// A second log-on with a good password: whoever holds the session must show that it is still there.
    Challenge,
    /// 35=D
    NewOrder(NewOrder),
    /// 35=F
    Cancel(CancelOrder),
    /// 35=G
    Replace(ReplaceOrder),
    /// 35=H
    Status(StatusRequest),
    /// 35=AF
    MassStatus(MassStatusRequest),
    /// 35=q
    MassCancel(MassCancelRequest),
    /// 35=x
    SecurityList(SecurityListRequest),
    /// 35=AN
    Balances(BalanceRequest),
    /// 35=D or H that no terms could be made of.
    RefusedOrder(RefusedOrder),
    /// 35=F or G that no terms could be made of.
    RefusedCancel(RefusedCancel),
}

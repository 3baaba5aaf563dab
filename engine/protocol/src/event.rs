//! Events: what the exchange tells. Those of kinds below [`kind::UNNUMBERED`] are messages to one session: the header
//! carries the session and its outbound number, and the body begins with the position, in the event log, of that
//! session's previous message, so that a resend walks back without scanning.
//!
//! An [`Event`] borrows its texts: from the state when it is written, from the record when it is read.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::command::{EpochOpened, Notice, NoticeKind, RefusedOrder};
use crate::ids::{
    AccountId, ExecId, GatewayId, InstrumentId, OrderId, Sequence, SessionId, SessionSeq, Timestamp, TradeId,
};
use crate::money::{Cash, Decimal, WireCash, WireDecimal};
use crate::reason::Reason;
use crate::record::{HEADER_BYTES, offset};
use crate::reference::Operation;
use crate::terms::{AckPolicy, MarketState, OrderStatus};
use crate::text::{Note, Symbol};

/// Numbers of the record kinds.
pub mod kind {
    /// [`super::Event::Report`]
    pub const REPORT: u8 = 1;
    /// [`super::Event::RefusedOrder`]
    pub const REFUSED_ORDER: u8 = 2;
    /// [`super::Event::CancelReject`]
    pub const CANCEL_REJECT: u8 = 3;
    /// [`super::Event::MassCancelReport`]
    pub const MASS_CANCEL_REPORT: u8 = 4;
    /// [`super::Event::Notice`]
    pub const NOTICE: u8 = 5;
    /// [`super::Event::SecurityList`]
    pub const SECURITY_LIST: u8 = 6;
    /// From here on events carry no outbound number.
    pub const UNNUMBERED: u8 = 32;
    /// [`super::Event::LogOnRefused`]
    pub const LOG_ON_REFUSED: u8 = 32;
    /// [`super::Event::Repeat`]
    pub const REPEAT: u8 = 33;
    /// [`super::Event::Gone`]
    pub const GONE: u8 = 34;
    /// [`super::Event::Challenged`]
    pub const CHALLENGED: u8 = 35;
    /// [`super::Event::Balance`]
    pub const BALANCE: u8 = 36;
    /// [`super::Event::Epoch`]
    pub const EPOCH: u8 = 40;
    /// [`super::Event::Reference`]
    pub const REFERENCE: u8 = 41;
    /// [`super::Event::Market`]
    pub const MARKET: u8 = 42;
    /// [`super::Event::Answer`]
    pub const ANSWER: u8 = 43;
    /// [`super::Event::Busted`]
    pub const BUSTED: u8 = 44;
    /// [`super::Event::DayEnded`]
    pub const DAY_ENDED: u8 = 45;
    /// [`super::Event::Policy`]
    pub const POLICY: u8 = 46;
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct NumberedWire {
    previous: u64,
    id: u64,
}

/// `OrderCancelReject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelReject<'a> {
    /// Position of the session's previous message, 0 = none.
    pub previous: u64,
    /// 37; [`OrderId::NONE`] = `NONE`.
    pub order: OrderId,
    /// 39; [`OrderStatus::Rejected`] where the order is unknown.
    pub status: OrderStatus,
    /// 102, 58
    pub reason: Reason,
    /// 434: 2 if so, else 1.
    pub replace: bool,
    /// 11
    pub cl_ord_id: &'a [u8],
    /// 41
    pub orig_cl_ord_id: &'a [u8],
    /// 58 where the gateway had more to say than the reason's words; empty = none.
    pub words: &'a [u8],
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct CancelRejectWire {
    previous: u64,
    order: OrderId,
    status: OrderStatus,
    reason: Reason,
    replace: u8,
    cl_ord_id_len: u8,
    orig_cl_ord_id_len: u8,
    words_len: u8,
    zero: [u8; 2],
}

/// `OrderMassCancelReport`: sent when the work is done, behind the reports of the orders cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassCancelReport<'a> {
    /// Position of the session's previous message, 0 = none.
    pub previous: u64,
    /// [`InstrumentId::NONE`]: all.
    pub instrument: InstrumentId,
    /// 533
    pub affected: u32,
    /// 37 of the request itself: a number of its own.
    pub exec: ExecId,
    /// 11
    pub cl_ord_id: &'a [u8],
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct MassCancelWire {
    previous: u64,
    exec: ExecId,
    instrument: InstrumentId,
    affected: u32,
    cl_ord_id_len: u8,
    zero: [u8; 7],
}

/// Bits of a notice's flags.
pub mod notice_flag {
    /// The log-on started a new incarnation (141=Y).
    pub const RESET: u8 = 1;
    /// The session is no longer live once this is sent.
    pub const CLOSE: u8 = 4;
}

/// A numbered message of the session layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeEvent {
    /// Position of the session's previous message, 0 = none.
    pub previous: u64,
    /// The gateway that holds the session.
    pub gateway: GatewayId,
    /// Its connection.
    pub connection: u32,
    /// Next inbound number, after this command.
    pub next_inbound: SessionSeq,
    /// Which numbering the outbound number belongs to: grows with each reset.
    pub incarnation: u32,
    /// 108, seconds.
    pub heartbeat_s: u16,
    /// Bits of [`notice_flag`].
    pub flags: u8,
    /// What it says.
    pub notice: Notice,
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct NoticeWire {
    previous: u64,
    gateway: GatewayId,
    connection: u32,
    next_inbound: SessionSeq,
    incarnation: u32,
    ref_seq: u32,
    ref_tag: i32,
    heartbeat_s: u16,
    reason: u16,
    ref_type: [u8; 2],
    kind: NoticeKind,
    flags: u8,
    text_len: u8,
    zero: [u8; 7],
}

/// Most instruments in one `SecurityList` message.
pub const SECURITIES_PER_MESSAGE: usize = 64;

/// `SecurityList`: one message of one or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityListPart<'a> {
    /// Position of the session's previous message, 0 = none.
    pub previous: u64,
    /// 393, in all messages together.
    pub total: u32,
    /// 893
    pub last: bool,
    /// 322: a number of its own.
    pub exec: ExecId,
    /// 320
    pub request: &'a [u8],
    /// The instruments, at most [`SECURITIES_PER_MESSAGE`], each as 4 bytes.
    pub instruments: &'a [u8],
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SecurityListWire {
    previous: u64,
    exec: ExecId,
    total: u32,
    count: u16,
    last: u8,
    request_len: u8,
}

/// What an account has of one asset: one of the answers to a request for balances, or the refusal of one. It has no
/// number and is not sent again, for later it would be wrong: whoever missed it asks once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceRow<'a> {
    /// Whose it is.
    pub account: AccountId,
    /// 727: rows of this request; 0 = this is none, and `reason` says why unless there is simply nothing.
    pub rows: u32,
    /// Why not.
    pub reason: Reason,
    /// The asset's name.
    pub asset: Symbol,
    /// What the amounts count in: a currency's smallest unit, an instrument's lot.
    pub unit: Decimal,
    /// All of it.
    pub total: Cash,
    /// The part that open orders hold.
    pub reserved: Cash,
    /// 710
    pub request: &'a [u8],
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct BalanceWire {
    unit: WireDecimal,
    total: WireCash,
    reserved: WireCash,
    account: AccountId,
    rows: u32,
    reason: Reason,
    asset_len: u8,
    request_len: u8,
    zero: [u8; 5],
}

/// How an operator's request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum Outcome {
    /// Done.
    Done = 0,
    /// Was done before (a transfer's id counts once); `sequence` names the command that did it.
    Repeated = 1,
    /// Refused; the text says why.
    Refused = 2,
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct AnswerWire {
    sequence: Sequence,
    request: u32,
    outcome: Outcome,
    text_len: u8,
    zero: [u8; 2],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct ReferenceWire {
    id: u32,
    owner: u32,
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct MarketWire {
    instrument: InstrumentId,
    state: MarketState,
    zero: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct BustedWire {
    trade: TradeId,
    instrument: InstrumentId,
    zero: u32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RefusedLogOnWire {
    gateway: GatewayId,
    connection: u32,
    text_len: u8,
    zero: [u8; 7],
}

/// Everything that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// 35=8
    Report(Report<'a>),
    /// 35=8 of an order that no terms could be made of.
    RefusedOrder {
        /// Position of the session's previous message, 0 = none.
        previous: u64,
        /// 17
        exec: ExecId,
        /// What was refused.
        order: RefusedOrder,
    },
    /// 35=9
    CancelReject(CancelReject<'a>),
    /// 35=r
    MassCancelReport(MassCancelReport<'a>),
    /// 35=A 1 2 3 5 0 j
    Notice(NoticeEvent),
    /// 35=y
    SecurityList(SecurityListPart<'a>),
    /// A log-on that is not answered by a numbered message: the gateway closes the connection.
    LogOnRefused {
        /// The gateway.
        gateway: GatewayId,
        /// Its connection.
        connection: u32,
        /// Why.
        text: Note,
    },
    /// A marked resend of what was answered before: the gateway sends that answer once more.
    Repeat(SessionSeq),
    /// The session (header) is no longer live.
    Gone,
    /// Somebody else logs on to the session (header), with a good password: the gateway that holds it finds out whether
    /// its member is still there.
    Challenged,
    /// 35=AP, or AO, under no number.
    Balance(BalanceRow<'a>),
    /// A primary's term began; every session is no longer live.
    Epoch(EpochOpened),
    /// Something was defined or changed.
    Reference {
        /// Its number, of the type that the operation defines (of a grant: the session's).
        id: u32,
        /// Number of what it belongs to: an account's or session's participant, an instrument's currency, a grant's account.
        owner: u32,
        /// The definition.
        operation: Operation,
    },
    /// An instrument's market changed.
    Market(InstrumentId, MarketState),
    /// Answers an operator's request.
    Answer {
        /// The request's number, from the command's `session_seq`.
        request: u32,
        /// How it went.
        outcome: Outcome,
        /// The command that did it.
        sequence: Sequence,
        /// Why not.
        text: Note,
    },
    /// A trade was undone.
    Busted(TradeId, InstrumentId),
    /// The trading day ended.
    DayEnded,
    /// The ack policy changed.
    Policy(AckPolicy),
}

impl Event<'_> {
    /// Whether it is for whoever holds the session that its header names.
    pub fn is_for_its_session(&self) -> bool {
        match self {
            Self::Report(_)
            | Self::RefusedOrder { .. }
            | Self::CancelReject(_)
            | Self::MassCancelReport(_)
            | Self::Notice(_)
            | Self::SecurityList(_)
            | Self::Repeat(_)
            | Self::Gone
            | Self::Challenged
            | Self::Balance(_) => true,
            Self::LogOnRefused { .. }
            | Self::Epoch(_)
            | Self::Reference { .. }
            | Self::Market(..)
            | Self::Answer { .. }
            | Self::Busted(..)
            | Self::DayEnded
            | Self::Policy(_) => false,
        }
    }
}

/// To whom an event goes, and of which command it is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The command's sequence.
    pub sequence: Sequence,
    /// The command's time.
    pub timestamp: Timestamp,
    /// Index within the command, from 0.
    pub index: u32,
    /// To whom.
    pub session: SessionId,
    /// Under which outbound number.
    pub number: SessionSeq,
}

mod report;
mod wire;
pub use report::{Fill, Report, ReportBody, report_flag};
pub use wire::{EventBuffer, Records};

/// The position of the session's previous message, of a numbered event's record.
pub fn previous(record: &[u8]) -> Option<u64> {
    let bytes = record.get(HEADER_BYTES..HEADER_BYTES + 8)?;
    (record[offset::KIND] < kind::UNNUMBERED).then(|| u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
}

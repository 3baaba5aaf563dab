//! The execution report: what became of an order.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::ids::{AccountId, ExecId, InstrumentId, OrderId, TradeId};
use crate::money::{Cash, Price, Quantity, WireCash};
use crate::reason::Reason;
use crate::terms::{ExecType, Liquidity, OrderKind, OrderStatus, Side, TimeInForce};

/// Bits of a report's flags.
pub mod report_flag {
    /// A replaced order kept its place in the queue.
    pub const KEPT_PLACE: u8 = 1;
    /// The order is post-only (18=6).
    pub const POST_ONLY: u8 = 2;
    /// Not asked for by the session: no 41, and 378 says why.
    pub const UNSOLICITED: u8 = 4;
    /// The last report of a mass status (912=Y).
    pub const LAST_REPORT: u8 = 8;
    /// The order's quantity is funds ([`super::Report::funds`]).
    pub const BY_FUNDS: u8 = 16;
}

/// `ExecutionReport`: the fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ReportBody {
    /// Position of the session's previous message, 0 = none.
    pub previous: u64,
    /// 37
    pub order: OrderId,
    /// 17
    pub exec: ExecId,
    /// 44, ticks; 0 = none.
    pub price: Price,
    /// 38, lots; 0 for an order by funds.
    pub quantity: Quantity,
    /// 151
    pub leaves: Quantity,
    /// 14
    pub cumulative: Quantity,
    pub(super) notional: WireCash,
    /// 1
    pub account: AccountId,
    /// 55
    pub instrument: InstrumentId,
    /// 150
    pub exec_type: ExecType,
    /// 39
    pub status: OrderStatus,
    /// 54
    pub side: Side,
    /// 40
    pub kind: OrderKind,
    /// 59
    pub time_in_force: TimeInForce,
    /// 58, 103, 378
    pub reason: Reason,
    /// 851
    pub liquidity: Liquidity,
    /// Bits of [`report_flag`].
    pub flags: u8,
    pub(super) cl_ord_id_len: u8,
    pub(super) orig_cl_ord_id_len: u8,
    pub(super) request_len: u8,
    /// Bit 0: a [`Fill`] follows; bit 1: funds follow.
    pub(super) sections: u8,
    /// 911, of a mass status; else 0.
    pub total_reports: u32,
}

impl ReportBody {
    /// A report of an accepted order; the caller sets what differs.
    pub fn new(order: OrderId, exec: ExecId, side: Side, kind: OrderKind) -> Self {
        Self {
            previous: 0,
            order,
            exec,
            price: Price(0),
            quantity: Quantity(0),
            leaves: Quantity(0),
            cumulative: Quantity(0),
            notional: WireCash::default(),
            account: AccountId::NONE,
            instrument: InstrumentId::NONE,
            exec_type: ExecType::New,
            status: OrderStatus::New,
            side,
            kind,
            time_in_force: TimeInForce::Day,
            reason: Reason::None,
            liquidity: Liquidity::None,
            flags: 0,
            cl_ord_id_len: 0,
            orig_cl_ord_id_len: 0,
            request_len: 0,
            sections: 0,
            total_reports: 0,
        }
    }

    /// Sum of price × lots over all fills so far, in ticks × lots: 6 (`AvgPx`) is this by `cumulative`.
    pub fn notional(&self) -> Cash {
        self.notional.into()
    }

    /// See [`Self::notional`].
    pub fn set_notional(&mut self, notional: Cash) {
        self.notional = notional.into();
    }
}

/// What was traded, of a report with 150=F or H.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Fill {
    /// 32
    pub last_quantity: Quantity,
    /// 31
    pub last_price: Price,
    /// 527, equal on both sides.
    pub trade: TradeId,
}

/// `ExecutionReport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// The fixed part.
    pub body: ReportBody,
    /// What was traded.
    pub fill: Option<Fill>,
    /// 152, the currency's smallest units.
    pub funds: Option<i64>,
    /// 11
    pub cl_ord_id: &'a [u8],
    /// 41, empty = none.
    pub orig_cl_ord_id: &'a [u8],
    /// 790, or 584 of a mass status; empty = none.
    pub request: &'a [u8],
}

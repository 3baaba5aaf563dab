//! What the exchange knows of an order beyond what matching reads: its name, its rates, what it has traded and whose
//! balances it moves. One entry for each slot of the books' orders, so an order is two or three cache lines in all.

use rialto_protocol::command::{OrderTerms, order_flag};
use rialto_protocol::event::{ReportBody, report_flag};
use rialto_protocol::{
    Cash, ClOrdId, ExecId, OrderKind, OrderStatus, Quantity, SessionSeq, Side, TimeInForce,
};

use crate::accounts::Row;
use crate::accounts::fees::{Rates, Traded, worth};
use crate::book::Order;

/// An order's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// Sum of price times lots that it has traded as the resting side.
    pub(super) made: i128,
    /// The same as the incoming side.
    pub(super) taken: i128,
    /// Its account's cash.
    pub(super) cash: Row,
    /// Its account's holdings.
    pub(super) holding: Row,
    /// Its fee rates.
    pub(super) rates: Rates,
    /// The message that answered its name.
    pub(super) answer: SessionSeq,
    /// Its name now.
    pub(super) cl_ord_id: ClOrdId,
}

const _: () = assert!(size_of::<Terms>() <= 96);

/// Marks in an order's flags.
pub(super) mod mark {
    pub(in crate::exchange) const POST_ONLY: u16 = 1;
    pub(in crate::exchange) const MARKET: u16 = 2;
    pub(in crate::exchange) const BY_FUNDS: u16 = 4;
    pub(super) const TIME_IN_FORCE_SHIFT: u32 = 4;
}

/// The marks of an order as it was asked for.
pub(super) fn marks(terms: &OrderTerms) -> u16 {
    let mark_if = |on: bool, mark: u16| if on { mark } else { 0 };
    mark_if(terms.has(order_flag::POST_ONLY), mark::POST_ONLY)
        | mark_if(terms.kind == OrderKind::Market, mark::MARKET)
        | mark_if(terms.has(order_flag::BY_FUNDS), mark::BY_FUNDS)
        | time_mark(terms.time_in_force)
}

fn time_mark(time_in_force: TimeInForce) -> u16 {
    let code = match time_in_force {
        TimeInForce::Day => 0,
        TimeInForce::GoodTillCancel => 1,
        TimeInForce::ImmediateOrCancel => 2,
        TimeInForce::FillOrKill => 3,
    };
    code << mark::TIME_IN_FORCE_SHIFT
}

/// An order's marks with another time in force.
pub(super) fn marks_with(order: &Order, time_in_force: TimeInForce) -> u16 {
    (order.flags & ((1 << mark::TIME_IN_FORCE_SHIFT) - 1)) | time_mark(time_in_force)
}

/// How long it stays.
pub(super) fn time_in_force(order: &Order) -> TimeInForce {
    match order.flags >> mark::TIME_IN_FORCE_SHIFT {
        0 => TimeInForce::Day,
        1 => TimeInForce::GoodTillCancel,
        2 => TimeInForce::ImmediateOrCancel,
        _ => TimeInForce::FillOrKill,
    }
}

/// Limit or market.
pub(super) fn kind(order: &Order) -> OrderKind {
    if order.flags & mark::MARKET == 0 { OrderKind::Limit } else { OrderKind::Market }
}

/// What it is now, while it is open or just filled.
pub(super) fn status(order: &Order) -> OrderStatus {
    if order.open() == Quantity(0) {
        OrderStatus::Filled
    } else if order.filled() > Quantity(0) {
        OrderStatus::PartiallyFilled
    } else {
        OrderStatus::New
    }
}

impl Terms {
    /// What it has traded in cash, where a tick of a lot is worth `unit`.
    #[inline]
    pub(super) fn traded(&self, unit: i64) -> Traded {
        Traded { made: worth(self.made, unit), taken: worth(self.taken, unit) }
    }

    /// What `order`, with these terms, keeps reserved with `open` lots left: cash of a buy, lots of a sell.
    #[inline]
    pub(super) fn reserved(&self, order: &Order, open: Quantity, unit: i64) -> i128 {
        if order.flags & mark::BY_FUNDS != 0 {
            return 0;
        }
        match order.side() {
            Side::Sell => i128::from(open.0),
            Side::Buy if order.flags & mark::MARKET != 0 => 0,
            Side::Buy => {
                let value = worth(i128::from(order.price().0) * i128::from(open.0), unit);
                self.rates.reservation(self.traded(unit), value)
            }
        }
    }

    /// A report of `order` with these terms as it stands; the caller says what happened.
    #[inline]
    pub(super) fn report(&self, order: &Order, exec: ExecId) -> ReportBody {
        let mut body = ReportBody::new(order.id, exec, order.side(), kind(order));
        if order.flags & mark::MARKET == 0 {
            body.price = order.price();
        }
        if order.flags & mark::BY_FUNDS == 0 {
            body.quantity = Quantity(order.filled().0 + order.open().0);
            body.leaves = order.open();
        } else {
            body.flags |= report_flag::BY_FUNDS;
        }
        if order.flags & mark::POST_ONLY != 0 {
            body.flags |= report_flag::POST_ONLY;
        }
        body.cumulative = order.filled();
        body.set_notional(Cash(self.made + self.taken));
        body.account = order.account;
        body.instrument = order.instrument;
        body.status = status(order);
        body.time_in_force = time_in_force(order);
        body
    }
}

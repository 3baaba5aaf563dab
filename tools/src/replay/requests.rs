//! Operations of a set as order requests, and the way back from a ClOrdID to the operation that sent it.
//!
//! A new order's ClOrdID is its id in the set. Cancels and replaces need ones of their own: they hold a `~`,
//! which no id of a set does.
use std::collections::HashMap;

use rialto_protocol::Side;

use crate::dataset::{Action, Limit, Op, Resting};
use crate::twin::Twin;

/// What is asked of a venue. Prices and quantities are whole ticks and lots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `NewOrderSingle`.
    New {
        /// Its ClOrdID.
        cl_ord_id: String,
        /// Its side.
        side: Side,
        /// Its price, quantity and life.
        terms: Terms,
    },
    /// `OrderCancelRequest`.
    Cancel {
        /// The request's own ClOrdID.
        cl_ord_id: String,
        /// The order's ClOrdID.
        orig_cl_ord_id: String,
        /// The order's side.
        side: Side,
        /// The order's `OrderQty`.
        quantity: i64,
    },
    /// `OrderCancelReplaceRequest`.
    Replace {
        /// The order's ClOrdID from now on.
        cl_ord_id: String,
        /// Its ClOrdID until now.
        orig_cl_ord_id: String,
        /// Its side.
        side: Side,
        /// Its price, which stays.
        price: i64,
        /// Its new `OrderQty`, what has traded included.
        quantity: i64,
    },
}

/// Price, quantity and life of a new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// With a price.
    Limit {
        /// Ticks.
        price: i64,
        /// Lots.
        quantity: i64,
        /// What becomes of the rest.
        force: Force,
    },
    /// At any price.
    Market {
        /// Lots.
        quantity: i64,
    },
    /// At any price, as much as the money buys.
    Funds {
        /// Ticks times lots.
        funds: i128,
    },
}

/// What becomes of what a limit order does not trade at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// It rests.
    Day,
    /// It is dropped.
    ImmediateOrCancel,
    /// It rests, and the order is refused if it would trade.
    PostOnly,
}

/// An order that may rest, as the venue knows it.
#[derive(Debug)]
struct Sent {
    cl_ord_id: String,
    side: Side,
    price: i64,
    quantity: i64,
    replaces: u32,
}

/// What has been asked so far.
#[derive(Debug, Default)]
pub(super) struct Requests {
    orders: HashMap<String, Sent>,
    sent_by: HashMap<String, u64>,
}

impl Requests {
    /// What `op` asks, after `twin` ran it; `None` where nothing is sent for it.
    pub(super) fn of(&mut self, op: &Op, twin: &Twin) -> Option<Request> {
        match &op.action {
            Action::Rest(limit) | Action::Limit(limit) => Some(self.limit(op.n, limit, Force::Day)),
            Action::Post(limit) => Some(self.limit(op.n, limit, Force::PostOnly)),
            Action::Immediate(limit) => Some(self.limit(op.n, limit, Force::ImmediateOrCancel)),
            Action::Market { id, side, quantity } => {
                Some(self.market(op.n, id, *side, Terms::Market { quantity: *quantity }))
            }
            Action::Funds { id, side, funds } => {
                Some(self.market(op.n, id, *side, Terms::Funds { funds: *funds }))
            }
            Action::Cancel { id } => self.cancel(op.n, id),
            Action::Reduce { id, .. } if twin.open(id) == 0 => self.cancel(op.n, id),
            Action::Reduce { id, by } => self.reduce(op.n, id, *by),
            Action::Auction | Action::Uncross { .. } => None,
        }
    }

    /// An order that an auction left, as operation `n` sends it.
    pub(super) fn resting(&mut self, n: u64, order: Resting) -> Request {
        let Resting { side, price, id, open } = order;
        self.limit(n, &Limit { id, side, price, quantity: open }, Force::Day)
    }

    /// The operation that sent `cl_ord_id`.
    pub(super) fn sender(&self, cl_ord_id: &str) -> Option<u64> {
        self.sent_by.get(cl_ord_id).copied()
    }

    /// The id in the set of the order that a venue calls `cl_ord_id`.
    pub(super) fn id_of(cl_ord_id: &str) -> &str {
        cl_ord_id.split_once('~').map_or(cl_ord_id, |(id, _)| id)
    }

    fn limit(&mut self, n: u64, limit: &Limit, force: Force) -> Request {
        let Limit { id, side, price, quantity } = limit.clone();
        self.sent_by.insert(id.clone(), n);
        let sent = Sent { cl_ord_id: id.clone(), side, price, quantity, replaces: 0 };
        self.orders.insert(id.clone(), sent);
        Request::New { cl_ord_id: id, side, terms: Terms::Limit { price, quantity, force } }
    }

    fn market(&mut self, n: u64, id: &str, side: Side, terms: Terms) -> Request {
        self.sent_by.insert(id.to_owned(), n);
        Request::New { cl_ord_id: id.to_owned(), side, terms }
    }

    fn cancel(&mut self, n: u64, id: &str) -> Option<Request> {
        let sent = self.orders.remove(id)?;
        let cl_ord_id = format!("~{n}");
        self.sent_by.insert(cl_ord_id.clone(), n);
        let Sent { cl_ord_id: orig_cl_ord_id, side, quantity, .. } = sent;
        Some(Request::Cancel { cl_ord_id, orig_cl_ord_id, side, quantity })
    }

    fn reduce(&mut self, n: u64, id: &str, by: i64) -> Option<Request> {
        let sent = self.orders.get_mut(id)?;
        sent.quantity -= by;
        sent.replaces += 1;
        let cl_ord_id = format!("{id}~{}", sent.replaces);
        let orig_cl_ord_id = std::mem::replace(&mut sent.cl_ord_id, cl_ord_id.clone());
        let Sent { side, price, quantity, .. } = *sent;
        self.sent_by.insert(cl_ord_id.clone(), n);
        Some(Request::Replace { cl_ord_id, orig_cl_ord_id, side, price, quantity })
    }
}

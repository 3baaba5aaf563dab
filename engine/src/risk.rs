//! What an order must be like before it may touch anybody's money: the combinations that are offered, the bounds of
//! prices and quantities, and the limits that the operator has set. Pure functions of what was asked.

use rialto_protocol::command::{OrderTerms, order_flag};
use rialto_protocol::terms::MarketState;
use rialto_protocol::{OrderKind, Price, Quantity, Reason, TimeInForce};

use crate::accounts::fees::{VALUE_MAX, worth};
use crate::book::QUANTITY_MAX;
use crate::directory::OrderLimits;

const MILLION: i128 = 1_000_000;

/// Whether the market takes new orders.
pub fn check_market(state: MarketState) -> Result<(), Reason> {
    match state {
        MarketState::Open => Ok(()),
        MarketState::Closed => Err(Reason::MarketClosed),
        MarketState::Halted => Err(Reason::MarketHalted),
    }
}

/// Whether what a new order asks for is offered, and its numbers are ones that an order can have.
pub fn check_terms(terms: &OrderTerms) -> Result<(), Reason> {
    let known = order_flag::POST_ONLY | order_flag::BY_FUNDS | order_flag::REPEATS;
    let stays = matches!(terms.time_in_force, TimeInForce::Day | TimeInForce::GoodTillCancel);
    let offered = match terms.kind {
        OrderKind::Limit => !terms.has(order_flag::BY_FUNDS) && (stays || !terms.has(order_flag::POST_ONLY)),
        OrderKind::Market if terms.has(order_flag::POST_ONLY) => false,
        OrderKind::Market => match terms.time_in_force {
            TimeInForce::Day | TimeInForce::ImmediateOrCancel => true,
            TimeInForce::FillOrKill => !terms.has(order_flag::BY_FUNDS),
            TimeInForce::GoodTillCancel => false,
        },
    };
    if terms.flags & !known != 0 || !offered {
        return Err(Reason::Unsupported);
    }
    match terms.kind {
        OrderKind::Limit if terms.price <= Price(0) => return Err(Reason::BadPrice),
        OrderKind::Market if terms.price != Price(0) => return Err(Reason::BadPrice),
        OrderKind::Limit | OrderKind::Market => {}
    }
    if terms.has(order_flag::BY_FUNDS) {
        return if terms.quantity.0 > 0 { Ok(()) } else { Err(Reason::QuantityLimit) };
    }
    check_quantity(terms.quantity)
}

/// Whether an order may be for this many lots.
pub fn check_quantity(quantity: Quantity) -> Result<(), Reason> {
    if (1..=QUANTITY_MAX.0).contains(&quantity.0) { Ok(()) } else { Err(Reason::QuantityLimit) }
}

/// What of an order the limits look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lots; of an order by funds 0.
    pub quantity: Quantity,
    /// Its value as far as it is known, in the currency's smallest units.
    pub value: i128,
    /// Its limit, if it has one.
    pub price: Option<Price>,
}

/// Whether an order is within the limits, where the last trade was at `last`.
pub fn check_limits(limits: &OrderLimits, size: &Size, last: Option<Price>) -> Result<(), Reason> {
    if limits.quantity_max != 0 && size.quantity.0 > limits.quantity_max {
        return Err(Reason::QuantityLimit);
    }
    if size.value > VALUE_MAX || (limits.value_max != 0 && size.value > i128::from(limits.value_max)) {
        return Err(Reason::ValueLimit);
    }
    let (true, Some(price), Some(last)) = (limits.collar_ppm != 0, size.price, last) else { return Ok(()) };
    let (price, last) = (i128::from(price.0), i128::from(last.0));
    let distance = (price - last).abs();
    if distance * MILLION > last * i128::from(limits.collar_ppm) { Err(Reason::PriceCollar) } else { Ok(()) }
}

/// What lots at a price are worth; `None` if that is more than any order may be worth.
pub fn value(price: Price, quantity: Quantity, unit: i64) -> Option<i128> {
    let ticks = i128::from(price.0) * i128::from(quantity.0);
    let value = match i64::try_from(ticks) {
        Ok(_) => worth(ticks, unit),
        Err(_) => ticks.checked_mul(i128::from(unit))?,
    };
    (value <= VALUE_MAX).then_some(value)
}

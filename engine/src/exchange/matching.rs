//! Matching: an incoming order trades with the best resting ones until its terms, its money or the book end it.

use rialto_protocol::event::{Fill, Report, ReportBody};
use rialto_protocol::terms::{Liquidity, SelfTrade};
use rialto_protocol::{
    ExecType, InstrumentId, OrderStatus, Price, Quantity, Reason, Side, TimeInForce, TradeId,
};

use super::Exchange;
use super::emit::Emitter;
use super::terms::{self, mark};
use crate::accounts::fees::{Traded, worth};
use crate::accounts::{Exchanged, Party};
use crate::book::{Order, Slot, accepts};
use crate::directory::Instrument;
use crate::trades::{Trade, TradeSide};

/// Resting orders that one command may take or cancel: two or three events each stay below the 4,096 of a command.
const STEPS_PER_COMMAND: u32 = 1_000;

/// An incoming order on its way through the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) slot: Slot,
    /// All the funds of an order by funds.
    pub(crate) funds: Option<i64>,
    /// Whether it is among the open orders already (a replaced one).
    pub(crate) listed: bool,
}

/// Why matching stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The order is complete.
    Filled,
    /// Nothing more trades with it.
    NoMore,
    /// The rest of it ends for this reason.
    Cancelled(Reason),
    /// The command has told enough; matching goes on with the next one.
    Paused,
}

/// What a trade is about, beside its two orders.
#[derive(Clone, Copy, Debug)]
struct Deal {
    id: TradeId,
    price: Price,
    quantity: Quantity,
    ticks: i128,
}

impl Exchange {
    /// Whether an order must wait until a sweep of its instrument is done.
    #[inline]
    pub(super) fn is_locked(&self, instrument: InstrumentId) -> bool {
        !self.sweeps.is_empty()
            && self.sweeps.iter().any(|incoming| self.orders[incoming.slot].instrument == instrument)
    }

    /// Goes on with the first sweep that was paused.
    #[cold]
    pub(super) fn sweep_on(&mut self, out: &mut Emitter<'_>) {
        let incoming = self.sweeps.remove(0);
        let stop = self.match_incoming(&incoming, out);
        self.settle_rest(incoming, stop, out);
    }

    pub(super) fn match_incoming(&mut self, incoming: &Incoming, out: &mut Emitter<'_>) -> Stop {
        let order = self.orders[incoming.slot];
        let instrument =
            *self.directory.instrument(order.instrument).expect("an order's instrument is defined");
        let self_trade =
            self.directory.participant(order.owner).map_or(SelfTrade::Off, |owner| owner.self_trade);
        for _ in 0..STEPS_PER_COMMAND {
            let open = self.orders[incoming.slot].open();
            if open == Quantity(0) {
                return Stop::Filled;
            }
            let book = &self.market(order.instrument).book;
            let Some(front) = book.front(&self.orders, order.side().opposite()) else { return Stop::NoMore };
            let maker = self.orders[front];
            if !accepts(order.side(), order.price(), maker.price()) {
                return Stop::NoMore;
            }
            if self_trade != SelfTrade::Off && maker.owner == order.owner {
                match self_trade {
                    SelfTrade::CancelNewest => return Stop::Cancelled(Reason::SelfTrade),
                    SelfTrade::CancelOldest => self.end_resting(front, Reason::SelfTrade, out),
                    SelfTrade::CancelBoth | SelfTrade::Off => {
                        self.end_resting(front, Reason::SelfTrade, out);
                        return Stop::Cancelled(Reason::SelfTrade);
                    }
                }
                continue;
            }
            let price = trade_price(&order, &maker, &instrument);
            let wanted = open.min(maker.open());
            let lots = if order.flags & mark::MARKET == 0 {
                wanted
            } else {
                match self.within_means(incoming, price, wanted, instrument.unit) {
                    Ok(lots) => lots,
                    Err(reason) => return Stop::Cancelled(reason),
                }
            };
            if self.trade(incoming, front, (price, lots), out) {
                return Stop::Filled;
            }
        }
        Stop::Paused
    }

    /// How much of `wanted` lots at `price` a market order's funds, cash or holdings reach for; why not even one.
    fn within_means(
        &self,
        incoming: &Incoming,
        price: Price,
        wanted: Quantity,
        unit: i64,
    ) -> Result<Quantity, Reason> {
        let (order, terms) = (&self.orders[incoming.slot], &self.terms[incoming.slot.index()]);
        let traded = terms.traded(unit);
        let lot_value = i128::from(price.0) * i128::from(unit);
        let mut lots = wanted.0;
        if let Some(funds) = incoming.funds {
            let left = i128::from(funds) - traded.taken;
            lots = lots.min(i64::try_from(left / lot_value).unwrap_or(i64::MAX));
        }
        if lots == 0 {
            return Err(Reason::CashExhausted);
        }
        let (lots, short) = match order.side() {
            Side::Buy => {
                let cash = self.accounts.balance(terms.cash).available();
                (terms.rates.affordable(traded, lot_value, cash, lots), Reason::CashExhausted)
            }
            Side::Sell if incoming.funds.is_some() => {
                let held = self.accounts.balance(terms.holding).available();
                (lots.min(i64::try_from(held).unwrap_or(i64::MAX)), Reason::NotEnoughHoldings)
            }
            Side::Sell => (lots, Reason::None),
        };
        if lots == 0 { Err(short) } else { Ok(Quantity(lots)) }
    }

    /// Why an order that wants all or nothing gets nothing, if so.
    pub(super) fn cannot_fill(&self, incoming: &Incoming) -> Option<Reason> {
        let order = &self.orders[incoming.slot];
        if terms::time_in_force(order) != TimeInForce::FillOrKill {
            return None;
        }
        let instrument = self.directory.instrument(order.instrument)?;
        let self_trade =
            self.directory.participant(order.owner).map_or(SelfTrade::Off, |owner| owner.self_trade);
        let terms = &self.terms[incoming.slot.index()];
        let (mut missing, mut value) = (order.open().0, 0i128);
        for slot in self.market(order.instrument).book.priority(&self.orders, order.side().opposite()) {
            let maker = &self.orders[slot];
            if missing == 0 || !accepts(order.side(), order.price(), maker.price()) {
                break;
            }
            if self_trade != SelfTrade::Off && maker.owner == order.owner {
                match self_trade {
                    SelfTrade::CancelOldest => continue,
                    SelfTrade::CancelNewest | SelfTrade::CancelBoth | SelfTrade::Off => break,
                }
            }
            let lots = missing.min(maker.open().0);
            let price = trade_price(order, maker, instrument);
            value += worth(i128::from(price.0) * i128::from(lots), instrument.unit);
            missing -= lots;
        }
        if missing > 0 {
            return Some(Reason::NoLiquidity);
        }
        let cost = value + terms.rates.fee(Traded { made: 0, taken: value });
        let pays_from_cash = order.side() == Side::Buy && order.flags & mark::MARKET != 0;
        let cash = self.accounts.balance(terms.cash).available();
        (pays_from_cash && cost > cash).then_some(Reason::CashExhausted)
    }

    /// One trade: money, orders, book, and what both sides are told. Whether the incoming order is complete.
    fn trade(
        &mut self,
        incoming: &Incoming,
        maker: Slot,
        at: (Price, Quantity),
        out: &mut Emitter<'_>,
    ) -> bool {
        let (price, quantity) = at;
        let order = &self.orders[incoming.slot];
        let (number, taker_side) = (order.instrument, order.side());
        let instrument = self.directory.instrument(number).expect("an order's instrument is defined");
        let (unit, cash) = (instrument.unit, instrument.cash);
        let ticks = i128::from(price.0) * i128::from(quantity.0);
        let deal = Deal { id: self.issued.trade(), price, quantity, ticks };
        let taker_party = self.party(incoming.slot, &deal, Liquidity::Taker, unit);
        let maker_party = self.party(maker, &deal, Liquidity::Maker, unit);
        let (buyer, seller) = match taker_side {
            Side::Buy => (taker_party, maker_party),
            Side::Sell => (maker_party, taker_party),
        };
        let value = worth(ticks, unit);
        self.accounts.exchange(&Exchanged { cash, lots: i128::from(quantity.0), value, buyer, seller });
        let open = self.orders.take(incoming.slot, quantity);
        let market = &mut self.markets[number.0 as usize];
        let left = market.book.fill(&mut self.orders, maker, quantity);
        market.last = Some(price);
        let funds_left = incoming
            .funds
            .map(|funds| i128::from(funds) - worth(self.terms[incoming.slot.index()].taken, unit));
        let lot_value = i128::from(price.0) * i128::from(unit);
        // A buy finds no lower price behind this one; a sell might, once this order is used up.
        let met = |funds: i128| {
            funds == 0 || (funds < lot_value && (taker_side == Side::Buy || left > Quantity(0)))
        };
        let complete = open == Quantity(0) || funds_left.is_some_and(met);
        let status = if complete { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        let taker_body = self.tell_fill(incoming, &deal, Some(status), out);
        let resting = Incoming { slot: maker, funds: None, listed: true };
        let maker_body = self.tell_fill(&resting, &deal, None, out);
        let taker_kept = self.side_of(incoming.slot, &taker_body, taker_party.fee);
        let maker_kept = self.side_of(maker, &maker_body, maker_party.fee);
        let (bought, sold) = match taker_side {
            Side::Buy => (taker_kept, maker_kept),
            Side::Sell => (maker_kept, taker_kept),
        };
        self.trades.keep(Trade {
            id: deal.id,
            instrument: number,
            price,
            quantity,
            taker: taker_side,
            busted: false,
            buy: bought,
            sell: sold,
        });
        if left == Quantity(0) {
            self.unlist(maker);
            self.orders.free(maker);
        }
        complete
    }

    /// What a trade does to the money of one of its orders; notes what the order has traded.
    #[inline]
    fn party(&mut self, slot: Slot, deal: &Deal, role: Liquidity, unit: i64) -> Party {
        let (order, terms) = (&self.orders[slot], &mut self.terms[slot.index()]);
        let reserved = terms.reserved(order, order.open(), unit);
        let paid = terms.rates.fee(terms.traded(unit));
        match role {
            Liquidity::Maker => terms.made += deal.ticks,
            Liquidity::Taker | Liquidity::None => terms.taken += deal.ticks,
        }
        let fee = terms.rates.fee(terms.traded(unit)) - paid;
        let left = Quantity(order.open().0 - deal.quantity.0);
        let released = reserved - terms.reserved(order, left, unit);
        Party { cash: terms.cash, holding: terms.holding, fee, released }
    }

    /// Reports a fill of one of the two orders, an incoming one with its status.
    #[inline]
    fn tell_fill(
        &mut self,
        order: &Incoming,
        deal: &Deal,
        incoming: Option<OrderStatus>,
        out: &mut Emitter<'_>,
    ) -> ReportBody {
        let exec = self.issued.exec();
        let Incoming { slot, funds, .. } = *order;
        let (order, terms) = (&self.orders[slot], &self.terms[slot.index()]);
        let mut body = terms.report(order, exec);
        body.exec_type = ExecType::Trade;
        body.liquidity = if incoming.is_some() { Liquidity::Taker } else { Liquidity::Maker };
        if let Some(status) = incoming {
            body.status = status;
        }
        let report = Report {
            body,
            fill: Some(Fill { last_quantity: deal.quantity, last_price: deal.price, trade: deal.id }),
            funds,
            cl_ord_id: terms.cl_ord_id.as_bytes(),
            orig_cl_ord_id: b"",
            request: b"",
        };
        out.report(&mut self.sessions, order.session, report);
        body
    }

    #[inline]
    fn side_of(&self, slot: Slot, body: &ReportBody, fee: i128) -> TradeSide {
        TradeSide {
            order: body.order,
            account: body.account,
            session: self.orders[slot].session,
            fee: rialto_protocol::Cash(fee),
            price: body.price,
            quantity: body.quantity,
            cumulative: body.cumulative,
            notional: body.notional(),
            kind: body.kind,
            time_in_force: body.time_in_force,
            status: body.status,
            cl_ord_id: self.terms[slot.index()].cl_ord_id,
        }
    }
}

/// At what price two orders trade: the resting one's, or in a midpoint market halfway between the two limits, rounded to
/// a tick in the resting order's favour.
#[inline]
fn trade_price(taker: &Order, maker: &Order, instrument: &Instrument) -> Price {
    if !instrument.midpoint || taker.flags & mark::MARKET != 0 {
        return maker.price();
    }
    let (low, high) = (taker.price().0.min(maker.price().0), taker.price().0.max(maker.price().0));
    let distance = high - low;
    Price(match maker.side() {
        Side::Buy => low + distance / 2,
        Side::Sell => low + distance / 2 + distance % 2,
    })
}

//! The whole exchange in process: `Exchange::apply` with accounts, reservations, fees, names, sessions and the events
//! that members are sent, written as bytes. No ring, no journal, no gateway.
//!
//! Four sessions of one member each act for a quarter of the accounts; every account has 2^50 of each asset; the taker pays 50
//! millionths. Every request has a name of its own: a new order its decimal number, a cancel or modify `m` and the
//! record's number. A modify's open quantity is turned into the order's total before anything is timed.

use rialto_engine::book::QUANTITY_MAX;
use rialto_engine::exchange::Exchange;
use rialto_engine::stage::{Stage, plain_instrument};
use rialto_protocol::command::{CancelOrder, NewOrder, OrderTerms, ReplaceOrder};
use rialto_protocol::event::kind;
use rialto_protocol::record::offset;
use rialto_protocol::reference::InstrumentDef;
use rialto_protocol::terms::{ReplaceRule, SelfTrade};
use rialto_protocol::{
    AccountId, ClOrdId, Command, Decimal, InstrumentId, OrderId, OrderKind, Price, Quantity, SessionId, Side,
    TimeInForce, TradeId,
};

use super::{BookLayer, Layer};
use crate::flow::{Ask, Flow, FlowOp};
use crate::totals::{Resting, Sums, Trade};

/// Members, each with one session.
pub(super) const MEMBERS: u32 = 4;

/// What a record is as a request, beside what it says itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// Its own name.
    name: ClOrdId,
    /// The name of the order that it is about.
    order: ClOrdId,
    /// Of a modify: the order's new total.
    total: Quantity,
}

/// An exchange, and the requests that the flow's records make.
#[derive(Debug)]
pub struct ExchangeLayer {
    stage: Stage,
    /// In the order of the flow's records.
    requests: std::vec::IntoIter<Request>,
    last_trade: TradeId,
    /// Trades of the last record.
    trades: Vec<Trade>,
    sums: Sums,
}

impl Layer for ExchangeLayer {
    const NAME: &'static str = "exchange";

    fn new(flow: &Flow) -> ExchangeLayer {
        ExchangeLayer {
            stage: funded(flow),
            requests: requests(flow).into_iter(),
            last_trade: TradeId::NONE,
            trades: Vec::with_capacity(1 << 10),
            sums: Sums::default(),
        }
    }

    #[inline]
    fn apply(&mut self, op: &FlowOp) {
        let request = self.requests.next().expect("as many requests as records");
        self.stage.send(session_of(op), &command(op, &request));
        self.count();
    }

    fn trades(&mut self, each: &mut dyn FnMut(&Trade)) {
        for trade in self.trades.drain(..) {
            each(&trade);
        }
    }

    fn sums(&self) -> Sums {
        self.sums
    }

    fn resting(&self, each: &mut dyn FnMut(&Resting)) {
        rest(&self.stage.exchange, each);
    }
}

impl ExchangeLayer {
    /// Counts what the last record came to.
    #[inline]
    fn count(&mut self) {
        self.trades.clear();
        if self.stage.events.as_bytes()[offset::KIND] == kind::CANCEL_REJECT {
            self.sums.rejects += 1;
            return;
        }
        let last = self.last_trade;
        let made = self.stage.exchange.trades().rev().take_while(|trade| trade.id > last);
        for trade in made {
            self.last_trade = self.last_trade.max(trade.id);
            self.sums.trade(trade.price.0, trade.quantity.0);
            let (taker, maker) = match trade.taker {
                Side::Buy => (trade.buy.order, trade.sell.order),
                Side::Sell => (trade.sell.order, trade.buy.order),
            };
            let (price, quantity) = (trade.price.0, trade.quantity.0);
            self.trades.push(Trade { taker: taker.0, maker: maker.0, price, quantity });
        }
        self.trades.reverse();
    }
}

/// Everything that rests in an exchange.
pub(super) fn rest(exchange: &Exchange, each: &mut dyn FnMut(&Resting)) {
    for row in exchange.book_rows() {
        each(&Resting { id: row.order.0, price: row.price.0, open: row.open.0 });
    }
}

/// Who sends a record.
#[inline]
pub(super) fn session_of(op: &FlowOp) -> SessionId {
    SessionId(1 + op.account % MEMBERS)
}

#[inline]
pub(super) fn command(op: &FlowOp, request: &Request) -> Command {
    let instrument = InstrumentId(u32::from(op.symbol) + 1);
    match op.ask {
        Ask::New => {
            let mut terms = OrderTerms::limit(op.side, Quantity(op.quantity), instrument, Price(op.price));
            terms.account = AccountId(op.account + 1);
            Command::NewOrder(NewOrder { terms, cl_ord_id: request.name })
        }
        Ask::Cancel => Command::Cancel(CancelOrder {
            order: OrderId::NONE,
            instrument,
            side: op.side,
            flags: 0,
            cl_ord_id: request.name,
            orig_cl_ord_id: request.order,
        }),
        Ask::Modify => Command::Replace(ReplaceOrder {
            order: OrderId::NONE,
            price: Price(op.price),
            quantity: request.total,
            instrument,
            side: op.side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Day,
            flags: 0,
            cl_ord_id: request.name,
            orig_cl_ord_id: request.order,
        }),
    }
}

/// An open exchange with the flow's instruments, members and accounts.
pub(super) fn funded(flow: &Flow) -> Stage {
    let mut stage = Stage::new();
    let mut load = || -> Result<(), String> {
        stage.currency("USD", 0)?;
        let symbols: Vec<String> = (0..flow.header.symbols).map(|symbol| format!("S{symbol}")).collect();
        for symbol in &symbols {
            let plain = plain_instrument(symbol, "USD");
            stage.instrument(InstrumentDef { taker_fee_ppm: 50, replace: ReplaceRule::Requeue, ..plain })?;
        }
        let member = |account: u32| format!("M{}", account % MEMBERS);
        for number in 0..MEMBERS {
            stage.participant(&member(number), SelfTrade::Off)?;
        }
        let accounts: Vec<String> = (0..flow.header.accounts).map(|account| format!("A{account}")).collect();
        for (number, account) in (0..).zip(&accounts) {
            stage.account(account, &member(number))?;
            let amount = Decimal::new(1 << 50, 0);
            stage.deposit(account, "USD", amount)?;
            for symbol in &symbols {
                stage.deposit(account, symbol, amount)?;
            }
        }
        for number in 0..MEMBERS {
            let own: Vec<&str> = (0..)
                .zip(&accounts)
                .filter(|(at, _)| at % MEMBERS == number)
                .map(|(_, name)| name.as_str())
                .collect();
            stage.session(&member(number), &member(number), &own, false)?;
        }
        stage.open().map(|_| ())
    };
    load().expect("the flow's reference data are in order");
    stage
}

/// What each record is as a request. What a modified order had traded is found by running the book.
pub(super) fn requests(flow: &Flow) -> Vec<Request> {
    let ids = usize::try_from(flow.header.id_max).expect("order numbers are dense") + 1;
    let mut names = vec![ClOrdId::EMPTY; ids];
    let mut filled = vec![0i64; ids];
    let mut book = BookLayer::new(flow);
    let mut requests = Vec::with_capacity(flow.ops.len());
    for (number, op) in flow.ops.iter().enumerate() {
        let id = usize::try_from(op.id).expect("order numbers are dense");
        let order = names[id];
        let name = match op.ask {
            Ask::New => ClOrdId::clipped(&op.id.to_string()),
            Ask::Cancel | Ask::Modify => ClOrdId::clipped(&format!("m{number}")),
        };
        let total = Quantity(op.quantity + filled[id]);
        assert!(total <= QUANTITY_MAX, "order {id} of the flow is too large");
        let rejects = book.sums().rejects;
        book.apply(op);
        if op.ask != Ask::Cancel && book.sums().rejects == rejects {
            names[id] = name;
        }
        book.trades(&mut |trade| {
            for order in [trade.taker, trade.maker] {
                filled[usize::try_from(order).expect("order numbers are dense")] += trade.quantity;
            }
        });
        requests.push(Request { name, order, total });
    }
    requests
}

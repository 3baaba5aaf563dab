//! A venue in this process: an exchange alone, without matcher, journal or gateway, for `rialto replay --in-process`.
//!
//! One broker session trades for a buyer's and a seller's account, which own far more than a set can use.

pub mod node;

use rialto_engine::stage::{Stage, plain_instrument};
use rialto_protocol::command::{CancelOrder, NewOrder, OrderTerms, ReplaceOrder, order_flag};
use rialto_protocol::event::{CancelReject, Report};
use rialto_protocol::reference::InstrumentDef;
use rialto_protocol::terms::{Liquidity, SelfTrade};
use rialto_protocol::{
    AccountId, Command, Decimal, Event, ExecType, InstrumentId, OrderId, OrderKind, Price, Quantity,
    Sequence, SessionId, Side, TimeInForce,
};

use crate::dataset::{Dataset, Resting};
use crate::replay::{Answer, Force, Request, Terms, Venue};
use crate::twin::LevelTotal;

/// Lots that the seller has.
const LOTS: i128 = 1 << 60;
/// What the buyer has, in ticks times lots.
const CASH: i128 = 1 << 70;

/// The exchange and its one market.
#[derive(Debug)]
pub struct InProcess {
    stage: Stage,
    instrument: InstrumentId,
    session: SessionId,
    buyer: AccountId,
    seller: AccountId,
    answers: Vec<Answer>,
}

impl InProcess {
    /// An exchange in which a set can be replayed.
    pub fn new(set: &Dataset) -> anyhow::Result<Self> {
        Self::open(set).map_err(anyhow::Error::msg)
    }

    fn open(set: &Dataset) -> Result<Self, String> {
        let (tick, lot) = (set.tick, set.lot);
        // A tick of a lot is the currency's smallest unit, or several of them.
        let unit = Decimal::new(tick.mantissa * lot.mantissa, tick.decimals + lot.decimals);
        let mut stage = Stage::new();
        stage.currency("CASH", unit.decimals)?;
        let instrument = stage.instrument(InstrumentDef { tick, lot, ..plain_instrument("SET", "CASH") })?;
        stage.participant("BROKER", SelfTrade::Off)?;
        let buyer = stage.account("BUYER", "BROKER")?;
        let seller = stage.account("SELLER", "BROKER")?;
        let much = |unit: Decimal, count: i128| unit.times(count).ok_or("tick and lot are too fine");
        stage.deposit("BUYER", "CASH", much(unit, CASH)?)?;
        stage.deposit("SELLER", "SET", much(lot, LOTS)?)?;
        let session = stage.session("REPLAY", "BROKER", &["BUYER", "SELLER"], false)?;
        stage.open()?;
        Ok(Self { stage, instrument, session, buyer, seller, answers: Vec::new() })
    }

    /// What the exchange told, in order.
    fn take_in(&mut self) -> anyhow::Result<()> {
        for record in self.stage.events.records() {
            let (_, event) = Event::decode(record)?;
            let answer = match event {
                Event::Report(report) if report.body.exec_type == ExecType::Rejected => {
                    let (cl_ord_id, why) = (text(report.cl_ord_id), report.body.reason.words().to_owned());
                    Some(Answer::Refused { cl_ord_id, why })
                }
                Event::Report(report) => self.traded(&report)?,
                Event::CancelReject(CancelReject { cl_ord_id, reason, .. }) => {
                    Some(Answer::Refused { cl_ord_id: text(cl_ord_id), why: reason.words().to_owned() })
                }
                Event::RefusedOrder { .. }
                | Event::MassCancelReport(_)
                | Event::Notice(_)
                | Event::SecurityList(_)
                | Event::LogOnRefused { .. }
                | Event::Repeat(_)
                | Event::Challenged
                | Event::Balance(_)
                | Event::Gone
                | Event::Epoch(_)
                | Event::Reference { .. }
                | Event::Market(..)
                | Event::Answer { .. }
                | Event::Busted(..)
                | Event::DayEnded
                | Event::Policy(_) => None,
            };
            self.answers.extend(answer);
        }
        Ok(())
    }

    /// The trade that the taker's report tells of; the maker's name is the exchange's own record of the trade.
    fn traded(&self, report: &Report<'_>) -> anyhow::Result<Option<Answer>> {
        let (Some(fill), Liquidity::Taker) = (report.fill, report.body.liquidity) else { return Ok(None) };
        let kept = self.stage.exchange.trades().rev().find(|trade| trade.id == fill.trade);
        let trade = kept.ok_or_else(|| anyhow::anyhow!("trade {} is told of and not kept", fill.trade))?;
        anyhow::ensure!(
            (trade.price, trade.quantity, trade.taker)
                == (fill.last_price, fill.last_quantity, report.body.side),
            "trade {} is told otherwise than it is kept",
            fill.trade
        );
        Ok(Some(Answer::Traded {
            buy: trade.buy.cl_ord_id.to_string(),
            sell: trade.sell.cl_ord_id.to_string(),
            price: trade.price.0,
            quantity: trade.quantity.0,
            taker: trade.taker,
        }))
    }

    fn new_order(&self, cl_ord_id: &str, side: Side, terms: Terms) -> anyhow::Result<Command> {
        let limit =
            |quantity, price| OrderTerms::limit(side, Quantity(quantity), self.instrument, Price(price));
        let mut order = match terms {
            Terms::Limit { price, quantity, .. } => limit(quantity, price),
            Terms::Market { quantity } => limit(quantity, 0),
            Terms::Funds { funds } => limit(self.cash(funds)?, 0),
        };
        order.account = match side {
            Side::Buy => self.buyer,
            Side::Sell => self.seller,
        };
        match terms {
            Terms::Limit { force: Force::Day, .. } => {}
            Terms::Limit { force: Force::ImmediateOrCancel, .. } => {
                order.time_in_force = TimeInForce::ImmediateOrCancel;
            }
            Terms::Limit { force: Force::PostOnly, .. } => order.flags = order_flag::POST_ONLY,
            Terms::Market { .. } => order.kind = OrderKind::Market,
            Terms::Funds { .. } => (order.kind, order.flags) = (OrderKind::Market, order_flag::BY_FUNDS),
        }
        Ok(Command::NewOrder(NewOrder { terms: order, cl_ord_id: cl_ord_id.parse()? }))
    }

    /// Ticks times lots in the currency's smallest units.
    fn cash(&self, product: i128) -> anyhow::Result<i64> {
        let instrument = self.stage.exchange.directory().instrument(self.instrument);
        Ok(i64::try_from(product * i128::from(instrument.map_or(1, |known| known.unit)))?)
    }

    fn command(&self, request: &Request) -> anyhow::Result<Command> {
        let instrument = self.instrument;
        Ok(match request {
            Request::New { cl_ord_id, side, terms } => self.new_order(cl_ord_id, *side, *terms)?,
            Request::Cancel { cl_ord_id, orig_cl_ord_id, side, .. } => Command::Cancel(CancelOrder {
                order: OrderId::NONE,
                instrument,
                side: *side,
                flags: 0,
                cl_ord_id: cl_ord_id.parse()?,
                orig_cl_ord_id: orig_cl_ord_id.parse()?,
            }),
            Request::Replace { cl_ord_id, orig_cl_ord_id, side, price, quantity } => {
                Command::Replace(ReplaceOrder {
                    order: OrderId::NONE,
                    price: Price(*price),
                    quantity: Quantity(*quantity),
                    instrument,
                    side: *side,
                    kind: OrderKind::Limit,
                    time_in_force: TimeInForce::Day,
                    flags: 0,
                    cl_ord_id: cl_ord_id.parse()?,
                    orig_cl_ord_id: orig_cl_ord_id.parse()?,
                })
            }
        })
    }

    fn name(&self, order: OrderId) -> String {
        let open = self.stage.exchange.open_order(order);
        open.map(|order| order.cl_ord_id).unwrap_or_default().to_string()
    }

    /// The last command applied.
    pub fn sequence(&self) -> Sequence {
        self.stage.sequence
    }

    /// Whether money adds up and books are sound, by a walk over the whole state.
    pub fn conserve(&self) -> Result<(), String> {
        self.stage.exchange.conserve()
    }
}

impl Venue for InProcess {
    fn send(&mut self, request: &Request) -> anyhow::Result<()> {
        let command = self.command(request)?;
        self.stage.send(self.session, &command);
        self.take_in()
    }

    fn answers(&mut self) -> anyhow::Result<Vec<Answer>> {
        Ok(std::mem::take(&mut self.answers))
    }

    fn levels(&mut self, side: Side, depth: usize) -> anyhow::Result<Vec<LevelTotal>> {
        let Some((book, orders)) = self.stage.exchange.book(self.instrument) else { return Ok(Vec::new()) };
        let total = |level: rialto_engine::book::Level| LevelTotal {
            price: level.price.0,
            quantity: level.open.0,
            orders: u64::from(level.orders),
        };
        Ok(book.levels(orders, side).take(depth).map(total).collect())
    }

    fn queue(&mut self) -> anyhow::Result<Vec<Resting>> {
        let row = |row: rialto_engine::exchange::BookRow| Resting {
            side: row.side,
            price: row.price.0,
            id: self.name(row.order),
            open: row.open.0,
        };
        Ok(self.stage.exchange.book_rows().map(row).collect())
    }

    fn state_hash(&mut self) -> anyhow::Result<Option<String>> {
        Ok(Some(self.stage.exchange.state_hash().to_hex().to_string()))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::shared;
    use crate::replay::{Report, replay};

    /// A set that is replayed in a real exchange, equal in all that it states; `None` where it is not here.
    fn check(name: &str) -> Option<Report> {
        let set = shared(name)?;
        let mut venue = InProcess::new(&set).unwrap();
        let report = replay(&set, &mut venue).unwrap();
        assert!(report.all_equal(), "{report:?}");
        assert_eq!(venue.conserve(), Ok(()));
        assert!(venue.sequence().0 > set.ops.len() as u64 / 2);
        Some(report)
    }

    #[test]
    fn the_exchange_trades_as_coinbase_did() {
        let Some(report) = check("coinbase-btcusd") else { return };
        assert_eq!((report.trades_equal, report.books_equal, report.closing_equal), (501, 1, Some(true)));
        assert_eq!(report.state_hash.map(|hash| hash.len()), Some(64));
    }

    #[test]
    fn the_exchange_trades_as_nasdaq_did() {
        let Some(report) = check("nasdaq-aapl-49s") else { return };
        assert_eq!((report.trades_equal, report.closing_equal), (97, None));
    }

    #[test]
    fn the_exchange_trades_as_shanghai_did_behind_its_auction() {
        let Some(report) = check("sse-600519-open") else { return };
        assert_eq!((report.trades_stated, report.trades_equal), (3433, 3433));
        assert_eq!((report.books_stated, report.books_equal), (202, 202));
    }
}

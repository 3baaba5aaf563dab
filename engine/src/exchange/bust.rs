//! A bust: a trade undone by the operator. Cash, holdings and fees go back, and both sides are told. The orders stay as
//! they are: what they have traded is not open again.

use rialto_protocol::event::{Event, Fill, Report, ReportBody, report_flag};
use rialto_protocol::terms::Liquidity;
use rialto_protocol::{ExecType, Reason, SessionId, Side, TradeId};

use super::Exchange;
use super::emit::Emitter;
use super::operate::Done;
use crate::accounts::{Exchanged, Party};
use crate::directory::{Instrument, Refusal};
use crate::trades::{Trade, TradeSide};

impl Exchange {
    pub(super) fn bust(&mut self, id: TradeId, out: &mut Emitter<'_>) -> Result<Done, Refusal> {
        let trade = *self
            .trades
            .find(id)
            .ok_or_else(|| Refusal::new(format!("trade {id} was never made or is not kept any more")))?;
        if trade.busted {
            return Err(Refusal::new(format!("trade {id} was busted before")));
        }
        let instrument =
            *self.directory.instrument(trade.instrument).expect("a trade's instrument is defined");
        let moved = self.moved_by(&trade, &instrument);
        self.accounts.take_back(&moved).map_err(|who| Refusal::new(format!("trade {id}: {who}")))?;
        self.trades.bust(id);
        let sides = match trade.taker {
            Side::Buy => [Side::Buy, Side::Sell],
            Side::Sell => [Side::Sell, Side::Buy],
        };
        for side in sides {
            self.tell_bust(&trade, side, out);
        }
        out.tell(SessionId::NONE, &Event::Busted(id, trade.instrument));
        Ok(Done::Now)
    }

    fn moved_by(&mut self, trade: &Trade, instrument: &Instrument) -> Exchanged {
        let mut party = |side: &TradeSide| Party {
            cash: self.accounts.row(side.account, instrument.cash),
            holding: self.accounts.row(side.account, instrument.asset),
            fee: side.fee.0,
            released: 0,
        };
        let lots = i128::from(trade.quantity.0);
        Exchanged {
            cash: instrument.cash,
            lots,
            value: lots * i128::from(trade.price.0) * i128::from(instrument.unit),
            buyer: party(&trade.buy),
            seller: party(&trade.sell),
        }
    }

    /// Tells one side: with its order as it is now, or as it was after the trade where it has ended since.
    fn tell_bust(&mut self, trade: &Trade, side: Side, out: &mut Emitter<'_>) {
        let was = match side {
            Side::Buy => &trade.buy,
            Side::Sell => &trade.sell,
        };
        let exec = self.issued.exec();
        let (mut body, name) = if let Some(slot) = self.open.find(was.order) {
            let held = &self.terms[slot.index()];
            (held.report(&self.orders[slot], exec), held.cl_ord_id)
        } else {
            let mut body = ReportBody::new(was.order, exec, side, was.kind);
            body.price = was.price;
            body.quantity = was.quantity;
            body.cumulative = was.cumulative;
            body.set_notional(was.notional);
            body.account = was.account;
            body.instrument = trade.instrument;
            body.time_in_force = was.time_in_force;
            body.status = was.status;
            (body, was.cl_ord_id)
        };
        body.exec_type = ExecType::TradeCancel;
        body.reason = Reason::Busted;
        body.flags |= report_flag::UNSOLICITED;
        body.liquidity = if trade.taker == side { Liquidity::Taker } else { Liquidity::Maker };
        let (last_quantity, last_price) = (trade.quantity, trade.price);
        let report = Report {
            body,
            fill: Some(Fill { last_quantity, last_price, trade: trade.id }),
            funds: None,
            cl_ord_id: name.as_bytes(),
            orig_cl_ord_id: b"",
            request: b"",
        };
        out.report(&mut self.sessions, was.session, report);
    }
}

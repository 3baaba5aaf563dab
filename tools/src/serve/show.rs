//! The lists that an operator may ask for: numbers as decimals in strings, as people write them.

use anyhow::bail;
use rialto_engine::exchange::Exchange;
use rialto_protocol::terms::MarketState;
use rialto_protocol::{AssetId, Cash, InstrumentId, Price, Quantity, Sequence, SessionId, Side};
use serde_json::{Value, json};

/// The list named `what`.
pub fn list(what: &str, exchange: &Exchange, sequence: Sequence) -> anyhow::Result<Value> {
    let seq = sequence.0;
    Ok(match what {
        "accounts" => json!({ "seq": seq, "accounts": accounts(exchange), "fees": fees(exchange) }),
        "orders" => json!({ "seq": seq, "orders": orders(exchange) }),
        "trades" => json!({ "seq": seq, "trades": trades(exchange) }),
        "sessions" => json!({ "seq": seq, "sessions": sessions(exchange) }),
        other => bail!("no list {other}: accounts, orders, trades or sessions"),
    })
}

/// An amount of an asset in whole units.
pub fn amount(exchange: &Exchange, asset: AssetId, amount: Cash) -> String {
    let unit = exchange.directory().asset_unit(asset);
    unit.and_then(|unit| unit.times(amount.0)).map_or_else(String::new, |decimal| decimal.to_string())
}

/// A price of an instrument.
pub fn price(exchange: &Exchange, instrument: InstrumentId, price: Price) -> String {
    let tick = exchange.directory().instrument(instrument).map(|known| known.tick);
    tick.and_then(|tick| tick.times(i128::from(price.0))).map_or_else(String::new, |d| d.to_string())
}

/// A quantity of an instrument.
pub fn quantity(exchange: &Exchange, instrument: InstrumentId, quantity: Quantity) -> String {
    let lot = exchange.directory().instrument(instrument).map(|known| known.lot);
    lot.and_then(|lot| lot.times(i128::from(quantity.0))).map_or_else(String::new, |d| d.to_string())
}

/// The word for a side.
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// The word for a market's state.
pub const fn market(state: MarketState) -> &'static str {
    match state {
        MarketState::Closed => "closed",
        MarketState::Open => "open",
        MarketState::Halted => "halted",
    }
}

/// An instrument's symbol.
pub fn symbol(exchange: &Exchange, instrument: InstrumentId) -> &str {
    exchange.directory().instrument(instrument).map_or("", |known| known.symbol.as_str())
}

/// A session's `CompID`.
pub fn comp_id(exchange: &Exchange, session: SessionId) -> &str {
    exchange.directory().session(session).map_or("", |known| known.comp_id.as_str())
}

fn accounts(exchange: &Exchange) -> Vec<Value> {
    let directory = exchange.directory();
    let mut rows: Vec<Value> = Vec::new();
    let mut held: Vec<_> = exchange.account_rows().collect();
    held.sort_by_key(|row| (row.account, row.asset));
    for (id, account) in directory.accounts().iter() {
        let assets: Vec<Value> = held
            .iter()
            .filter(|row| row.account.0 == id)
            .map(|row| {
                json!({
                    "asset": directory.asset_name(row.asset).unwrap_or_default().as_str(),
                    "total": amount(exchange, row.asset, row.balance.total),
                    "reserved": amount(exchange, row.asset, row.balance.reserved),
                })
            })
            .collect();
        let participant = directory.participant(account.participant);
        rows.push(json!({
            "account": account.name.as_str(),
            "participant": participant.map_or("", |participant| participant.name.as_str()),
            "assets": assets,
        }));
    }
    rows
}

fn fees(exchange: &Exchange) -> Vec<Value> {
    let name = |asset| exchange.directory().asset_name(asset).unwrap_or_default();
    let row = |(asset, totals): (AssetId, rialto_engine::accounts::AssetTotals)| json!({ "asset": name(asset).as_str(), "total": amount(exchange, asset, totals.fees) });
    exchange.totals().map(row).collect()
}

fn orders(exchange: &Exchange) -> Vec<Value> {
    let row = |row: rialto_engine::exchange::OrderRow| {
        json!({
            "order": row.order.0,
            "cl_ord_id": row.cl_ord_id.as_str(),
            "session": comp_id(exchange, row.session),
            "account": exchange.directory().account(row.account).map_or("", |known| known.name.as_str()),
            "symbol": symbol(exchange, row.instrument),
            "side": side(row.side),
            "price": price(exchange, row.instrument, row.price),
            "quantity": quantity(exchange, row.instrument, row.quantity),
            "open": quantity(exchange, row.instrument, row.open),
        })
    };
    exchange.order_rows().map(row).collect()
}

fn trades(exchange: &Exchange) -> Vec<Value> {
    let row = |trade: &rialto_engine::trades::Trade| {
        json!({
            "trade": trade.id.0,
            "symbol": symbol(exchange, trade.instrument),
            "price": price(exchange, trade.instrument, trade.price),
            "quantity": quantity(exchange, trade.instrument, trade.quantity),
            "buy_order": trade.buy.order.0,
            "sell_order": trade.sell.order.0,
            "busted": trade.busted,
        })
    };
    exchange.trades().map(row).collect()
}

fn sessions(exchange: &Exchange) -> Vec<Value> {
    let row = |(id, known): (u32, &rialto_engine::directory::Session)| {
        let state = exchange.sessions().get(SessionId(id)).cloned().unwrap_or_default();
        json!({
            "session": known.comp_id.as_str(),
            "live": state.link().is_some(),
            "next_inbound": state.next_inbound().0,
            "next_outbound": state.next_outbound().0,
            "incarnation": state.incarnation(),
            "orders_open": state.orders_open(),
        })
    };
    exchange.directory().sessions().iter().map(row).collect()
}

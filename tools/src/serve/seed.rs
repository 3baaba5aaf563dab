//! What a gateway's view starts from, taken from the exchange before it runs.

use rialto_engine::exchange::Exchange;
use rialto_gateway::view::seed::{InstrumentSeed, OrderSeed, Seed, SessionSeed};
use rialto_protocol::reference::{AccountDef, CurrencyDef, InstrumentDef, SessionDef};
use rialto_protocol::{AccountId, GatewayId, InstrumentId, Name, Sequence, SessionId};

/// The seed of a view behind the exchange's last event.
pub fn of(exchange: &Exchange, sequence: Sequence) -> Seed {
    let directory = exchange.directory();
    let currencies = directory
        .currencies()
        .iter()
        .map(|(_, currency)| CurrencyDef { code: currency.code, decimals: currency.decimals });
    let participant = |id| directory.participant(id).map_or(Name::EMPTY, |participant| participant.name);
    let accounts = directory
        .accounts()
        .iter()
        .map(|(_, account)| AccountDef { name: account.name, participant: participant(account.participant) });
    Seed {
        position: exchange.event_end(),
        sequence,
        epoch: exchange.epoch_opened(),
        node: exchange.node(),
        currencies: currencies.collect(),
        instruments: directory.instruments().iter().map(|(id, _)| instrument(exchange, id)).collect(),
        accounts: accounts.collect(),
        sessions: directory.sessions().iter().map(|(id, _)| session(exchange, id)).collect(),
        orders: orders(exchange),
    }
}

fn instrument(exchange: &Exchange, id: u32) -> InstrumentSeed {
    let directory = exchange.directory();
    let known = directory.instrument(InstrumentId(id)).expect("the register's own number");
    let currency = directory.currency(known.currency).expect("an instrument's currency is defined");
    InstrumentSeed {
        def: InstrumentDef {
            symbol: known.symbol,
            currency: currency.code,
            tick: known.tick,
            lot: known.lot,
            maker_fee_ppm: known.maker_fee_ppm,
            taker_fee_ppm: known.taker_fee_ppm,
            replace: known.replace,
            midpoint: known.midpoint,
        },
        state: known.market,
        last_price: exchange.last_price(InstrumentId(id)),
    }
}

fn session(exchange: &Exchange, id: u32) -> SessionSeed {
    let directory = exchange.directory();
    let known = directory.session(SessionId(id)).expect("the register's own number");
    let participant = directory.participant(known.participant).expect("a session's participant is defined");
    let default = known.default_account;
    let others = known.accounts().iter().copied().filter(|account| *account != default);
    let accounts: Vec<AccountId> = default.is_some().then_some(default).into_iter().chain(others).collect();
    let state = exchange.sessions().get(SessionId(id)).cloned().unwrap_or_default();
    SessionSeed {
        def: SessionDef {
            comp_id: known.comp_id,
            participant: participant.name,
            kind: known.kind,
            cancel_on_disconnect: known.cancel_on_disconnect,
            secret: known.secret,
        },
        accounts,
        holder: state.link().map_or((GatewayId::NONE, 0), |link| (link.gateway, link.connection)),
        next_outbound: state.next_outbound(),
        incarnation: state.incarnation(),
        last: state.positions().last(),
        marks: state.positions().marks().map(|mark| (mark.number, mark.position)).collect(),
    }
}

fn orders(exchange: &Exchange) -> Vec<OrderSeed> {
    let whole = |row: rialto_engine::exchange::BookRow| {
        let session = exchange.open_order(row.order).map_or(SessionId::NONE, |order| order.session);
        let (instrument, side, price, open) = (row.instrument, row.side, row.price, row.open);
        OrderSeed { order: row.order, session, instrument, side, price, open }
    };
    exchange.book_rows().map(whole).collect()
}

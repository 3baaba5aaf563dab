//! What a command says, as fields.

use rialto_journal::segment::hex;
use rialto_protocol::command::{
    Inbound, LogOffCause, LogOn, NewOrder, RefusedCancel, RefusedOrder, ReplaceOrder, SessionNote, order_flag,
};
use rialto_protocol::reference::{Limits, Operation, Scope, ScopeKind};
use rialto_protocol::terms::{ParticipantKind, ReplaceRule, SelfTrade, SessionKind};
use rialto_protocol::{Command, InstrumentId, OrderKind};
use serde_json::{Map, Value};

use super::names::{Fields, Names};
use crate::journal::words;
use crate::serve::show;

/// The fields of a command.
pub(super) fn fields(names: &Names<'_>, command: &Command) -> Map<String, Value> {
    let empty = Fields::default();
    let fields = match command {
        Command::Epoch(opened) => {
            empty.plain("epoch", opened.epoch.0).with("node", opened.node).plain("loss", opened.loss)
        }
        Command::Version(version) => empty.plain("version", *version),
        Command::Tick | Command::Continue | Command::Refuse | Command::Challenge => empty,
        Command::Chain { page, hash } => empty.plain("page", *page).with("hash", hex(hash)),
        Command::GatewayLost(gateway) => empty.plain("gateway", gateway.0),
        Command::Operate(author, operation) => self::operation(operation)
            .plain("uid", author.uid)
            .plain("pid", author.pid)
            .with("why", author.why),
        Command::LogOn(log_on) => self::log_on(log_on),
        Command::LogOff(gateway, cause) => empty.plain("gateway", gateway.0).with(
            "cause",
            match cause {
                LogOffCause::Disconnected => "disconnected",
                LogOffCause::PolicyUnmet => "policy-unmet",
                LogOffCause::Drained => "drained",
            },
        ),
        Command::Note(note) => self::note(note),
        Command::NewOrder(order) => new_order(names, order),
        Command::Cancel(cancel) => repeats(cancel.flags)
            .order(cancel.order)
            .with("cl_ord_id", cancel.cl_ord_id)
            .with("orig_cl_ord_id", cancel.orig_cl_ord_id)
            .place(names, cancel.instrument, cancel.side),
        Command::Replace(replace) => self::replace(names, replace),
        Command::Status(status) => empty
            .order(status.order)
            .with("cl_ord_id", status.cl_ord_id)
            .place(names, status.instrument, status.side)
            .with("790", status.request),
        Command::MassStatus(status) => {
            empty.with("584", status.request).with("symbol", names.symbol(status.instrument))
        }
        Command::MassCancel(cancel) => repeats(cancel.flags)
            .with("cl_ord_id", cancel.cl_ord_id)
            .with("530", if cancel.instrument == InstrumentId::NONE { '7' } else { '1' })
            .with("symbol", names.symbol(cancel.instrument)),
        Command::SecurityList(list) => {
            empty.with("320", list.request).with("symbol", names.symbol(list.instrument))
        }
        Command::Balances(asked) => {
            empty.with("710", asked.request).with("account", names.account(asked.account))
        }
        Command::RefusedOrder(order) => refused_order(order),
        Command::RefusedCancel(cancel) => refused_cancel(cancel),
    };
    fields.0
}

fn repeats(flags: u8) -> Fields {
    let marks = [("43", order_flag::POSSIBLE_REPEAT), ("97", order_flag::POSSIBLE_RESEND)];
    let mut fields = Fields::default();
    for (tag, bit) in marks {
        if flags & bit != 0 {
            fields = fields.with(tag, 'Y');
        }
    }
    fields
}

/// What a refused message said itself to be, `0` standing for nothing.
fn letter(byte: u8) -> String {
    if byte == 0 { String::new() } else { char::from(byte).to_string() }
}

fn new_order(names: &Names<'_>, order: &NewOrder) -> Fields {
    let terms = &order.terms;
    let instrument = terms.instrument;
    let fields = repeats(terms.flags)
        .with("cl_ord_id", order.cl_ord_id)
        .with("account", names.account(terms.account))
        .place(names, instrument, terms.side)
        .kind(terms.kind, terms.time_in_force);
    let fields = match terms.kind {
        OrderKind::Limit => fields.with("price", names.price(instrument, terms.price)),
        OrderKind::Market => fields,
    };
    let fields = if terms.has(order_flag::POST_ONLY) { fields.with("18", '6') } else { fields };
    if terms.has(order_flag::BY_FUNDS) {
        fields.with("152", names.funds(instrument, terms.quantity.0))
    } else {
        fields.with("quantity", names.quantity(instrument, terms.quantity))
    }
}

fn replace(names: &Names<'_>, replace: &ReplaceOrder) -> Fields {
    repeats(replace.flags)
        .order(replace.order)
        .with("cl_ord_id", replace.cl_ord_id)
        .with("orig_cl_ord_id", replace.orig_cl_ord_id)
        .place(names, replace.instrument, replace.side)
        .kind(replace.kind, replace.time_in_force)
        .with("quantity", names.quantity(replace.instrument, replace.quantity))
        .with("price", names.price(replace.instrument, replace.price))
}

pub(super) fn refused_order(order: &RefusedOrder) -> Fields {
    let quantity = if order.flags & order_flag::BY_FUNDS == 0 { "quantity" } else { "152" };
    repeats(order.flags)
        .with("150", char::from(order.exec_type as u8))
        .with("103", order.reason.ord_rej_reason())
        .with("cl_ord_id", order.cl_ord_id)
        .with("account", order.account)
        .with("symbol", order.symbol)
        .with("side", order.side.map_or("", show::side))
        .with("40", letter(order.ord_type))
        .with("59", letter(order.time_in_force))
        .with(quantity, order.quantity.map(|quantity| quantity.to_string()).unwrap_or_default())
        .with("price", order.price.map(|price| price.to_string()).unwrap_or_default())
        .with("58", order.words)
}

fn refused_cancel(cancel: &RefusedCancel) -> Fields {
    repeats(cancel.flags)
        .with("cl_ord_id", cancel.cl_ord_id)
        .with("orig_cl_ord_id", cancel.orig_cl_ord_id)
        .with("434", if cancel.replace { '2' } else { '1' })
        .with("102", cancel.reason.cxl_rej_reason())
        .with("58", cancel.words)
}

fn log_on(log_on: &LogOn) -> Fields {
    let fields = Fields::default()
        .plain("gateway", log_on.gateway.0)
        .plain("connection", log_on.connection)
        .plain("line", log_on.line != 0)
        .with("108", log_on.heartbeat_s);
    let fields = if log_on.reset == 0 { fields } else { fields.with("141", 'Y') };
    if log_on.next_expected == 0 { fields } else { fields.with("789", log_on.next_expected) }
}

fn note(note: &SessionNote) -> Fields {
    let fields = Fields::default().plain("close", note.close);
    let fields = match note.inbound {
        Inbound::Untouched => fields.with("inbound", "untouched"),
        Inbound::Consumed => fields.with("inbound", "consumed"),
        Inbound::JumpTo(next) => fields.with("inbound", "jump").plain("next", next.0),
    };
    match note.outbound {
        Some(notice) => fields.with("35", char::from(notice.kind as u8)).with("58", notice.text),
        None => fields,
    }
}

/// What an operation says; secrets are not shown.
pub(super) fn operation(operation: &Operation) -> Fields {
    let none = Fields::default();
    match operation {
        Operation::Currency(def) => none.with("code", def.code).plain("decimals", def.decimals),
        Operation::Instrument(def) => none
            .with("symbol", def.symbol)
            .with("currency", def.currency)
            .with("tick", def.tick)
            .with("lot", def.lot)
            .plain("maker_fee_ppm", def.maker_fee_ppm)
            .plain("taker_fee_ppm", def.taker_fee_ppm)
            .plain("midpoint", def.midpoint)
            .with(
                "replace",
                match def.replace {
                    ReplaceRule::KeepOnDecrease => "keep-on-decrease",
                    ReplaceRule::Requeue => "requeue",
                },
            ),
        Operation::Participant(def) => none
            .with("name", def.name)
            .with(
                "kind",
                match def.kind {
                    ParticipantKind::Broker => "broker",
                    ParticipantKind::Institution => "institution",
                    ParticipantKind::Operator => "operator",
                },
            )
            .with(
                "self_trade",
                match def.self_trade {
                    SelfTrade::Off => "off",
                    SelfTrade::CancelNewest => "cancel-newest",
                    SelfTrade::CancelOldest => "cancel-oldest",
                    SelfTrade::CancelBoth => "cancel-both",
                },
            ),
        Operation::Account(def) => none.with("name", def.name).with("participant", def.participant),
        Operation::Session(def) => none
            .with("comp_id", def.comp_id)
            .with("participant", def.participant)
            .plain("cancel_on_disconnect", def.cancel_on_disconnect)
            .with(
                "kind",
                match def.kind {
                    SessionKind::Trading => "trading",
                    SessionKind::MarketData => "market-data",
                },
            ),
        Operation::Grant(def) => none.with("comp_id", def.session).with("account", def.account),
        Operation::Transfer(def) => none
            .with("id", def.id)
            .with("account", def.account)
            .with("asset", def.asset)
            .with("amount", def.amount),
        Operation::Loaded | Operation::DayEnd => none,
        Operation::Market(state, symbol) => none.with("state", show::market(*state)).with("symbol", symbol),
        Operation::CancelAll(scope) => self::scope(scope),
        Operation::Bust(trade) => none.with("527", trade),
        Operation::Kill(scope, on) => self::scope(scope).plain("on", *on),
        Operation::Limits(limits) => self::limits(limits),
        Operation::SessionReset(comp_id) => none.with("comp_id", comp_id),
        Operation::Policy(policy) => none.with("policy", words::policy(*policy)),
        Operation::CancelOnly(on) => none.plain("on", *on),
    }
}

fn limits(limits: &Limits) -> Fields {
    Fields::default()
        .with("account", limits.account)
        .with("symbol", limits.instrument)
        .plain("quantity_max", limits.quantity_max)
        .plain("value_max", limits.value_max)
        .plain("collar_ppm", limits.collar_ppm)
        .plain("orders_open_max", limits.orders_open_max)
}

fn scope(scope: &Scope) -> Fields {
    let key = match scope.kind {
        ScopeKind::All => return Fields::default().with("scope", "all"),
        ScopeKind::Session => "comp_id",
        ScopeKind::Account => "account",
        ScopeKind::Participant => "participant",
        ScopeKind::Instrument => "symbol",
    };
    Fields::default().with(key, scope.name)
}

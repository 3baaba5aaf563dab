//! From messages to commands.

#![expect(
    clippy::result_large_err,
    reason = "an answer lives on the stack of one call, and refusals are rare"
)]

use std::fmt::Display;

use rialto_protocol::command::{
    BalanceRequest, CancelOrder, MassCancelRequest, MassStatusRequest, NewOrder, OrderTerms, RefusedCancel,
    RefusedOrder, ReplaceOrder, SecurityListRequest, StatusRequest, order_flag,
};
use rialto_protocol::{
    AccountId, ClOrdId, Command, Decimal, ExecType, InstrumentId, Name, Note, OrderId, OrderKind, Price,
    Quantity, Reason, Side, Text, TimeInForce,
};

use super::{Translated, scale, unit};
use crate::decimal::{DecimalError, Scale};
use crate::fix::tag;
use crate::message::Message;
use crate::view::View;
use crate::view::directory::Instrument;

/// Why no terms could be made of a message.
struct Refusal {
    reason: Reason,
    words: Note,
}

impl Refusal {
    fn new(reason: Reason, words: impl Display) -> Self {
        Self { reason, words: Note::clipped(&words.to_string()) }
    }
}

/// `IncorrectDataFormat` and `ValueIsIncorrect` of 373; other and conditionally missing of 380.
const VALUE_IS_INCORRECT: u16 = 5;
const TAG_MISSING: u16 = 1;
const BUSINESS_OTHER: u16 = 0;
const BUSINESS_UNKNOWN_ID: u16 = 1;
const BUSINESS_UNKNOWN_SECURITY: u16 = 2;
const BUSINESS_UNSUPPORTED: u16 = 3;

/// Turns an application message of a trading session into what becomes of it. It has passed the inbound check.
pub fn command(view: &View, message: &Message<'_>) -> Translated {
    let translated = match message.msg_type() {
        b"D" => new_order(view, message),
        b"F" => cancel(view, message),
        b"G" => replace(view, message),
        b"H" => status(view, message),
        b"AF" => mass_status(view, message),
        b"q" => mass_cancel(view, message),
        b"x" => security_list(view, message),
        b"AN" => balances(view, message),
        other => Err(business(
            BUSINESS_UNSUPPORTED,
            format!("message type {} is not offered on a trading session", other.escape_ascii()),
        )),
    };
    match translated {
        Ok(command) => Translated::Command(command),
        Err(answer) => answer,
    }
}

fn business(reason: u16, words: impl Display) -> Translated {
    Translated::Business { reason, text: Note::clipped(&words.to_string()) }
}

/// A text that must be there and fit; the answer names its tag otherwise.
fn text<const N: usize>(message: &Message<'_>, tag: u16) -> Result<Text<N>, Translated> {
    let reject =
        |reason, words: String| Translated::Reject { ref_tag: tag, reason, text: Note::clipped(&words) };
    match message.get(tag) {
        None | Some(b"") => Err(reject(TAG_MISSING, format!("field {tag} is missing"))),
        Some(value) => {
            Text::new(value).map_err(|error| reject(VALUE_IS_INCORRECT, format!("field {tag}: {error}")))
        }
    }
}

fn optional_text<const N: usize>(message: &Message<'_>, tag: u16) -> Result<Text<N>, Translated> {
    if message.get(tag).is_none() { Ok(Text::EMPTY) } else { text(message, tag) }
}

/// As much of a value as can be echoed.
fn echo<const N: usize>(message: &Message<'_>, tag: u16) -> Text<N> {
    Text::clipped(&String::from_utf8_lossy(message.get(tag).unwrap_or_default()))
}

fn shown(value: &[u8]) -> impl Display + '_ {
    value.escape_ascii()
}

fn instrument<'v>(view: &'v View, message: &Message<'_>) -> Result<&'v Instrument, Refusal> {
    let symbol = message.get(tag::SYMBOL).unwrap_or_default();
    view.directory.instrument_by_symbol(symbol).ok_or_else(|| {
        Refusal::new(Reason::UnknownInstrument, format_args!("no instrument {}", shown(symbol)))
    })
}

fn side(message: &Message<'_>) -> Result<Side, Refusal> {
    match message.get(tag::SIDE) {
        Some(b"1") => Ok(Side::Buy),
        Some(b"2") => Ok(Side::Sell),
        other => Err(Refusal::new(
            Reason::Unsupported,
            format_args!("side {} is not offered: 1 buys, 2 sells", shown(other.unwrap_or_default())),
        )),
    }
}

fn account(view: &View, message: &Message<'_>) -> Result<AccountId, Refusal> {
    let Some(name) = message.get(tag::ACCOUNT) else { return Ok(AccountId::NONE) };
    view.directory
        .account_by_name(name)
        .ok_or_else(|| Refusal::new(Reason::UnknownAccount, format_args!("no account {}", shown(name))))
}

fn order_kind(message: &Message<'_>) -> Result<OrderKind, Refusal> {
    match message.get(tag::ORD_TYPE) {
        Some(b"1") => Ok(OrderKind::Market),
        Some(b"2") => Ok(OrderKind::Limit),
        other => Err(Refusal::new(
            Reason::Unsupported,
            format_args!("order type {} is not offered: 1 market, 2 limit", shown(other.unwrap_or_default())),
        )),
    }
}

fn time_in_force(message: &Message<'_>) -> Result<TimeInForce, Refusal> {
    match message.get(tag::TIME_IN_FORCE) {
        None | Some(b"0") => Ok(TimeInForce::Day),
        Some(b"1") => Ok(TimeInForce::GoodTillCancel),
        Some(b"3") => Ok(TimeInForce::ImmediateOrCancel),
        Some(b"4") => Ok(TimeInForce::FillOrKill),
        Some(other) => Err(Refusal::new(
            Reason::Unsupported,
            format_args!("time in force {} is not offered: 0, 1, 3 or 4", shown(other)),
        )),
    }
}

/// Bits of the instructions (18) that are offered; held and not held change nothing here.
fn instructions(message: &Message<'_>) -> Result<u8, Refusal> {
    let mut flags = 0;
    for instruction in message.get(tag::EXEC_INST).unwrap_or_default().split(|byte| *byte == b' ') {
        match instruction {
            b"" | b"1" | b"5" => {}
            b"6" => flags |= order_flag::POST_ONLY,
            other => {
                return Err(Refusal::new(
                    Reason::Unsupported,
                    format_args!("instruction {} is not offered: 6 is post-only", shown(other)),
                ));
            }
        }
    }
    Ok(flags)
}

/// Fields that ask for what is not offered must not be passed over.
fn nothing_unsupported(message: &Message<'_>) -> Result<(), Refusal> {
    let asked = [
        (tag::STOP_PX, "a stop price"),
        (tag::MIN_QTY, "a minimum quantity"),
        (tag::MAX_FLOOR, "a displayed quantity"),
        (tag::EXPIRE_TIME, "an expire time"),
        (tag::EXPIRE_DATE, "an expire date"),
    ];
    match asked.into_iter().find(|(tag, _)| message.get(*tag).is_some()) {
        Some((tag, what)) => {
            Err(Refusal::new(Reason::Unsupported, format_args!("{what} ({tag}) is not offered")))
        }
        None => Ok(()),
    }
}

fn units(message: &Message<'_>, tag: u16, what: &str, scale: Scale) -> Result<i64, Refusal> {
    let reason = if tag == tag::PRICE { Reason::BadPrice } else { Reason::BadValue };
    let Some(value) = message.get(tag) else {
        return Err(Refusal::new(reason, format_args!("{what} ({tag}) is missing")));
    };
    scale.parse(value).map_err(|error| {
        let unit = Decimal::new(i128::from(scale.mantissa()), u8::try_from(scale.decimals()).unwrap_or(0));
        let value = shown(value);
        match error {
            DecimalError::NotAMultiple => {
                Refusal::new(reason, format_args!("{what} {value} is not a multiple of {unit}"))
            }
            DecimalError::Malformed | DecimalError::Negative | DecimalError::TooLarge => {
                Refusal::new(reason, format_args!("{what} {value} is {error}"))
            }
        }
    })
}

fn repeats(message: &Message<'_>) -> u8 {
    let bit = |tag, bit| if message.says_yes(tag) { bit } else { 0 };
    bit(tag::POSS_DUP_FLAG, order_flag::POSSIBLE_REPEAT) | bit(tag::POSS_RESEND, order_flag::POSSIBLE_RESEND)
}

/// `OrderID` (37); one that is no number of ours names no order.
fn order_id(message: &Message<'_>) -> Result<OrderId, Refusal> {
    let Some(value) = message.get(tag::ORDER_ID) else { return Ok(OrderId::NONE) };
    std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .map(OrderId)
        .ok_or_else(|| Refusal::new(Reason::UnknownOrder, format_args!("no order {}", shown(value))))
}

fn new_order(view: &View, message: &Message<'_>) -> Result<Command, Translated> {
    let cl_ord_id = text(message, tag::CL_ORD_ID)?;
    Ok(match terms(view, message) {
        Ok(terms) => Command::NewOrder(NewOrder { terms, cl_ord_id }),
        Err(refusal) => refused_order(message, ExecType::Rejected, cl_ord_id, &refusal),
    })
}

fn terms(view: &View, message: &Message<'_>) -> Result<OrderTerms, Refusal> {
    let instrument = instrument(view, message)?;
    let side = side(message)?;
    let mut terms = OrderTerms::limit(side, Quantity(0), instrument.id, Price(0));
    terms.account = account(view, message)?;
    terms.kind = order_kind(message)?;
    terms.time_in_force = time_in_force(message)?;
    nothing_unsupported(message)?;
    terms.flags = instructions(message)? | repeats(message);
    if terms.kind == OrderKind::Limit {
        terms.price = Price(units(message, tag::PRICE, "price", scale(instrument.def.tick))?);
    }
    let by_funds = message.get(tag::CASH_ORDER_QTY).is_some();
    terms.quantity = Quantity(if by_funds {
        if terms.kind != OrderKind::Market || message.get(tag::ORDER_QTY).is_some() {
            return Err(Refusal::new(Reason::Unsupported, "funds (152) go with a market order without 38"));
        }
        terms.flags |= order_flag::BY_FUNDS;
        units(message, tag::CASH_ORDER_QTY, "funds", unit(instrument.currency_decimals))?
    } else {
        units(message, tag::ORDER_QTY, "quantity", scale(instrument.def.lot))?
    });
    Ok(terms)
}

fn refused_order(
    message: &Message<'_>,
    exec_type: ExecType,
    cl_ord_id: ClOrdId,
    refusal: &Refusal,
) -> Command {
    let decimal = |tag| Decimal::parse(message.get(tag)?).ok();
    let letter = |tag| message.get(tag).and_then(|value| value.first()).copied().unwrap_or(0);
    let by_funds = exec_type == ExecType::Rejected && message.get(tag::ORDER_QTY).is_none();
    let funds = if by_funds { decimal(tag::CASH_ORDER_QTY) } else { None };
    let marks = if exec_type == ExecType::Rejected { repeats(message) } else { 0 };
    Command::RefusedOrder(RefusedOrder {
        exec_type,
        reason: refusal.reason,
        side: side(message).ok(),
        ord_type: letter(tag::ORD_TYPE),
        time_in_force: letter(tag::TIME_IN_FORCE),
        flags: marks | if funds.is_some() { order_flag::BY_FUNDS } else { 0 },
        quantity: funds.or_else(|| decimal(tag::ORDER_QTY)),
        price: decimal(tag::PRICE),
        cl_ord_id,
        symbol: echo(message, tag::SYMBOL),
        account: echo::<32>(message, tag::ACCOUNT) as Name,
        words: refusal.words,
    })
}

fn cancel(view: &View, message: &Message<'_>) -> Result<Command, Translated> {
    let (cl_ord_id, orig_cl_ord_id) = (text(message, tag::CL_ORD_ID)?, text(message, tag::ORIG_CL_ORD_ID)?);
    let found = || -> Result<CancelOrder, Refusal> {
        Ok(CancelOrder {
            order: order_id(message)?,
            instrument: instrument(view, message)?.id,
            side: side(message)?,
            flags: repeats(message),
            cl_ord_id,
            orig_cl_ord_id,
        })
    };
    Ok(match found() {
        Ok(cancel) => Command::Cancel(cancel),
        Err(refusal) => refused_cancel(message, (cl_ord_id, orig_cl_ord_id), &refusal),
    })
}

fn replace(view: &View, message: &Message<'_>) -> Result<Command, Translated> {
    let (cl_ord_id, orig_cl_ord_id) = (text(message, tag::CL_ORD_ID)?, text(message, tag::ORIG_CL_ORD_ID)?);
    let found = || -> Result<ReplaceOrder, Refusal> {
        let instrument = instrument(view, message)?;
        nothing_unsupported(message)?;
        let kind = order_kind(message)?;
        let price = if kind == OrderKind::Limit {
            units(message, tag::PRICE, "price", scale(instrument.def.tick))?
        } else {
            0
        };
        Ok(ReplaceOrder {
            order: order_id(message)?,
            price: Price(price),
            quantity: Quantity(units(message, tag::ORDER_QTY, "quantity", scale(instrument.def.lot))?),
            instrument: instrument.id,
            side: side(message)?,
            kind,
            time_in_force: time_in_force(message)?,
            flags: repeats(message),
            cl_ord_id,
            orig_cl_ord_id,
        })
    };
    Ok(match found() {
        Ok(replace) => Command::Replace(replace),
        Err(refusal) => refused_cancel(message, (cl_ord_id, orig_cl_ord_id), &refusal),
    })
}

fn refused_cancel(
    message: &Message<'_>,
    (cl_ord_id, orig_cl_ord_id): (ClOrdId, ClOrdId),
    refusal: &Refusal,
) -> Command {
    Command::RefusedCancel(RefusedCancel {
        reason: refusal.reason,
        replace: message.msg_type() == b"G",
        flags: repeats(message),
        cl_ord_id,
        orig_cl_ord_id,
        words: refusal.words,
    })
}

fn status(view: &View, message: &Message<'_>) -> Result<Command, Translated> {
    let cl_ord_id = text(message, tag::CL_ORD_ID)?;
    let request = optional_text(message, tag::ORD_STATUS_REQ_ID)?;
    let found = || -> Result<StatusRequest, Refusal> {
        let (order, instrument) = (order_id(message)?, instrument(view, message)?.id);
        Ok(StatusRequest { order, instrument, side: side(message)?, cl_ord_id, request })
    };
    Ok(match found() {
        Ok(request) => Command::Status(request),
        Err(refusal) => refused_order(message, ExecType::OrderStatus, cl_ord_id, &refusal),
    })
}

/// The instrument that a request is narrowed to, if it names one.
fn narrowed(view: &View, message: &Message<'_>) -> Result<InstrumentId, Translated> {
    if message.get(tag::SYMBOL).is_none() {
        return Ok(InstrumentId::NONE);
    }
    let found = instrument(view, message);
    found.map(|known| known.id).map_err(|refusal| business(BUSINESS_UNKNOWN_SECURITY, refusal.words))
}

fn mass_status(view: &View, message: &Message<'_>) -> Result<Command, Translated> {
    let request = text(message, tag::MASS_STATUS_REQ_ID)?;
    let instrument = narrowed(view, message)?;
    match message.get(tag::MASS_STATUS_REQ_TYPE) {
        Some(b"7" | b"1") => Ok(Command::MassStatus(MassStatusRequest { instrument, request })),
        other => Err(business(
            BUSINESS_OTHER,
            format_args!("mass status type {} is not offered: 1 or 7", shown(other.unwrap_or_default())),
        )),
    }
}

fn mass_cancel(view: &View, message: &Message<'_>) -> Result<Command, Translated> {
    let cl_ord_id = text(message, tag::CL_ORD_ID)?;
    let instrument = match message.get(tag::MASS_CANCEL_REQUEST_TYPE) {
        Some(b"7") => InstrumentId::NONE,
        Some(b"1") => match narrowed(view, message)? {
            InstrumentId::NONE => {
                return Err(business(BUSINESS_OTHER, "mass cancel type 1 needs a symbol (55)"));
            }
            found => found,
        },
        other => {
            let kind = shown(other.unwrap_or_default());
            return Err(business(
                BUSINESS_OTHER,
                format_args!("mass cancel type {kind} is not offered: 1 or 7"),
            ));
        }
    };
    Ok(Command::MassCancel(MassCancelRequest { instrument, flags: repeats(message), cl_ord_id }))
}

fn security_list(view: &View, message: &Message<'_>) -> Result<Command, Translated> {
    let request = text(message, tag::SECURITY_REQ_ID)?;
    let instrument = match message.get(tag::SECURITY_LIST_REQUEST_TYPE) {
        Some(b"4") => InstrumentId::NONE,
        Some(b"0") => narrowed(view, message)?,
        other => {
            let kind = shown(other.unwrap_or_default());
            return Err(business(
                BUSINESS_OTHER,
                format_args!("security list type {kind} is not offered: 0 or 4"),
            ));
        }
    };
    Ok(Command::SecurityList(SecurityListRequest { instrument, request }))
}

fn balances(view: &View, message: &Message<'_>) -> Result<Command, Translated> {
    let request = text(message, tag::POS_REQ_ID)?;
    let account = account(view, message).map_err(|refusal| business(BUSINESS_UNKNOWN_ID, refusal.words))?;
    Ok(Command::Balances(BalanceRequest { account, request }))
}

//! What a `MarketDataRequest` (35=V) asks for, or why that is not offered.

use std::fmt::Display;

use rialto_protocol::{InstrumentId, Side};

use crate::fix::dictionary;
use crate::fix::tag;
use crate::message::Message;
use crate::view::View;

/// Levels of a side that can be asked for, other than all: what is compared at each change of a book.
pub(super) const DEPTH_MAX: u32 = 100;

/// What is wanted of an instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    bids: bool,
    offers: bool,
    /// Trades.
    pub trades: bool,
}

impl Wants {
    /// Whether this side of the book is wanted.
    pub(super) fn side(self, side: Side) -> bool {
        match side {
            Side::Buy => self.bids,
            Side::Sell => self.offers,
        }
    }
}

/// A request to be told.
#[derive(Debug)]
pub(super) struct Request {
    /// Of which instruments, each once.
    pub instruments: Vec<InstrumentId>,
    /// What of them.
    pub wants: Wants,
    /// Levels of a side; `None` = all.
    pub depth: Option<usize>,
    /// Whether changes are to follow.
    pub follow: bool,
}

/// What was asked.
#[derive(Debug)]
pub(super) enum Asked {
    Begins(Request),
    Ends,
}

/// Why not.
#[derive(Debug)]
pub(super) struct Refusal {
    /// `MDReqRejReason` (281).
    pub reason: u8,
    /// `Text` (58).
    pub words: String,
}

impl Refusal {
    fn new(reason: u8, words: impl Display) -> Self {
        Self { reason, words: words.to_string() }
    }

    pub(super) fn duplicate(id: &[u8]) -> Self {
        Self::new(b'1', format_args!("MDReqID {} is in use", id.escape_ascii()))
    }

    pub(super) fn too_many() -> Self {
        Self::new(b'2', format_args!("at most {} instruments can be followed", super::STREAMS_MAX))
    }

    pub(super) fn of_type(words: impl Display) -> Self {
        Self::new(b'4', words)
    }
}

/// Reads a request that has passed the inbound check.
pub(super) fn read(view: &View, message: &Message<'_>) -> Result<Asked, Refusal> {
    let follow = match message.get(tag::SUBSCRIPTION_REQUEST_TYPE) {
        Some(b"0") => false,
        Some(b"1") => true,
        Some(b"2") => return Ok(Asked::Ends),
        other => {
            let kind = other.unwrap_or_default().escape_ascii();
            let words = format_args!("subscription type {kind} is not offered: 0, 1 or 2");
            return Err(Refusal::of_type(words));
        }
    };
    let depth = depth(message)?;
    if follow && message.get(tag::MD_UPDATE_TYPE).is_some_and(|kind| kind != b"1") {
        return Err(Refusal::new(b'6', "full refreshes are not offered: 265=1 sends changes"));
    }
    if message.get(tag::AGGREGATED_BOOK) == Some(b"N") {
        return Err(Refusal::new(b'7', "single orders are not offered: 266=Y sends levels"));
    }
    Ok(Asked::Begins(Request {
        wants: wants(message)?,
        instruments: instruments(view, message)?,
        depth,
        follow,
    }))
}

fn depth(message: &Message<'_>) -> Result<Option<usize>, Refusal> {
    match message.unsigned(tag::MARKET_DEPTH) {
        Some(0) => Ok(None),
        Some(levels @ 1..=DEPTH_MAX) => Ok(usize::try_from(levels).ok()),
        _ => {
            let depth = message.get(tag::MARKET_DEPTH).unwrap_or_default().escape_ascii();
            let words = format_args!("market depth {depth} is not offered: 0 for all, or 1 to {DEPTH_MAX}");
            Err(Refusal::new(b'5', words))
        }
    }
}

fn wants(message: &Message<'_>) -> Result<Wants, Refusal> {
    let mut wants = Wants::default();
    for value in members(message, tag::NO_MD_ENTRY_TYPES, tag::MD_ENTRY_TYPE) {
        match value {
            b"0" => wants.bids = true,
            b"1" => wants.offers = true,
            b"2" => wants.trades = true,
            other => {
                let kind = other.escape_ascii();
                let words = format_args!("entry type {kind} is not offered: 0 bid, 1 offer, 2 trade");
                return Err(Refusal::new(b'8', words));
            }
        }
    }
    if wants == Wants::default() {
        return Err(Refusal::new(b'8', "no entry type (269) is asked for"));
    }
    Ok(wants)
}

fn instruments(view: &View, message: &Message<'_>) -> Result<Vec<InstrumentId>, Refusal> {
    let mut found = Vec::new();
    for symbol in members(message, tag::NO_RELATED_SYM, tag::SYMBOL) {
        match view.directory.instrument_by_symbol(symbol) {
            Some(known) if !found.contains(&known.id) => found.push(known.id),
            Some(_) => {}
            None => {
                return Err(Refusal::new(b'0', format_args!("no instrument {}", symbol.escape_ascii())));
            }
        }
    }
    if found.is_empty() {
        return Err(Refusal::new(b'0', "no instrument (55) is asked for"));
    }
    Ok(found)
}

/// The values of `tag` in the entries of a group.
fn members<'m>(message: &Message<'m>, count: u16, tag: u16) -> impl Iterator<Item = &'m [u8]> + use<'m> {
    let group = dictionary::message(b"V").and_then(|rule| rule.group(count));
    let message = *message;
    group.into_iter().flat_map(move |group| message.entries(group)).filter_map(move |entry| entry.get(tag))
}

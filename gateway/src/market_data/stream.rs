//! One instrument for one request: what the client knows of it, and what it has to be told.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use rialto_protocol::{InstrumentId, Price, Side, TradeId};

use super::request::{Request, Wants};
use super::{Emit, SEQUENCE_TAG, Settings};
use crate::fix::tag;
use crate::translate::scale;
use crate::view::View;
use crate::view::books::{Book, Level, Trade};
use crate::view::directory::Instrument;
use crate::write::FieldWriter;

/// Side and price of a level.
type Place = (Side, Price);

#[derive(Debug)]
pub(super) struct Stream {
    instrument: InstrumentId,
    request: Arc<[u8]>,
    wants: Wants,
    depth: Option<usize>,
    follow: bool,
    known: Known,
    tape: Vec<Print>,
    due: bool,
    queued: bool,
}

/// What the client knows of the levels.
#[derive(Debug)]
enum Known {
    /// Nothing yet: a snapshot is due.
    Nothing,
    /// All levels as they are, but for these, which it knows as they were.
    AllBut(BTreeMap<Place, Level>),
    /// These, the best of each side.
    Best(BTreeMap<Place, Level>),
}

/// What happened to a trade.
#[derive(Clone, Copy, Debug)]
enum Print {
    Made(Trade),
    Busted(TradeId),
}

/// A level that the client knows otherwise than it is.
struct Difference {
    place: Place,
    known: Level,
    now: Level,
}

impl Stream {
    /// A snapshot is due, and the stream queued for it.
    pub(super) fn new(instrument: InstrumentId, request: Arc<[u8]>, asked: &Request) -> Self {
        Self {
            instrument,
            request,
            wants: asked.wants,
            depth: asked.depth,
            follow: asked.follow,
            known: Known::Nothing,
            tape: Vec::new(),
            due: true,
            queued: true,
        }
    }

    /// Of what.
    pub(super) fn instrument(&self) -> InstrumentId {
        self.instrument
    }

    /// Whose: `MDReqID` (262).
    pub(super) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Whether it goes on behind the snapshot.
    pub(super) fn follows(&self) -> bool {
        self.follow
    }

    /// Trades to be told.
    pub(super) fn trades_waiting(&self) -> usize {
        self.tape.len()
    }

    /// Whether something is to be told for the first time since it was last told.
    pub(super) fn becomes_due(&mut self) -> bool {
        let becomes = self.due && !self.queued;
        self.queued |= becomes;
        becomes
    }

    /// Takes notice of a level that was `before` and changed.
    pub(super) fn level_changed(&mut self, place: Place, before: Level) {
        if !self.wants.side(place.0) {
            return;
        }
        match &mut self.known {
            Known::Nothing => {}
            Known::AllBut(changed) => {
                changed.entry(place).or_insert(before);
                self.due = true;
            }
            Known::Best(best) => self.due |= is_among_best(best, place, self.depth.unwrap_or(usize::MAX)),
        }
    }

    /// Takes notice of a trade; gives back how many more wait.
    pub(super) fn traded(&mut self, trade: Trade) -> usize {
        self.print(Print::Made(trade))
    }

    /// Takes notice of a trade that was undone; gives back how many more wait.
    pub(super) fn busted(&mut self, trade: TradeId) -> usize {
        self.print(Print::Busted(trade))
    }

    fn print(&mut self, print: Print) -> usize {
        if !self.wants.trades || matches!(self.known, Known::Nothing) {
            return 0;
        }
        self.tape.push(print);
        self.due = true;
        1
    }

    /// Tells all that is due.
    pub(super) fn tell(&mut self, view: &View, settings: Settings, emit: &mut Emit<'_>) -> ControlFlow<()> {
        (self.due, self.queued) = (false, false);
        let Some(instrument) = view.directory.instrument(self.instrument) else {
            return ControlFlow::Continue(());
        };
        let empty = Book::default();
        let book = view.books.book(self.instrument).unwrap_or(&empty);
        let head = |fields: &mut FieldWriter<'_>, request: &[u8]| {
            fields.text(tag::MD_REQ_ID, request);
            if settings.user_defined_tags {
                fields.unsigned(SEQUENCE_TAG, view.sequence().0);
            }
        };
        if matches!(self.known, Known::Nothing) {
            self.known = match self.depth {
                None => Known::AllBut(BTreeMap::new()),
                Some(depth) => Known::Best(best(book, self.wants, depth)),
            };
            return emit(b"W", &|fields| {
                head(fields, &self.request);
                self.snapshot(fields, instrument, book);
            });
        }
        let differences = self.differences(book);
        let tape = std::mem::take(&mut self.tape);
        if differences.is_empty() && tape.is_empty() {
            return ControlFlow::Continue(());
        }
        emit(b"X", &|fields| {
            head(fields, &self.request);
            incremental(fields, instrument, &tape, &differences);
        })
    }

    fn snapshot(&self, fields: &mut FieldWriter<'_>, instrument: &Instrument, book: &Book) {
        fields.text(tag::SYMBOL, instrument.def.symbol.as_bytes());
        let depth = self.depth.unwrap_or(usize::MAX);
        let sides = || [Side::Buy, Side::Sell].into_iter().filter(|side| self.wants.side(*side));
        let levels: usize = sides().map(|side| book.depth(side).min(depth)).sum();
        let last = book.last_price().filter(|_| self.wants.trades);
        fields.unsigned(tag::NO_MD_ENTRIES, (levels + usize::from(last.is_some())) as u64);
        for side in sides() {
            for (number, (price, level)) in (1..).zip(book.levels(side).take(depth)) {
                fields.char(tag::MD_ENTRY_TYPE, entry_type(side));
                put_level(fields, instrument, price, level);
                fields.unsigned(tag::MD_ENTRY_POSITION_NO, number);
            }
        }
        if let Some(price) = last {
            // A snapshot's entries have no number in FIX 4.4.
            fields.char(tag::MD_ENTRY_TYPE, TRADE);
            fields.decimal(tag::MD_ENTRY_PX, price.0, scale(instrument.def.tick));
            if let Some(trade) = book.last_trade() {
                fields.decimal(tag::MD_ENTRY_SIZE, trade.quantity.0, scale(instrument.def.lot));
            }
        }
    }

    /// What the client knows otherwise than it is, levels that are gone first; from now on it knows.
    fn differences(&mut self, book: &Book) -> Vec<Difference> {
        let mut both: BTreeMap<Place, (Level, Level)> = BTreeMap::new();
        match &mut self.known {
            Known::Nothing => {}
            Known::AllBut(changed) => {
                for (place, known) in std::mem::take(changed) {
                    both.insert(place, (known, book.level(place.0, place.1)));
                }
            }
            Known::Best(known) => {
                let now = best(book, self.wants, self.depth.unwrap_or(usize::MAX));
                for (place, level) in std::mem::replace(known, now) {
                    both.entry(place).or_default().0 = level;
                }
                for (place, level) in known {
                    both.entry(*place).or_default().1 = *level;
                }
            }
        }
        let differ = both.into_iter().filter(|(_, (known, now))| known != now);
        let mut differences: Vec<_> =
            differ.map(|(place, (known, now))| Difference { place, known, now }).collect();
        differences.sort_by_key(|difference| !is_gone(difference.now));
        differences
    }
}

/// The best levels of the sides wanted.
fn best(book: &Book, wants: Wants, depth: usize) -> BTreeMap<Place, Level> {
    let sides = [Side::Buy, Side::Sell].into_iter().filter(|side| wants.side(*side));
    sides
        .flat_map(|side| book.levels(side).take(depth).map(move |(price, level)| ((side, price), level)))
        .collect()
}

/// Whether a level that changed is among the best of its side now, or was.
fn is_among_best(best: &BTreeMap<Place, Level>, (side, price): Place, depth: usize) -> bool {
    let mut known =
        best.range((side, Price(i64::MIN))..=(side, Price(i64::MAX))).map(|((_, price), _)| *price);
    if known.clone().count() < depth {
        return true;
    }
    match side {
        Side::Buy => known.next().is_none_or(|worst| price >= worst),
        Side::Sell => known.next_back().is_none_or(|worst| price <= worst),
    }
}

fn is_gone(level: Level) -> bool {
    level.orders == 0
}

/// `MDEntryType` (269): bid, offer, trade.
fn entry_type(side: Side) -> u8 {
    match side {
        Side::Buy => b'0',
        Side::Sell => b'1',
    }
}
const TRADE: u8 = b'2';

/// `MDUpdateAction` (279).
const NEW: u8 = b'0';
const CHANGE: u8 = b'1';
const DELETE: u8 = b'2';

fn put_level(fields: &mut FieldWriter<'_>, instrument: &Instrument, price: Price, level: Level) {
    fields.decimal(tag::MD_ENTRY_PX, price.0, scale(instrument.def.tick));
    if !is_gone(level) {
        fields.decimal(tag::MD_ENTRY_SIZE, level.quantity, scale(instrument.def.lot));
        fields.unsigned(tag::NUMBER_OF_ORDERS, u64::from(level.orders));
    }
}

fn incremental(
    fields: &mut FieldWriter<'_>,
    instrument: &Instrument,
    tape: &[Print],
    differences: &[Difference],
) {
    let symbol = instrument.def.symbol.as_bytes();
    fields.unsigned(tag::NO_MD_ENTRIES, (tape.len() + differences.len()) as u64);
    for print in tape {
        let (action, trade) = match print {
            Print::Made(trade) => (NEW, trade.trade),
            Print::Busted(trade) => (DELETE, *trade),
        };
        fields.char(tag::MD_UPDATE_ACTION, action);
        fields.char(tag::MD_ENTRY_TYPE, TRADE);
        fields.unsigned(tag::MD_ENTRY_ID, trade.0);
        fields.text(tag::SYMBOL, symbol);
        if let Print::Made(trade) = print {
            fields.decimal(tag::MD_ENTRY_PX, trade.price.0, scale(instrument.def.tick));
            fields.decimal(tag::MD_ENTRY_SIZE, trade.quantity.0, scale(instrument.def.lot));
        }
    }
    for Difference { place: (side, price), known, now } in differences {
        let action = match (is_gone(*known), is_gone(*now)) {
            (true, _) => NEW,
            (false, false) => CHANGE,
            (false, true) => DELETE,
        };
        fields.char(tag::MD_UPDATE_ACTION, action);
        fields.char(tag::MD_ENTRY_TYPE, entry_type(*side));
        fields.text(tag::SYMBOL, symbol);
        put_level(fields, instrument, *price, *now);
    }
}

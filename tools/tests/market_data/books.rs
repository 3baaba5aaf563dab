//! Books from two sides: as a client makes them of snapshots and changes, and as the exchange has them when a node's
//! journal is applied command by command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rialto_engine::exchange::Exchange;
use rialto_journal::disk::Disk;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::meta::MetaFile;
use rialto_journal::page::PageView;
use rialto_journal::segment::reader::{SegmentReader, Slot};
use rialto_journal::segment::{Lineage, Log};
use rialto_protocol::event::EventBuffer;
use rialto_protocol::{Command, Side};

use crate::client::Message;

/// Instruments by number: symbol, tick in hundredths, lot.
pub(crate) const INSTRUMENTS: [(&str, i64, i64); 3] = [("ACME", 1, 1), ("GRAIN", 5, 50), ("ZINC", 10, 100)];

/// Quantity and orders by side (`0` bids, `1` offers, as FIX has it) and price in hundredths.
pub(crate) type Levels = BTreeMap<(char, i64), (i64, u64)>;
/// Books by sequence and symbol.
pub(crate) type Truth = BTreeMap<(u64, String), Levels>;
/// Trades by number: symbol, price in hundredths, quantity.
pub(crate) type Tape = BTreeMap<u64, (String, i64, i64)>;

/// One entry of a W or an X.
#[derive(Debug, Clone, Default)]
struct Entry {
    action: Option<char>,
    kind: char,
    trade: u64,
    price: i64,
    quantity: i64,
    orders: u64,
}

/// What one message says of one instrument.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub(crate) request: String,
    pub(crate) symbol: String,
    pub(crate) sequence: u64,
    is_snapshot: bool,
    entries: Vec<Entry>,
}

impl Update {
    /// Reads a W or an X, whose entries are all of one instrument.
    pub(crate) fn read(message: &Message) -> Self {
        let text = message.to_string();
        let is_snapshot = message.kind() == "W";
        let starts = if is_snapshot { "269" } else { "279" };
        let mut entries: Vec<Entry> = Vec::new();
        let fields = text.split('|').filter_map(|field| field.split_once('='));
        for (tag, value) in fields.skip_while(|(tag, _)| *tag != "268").skip(1) {
            if tag == starts {
                entries.push(Entry::default());
            }
            let Some(entry) = entries.last_mut() else { continue };
            let letter = || value.chars().next().unwrap_or_default();
            match tag {
                "279" => entry.action = Some(letter()),
                "269" => entry.kind = letter(),
                "278" => entry.trade = value.parse().unwrap(),
                "270" => entry.price = hundredths(value),
                "271" => entry.quantity = value.parse().unwrap(),
                "346" => entry.orders = value.parse().unwrap(),
                "55" => assert_eq!(value, message.field(55), "one instrument in {text}"),
                _ => {}
            }
        }
        assert_eq!(message.field(268), entries.len().to_string(), "{text}");
        Self {
            request: message.field(262).to_owned(),
            symbol: message.field(55).to_owned(),
            sequence: message.field(5001).parse().unwrap(),
            is_snapshot,
            entries,
        }
    }

    /// Whether it says something of a level.
    pub(crate) fn has_levels(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind != '2')
    }

    pub(crate) fn is_change(&self) -> bool {
        !self.is_snapshot
    }

    fn apply(&self, levels: &mut Levels) -> Result<(), String> {
        if self.is_snapshot {
            levels.clear();
        }
        for entry in self.entries.iter().filter(|entry| entry.kind != '2') {
            let (place, level) = ((entry.kind, entry.price), (entry.quantity, entry.orders));
            let fits = match entry.action {
                None | Some('0') => levels.insert(place, level).is_none(),
                Some('1') => levels.insert(place, level).is_some(),
                Some('2') => levels.remove(&place).is_some(),
                Some(_) => false,
            };
            if !fits {
                return Err(format!("{}: {} at {}: {entry:?}", self.request, self.symbol, self.sequence));
            }
        }
        Ok(())
    }
}

/// A price with at most two digits behind the point.
fn hundredths(price: &str) -> i64 {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

/// The best `depth` levels of each side.
fn best(levels: &Levels, depth: usize) -> Levels {
    let bids = levels.iter().rev().filter(|((side, _), _)| *side == '0').take(depth);
    let offers = levels.iter().filter(|((side, _), _)| *side == '1').take(depth);
    bids.chain(offers).map(|(place, level)| (*place, *level)).collect()
}

/// Rebuilds the book of every request from its messages; after each one it must be the exchange's at that sequence. How
/// many sequences that were. `lost`: the place of a message that the client never got.
pub(crate) fn check(updates: &[Update], truth: &Truth, lost: Option<usize>) -> Result<usize, String> {
    let mut books: BTreeMap<(&str, &str), Levels> = BTreeMap::new();
    let mut sequences = BTreeSet::new();
    for (place, update) in updates.iter().enumerate() {
        let levels = books.entry((&update.request, &update.symbol)).or_default();
        if lost != Some(place) {
            update.apply(levels)?;
        }
        // A request is named after its depth: `5-late` has five levels.
        let depth = match update.request.split('-').next() {
            Some("full" | "end") => usize::MAX,
            Some(depth) => depth.parse().unwrap(),
            None => 0,
        };
        let there = truth.get(&(update.sequence, update.symbol.clone())).expect("a wanted book");
        if *levels != best(there, depth) {
            let (request, symbol, sequence) = (&update.request, &update.symbol, update.sequence);
            return Err(format!(
                "{request}: {symbol} at {sequence}\nclient   {levels:?}\nexchange {there:?}"
            ));
        }
        sequences.insert(update.sequence);
    }
    Ok(sequences.len())
}

/// Every trade that a request was told, each once.
pub(crate) fn tape(updates: &[Update], request: &str) -> Tape {
    let mut tape = Tape::new();
    for update in updates.iter().filter(|update| update.request == request && !update.is_snapshot) {
        for entry in update.entries.iter().filter(|entry| entry.kind == '2') {
            assert_eq!(entry.action, Some('0'), "nothing is busted here");
            let before = tape.insert(entry.trade, (update.symbol.clone(), entry.price, entry.quantity));
            assert_eq!(before, None, "trade {} is told twice", entry.trade);
        }
    }
    tape
}

/// Applies the journal in `dir` from its first command to the last one wanted: the books at each of these sequences, added
/// up order by order, and all trades up to there.
pub(crate) fn replayed(dir: &Path, wanted: &BTreeSet<u64>) -> (Truth, Tape) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
    let cluster_id = MetaFile::peek(&disk, dir).expect("node.meta").cluster_id;
    let lineage = Lineage { log: Log::Commands, cluster_id, state_machine: rialto_protocol::VERSION };
    let segments = SegmentReader::new(&disk, &dir.join(Log::Commands.directory()), lineage);
    let (mut exchange, mut events) = (Exchange::new(), EventBuffer::default());
    let (mut truth, mut page) = (Truth::new(), [0; 4096]);
    let last = *wanted.last().expect("some are wanted");
    for page_no in 0.. {
        let slot = segments.read(page_no, &mut page).expect("the segments can be read");
        assert_eq!(slot, Slot::Good, "page {page_no}: the log ends before command {last}");
        for (_, record) in PageView::parse(&page).expect("a good page").records() {
            let (header, command) = Command::decode(record.bytes()).expect("a command");
            events.clear();
            exchange.apply(&header, &command, &mut events);
            if wanted.contains(&header.sequence.0) {
                books_of(&exchange, header.sequence.0, &mut truth);
            }
            if header.sequence.0 == last {
                return (truth, tape_of(&exchange));
            }
        }
    }
    unreachable!("there is an end to a log")
}

fn books_of(exchange: &Exchange, sequence: u64, truth: &mut Truth) {
    for (symbol, _, _) in INSTRUMENTS {
        truth.insert((sequence, symbol.to_owned()), Levels::new());
    }
    for row in exchange.book_rows() {
        let (symbol, tick, lot) = INSTRUMENTS[row.instrument.0 as usize - 1];
        let side = if row.side == Side::Buy { '0' } else { '1' };
        let levels = truth.get_mut(&(sequence, symbol.to_owned())).expect("all books are begun");
        let level = levels.entry((side, row.price.0 * tick)).or_default();
        *level = (level.0 + row.open.0 * lot, level.1 + 1);
    }
}

fn tape_of(exchange: &Exchange) -> Tape {
    let named = exchange.trades().map(|trade| {
        let (symbol, tick, lot) = INSTRUMENTS[trade.instrument.0 as usize - 1];
        (trade.id.0, (symbol.to_owned(), trade.price.0 * tick, trade.quantity.0 * lot))
    });
    named.collect()
}

//! Reader of the public order-flow sets in `../shared/data`: operations in, and what the real exchange made of
//! them, as `FORMAT.md` there describes. Errors name file and line.
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rialto_protocol::{Decimal, Side};

use crate::config::file::{TEXT_BYTES_MAX, read_text};
use crate::twin::LevelTotal;

mod rows;

use rows::Row;

/// What is wrong with a data set: `FILE:LINE: why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetError {
    /// The file.
    pub file: PathBuf,
    /// The line from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for DatasetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.why),
            None => write!(f, "{}: {}", self.file.display(), self.why),
        }
    }
}

impl std::error::Error for DatasetError {}

/// One operation of a set, in exchange order. Prices and quantities are whole numbers of ticks and lots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// Its number.
    pub n: u64,
    /// What it asks.
    pub action: Action,
}

/// What one operation asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// S: an order that already rests; it never crosses.
    Rest(Limit),
    /// N: a limit order whose rest remains.
    Limit(Limit),
    /// I: a limit order whose rest is dropped.
    Immediate(Limit),
    /// P: a limit order without effect if it would trade.
    Post(Limit),
    /// M: a market order by quantity.
    Market {
        /// The order.
        id: String,
        /// Its side.
        side: Side,
        /// How many lots.
        quantity: i64,
    },
    /// F: a market order by funds, which takes floor(funds / price) at each level.
    Funds {
        /// The order.
        id: String,
        /// Its side.
        side: Side,
        /// Ticks times lots.
        funds: i128,
    },
    /// C: the whole order is taken away.
    Cancel {
        /// The order.
        id: String,
    },
    /// R: some of its quantity is taken off, its place kept.
    Reduce {
        /// The order.
        id: String,
        /// How many lots less.
        by: i64,
    },
    /// A: a call auction starts; orders collect without trading.
    Auction,
    /// U: everything that crosses trades at one price, then trading is continuous.
    Uncross {
        /// The one price.
        price: i64,
    },
}

/// An order with a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The order.
    pub id: String,
    /// Its side.
    pub side: Side,
    /// Ticks.
    pub price: i64,
    /// Lots.
    pub quantity: i64,
}

/// A trade, as stated or as made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// The order that bought.
    pub buy: String,
    /// The order that sold.
    pub sell: String,
    /// Ticks.
    pub price: i64,
    /// Lots.
    pub quantity: i64,
}

/// One level of a book, as stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedLevel {
    /// Its side.
    pub side: Side,
    /// Its place from 1, the best.
    pub level: usize,
    /// Ticks.
    pub price: i64,
    /// Lots of all orders in it.
    pub quantity: i64,
    /// How many orders, where it is stated.
    pub orders: Option<u64>,
}

impl StatedLevel {
    /// Whether `found` is what is stated of this level.
    pub fn is(&self, found: &LevelTotal) -> bool {
        (found.price, found.quantity) == (self.price, self.quantity)
            && self.orders.is_none_or(|orders| orders == found.orders)
    }
}

/// An order that rests in a book, as stated or as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// Its side.
    pub side: Side,
    /// Ticks.
    pub price: i64,
    /// The order.
    pub id: String,
    /// Lots that are open.
    pub open: i64,
}

/// A whole set.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Its name: the folder's.
    pub name: String,
    /// What one unit of price is.
    pub tick: Decimal,
    /// What one unit of quantity is.
    pub lot: Decimal,
    /// The operations.
    pub ops: Vec<Op>,
    /// The trades of each operation that made any, in order of execution.
    pub trades: BTreeMap<u64, Vec<Trade>>,
    /// The levels that are stated after an operation.
    pub books: BTreeMap<u64, Vec<StatedLevel>>,
    /// The whole book at the end, bids first, each side from the best, in queue order.
    pub closing: Option<Vec<Resting>>,
}

impl Dataset {
    /// Reads the set in `folder`: `ops.csv`, `trades.csv` and, where they are, `books.csv`, `closing_l3.csv` (each
    /// perhaps with `.gz`) and `set.toml`.
    pub fn read(folder: &Path) -> Result<Dataset, DatasetError> {
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = whole.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (tick, lot) = units(folder)?;
        let mut ops: Vec<Op> = Vec::new();
        each_row(folder, "ops.csv", true, |row| {
            let op = rows::op(row)?;
            if ops.last().is_some_and(|last| last.n >= op.n) {
                return Err(format!("n is {}, not above the line before", op.n));
            }
            ops.push(op);
            Ok(())
        })?;
        let mut trades: BTreeMap<u64, Vec<Trade>> = BTreeMap::new();
        each_row(folder, "trades.csv", true, |row| {
            let (n, trade) = rows::trade(row)?;
            trades.entry(n).or_default().push(trade);
            Ok(())
        })?;
        let mut books: BTreeMap<u64, Vec<StatedLevel>> = BTreeMap::new();
        each_row(folder, "books.csv", false, |row| {
            let (n, level) = rows::level(row)?;
            books.entry(n).or_default().push(level);
            Ok(())
        })?;
        let mut closing = Vec::new();
        let stated = each_row(folder, "closing_l3.csv", false, |row| {
            closing.push(rows::resting(row)?);
            Ok(())
        })?;
        Ok(Dataset { name, tick, lot, ops, trades, books, closing: stated.then_some(closing) })
    }
}

/// Where the shared data sets are: `$RIALTO_SHARED`, else `../shared` of the repository's root.
pub fn shared_folder() -> PathBuf {
    match std::env::var_os("RIALTO_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    }
}

/// Tick and lot out of `set.toml`, each 1 where it is not said.
fn units(folder: &Path) -> Result<(Decimal, Decimal), DatasetError> {
    let file = folder.join("set.toml");
    let failed = |why: String| DatasetError { file: file.clone(), line: None, why };
    let text = match read_text(&file, TEXT_BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error.to_string())),
    };
    let table = text.parse::<toml::Table>().map_err(|error| failed(error.message().to_owned()))?;
    if let Some(key) = table.keys().find(|key| !["tick", "lot"].contains(&key.as_str())) {
        return Err(failed(format!("{key}: unknown key; known are tick, lot")));
    }
    let unit = |key: &str| match table.get(key) {
        None => Ok(Decimal::new(1, 0)),
        Some(toml::Value::String(text)) => match Decimal::parse(text.as_bytes()) {
            Ok(unit) if unit.mantissa > 0 => Ok(unit),
            Ok(_) => Err(failed(format!("{key} = {text:?}: has to be above 0"))),
            Err(why) => Err(failed(format!("{key} = {text:?}: {why}"))),
        },
        Some(value) => Err(failed(format!("{key} = {value}: a decimal in quotes is wanted"))),
    };
    Ok((unit("tick")?, unit("lot")?))
}

/// Hands each row of `name` or `name.gz` to `take`; false where neither is there and it is not `required`.
fn each_row(
    folder: &Path,
    name: &str,
    required: bool,
    mut take: impl FnMut(&Row<'_>) -> Result<(), String>,
) -> Result<bool, DatasetError> {
    let plain = folder.join(name);
    let zipped = folder.join(format!("{name}.gz"));
    let file = if plain.exists() || !zipped.exists() { plain } else { zipped };
    let failed = |line, why| DatasetError { file: file.clone(), line, why };
    let opened = match File::open(&file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound && !required => return Ok(false),
        Err(error) => return Err(failed(None, error.to_string())),
    };
    let mut lines: Box<dyn BufRead> = if file.extension().is_some_and(|end| end == "gz") {
        Box::new(BufReader::new(MultiGzDecoder::new(opened)))
    } else {
        Box::new(BufReader::new(opened))
    };
    let mut header = String::new();
    lines.read_line(&mut header).map_err(|error| failed(Some(1), error.to_string()))?;
    let columns: Vec<&str> = header.trim_end().split(',').collect();
    for (index, line) in lines.lines().enumerate() {
        let place = Some(index + 2);
        let line = line.map_err(|error| failed(place, error.to_string()))?;
        if !line.is_empty() {
            let row = Row::new(&columns, line.trim_end_matches('\r')).map_err(|why| failed(place, why))?;
            take(&row).map_err(|why| failed(place, why))?;
        }
    }
    Ok(true)
}

#[cfg(test)]
pub(crate) mod tests;

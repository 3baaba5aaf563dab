//! Reading sets: faults name file and line; the three shared sets run through the twin make exactly what is stated.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::twin::Twin;

const OPS: &str = "n,ts,op,id,side,price,qty\n1,0,S,a,B,100,5\n2,0,M,b,S,,3\n";
const TRADES: &str = "n,buy_id,sell_id,price,qty\n2,a,b,100,3\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[track_caller]
fn wrong(files: &[(&str, &str)], message: &str) {
    let folder = folder(files);
    let error = Dataset::read(folder.path()).unwrap_err().to_string();
    assert_eq!(error.strip_prefix(&format!("{}/", folder.path().display())), Some(message), "{error}");
}

#[test]
fn a_set_without_books_or_closing_queue_is_whole() {
    let folder = folder(&[("ops.csv", OPS), ("trades.csv", TRADES), ("set.toml", "tick = \"0.01\"\n")]);
    let set = Dataset::read(folder.path()).unwrap();
    assert_eq!((set.tick.to_string(), set.lot.to_string()), ("0.01".into(), "1".into()));
    assert_eq!(set.ops.len(), 2);
    assert_eq!(set.trades[&2][0].quantity, 3);
    assert!(set.books.is_empty());
    assert_eq!(set.closing, None);
}

#[test]
fn a_zipped_file_reads_as_the_plain_one() {
    let folder = folder(&[("trades.csv", TRADES)]);
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(OPS.as_bytes()).unwrap();
    std::fs::write(folder.path().join("ops.csv.gz"), zip.finish().unwrap()).unwrap();
    assert_eq!(Dataset::read(folder.path()).unwrap().ops.len(), 2);
}

#[test]
fn a_fault_names_file_and_line() {
    let ops = |line: &str| format!("{OPS}{line}\n");
    let with = |line: &str, message: &str| {
        wrong(&[("ops.csv", &ops(line)), ("trades.csv", TRADES)], message);
    };
    wrong(&[("trades.csv", TRADES)], "ops.csv: No such file or directory (os error 2)");
    wrong(&[("ops.csv", OPS)], "trades.csv: No such file or directory (os error 2)");
    with("3,0,N,c,B,100", "ops.csv:4: 6 fields where the header has 7");
    with("3,0,X,c,B,100,1", "ops.csv:4: op is \"X\", none of S N I P M F C R A U");
    with("3,0,N,c,X,100,1", "ops.csv:4: side is \"X\", neither B nor S");
    with("3,0,N,c,B,1.5,1", "ops.csv:4: price is \"1.5\", not a whole number");
    with("3,0,N,c,B,100,0", "ops.csv:4: qty is 0, not above 0");
    with("3,0,N,,B,100,1", "ops.csv:4: id is empty");
    with("3,0,N,c~1,B,100,1", "ops.csv:4: id is \"c~1\", not 1 to 20 letters and digits");
    with("2,0,C,a,,,", "ops.csv:4: n is 2, not above the line before");
    wrong(
        &[("ops.csv", OPS), ("trades.csv", "n,buy_id,sell_id,price,qty\nx,a,b,1,1\n")],
        "trades.csv:2: n is \"x\", not a whole number",
    );
    wrong(
        &[("ops.csv", OPS), ("trades.csv", TRADES), ("books.csv", "n,side,level,price,qty\n2,B,0,1,1\n")],
        "books.csv:2: level is 0; the best is 1",
    );
    wrong(
        &[("ops.csv", OPS), ("trades.csv", TRADES), ("set.toml", "tick = 1\n")],
        "set.toml: tick = 1: a decimal in quotes is wanted",
    );
    wrong(
        &[("ops.csv", OPS), ("trades.csv", TRADES), ("set.toml", "tik = \"1\"\n")],
        "set.toml: tik: unknown key; known are tick, lot",
    );
}

/// The set `name`; `None`, said plainly, where the shared folder is absent. In CI that is a failure.
pub(crate) fn shared(name: &str) -> Option<Dataset> {
    let folder = shared_folder().join("data").join(name);
    if !folder.is_dir() {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "CI needs the data set {name}; RIALTO_SHARED has to name the folder that holds data/");
        eprintln!("SKIPPED: the shared data set {name} is not on this machine");
        return None;
    }
    Some(Dataset::read(&folder).expect("a shared set reads"))
}

/// What the twin makes of a set, against what is stated: trades, books and closing queue, as one line.
fn run_in_twin(set: &Dataset) -> String {
    let mut twin = Twin::new();
    let mut made = BTreeMap::new();
    let mut books_equal = 0;
    for op in &set.ops {
        let trades = twin.run(op).unwrap();
        if !trades.is_empty() {
            made.insert(op.n, trades);
        }
        let stated = set.books.get(&op.n);
        books_equal += usize::from(stated.is_some_and(|stated| {
            stated.iter().all(|level| {
                let found = twin.levels(level.side, level.level).get(level.level - 1).copied();
                found.is_some_and(|found| level.is(&found))
            })
        }));
    }
    let count = |trades: &BTreeMap<u64, Vec<Trade>>| trades.values().map(Vec::len).sum::<usize>();
    let mut line = format!("{} ops, {} trades", set.ops.len(), count(&set.trades));
    let equal = if made == set.trades { "equal" } else { "DIFFERENT" };
    write!(line, " {equal}, {}/{} books", books_equal, set.books.len()).unwrap();
    if let Some(closing) = &set.closing {
        let equal = if *closing == twin.queue() { "equal" } else { "DIFFERENT" };
        write!(line, ", closing queue of {} {equal}", closing.len()).unwrap();
    }
    line
}

#[test]
fn coinbase_trades_and_closing_queue_are_what_the_exchange_stated() {
    if let Some(set) = shared("coinbase-btcusd") {
        let line = "12785 ops, 501 trades equal, 1/1 books, closing queue of 95 equal";
        assert_eq!(run_in_twin(&set), line);
    }
}

#[test]
fn nasdaq_trades_and_books_are_what_the_exchange_stated() {
    if let Some(set) = shared("nasdaq-aapl-49s") {
        assert_eq!(run_in_twin(&set), "936 ops, 97 trades equal, 9/9 books");
    }
}

#[test]
fn shanghai_auction_trades_and_books_are_what_the_exchange_stated() {
    if let Some(set) = shared("sse-600519-open") {
        assert_eq!(run_in_twin(&set), "11322 ops, 3767 trades equal, 202/202 books");
    }
}

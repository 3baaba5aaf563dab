//! What the demo shows, as rows of text: 80 columns, 24 rows, no terminal needed. Colours are the only control codes.

use std::collections::VecDeque;

use rialto_bench::report::Microseconds;
use rialto_protocol::Side;

use super::cluster::state::{Condition, State};
use super::figures::Traded;
use super::gaps::Gaps;
use super::market::{Cents, INSTRUMENTS, price_text};

/// Columns of a frame.
pub const COLUMNS: usize = 80;
/// Rows of a frame.
pub const ROWS: usize = 24;
/// Levels shown of each side.
const LEVELS: usize = 8;

/// What is explained of books and orders.
const BOOKS_EXPLAINED: [&str; 24] = [
    " WHAT IS WHAT",
    "",
    " The book: what people want to buy (bid, left) and sell (ask, right), the best",
    "   price on top. ord: orders at that price. Beside it the shares they are for.",
    " Last trades: instrument, price, shares; + a buyer took, - a seller took.",
    " Below: best bid, best ask and price of the last trade of each instrument.",
    "",
    " orders/s   new orders, replaces and cancels answered in the last second",
    " trades/s   trades in the last second. One order may trade several times",
    " orders, trades   the same since the demo began",
    " latency    from an order's going to the trader's socket until the trader reads",
    "            the first answer, in microseconds, over everything since the start:",
    "            out by TCP, checked, put in order, journaled, matched, and back.",
    "   p50      half of all answers were faster",
    "   p99      one in a hundred was slower;  p99.9: one in a thousand",
    "   max      the slowest of all",
    " ack policy    disk: no answer leaves before its order is safe on the disk;",
    "            async: it is safe from a kill of the process, not from a power cut",
    " seed       the traders draw their lots from it; --seed N plays the same hands",
    "",
    " Traders: two market makers on each book, five who buy and sell at random, two",
    "   who follow the trend. They use TCP as you would. At the end the exchange adds",
    "   up all cash and shares: what came in must be there, to the last cent.",
    " ?: next page, if there is one     any other key: back",
];
/// What is explained of nodes.
const NODES_EXPLAINED: [&str; 23] = [
    " THE CLUSTER",
    "",
    " epoch      each time a node begins to lead it opens a new epoch; nobody follows",
    "            an older one any more",
    " leads      the primary: the node that takes orders. The others keep and apply a",
    "            copy of its journal as it is written",
    " in sync    a copy that each answer waits for: this node may lead next, and what",
    "            anybody was told is not lost then",
    " behind     it follows and has not caught up: nobody waits for it",
    " starting   it opens its journal, or looks for the primary",
    " down       its process is dead. It is started again after 2 s and follows",
    " failovers  how often another node has begun to lead",
    " gap ms     from the last answer of one primary to the first of the next one, as",
    "            the traders see it: found dead, the next one chosen, clients there,",
    "            in milliseconds. last, min, median, max: over all failovers",
    " kill in    seconds until the primary is killed (kill -9), which waits until",
    "            another node is in sync. Only with --kill-primary-every",
    " ack policy disk+ram: no answer leaves before its order is on the primary's disk",
    "            and in the memory of all in sync.  ram: in their memory",
    "            disk+disk: on all their disks",
    "",
    " Without etcd the demo is the operator, and promotes a node when one is dead.",
    " any key: back",
];

/// Everything that one frame shows.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The instrument whose book is shown.
    pub shown: usize,
    /// All books, in the order of [`INSTRUMENTS`].
    pub books: Vec<Book>,
    /// The last trades, newest first.
    pub tape: VecDeque<Traded>,
    /// Seconds since the start, and of the whole demo if it ends by itself.
    pub seconds: (u64, Option<u64>),
    /// Where the traders' random numbers start.
    pub seed: u64,
    /// The ack policy.
    pub ack: &'static str,
    /// Orders, replaces and cancels answered: all, and in the last second.
    pub orders: (u64, u64),
    /// Trades: all, and in the last second.
    pub trades: (u64, u64),
    /// Of all orders so far.
    pub latency: Microseconds,
    /// The cluster, if there is one, and how long nobody was served when its primary changed.
    pub cluster: Option<(State, Gaps)>,
    /// How to trade along, in rows to paste.
    pub command: Vec<String>,
}

/// One instrument's book.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Best first.
    pub buys: Vec<Level>,
    /// Best first.
    pub sells: Vec<Level>,
    /// Price of the last trade.
    pub last: Option<Cents>,
}

/// A price at which somebody buys or sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Cents,
    /// Shares.
    pub quantity: i64,
    /// Orders.
    pub orders: u32,
}

impl Frame {
    /// Whether all books have both sides.
    pub fn is_filled(&self) -> bool {
        !self.books.is_empty()
            && self.books.iter().all(|book| !book.buys.is_empty() && !book.sells.is_empty())
    }

    /// The frame as rows.
    pub fn rows(&self) -> Vec<String> {
        let mut rows = vec![bold(&self.title()), rule()];
        rows.extend(self.book_and_tape());
        rows.push(rule());
        rows.extend(self.others());
        rows.push(rule());
        rows.extend(self.figures());
        rows.extend(self.cluster.iter().flat_map(|(state, gaps)| nodes(state, gaps)));
        let words = [" trade along:  "].into_iter().chain(std::iter::repeat("   "));
        rows.extend(self.command.iter().zip(words).map(|(row, word)| format!("{word}{row}")));
        rows.push(bold(" ? what is what     1-5 or n another book     q quit"));
        rows
    }

    fn title(&self) -> String {
        let (now, end) = self.seconds;
        let clock = |s: u64| format!("{:02}:{:02}", s / 60, s % 60);
        let end = end.map_or_else(String::new, |end| format!(" of {}", clock(end)));
        let symbol = INSTRUMENTS[self.shown].symbol;
        format!(
            " RIALTO  book of {symbol}   {}{end}   seed {}   ack policy {}",
            clock(now),
            self.seed,
            self.ack
        )
    }

    /// The shown book on the left, the last trades on the right: a row of heads and one for each level.
    fn book_and_tape(&self) -> Vec<String> {
        let none = Book::default();
        let book = self.books.get(self.shown).unwrap_or(&none);
        let head =
            format!("  {:>5} {:>7} {:>8}   {:<8} {:<7}{:<5}", "ord", "shares", "bid", "ask", "shares", "ord");
        let mut rows = vec![format!("{}  {}", bold(&pad(&head, 46)), bold("last trades"))];
        let levels = if self.cluster.is_some() { LEVELS - 2 } else { LEVELS };
        for row in 0..levels {
            let wanted = book.buys.get(row).map_or_else(
                || " ".repeat(22),
                |l| format!("{:>5} {:>7} {:>8}", l.orders, l.quantity, price_text(l.price)),
            );
            let asked = book.sells.get(row).map_or_else(String::new, |l| {
                format!("{:<8} {:<7}{:<5}", price_text(l.price), l.quantity, l.orders)
            });
            let trade = self.tape.get(row).map_or_else(String::new, trade_text);
            rows.push(format!("  {}   {}  {trade}", green(&pad(&wanted, 22)), red(&pad(&asked, 19))));
        }
        rows
    }

    /// A row for each instrument.
    fn others(&self) -> Vec<String> {
        let best =
            |level: Option<&Level>| level.map_or_else(|| "-".to_owned(), |level| price_text(level.price));
        let row = |(at, book): (usize, &Book)| {
            let mark = if at == self.shown { '>' } else { ' ' };
            let symbol = INSTRUMENTS[at].symbol;
            let last = book.last.map_or_else(|| "-".to_owned(), price_text);
            let (bid, ask) = (best(book.buys.first()), best(book.sells.first()));
            format!("{mark}{} {symbol:<6} bid {bid:>8}   ask {ask:>8}   last {last:>8}", at + 1)
        };
        self.books.iter().enumerate().map(row).collect()
    }

    fn figures(&self) -> [String; 2] {
        let Microseconds { p50, p99, p99_9, max, .. } = self.latency;
        [
            format!(
                " orders/s {:<8} trades/s {:<8} orders {:<10} trades {:<10}",
                self.orders.1, self.trades.1, self.orders.0, self.trades.0
            ),
            format!(" latency us:  p50 {p50:<9.0} p99 {p99:<9.0} p99.9 {p99_9:<9.0} max {max:<9.0}"),
        ]
    }

    /// The frame as one line of a log.
    pub fn line(&self) -> String {
        let Microseconds { p50, p99, p99_9, max, .. } = self.latency;
        let last = |(book, known): (&Book, &super::market::Instrument)| {
            format!("{} {}", known.symbol, book.last.map_or_else(|| "-".to_owned(), price_text))
        };
        let prices: Vec<String> = self.books.iter().zip(&INSTRUMENTS).map(last).collect();
        let cluster = self.cluster.as_ref().map_or_else(String::new, |(state, gaps)| {
            format!("  {}", nodes(state, gaps).map(|row| row.trim().to_owned()).join("  "))
        });
        format!(
            "{:>4} s  {:>6} orders/s  {:>5} trades/s  {} trades  us p50 {p50:.0} p99 {p99:.0} p99.9 {p99_9:.0} max {max:.0}  {}{cluster}",
            self.seconds.0,
            self.orders.1,
            self.trades.1,
            self.trades.0,
            prices.join("  ")
        )
    }
}

/// What each number means, as rows: a page, or two where there is a cluster.
pub fn help(has_cluster: bool) -> Vec<Vec<String>> {
    let page = |text: &[&str]| text.iter().map(|row| (*row).to_owned()).collect();
    let first = page(&BOOKS_EXPLAINED);
    if has_cluster { vec![first, page(&NODES_EXPLAINED)] } else { vec![first] }
}

/// Two rows: how each node fares; failovers and their gaps.
fn nodes(state: &State, gaps: &Gaps) -> [String; 2] {
    let node = |(name, condition): &(String, Condition)| format!("  {name} {}", condition.word());
    let nodes: String = state.nodes.iter().map(node).collect();
    let Gaps { count, last, min, median, max } = gaps;
    let kill = state.kill_s.map_or_else(String::new, |seconds| format!(" kill in {} s", seconds.min(99)));
    [
        format!(" epoch {}{nodes}", state.epoch),
        format!(" failovers {count:<3} gap ms: last {last} min {min} median {median} max {max}{kill}"),
    ]
}

fn trade_text(traded: &Traded) -> String {
    let symbol = INSTRUMENTS[traded.instrument].symbol;
    let sign = if traded.aggressor == Side::Buy { '+' } else { '-' };
    let text = format!("{symbol:<5}{:>8} {:>6} {sign}", price_text(traded.price), traded.quantity);
    if traded.aggressor == Side::Buy { green(&text) } else { red(&text) }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

fn rule() -> String {
    "-".repeat(COLUMNS)
}

fn bold(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

fn green(text: &str) -> String {
    format!("\x1b[32m{text}\x1b[0m")
}

fn red(text: &str) -> String {
    format!("\x1b[31m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(row: &str) -> String {
        let mut text = String::new();
        let mut letters = row.chars();
        while let Some(letter) = letters.next() {
            if letter == '\x1b' {
                letters.find(|letter| *letter == 'm');
            } else {
                text.push(letter);
            }
        }
        text.trim_end().to_owned()
    }

    fn level(price: Cents, quantity: i64, orders: u32) -> Level {
        Level { price, quantity, orders }
    }

    fn frame() -> Frame {
        let book = |middle: Cents| Book {
            buys: (1..=9).map(|away| level(middle - away, 100 * away, 2)).collect(),
            sells: (1..=9).map(|away| level(middle + away, 100 * away, 3)).collect(),
            last: Some(middle),
        };
        let traded = |n: u64| Traded {
            trade: n,
            instrument: usize::try_from(n % 5).unwrap(),
            aggressor: if n.is_multiple_of(2) { Side::Buy } else { Side::Sell },
            price: 1025 + n.cast_signed(),
            quantity: 10,
        };
        Frame {
            shown: 1,
            books: INSTRUMENTS.iter().map(|instrument| book(instrument.start)).collect(),
            tape: (0..10).map(traded).collect(),
            seconds: (12, Some(30)),
            seed: 7,
            ack: "disk",
            orders: (12_345, 1_020),
            trades: (2_345, 210),
            latency: Microseconds { p50: 210.0, p99: 840.5, p99_9: 2_100.0, p99_99: 4_000.0, max: 9_000.0 },
            cluster: None,
            command: vec![
                "PW=demo target/release/rialto client \\".to_owned(),
                "--nodes 127.0.0.1:40001 --user YOU --password-env PW".to_owned(),
            ],
        }
    }

    #[test]
    fn a_frame_fits_a_terminal_of_80_columns_and_24_rows() {
        let mut wide = frame();
        wide.books.iter_mut().for_each(|book| book.buys.fill(level(99_999, 9_999_999, 9_999)));
        wide.orders = (9_999_999_999, 99_999_999);
        wide.latency = Microseconds {
            p50: 9_999_999.0,
            p99: 9_999_999.0,
            p99_9: 9_999_999.0,
            p99_99: 9_999_999.0,
            max: 60_000_000.0,
        };
        let nodes = (1..=5).map(|number| (format!("n{number}"), Condition::Starting)).collect();
        let state = State { nodes, epoch: 9999, kill_s: Some(100), ..State::default() };
        let gaps = Gaps { count: 999, last: 99_999, min: 99_999, median: 99_999, max: 99_999 };
        wide.cluster = Some((state, gaps));
        wide.command.push("--user YOU".to_owned());
        let frames = [frame().rows(), wide.rows(), Frame::default().rows()];
        for rows in frames.into_iter().chain(help(true)) {
            assert!(rows.len() <= ROWS, "{} rows", rows.len());
            for row in &rows {
                assert!(plain(row).chars().count() <= COLUMNS, "{row}");
            }
        }
    }

    #[test]
    fn a_frame_shows_book_trades_figures_and_how_to_join() {
        let shown: Vec<String> = frame().rows().iter().map(|row| plain(row)).collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn a_frame_is_filled_only_if_each_book_has_both_sides() {
        assert!(frame().is_filled());
        assert!(!Frame::default().is_filled());
        let mut one_sided = frame();
        one_sided.books[4].sells.clear();
        assert!(!one_sided.is_filled());
    }

    #[test]
    fn each_number_of_the_frame_is_explained() {
        let explained = |words: &[&str], has_cluster: bool| {
            let help = help(has_cluster).concat().join("\n");
            for word in words {
                assert!(help.contains(word), "{word}");
            }
        };
        let words =
            ["orders/s", "trades/s", "p50", "p99", "p99.9", "max", "ord", "ack policy", "seed", "bid", "ask"];
        explained(&words, false);
        let conditions =
            [Condition::Down, Condition::Starting, Condition::Behind, Condition::InSync, Condition::Leads];
        explained(&conditions.map(Condition::word), true);
        explained(&["epoch", "failovers", "gap ms", "last", "min", "median", "kill in", "disk+ram"], true);
    }
}

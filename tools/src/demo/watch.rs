//! Where the live view has its books from: the view inside a node of this process, or market data over TCP as any member
//! may ask for it.

use std::time::Instant;

use parking_lot::Mutex;
use rialto_bench::link::Link;
use rialto_gateway::view::{View, books};
use rialto_protocol::{Price, Side};

use super::market::{Cents, INSTRUMENTS, WATCHER, WATCHER_PASSWORD, price_of};
use super::screen::{Book, Level};
use crate::client::Line;
use crate::serve::node::Node;

/// Levels looked at of each side.
const LEVELS: usize = 8;
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// Who knows the books.
pub trait Books: std::fmt::Debug {
    /// All books, in the order of [`INSTRUMENTS`], but for their last trades where those are not known here.
    fn books(&self) -> Vec<Book>;
}

impl Books for Node {
    fn books(&self) -> Vec<Book> {
        let view = self.view.lock();
        INSTRUMENTS.iter().map(|instrument| book_of(&view, instrument.symbol)).collect()
    }
}

/// A member that asks for all books again once it has heard them. It follows whichever node answers.
#[derive(Debug)]
pub struct Watch(Mutex<Watching>);

#[derive(Debug)]
struct Watching {
    link: Link,
    inbox: Vec<u8>,
    books: Vec<Book>,
    /// Books that were asked for and have not come.
    missing: usize,
}

impl Watch {
    /// Asks the nodes at these addresses.
    pub fn new(nodes: &[String]) -> Self {
        let books = vec![Book::default(); INSTRUMENTS.len()];
        Self(Mutex::new(Watching { link: Link::new(nodes.to_vec()), inbox: Vec::new(), books, missing: 0 }))
    }
}

impl Books for Watch {
    fn books(&self) -> Vec<Book> {
        let mut watching = self.0.lock();
        watching.turn(Instant::now());
        watching.books.clone()
    }
}

impl Watching {
    fn turn(&mut self, now: Instant) {
        let log_on = Line::of_type("A").with(553, WATCHER).with(554, WATCHER_PASSWORD).with(141, "Y");
        if self.link.tend(now, || format!("{log_on}\n").into_bytes()) {
            self.inbox.clear();
        }
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let count = self.link.read(&mut bytes, now);
            if count == 0 {
                break;
            }
            self.inbox.extend_from_slice(&bytes[..count]);
        }
        while let Some(end) = self.inbox.iter().position(|byte| *byte == b'\n') {
            let text: Vec<u8> = self.inbox.drain(..=end).collect();
            self.line(String::from_utf8_lossy(&text).trim_end(), now);
        }
        if self.link.is_up() && self.missing == 0 {
            self.ask();
        }
        self.link.flush(now);
    }

    fn line(&mut self, text: &str, now: Instant) {
        let line = Line::parse(text).unwrap_or_default();
        match line.kind() {
            "A" => {
                self.link.logged_on();
                self.missing = 0;
            }
            "W" => self.hear(&line),
            "Y" => self.missing = self.missing.saturating_sub(1),
            "1" => self.link.say(format!("{}\n", Line::of_type("0").with(112, line.text(112))).as_bytes()),
            "0" => {}
            _ => self.link.turned_away(text, now),
        }
    }

    fn ask(&mut self) {
        for (number, instrument) in INSTRUMENTS.iter().enumerate() {
            let ask = Line::of_type("V").with(262, number).with(263, 0).with(264, LEVELS).with(267, 2);
            let ask = ask.with(269, 0).with(269, 1).with(146, 1).with(55, instrument.symbol);
            self.link.say(format!("{ask}\n").as_bytes());
        }
        self.missing = INSTRUMENTS.len();
    }

    fn hear(&mut self, line: &Line) {
        self.missing = self.missing.saturating_sub(1);
        let Some(at) = INSTRUMENTS.iter().position(|known| known.symbol == line.text(55)) else { return };
        self.books[at] = book_in(line);
    }
}

fn book_in(line: &Line) -> Book {
    let mut book = Book::default();
    for entry in line.entries(269) {
        let number = |tag| entry.number(tag).unwrap_or(0);
        let level = price_of(entry.text(270)).map(|price: Cents| Level {
            price,
            quantity: i64::try_from(number(271)).unwrap_or(i64::MAX),
            orders: u32::try_from(number(346)).unwrap_or(u32::MAX),
        });
        match entry.text(269) {
            "0" => book.buys.extend(level),
            "1" => book.sells.extend(level),
            _ => {}
        }
    }
    book
}

fn book_of(view: &View, symbol: &str) -> Book {
    let instrument = view.directory.instrument_by_symbol(symbol.as_bytes());
    let Some(book) = instrument.and_then(|instrument| view.books.book(instrument.id)) else {
        return Book::default();
    };
    let level = |(price, level): (Price, books::Level)| Level {
        price: price.0,
        quantity: level.quantity,
        orders: level.orders,
    };
    let side = |side| book.levels(side).take(LEVELS).map(level).collect();
    Book { buys: side(Side::Buy), sells: side(Side::Sell), last: book.last_price().map(|price| price.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_in_market_data_has_its_levels_best_first() {
        let text = "35=W|262=0|55=ACME|5001=7|268=3|269=0|270=10.25|271=100|346=2|269=0|270=10.2|271=5|346=1|269=1|270=10.3|271=7|346=1";
        let book = book_in(&Line::parse(text).unwrap());
        let level = |price, quantity, orders| Level { price, quantity, orders };
        assert_eq!(book.buys, [level(1025, 100, 2), level(1020, 5, 1)]);
        assert_eq!(book.sells, [level(1030, 7, 1)]);
        assert!(book_in(&Line::parse("35=W|262=0|55=ACME|268=1|269=J").unwrap()).buys.is_empty());
    }
}

//! Shows a running demo: ten frames a second on a terminal, or a line a second elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rialto_bench::report::Microseconds;
use rialto_gateway::view::{View, books};
use rialto_protocol::{Price, Side};

use super::figures::Figures;
use super::market::INSTRUMENTS;
use super::screen::{Book, COLUMNS, Frame, Level, ROWS, help};
use super::terminal::Terminal;
use crate::serve::node::Node;

/// Between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Frames of a second.
const FRAMES_PER_S: usize = 10;
/// Levels looked at of each side.
const LEVELS: usize = 8;
/// Ctrl-C, as a terminal in raw mode says it.
const INTERRUPT: u8 = 3;

/// What is shown, and how long.
#[derive(Debug)]
pub struct Show<'a> {
    /// The node, whose view has the books.
    pub node: &'a Node,
    /// What the traders measure.
    pub figures: &'a Arc<Mutex<Figures>>,
    /// How long, if it ends by itself.
    pub for_time: Option<Duration>,
    /// For the title.
    pub seed: u64,
    /// For the title.
    pub ack: &'static str,
    /// How to trade along.
    pub command: [String; 2],
}

/// What was seen in all.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Orders, replaces and cancels that were answered.
    pub orders: u64,
    /// Moves and cancels of a quote that had just traded.
    pub late: u64,
    /// Those that were refused for any other reason.
    pub refused: u64,
    /// Trades.
    pub trades: u64,
    /// Of all orders.
    pub latency: Microseconds,
    /// Frames looked at.
    pub frames: u64,
    /// Those in which each book had both sides.
    pub frames_filled: u64,
}

/// Counts a second ago, for rates.
#[derive(Debug, Default)]
struct Rates {
    /// Orders and trades at each frame of the last second.
    counts: std::collections::VecDeque<(u64, u64)>,
}

impl Rates {
    /// Orders and trades in the last second.
    fn next(&mut self, orders: u64, trades: u64) -> (u64, u64) {
        self.counts.push_back((orders, trades));
        if self.counts.len() > FRAMES_PER_S + 1 {
            self.counts.pop_front();
        }
        let (then_orders, then_trades) = self.counts.front().copied().unwrap_or_default();
        (orders - then_orders, trades - then_trades)
    }
}

impl Show<'_> {
    /// A live view, until the time is over, `stop` is set or q is pressed.
    pub fn live(&self, stop: &AtomicBool) -> anyhow::Result<Seen> {
        let terminal = Terminal::take()?;
        let (start, mut rates, mut seen) = (Instant::now(), Rates::default(), Seen::default());
        let (mut shown, mut explains) = (0, false);
        while !self.is_over(start, stop) {
            let frame = self.frame(start, shown, &mut rates, &mut seen);
            let (columns, rows) = terminal.size();
            if columns < COLUMNS || rows < ROWS {
                let words = format!("{columns} columns and {rows} rows: 80 and 24 are needed. q quits");
                terminal.draw(&[words.chars().take(columns).collect()])?;
            } else {
                terminal.draw(&if explains { help() } else { frame.rows() })?;
            }
            for key in terminal.keys(FRAME)? {
                match key {
                    b'q' | INTERRUPT => return Ok(seen),
                    _ if explains => explains = false,
                    b'?' => explains = true,
                    b'n' | b'\t' => shown = (shown + 1) % INSTRUMENTS.len(),
                    b'1'..=b'5' => shown = usize::from(key - b'1'),
                    _ => {}
                }
            }
        }
        Ok(seen)
    }

    /// A line a second, until the time is over or `stop` is set.
    pub fn plain(&self, stop: &AtomicBool, say: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<Seen> {
        let (start, mut rates, mut seen) = (Instant::now(), Rates::default(), Seen::default());
        let mut next = start;
        while !self.is_over(start, stop) {
            next += FRAME;
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let frame = self.frame(start, 0, &mut rates, &mut seen);
            if seen.frames.is_multiple_of(FRAMES_PER_S as u64) {
                say(&frame.line())?;
            }
        }
        Ok(seen)
    }

    fn is_over(&self, start: Instant, stop: &AtomicBool) -> bool {
        stop.load(Ordering::Relaxed) || self.for_time.is_some_and(|time| start.elapsed() >= time)
    }

    fn frame(&self, start: Instant, shown: usize, rates: &mut Rates, seen: &mut Seen) -> Frame {
        let (tape, trades) = {
            let figures = self.figures.lock();
            (seen.orders, seen.late, seen.refused) = (figures.orders, figures.late, figures.refused);
            seen.latency = figures.latency();
            (figures.tape.clone(), figures.trades())
        };
        seen.trades = trades;
        let per_s = rates.next(seen.orders, trades);
        let books = {
            let view = self.node.view.lock();
            INSTRUMENTS.iter().map(|instrument| book_of(&view, instrument.symbol)).collect()
        };
        let frame = Frame {
            shown,
            books,
            tape,
            seconds: (start.elapsed().as_secs(), self.for_time.map(|time| time.as_secs())),
            seed: self.seed,
            ack: self.ack,
            orders: (seen.orders, per_s.0),
            trades: (trades, per_s.1),
            latency: seen.latency,
            command: self.command.clone(),
        };
        seen.frames += 1;
        seen.frames_filled += u64::from(frame.is_filled());
        frame
    }
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
    fn rates_are_of_the_last_second() {
        let mut rates = Rates::default();
        for frame in 1..=30 {
            let per_s = rates.next(frame * 7, frame * 2);
            assert_eq!(per_s, if frame > 10 { (70, 20) } else { ((frame - 1) * 7, (frame - 1) * 2) });
        }
    }
}

//! Shows a running demo: ten frames a second on a terminal, or a line a second elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rialto_bench::report::Microseconds;

use super::cluster::state::State;
use super::figures::Figures;
use super::gaps::Gaps;
use super::market::INSTRUMENTS;
use super::screen::{COLUMNS, Frame, ROWS, help};
use super::terminal::Terminal;
use super::watch::Books;

/// Between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Frames of a second.
const FRAMES_PER_S: usize = 10;
/// Ctrl-C, as a terminal in raw mode says it.
const INTERRUPT: u8 = 3;

/// What is shown, and how long.
#[derive(Debug)]
pub struct Show<'a> {
    /// Who has the books.
    pub books: &'a dyn Books,
    /// What is known of the cluster, if there is one.
    pub cluster: Option<&'a Mutex<State>>,
    /// What the traders measure.
    pub figures: &'a Arc<Mutex<Figures>>,
    /// How long, if it ends by itself.
    pub for_time: Option<Duration>,
    /// For the title.
    pub seed: u64,
    /// For the title.
    pub ack: &'static str,
    /// How to trade along.
    pub command: Vec<String>,
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
    /// From one primary to the next.
    pub gaps: Option<Gaps>,
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
        let (mut shown, mut page) = (0, None);
        let pages = help(self.cluster.is_some());
        while !self.is_over(start, stop) {
            let frame = self.frame(start, shown, &mut rates, &mut seen);
            let (columns, rows) = terminal.size();
            if columns < COLUMNS || rows < ROWS {
                let words = format!("{columns} columns and {rows} rows: 80 and 24 are needed. q quits");
                terminal.draw(&[words.chars().take(columns).collect()])?;
            } else {
                terminal.draw(page.map_or(&frame.rows(), |page: usize| &pages[page]))?;
            }
            for key in terminal.keys(FRAME)? {
                match key {
                    b'q' | INTERRUPT => return Ok(seen),
                    b'?' => page = Some(page.map_or(0, |page| page + 1)).filter(|page| *page < pages.len()),
                    _ if page.is_some() => page = None,
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
            let news = self.cluster.map(|cluster| std::mem::take(&mut cluster.lock().news));
            for words in news.into_iter().flatten() {
                say(&format!("{:>4} s  {words}", frame.seconds.0))?;
            }
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
        let (tape, trades, last) = {
            let figures = self.figures.lock();
            (seen.orders, seen.late, seen.refused) = (figures.orders, figures.late, figures.refused);
            (seen.latency, seen.gaps) = (figures.latency(), figures.epochs.gaps());
            (figures.tape.clone(), figures.trades(), figures.last)
        };
        seen.trades = trades;
        let per_s = rates.next(seen.orders, trades);
        let mut books = self.books.books();
        for (book, last) in books.iter_mut().zip(last) {
            book.last = book.last.or(last);
        }
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
            cluster: self.cluster.map(|state| (state.lock().clone(), seen.gaps.unwrap_or_default())),
            command: self.command.clone(),
        };
        seen.frames += 1;
        seen.frames_filled += u64::from(frame.is_filled());
        frame
    }
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

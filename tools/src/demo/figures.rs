//! What the traders count and measure, shared with whoever shows it.

use std::collections::VecDeque;
use std::time::Duration;

use rialto_bench::report::{Latencies, Microseconds};
use rialto_protocol::Side;

use super::gaps::Epochs;
use super::market::{Cents, INSTRUMENTS};

/// Trades that are kept to be shown.
const TAPE: usize = 16;

/// A trade as its takers and makers heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traded {
    /// Its number.
    pub trade: u64,
    /// Which of the demo's instruments.
    pub instrument: usize,
    /// Side of the order that came and took.
    pub aggressor: Side,
    /// At what price.
    pub price: Cents,
    /// Shares.
    pub quantity: i64,
}

/// How the exchange answered an order, a replace or a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was about an order that had just traded to its end.
    Late,
    /// It was refused for any other reason.
    Refused,
}

/// What the traders have seen so far.
#[derive(Debug)]
pub struct Figures {
    /// Orders, replaces and cancels that were answered.
    pub orders: u64,
    /// Moves and cancels of a quote that had just traded, which come too late at any exchange.
    pub late: u64,
    /// Those that were refused for any other reason.
    pub refused: u64,
    /// The last trades, newest first.
    pub tape: VecDeque<Traded>,
    /// Price of the last trade of each instrument.
    pub last: [Option<Cents>; INSTRUMENTS.len()],
    /// Which epochs have answered, and the gaps between them.
    pub epochs: Epochs,
    /// Trades before this demo, of a directory that was used before.
    trades_before: u64,
    trade_last: u64,
    latencies: Latencies,
}

impl Figures {
    /// Nothing yet; the last trade so far had the number `trades_before`.
    pub fn new(trades_before: u64) -> Self {
        let latencies = Latencies::default();
        let tape = VecDeque::with_capacity(TAPE);
        Self {
            orders: 0,
            late: 0,
            refused: 0,
            tape,
            last: [None; INSTRUMENTS.len()],
            epochs: Epochs::default(),
            trades_before,
            trade_last: trades_before,
            latencies,
        }
    }

    /// Counts an answer to something that was asked `after` ago.
    pub fn answered(&mut self, after: Duration, answer: Answer) {
        self.orders += 1;
        self.late += u64::from(answer == Answer::Late);
        self.refused += u64::from(answer == Answer::Refused);
        self.latencies.record(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Takes a trade in, once for both of its sides.
    pub fn traded(&mut self, traded: Traded) {
        if traded.trade > self.trade_last {
            self.trade_last = traded.trade;
            self.last[traded.instrument] = Some(traded.price);
        }
        if self.tape.iter().any(|known| known.trade == traded.trade) {
            return;
        }
        self.tape.push_front(traded);
        self.tape.truncate(TAPE);
    }

    /// Trades of this demo.
    pub fn trades(&self) -> u64 {
        self.trade_last - self.trades_before
    }

    /// The latency of everything answered so far.
    pub fn latency(&self) -> Microseconds {
        self.latencies.microseconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_counts_once_though_both_sides_hear_of_it() {
        let mut figures = Figures::new(40);
        let traded = |trade| Traded { trade, instrument: 0, aggressor: Side::Buy, price: 1025, quantity: 10 };
        for trade in [41, 42, 41, 42, 43] {
            figures.traded(traded(trade));
        }
        assert_eq!(figures.trades(), 3);
        let tape: Vec<u64> = figures.tape.iter().map(|traded| traded.trade).collect();
        assert_eq!(tape, [43, 42, 41]);
    }
}

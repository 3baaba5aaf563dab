//! A venue that is a whole node of its own: requests go through TCP, gateway, ring, matcher and journal like anyone's,
//! for `rialto replay`. Books and queues are read from the node's shadow.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use crossbeam::channel::{Receiver, unbounded};
use rialto_engine::exchange::Exchange;
use rialto_protocol::{InstrumentId, Side};

use crate::config::{Config, Overrides};
use crate::dataset::{Dataset, Resting};
use crate::failure::{Code, failure};
use crate::replay::{Answer, Market, Request, Venue};
use crate::serve::run::{Running, Settings, launch};
use crate::twin::LevelTotal;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The node, and one client's connection to it.
#[derive(Debug)]
pub struct OwnNode {
    running: Option<Running>,
    dir: PathBuf,
    market: Market,
    stream: TcpStream,
    lines: Receiver<String>,
    /// Trades of which only the taker's report has come: its name, price, quantity and side.
    half_told: HashMap<String, (String, i64, i64, Side)>,
    barriers: u64,
}

impl OwnNode {
    /// Starts a node for a set, in a directory of its own, which goes with it.
    pub fn start(set: &Dataset, ack: Option<crate::config::Ack>) -> anyhow::Result<Self> {
        let market = Market::of(set);
        let text = market.config().context("tick and lot are too fine for any currency")?;
        let name = format!("replay-{}", std::process::id());
        let overrides = Overrides { ack, name: Some(name.clone()), ..Overrides::default() };
        let config = Config::parse("the replay's own configuration", &text, &overrides)?;
        let dir = std::env::temp_dir().join(format!("rialto-{name}"));
        let running = launch(&Settings::small(&config, dir.clone())?)?;
        let stream = TcpStream::connect(&running.node.fix)?;
        stream.set_nodelay(true)?;
        let lines = read_lines(stream.try_clone()?)?;
        let half_told = HashMap::new();
        let mut node = Self { running: Some(running), dir, market, stream, lines, half_told, barriers: 0 };
        node.line(&format!("35=A|553={}|554={}", Market::SESSION, Market::PASSWORD))?;
        let answer = node.next()?;
        anyhow::ensure!(answer.starts_with("35=A|"), "the node did not take the log-on: {answer}");
        Ok(node)
    }

    fn line(&mut self, line: &str) -> anyhow::Result<()> {
        self.stream.write_all(line.as_bytes())?;
        Ok(self.stream.write_all(b"\n")?)
    }

    fn next(&self) -> anyhow::Result<String> {
        self.lines.recv_timeout(PATIENCE).map_err(|_| failure(Code::Unreached, "the node does not answer"))
    }

    /// What a line tells of a request, if it does.
    fn told(&mut self, line: &str) -> anyhow::Result<Option<Answer>> {
        let field = |tag: &str| {
            line.split('|').find_map(|field| field.strip_prefix(tag)?.strip_prefix('=')).unwrap_or_default()
        };
        let (cl_ord_id, why) = (field("11").to_owned(), field("58").to_owned());
        match (field("35"), field("150"), field("851")) {
            ("8", "8", _) | ("9", _, _) => Ok(Some(Answer::Refused { cl_ord_id, why })),
            ("3" | "j" | "5", _, _) => Err(failure(Code::CheckFailed, format!("the node answered {line}"))),
            ("8", "F", "2") => {
                let price = self.market.ticks(field("31")).context("31 is no price")?;
                let quantity = self.market.lots(field("32")).context("32 is no quantity")?;
                let side = if field("54") == "1" { Side::Buy } else { Side::Sell };
                self.half_told.insert(field("527").to_owned(), (cl_ord_id, price, quantity, side));
                Ok(None)
            }
            ("8", "F", "1") => {
                let taker = self.half_told.remove(field("527"));
                let (name, price, quantity, taker) = taker.context("a maker's report without its taker's")?;
                let (buyer, seller) = match taker {
                    Side::Buy => (name, cl_ord_id),
                    Side::Sell => (cl_ord_id, name),
                };
                Ok(Some(Answer::Traded { buy: buyer, sell: seller, price, quantity, taker }))
            }
            _ => Ok(None),
        }
    }

    /// Asks the node's shadow, which has seen all that was answered.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Exchange) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let running = self.running.as_ref().context("the node has stopped")?;
        running.node.aside.ask(|exchange, _| question(exchange)).context("the node's shadow does not answer")
    }

    fn set(exchange: &Exchange) -> InstrumentId {
        let instruments = exchange.directory().instruments();
        instruments.find(Market::SYMBOL.as_bytes()).map_or(InstrumentId::NONE, InstrumentId)
    }
}

/// A thread that reads, so that the node never waits for us however much is sent before the answers are looked at.
fn read_lines(stream: TcpStream) -> anyhow::Result<Receiver<String>> {
    let (sender, receiver) = unbounded();
    let read = move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("replay-reader".into()).spawn(read)?;
    Ok(receiver)
}

impl Venue for OwnNode {
    fn send(&mut self, request: &Request) -> anyhow::Result<()> {
        let line = self.market.line(request).context("a number is too large to be written")?;
        self.line(&line)
    }

    fn answers(&mut self) -> anyhow::Result<Vec<Answer>> {
        self.barriers += 1;
        let barrier = format!("112=b{}", self.barriers);
        self.line(&format!("35=1|{barrier}"))?;
        let mut answers = Vec::new();
        loop {
            let line = self.next()?;
            if line.starts_with("35=0|") && line.ends_with(&barrier) {
                return Ok(answers);
            }
            answers.extend(self.told(&line)?);
        }
    }

    fn levels(&mut self, side: Side, depth: usize) -> anyhow::Result<Vec<LevelTotal>> {
        self.ask(move |exchange| {
            let Some((book, orders)) = exchange.book(Self::set(exchange)) else { return Vec::new() };
            let total = |level: rialto_engine::book::Level| LevelTotal {
                price: level.price.0,
                quantity: level.open.0,
                orders: u64::from(level.orders),
            };
            book.levels(orders, side).take(depth).map(total).collect()
        })
    }

    fn queue(&mut self) -> anyhow::Result<Vec<Resting>> {
        self.ask(|exchange| {
            let name = |order| exchange.open_order(order).map(|order| order.cl_ord_id).unwrap_or_default();
            let row = |row: rialto_engine::exchange::BookRow| Resting {
                side: row.side,
                price: row.price.0,
                id: name(row.order).to_string(),
                open: row.open.0,
            };
            exchange.book_rows().map(row).collect()
        })
    }

    fn state_hash(&mut self) -> anyhow::Result<Option<String>> {
        self.ask(|exchange| Some(exchange.state_hash().to_hex().to_string()))
    }
}

impl Drop for OwnNode {
    fn drop(&mut self) {
        if let Some(running) = self.running.take()
            && let Err(error) = running.stop()
        {
            tracing::warn!(%error, "the replay's node did not stop well");
        }
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::shared;
    use crate::replay::replay;

    /// All in one test: each node is a process's worth of threads, and its name is the process's.
    #[test]
    fn every_set_comes_out_as_stated_through_tcp_matcher_and_journal() {
        for name in ["coinbase-btcusd", "nasdaq-aapl-49s", "sse-600519-open"] {
            let Some(set) = shared(name) else { continue };
            let mut venue = OwnNode::start(&set, None).unwrap();
            let report = replay(&set, &mut venue).unwrap();
            assert!(report.all_equal() && report.trades_made > 0, "{report:?}");
            assert_eq!(venue.ask(Exchange::conserve).unwrap(), Ok(()));
            let dir = venue.dir.clone();
            drop(venue);
            assert!(!dir.exists());
        }
    }
}

//! A trader's desk: its TCP connection in line mode, what it has asked and not heard back, and the words of the line
//! for what it asks. Nothing here is known to the exchange but what goes over the socket.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rialto_protocol::Side;

use super::figures::{Answer, Figures, Traded};
use super::market::{INSTRUMENTS, TRADER_PASSWORD, price_of, price_text};
use super::trader::{Ask, AskId, Heard, Pad, Terms, Trader, What};
use crate::client::Line;

/// How long a log-on may take.
const LOG_ON_WITHIN: Duration = Duration::from_secs(10);
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// A trader that has this many asks without an answer waits before it asks more.
const WAITING_MAX: usize = 64;
/// Orders that traded to their end and are remembered: more than a trader can be asking about.
const FILLED: usize = 2 * WAITING_MAX;

/// A trader at its desk.
#[derive(Debug)]
pub struct Desk {
    name: String,
    stream: TcpStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    trader: Box<dyn Trader>,
    pad: Pad,
    /// What `ClOrdID`s of this run start with: a session may never use one twice.
    prefix: String,
    /// Asks without an answer, and when they were sent.
    waiting: VecDeque<(AskId, Instant)>,
    /// Orders that traded to their end, the newest first.
    filled: VecDeque<AskId>,
}

impl Desk {
    /// Logs `name` on at `address`, and gives up what an earlier run may have left in the books.
    pub fn open(
        address: SocketAddr,
        name: &str,
        trader: Box<dyn Trader>,
        prefix: &str,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, LOG_ON_WITHIN)
            .with_context(|| format!("{name}: {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOG_ON_WITHIN))?;
        let mut desk = Self {
            name: name.to_owned(),
            stream,
            inbox: Vec::new(),
            outbox: Vec::new(),
            trader,
            pad: Pad::default(),
            prefix: format!("{prefix}-"),
            waiting: VecDeque::new(),
            filled: VecDeque::new(),
        };
        desk.say(&Line::of_type("A").with(553, name).with(554, TRADER_PASSWORD));
        desk.flush()?;
        let answer = desk.first_line().with_context(|| format!("{name}: no answer to the log-on"))?;
        if !answer.starts_with("35=A|") {
            bail!("{name}: log-on refused: {answer}");
        }
        desk.say(&Line::of_type("q").with(11, format!("{prefix}-all")).with(530, 7));
        desk.stream.set_nonblocking(true)?;
        Ok(desk)
    }

    /// When the trader wants to act next.
    pub fn next_ms(&self) -> u64 {
        self.trader.next_ms()
    }

    /// Lets the trader act, and sends what it asks.
    pub fn act(&mut self, now_ms: u64) -> anyhow::Result<()> {
        if self.waiting.len() < WAITING_MAX {
            self.trader.act(now_ms, &mut self.pad);
            for ask in self.pad.take() {
                let line = self.line_of(&ask);
                self.say(&line);
                let (Ask::New { id, .. } | Ask::Replace { id, .. } | Ask::Cancel { id, .. }) = ask;
                self.waiting.push_back((id, Instant::now()));
            }
        }
        self.flush()
    }

    /// Whether more asks would only wait.
    pub fn is_busy(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Reads what has come, counts it, and tells the trader.
    pub fn hear(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => bail!("{}: the exchange closed the connection", self.name),
            Ok(count) => self.inbox.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).with_context(|| self.name.clone()),
        }
        let now = Instant::now();
        let mut start = 0;
        while let Some(length) = self.inbox[start..].iter().position(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(&self.inbox[start..start + length]).into_owned();
            start += length + 1;
            self.line(text.trim_end(), now, figures)?;
        }
        self.inbox.drain(..start);
        self.flush()
    }

    /// Says goodbye.
    pub fn close(mut self) {
        self.say(&Line::of_type("5"));
        // The exchange may have been faster; then there is nobody left to tell.
        self.flush().ok();
    }

    fn line(&mut self, text: &str, now: Instant, figures: &mut Figures) -> anyhow::Result<()> {
        let Some(line) = Line::parse(text) else { bail!("{}: {text}", self.name) };
        match line.kind() {
            "8" | "9" => self.report(&line, now, figures),
            "1" => self.say(&Line::of_type("0").with(112, line.text(112))),
            "3" | "5" | "j" => bail!("{}: {text}", self.name),
            _ => {}
        }
        Ok(())
    }

    fn report(&mut self, line: &Line, now: Instant, figures: &mut Figures) {
        let id = line.text(11).strip_prefix(&self.prefix).and_then(|id| id.parse().ok());
        let Some(id) = id else { return };
        let count = |tag| line.number(tag).and_then(|count| i64::try_from(count).ok()).unwrap_or(0);
        let what = what_of(line, count(32));
        if let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == id)
            && let Some((_, sent)) = self.waiting.remove(at)
        {
            figures.answered(now.duration_since(sent), self.answer(line, what));
        }
        if let What::Traded { quantity, price } = what
            && let Some(traded) = traded_of(line, quantity, price)
        {
            figures.traded(traded);
            if count(151) == 0 {
                self.filled.push_front(id);
                self.filled.truncate(FILLED);
            }
        }
        // A cancel that was done carries the cancel's own number; the trader knows the order by the order's.
        let order = match what {
            What::Ended => {
                line.text(41).strip_prefix(&self.prefix).and_then(|old| old.parse().ok()).unwrap_or(id)
            }
            What::Accepted | What::Traded { .. } | What::Replaced | What::Refused { .. } => id,
        };
        self.trader.hear(&Heard { id: order, what, open: count(151), traded: count(14) });
    }

    /// How an ask was answered. A quote may trade while its maker moves it.
    fn answer(&self, line: &Line, what: What) -> Answer {
        let about = line.text(41).strip_prefix(&self.prefix).and_then(|old| old.parse().ok());
        let has_traded = about.is_some_and(|order| self.filled.contains(&order));
        if what == (What::Refused { gone: true }) && has_traded {
            Answer::Late
        } else if line.kind() == "9" || line.get(150) == Some("8") {
            Answer::Refused
        } else {
            Answer::Done
        }
    }

    fn line_of(&self, ask: &Ask) -> Line {
        let id = |id: AskId| format!("{}{id}", self.prefix);
        let start = |kind: &str, own: AskId, terms: &Terms| {
            let side = if terms.side == Side::Buy { 1 } else { 2 };
            let symbol = INSTRUMENTS[terms.instrument].symbol;
            Line::of_type(kind).with(11, id(own)).with(55, symbol).with(54, side)
        };
        let limit = |line: Line, terms: &Terms| {
            line.with(38, terms.quantity).with(40, 2).with(44, price_text(terms.price))
        };
        match ask {
            Ask::New { id, terms, immediate } => {
                limit(start("D", *id, terms), terms).with(59, if *immediate { 3 } else { 0 })
            }
            Ask::Replace { id: own, old, terms } => limit(start("G", *own, terms), terms).with(41, id(*old)),
            Ask::Cancel { id: own, old, terms } => start("F", *own, terms).with(41, id(*old)),
        }
    }

    fn say(&mut self, line: &Line) {
        self.outbox.extend_from_slice(line.to_string().as_bytes());
        self.outbox.push(b'\n');
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| self.name.clone()),
            }
        }
        Ok(())
    }

    /// The first whole line, while the socket still blocks.
    fn first_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while line.last() != Some(&b'\n') {
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn what_of(line: &Line, quantity: i64) -> What {
    if line.kind() == "9" {
        return What::Refused { gone: line.get(102) == Some("1") };
    }
    match line.text(150) {
        "0" => What::Accepted,
        "5" => What::Replaced,
        "F" => What::Traded { quantity, price: price_of(line.text(31)).unwrap_or(0) },
        _ => What::Ended,
    }
}

fn traded_of(line: &Line, quantity: i64, price: i64) -> Option<Traded> {
    let instrument = INSTRUMENTS.iter().position(|known| known.symbol == line.text(55))?;
    let (own, other) =
        if line.get(54) == Some("1") { (Side::Buy, Side::Sell) } else { (Side::Sell, Side::Buy) };
    let aggressor = if line.get(851) == Some("2") { own } else { other };
    Some(Traded { trade: line.number(527)?, instrument, aggressor, price, quantity })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_exchange_says_is_told_to_the_trader_in_his_words() {
        let what = |text: &str| {
            let line = Line::parse(text).unwrap();
            what_of(&line, 5)
        };
        assert_eq!(what("35=8|11=x-1|150=0|39=0|151=5|14=0"), What::Accepted);
        assert_eq!(what("35=8|11=x-1|150=F|31=10.2|32=5"), What::Traded { quantity: 5, price: 1020 });
        assert_eq!(what("35=8|11=x-2|41=x-1|150=5"), What::Replaced);
        assert_eq!(what("35=8|11=x-2|41=x-1|150=4"), What::Ended);
        assert_eq!(what("35=8|11=x-2|150=8|58=no"), What::Ended);
        assert_eq!(what("35=9|11=x-2|41=x-1|102=1"), What::Refused { gone: true });
        assert_eq!(what("35=9|11=x-2|41=x-1|102=0"), What::Refused { gone: false });
    }

    #[test]
    fn a_makers_fill_names_the_side_that_took() {
        let line = Line::parse("35=8|11=x-1|150=F|54=1|55=BOLT|527=9|851=1").unwrap();
        let traded = traded_of(&line, 5, 4810).unwrap();
        assert_eq!((traded.trade, traded.instrument, traded.aggressor), (9, 1, Side::Sell));
    }
}

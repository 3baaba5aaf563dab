//! A trader's desk: its connection in line mode to whichever node is the primary, what it has asked and not heard back, and
//! the words of the line for what it asks. Nothing here is known to the exchange but what goes over the socket. A desk that
//! loses its connection comes back under the same numbers, and asks again what had no answer.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use anyhow::bail;
use rialto_bench::link::{Link, Numbers, is_elsewhere};
use rialto_protocol::Side;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::figures::{Answer, Figures, Traded};
use super::market::{INSTRUMENTS, TRADER_PASSWORD, price_of, price_text};
use super::trader::{Ask, AskId, Heard, Pad, Terms, Trader, What};
use crate::client::Line;

/// How long a log-on may take.
const LOG_ON_WITHIN: Duration = Duration::from_secs(10);
/// How long nobody may be the primary.
const LOST_MAX: Duration = Duration::from_secs(30);
/// Between two looks at a log-on.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
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
    link: Link,
    numbers: Numbers,
    /// The epoch that the connection belongs to.
    epoch: u32,
    inbox: Vec<u8>,
    trader: Box<dyn Trader>,
    pad: Pad,
    /// What `ClOrdID`s of this run start with: a session may never use one twice.
    prefix: String,
    /// Asks without an answer.
    waiting: VecDeque<Waiting>,
    /// Orders that traded to their end, the newest first.
    filled: VecDeque<AskId>,
}

#[derive(Debug)]
struct Waiting {
    id: AskId,
    sent: Instant,
    line: Line,
}

impl Desk {
    /// Logs `name` on at the primary among `nodes`, and gives up what an earlier run may have left in the books.
    pub fn open(nodes: &[String], name: &str, trader: Box<dyn Trader>, prefix: &str) -> anyhow::Result<Self> {
        let mut desk = Self {
            name: name.to_owned(),
            link: Link::new(nodes.to_vec()),
            numbers: Numbers::default(),
            epoch: 0,
            inbox: Vec::new(),
            trader,
            pad: Pad::default(),
            prefix: format!("{prefix}-"),
            waiting: VecDeque::new(),
            filled: VecDeque::new(),
        };
        let until = Instant::now() + LOG_ON_WITHIN;
        let mut nothing = Figures::new(0);
        while !desk.link.is_up() {
            desk.tend()?;
            if let Some(fd) = desk.link.fd() {
                poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&LOOK)).ok();
                desk.hear(&mut nothing)?;
            }
            if desk.link.fd().is_none() && Instant::now() >= until {
                bail!("{name}: no log-on: {}", desk.link.lost().why);
            }
        }
        desk.say(&Line::of_type("q").with(11, format!("{prefix}-all")).with(530, 7));
        desk.link.flush(Instant::now());
        Ok(desk)
    }

    /// When the trader wants to act next.
    pub fn next_ms(&self) -> u64 {
        self.trader.next_ms()
    }

    /// Lets the trader act, and sends what it asks.
    pub fn act(&mut self, now_ms: u64) {
        if self.waiting.len() < WAITING_MAX {
            self.trader.act(now_ms, &mut self.pad);
            for ask in self.pad.take() {
                let line = self.line_of(&ask);
                self.say(&line);
                let (Ask::New { id, .. } | Ask::Replace { id, .. } | Ask::Cancel { id, .. }) = ask;
                self.waiting.push_back(Waiting { id, sent: Instant::now(), line });
            }
        }
        self.link.flush(Instant::now());
    }

    /// Whether more asks would only wait.
    pub fn is_busy(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// What can be waited for, while there is a connection.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.link.fd()
    }

    /// Sees that there is a connection, or will be one.
    pub fn tend(&mut self) -> anyhow::Result<()> {
        if self.link.is_up() {
            return Ok(());
        }
        let now = Instant::now();
        if self.link.lost().since.is_some_and(|since| now > since + LOST_MAX) {
            bail!("{}: nobody is the primary: {}", self.name, self.link.lost().why);
        }
        let Self { name, link, numbers, inbox, .. } = self;
        let connected = link.tend(now, || {
            let line = Line::of_type("A").with(553, &name).with(554, TRADER_PASSWORD);
            let line = numbers.next().into_iter().fold(line, |line, next| line.with(789, next));
            numbers.log_on();
            format!("{line}\n").into_bytes()
        });
        if connected {
            inbox.clear();
        }
        Ok(())
    }

    /// Reads what has come, counts it, and tells the trader.
    pub fn hear(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        let mut bytes = [0; READ_BYTES];
        let now = Instant::now();
        let count = self.link.read(&mut bytes, now);
        self.inbox.extend_from_slice(&bytes[..count]);
        let mut start = 0;
        while let Some(length) = self.inbox[start..].iter().position(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(&self.inbox[start..start + length]).into_owned();
            start += length + 1;
            self.line(text.trim_end(), now, figures)?;
        }
        self.inbox.drain(..start);
        self.link.flush(now);
        Ok(())
    }

    /// Says goodbye.
    pub fn close(mut self) {
        self.say(&Line::of_type("5"));
        self.link.flush(Instant::now());
    }

    fn line(&mut self, text: &str, now: Instant, figures: &mut Figures) -> anyhow::Result<()> {
        let first = self.numbers.next().is_none();
        if text.starts_with("! ") && (!first || is_elsewhere(text)) {
            self.link.turned_away(text, now);
            return Ok(());
        }
        let Some(line) = Line::parse(text) else { bail!("{}: {text}", self.name) };
        let is_new = line
            .number(34)
            .is_none_or(|number| self.numbers.heard(line.kind().as_bytes(), number, line.number(36)));
        match line.kind() {
            "A" => self.logged_on(&line),
            "8" | "9" => self.report(&line, (is_new, now), figures),
            "1" => self.say(&Line::of_type("0").with(112, line.text(112))),
            "5" if !first => self.link.turned_away(text, now),
            "3" | "5" | "j" => bail!("{}: {text}", self.name),
            _ => {}
        }
        Ok(())
    }

    /// The primary is found: it hears again what had no answer.
    fn logged_on(&mut self, line: &Line) {
        // `NODE epoch N`
        self.epoch = line.text(58).rsplit(' ').next().and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        self.link.logged_on();
        let again: Vec<Line> = self.waiting.iter().map(|asked| asked.line.repeated()).collect();
        for line in again {
            self.say(&line);
        }
    }

    /// A report that is not new is no news to the trader, unless it answers what was asked again.
    fn report(&mut self, line: &Line, (is_new, now): (bool, Instant), figures: &mut Figures) {
        let id = line.text(11).strip_prefix(&self.prefix).and_then(|id| id.parse().ok());
        let Some(id) = id else { return };
        let count = |tag| line.number(tag).and_then(|count| i64::try_from(count).ok()).unwrap_or(0);
        let what = what_of(line, count(32));
        let asked = self.waiting.iter().position(|asked| asked.id == id);
        if !is_new && asked.is_none() {
            return;
        }
        if let Some(asked) = asked.and_then(|at| self.waiting.remove(at)) {
            figures.answered(asked.sent.elapsed(), self.answer(line, what));
            figures.epochs.answered(self.epoch, now);
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
            tracing::info!(trader = self.name, %line, "refused");
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
        self.link.say(format!("{line}\n").as_bytes());
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

    /// A trader that asks for one order.
    #[derive(Debug)]
    struct Once(bool, std::sync::mpsc::Sender<Heard>);

    impl Trader for Once {
        fn next_ms(&self) -> u64 {
            if self.0 { u64::MAX } else { 0 }
        }

        fn act(&mut self, _now_ms: u64, pad: &mut Pad) {
            if !std::mem::replace(&mut self.0, true) {
                let terms = Terms { instrument: 0, side: Side::Buy, quantity: 5, price: 1000 };
                pad.enter(terms, false);
            }
        }

        fn hear(&mut self, heard: &Heard) {
            self.1.send(*heard).unwrap();
        }
    }

    #[test]
    fn a_desk_that_lost_its_node_asks_again_and_its_trader_hears_each_answer_once() {
        use std::io::{BufRead, BufReader, Write};
        let node = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = node.local_addr().unwrap().to_string();
        let (sender, told) = std::sync::mpsc::channel();
        let order = format!("11=x-1|55={}|54=1|38=5|40=2|44=10.00|59=0", INSTRUMENTS[0].symbol);
        let (first, again) = (format!("35=D|{order}"), format!("35=D|43=Y|{order}"));
        let log_on = format!("35=A|553=T|554={TRADER_PASSWORD}");
        let script = move || {
            let hear = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, wanted: &str| {
                assert_eq!(lines.next().unwrap().unwrap(), wanted);
            };
            let (mut stream, _) = node.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            hear(&mut lines, &log_on);
            stream.write_all(b"35=A|34=1|58=n1 epoch 1\n").unwrap();
            hear(&mut lines, "35=q|11=x-all|530=7");
            hear(&mut lines, &first);
            drop((stream, lines));
            let (mut stream, _) = node.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            hear(&mut lines, &format!("{log_on}|789=2"));
            let report = "35=8|34=2|43=Y|11=x-1|150=0|151=5|14=0\n";
            stream.write_all(format!("35=A|34=3|58=n2 epoch 2\n{report}").as_bytes()).unwrap();
            hear(&mut lines, &again);
            // What was asked again is answered again; then something new, so that the end is seen.
            let fill = "35=8|34=4|11=x-1|150=F|54=1|151=0|14=5|31=10|32=5|527=1\n";
            stream.write_all(format!("{report}{fill}").as_bytes()).unwrap();
            lines.next();
        };
        let script = std::thread::spawn(script);
        let mut desk = Desk::open(&[address], "T", Box::new(Once(false, sender)), "x").unwrap();
        let (mut figures, mut heard) = (Figures::new(0), Vec::new());
        let until = Instant::now() + LOG_ON_WITHIN;
        desk.act(0);
        while heard.len() < 2 {
            assert!(Instant::now() < until, "{heard:?}");
            desk.tend().unwrap();
            desk.hear(&mut figures).unwrap();
            heard.extend(told.try_iter());
            std::thread::yield_now();
        }
        desk.close();
        script.join().unwrap();
        let what: Vec<What> = heard.iter().map(|heard| heard.what).collect();
        assert_eq!(what, [What::Accepted, What::Traded { quantity: 5, price: 1000 }]);
        assert_eq!(figures.orders, 1);
    }

    #[test]
    fn a_makers_fill_names_the_side_that_took() {
        let line = Line::parse("35=8|11=x-1|150=F|54=1|55=BOLT|527=9|851=1").unwrap();
        let traded = traded_of(&line, 5, 4810).unwrap();
        assert_eq!((traded.trade, traded.instrument, traded.aggressor), (9, 1, Side::Sell));
    }
}

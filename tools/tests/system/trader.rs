//! A member that trades at random, loses its connection at any time, comes back and makes sure.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Client, Message, Wire};
use crate::ledger::Ledger;
use crate::node::PATIENCE;
use crate::random::Random;

/// Requests on their way at once.
const WINDOW: usize = 16;
/// Open orders of one member, about.
const OPEN_MAX: usize = 200;
/// Between two looks for whoever leads.
const SEEK: Duration = Duration::from_millis(5);
/// How long a turn waits for messages.
const TURN: Duration = Duration::from_millis(2);
/// So many of a session's last requests are surely remembered by their names (`NAMES_KEPT` in the engine).
const REMEMBERED: usize = 16_384;

/// A request as it was sent.
#[derive(Debug, Clone)]
struct Sent {
    id: String,
    line: String,
    number: u32,
}

/// What the threads of one load share.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Messages received by all.
    pub(crate) received: AtomicU64,
    /// Nobody asks for more.
    pub(crate) ends: AtomicBool,
}

/// A member.
#[derive(Debug)]
pub(crate) struct Trader {
    pub(crate) name: String,
    wire: Wire,
    random: Random,
    client: Option<Client>,
    pub(crate) ledger: Ledger,
    /// Its FIX numbers; a line needs none.
    next_number: u32,
    log_on_number: u32,
    /// All requests in the order in which they were sent.
    sent: Vec<Sent>,
    /// Those that are not answered: places in `sent` by id.
    waiting: BTreeMap<usize, String>,
    /// Of each connection with one: when the first new answer came, and the last one.
    pub(crate) spans: Vec<(Instant, Instant)>,
    /// This connection has none yet.
    is_fresh: bool,
}

impl Trader {
    pub(crate) fn new(name: &str, wire: Wire, random: Random) -> Self {
        Self {
            name: name.to_owned(),
            wire,
            random,
            client: None,
            ledger: Ledger::new(name),
            next_number: 1,
            log_on_number: 0,
            sent: Vec::new(),
            waiting: BTreeMap::new(),
            spans: Vec::new(),
            is_fresh: true,
        }
    }

    /// The next number that the member will give in FIX.
    pub(crate) fn next_number(&self) -> u32 {
        self.next_number
    }

    /// Logs on, gets all from number `from` on that it was told before, and makes sure that every request was answered.
    pub(crate) fn come_back(&mut self, address: &str, from: u32, load: &Load) -> io::Result<()> {
        self.client = Some(Client::connect(address, self.wire, &self.name)?);
        self.is_fresh = true;
        let number = self.next_number;
        (self.log_on_number, self.next_number) = (number, number + 1);
        // In FIX a member may also see for itself that it has missed something, and ask.
        let asks = self.wire == Wire::Fix && self.random.below(2) == 0;
        let next = if asks { String::new() } else { format!("|789={from}") };
        let proof = format!("553={}|554=secret{next}", self.name);
        let line = match self.wire {
            Wire::Line => format!("35=A|{proof}"),
            Wire::Fix => format!("35=A|98=0|108=30|{proof}"),
        };
        self.ledger.log_on();
        self.send(&line, number, false)?;
        if asks {
            self.ask_from(from, load)?;
        }
        self.listen_until(load, "all that was missed", |trader| trader.ledger.is_back(from))?;
        if self.wire == Wire::Line {
            for place in self.waiting.keys().copied().collect::<Vec<_>>() {
                self.send(&self.sent[place].line.clone(), 0, true)?;
            }
        }
        self.listen_until(load, "answers", |trader| trader.waiting.is_empty())?;
        if self.wire == Wire::Line { self.ask_again(load) } else { Ok(()) }
    }

    /// Asks by `ResendRequest` for all from this number up to the log-on's answer, if there is any. What comes meanwhile
    /// is kept until the gap is filled.
    fn ask_from(&mut self, from: u32, load: &Load) -> io::Result<()> {
        self.listen_until(load, "the log-on's answer", |trader| trader.ledger.log_on_answer().is_some())?;
        let answer = self.ledger.log_on_answer().expect("it has come");
        if answer <= from {
            return Ok(());
        }
        let number = self.next_number;
        self.next_number += 1;
        self.send(&format!("35=2|7={from}|16={answer}"), number, false)?;
        let mut kept = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while !self.ledger.is_filled_to(answer) {
            assert!(Instant::now() < deadline, "{}: {from} to {answer} are not sent again", self.name);
            match self.client.as_mut().expect("connected").receive(TURN)? {
                Some(message) if message.is_again() => self.hear(&message, load)?,
                Some(message) => kept.push(message),
                None => {}
            }
        }
        kept.iter().try_for_each(|message| self.hear(message, load))
    }

    /// Hears all that others caused until now: the answer to a test comes behind it.
    pub(crate) fn settle(&mut self, load: &Load) -> io::Result<()> {
        let (number, text) = (self.next_number, format!("test {}", self.next_number));
        self.next_number += 1;
        self.send(&format!("35=1|112={text}"), number, false)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(message) = self.listen(load)?
                && message.get(112) == Some(&text)
            {
                return Ok(());
            }
        }
        panic!("{}: no answer to {text}", self.name)
    }

    /// A line that was answered some time ago, sent again, is answered as it was and changes nothing.
    fn ask_again(&mut self, load: &Load) -> io::Result<()> {
        if self.sent.is_empty() {
            return Ok(());
        }
        let remembered = &self.sent[self.sent.len().saturating_sub(REMEMBERED)..];
        let place = usize::try_from(self.random.below(remembered.len() as u64)).unwrap();
        let Sent { id, line, .. } = remembered[place].clone();
        let number = self.ledger.answer_number(&id).expect("nothing waits");
        self.send(&line, 0, true)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(message) = self.listen(load)?
                && message.is_again()
                && message.number() == number
            {
                return Ok(());
            }
        }
        panic!("{}: {line} was answered under {number}, and not once more", self.name)
    }

    /// Trades until the connection ends.
    pub(crate) fn trade(&mut self, load: &Load) {
        let turn = |trader: &mut Self| -> io::Result<()> {
            while trader.waiting.len() < WINDOW {
                trader.ask()?;
            }
            while trader.listen(load)?.is_some() {}
            Ok(())
        };
        while turn(self).is_ok() {}
        // What has come counts, even if nothing more can be sent.
        while self.listen(load).is_ok() {}
    }

    /// Finds whoever leads among these nodes, and comes back there.
    pub(crate) fn find(&mut self, addresses: &[String], load: &Load) {
        let deadline = Instant::now() + PATIENCE;
        for address in addresses.iter().cycle() {
            assert!(Instant::now() < deadline, "{}: nobody answers", self.name);
            if self.come_back(address, self.ledger.next(), load).is_ok() {
                return;
            }
            std::thread::sleep(SEEK);
        }
    }

    /// Trades with whoever leads among these nodes, until nobody asks for more and all is answered.
    pub(crate) fn trade_over(&mut self, addresses: &[String], load: &Load) {
        let turn = |trader: &mut Self| -> io::Result<bool> {
            let ends = load.ends.load(Ordering::Relaxed);
            while !ends && trader.waiting.len() < WINDOW {
                trader.ask()?;
            }
            trader.listen(load)?;
            Ok(ends && trader.waiting.is_empty())
        };
        loop {
            match turn(self) {
                Ok(true) => return,
                Ok(false) => {}
                Err(_) => self.find(addresses, load),
            }
        }
    }

    fn answered(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_fresh) {
            self.spans.push((now, now));
        }
        self.spans.last_mut().expect("the first one is there").1 = now;
    }

    /// The longest time from the last answer on a connection to the first one on the next, of the connections from this
    /// one on.
    pub(crate) fn gap(&self, from: usize) -> Duration {
        let spans = &self.spans[from.saturating_sub(1)..];
        spans.windows(2).map(|pair| pair[1].0 - pair[0].1).max().unwrap_or_default()
    }

    fn listen_until(&mut self, load: &Load, what: &str, done: impl Fn(&Self) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            self.listen(load)?;
            assert!(
                Instant::now() < deadline,
                "{}: waited in vain: {what}; waiting {:?}",
                self.name,
                self.waiting
            );
        }
        Ok(())
    }

    /// Takes down the next message, if one comes soon.
    fn listen(&mut self, load: &Load) -> io::Result<Option<Message>> {
        let Some(message) = self.client.as_mut().expect("connected").receive(TURN)? else { return Ok(None) };
        self.hear(&message, load)?;
        Ok(Some(message))
    }

    fn hear(&mut self, message: &Message, load: &Load) -> io::Result<()> {
        self.ledger.take(message);
        load.received.fetch_add(1, Ordering::Relaxed);
        if self.wire == Wire::Fix && message.kind() == "2" {
            self.send_again(message.whole(7))?;
        }
        if message.get(11).is_some() && !message.is_again() {
            self.answered(Instant::now());
        }
        if message.get(11).is_some() {
            let ledger = &self.ledger;
            self.waiting.retain(|_, id| !ledger.is_answered(id));
        }
        Ok(())
    }

    /// What was sent from this number up to the log-on, as FIX wants it: requests marked, the rest as gaps. What came
    /// behind the log-on is kept by the other side.
    fn send_again(&mut self, from: u32) -> io::Result<()> {
        let end = self.log_on_number + 1;
        let is_asked_for = |sent: &&Sent| (from..end).contains(&sent.number);
        let requests = self.sent.iter().filter(is_asked_for).cloned().collect::<Vec<_>>();
        let mut due = from;
        for Sent { line, number, .. } in requests {
            self.fill(due, number)?;
            self.send(&line, number, true)?;
            due = number + 1;
        }
        self.fill(due, end)
    }

    fn fill(&mut self, from: u32, to: u32) -> io::Result<()> {
        if from == to { Ok(()) } else { self.send(&format!("35=4|123=Y|36={to}"), from, true) }
    }

    fn send(&mut self, line: &str, number: u32, again: bool) -> io::Result<()> {
        self.client.as_mut().expect("connected").send(line, number, again)
    }

    /// Sends a request of some kind.
    fn ask(&mut self) -> io::Result<()> {
        let id = format!("{}-{}", self.name, self.sent.len());
        let kind = self.random.below(100);
        let is_full = self.ledger.open().len() > OPEN_MAX;
        let line = match kind {
            0 => format!("35=q|11={id}|530=1|55={}", self.symbol()),
            1..20 => self.cancel(&id),
            20..40 => self.replace(&id),
            _ if is_full => self.cancel(&id),
            _ => self.order(&id),
        };
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.insert(self.sent.len(), id.clone());
        self.sent.push(Sent { id, line: line.clone(), number });
        self.send(&line, number, false)
    }

    fn symbol(&mut self) -> &'static str {
        ["ACME", "GRAIN"][usize::try_from(self.random.below(2)).unwrap()]
    }

    fn order(&mut self, id: &str) -> String {
        let symbol = self.symbol();
        let (side, rest) = (self.random.between(1, 2), if self.random.below(5) == 0 { 3 } else { 0 });
        let (quantity, price) = (self.quantity(symbol), self.price());
        format!("35=D|11={id}|55={symbol}|54={side}|38={quantity}|40=2|44={price}|59={rest}")
    }

    fn quantity(&mut self, symbol: &str) -> u64 {
        self.random.between(1, 10) * if symbol == "GRAIN" { 50 } else { 1 }
    }

    fn price(&mut self) -> String {
        format!("10.{:02}", 5 * self.random.below(10))
    }

    /// `41`, `55`, `54` and `38` of an order that may be open, or of one that never was.
    fn some_order(&mut self) -> (String, String, u8, String) {
        let open = self.ledger.open();
        if open.is_empty() {
            return ("none".to_owned(), "ACME".to_owned(), 1, "1".to_owned());
        }
        let place = usize::try_from(self.random.below(open.len() as u64)).unwrap();
        let order = open.values().nth(place).expect("less than there are").clone();
        let side = if order.side == "buy" { 1 } else { 2 };
        (order.cl_ord_id, order.symbol, side, order.quantity)
    }

    fn cancel(&mut self, id: &str) -> String {
        let (orig, symbol, side, quantity) = self.some_order();
        format!("35=F|11={id}|41={orig}|55={symbol}|54={side}|38={quantity}")
    }

    fn replace(&mut self, id: &str) -> String {
        let (orig, symbol, side, _) = self.some_order();
        let (quantity, price) = (self.quantity(&symbol), self.price());
        format!("35=G|11={id}|41={orig}|55={symbol}|54={side}|38={quantity}|40=2|44={price}")
    }
}

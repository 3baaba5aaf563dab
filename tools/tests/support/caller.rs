//! One client that knows all nodes: it asks for orders that rest, finds whoever leads, and resumes where it was. What it
//! was told is told once, under numbers without a gap, and stays true.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Client, Message, Wire};
use crate::node::{Node, PATIENCE};

/// Orders on their way at once.
const WINDOW: usize = 8;
/// Between two looks for whoever leads.
const SEEK: Duration = Duration::from_millis(5);
/// How long a node may take to answer a log-on; one that leads and may not release does not answer.
const LOG_ON: Duration = Duration::from_millis(500);
/// How long a turn waits for messages.
const TURN: Duration = Duration::from_millis(20);

/// A client and all that it was told.
#[derive(Debug)]
pub(crate) struct Caller {
    name: String,
    addresses: Vec<String>,
    /// The address that is tried next.
    at: usize,
    client: Option<Client>,
    sent: usize,
    /// Ids without an answer.
    waiting: BTreeSet<usize>,
    /// What each number stands for; nothing for what is none of its own.
    told: BTreeMap<u32, Option<String>>,
    /// `OrderID` by id.
    acked: BTreeMap<usize, String>,
    /// When each connection's first new answer came and its last one.
    pub(crate) spans: Vec<(Instant, Instant)>,
    has_span: bool,
}

impl Caller {
    pub(crate) fn new(addresses: Vec<String>, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            addresses,
            at: 0,
            client: None,
            sent: 0,
            waiting: BTreeSet::new(),
            told: BTreeMap::new(),
            acked: BTreeMap::new(),
            spans: Vec::new(),
            has_span: false,
        }
    }

    /// Orders that were acknowledged.
    pub(crate) fn acked(&self) -> usize {
        self.acked.len()
    }

    /// Orders that were sent and not answered.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Logs on to whoever answers, and sends again what was not answered; the words of the answer.
    pub(crate) fn find(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "{}: nobody answers", self.name);
            if let Ok(words) = self.log_on(self.at) {
                return words;
            }
            self.at = (self.at + 1) % self.addresses.len();
            std::thread::sleep(SEEK);
        }
    }

    /// Logs on to one node.
    pub(crate) fn log_on(&mut self, at: usize) -> io::Result<String> {
        self.client = None;
        let mut client = Client::connect(&self.addresses[at], Wire::Line, &self.name)?;
        let last = self.told.last_key_value().map_or(0, |(last, _)| *last);
        let next = (1..=last).find(|number| !self.told.contains_key(number)).unwrap_or(last + 1);
        client.send(&format!("35=A|553={}|554=secret|789={next}", self.name), 0, false)?;
        let answer = client.receive(LOG_ON)?.ok_or(io::ErrorKind::TimedOut)?;
        assert_eq!(answer.kind(), "A", "{}: {answer}", self.name);
        assert!(answer.number() > last, "{}: {} is due: {answer}", self.name, last + 1);
        // What lies between is sent again behind it.
        let words = answer.field(58).to_owned();
        self.told.insert(answer.number(), None);
        self.client = Some(client);
        (self.at, self.has_span) = (at, false);
        for id in self.waiting.clone() {
            self.send(id, true)?;
        }
        Ok(words)
    }

    fn send(&mut self, id: usize, again: bool) -> io::Result<()> {
        let line = format!("35=D|11={}-{id}|55=ACME|54=1|38=1|40=2|44=1.00", self.name);
        self.client.as_mut().expect("connected").send(&line, 0, again)
    }

    /// Sends one more order.
    pub(crate) fn ask(&mut self) -> io::Result<()> {
        let id = self.sent;
        self.sent += 1;
        self.waiting.insert(id);
        self.send(id, false)
    }

    /// Takes down what comes within `patience`; whether something did.
    pub(crate) fn listen(&mut self, patience: Duration) -> io::Result<bool> {
        let Some(message) = self.client.as_mut().expect("connected").receive(patience)? else {
            return Ok(false);
        };
        self.take(&message);
        Ok(true)
    }

    fn take(&mut self, message: &Message) {
        let until = if message.kind() == "4" { message.whole(36) } else { message.number() + 1 };
        let lasting = (message.kind() == "8").then(|| message.lasting().to_string());
        let last = self.told.last_key_value().map_or(0, |(last, _)| *last);
        for number in message.number()..until {
            let due = message.is_again() || number == last + 1;
            assert!(due, "{}: {} is due: {message}", self.name, last + 1);
            match self.told.get(&number) {
                Some(before) => assert_eq!(*before, lasting, "{}: told again", self.name),
                None => _ = self.told.insert(number, lasting.clone()),
            }
        }
        if message.kind() != "8" {
            return;
        }
        assert_eq!(message.field(150), "0", "{}: {message}", self.name);
        let (name, id) = message.field(11).rsplit_once('-').expect("an id of its own");
        assert_eq!(name, self.name);
        let (id, order) = (id.parse().unwrap(), message.field(37).to_owned());
        self.waiting.remove(&id);
        let before = self.acked.insert(id, order.clone());
        assert!(before.is_none_or(|before| before == order), "{}: {message} was another order", self.name);
        if !message.is_again() {
            let now = Instant::now();
            if !self.has_span {
                self.spans.push((now, now));
                self.has_span = true;
            }
            self.spans.last_mut().expect("there is one").1 = now;
        }
    }

    /// Asks for orders, finding whoever leads after each end of a connection, until `enough`; then until all is answered.
    pub(crate) fn trade(&mut self, enough: &AtomicBool) {
        if self.client.is_none() {
            self.find();
        }
        let deadline = Instant::now() + PATIENCE;
        while !(enough.load(Ordering::Relaxed) && self.waiting.is_empty()) {
            assert!(Instant::now() < deadline, "{}: {} orders are not answered", self.name, self.waiting());
            if self.turn(enough).is_err() {
                self.find();
            }
        }
    }

    fn turn(&mut self, enough: &AtomicBool) -> io::Result<()> {
        while self.waiting.len() < WINDOW && !enough.load(Ordering::Relaxed) {
            self.ask()?;
        }
        self.listen(TURN)?;
        Ok(())
    }

    /// Asks for so many orders and has all answered.
    pub(crate) fn place(&mut self, count: usize) {
        if self.client.is_none() {
            self.find();
        }
        let goal = self.acked.len() + count;
        let deadline = Instant::now() + PATIENCE;
        while self.acked.len() < goal || !self.waiting.is_empty() {
            assert!(Instant::now() < deadline, "{}: {} orders are not answered", self.name, self.waiting());
            let more = goal.saturating_sub(self.acked.len() + self.waiting.len());
            let asked = (0..more.min(WINDOW)).try_for_each(|_| self.ask());
            if asked.and_then(|()| self.listen(TURN)).is_err() {
                self.find();
            }
        }
    }

    /// What comes until the connection ends.
    pub(crate) fn drain(&mut self) {
        while self.listen(PATIENCE).is_ok_and(|heard| heard) {}
        assert!(self.listen(TURN).is_err(), "{}: the connection does not end", self.name);
        self.client = None;
    }

    /// All that was acknowledged is there, under the same number, once; and nothing is there that was not sent.
    pub(crate) fn check(&self, node: &Node) {
        let list = node.asked(&["show", "orders"]);
        let mut there = BTreeMap::new();
        for row in
            list["orders"].as_array().unwrap().iter().filter(|row| row["session"] == self.name.as_str())
        {
            let (_, id) = row["cl_ord_id"].as_str().unwrap().rsplit_once('-').unwrap();
            let before = there.insert(id.parse::<usize>().unwrap(), row["order"].to_string());
            assert_eq!(before, None, "twice: {row}");
        }
        for (id, order) in &self.acked {
            assert_eq!(there.get(id), Some(order), "{}: order {id} was acknowledged", self.name);
        }
        let unknown: Vec<&usize> = there.keys().filter(|id| **id >= self.sent).collect();
        assert!(unknown.is_empty(), "{}: never sent: {unknown:?}", self.name);
    }

    /// All numbers so far stand for something, and nothing waits.
    pub(crate) fn check_whole(&self) {
        assert!(self.waiting.is_empty(), "{}: {:?}", self.name, self.waiting);
        let last = self.told.last_key_value().map_or(0, |(last, _)| *last);
        let missing: Vec<u32> = (1..=last).filter(|number| !self.told.contains_key(number)).collect();
        assert!(missing.is_empty(), "{}: never told: {missing:?}", self.name);
    }

    /// The longest time between an answer and the first one of the next connection.
    pub(crate) fn gaps(&self) -> Vec<Duration> {
        self.spans.windows(2).map(|pair| pair[1].0 - pair[0].1).collect()
    }
}

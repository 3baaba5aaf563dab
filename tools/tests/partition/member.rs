//! A member that knows all nodes: it trades by line with whoever leads, leaves a connection that says nothing, comes back
//! where it was, sends again what was not answered, and takes everything down. It judges nothing: that is the checker's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Client, Message, Wire};
use crate::facts::{Connection, Heard, Record, Sent, now_ns};
use crate::node::PATIENCE;
use crate::random::Random;

/// Requests on their way at once.
const WINDOW: usize = 4;
/// Open orders of one member, about.
const OPEN_MAX: usize = 60;
/// Between two requests, about.
const TURN: Duration = Duration::from_millis(3);
/// Between two looks for whoever leads.
const SEEK: Duration = Duration::from_millis(5);
/// How long a node may take to take a connection, and to answer a log-on; one that may not release does not.
const CONNECT: Duration = Duration::from_millis(250);
const LOG_ON: Duration = Duration::from_millis(500);
/// A connection on which so long nothing comes, while something is due, is left.
const SILENCE: Duration = Duration::from_millis(500);

/// What the threads of one load share.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Answers that all heard for the first time.
    pub(crate) answers: AtomicU64,
    /// Nobody asks for more.
    pub(crate) ends: AtomicBool,
}

/// A member.
#[derive(Debug)]
pub(crate) struct Member {
    addresses: Vec<String>,
    /// The address that is tried next.
    at: usize,
    client: Option<Client>,
    random: Random,
    /// Requests without an answer.
    waiting: BTreeMap<usize, String>,
    requests: usize,
    /// Own open orders: `ClOrdID`, side and quantity by `OrderID`.
    open: BTreeMap<String, (String, String, String)>,
    /// Numbers that are known; what is behind the first gap is asked for.
    numbers: BTreeSet<u32>,
    heard: Instant,
    pub(crate) record: Record,
}

impl Member {
    pub(crate) fn new(name: &str, addresses: Vec<String>, random: Random) -> Self {
        Self {
            addresses,
            at: 0,
            client: None,
            random,
            waiting: BTreeMap::new(),
            requests: 0,
            open: BTreeMap::new(),
            numbers: BTreeSet::new(),
            heard: Instant::now(),
            record: Record { name: name.to_owned(), ..Record::default() },
        }
    }

    /// Trades until nobody asks for more and all is answered.
    pub(crate) fn trade(&mut self, load: &Load) {
        let mut since = None;
        loop {
            if load.ends.load(Ordering::Relaxed) {
                let waited = since.get_or_insert_with(Instant::now).elapsed();
                assert!(waited < PATIENCE, "{}: not answered: {:?}", self.record.name, self.waiting);
            }
            match self.turn(load) {
                Ok(true) => return,
                Ok(false) => {}
                Err(_) => self.find(load),
            }
        }
    }

    /// Nobody asks for anything any more: hears what others caused. The answer to a test comes behind it.
    pub(crate) fn settle(&mut self, load: &Load) {
        let deadline = Instant::now() + PATIENCE;
        let text = format!("settled {}", now_ns());
        loop {
            assert!(Instant::now() < deadline, "{}: no answer to {text}", self.record.name);
            match self.settled(&text, load) {
                Ok(true) => return,
                Ok(false) => {}
                Err(_) => self.find(load),
            }
        }
    }

    fn settled(&mut self, text: &str, load: &Load) -> io::Result<bool> {
        self.client.as_mut().ok_or(io::ErrorKind::NotConnected)?.send(
            &format!("35=1|112={text}"),
            0,
            false,
        )?;
        self.heard = Instant::now();
        while self.heard.elapsed() < SILENCE {
            if self.listen(TURN, load)?.is_some_and(|message| message.get(112) == Some(text)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn turn(&mut self, load: &Load) -> io::Result<bool> {
        if self.client.is_none() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let ends = load.ends.load(Ordering::Relaxed);
        if !ends && self.waiting.len() < WINDOW {
            self.ask()?;
        }
        let until = Instant::now() + TURN;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.listen(left.max(Duration::from_micros(1)), load)?;
            if ends {
                break;
            }
        }
        if !self.waiting.is_empty() && self.heard.elapsed() > SILENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(ends && self.waiting.is_empty() && self.first_missing() > self.last())
    }

    fn last(&self) -> u32 {
        self.numbers.last().copied().unwrap_or(0)
    }

    fn first_missing(&self) -> u32 {
        (1..=self.last()).find(|number| !self.numbers.contains(number)).unwrap_or(self.last() + 1)
    }

    fn find(&mut self, load: &Load) {
        let deadline = Instant::now() + PATIENCE;
        while self.log_on(load).is_err() {
            let name = &self.record.name;
            assert!(Instant::now() < deadline, "{name}: nobody answers a log-on for {PATIENCE:?}");
            self.at = (self.at + 1) % self.addresses.len();
            std::thread::sleep(SEEK);
        }
    }

    fn log_on(&mut self, load: &Load) -> io::Result<()> {
        self.client = None;
        let name = self.record.name.clone();
        let mut client = Client::connect_within(CONNECT, &self.addresses[self.at], Wire::Line, &name)?;
        client.send(&format!("35=A|553={name}|554=secret|789={}", self.first_missing()), 0, false)?;
        let answer = client.receive(LOG_ON)?.ok_or(io::ErrorKind::TimedOut)?;
        if answer.kind() != "A" {
            return Err(io::Error::other(answer.to_string()));
        }
        let words = answer.field(58).to_owned();
        let (node, epoch) = words.split_once(" epoch ").expect("who leads in which epoch");
        let connection = Connection { node: node.to_owned(), epoch: epoch.parse().unwrap() };
        self.record.connections.push(connection);
        self.client = Some(client);
        self.take(&answer, load)?;
        for line in self.waiting.clone() {
            self.send(line, true)?;
        }
        Ok(())
    }

    fn send(&mut self, (request, line): (usize, String), again: bool) -> io::Result<()> {
        let (id, connection) = (self.id(request), self.record.connections.len() - 1);
        self.record.sent.push(Sent { id, connection, at_ns: now_ns() });
        self.client.as_mut().expect("connected").send(&line, 0, again)
    }

    fn id(&self, request: usize) -> String {
        format!("{}-{request}", self.record.name)
    }

    fn ask(&mut self) -> io::Result<()> {
        let request = self.requests;
        self.requests += 1;
        let id = self.id(request);
        let cancels = self.random.below(100) < 30 || self.open.len() > OPEN_MAX;
        let line = if cancels { self.cancel(&id) } else { self.order(&id) };
        self.waiting.insert(request, line.clone());
        self.send((request, line), false)
    }

    fn order(&mut self, id: &str) -> String {
        let (side, quantity) = (self.random.between(1, 2), self.random.between(1, 10));
        let (price, rest) = (self.random.below(10), if self.random.below(5) == 0 { 3 } else { 0 });
        format!("35=D|11={id}|55=ACME|54={side}|38={quantity}|40=2|44=10.0{price}|59={rest}")
    }

    fn cancel(&mut self, id: &str) -> String {
        let none = ("none".to_owned(), "1".to_owned(), "1".to_owned());
        let place = self.random.below(self.open.len().max(1) as u64);
        let place = usize::try_from(place).unwrap();
        let (orig, side, quantity) = self.open.values().nth(place).cloned().unwrap_or(none);
        format!("35=F|11={id}|41={orig}|55=ACME|54={side}|38={quantity}")
    }

    fn listen(&mut self, patience: Duration, load: &Load) -> io::Result<Option<Message>> {
        let message = self.client.as_mut().expect("connected").receive(patience)?;
        if let Some(message) = &message {
            self.take(message, load)?;
        }
        Ok(message)
    }

    fn take(&mut self, message: &Message, load: &Load) -> io::Result<()> {
        let at_ns = now_ns();
        self.heard = Instant::now();
        let (kind, number) = (message.kind(), message.number());
        let is_report = matches!(kind, "8" | "9");
        let is_known = ["0", "1", "4", "5", "A"].contains(&kind) || is_report;
        assert!(is_known, "{}: refused: {message}", self.record.name);
        let until = if kind == "4" { message.whole(36) } else { number + 1 };
        let is_first = !self.numbers.contains(&number);
        let answers = answered(message).filter(|_| is_report);
        self.record.heard.push(Heard {
            number,
            until,
            connection: self.record.connections.len() - 1,
            at_ns,
            is_again: message.is_again(),
            answers: answers.clone(),
            fields: if is_report { by_name(message) } else { BTreeMap::new() },
        });
        self.numbers.extend(number..until);
        if let Some((_, request)) = answers.as_deref().and_then(|id| id.rsplit_once('-')) {
            self.waiting.remove(&request.parse().expect("an id of its own"));
            load.answers.fetch_add(u64::from(is_first), Ordering::Relaxed);
        }
        if kind == "8" && is_first {
            self.follow(message);
        }
        if kind == "1" {
            let answer = format!("35=0|112={}", message.field(112));
            self.client.as_mut().expect("connected").send(&answer, 0, false)?;
        }
        Ok(())
    }

    /// What is open by a report that is new.
    fn follow(&mut self, report: &Message) {
        let text = |tag| report.field(tag).to_owned();
        if report.field(151) == "0" {
            self.open.remove(report.field(37));
        } else if report.field(150) != "8" {
            self.open.insert(text(37), (text(11), text(54), text(38)));
        }
    }
}

/// The request whose one answer this report is.
fn answered(report: &Message) -> Option<String> {
    let is_answer = match (report.kind(), report.get(150)) {
        // Without 41 it is nobody's answer: what an IOC leaves.
        ("8", Some("4")) => report.get(41).is_some(),
        ("8", Some("0" | "8")) | ("9", _) => true,
        _ => false,
    };
    is_answer.then(|| report.field(11).to_owned())
}

/// A message's fields under the journal's names, without those of the session layer.
fn by_name(message: &Message) -> BTreeMap<String, String> {
    let name = |tag: &str| match tag {
        "1" => "account".to_owned(),
        "11" => "cl_ord_id".to_owned(),
        "38" => "quantity".to_owned(),
        "41" => "orig_cl_ord_id".to_owned(),
        "44" => "price".to_owned(),
        "54" => "side".to_owned(),
        "55" => "symbol".to_owned(),
        tag => tag.to_owned(),
    };
    let value = |tag: &str, value: &str| match (tag, value) {
        ("54", "1") => "buy".to_owned(),
        ("54", "2") => "sell".to_owned(),
        (_, value) => value.to_owned(),
    };
    let lasting = message.lasting().to_string();
    let fields = lasting.split('|').filter_map(|field| field.split_once('='));
    fields.filter(|(tag, _)| *tag != "34").map(|(tag, text)| (name(tag), value(tag, text))).collect()
}

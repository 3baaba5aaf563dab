//! What one member was told, and what must hold of it: one number after the other, each with one meaning for ever; one
//! answer to each request; no report twice.

use std::collections::{BTreeMap, HashMap};

use crate::client::Message;

/// An order that is open as far as its owner was told: `ClOrdID`, side, price, quantity, what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) cl_ord_id: String,
    pub(crate) symbol: String,
    pub(crate) side: String,
    pub(crate) price: String,
    pub(crate) quantity: String,
    pub(crate) left: String,
}

/// What a number stands for.
#[derive(Debug)]
enum Told {
    /// A message of the session layer.
    Admin,
    /// Another one, without what may differ when it is sent again.
    Report(Message),
}

/// A member's record.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    name: String,
    told: BTreeMap<u32, Told>,
    /// Below this number nothing is missing.
    next: u32,
    /// Number of each request's answer.
    answers: HashMap<String, u32>,
    open: BTreeMap<u64, Open>,
    /// `ExecID`s, each once.
    exec_ids: Vec<u64>,
    /// Trades: id and own side.
    fills: Vec<(u64, String)>,
    last_report: u32,
    /// Kind and number of the last message.
    last: (String, u32),
    /// Number of the answer to the log-on that waits for it.
    log_on: Option<u32>,
    /// Number behind the last message that came once more.
    again_to: u32,
    /// What was told below this number, on an earlier trading day, is not kept.
    kept_from: u32,
    /// Reports that were told, and those that came once more since the last log-on, equal to the first time.
    reports: (usize, usize),
}

impl Ledger {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), next: 1, ..Self::default() }
    }

    /// The first number that is missing.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    /// A log-on is sent now.
    pub(crate) fn log_on(&mut self) {
        (self.log_on, self.again_to) = (None, 0);
        self.reports.1 = 0;
    }

    /// Number of the answer to the log-on, once it has come.
    pub(crate) fn log_on_answer(&self) -> Option<u32> {
        self.log_on
    }

    /// The trading day ends now.
    pub(crate) fn day_ends(&mut self) {
        self.kept_from = self.next;
    }

    /// Whether all up to this number has come once more.
    pub(crate) fn is_filled_to(&self, number: u32) -> bool {
        self.again_to > number
    }

    /// Messages that were told and are sent again when asked for.
    pub(crate) fn reports(&self) -> usize {
        self.reports.0
    }

    /// How many of them came once more since the last log-on, each equal to the first time.
    pub(crate) fn reports_again(&self) -> usize {
        self.reports.1
    }

    /// Whether the log-on is answered, and all that it asked for by naming `from` has come.
    pub(crate) fn is_back(&self, from: u32) -> bool {
        self.log_on.is_some_and(|number| self.next > number && (from == number || self.again_to >= number))
    }

    /// Kind and number of the last message.
    pub(crate) fn last(&self) -> (&str, u32) {
        (&self.last.0, self.last.1)
    }

    pub(crate) fn is_answered(&self, id: &str) -> bool {
        self.answers.contains_key(id)
    }

    pub(crate) fn answer_number(&self, id: &str) -> Option<u32> {
        self.answers.get(id).copied()
    }

    pub(crate) fn open(&self) -> &BTreeMap<u64, Open> {
        &self.open
    }

    pub(crate) fn exec_ids(&self) -> &[u64] {
        &self.exec_ids
    }

    pub(crate) fn fills(&self) -> &[(u64, String)] {
        &self.fills
    }

    /// Takes a message down. Panics if it breaks a promise.
    pub(crate) fn take(&mut self, message: &Message) {
        let number = message.number();
        self.last = (message.kind().to_owned(), number);
        let is_fill = message.kind() == "4" && message.get(123) == Some("Y");
        if message.is_again() {
            let until = if is_fill { message.whole(36) } else { number + 1 };
            assert!(number < until, "{}: empty fill: {message}", self.name);
            let known = self.told.last_key_value().map_or(0, |(last, _)| *last);
            assert!(until <= known + 1, "{}: sent again beyond {known}: {message}", self.name);
            for number in number..until {
                self.once_more(number, message, is_fill);
            }
            self.again_to = until;
        } else {
            let due = self.told.last_key_value().map_or(1, |(last, _)| last + 1);
            // What was lost on the way comes behind the log-on that asks for it.
            let jumps = message.kind() == "A" && number >= due;
            assert!(number == due || jumps, "{}: {due} is due: {message}", self.name);
            if message.kind() == "A" {
                self.log_on = Some(number);
            }
            self.first(number, message);
        }
        while self.told.contains_key(&self.next) {
            self.next += 1;
        }
    }

    fn once_more(&mut self, number: u32, message: &Message, is_fill: bool) {
        match self.told.get(&number) {
            Some(Told::Admin) => assert!(is_fill, "{}: {number} was none: {message}", self.name),
            Some(Told::Report(_)) if is_fill && number < self.kept_from => {}
            Some(Told::Report(before)) => {
                assert_eq!(before.to_string(), message.lasting().to_string(), "{}", self.name);
                self.reports.1 += 1;
            }
            None if is_fill => _ = self.told.insert(number, Told::Admin),
            None => self.first(number, message),
        }
    }

    fn first(&mut self, number: u32, message: &Message) {
        let told = match message.kind() {
            "0" | "1" | "2" | "4" | "5" | "A" => Told::Admin,
            "3" | "j" => panic!("{}: refused: {message}", self.name),
            _ => {
                self.report(number, message);
                self.reports.0 += 1;
                Told::Report(message.lasting())
            }
        };
        self.told.insert(number, told);
    }

    fn report(&mut self, number: u32, message: &Message) {
        assert!(number > self.last_report, "{}: {number} after {}", self.name, self.last_report);
        self.last_report = number;
        if is_answer(message) {
            let before = self.answers.insert(message.field(11).to_owned(), number);
            assert_eq!(before, None, "{}: answered twice: {message}", self.name);
        }
        if message.kind() != "8" {
            return;
        }
        self.exec_ids.push(message.field(17).parse().unwrap());
        if message.field(150) == "8" {
            return;
        }
        let order = message.field(37).parse().unwrap();
        if message.field(150) == "F" {
            self.fills.push((message.field(527).parse().unwrap(), message.field(54).to_owned()));
        }
        if message.field(151) == "0" {
            self.open.remove(&order);
        } else {
            self.open.insert(order, open(message));
        }
    }
}

/// Whether this is the one answer to the request whose id it carries.
fn is_answer(message: &Message) -> bool {
    match (message.kind(), message.get(150)) {
        // Without 41 it is nobody's answer: what an IOC leaves, or a mass cancel.
        ("8", Some("4" | "5")) => message.get(41).is_some(),
        ("8", Some("0" | "8")) | ("9" | "r", _) => true,
        _ => false,
    }
}

fn open(report: &Message) -> Open {
    let text = |tag| report.field(tag).to_owned();
    let side = if report.field(54) == "1" { "buy" } else { "sell" };
    Open {
        cl_ord_id: text(11),
        symbol: text(55),
        side: side.to_owned(),
        price: text(44),
        quantity: text(38),
        left: text(151),
    }
}

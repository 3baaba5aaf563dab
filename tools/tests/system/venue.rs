//! A node with members that trade, and what must hold whenever nobody asks for anything: what the members were told and
//! what the node has are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;

use serde_json::Value;

use crate::CONFIG;
use crate::client::Wire;
use crate::journal::{Uninterrupted, verify_deep};
use crate::node::{Home, Node, told, until};
use crate::random::Random;
use crate::trader::{Load, Trader};

/// What is deposited by the configuration, per asset; [`TOP_UP`] comes on top in each round.
const DEPOSITS: [(&str, u64); 3] = [("USD", 2_000_000), ("ACME", 200_000), ("GRAIN", 2_000_000)];
const TOP_UP: u64 = 7;
/// Digits behind the point that are counted: more than USD has.
const DECIMALS: usize = 12;

/// What a node says that began with a snapshot.
const FROM_SNAPSHOT: &str = "begun from a snapshot";

/// A node's home and its members.
#[derive(Debug)]
pub(crate) struct Venue {
    pub(crate) home: Home,
    pub(crate) traders: Vec<Trader>,
    pub(crate) random: Random,
    /// More flags of each start.
    pub(crate) flags: Vec<String>,
    /// Starts that began with a snapshot.
    pub(crate) from_snapshot: usize,
    /// The newest snapshot was damaged: the next start must refuse it.
    pub(crate) rotten: bool,
    /// The journal does not begin with its first command any more.
    pub(crate) is_trimmed: bool,
    /// Names of sessions and instruments that others check.
    pub(crate) of_others: &'static [&'static str],
    uninterrupted: Uninterrupted,
    /// Deposits made by hand: id and sequence.
    top_ups: Vec<(String, u64)>,
}

impl Venue {
    /// Two members by line and two by FIX, of two participants.
    pub(crate) fn new(seed: u64) -> Self {
        Self::of(CONFIG, seed)
    }

    /// The same with this configuration.
    pub(crate) fn of(config: &str, seed: u64) -> Self {
        Self::at(Home::new(config), seed)
    }

    /// The same with the node's directory in `place`.
    pub(crate) fn on(place: &Path, seed: u64) -> Self {
        Self::at(Home::make(CONFIG, Some(place)), seed)
    }

    fn at(home: Home, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let members =
            [("ALPHA1", Wire::Line), ("ALPHA2", Wire::Fix), ("BETA1", Wire::Line), ("BETA2", Wire::Fix)];
        let traders = members.map(|(name, wire)| Trader::new(name, wire, random.fork()));
        Self {
            uninterrupted: Uninterrupted::new(&home.data()),
            home,
            traders: traders.into(),
            random,
            flags: Vec::new(),
            from_snapshot: 0,
            rotten: false,
            is_trimmed: false,
            of_others: &[],
            top_ups: Vec::new(),
        }
    }

    /// Starts the node, whose state must be that of an uninterrupted replay, whatever snapshot it began with.
    pub(crate) fn start(&mut self, policy: &str) -> Node {
        let flags: Vec<&str> =
            ["--ack", policy].into_iter().chain(self.flags.iter().map(String::as_str)).collect();
        let node = self.home.start(&flags);
        let log = node.log();
        self.from_snapshot += usize::from(log.contains(FROM_SNAPSHOT));
        if std::mem::take(&mut self.rotten) {
            assert!(log.contains("snapshot refused"), "{log}");
        }
        let row = node.status(&["--state-hash"]);
        assert_eq!(row["ack"], policy);
        let hash = &row["state_hash"];
        let last = hash["seq"].as_u64().expect("a sequence");
        until("what is applied to be stored", || (synced(&node) >= last).then_some(()));
        self.compare(hash, last);
        node
    }

    fn compare(&mut self, hash: &Value, last: u64) {
        if self.is_trimmed {
            let found = verify_deep(&self.home.data(), &["--to", &last.to_string()]);
            assert_eq!(&found["deep"]["state_hash"], hash);
        } else {
            assert_eq!(hash["hash"], self.uninterrupted.hash_at(last), "state at command {last}");
        }
    }

    /// `rialto journal verify --deep` on the directory of a node that is no more, before anything starts on it, comes to
    /// the state of the uninterrupted replay, and finds every snapshot to be of the state that the replay has there.
    pub(crate) fn verify_stopped(&mut self) {
        let found = verify_deep(&self.home.data(), &[]);
        let hash = &found["deep"]["state_hash"];
        assert_eq!(hash["seq"], found["last_seq"], "{found}");
        let last = hash["seq"].as_u64().expect("a sequence");
        if !self.is_trimmed {
            assert_eq!(hash["hash"], self.uninterrupted.hash_at(last), "state at command {last}");
        }
    }

    /// All members log on, hear what they missed, and have every request answered.
    pub(crate) fn come_back(&mut self, node: &Node, all: bool) {
        let load = Load::default();
        let told: Vec<usize> = self.traders.iter().map(|trader| trader.ledger.reports()).collect();
        thread::scope(|scope| {
            for trader in &mut self.traders {
                let load = &load;
                let from = if all { 1 } else { trader.ledger.next() };
                scope.spawn(move || trader.come_back(node.fix(), from, load).expect("the node is up"));
            }
        });
        for trader in &mut self.traders {
            trader.settle(&load).expect("the node is up");
        }
        for (trader, told) in self.traders.iter().zip(told).filter(|_| all) {
            let again = trader.ledger.reports_again();
            assert!(again >= told, "{}: {told} reports were told, {again} came once more", trader.name);
        }
    }

    /// All members trade, and an operator brings some USD in, until so many messages were heard; then `end` ends the node
    /// under load. How many messages there were.
    pub(crate) fn trade_until(&mut self, node: Node, goal: u64, end: impl FnOnce(Node)) -> u64 {
        let load = Load::default();
        thread::scope(|scope| {
            for trader in &mut self.traders {
                let load = &load;
                scope.spawn(move || trader.trade(load));
            }
            let id = format!("top-up-{}", self.top_ups.len());
            let seq = top_up(&node, &id);
            self.top_ups.push((id, seq));
            until("load", || (load.received.load(Ordering::Relaxed) >= goal).then_some(()));
            end(node);
        });
        load.received.into_inner()
    }

    /// Nobody asks for anything now: what the members were told and what the node has must be the same.
    pub(crate) fn check(&self, node: &Node) {
        for (id, seq) in &self.top_ups {
            assert_eq!(top_up(node, id), *seq, "{id} counts once");
        }
        self.check_numbers(node);
        self.check_orders(node);
        self.check_trades(node);
        check_conservation(node, self.top_ups.len() as u64);
    }

    /// A list of the node without the rows whose `key` names what others check.
    fn rows(&self, node: &Node, list: &str, key: &str) -> Vec<Value> {
        let all = node.asked(&["show", list]);
        let is_ours = |row: &&Value| !self.of_others.contains(&text(row, key));
        all[list].as_array().unwrap().iter().filter(is_ours).cloned().collect()
    }

    fn check_numbers(&self, node: &Node) {
        let mut exec_ids = BTreeSet::new();
        for trader in &self.traders {
            for exec_id in trader.ledger.exec_ids() {
                assert!(exec_ids.insert(*exec_id), "ExecID {exec_id} was given twice");
            }
        }
        for session in self.rows(node, "sessions", "session") {
            let name = session["session"].as_str().unwrap();
            let trader = self.traders.iter().find(|trader| trader.name == name).expect("a member");
            assert_eq!(session["next_outbound"], trader.ledger.next(), "{session}");
            if name.ends_with('2') {
                assert_eq!(session["next_inbound"], trader.next_number(), "{session}");
            }
        }
    }

    fn check_orders(&self, node: &Node) {
        let told = self.traders.iter().flat_map(|trader| {
            trader.ledger.open().iter().map(|(order, open)| {
                let text =
                    [&trader.name, &open.cl_ord_id, &open.symbol, &open.side, &open.price, &open.quantity];
                (*order, (text.map(String::as_str).join(" "), open.left.clone()))
            })
        });
        let told: BTreeMap<u64, (String, String)> = told.collect();
        let mut there = BTreeMap::new();
        for row in self.rows(node, "orders", "session") {
            let text =
                ["session", "cl_ord_id", "symbol", "side", "price", "quantity"].map(|key| text(&row, key));
            let before =
                there.insert(row["order"].as_u64().unwrap(), (text.join(" "), text_of(&row, "open")));
            assert_eq!(before, None, "twice in the list: {row}");
        }
        for (order, what) in &told {
            assert_eq!(there.get(order), Some(what), "order {order} as its owner knows it");
        }
        assert_eq!(there.len(), told.len(), "orders that nobody was told of");
    }

    fn check_trades(&self, node: &Node) {
        let mut sides: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for (trade, side) in self.traders.iter().flat_map(|trader| trader.ledger.fills()) {
            sides.entry(*trade).or_default().push(side);
        }
        let list = self.rows(node, "trades", "symbol");
        let there: Vec<u64> = list.iter().map(|row| row["trade"].as_u64().unwrap()).collect();
        assert_eq!(there, sides.keys().copied().collect::<Vec<_>>(), "trades there and told");
        for (trade, mut sides) in sides {
            sides.sort_unstable();
            assert_eq!(sides, ["1", "2"], "both sides of trade {trade}, each once");
        }
    }
}

fn synced(node: &Node) -> u64 {
    node.status(&[])["cursors"]["synced"].as_u64().unwrap()
}

fn top_up(node: &Node, id: &str) -> u64 {
    let output = node.admin(&["deposit", "A1", "USD", &TOP_UP.to_string(), "--id", id]);
    let (code, stdout, stderr) = told(&output);
    assert_eq!(code, Some(0), "{id}: {stderr}");
    serde_json::from_str::<Value>(&stdout).unwrap()["seq"].as_u64().unwrap()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("no {key} in {row}"))
}

fn text_of(row: &Value, key: &str) -> String {
    text(row, key).to_owned()
}

/// Accounts and fees together are what was deposited: nobody withdrew anything.
fn check_conservation(node: &Node, top_ups: u64) {
    let list = node.asked(&["show", "accounts"]);
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    let rows = list["accounts"].as_array().unwrap().iter();
    let held = rows.flat_map(|account| account["assets"].as_array().unwrap());
    for row in held.chain(list["fees"].as_array().unwrap()) {
        *sums.entry(text_of(row, "asset")).or_default() += fixed(text(row, "total"));
    }
    for (asset, amount) in DEPOSITS {
        let deposited = amount + if asset == "USD" { top_ups * TOP_UP } else { 0 };
        assert_eq!(sums.get(asset), Some(&fixed(&deposited.to_string())), "{asset} is conserved");
    }
}

/// A decimal as a whole number of its last digit.
fn fixed(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{whole}{fraction:0<DECIMALS$}").parse().unwrap_or_else(|_| panic!("{decimal} is no decimal"))
}

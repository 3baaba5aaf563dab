//! The naive twin: one list of orders, balances in plain maps, what is reserved added up anew whenever it is asked for.
//! It says what the exchange must tell, in the words of the table.

use std::collections::{BTreeMap, BTreeSet};

use rialto_protocol::terms::SelfTrade;

pub(crate) const SYMBOLS: [&str; 4] = ["ACME", "FEE", "MID", "LAST"];
const GRACE_S: u64 = 10;

/// Price of a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Limit(i64),
    Market,
    /// By funds.
    Funds(i64),
}

/// A line of a table, before its names are made out.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    New {
        account: usize,
        sell: bool,
        quantity: i64,
        at: At,
        time: &'static str,
        post: bool,
        symbol: usize,
    },
    Cancel {
        member: usize,
        pick: usize,
        by_number: bool,
    },
    Replace {
        member: usize,
        pick: usize,
        quantity: i64,
        price: i64,
        time: &'static str,
    },
    /// The last line of a member again, marked or not.
    Again {
        member: usize,
        marked: bool,
    },
    MassCancel {
        member: usize,
        symbol: Option<usize>,
    },
    Status {
        member: usize,
        pick: usize,
    },
    Market {
        state: usize,
        symbol: usize,
    },
    Kill {
        scope: usize,
        on: bool,
    },
    CancelAll {
        scope: usize,
    },
    Bust {
        pick: usize,
    },
    DayEnd,
    Transfer {
        account: usize,
        asset: usize,
        amount: i64,
        withdraw: bool,
    },
    Limits {
        quantity: i64,
        value: i64,
        collar: i64,
        orders: i64,
    },
    LogOff {
        member: usize,
    },
    LogOn {
        member: usize,
    },
    Wait {
        seconds: u64,
    },
    Epoch {
        loss: bool,
    },
}

pub(crate) const ACCOUNTS: [(&str, usize); 3] = [("A1", 0), ("A2", 0), ("B1", 1)];
pub(crate) const SCOPES: [&str; 5] = ["session A", "session B", "account A2", "participant B", "account A1"];
pub(crate) const STATES: [&str; 3] = ["open", "close", "halt"];

#[derive(Clone, Debug)]
struct Order {
    id: u64,
    member: usize,
    account: &'static str,
    symbol: usize,
    sell: bool,
    at: At,
    price: i64,
    quantity: i64,
    filled: i64,
    time: &'static str,
    post: bool,
    name: String,
    made: i128,
    taken: i128,
    rank: u64,
}

#[derive(Clone, Debug)]
struct Dealt {
    id: u64,
    symbol: usize,
    price: i64,
    quantity: i64,
    /// Taker, then maker: member, account, whether it sold, order, name then, fee.
    sides: [(usize, &'static str, bool, u64, String, i128); 2],
    busted: bool,
}

fn ceil(product: i128) -> i128 {
    (product + 999_999) / 1_000_000
}

impl Order {
    fn rates(&self) -> (i128, i128) {
        if SYMBOLS[self.symbol] == "FEE" { (1_000, 2_000) } else { (0, 0) }
    }

    fn open(&self) -> i64 {
        self.quantity - self.filled
    }

    fn fee(&self) -> i128 {
        let (maker, taker) = self.rates();
        ceil(maker * self.made + taker * self.taken)
    }

    fn reserved(&self) -> i128 {
        if self.sell {
            return if matches!(self.at, At::Funds(_)) { 0 } else { i128::from(self.open()) };
        }
        if !matches!(self.at, At::Limit(_)) || self.open() == 0 {
            return 0;
        }
        let value = i128::from(self.price) * i128::from(self.open());
        let worst = self.rates().0.max(self.rates().1);
        value + ceil(worst * (self.made + self.taken + value)) - self.fee()
    }

    fn accepts(&self, price: i64) -> bool {
        match self.at {
            At::Limit(_) if self.sell => price >= self.price,
            At::Limit(_) => price <= self.price,
            At::Market | At::Funds(_) => true,
        }
    }

    fn filled_words(&self) -> String {
        if self.filled == 0 { String::new() } else { format!(" filled {}", self.filled) }
    }
}

#[derive(Debug)]
pub(crate) struct Twin {
    rule: SelfTrade,
    orders: Vec<Order>,
    totals: BTreeMap<(&'static str, &'static str), i128>,
    pub(crate) fees: i128,
    last: BTreeMap<usize, i64>,
    used: BTreeMap<(usize, String), u64>,
    trades: Vec<Dealt>,
    markets: [usize; 4],
    killed: BTreeSet<usize>,
    limits: (i64, i64, i64, i64),
    live: [bool; 2],
    grace: [Option<u64>; 2],
    next_message: [u64; 2],
    names: [Vec<String>; 2],
    lines: [Option<String>; 2],
    known: BTreeMap<(usize, String), (usize, bool)>,
    next_order: u64,
    next_trade: u64,
    next_rank: u64,
    next_name: u64,
    now: u64,
    epoch: u64,
    told: Vec<String>,
}

const WHY_SELF: &str = "would trade with the same participant";
const WHY_EMPTY: &str = "nothing left to trade with";
const WHY_CASH: &str = "available cash is used up";

impl Twin {
    pub(crate) fn new(rule: SelfTrade) -> Self {
        let mut totals = BTreeMap::new();
        for (account, _) in ACCOUNTS {
            totals.insert((account, "USD"), 1_000_000);
            for symbol in SYMBOLS {
                totals.insert((account, symbol), 1_000);
            }
        }
        Self {
            rule,
            orders: Vec::new(),
            totals,
            fees: 0,
            last: BTreeMap::new(),
            used: BTreeMap::new(),
            trades: Vec::new(),
            markets: [0; 4],
            killed: BTreeSet::new(),
            limits: (0, 0, 0, 1_000_000),
            live: [true; 2],
            grace: [None; 2],
            next_message: [2; 2],
            names: Default::default(),
            lines: Default::default(),
            known: BTreeMap::new(),
            next_order: 1,
            next_trade: 1,
            next_rank: 1,
            next_name: 0,
            now: 1_000,
            epoch: 1,
            told: Vec::new(),
        }
    }

    pub(crate) fn total(&self, account: &'static str, asset: &'static str) -> i128 {
        self.totals[&(account, asset)]
    }

    pub(crate) fn reserved(&self, account: &str, asset: &str) -> i128 {
        self.orders
            .iter()
            .filter(|order| {
                order.account == account && asset == if order.sell { SYMBOLS[order.symbol] } else { "USD" }
            })
            .map(Order::reserved)
            .sum()
    }

    fn available(&self, account: &'static str, asset: &'static str) -> i128 {
        self.total(account, asset) - self.reserved(account, asset)
    }

    /// A book in the words of the table.
    pub(crate) fn book(&self, symbol: usize) -> Vec<String> {
        let mut rows = Vec::new();
        for (sell, word) in [(false, "buy"), (true, "sell")] {
            rows.extend(self.queue(symbol, sell).into_iter().map(|at| {
                let order = &self.orders[at];
                format!("{word} {} @ {}", order.open(), order.price)
            }));
        }
        rows
    }

    /// Places of the resting orders of a side, in the order in which they trade.
    fn queue(&self, symbol: usize, sells: bool) -> Vec<usize> {
        let mut queue: Vec<usize> = (0..self.orders.len())
            .filter(|&at| self.orders[at].symbol == symbol && self.orders[at].sell == sells)
            .collect();
        queue.sort_by_key(|&at| {
            let order = &self.orders[at];
            if sells { (order.price, order.rank) } else { (-order.price, order.rank) }
        });
        queue
    }

    fn tell(&mut self, member: usize, words: String) -> u64 {
        let number = self.next_message[member];
        self.next_message[member] += 1;
        self.note(member, words);
        number
    }

    fn note(&mut self, member: usize, words: String) {
        self.told.push(if member == 1 { format!("B:{words}") } else { words });
    }

    /// The line of the table that asks for this, and what must be told.
    pub(crate) fn ask(&mut self, ask: &Ask) -> (String, Vec<String>) {
        self.told.clear();
        if let Ask::Wait { seconds } = ask {
            self.now += seconds;
        }
        let text = self.line(ask);
        if let Ask::Epoch { loss } = ask {
            self.open_epoch(*loss);
        }
        self.fire();
        self.act(ask, &text);
        (text, std::mem::take(&mut self.told))
    }

    fn line(&mut self, ask: &Ask) -> String {
        let member_of = |member: usize| if member == 1 { "B:" } else { "" };
        match *ask {
            Ask::New { account, sell, quantity, at, time, post, symbol } => {
                let (account, member) = ACCOUNTS[account];
                let name = self.fresh(member);
                let verb = if sell { "sell" } else { "buy" };
                let price = match at {
                    At::Limit(price) => format!("{quantity} @ {price}"),
                    At::Market => format!("{quantity} market"),
                    At::Funds(funds) => format!("funds {funds}"),
                };
                let post = if post { " post" } else { "" };
                let time = if time == "day" { String::new() } else { format!(" {time}") };
                let symbol_word = SYMBOLS[symbol];
                let line = format!(
                    "{}{verb} {name} {price}{time}{post} in {symbol_word} for {account}",
                    member_of(member)
                );
                self.known.insert((member, name), (symbol, sell));
                self.lines[member] = Some(line.clone());
                line
            }
            Ask::Cancel { member, pick, by_number } => {
                let orig = self.pick(member, pick);
                let name = self.fresh(member);
                let number = by_number.then(|| self.find(member, &orig)).flatten();
                let by = number.map_or(String::new(), |at| format!(" order {}", self.orders[at].id));
                let line = format!("{}cancel {name} {orig}{by}", member_of(member));
                self.lines[member] = Some(line.clone());
                line
            }
            Ask::Replace { member, pick, quantity, price, time } => {
                let orig = self.pick(member, pick);
                let name = self.fresh(member);
                if let Some(&known) = self.known.get(&(member, orig.clone())) {
                    self.known.insert((member, name.clone()), known);
                }
                let time = if time == "day" { String::new() } else { format!(" {time}") };
                let line = format!("{}replace {name} {orig} {quantity} @ {price}{time}", member_of(member));
                self.lines[member] = Some(line.clone());
                line
            }
            Ask::Again { member, marked } => {
                let line = self.lines[member]
                    .clone()
                    .unwrap_or_else(|| format!("{}cancel none none", member_of(member)));
                if marked { format!("{line} again") } else { line }
            }
            Ask::MassCancel { .. }
            | Ask::Status { .. }
            | Ask::Market { .. }
            | Ask::Kill { .. }
            | Ask::CancelAll { .. }
            | Ask::Bust { .. }
            | Ask::DayEnd
            | Ask::Transfer { .. }
            | Ask::Limits { .. }
            | Ask::LogOff { .. }
            | Ask::LogOn { .. }
            | Ask::Wait { .. }
            | Ask::Epoch { .. } => self.other_line(ask),
        }
    }

    /// The lines that may not be sent again.
    fn other_line(&mut self, ask: &Ask) -> String {
        let member_of = |member: usize| if member == 1 { "B:" } else { "" };
        match *ask {
            Ask::MassCancel { member, symbol } => {
                let name = self.fresh(member);
                let symbol = symbol.map_or("", |symbol| SYMBOLS[symbol]);
                format!("{}mass-cancel {name} {symbol}", member_of(member))
            }
            Ask::Status { member, pick } => {
                format!("{}status {}", member_of(member), self.pick(member, pick))
            }
            Ask::Market { state, symbol } => format!("{} {}", STATES[state], SYMBOLS[symbol]),
            Ask::Kill { scope, on } => format!("{} {}", if on { "kill" } else { "free" }, SCOPES[scope]),
            Ask::CancelAll { scope } => format!("cancel-all {}", SCOPES[scope]),
            Ask::Bust { pick } => format!("bust {}", self.trade_number(pick)),
            Ask::DayEnd => String::from("day-end"),
            Ask::Transfer { account, asset, amount, withdraw } => {
                let verb = if withdraw { "withdraw" } else { "deposit" };
                self.next_name += 1;
                format!("{verb} t{} {} {} {amount}", self.next_name, ACCOUNTS[account].0, asset_name(asset))
            }
            Ask::Limits { quantity, value, collar, orders } => {
                format!("limit quantity {quantity} value {value} collar {collar} orders {orders}")
            }
            Ask::LogOff { member } => format!("{}logoff", member_of(member)),
            Ask::LogOn { member } => format!("{}logon", member_of(member)),
            Ask::Wait { seconds } => format!("wait {seconds}"),
            Ask::Epoch { loss } => {
                self.epoch += 1;
                format!("epoch {}{}", self.epoch, if loss { " loss" } else { "" })
            }
            Ask::New { .. } | Ask::Cancel { .. } | Ask::Replace { .. } | Ask::Again { .. } => unreachable!(),
        }
    }

    fn fresh(&mut self, member: usize) -> String {
        self.next_name += 1;
        let name = format!("n{}", self.next_name);
        self.names[member].push(name.clone());
        name
    }

    fn pick(&self, member: usize, pick: usize) -> String {
        // Mostly one of the last names.
        let names = &self.names[member];
        let recent = names.len().min(if pick.is_multiple_of(3) { names.len() } else { 12 });
        if recent == 0 { String::from("none") } else { names[names.len() - 1 - pick % recent].clone() }
    }

    fn trade_number(&self, pick: usize) -> u64 {
        let made = self.trades.len();
        if made == 0 { 1 } else { self.trades[made - 1 - pick % made].id }
    }

    fn find(&self, member: usize, name: &str) -> Option<usize> {
        self.orders.iter().position(|order| order.member == member && order.name == name)
    }

    fn act(&mut self, ask: &Ask, text: &str) {
        match *ask {
            Ask::New { .. } => self.new_order(ask, text),
            Ask::Cancel { member, .. } | Ask::Replace { member, .. } => self.change(member, text),
            Ask::Again { member, marked } => {
                let words: Vec<&str> = text.trim_start_matches("B:").split_whitespace().collect();
                let answer = self.used.get(&(member, words[1].to_string())).copied();
                match (answer, words[0]) {
                    (Some(number), _) if marked => self.note(member, format!("repeat {number}")),
                    (Some(_), "buy" | "sell") => {
                        self.tell(member, format!("rejected {}: ClOrdID was used before", words[1]));
                    }
                    (Some(_), _) => {
                        let order = self
                            .addressed(member, &words)
                            .map_or(String::new(), |at| format!(" order {}", self.orders[at].id));
                        self.tell(member, format!("denied {}{order}: ClOrdID was used before", words[1]));
                    }
                    (None, _) => self.change(member, text),
                }
            }
            Ask::MassCancel { member, symbol } => {
                let name = text.split_whitespace().nth(1).unwrap().to_string();
                let ids = self.ids(|order| {
                    order.member == member && symbol.is_none_or(|symbol| symbol == order.symbol)
                });
                let count = ids.len();
                for id in ids {
                    self.end(id, ": cancelled by mass cancel");
                }
                let number = self.tell(member, format!("mass-cancelled {name} {count}"));
                self.used.insert((member, name), number);
            }
            Ask::Status { member, .. } => {
                let name = text.split_whitespace().last().unwrap().to_string();
                let words = match self.find(member, &name).map(|at| &self.orders[at]) {
                    Some(order) => format!("status {name} {} open {}", order.quantity, order.open()),
                    None => format!("status {name}: no such order"),
                };
                self.tell(member, words);
            }
            Ask::Market { .. }
            | Ask::Kill { .. }
            | Ask::CancelAll { .. }
            | Ask::Bust { .. }
            | Ask::DayEnd
            | Ask::Transfer { .. }
            | Ask::Limits { .. }
            | Ask::LogOff { .. }
            | Ask::LogOn { .. }
            | Ask::Wait { .. }
            | Ask::Epoch { .. } => self.operate(ask),
        }
    }

    fn operate(&mut self, ask: &Ask) {
        match *ask {
            Ask::Market { state, symbol } => {
                if self.markets[symbol] != state {
                    let word = ["Open", "Closed", "Halted"][state];
                    self.note(0, format!("{} {word}", SYMBOLS[symbol]));
                }
                self.markets[symbol] = state;
                self.note(0, String::from("done"));
            }
            Ask::Kill { scope, on } => {
                if on {
                    self.killed.insert(scope);
                    self.end_all(scope, ": stopped by a kill switch");
                } else {
                    self.killed.remove(&scope);
                }
                self.note(0, String::from("done"));
            }
            Ask::CancelAll { scope } => {
                self.end_all(scope, ": cancelled by the operator");
                self.note(0, String::from("done"));
            }
            Ask::Bust { pick } => self.bust(pick),
            Ask::DayEnd => {
                for id in self.ids(|order| order.time == "day") {
                    let at = self.orders.iter().position(|order| order.id == id).unwrap();
                    let order = self.orders.remove(at);
                    self.tell(
                        order.member,
                        format!("expired {}{}: ended with the day", order.name, order.filled_words()),
                    );
                }
                self.note(0, String::from("day ended"));
                self.note(0, String::from("done"));
            }
            Ask::Transfer { account, asset, amount, withdraw } => {
                self.transfer((account, asset), amount, withdraw);
            }
            Ask::Limits { quantity, value, collar, orders } => {
                self.limits = (quantity, value, collar, orders);
                self.note(0, String::from("done"));
            }
            Ask::LogOff { member } => {
                if self.live[member] {
                    self.leave(member);
                    self.note(member, String::from("gone"));
                }
            }
            Ask::LogOn { member } => {
                if self.live[member] {
                    self.note(member, String::from("no logon: the session is logged on already"));
                } else {
                    self.live[member] = true;
                    self.grace[member] = None;
                    let epoch = self.epoch;
                    self.tell(member, format!("LogOn n1 epoch {epoch}"));
                }
            }
            Ask::Wait { .. } | Ask::Epoch { .. } => {}
            Ask::New { .. }
            | Ask::Cancel { .. }
            | Ask::Replace { .. }
            | Ask::Again { .. }
            | Ask::MassCancel { .. }
            | Ask::Status { .. } => unreachable!("not an operator's"),
        }
    }

    fn open_epoch(&mut self, loss: bool) {
        if loss {
            self.next_order += 1_000_000_000_000;
            self.next_trade += 1_000_000_000_000;
        }
        for member in 0..2 {
            self.leave(member);
            self.next_message[member] += if loss { 1_000_000 } else { 0 };
        }
        let epoch = self.epoch;
        self.note(0, format!("epoch {epoch}"));
    }

    fn leave(&mut self, member: usize) {
        self.live[member] = false;
        let has_orders = self.orders.iter().any(|order| order.member == member);
        self.grace[member] = has_orders.then_some(self.now + GRACE_S);
    }

    fn fire(&mut self) {
        let mut due: Vec<(u64, usize)> = (0..2)
            .filter_map(|member| Some((self.grace[member]?, member)))
            .filter(|&(at, _)| at <= self.now)
            .collect();
        due.sort_unstable();
        for (_, member) in due {
            self.grace[member] = None;
            for id in self.ids(|order| order.member == member && order.time == "day") {
                self.end(id, ": cancelled on disconnect");
            }
        }
    }

    fn ids(&self, select: impl Fn(&Order) -> bool) -> Vec<u64> {
        let mut ids: Vec<u64> =
            self.orders.iter().filter(|order| select(order)).map(|order| order.id).collect();
        ids.sort_unstable();
        ids
    }

    fn end(&mut self, id: u64, why: &str) {
        let at = self.orders.iter().position(|order| order.id == id).unwrap();
        let order = self.orders.remove(at);
        self.tell(order.member, format!("cancelled {}{}{why}", order.name, order.filled_words()));
    }

    fn end_all(&mut self, scope: usize, why: &str) {
        for id in self.ids(|order| covers(scope, order.member, order.account)) {
            self.end(id, why);
        }
    }

    fn transfer(&mut self, to: (usize, usize), amount: i64, withdraw: bool) {
        let (account, asset) = (ACCOUNTS[to.0].0, asset_name(to.1));
        if amount <= 0 {
            self.note(0, format!("no: {amount} is not a positive multiple of 1 {asset}"));
            return;
        }
        let available = self.available(account, asset);
        if withdraw && available < i128::from(amount) {
            self.note(
                0,
                format!("no: account {account} has {available} {asset} available, {amount} are asked for"),
            );
            return;
        }
        *self.totals.get_mut(&(account, asset)).unwrap() +=
            i128::from(if withdraw { -amount } else { amount });
        self.note(0, String::from("done"));
    }

    fn move_assets(&mut self, account: &'static str, asset: &'static str, change: i128) {
        *self.totals.get_mut(&(account, asset)).unwrap() += change;
    }

    fn bust(&mut self, pick: usize) {
        let id = self.trade_number(pick);
        let Some(at) = self.trades.iter().position(|trade| trade.id == id) else {
            self.note(0, format!("no: trade {id} was never made or is not kept any more"));
            return;
        };
        let trade = self.trades[at].clone();
        if trade.busted {
            self.note(0, format!("no: trade {id} was busted before"));
            return;
        }
        let value = i128::from(trade.price) * i128::from(trade.quantity);
        let symbol = SYMBOLS[trade.symbol];
        let before = self.totals.clone();
        for (_, account, sold, _, _, fee) in &trade.sides {
            let (cash, lots) =
                if *sold { (fee - value, trade.quantity) } else { (fee + value, -trade.quantity) };
            self.move_assets(account, "USD", cash);
            self.move_assets(account, symbol, i128::from(lots));
        }
        let buyer = trade.sides.iter().find(|side| !side.2).unwrap();
        let seller = trade.sides.iter().find(|side| side.2).unwrap();
        let short = if self.available(buyer.1, symbol) < 0 {
            Some("the buyer no longer has the holdings")
        } else if self.available(seller.1, "USD") < 0 {
            Some("the seller no longer has the cash")
        } else {
            None
        };
        if let Some(words) = short {
            self.totals = before;
            self.note(0, format!("no: trade {id}: {words}"));
            return;
        }
        self.trades[at].busted = true;
        for (member, _, _, order, name, fee) in &trade.sides {
            self.fees -= fee;
            let name = self
                .orders
                .iter()
                .find(|open| open.id == *order)
                .map_or(name.clone(), |open| open.name.clone());
            self.tell(*member, format!("busted {name} {} @ {}", trade.quantity, trade.price));
        }
        self.note(0, format!("trade {id} busted"));
        self.note(0, String::from("done"));
    }

    fn is_killed(&self, member: usize, account: &str) -> bool {
        self.killed.iter().any(|&scope| covers(scope, member, account))
    }

    /// What limits and markets have against an order.
    fn against(&self, symbol: usize, price: Option<i64>, quantity: i64, value: i128) -> Option<&'static str> {
        let (quantity_max, value_max, collar, _) = self.limits;
        if quantity_max != 0 && quantity > quantity_max {
            return Some("quantity is over the limit");
        }
        if value_max != 0 && value > i128::from(value_max) {
            return Some("value is over the limit");
        }
        match (price, self.last.get(&symbol)) {
            (Some(price), Some(&last)) if collar != 0 => {
                let outside =
                    i128::from((price - last).abs()) * 1_000_000 > i128::from(last) * i128::from(collar);
                outside.then_some("price is outside the collar")
            }
            _ => None,
        }
    }

    fn new_order(&mut self, ask: &Ask, text: &str) {
        let Ask::New { account, sell, quantity, at, time, post, symbol } = *ask else { unreachable!() };
        let (account, member) = ACCOUNTS[account];
        let name = text.split_whitespace().nth(1).unwrap().to_string();
        let price = if let At::Limit(price) = at { price } else { 0 };
        let mut order = Order {
            id: 0,
            member,
            account,
            symbol,
            sell,
            at,
            price,
            quantity: if let At::Funds(_) = at { 1 << 39 } else { quantity },
            filled: 0,
            time,
            post,
            name: name.clone(),
            made: 0,
            taken: 0,
            rank: 0,
        };
        if let Some(words) = self.refusal(&order) {
            let number = self.tell(member, format!("rejected {name}: {words}"));
            self.used.insert((member, name), number);
            return;
        }
        order.id = self.next_order;
        self.next_order += 1;
        let number = self.tell(member, format!("new {name}"));
        self.used.insert((member, name), number);
        self.go_in(order);
    }

    fn refusal(&self, order: &Order) -> Option<&'static str> {
        if self.is_killed(order.member, order.account) {
            return Some("stopped by a kill switch");
        }
        match self.markets[order.symbol] {
            1 => return Some("the market is closed"),
            2 => return Some("the market is halted"),
            _ => {}
        }
        let unsupported = match order.at {
            At::Limit(_) => order.post && matches!(order.time, "ioc" | "fok"),
            At::Market => order.post || order.time == "gtc",
            At::Funds(_) => order.post || matches!(order.time, "gtc" | "fok"),
        };
        if unsupported {
            return Some("this combination of order type and instructions is not offered");
        }
        if matches!(order.at, At::Limit(price) if price <= 0) {
            return Some("price is not a positive multiple of the tick");
        }
        if matches!(order.at, At::Funds(funds) if funds <= 0) || order.quantity <= 0 {
            return Some("quantity is over the limit");
        }
        let (price, lots, value) = match order.at {
            At::Limit(price) => (Some(price), order.quantity, i128::from(price) * i128::from(order.quantity)),
            At::Market => {
                let last = self.last.get(&order.symbol).copied().unwrap_or(0);
                (None, order.quantity, i128::from(last) * i128::from(order.quantity))
            }
            At::Funds(funds) => (None, 0, i128::from(funds)),
        };
        if let Some(words) = self.against(order.symbol, price, lots, value) {
            return Some(words);
        }
        let open = self.orders.iter().filter(|other| other.member == order.member).count();
        if self.limits.3 != 0 && i64::try_from(open).unwrap() >= self.limits.3 {
            return Some("too many open orders");
        }
        if order.post && self.best(order).is_some() {
            return Some("post-only order would trade");
        }
        let (asset, words) = if order.sell {
            (SYMBOLS[order.symbol], "not enough holdings available")
        } else {
            ("USD", "not enough cash available")
        };
        (order.reserved() > self.available(order.account, asset)).then_some(words)
    }

    /// Place of the first order that an order would trade with.
    fn best(&self, order: &Order) -> Option<usize> {
        let best = self.queue(order.symbol, !order.sell).first().copied()?;
        order.accepts(self.orders[best].price).then_some(best)
    }

    fn price(order: &Order, maker: &Order) -> i64 {
        let At::Limit(price) = order.at else { return maker.price };
        if SYMBOLS[order.symbol] != "MID" {
            return maker.price;
        }
        let sum = price + maker.price;
        if maker.sell { (sum + 1) / 2 } else { sum / 2 }
    }

    fn cannot_fill(&self, order: &Order) -> Option<&'static str> {
        let (mut missing, mut value) = (order.open(), 0i128);
        for at in self.queue(order.symbol, !order.sell) {
            let maker = &self.orders[at];
            if !order.accepts(maker.price) || missing == 0 {
                break;
            }
            if self.rule != SelfTrade::Off && maker.member == order.member {
                if self.rule == SelfTrade::CancelOldest {
                    continue;
                }
                break;
            }
            let lots = missing.min(maker.open());
            value += i128::from(lots) * i128::from(Self::price(order, maker));
            missing -= lots;
        }
        if missing > 0 {
            return Some(WHY_EMPTY);
        }
        let cost = value + ceil(order.rates().1 * value);
        let short = !order.sell && order.at == At::Market && cost > self.available(order.account, "USD");
        short.then_some(WHY_CASH)
    }

    fn go_in(&mut self, mut order: Order) {
        let mut why = if order.time == "fok" { self.cannot_fill(&order) } else { None };
        while why.is_none() {
            if order.open() == 0 {
                return;
            }
            let Some(at) = self.best(&order) else { break };
            if self.rule != SelfTrade::Off && self.orders[at].member == order.member {
                if self.rule != SelfTrade::CancelNewest {
                    let id = self.orders[at].id;
                    self.end(id, &format!(": {WHY_SELF}"));
                }
                if self.rule != SelfTrade::CancelOldest {
                    why = Some(WHY_SELF);
                }
                continue;
            }
            match self.deal(&mut order, at) {
                Ok(true) => return,
                Ok(false) => {}
                Err(words) => why = Some(words),
            }
        }
        let rests = matches!(order.at, At::Limit(_)) && matches!(order.time, "day" | "gtc");
        if why.is_none() && rests {
            order.rank = self.next_rank;
            self.next_rank += 1;
            self.orders.push(order);
            return;
        }
        let words = why.unwrap_or(WHY_EMPTY);
        self.tell(order.member, format!("cancelled {}{}: {words}", order.name, order.filled_words()));
    }

    /// One trade; whether the incoming order is complete, or why it cannot go on.
    fn deal(&mut self, order: &mut Order, at: usize) -> Result<bool, &'static str> {
        let price = Self::price(order, &self.orders[at]);
        let mut lots = order.open().min(self.orders[at].open());
        if let At::Funds(funds) = order.at {
            lots = lots.min(i64::try_from((i128::from(funds) - order.taken) / i128::from(price)).unwrap());
            if lots == 0 {
                return Err(WHY_CASH);
            }
        }
        if !order.sell && !matches!(order.at, At::Limit(_)) {
            let cash = self.available(order.account, "USD");
            while lots > 0 {
                let value = i128::from(lots) * i128::from(price);
                let after = Order { taken: order.taken + value, ..order.clone() };
                if value + after.fee() - order.fee() <= cash {
                    break;
                }
                lots -= 1;
            }
            if lots == 0 {
                return Err(WHY_CASH);
            }
        }
        if order.sell && matches!(order.at, At::Funds(_)) {
            lots = lots.min(i64::try_from(self.available(order.account, SYMBOLS[order.symbol])).unwrap());
            if lots == 0 {
                return Err("not enough holdings available");
            }
        }
        let value = i128::from(lots) * i128::from(price);
        let (paid, maker_paid) = (order.fee(), self.orders[at].fee());
        order.taken += value;
        order.filled += lots;
        self.orders[at].made += value;
        self.orders[at].filled += lots;
        let maker = self.orders[at].clone();
        let fees = [order.fee() - paid, maker.fee() - maker_paid];
        for (side, fee) in [(&*order, fees[0]), (&maker, fees[1])] {
            let (cash, holding) = if side.sell { (value - fee, -lots) } else { (-value - fee, lots) };
            self.move_assets(side.account, "USD", cash);
            self.move_assets(side.account, SYMBOLS[side.symbol], i128::from(holding));
            self.fees += fee;
        }
        self.last.insert(order.symbol, price);
        let complete = match order.at {
            At::Funds(funds) => {
                let left = i128::from(funds) - order.taken;
                left == 0 || (left < i128::from(price) && (!order.sell || maker.open() > 0))
            }
            At::Limit(_) | At::Market => order.open() == 0,
        };
        let left = match (complete, order.at) {
            (true, _) => String::from("done"),
            (false, At::Funds(_)) => String::from("left 0"),
            (false, _) => format!("left {}", order.open()),
        };
        self.tell(order.member, format!("fill {} {lots} @ {price} {left}", order.name));
        let left = if maker.open() == 0 { String::from("done") } else { format!("left {}", maker.open()) };
        self.tell(maker.member, format!("fill {} {lots} @ {price} {left}", maker.name));
        if maker.open() == 0 {
            self.orders.remove(at);
        }
        let sides = [(&*order, fees[0]), (&maker, fees[1])]
            .map(|(side, fee)| (side.member, side.account, side.sell, side.id, side.name.clone(), fee));
        let (id, symbol, quantity) = (self.next_trade, order.symbol, lots);
        self.next_trade += 1;
        self.trades.push(Dealt { id, symbol, price, quantity, sides, busted: false });
        Ok(complete)
    }

    fn addressed(&self, member: usize, words: &[&str]) -> Option<usize> {
        match words.iter().position(|&word| word == "order") {
            Some(at) => {
                let id: u64 = words[at + 1].parse().unwrap();
                self.orders.iter().position(|order| order.id == id && order.member == member)
            }
            None => self.find(member, words[2]),
        }
    }

    fn deny(&mut self, member: usize, words: &[&str], at: Option<usize>, why: &str) {
        let order = at.map_or(String::new(), |at| format!(" order {}", self.orders[at].id));
        let number = self.tell(member, format!("denied {}{order}: {why}", words[1]));
        self.used.insert((member, words[1].to_string()), number);
    }

    fn change(&mut self, member: usize, text: &str) {
        let words: Vec<&str> = text.trim_start_matches("B:").split_whitespace().collect();
        let Some(at) = self.addressed(member, &words) else {
            self.deny(member, &words, None, "no such order");
            return;
        };
        if words[0] == "cancel" {
            let order = self.orders.remove(at);
            let number = self
                .tell(member, format!("cancelled {} was {}{}", words[1], order.name, order.filled_words()));
            self.used.insert((member, words[1].to_string()), number);
            return;
        }
        let (quantity, price): (i64, i64) = (words[3].parse().unwrap(), words[5].parse().unwrap());
        let time = match words.get(6) {
            Some(&"gtc") => "gtc",
            Some(&"ioc") => "ioc",
            _ => "day",
        };
        let before = self.orders[at].clone();
        let after = Order {
            at: At::Limit(price),
            price,
            quantity,
            time,
            name: words[1].to_string(),
            ..before.clone()
        };
        if let Some(why) = self.replace_refusal(&before, &after) {
            self.deny(member, &words, Some(at), why);
            return;
        }
        let keeps = SYMBOLS[before.symbol] != "LAST" && price == before.price && quantity < before.quantity;
        let kept = if keeps { " kept" } else { "" };
        let number = self.tell(
            member,
            format!(
                "replaced {} was {} {quantity} @ {price} left {}{kept}",
                words[1],
                before.name,
                after.open()
            ),
        );
        self.used.insert((member, words[1].to_string()), number);
        if keeps {
            self.orders[at] = after;
        } else {
            self.orders.remove(at);
            self.go_in(after);
        }
    }

    fn replace_refusal(&self, before: &Order, after: &Order) -> Option<&'static str> {
        if self.is_killed(before.member, before.account) {
            return Some("stopped by a kill switch");
        }
        match self.markets[before.symbol] {
            1 => return Some("the market is closed"),
            2 => return Some("the market is halted"),
            _ => {}
        }
        if after.time == "ioc" {
            return Some("this combination of order type and instructions is not offered");
        }
        if after.price <= 0 {
            return Some("price is not a positive multiple of the tick");
        }
        if after.quantity <= 0 {
            return Some("quantity is over the limit");
        }
        if after.quantity <= before.filled {
            return Some("too late to change the order");
        }
        let value = i128::from(after.price) * i128::from(after.quantity);
        if let Some(words) = self.against(after.symbol, Some(after.price), after.quantity, value) {
            return Some(words);
        }
        if after.post && self.best(after).is_some() {
            return Some("post-only order would trade");
        }
        let (asset, words) = if after.sell {
            (SYMBOLS[after.symbol], "not enough holdings available")
        } else {
            ("USD", "not enough cash available")
        };
        (after.reserved() - before.reserved() > self.available(before.account, asset)).then_some(words)
    }
}

fn covers(scope: usize, member: usize, account: &str) -> bool {
    match scope {
        0 => member == 0,
        1 | 3 => member == 1,
        2 => account == "A2",
        _ => account == "A1",
    }
}

fn asset_name(asset: usize) -> &'static str {
    if asset == 4 { "USD" } else { SYMBOLS[asset] }
}

//! The trader's table: one line is one command and what the exchange tells of it, `buy a 10 @ 101 -> new a`.
//!
//! Members A (accounts A1, A2) and B (account B1) have 1,000,000 USD and 1,000 of each instrument. A line is A's unless
//! it begins with `B:`; so is an event. ACME has no fees; FEE has fees of 1,000 (maker) and 2,000 (taker) millionths; MID
//! trades at the midpoint; LAST lets a replaced order always go to the back. Behind every line the state must conserve,
//! and every event must keep what holds for all events.

use std::collections::BTreeMap;
use std::str::SplitWhitespace;

use rialto_engine::stage::{Stage, plain_instrument};
use rialto_protocol::command::{
    BalanceRequest, CancelOrder, EpochOpened, LogOffCause, LogOn, MassCancelRequest, MassStatusRequest,
    NewOrder, OrderTerms, RefusedCancel, RefusedOrder, ReplaceOrder, SecurityListRequest, StatusRequest,
    order_flag,
};
use rialto_protocol::event::{self, Event, Outcome, Report, report_flag};
use rialto_protocol::reference::{InstrumentDef, Limits, Operation, Scope, ScopeKind, Transfer};
use rialto_protocol::terms::{Liquidity, MarketState, ReplaceRule, SelfTrade};
use rialto_protocol::{
    AccountId, AssetId, ClOrdId, Command, Decimal, Epoch, ExecType, GatewayId, Header, InstrumentId, Name,
    Note, OrderId, OrderKind, OrderStatus, Price, Quantity, Reason, SessionId, SessionSeq, Side, Symbol,
    TimeInForce, Timestamp, TradeId,
};

pub(crate) const SECOND: u64 = 1_000_000_000;

/// Runs a table in a new world.
#[track_caller]
pub(crate) fn check(table: &str) -> World {
    let mut world = World::new(SelfTrade::Off);
    world.check(table);
    world
}

/// Numbers that must grow, and what was told last.
#[derive(Debug, Default)]
struct Seen {
    exec: u64,
    order: u64,
    outbound: BTreeMap<SessionId, (u32, u64)>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) sessions: [SessionId; 2],
    known: BTreeMap<(SessionId, String), (InstrumentId, Side)>,
    seen: Seen,
    end: u64,
}

impl World {
    pub(crate) fn new(self_trade: SelfTrade) -> Self {
        let mut stage = Stage::new();
        stage.now = Timestamp(1_000 * SECOND);
        let (epoch, node) = (Epoch(1), Name::clipped("n1"));
        stage.own(&Command::Epoch(EpochOpened { epoch, node, loss: false }));
        stage.currency("USD", 0).unwrap();
        let plain = |symbol| plain_instrument(symbol, "USD");
        stage.instrument(plain("ACME")).unwrap();
        stage
            .instrument(InstrumentDef { maker_fee_ppm: 1_000, taker_fee_ppm: 2_000, ..plain("FEE") })
            .unwrap();
        stage.instrument(InstrumentDef { midpoint: true, ..plain("MID") }).unwrap();
        stage.instrument(InstrumentDef { replace: ReplaceRule::Requeue, ..plain("LAST") }).unwrap();
        let mut sessions = [SessionId::NONE; 2];
        for (at, (name, accounts)) in [("A", &["A1", "A2"][..]), ("B", &["B1"][..])].into_iter().enumerate() {
            stage.participant(name, self_trade).unwrap();
            for account in accounts {
                stage.account(account, name).unwrap();
                stage.deposit(account, "USD", Decimal::new(1_000_000, 0)).unwrap();
                for asset in ["ACME", "FEE", "MID", "LAST"] {
                    stage.deposit(account, asset, Decimal::new(1_000, 0)).unwrap();
                }
            }
            sessions[at] = stage.session(name, name, accounts, true).unwrap();
        }
        stage.open().unwrap();
        let end = stage.exchange.event_end();
        let mut seen = Seen::default();
        for (session, state) in stage.exchange.sessions().iter() {
            seen.outbound.insert(session, (state.next_outbound().0, state.positions().last()));
        }
        Self { stage, sessions, known: BTreeMap::new(), seen, end }
    }

    #[track_caller]
    pub(crate) fn check(&mut self, table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (asked, told) = line.split_once("->").unwrap_or_else(|| panic!("no arrow in {line:?}"));
            self.ask(asked);
            let told: Vec<&str> = told.split(';').map(str::trim).filter(|told| !told.is_empty()).collect();
            assert_eq!(self.told(), told, "{line}");
        }
    }

    /// What an account has of an asset: total and reserved.
    pub(crate) fn has(&self, account: &str, asset: &str) -> (i128, i128) {
        let directory = self.stage.exchange.directory();
        let account = AccountId(directory.accounts().find(account.as_bytes()).unwrap());
        let balance = self.stage.exchange.balance(account, directory.asset_named(asset.as_bytes()).unwrap());
        (balance.total.0, balance.reserved.0)
    }

    pub(crate) fn fees(&self) -> i128 {
        let usd = self.stage.exchange.directory().asset_named(b"USD").unwrap();
        self.stage.exchange.totals().find(|&(asset, _): &(AssetId, _)| asset == usd).unwrap().1.fees.0
    }

    pub(crate) fn book(&self, symbol: &str) -> Vec<String> {
        let instrument = self.instrument(symbol);
        let rows = self.stage.exchange.book_rows().filter(|row| row.instrument == instrument);
        rows.map(|row| format!("{} {} @ {}", side_word(row.side), row.open.0, row.price.0)).collect()
    }

    fn instrument(&self, symbol: &str) -> InstrumentId {
        let found = self.stage.exchange.directory().instruments().find(symbol.as_bytes());
        found.map_or(InstrumentId(99), InstrumentId)
    }

    fn account(&self, name: &str) -> AccountId {
        AccountId(self.stage.exchange.directory().accounts().find(name.as_bytes()).unwrap_or(99))
    }

    fn symbol(&self, instrument: InstrumentId) -> String {
        let known = self.stage.exchange.directory().instrument(instrument);
        known.map_or(String::from("all"), |known| known.symbol.to_string())
    }

    /// Sends one line's command.
    pub(crate) fn ask(&mut self, line: &str) {
        let line = line.trim();
        let (session, line) = match line.strip_prefix("B:") {
            Some(rest) => (self.sessions[1], rest),
            None => (self.sessions[0], line),
        };
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap();
        if let Some(operation) = operation(verb, words.clone()) {
            self.own(&Command::Operate(reference_author(), operation));
            return;
        }
        if verb == "wait" {
            self.stage.now.0 += number(words.next()).unsigned_abs() * SECOND;
        }
        match verb {
            "wait" | "tick" => self.own(&Command::Tick),
            "continue" => self.own(&Command::Continue),
            "epoch" => {
                let epoch = Epoch(u32::try_from(number(words.next())).unwrap());
                let node = Name::clipped("n1");
                self.own(&Command::Epoch(EpochOpened { epoch, node, loss: words.next() == Some("loss") }));
            }
            "logon" => {
                let number = words.next().map_or(0, |word| word.parse().unwrap());
                let reset = u8::from(words.next() == Some("reset"));
                let log_on = LogOn {
                    gateway: GatewayId(1),
                    connection: 7,
                    next_expected: 0,
                    heartbeat_s: 0,
                    reset,
                    line: 0,
                };
                self.stage.apply(session, SessionSeq(number), &Command::LogOn(log_on));
            }
            "logoff" => {
                let off = Command::LogOff(GatewayId(1), LogOffCause::Disconnected);
                self.stage.apply(session, SessionSeq::NONE, &off);
            }
            "challenge" => self.stage.apply(session, SessionSeq::NONE, &Command::Challenge),
            "lost" => self.own(&Command::GatewayLost(GatewayId(1))),
            "refuse" => {
                let number = self.stage.exchange.sessions().get(session).unwrap().next_inbound();
                self.stage.apply(session, number, &Command::Refuse);
            }
            _ => {
                let command = self.message(session, verb, words);
                self.stage.send(session, &command);
            }
        }
    }

    fn own(&mut self, command: &Command) {
        self.stage.own(command);
    }

    fn message(&mut self, session: SessionId, verb: &str, mut words: SplitWhitespace<'_>) -> Command {
        match verb {
            "buy" | "sell" => Command::NewOrder(self.new_order(session, verb, words)),
            "cancel" => {
                let (cl_ord_id, orig) = (name(words.next()), words.next().unwrap());
                let options = self.options(session, orig, words);
                Command::Cancel(CancelOrder {
                    order: options.order,
                    instrument: options.instrument,
                    side: options.side,
                    flags: options.flags,
                    cl_ord_id,
                    orig_cl_ord_id: name(Some(orig)),
                })
            }
            "replace" => {
                let (cl_ord_id, orig) = (name(words.next()), words.next().unwrap());
                let quantity = Quantity(number(words.next()));
                assert_eq!(words.next(), Some("@"));
                let price = Price(number(words.next()));
                let options = self.options(session, orig, words);
                self.known.insert((session, cl_ord_id.to_string()), (options.instrument, options.side));
                Command::Replace(ReplaceOrder {
                    order: options.order,
                    price,
                    quantity,
                    instrument: options.instrument,
                    side: options.side,
                    kind: OrderKind::Limit,
                    time_in_force: options.time_in_force,
                    flags: options.flags,
                    cl_ord_id,
                    orig_cl_ord_id: name(Some(orig)),
                })
            }
            _ => self.request(session, verb, words),
        }
    }

    fn request(&self, session: SessionId, verb: &str, mut words: SplitWhitespace<'_>) -> Command {
        match verb {
            "status" => {
                let of = words.next().unwrap();
                let options = self.options(session, of, words);
                Command::Status(StatusRequest {
                    order: options.order,
                    instrument: options.instrument,
                    side: options.side,
                    cl_ord_id: name(Some(of)),
                    request: Note::EMPTY,
                })
            }
            "mass-status" => Command::MassStatus(MassStatusRequest {
                instrument: words.next().map_or(InstrumentId::NONE, |symbol| self.instrument(symbol)),
                request: Note::clipped("ask"),
            }),
            "mass-cancel" => Command::MassCancel(MassCancelRequest {
                cl_ord_id: name(words.next()),
                flags: if words.clone().next() == Some("seen") { order_flag::POSSIBLE_RESEND } else { 0 },
                instrument: words
                    .find(|word| *word != "seen")
                    .map_or(InstrumentId::NONE, |symbol| self.instrument(symbol)),
            }),
            "balance" => Command::Balances(BalanceRequest {
                account: words.next().map_or(AccountId::NONE, |name| self.account(name)),
                request: Note::clipped("ask"),
            }),
            "misspelt" => Command::RefusedOrder(RefusedOrder {
                exec_type: ExecType::Rejected,
                reason: Reason::UnknownInstrument,
                side: Some(Side::Buy),
                ord_type: b'2',
                time_in_force: 0,
                cl_ord_id: name(words.next()),
                flags: self.options(session, "", words).flags,
                quantity: None,
                price: None,
                symbol: Name::clipped("ACMX"),
                account: Name::EMPTY,
                words: Note::clipped("no instrument ACMX"),
            }),
            "miscancel" => Command::RefusedCancel(RefusedCancel {
                reason: Reason::UnknownInstrument,
                replace: false,
                cl_ord_id: name(words.next()),
                orig_cl_ord_id: name(words.next()),
                flags: self.options(session, "", words).flags,
                words: Note::clipped("no instrument ACMX"),
            }),
            "securities" => Command::SecurityList(SecurityListRequest {
                instrument: InstrumentId::NONE,
                request: Note::clipped("ask"),
            }),
            _ => panic!("no verb {verb:?}"),
        }
    }

    fn new_order(&mut self, session: SessionId, verb: &str, mut words: SplitWhitespace<'_>) -> NewOrder {
        let side = if verb == "buy" { Side::Buy } else { Side::Sell };
        let cl_ord_id = name(words.next());
        let mut terms = OrderTerms::limit(side, Quantity(0), InstrumentId::NONE, Price(0));
        match words.next().unwrap() {
            "funds" => {
                terms.quantity = Quantity(number(words.next()));
                terms.kind = OrderKind::Market;
                terms.flags |= order_flag::BY_FUNDS;
            }
            quantity => {
                terms.quantity = Quantity(number(Some(quantity)));
                match words.next().unwrap() {
                    "market" => terms.kind = OrderKind::Market,
                    "@" => terms.price = Price(number(words.next())),
                    other => panic!("{other:?} is no price"),
                }
            }
        }
        let options = self.options(session, "", words);
        terms.flags |= options.flags;
        terms.time_in_force = options.time_in_force;
        terms.instrument = options.instrument;
        terms.account = options.account;
        self.known.insert((session, cl_ord_id.to_string()), (terms.instrument, side));
        NewOrder { terms, cl_ord_id }
    }

    fn options(&self, session: SessionId, of: &str, mut words: SplitWhitespace<'_>) -> Options {
        let known = self.known.get(&(session, of.to_string()));
        let (instrument, side) = known.copied().unwrap_or((self.instrument("ACME"), Side::Buy));
        let mut options = Options {
            instrument,
            side,
            order: OrderId::NONE,
            account: AccountId::NONE,
            flags: 0,
            time_in_force: TimeInForce::Day,
        };
        while let Some(word) = words.next() {
            match word {
                "ioc" => options.time_in_force = TimeInForce::ImmediateOrCancel,
                "fok" => options.time_in_force = TimeInForce::FillOrKill,
                "gtc" => options.time_in_force = TimeInForce::GoodTillCancel,
                "post" => options.flags |= order_flag::POST_ONLY,
                "again" => options.flags |= order_flag::POSSIBLE_REPEAT,
                "seen" => options.flags |= order_flag::POSSIBLE_RESEND,
                "in" => options.instrument = self.instrument(words.next().unwrap()),
                "as" => options.side = if words.next() == Some("buy") { Side::Buy } else { Side::Sell },
                "order" => options.order = OrderId(number(words.next()).unsigned_abs()),
                "for" => {
                    options.account = self.account(words.next().unwrap());
                }
                other => panic!("no option {other:?}"),
            }
        }
        options
    }

    /// The events of the last command in words; each is checked for what holds for all of them.
    #[track_caller]
    pub(crate) fn told(&mut self) -> Vec<String> {
        let events = self.stage.events.as_bytes().to_vec();
        let mut at = &events[..];
        let mut index = 0;
        let mut told = Vec::new();
        while !at.is_empty() {
            let header = Header::read(at).unwrap();
            let (record, rest) = at.split_at(usize::from(header.length));
            at = rest;
            let (header, event) = Event::decode(record).unwrap();
            assert_eq!((header.crc, header.sequence), (index, self.stage.sequence));
            index += 1;
            self.keep(&header, record, &event);
            let words = self.words(&event);
            let member = if header.session == self.sessions[1] { "B:" } else { "" };
            told.push(format!("{member}{words}"));
        }
        assert!(index <= 4_096, "{index} events of one command");
        assert_eq!(self.end, self.stage.exchange.event_end(), "end of the event log");
        self.stage.exchange.conserve().unwrap();
        told
    }

    /// Passes over the events of many commands whose tables were not read.
    pub(crate) fn told_unchecked(&mut self) {
        self.end = self.stage.exchange.event_end();
        for (session, state) in self.stage.exchange.sessions().iter() {
            self.seen.outbound.insert(session, (state.next_outbound().0, state.positions().last()));
        }
    }

    /// What holds for every event: places, numbers, sums.
    #[track_caller]
    fn keep(&mut self, header: &Header, record: &[u8], event: &Event<'_>) {
        // A page has 4,096 bytes, 64 of them its header, and no record crosses from one to the next.
        let length = u64::from(header.length);
        let start = self.end.max(self.end / 4_096 * 4_096 + 64);
        let fits = start % 4_096 + length <= 4_096;
        let here = if fits { start } else { (start / 4_096 + 1) * 4_096 + 64 };
        self.end = here + u64::from(header.length);
        if header.kind < event::kind::UNNUMBERED {
            let (next, last) = self.seen.outbound.get(&header.session).copied().unwrap();
            let state = self.stage.exchange.sessions().get(header.session).unwrap();
            if header.session_seq != SessionSeq(next) {
                // By a million for each loss since its last message.
                let jumped =
                    header.session_seq.0 > next && (header.session_seq.0 - next).is_multiple_of(1_000_000);
                let reset = header.session_seq.0 == 1 && state.incarnation() > 1;
                assert!(jumped || reset, "{header:?} after {next}");
            }
            let previous = event::previous(record).unwrap();
            assert!(previous == last || previous == 0, "{header:?} follows {previous}, not {last}");
            self.seen.outbound.insert(header.session, (header.session_seq.0 + 1, here));
        }
        if let Event::Report(report) = event {
            self.keep_report(report);
        }
    }

    #[track_caller]
    fn keep_report(&mut self, report: &Report<'_>) {
        let body = &report.body;
        assert!(body.exec.0 > self.seen.exec, "ExecID {:?} after {}", body.exec, self.seen.exec);
        self.seen.exec = body.exec.0;
        if body.exec_type == ExecType::New {
            assert!(body.order.0 > self.seen.order);
            self.seen.order = body.order.0;
        }
        let by_funds = body.flags & report_flag::BY_FUNDS != 0;
        let ended = match body.status {
            OrderStatus::Filled | OrderStatus::Canceled | OrderStatus::Rejected | OrderStatus::Expired => {
                true
            }
            OrderStatus::New | OrderStatus::PartiallyFilled => false,
        };
        let busted = body.exec_type == ExecType::TradeCancel;
        if ended {
            assert_eq!(body.leaves, Quantity(0), "{body:?}");
        } else if !by_funds && !busted {
            assert_eq!(body.cumulative.0 + body.leaves.0, body.quantity.0, "{body:?}");
        }
        let traded = matches!(body.exec_type, ExecType::Trade | ExecType::TradeCancel);
        assert_eq!(report.fill.is_some(), traded);
        assert_eq!(body.liquidity != Liquidity::None, traded);
        assert_eq!(report.funds.is_some(), by_funds && !busted);
        assert_eq!(body.order.is_some(), body.status != OrderStatus::Rejected);
    }

    fn words(&self, event: &Event<'_>) -> String {
        match event {
            Event::Report(report) => report_words(report),
            Event::RefusedOrder { order, .. } => format!("refused {}: {}", order.cl_ord_id, order.words),
            Event::CancelReject(reject) => {
                let order =
                    if reject.order.is_some() { format!(" order {}", reject.order) } else { String::new() };
                format!("denied {}{order}: {}", text(reject.cl_ord_id), reject.reason.words())
            }
            Event::MassCancelReport(report) => {
                format!("mass-cancelled {} {}", text(report.cl_ord_id), report.affected)
            }
            Event::Notice(notice) => {
                let told = &notice.notice;
                let about = if told.ref_seq == 0 { String::new() } else { format!(" {}", told.ref_seq) };
                format!("{:?}{about} {}", told.kind, told.text).trim_end().to_string()
            }
            Event::SecurityList(part) => {
                format!("{} of {} securities", part.instruments.len() / 4, part.total)
            }
            Event::LogOnRefused { text, .. } => format!("no logon: {text}"),
            Event::Repeat(number) => format!("repeat {number}"),
            Event::Gone => String::from("gone"),
            Event::Challenged => String::from("challenged"),
            Event::Balance(row) if row.rows == 0 => {
                format!("no balance: {}", row.reason.words()).trim_end().to_string()
            }
            Event::Balance(row) => {
                let account = self.stage.exchange.directory().account(row.account).unwrap().name;
                format!("{account} {} {} of {}", row.asset, row.total.0, row.reserved.0)
            }
            Event::Epoch(opened) => format!("epoch {}", opened.epoch),
            Event::Reference { operation, .. } => format!("defined {}", operation.kind()),
            Event::Market(instrument, state) => format!("{} {state:?}", self.symbol(*instrument)),
            Event::Answer { outcome: Outcome::Done, .. } => String::from("done"),
            Event::Answer { outcome: Outcome::Repeated, sequence, .. } => format!("done by {sequence}"),
            Event::Answer { outcome: Outcome::Refused, text, .. } => format!("no: {text}"),
            Event::Busted(trade, _) => format!("trade {trade} busted"),
            Event::DayEnded => String::from("day ended"),
            Event::Policy(policy) => format!("policy {policy:?}"),
        }
    }
}

fn operation(verb: &str, mut words: SplitWhitespace<'_>) -> Option<Operation> {
    let market = |words: &mut SplitWhitespace<'_>| Symbol::clipped(words.next().unwrap_or(""));
    Some(match verb {
        "deposit" | "withdraw" => Operation::Transfer(Transfer {
            id: name(words.next()),
            account: Name::clipped(words.next()?),
            asset: Symbol::clipped(words.next()?),
            amount: words.next()?.parse().unwrap(),
            withdraw: verb == "withdraw",
        }),
        "open" => Operation::Market(MarketState::Open, market(&mut words)),
        "close" => Operation::Market(MarketState::Closed, market(&mut words)),
        "halt" => Operation::Market(MarketState::Halted, market(&mut words)),
        "bust" => Operation::Bust(TradeId(number(words.next()).unsigned_abs())),
        "day-end" => Operation::DayEnd,
        "cancel-only" => Operation::CancelOnly(words.next()? == "on"),
        "cancel-all" => Operation::CancelAll(scope(words)),
        "kill" => Operation::Kill(scope(words), true),
        "free" => Operation::Kill(scope(words), false),
        "reset" => Operation::SessionReset(Name::clipped(words.next()?)),
        "limit" => {
            let mut limits = Limits {
                account: Name::EMPTY,
                instrument: Symbol::EMPTY,
                quantity_max: 0,
                value_max: 0,
                collar_ppm: 0,
                orders_open_max: 0,
            };
            while let Some(word) = words.next() {
                let value = number(words.next());
                match word {
                    "quantity" => limits.quantity_max = value,
                    "value" => limits.value_max = value,
                    "collar" => limits.collar_ppm = u32::try_from(value).unwrap(),
                    "orders" => limits.orders_open_max = u32::try_from(value).unwrap(),
                    other => panic!("no limit {other:?}"),
                }
            }
            Operation::Limits(limits)
        }
        _ => return None,
    })
}

#[derive(Debug)]
struct Options {
    instrument: InstrumentId,
    side: Side,
    order: OrderId,
    account: AccountId,
    flags: u8,
    time_in_force: TimeInForce,
}

fn reference_author() -> rialto_protocol::reference::Author {
    rialto_protocol::reference::Author::default()
}

fn report_words(report: &Report<'_>) -> String {
    let body = &report.body;
    let (name, orig) = (text(report.cl_ord_id), text(report.orig_cl_ord_id));
    let why =
        if body.reason.words().is_empty() { String::new() } else { format!(": {}", body.reason.words()) };
    let filled = if body.cumulative.0 > 0 { format!(" filled {}", body.cumulative.0) } else { String::new() };
    match body.exec_type {
        ExecType::New => format!("new {name}"),
        ExecType::Rejected => format!("rejected {name}{why}"),
        ExecType::Trade => {
            let fill = report.fill.unwrap();
            let left = match body.status {
                OrderStatus::PartiallyFilled => format!("left {}", body.leaves.0),
                OrderStatus::Filled
                | OrderStatus::New
                | OrderStatus::Canceled
                | OrderStatus::Rejected
                | OrderStatus::Expired => String::from("done"),
            };
            format!("fill {name} {} @ {} {left}", fill.last_quantity.0, fill.last_price.0)
        }
        ExecType::Replaced => {
            let kept = if body.flags & report_flag::KEPT_PLACE == 0 { "" } else { " kept" };
            format!(
                "replaced {name} was {orig} {} @ {} left {}{kept}",
                body.quantity.0, body.price.0, body.leaves.0
            )
        }
        ExecType::Canceled if orig.is_empty() => format!("cancelled {name}{filled}{why}"),
        ExecType::Canceled => format!("cancelled {name} was {orig}{filled}{why}"),
        ExecType::Expired => format!("expired {name}{filled}{why}"),
        ExecType::TradeCancel => {
            let fill = report.fill.unwrap();
            format!("busted {name} {} @ {}", fill.last_quantity.0, fill.last_price.0)
        }
        ExecType::OrderStatus if body.status == OrderStatus::Rejected => {
            format!("status {name}{why}").replace("status :", "status:")
        }
        ExecType::OrderStatus => {
            let of =
                if body.total_reports == 0 { String::new() } else { format!(" of {}", body.total_reports) };
            let last = if body.flags & report_flag::LAST_REPORT == 0 { "" } else { " last" };
            format!("status {name} {} open {}{of}{last}", body.quantity.0, body.leaves.0)
        }
    }
}

fn side_word(side: Side) -> &'static str {
    if side == Side::Buy { "buy" } else { "sell" }
}

fn scope(mut words: SplitWhitespace<'_>) -> Scope {
    let kind = match words.next() {
        None => ScopeKind::All,
        Some("session") => ScopeKind::Session,
        Some("account") => ScopeKind::Account,
        Some("participant") => ScopeKind::Participant,
        Some("instrument") => ScopeKind::Instrument,
        Some(other) => panic!("no scope {other:?}"),
    };
    Scope { kind, name: Name::clipped(words.next().unwrap_or("")) }
}

fn name(word: Option<&str>) -> ClOrdId {
    word.unwrap().parse().unwrap()
}

fn number(word: Option<&str>) -> i64 {
    word.unwrap().replace('_', "").parse().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

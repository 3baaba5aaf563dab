//! What the directory promises, in operators' lines: `check(line, what comes of it)`. A definition that is taken answers
//! with its number, `of` what it belongs to, and whether it is `new` (or a change) or the `same`.

use proptest::prelude::*;
use rialto_protocol::Name;
use rialto_protocol::reference::{
    AccountDef, CurrencyDef, Grant, InstrumentDef, Limits, Operation, ParticipantDef, Scope, ScopeKind,
    SessionDef,
};
use rialto_protocol::terms::{MarketState, ParticipantKind, ReplaceRule, SelfTrade, SessionKind};

use super::*;

/// A directory and the lines that go into it.
struct Desk(Directory);

impl Desk {
    /// An exchange with two currencies, two instruments, two participants, three accounts and two sessions.
    fn new() -> Self {
        let mut desk = Self(Directory::default());
        for line in [
            "currency USD 2",
            "currency EUR 2",
            "instrument ACME USD 0.01 1",
            "instrument BOLT USD 0.05 10",
            "participant ALPHA broker off",
            "participant BETA institution cancel-newest",
            "account A1 ALPHA",
            "account A2 ALPHA",
            "account B1 BETA",
            "session ALPHA1 ALPHA trading secret",
            "session FEED ALPHA market-data secret",
            "session BETA1 BETA trading secret",
            "grant ALPHA1 A2",
            "grant ALPHA1 A1",
            "grant BETA1 B1",
        ] {
            let answer = desk.answer(line);
            assert!(answer.ends_with("new"), "{line}: {answer}");
        }
        desk
    }

    fn answer(&mut self, line: &str) -> String {
        match self.0.define(&operation(line)) {
            Ok(Defined { id, owner, changed }) => {
                let owner = if owner == 0 { String::new() } else { format!(" of {owner}") };
                format!("{id}{owner} {}", if changed { "new" } else { "same" })
            }
            Err(refusal) => refusal.to_string(),
        }
    }

    #[track_caller]
    fn check(&mut self, line: &str, answer: &str) {
        assert_eq!(self.answer(line), answer, "{line}");
    }

    fn limit(&mut self, account: &str, instrument: &str, quantity_max: i64) {
        self.0.set_limits(&limits(account, instrument, quantity_max)).unwrap();
    }

    fn session(&self, name: &str) -> SessionId {
        SessionId(self.0.sessions().find(name.as_bytes()).unwrap())
    }

    fn account(&self, name: &str) -> AccountId {
        AccountId(self.0.accounts().find(name.as_bytes()).unwrap())
    }

    fn instrument(&self, name: &str) -> &Instrument {
        self.0.instruments().find(name.as_bytes()).and_then(|id| self.0.instruments().get(id)).unwrap()
    }
}

/// A definition as a line of words.
fn operation(line: &str) -> Operation {
    let words: Vec<_> = line.split(' ').collect();
    let at = |index: usize| words.get(index).copied().unwrap_or_default();
    let name = |index: usize| at(index).replace('_', " ").parse().unwrap();
    match at(0) {
        "currency" => Operation::Currency(CurrencyDef {
            code: at(1).parse().unwrap(),
            decimals: at(2).parse().unwrap(),
        }),
        "instrument" => Operation::Instrument(InstrumentDef {
            symbol: at(1).parse().unwrap(),
            currency: at(2).parse().unwrap(),
            tick: at(3).parse().unwrap(),
            lot: at(4).parse().unwrap(),
            maker_fee_ppm: at(5).parse().unwrap_or(0),
            taker_fee_ppm: at(6).parse().unwrap_or(0),
            replace: if at(7) == "requeue" { ReplaceRule::Requeue } else { ReplaceRule::KeepOnDecrease },
            midpoint: at(8) == "midpoint",
        }),
        "participant" => Operation::Participant(ParticipantDef {
            name: name(1),
            kind: if at(2) == "broker" { ParticipantKind::Broker } else { ParticipantKind::Institution },
            self_trade: if at(3) == "off" { SelfTrade::Off } else { SelfTrade::CancelNewest },
        }),
        "account" => Operation::Account(AccountDef { name: name(1), participant: name(2) }),
        "session" => Operation::Session(SessionDef {
            comp_id: name(1),
            participant: name(2),
            kind: if at(3) == "trading" { SessionKind::Trading } else { SessionKind::MarketData },
            cancel_on_disconnect: at(5) == "cancel",
            secret: [at(4).len().try_into().unwrap(); 32],
        }),
        "grant" => Operation::Grant(Grant { session: name(1), account: name(2) }),
        other => panic!("no definition starts with {other}"),
    }
}

fn limits(account: &str, instrument: &str, quantity_max: i64) -> Limits {
    Limits {
        account: account.parse().unwrap(),
        instrument: instrument.parse().unwrap(),
        quantity_max,
        value_max: 0,
        collar_ppm: 0,
        orders_open_max: 0,
    }
}

fn scope(kind: ScopeKind, name: &str) -> Scope {
    Scope { kind, name: name.parse().unwrap() }
}

#[test]
fn numbers_are_given_out_from_1_in_the_order_of_definition() {
    let mut desk = Desk::new();
    desk.check("currency GBP 2", "3 new");
    desk.check("instrument CORE EUR 0.01 1", "3 of 2 new");
    desk.check("participant GAMMA broker off", "3 new");
    desk.check("account B2 BETA", "4 of 2 new");
    desk.check("session BETA2 BETA trading secret", "4 of 2 new");
    desk.check("grant BETA2 B2", "4 of 4 new");
}

#[test]
fn assets_are_numbered_in_the_order_of_definition_whatever_they_are() {
    let mut desk = Desk::new();
    desk.check("currency GBP 3", "3 new");
    let names: Vec<_> = (1..=5).map(|id| desk.0.asset_name(AssetId(id)).unwrap().to_string()).collect();
    assert_eq!(names, ["USD", "EUR", "ACME", "BOLT", "GBP"]);
    for (number, name) in (1..).zip(&names) {
        assert_eq!(desk.0.asset_named(name.as_bytes()), Some(AssetId(number)));
    }
    let units: Vec<_> = (1..=5).map(|id| desk.0.asset_unit(AssetId(id)).unwrap().to_string()).collect();
    assert_eq!(units, ["0.01", "0.01", "1", "10", "0.001"]);
    assert_eq!(desk.0.asset(AssetId(6)), None);
    assert_eq!(desk.0.asset(AssetId::NONE), None);
    assert_eq!(desk.0.asset_named(b"GOLD"), None);
    assert_eq!((desk.instrument("BOLT").asset, desk.instrument("BOLT").cash), (AssetId(4), AssetId(1)));
}

#[test]
fn the_same_definition_again_changes_nothing() {
    let mut desk = Desk::new();
    desk.check("currency USD 2", "1 same");
    desk.check("instrument ACME USD 0.01 1", "1 of 1 same");
    desk.check("instrument ACME USD 0.010 1.0", "1 of 1 same");
    desk.check("participant ALPHA broker off", "1 same");
    desk.check("account A1 ALPHA", "1 of 1 same");
    desk.check("session ALPHA1 ALPHA trading secret", "1 of 1 same");
    desk.check("grant ALPHA1 A1", "1 of 1 same");
}

#[test]
fn what_balances_and_books_count_in_never_changes() {
    let mut desk = Desk::new();
    desk.check("currency USD 3", "currency USD: 2 decimals cannot change once it is defined");
    desk.check("instrument ACME USD 0.02 1", "instrument ACME: tick 0.01 cannot change once it is defined");
    desk.check("instrument ACME USD 0.01 2", "instrument ACME: lot 1 cannot change once it is defined");
    desk.check(
        "instrument ACME EUR 0.01 1",
        "instrument ACME: its currency cannot change once it is defined",
    );
    desk.check("participant ALPHA bank off", "participant ALPHA: its kind cannot change once it is defined");
    desk.check("account A1 BETA", "account A1: its participant cannot change once it is defined");
    desk.check(
        "session ALPHA1 BETA trading s",
        "session ALPHA1: its participant cannot change once it is defined",
    );
    desk.check("session ALPHA1 ALPHA feed s", "session ALPHA1: its kind cannot change once it is defined");
}

#[test]
fn rules_and_secrets_may_change() {
    let mut desk = Desk::new();
    desk.check("instrument ACME USD 0.01 1 5 50", "1 of 1 new");
    desk.check("instrument ACME USD 0.01 1 5 50 requeue", "1 of 1 new");
    desk.check("instrument ACME USD 0.01 1 5 50 requeue midpoint", "1 of 1 new");
    desk.check("instrument ACME USD 0.01 1 5 50 requeue midpoint", "1 of 1 same");
    let acme = desk.instrument("ACME");
    assert_eq!((acme.maker_fee_ppm, acme.taker_fee_ppm, acme.midpoint), (5, 50, true));
    assert_eq!(acme.replace, ReplaceRule::Requeue);
    desk.check("participant ALPHA broker cancel-newest", "1 new");
    desk.check("session ALPHA1 ALPHA trading longer-secret", "1 of 1 new");
    desk.check("session ALPHA1 ALPHA trading longer-secret cancel", "1 of 1 new");
    desk.check("session ALPHA1 ALPHA trading longer-secret cancel", "1 of 1 same");
    assert!(desk.0.session(SessionId(1)).unwrap().cancel_on_disconnect);
}

#[test]
fn a_refused_definition_says_what_is_wrong_and_changes_nothing() {
    let mut desk = Desk::new();
    let before = bincode::serialize(&desk.0).unwrap();
    for (line, words) in [
        ("currency  2", "a currency needs a name"),
        ("account A|1 ALPHA", "account \"A|1\": a name has no space, '|' or '='"),
        ("session S=1 ALPHA trading s", "session \"S=1\": a name has no space, '|' or '='"),
        ("participant AL_PHA broker off", "participant \"AL PHA\": a name has no space, '|' or '='"),
        ("currency GBP 19", "currency GBP: 19 decimals, at most 18 are allowed"),
        ("currency ACME 2", "ACME is the symbol of an instrument"),
        ("instrument USD EUR 0.01 1", "USD is the code of a currency"),
        ("instrument CORE GBP 0.01 1", "no currency GBP"),
        ("instrument CORE USD 0 1", "instrument CORE: tick 0 is not a positive step of at most 18 decimals"),
        ("instrument CORE USD 1 -1", "instrument CORE: lot -1 is not a positive step of at most 18 decimals"),
        (
            "instrument CORE USD 0.001 1",
            "instrument CORE: tick 0.001 x lot 1 is not a whole number of 0.01 USD that fits 63 bits",
        ),
        (
            "instrument CORE USD 10000000000 10000000000",
            "instrument CORE: tick 10000000000 x lot 10000000000 is not a whole number of 0.01 USD that fits 63 bits",
        ),
        (
            "instrument CORE USD 0.01 1 1000001 0",
            "instrument CORE: a maker fee of 1000001 ppm is more than the whole trade",
        ),
        (
            "instrument ACME USD 0.01 1 0 1000001",
            "instrument ACME: a taker fee of 1000001 ppm is more than the whole trade",
        ),
        ("account C1 GAMMA", "no participant GAMMA"),
        ("session GAMMA1 GAMMA trading s", "no participant GAMMA"),
        ("grant GAMMA1 A1", "no session GAMMA1"),
        ("grant ALPHA1 C1", "no account C1"),
    ] {
        desk.check(line, words);
    }
    let refusal = desk.0.define(&Operation::DayEnd).unwrap_err();
    assert_eq!(refusal.note().as_str(), "not a definition");
    assert_eq!(bincode::serialize(&desk.0).unwrap(), before);
}

#[test]
fn a_register_that_is_full_refuses_in_words_and_still_changes_what_it_has() {
    let mut desk = Desk::new();
    for number in 3..=256 {
        desk.check(&format!("currency C{number} 2"), &format!("{number} new"));
    }
    desk.check("currency ONE-MORE 2", "no room for another currency: there are 256");
    desk.check("currency C256 2", "256 same");
    desk.check("instrument LATE C256 0.01 1", "3 of 256 new");
}

#[test]
fn one_tick_of_one_lot_is_worth_a_whole_number_of_the_smallest_cash_unit() {
    let check = |decimals: u8, tick: &str, lot: &str, unit: i64| {
        let mut desk = Desk(Directory::default());
        desk.check(&format!("currency USD {decimals}"), "1 new");
        desk.check(&format!("instrument ACME USD {tick} {lot}"), "1 of 1 new");
        assert_eq!(desk.instrument("ACME").unit, unit, "{tick} x {lot} in 10^-{decimals}");
    };
    check(2, "0.01", "1", 1);
    check(2, "0.05", "10", 50);
    check(10, "0.01", "0.00000001", 1);
    check(10, "0.01", "1", 100_000_000);
    check(0, "0.001", "1000", 1);
    check(18, "0.000000001", "0.000000001", 1);
    check(0, "1", "9223372036854775807", i64::MAX);
}

#[test]
fn a_session_acts_for_the_accounts_it_was_granted_and_no_other() {
    let desk = Desk::new();
    let (alpha, feed, beta) = (desk.session("ALPHA1"), desk.session("FEED"), desk.session("BETA1"));
    let (a1, a2, b1) = (desk.account("A1"), desk.account("A2"), desk.account("B1"));
    assert!(desk.0.permitted(alpha, a1) && desk.0.permitted(alpha, a2) && desk.0.permitted(beta, b1));
    assert!(!desk.0.permitted(alpha, b1) && !desk.0.permitted(beta, a1) && !desk.0.permitted(feed, a1));
    assert!(!desk.0.permitted(alpha, AccountId::NONE) && !desk.0.permitted(feed, AccountId::NONE));
    assert!(!desk.0.permitted(SessionId::NONE, a1) && !desk.0.permitted(SessionId(99), a1));
    assert_eq!(desk.0.session(alpha).unwrap().accounts(), [a1, a2]);
}

#[test]
fn an_order_without_account_is_for_the_account_that_was_granted_first() {
    let desk = Desk::new();
    let (alpha, feed, a1) = (desk.session("ALPHA1"), desk.session("FEED"), desk.account("A1"));
    assert_eq!(desk.0.account_for(alpha, AccountId::NONE), Ok(desk.account("A2")));
    assert_eq!(desk.0.account_for(alpha, a1), Ok(a1));
    assert_eq!(desk.0.account_for(alpha, desk.account("B1")), Err(Reason::AccountNotAllowed));
    assert_eq!(desk.0.account_for(alpha, AccountId(99)), Err(Reason::UnknownAccount));
    assert_eq!(desk.0.account_for(feed, AccountId::NONE), Err(Reason::UnknownAccount));
    assert_eq!(desk.0.account_for(SessionId(99), a1), Err(Reason::AccountNotAllowed));
}

#[test]
fn the_most_specific_limits_count_as_a_whole() {
    let mut desk = Desk::new();
    let max = |desk: &Desk, account: &str, symbol: &str| {
        let instrument = InstrumentId(desk.0.instruments().find(symbol.as_bytes()).unwrap());
        desk.0.limits(desk.account(account), instrument).quantity_max
    };
    assert_eq!(max(&desk, "A1", "ACME"), 0);
    desk.limit("", "", 1);
    assert_eq!(max(&desk, "A1", "ACME"), 1);
    desk.limit("", "ACME", 2);
    assert_eq!((max(&desk, "A1", "ACME"), max(&desk, "A1", "BOLT")), (2, 1));
    desk.limit("A1", "", 3);
    assert_eq!((max(&desk, "A1", "ACME"), max(&desk, "A1", "BOLT"), max(&desk, "A2", "ACME")), (3, 3, 2));
    desk.limit("A1", "ACME", 4);
    assert_eq!((max(&desk, "A1", "ACME"), max(&desk, "A1", "BOLT"), max(&desk, "A2", "BOLT")), (4, 3, 1));
    desk.limit("A1", "ACME", 0);
    assert_eq!((max(&desk, "A1", "ACME"), max(&desk, "A2", "ACME")), (0, 2));
}

#[test]
fn limits_that_name_nothing_known_or_make_no_sense_are_refused_in_words() {
    let mut desk = Desk::new();
    let mut check = |asked: Limits, words: &str| {
        assert_eq!(desk.0.set_limits(&asked).unwrap_err().to_string(), words);
    };
    check(limits("C1", "", 1), "no account C1");
    check(limits("", "CORE", 1), "no instrument CORE");
    check(limits("A1", "CORE", 1), "no instrument CORE");
    check(limits("C1", "ACME", 1), "no account C1");
    check(limits("", "", -1), "quantity_max is -1: a limit is at least 0, and 0 is none");
    check(
        Limits { value_max: -5, ..limits("", "", 0) },
        "value_max is -5: a limit is at least 0, and 0 is none",
    );
    check(
        Limits { orders_open_max: 7, ..limits("A1", "", 0) },
        "orders_open_max counts a session's orders: it goes with no account and no instrument",
    );
}

#[test]
fn a_session_may_have_a_million_open_orders_until_the_operator_says_otherwise() {
    let mut desk = Desk::new();
    assert_eq!(desk.0.orders_open_max(), 1_000_000);
    desk.limit("A1", "ACME", 4);
    assert_eq!(desk.0.orders_open_max(), 1_000_000);
    desk.0.set_limits(&Limits { orders_open_max: 7, ..limits("", "", 0) }).unwrap();
    assert_eq!(desk.0.orders_open_max(), 7);
}

#[test]
fn a_kill_switch_stops_its_session_account_or_participant_until_it_is_off() {
    let mut desk = Desk::new();
    let (alpha, beta) = (desk.session("ALPHA1"), desk.session("BETA1"));
    let (a1, a2, b1) = (desk.account("A1"), desk.account("A2"), desk.account("B1"));
    let killed = |desk: &Desk| {
        [(alpha, a1), (alpha, a2), (beta, b1)].map(|(session, account)| desk.0.killed(session, account))
    };
    assert_eq!(killed(&desk), [false, false, false]);
    for (kind, name, stopped) in [
        (ScopeKind::Account, "A1", [true, false, false]),
        (ScopeKind::Session, "ALPHA1", [true, true, false]),
        (ScopeKind::Participant, "BETA", [false, false, true]),
    ] {
        for _ in 0..2 {
            desk.0.kill(&scope(kind, name), true).unwrap();
            assert_eq!(killed(&desk), stopped, "{name}");
        }
        desk.0.kill(&scope(kind, name), false).unwrap();
        assert_eq!(killed(&desk), [false, false, false], "{name}");
    }
}

#[test]
fn a_kill_switch_is_on_as_long_as_one_that_covers_the_order_is() {
    let mut desk = Desk::new();
    let (alpha, a1) = (desk.session("ALPHA1"), desk.account("A1"));
    let (session, account) = (scope(ScopeKind::Session, "ALPHA1"), scope(ScopeKind::Account, "A1"));
    desk.0.kill(&session, true).unwrap();
    desk.0.kill(&account, true).unwrap();
    desk.0.kill(&session, false).unwrap();
    desk.0.kill(&session, false).unwrap();
    assert!(desk.0.killed(alpha, a1));
    desk.0.kill(&account, false).unwrap();
    assert!(!desk.0.killed(alpha, a1));
}

#[test]
fn a_kill_switch_turned_on_twice_is_off_without_a_trace_once_it_is_turned_off() {
    let mut desk = Desk::new();
    let before = bincode::serialize(&desk.0).unwrap();
    for on in [true, true, false, false] {
        desk.0.kill(&scope(ScopeKind::Account, "A1"), on).unwrap();
    }
    assert_eq!(bincode::serialize(&desk.0).unwrap(), before);
}

#[test]
fn a_scope_is_looked_up_by_name_or_refused_in_words() {
    let mut desk = Desk::new();
    let check = |desk: &Desk, kind: ScopeKind, name: &str, words: &str| {
        let answer = match desk.0.covered(&scope(kind, name)) {
            Ok(covered) => format!("{covered:?}"),
            Err(refusal) => refusal.to_string(),
        };
        assert_eq!(answer, words);
    };
    check(&desk, ScopeKind::All, "", "All");
    check(&desk, ScopeKind::All, "A1", "a scope of everything has no name, not A1");
    check(&desk, ScopeKind::Session, "BETA1", "Session(SessionId(3))");
    check(&desk, ScopeKind::Account, "B1", "Account(AccountId(3))");
    check(&desk, ScopeKind::Participant, "BETA", "Participant(ParticipantId(2))");
    check(&desk, ScopeKind::Instrument, "BOLT", "Instrument(InstrumentId(2))");
    check(&desk, ScopeKind::Session, "", "no session ");
    check(&desk, ScopeKind::Account, "C1", "no account C1");
    check(&desk, ScopeKind::Participant, "A1", "no participant A1");
    check(&desk, ScopeKind::Instrument, "CORE", "no instrument CORE");
    for kind in [ScopeKind::All, ScopeKind::Instrument] {
        let name = if kind == ScopeKind::All { "" } else { "ACME" };
        assert_eq!(
            desk.0.kill(&scope(kind, name), true).unwrap_err().to_string(),
            "a kill switch is for a session, an account or a participant; to stop a market, halt it"
        );
    }
}

#[test]
fn instruments_are_closed_until_the_load_is_complete_and_later_ones_open_at_once() {
    let mut desk = Desk::new();
    assert_eq!(desk.instrument("ACME").market, MarketState::Closed);
    assert_eq!(desk.0.load_complete(), [InstrumentId(1), InstrumentId(2)]);
    assert_eq!(desk.instrument("ACME").market, MarketState::Open);
    desk.check("instrument CORE USD 0.01 1", "3 of 1 new");
    assert_eq!(desk.instrument("CORE").market, MarketState::Open);
    desk.0.set_market(MarketState::Halted, &"ACME".parse().unwrap()).unwrap();
    assert_eq!(desk.0.load_complete(), []);
    assert_eq!(desk.instrument("ACME").market, MarketState::Halted);
}

#[test]
fn a_market_is_switched_for_one_instrument_or_for_all() {
    let mut desk = Desk::new();
    let mut set = |state, symbol: &str| desk.0.set_market(state, &symbol.parse().unwrap());
    assert_eq!(set(MarketState::Open, "BOLT").unwrap(), [InstrumentId(2)]);
    assert_eq!(set(MarketState::Open, "BOLT").unwrap(), []);
    assert_eq!(set(MarketState::Open, "").unwrap(), [InstrumentId(1)]);
    assert_eq!(set(MarketState::Halted, "").unwrap(), [InstrumentId(1), InstrumentId(2)]);
    assert_eq!(set(MarketState::Open, "CORE").unwrap_err().to_string(), "no instrument CORE");
    desk.check("instrument ACME USD 0.01 1 9 9", "1 of 1 new");
    assert_eq!(desk.instrument("ACME").market, MarketState::Halted, "a change of fees opens no market");
}

#[test]
fn a_directory_read_back_from_bytes_answers_the_same() {
    let mut desk = Desk::new();
    desk.limit("A1", "ACME", 4);
    desk.0.kill(&scope(ScopeKind::Account, "A2"), true).unwrap();
    desk.0.load_complete();
    let bytes = bincode::serialize(&desk.0).unwrap();
    let mut back = Desk(bincode::deserialize(&bytes).unwrap());
    assert_eq!(bincode::serialize(&back.0).unwrap(), bytes);
    back.check("account A1 ALPHA", "1 of 1 same");
    back.check("account A4 BETA", "4 of 2 new");
    assert_eq!(back.0.asset_named(b"BOLT"), desk.0.asset_named(b"BOLT"));
    assert!(back.0.killed(desk.session("ALPHA1"), desk.account("A2")));
    assert_eq!(back.0.limits(desk.account("A1"), InstrumentId(1)).quantity_max, 4);
}

#[test]
fn bytes_in_which_a_name_stands_twice_are_no_directory() {
    let one = |name: &str| Participant {
        name: name.parse().unwrap(),
        kind: ParticipantKind::Broker,
        self_trade: SelfTrade::Off,
        killed: false,
    };
    let read = |entries: Vec<Participant>| {
        bincode::deserialize::<Register<Participant>>(&bincode::serialize(&entries).unwrap())
    };
    assert_eq!(read(vec![one("ALPHA"), one("BETA")]).unwrap().find(b"BETA"), Some(2));
    let error = read(vec![one("ALPHA"), one("ALPHA")]).unwrap_err();
    assert_eq!(error.to_string(), "participant ALPHA stands twice");
}

/// What a directory is, told naively: names and owners in lists.
#[derive(Default)]
struct Twin {
    participants: Vec<Name>,
    accounts: Vec<(Name, u32)>,
    sessions: Vec<(Name, u32)>,
    grants: Vec<(u32, u32)>,
}

impl Twin {
    /// The number of a name in a list, from 1.
    fn number<T>(list: &[T], name: Name, of: impl Fn(&T) -> Name) -> Option<u32> {
        list.iter().position(|entry| of(entry) == name).map(|at| u32::try_from(at + 1).unwrap())
    }

    fn define(&mut self, operation: &Operation) -> Option<(u32, bool)> {
        match operation {
            Operation::Participant(def) => {
                Some(Self::add(&mut self.participants, def.name, |name| *name, def.name))
            }
            Operation::Account(def) => {
                let owner = Self::number(&self.participants, def.participant, |name| *name)?;
                Self::owned(&mut self.accounts, def.name, owner)
            }
            Operation::Session(def) => {
                let owner = Self::number(&self.participants, def.participant, |name| *name)?;
                Self::owned(&mut self.sessions, def.comp_id, owner)
            }
            Operation::Grant(def) => {
                let account = Self::number(&self.accounts, def.account, |entry| entry.0)?;
                let session = Self::number(&self.sessions, def.session, |entry| entry.0)?;
                let new = !self.grants.contains(&(session, account));
                if new {
                    self.grants.push((session, account));
                }
                Some((session, new))
            }
            Operation::Currency(_)
            | Operation::Instrument(_)
            | Operation::Transfer(_)
            | Operation::Loaded
            | Operation::Market(..)
            | Operation::CancelAll(_)
            | Operation::Bust(_)
            | Operation::DayEnd
            | Operation::Kill(..)
            | Operation::Limits(_)
            | Operation::SessionReset(_)
            | Operation::Policy(_)
            | Operation::CancelOnly(_) => panic!("the twin has no {operation:?}"),
        }
    }

    fn add<T>(list: &mut Vec<T>, name: Name, of: impl Fn(&T) -> Name, entry: T) -> (u32, bool) {
        let known = Self::number(list, name, of);
        if known.is_none() {
            list.push(entry);
        }
        (known.unwrap_or(u32::try_from(list.len()).unwrap()), known.is_none())
    }

    fn owned(list: &mut Vec<(Name, u32)>, name: Name, owner: u32) -> Option<(u32, bool)> {
        if list.iter().any(|entry| entry.0 == name && entry.1 != owner) {
            return None;
        }
        Some(Self::add(list, name, |entry| entry.0, (name, owner)))
    }
}

fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..4u8).prop_map(|p| format!("participant P{p} broker off")),
        (0..6u8, 0..4u8).prop_map(|(a, p)| format!("account A{a} P{p}")),
        (0..4u8, 0..4u8).prop_map(|(s, p)| format!("session S{s} P{p} trading s")),
        (0..4u8, 0..6u8).prop_map(|(s, a)| format!("grant S{s} A{a}")),
    ]
}

proptest! {
    #[test]
    fn definitions_in_any_order_come_to_what_a_naive_list_says(lines in prop::collection::vec(any_line(), 0..120)) {
        let mut directory = Directory::default();
        let mut twin = Twin::default();
        for line in &lines {
            let operation = operation(line);
            let defined = directory.define(&operation).ok().map(|defined| (defined.id, defined.changed));
            prop_assert_eq!(defined, twin.define(&operation), "{}", line);
        }
        for session in 0..6 {
            let granted: Vec<_> = twin.grants.iter().filter(|grant| grant.0 == session).map(|grant| grant.1).collect();
            for account in 0..8 {
                let permitted = directory.permitted(SessionId(session), AccountId(account));
                prop_assert_eq!(permitted, granted.contains(&account));
            }
            let default = directory.account_for(SessionId(session), AccountId::NONE).ok();
            prop_assert_eq!(default, granted.first().copied().map(AccountId));
        }
    }
}

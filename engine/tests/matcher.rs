//! The matcher between its rings and its logs, with storage played by the test.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rialto_engine::clock::ManualClock;
use rialto_engine::exchange::Exchange;
use rialto_engine::follow::{Follower, FollowerParts};
use rialto_engine::matcher::{Ended, Idle, Matcher, Parts, RECORDS_PER_TURN, Turn};
use rialto_engine::ports::{Counters, InHand, OnPublish, Port, Readers};
use rialto_journal::cursor::{Cursors, Gate, Policy};
use rialto_journal::epochs::EpochTable;
use rialto_journal::log::{LogRing, LogShape, LogStart};
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, UpTo};
use rialto_journal::recover::scan::EpochStart;
use rialto_journal::shared::Kind;
use rialto_protocol::command::{LogOn, NewOrder, OrderTerms};
use rialto_protocol::reference::{
    AccountDef, Author, CurrencyDef, Grant, InstrumentDef, Operation, ParticipantDef, SessionDef, Transfer,
};
use rialto_protocol::terms::{AckPolicy, ParticipantKind, ReplaceRule, SelfTrade, SessionKind};
use rialto_protocol::*;
use rialto_shmring::{Consumer, Doorbell, Geometry, Identity, Producer, Region};

struct Node {
    matcher: Matcher<ManualClock>,
    rings: Vec<Producer>,
    events: LogReader<()>,
    commands: Arc<LogRing>,
    event_ring: Arc<LogRing>,
    cursors: Arc<Cursors>,
    counters: Arc<Counters>,
    record: RecordBuffer,
    dir: tempfile::TempDir,
}

fn node(gateways: u32, event_pages: u64) -> Node {
    let log = |kind, pages| LogRing::anonymous(LogShape { kind, pages }, &LogStart::EMPTY).unwrap();
    let (commands, events) = (log(Kind::Commands, 256), log(Kind::Events, event_pages));
    let cursors = Arc::new(Cursors::anonymous(Policy::Async, 0).unwrap());
    let counters = Arc::new(Counters::default());
    let (mut ports, mut rings) = (Vec::new(), Vec::new());
    let dir = tempfile::tempdir().unwrap();
    for gateway in 0..=gateways {
        let identity = Identity { schema: 1, generation: 1, gateway };
        let path = dir.path().join(format!("gateway-{gateway}.ring"));
        let region = Arc::new(Region::create(&path, &identity, Geometry::new(1024).unwrap()).unwrap());
        ports.push(Port { gateway: GatewayId(gateway), ring: Consumer::new(Arc::clone(&region)).unwrap() });
        rings.push(Producer::new(region).unwrap());
    }
    let (command_ring, event_ring) = (Arc::clone(commands.ring()), Arc::clone(events.ring()));
    let matcher_parts = Parts {
        exchange: Exchange::new(),
        sequence: Sequence(0),
        timestamp: Timestamp(0),
        commands,
        events,
        cursors: Arc::clone(&cursors),
        readers: Arc::new(Readers::default()),
        on_publish: OnPublish::default(),
        storage: Arc::new(Doorbell::anonymous().unwrap()),
        counters: Arc::clone(&counters),
        in_hand: Arc::new(InHand::default()),
        clock: ManualClock(Timestamp(1_000)),
    };
    let reader = LogReader::new(Arc::clone(&event_ring), (), Position::FIRST);
    let mut node = Node {
        matcher: Matcher::new(matcher_parts, ports),
        rings,
        events: reader,
        commands: command_ring,
        event_ring,
        cursors,
        counters,
        record: RecordBuffer::default(),
        dir,
    };
    node.load();
    node
}

impl Node {
    fn load(&mut self) {
        let name: Name = "ALPHA".parse().unwrap();
        let (symbol, usd): (Symbol, Symbol) = ("ACME".parse().unwrap(), "USD".parse().unwrap());
        let account: Name = "A1".parse().unwrap();
        let mut all = vec![
            Operation::Currency(CurrencyDef { code: usd, decimals: 2 }),
            Operation::Instrument(InstrumentDef {
                symbol,
                currency: usd,
                tick: "0.01".parse().unwrap(),
                lot: "1".parse().unwrap(),
                maker_fee_ppm: 0,
                taker_fee_ppm: 50,
                replace: ReplaceRule::KeepOnDecrease,
                midpoint: false,
            }),
            Operation::Participant(ParticipantDef {
                name,
                kind: ParticipantKind::Broker,
                self_trade: SelfTrade::Off,
            }),
            Operation::Account(AccountDef { name: account, participant: name }),
            Operation::Transfer(Transfer {
                id: "d1".parse().unwrap(),
                account,
                asset: usd,
                amount: "1000000".parse().unwrap(),
                withdraw: false,
            }),
        ];
        for comp_id in ["S1", "S2"] {
            let comp_id: Name = comp_id.parse().unwrap();
            all.push(Operation::Session(SessionDef {
                comp_id,
                participant: name,
                kind: SessionKind::Trading,
                cancel_on_disconnect: false,
                secret: [0; 32],
            }));
            all.push(Operation::Grant(Grant { session: comp_id, account }));
        }
        all.push(Operation::Loaded);
        for operation in all {
            self.push(0, 0, 1, &Command::Operate(Author::default(), operation));
        }
        while self.matcher.turn() == Turn::Worked {}
        for (_, event) in self.told().iter().filter(|(kind, _)| *kind == rialto_protocol::event::kind::ANSWER)
        {
            assert!(event.contains("Done"), "{event}");
        }
    }

    fn push(&mut self, ring: usize, session: u32, number: u32, command: &Command) {
        command.encode(SessionId(session), SessionSeq(number), &mut self.record);
        self.rings[ring].try_push(self.record.as_bytes()).unwrap();
    }

    fn log_on(&mut self, ring: u32, session: u32) {
        let log_on = LogOn {
            gateway: GatewayId(ring),
            connection: 1,
            next_expected: 0,
            heartbeat_s: 0,
            reset: 0,
            line: 1,
        };
        self.push(ring as usize, session, 0, &Command::LogOn(log_on));
    }

    fn order(&mut self, ring: usize, session: u32, number: u32, name: &str) {
        let terms = OrderTerms::limit(Side::Buy, Quantity(1), InstrumentId(1), Price(100));
        let order = NewOrder { terms, cl_ord_id: name.parse().unwrap() };
        self.push(ring, session, number, &Command::NewOrder(order));
    }

    /// Kind and words of each event released since the last call.
    fn told(&mut self) -> Vec<(u8, String)> {
        let mut told = Vec::new();
        while let Some((_, record)) = self.events.next(UpTo::Sequence(self.cursors.released())).unwrap() {
            let (header, event) = Event::decode(record.bytes()).unwrap();
            told.push((header.kind, format!("{} {event:?}", header.session)));
        }
        told
    }

    /// Storage frees all closed pages.
    fn store(&self) {
        self.commands.free(self.commands.closed_pages());
        self.event_ring.free(self.event_ring.closed_pages());
    }
}

#[test]
fn an_order_of_the_gateway_that_holds_the_session_is_answered() {
    let mut node = node(1, 1024);
    node.log_on(1, 1);
    node.order(1, 1, 2, "a1");
    assert_eq!(node.matcher.turn(), Turn::Worked);
    let told = node.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].1.contains("LogOn") && told[1].1.contains("exec_type: New"), "{told:?}");
}

#[test]
fn a_command_of_another_gateway_is_dropped_and_counted() {
    let mut node = node(2, 1024);
    node.log_on(1, 1);
    node.order(2, 1, 2, "a1");
    node.matcher.turn();
    node.order(2, 1, 2, "a1");
    node.matcher.turn();
    assert_eq!(node.matcher.exchange().orders_open(), 0);
    assert!(node.counters.dropped.load(Ordering::Relaxed) >= 1);
}

#[test]
fn a_used_number_is_dropped_and_a_skipped_one_cuts_the_session() {
    let mut node = node(1, 1024);
    node.log_on(1, 1);
    node.order(1, 1, 2, "a1");
    node.order(1, 1, 2, "a2");
    node.order(1, 1, 9, "a3");
    node.order(1, 1, 3, "a4");
    node.matcher.turn();
    assert_eq!(node.matcher.exchange().orders_open(), 1);
    assert_eq!(node.counters.cut.load(Ordering::Relaxed), 1);
    assert!(node.told().iter().any(|(_, event)| event.contains("Gone")));
}

#[test]
fn bytes_that_are_no_command_are_dropped_and_counted() {
    let mut node = node(1, 1024);
    node.log_on(1, 1);
    node.matcher.turn();
    let mut bytes = node.record.as_bytes().to_vec();
    bytes[40] ^= 1;
    node.rings[1].try_push(&bytes).unwrap();
    node.rings[1].try_push(&[7; 64]).unwrap();
    // An operator's command does not come from a gateway, nor a member's from the operator.
    node.push(1, 0, 1, &Command::Operate(Author::default(), Operation::DayEnd));
    node.push(0, 1, 2, &Command::Challenge);
    let before = node.matcher.sequence();
    node.matcher.turn();
    assert_eq!(node.matcher.sequence(), before);
    assert_eq!(node.counters.malformed.load(Ordering::Relaxed), 4);
}

#[test]
fn a_flooding_ring_gets_its_turn_and_no_more() {
    let mut node = node(2, 1024);
    node.log_on(1, 1);
    node.log_on(2, 2);
    node.matcher.turn();
    for number in 0..200 {
        node.order(1, 1, number + 2, &format!("f{number}"));
    }
    node.order(2, 2, 2, "quiet");
    node.told();
    node.matcher.turn();
    let told = node.told();
    assert_eq!(told.iter().filter(|(_, event)| event.starts_with("1 ")).count(), RECORDS_PER_TURN);
    assert_eq!(told.iter().filter(|(_, event)| event.starts_with("2 ")).count(), 1);
}

#[test]
fn a_full_log_stops_intake_until_storage_frees_pages_and_nothing_is_lost() {
    let mut node = node(1, 512);
    node.log_on(1, 1);
    node.matcher.turn();
    let (mut pushed, mut filled) = (0, false);
    while pushed < 7_000 {
        for _ in 0..RECORDS_PER_TURN {
            pushed += 1;
            node.order(1, 1, pushed + 1, &format!("o{pushed}"));
        }
        while node.matcher.turn() == Turn::Full {
            filled = true;
            node.store();
        }
    }
    while node.matcher.turn() != Turn::Idle {
        node.store();
    }
    assert!(filled, "the log never filled: the test shows nothing");
    assert_eq!(node.matcher.exchange().orders_open(), usize::try_from(pushed).unwrap());
}

#[test]
fn a_ring_that_its_peer_broke_is_given_up_and_its_sessions_end() {
    let mut node = node(2, 1024);
    node.log_on(1, 1);
    node.log_on(2, 2);
    node.matcher.turn();
    node.told();
    // The slots behind the log-on hold what no producer writes.
    let ring = std::fs::OpenOptions::new().write(true).open(node.dir.path().join("gateway-1.ring")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&ring, &[0x55; 4096], 4096 + 128).unwrap();
    node.matcher.turn();
    assert_eq!(node.counters.poisoned.load(Ordering::Relaxed), 1);
    assert!(node.told().iter().any(|(_, event)| event.starts_with("1 Gone")));
    node.order(2, 2, 2, "a1");
    node.matcher.turn();
    assert_eq!(node.matcher.exchange().orders_open(), 1);
}

#[test]
fn a_drain_tells_each_live_session_in_a_numbered_message() {
    let mut node = node(1, 1024);
    node.log_on(1, 1);
    node.log_on(1, 2);
    node.matcher.turn();
    node.told();
    node.cursors.set_draining();
    assert_eq!(node.matcher.run(Idle::Yield, &Doorbell::anonymous().unwrap()), Ended::Drained);
    let told = node.told();
    let farewells =
        told.iter().filter(|(_, event)| event.contains("Logout") && event.contains("the node stops"));
    assert_eq!(farewells.count(), 2, "{told:?}");
    assert_eq!(node.matcher.exchange().first_live_session(), None);
}

/// A follower with logs of its own, empty.
fn follower() -> (Follower, Arc<LogRing>, Arc<LogRing>, Arc<EpochTable>) {
    let log = |kind| LogRing::anonymous(LogShape { kind, pages: 1024 }, &LogStart::EMPTY).unwrap();
    let (commands, events) = (log(Kind::Commands), log(Kind::Events));
    let cursors = Arc::new(Cursors::anonymous(Policy::Async, 0).unwrap());
    cursors.set_gate(Gate::Standby);
    let epochs = Arc::new(EpochTable::default());
    let rings = (Arc::clone(commands.ring()), Arc::clone(events.ring()));
    let parts = FollowerParts {
        exchange: Exchange::new(),
        sequence: Sequence(0),
        timestamp: Timestamp(0),
        commands,
        events,
        cursors,
        epochs: Arc::clone(&epochs),
    };
    (Follower::new(parts, 0), rings.0, rings.1, epochs)
}

/// All closed pages of a log and what is published of the open one, records alone.
fn records(ring: &Arc<LogRing>) -> Vec<(Position, Vec<u8>)> {
    let mut reader = LogReader::new(Arc::clone(ring), (), Position::FIRST);
    let mut all = Vec::new();
    while let Some((at, record)) = reader.next(UpTo::End).unwrap() {
        all.push((at, record.bytes().to_vec()));
    }
    all
}

#[test]
fn a_standby_that_follows_has_the_same_logs_in_the_same_places_and_the_same_state() {
    let mut node = node(1, 1024);
    node.log_on(1, 1);
    let (mut standby, commands, events, _) = follower();
    for number in 0..300 {
        node.order(1, 1, number + 2, &format!("o{number}"));
        node.matcher.turn();
        if number % 50 == 0 {
            node.matcher.settle();
        }
    }
    for (at, record) in records(&node.commands) {
        standby.take(1, at, &record).unwrap();
    }
    standby.close_page(standby.end().page()).unwrap();
    node.matcher.settle();
    standby.publish();
    assert_eq!(records(&commands), records(&node.commands));
    assert_eq!(records(&events), records(&node.event_ring));
    assert_eq!((commands.end(), events.end()), (node.commands.end(), node.event_ring.end()));
    assert_eq!(standby.exchange().state_hash(), node.matcher.exchange().state_hash());
}

#[test]
fn a_record_out_of_its_place_is_refused_and_changes_nothing() {
    let node = node(1, 1024);
    let all = records(&node.commands);
    let (mut standby, commands, _, epochs) = follower();
    standby.take(3, all[0].0, &all[0].1).unwrap();
    let hash = standby.exchange().state_hash();
    let next = &all[1];
    let wrong = [
        standby.take(3, next.0.plus(8), &next.1),
        standby.take(3, all[2].0, &all[2].1),
        standby.take(2, next.0, &next.1),
        standby.take(4, next.0, &next.1),
        standby.take(3, next.0, &next.1[..40]),
    ];
    for (case, outcome) in wrong.into_iter().enumerate() {
        assert!(outcome.is_err(), "case {case}");
    }
    assert_eq!((standby.sequence(), standby.exchange().state_hash()), (Sequence(1), hash));
    standby.take(3, next.0, &next.1).unwrap();
    standby.publish();
    assert_eq!(records(&commands), all[..2]);
    assert_eq!(epochs.rows(), [EpochStart { epoch: 3, page_no: 0, first_seq: 1 }]);
}

#[test]
fn a_policy_takes_effect_once_its_command_is_durable() {
    let mut node = node(1, 1024);
    node.push(0, 0, 1, &Command::Operate(Author::default(), Operation::Policy(AckPolicy::Disk)));
    node.matcher.turn();
    node.matcher.turn();
    assert_eq!(node.cursors.policy(), Policy::Async);
    node.cursors.advance_synced(node.matcher.sequence().0);
    node.matcher.turn();
    assert_eq!(node.cursors.policy(), Policy::Disk);
}

//! The bytes of records: what is written is read back, the layouts stay as they are (golden bytes), and no bytes at
//! all make the decoders panic.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use proptest::prelude::*;
use rialto_protocol::command::{
    BalanceRequest, CancelOrder, EpochOpened, Inbound, LogOffCause, LogOn, MassCancelRequest,
    MassStatusRequest, NewOrder, Notice, NoticeKind, OrderTerms, RefusedCancel, RefusedOrder, ReplaceOrder,
    SecurityListRequest, SessionNote, StatusRequest, order_flag,
};
use rialto_protocol::event::{
    self, BalanceRow, CancelReject, EventBuffer, Fill, MassCancelReport, NoticeEvent, Outcome, Report,
    ReportBody, SecurityListPart, Stamp,
};
use rialto_protocol::record::{check_crc, offset};
use rialto_protocol::reference::{
    AccountDef, Author, CurrencyDef, Grant, InstrumentDef, Limits, Operation, ParticipantDef, Scope,
    ScopeKind, SessionDef, Transfer,
};
use rialto_protocol::terms::{AckPolicy, MarketState, ParticipantKind, ReplaceRule, SelfTrade, SessionKind};
use rialto_protocol::*;

fn order(id: &str) -> NewOrder {
    let mut terms = OrderTerms::limit(Side::Buy, Quantity(100), InstrumentId(3), Price(1025));
    terms.account = AccountId(7);
    terms.flags = order_flag::POST_ONLY;
    NewOrder { terms, cl_ord_id: id.parse().unwrap() }
}

fn notice() -> Notice {
    Notice {
        kind: NoticeKind::Reject,
        ref_type: *b"AF",
        reason: 5,
        ref_seq: 12,
        ref_tag: Some(-54),
        text: "54=9 is not a side".parse().unwrap(),
    }
}

fn operations() -> Vec<Operation> {
    let name: Name = "ALPHA".parse().unwrap();
    let symbol: Symbol = "ACME".parse().unwrap();
    let scope = Scope { kind: ScopeKind::Session, name };
    vec![
        Operation::Currency(CurrencyDef { code: "USD".parse().unwrap(), decimals: 10 }),
        Operation::Instrument(InstrumentDef {
            symbol,
            currency: "USD".parse().unwrap(),
            tick: "0.01".parse().unwrap(),
            lot: "1".parse().unwrap(),
            maker_fee_ppm: 0,
            taker_fee_ppm: 50,
            replace: ReplaceRule::Requeue,
            midpoint: true,
        }),
        Operation::Participant(ParticipantDef {
            name,
            kind: ParticipantKind::Broker,
            self_trade: SelfTrade::CancelOldest,
        }),
        Operation::Account(AccountDef { name: "A1".parse().unwrap(), participant: name }),
        Operation::Session(SessionDef {
            comp_id: "ALPHA1".parse().unwrap(),
            participant: name,
            kind: SessionKind::Trading,
            cancel_on_disconnect: true,
            secret: [7; 32],
        }),
        Operation::Grant(Grant { session: "ALPHA1".parse().unwrap(), account: "A1".parse().unwrap() }),
        Operation::Transfer(Transfer {
            id: "a-transfer-id-that-is-36-bytes-long!".parse().unwrap(),
            account: "A1".parse().unwrap(),
            asset: symbol,
            amount: "1000000.00".parse().unwrap(),
            withdraw: true,
        }),
        Operation::Loaded,
        Operation::Market(MarketState::Halted, symbol),
        Operation::CancelAll(scope),
        Operation::Bust(TradeId(u64::MAX)),
        Operation::DayEnd,
        Operation::Kill(scope, true),
        Operation::Limits(Limits {
            account: name,
            instrument: symbol,
            quantity_max: 1,
            value_max: i64::MAX,
            collar_ppm: 100_000,
            orders_open_max: 9,
        }),
        Operation::SessionReset(name),
        Operation::Policy(AckPolicy::Disk),
        Operation::CancelOnly(true),
    ]
}

fn commands() -> Vec<Command> {
    let author = Author { uid: 1000, pid: 4711, why: "opening the market".parse().unwrap() };
    let mut all: Vec<Command> =
        operations().into_iter().map(|operation| Command::Operate(author, operation)).collect();
    all.extend([
        Command::Epoch(EpochOpened { epoch: Epoch(3), node: "n1".parse().unwrap(), loss: true }),
        Command::Version(VERSION),
        Command::Tick,
        Command::Continue,
        Command::Chain { page: 77, hash: *b"0123456789abcdef" },
        Command::Refuse,
        Command::GatewayLost(GatewayId(2)),
        Command::LogOn(LogOn {
            gateway: GatewayId(1),
            connection: 9,
            next_expected: 4,
            heartbeat_s: 30,
            reset: 1,
            line: 0,
        }),
        Command::LogOff(GatewayId(1), LogOffCause::PolicyUnmet),
        Command::Note(SessionNote { inbound: Inbound::JumpTo(SessionSeq(99)), outbound: None, close: false }),
        Command::Note(SessionNote { inbound: Inbound::Consumed, outbound: Some(notice()), close: true }),
        Command::Challenge,
    ]);
    all.extend(order_commands());
    all
}

fn order_commands() -> [Command; 10] {
    [
        Command::NewOrder(order("a1")),
        Command::Cancel(CancelOrder {
            order: OrderId(5),
            instrument: InstrumentId(3),
            side: Side::Sell,
            flags: 0,
            cl_ord_id: "c1".parse().unwrap(),
            orig_cl_ord_id: "a1".parse().unwrap(),
        }),
        Command::Replace(ReplaceOrder {
            order: OrderId::NONE,
            price: Price(1030),
            quantity: Quantity(80),
            instrument: InstrumentId(3),
            side: Side::Sell,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::GoodTillCancel,
            flags: order_flag::POSSIBLE_REPEAT,
            cl_ord_id: "r1".parse().unwrap(),
            orig_cl_ord_id: "a1".parse().unwrap(),
        }),
        Command::Status(StatusRequest {
            order: OrderId::NONE,
            instrument: InstrumentId(3),
            side: Side::Buy,
            cl_ord_id: "a1".parse().unwrap(),
            request: "q".parse().unwrap(),
        }),
        Command::MassStatus(MassStatusRequest {
            instrument: InstrumentId::NONE,
            request: "m".parse().unwrap(),
        }),
        Command::MassCancel(MassCancelRequest {
            instrument: InstrumentId(3),
            flags: order_flag::POSSIBLE_RESEND,
            cl_ord_id: "x".parse().unwrap(),
        }),
        Command::SecurityList(SecurityListRequest {
            instrument: InstrumentId::NONE,
            request: "s".parse().unwrap(),
        }),
        Command::Balances(BalanceRequest { account: AccountId(3), request: "b".parse().unwrap() }),
        Command::RefusedOrder(refused()),
        Command::RefusedCancel(RefusedCancel {
            reason: Reason::UnknownInstrument,
            replace: true,
            flags: order_flag::POSSIBLE_REPEAT,
            cl_ord_id: "c".parse().unwrap(),
            orig_cl_ord_id: "o".parse().unwrap(),
            words: "no instrument ACMX".parse().unwrap(),
        }),
    ]
}

fn refused() -> RefusedOrder {
    RefusedOrder {
        exec_type: ExecType::Rejected,
        reason: Reason::UnknownInstrument,
        side: Some(Side::Buy),
        ord_type: b'3',
        time_in_force: b'6',
        flags: order_flag::POSSIBLE_RESEND,
        quantity: Some("1".parse().unwrap()),
        price: None,
        cl_ord_id: "a2".parse().unwrap(),
        symbol: "ACMX".parse().unwrap(),
        account: "A1".parse().unwrap(),
        words: "no instrument ACMX".parse().unwrap(),
    }
}

fn stamp() -> Stamp {
    Stamp {
        sequence: Sequence(11),
        timestamp: Timestamp(1_700_000_000_000_000_001),
        index: 2,
        session: SessionId(4),
        number: SessionSeq(8),
    }
}

fn report<'a>() -> Report<'a> {
    let mut body = ReportBody::new(OrderId(1), ExecId(2), Side::Sell, OrderKind::Limit);
    body.previous = 4160;
    body.price = Price(1025);
    body.quantity = Quantity(100);
    body.leaves = Quantity(40);
    body.cumulative = Quantity(60);
    body.set_notional(Cash(61_500));
    body.exec_type = ExecType::Trade;
    body.status = OrderStatus::PartiallyFilled;
    Report {
        body,
        fill: Some(Fill { last_quantity: Quantity(60), last_price: Price(1025), trade: TradeId(3) }),
        funds: Some(12_345),
        cl_ord_id: b"a1",
        orig_cl_ord_id: b"a0",
        request: b"q",
    }
}

fn events<'a>() -> Vec<Event<'a>> {
    let mut all: Vec<Event> =
        operations().into_iter().map(|operation| Event::Reference { id: 5, owner: 6, operation }).collect();
    all.extend([
        Event::Report(report()),
        Event::Report(Report { fill: None, funds: None, orig_cl_ord_id: b"", request: b"", ..report() }),
        Event::RefusedOrder { previous: 64, exec: ExecId(9), order: refused() },
        Event::CancelReject(CancelReject {
            previous: 64,
            order: OrderId::NONE,
            status: OrderStatus::Rejected,
            reason: Reason::UnknownOrder,
            replace: false,
            cl_ord_id: b"c1",
            orig_cl_ord_id: b"zz",
            words: b"",
        }),
        Event::MassCancelReport(MassCancelReport {
            previous: 64,
            instrument: InstrumentId::NONE,
            affected: 3,
            exec: ExecId(4),
            cl_ord_id: b"x",
        }),
        Event::Notice(NoticeEvent {
            previous: 64,
            gateway: GatewayId(1),
            connection: 2,
            next_inbound: SessionSeq(3),
            incarnation: 1,
            heartbeat_s: 30,
            flags: event::notice_flag::RESET,
            notice: notice(),
        }),
        Event::SecurityList(SecurityListPart {
            previous: 64,
            total: 2,
            last: true,
            exec: ExecId(1),
            request: b"s",
            instruments: &[1, 0, 0, 0, 2, 0, 0, 0],
        }),
        Event::LogOnRefused { gateway: GatewayId(1), connection: 2, text: "no".parse().unwrap() },
        Event::Repeat(SessionSeq(4)),
        Event::Gone,
        Event::Challenged,
        Event::Balance(BalanceRow {
            account: AccountId(3),
            rows: 2,
            reason: Reason::None,
            asset: "USD".parse().unwrap(),
            unit: Decimal::new(1, 10),
            total: Cash(1 << 80),
            reserved: Cash(7),
            request: b"b",
        }),
        Event::Epoch(EpochOpened { epoch: Epoch(3), node: "n1".parse().unwrap(), loss: false }),
        Event::Market(InstrumentId(1), MarketState::Open),
        Event::Answer {
            request: 3,
            outcome: Outcome::Refused,
            sequence: Sequence(4),
            text: "no account A9".parse().unwrap(),
        },
        Event::Busted(TradeId(1), InstrumentId(2)),
        Event::DayEnded,
        Event::Policy(AckPolicy::Async),
    ]);
    all
}

#[test]
fn every_command_is_read_back_as_it_was_written() {
    let mut record = RecordBuffer::default();
    for command in commands() {
        command.encode(SessionId(2), SessionSeq(17), &mut record);
        let (header, back) = Command::decode(record.as_bytes()).unwrap();
        assert_eq!(back, command);
        assert_eq!((header.session, header.session_seq), (SessionId(2), SessionSeq(17)));
        assert_eq!(header.kind, command.kind());
        assert_eq!(check_crc(record.as_bytes(), &header), Ok(()));
    }
}

#[test]
fn every_event_is_read_back_as_it_was_written() {
    let mut buffer = EventBuffer::default();
    for event in events() {
        buffer.push(&stamp(), &event);
    }
    let mut count = 0;
    for (record, event) in buffer.records().zip(events()) {
        let (header, back) = Event::decode(record).unwrap();
        assert_eq!(back, event);
        assert_eq!((header.sequence, header.crc, header.session), (Sequence(11), 2, SessionId(4)));
        count += 1;
    }
    assert_eq!(count, events().len());
}

#[test]
fn an_order_takes_at_most_128_bytes_and_a_cancel_96_with_names_of_20_characters() {
    let mut record = RecordBuffer::default();
    let name = "x".repeat(20);
    Command::NewOrder(order(&name)).encode(SessionId(1), SessionSeq(1), &mut record);
    assert_eq!(record.as_bytes().len(), 88);
    let id: ClOrdId = name.parse().unwrap();
    let cancel = CancelOrder {
        order: OrderId(1),
        instrument: InstrumentId(1),
        side: Side::Buy,
        flags: 0,
        cl_ord_id: id,
        orig_cl_ord_id: id,
    };
    Command::Cancel(cancel).encode(SessionId(1), SessionSeq(1), &mut record);
    assert_eq!(record.as_bytes().len(), 88);
}

#[test]
fn the_layout_of_an_order_and_of_a_report_does_not_move() {
    let mut record = RecordBuffer::default();
    Command::NewOrder(order("a1")).encode(SessionId(2), SessionSeq(17), &mut record);
    let golden = [
        "00000000000000000000000000000000", // sequence, timestamp
        "4800400004f0a9970200000011000000", // length 72, kind 64, crc, session, number
        "01040000000000006400000000000000", // price, quantity
        "07000000030000003132300102000000", // account, instrument, side kind time flags, length of the name
        "6131000000000000",
    ];
    assert_eq!(hex(record.as_bytes()), golden.concat());

    let mut buffer = EventBuffer::default();
    buffer.push(&stamp(), &Event::Report(Report { funds: None, request: b"", ..report() }));
    let golden = [
        "0b0000000000000001002a36fe9c9717",
        "a0000100020000000400000008000000", // length 160, kind 1, index 2, session, number
        "40100000000000000100000000000000", // previous, order
        "02000000000000000104000000000000", // exec, price
        "64000000000000002800000000000000", // quantity, leaves
        "3c000000000000003cf0000000000000", // cumulative, notional
        "00000000000000000000000000000000", // notional, account, instrument
        "46313232300000000202000100000000", // what happened; lengths, sections, total
        "3c000000000000000104000000000000", // last quantity, last price
        "03000000000000006131613000000000", // trade; names
    ];
    assert_eq!(hex(buffer.as_bytes()), golden.concat());
}

#[test]
fn any_flipped_bit_of_a_command_is_found_by_its_checksum() {
    let mut record = RecordBuffer::default();
    Command::NewOrder(order("a1")).encode(SessionId(2), SessionSeq(17), &mut record);
    for bit in 0..record.as_bytes().len() * 8 {
        let mut bytes = record.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let stamped = bit / 8 < offset::LENGTH;
        let sound = Header::read(&bytes).is_ok_and(|header| check_crc(&bytes, &header).is_ok());
        assert_eq!(sound, stamped, "bit {bit}");
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_an_answer_never_a_panic(
        kind in any::<u8>(),
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        if bytes.len() >= 32 {
            let length = u16::try_from(bytes.len() / 8 * 8).unwrap();
            bytes[offset::LENGTH..offset::LENGTH + 2].copy_from_slice(&length.to_le_bytes());
            bytes[offset::KIND] = kind;
        }
        let _ = Command::decode(&bytes);
        let _ = Event::decode(&bytes);
        let _ = event::previous(&bytes);
    }

    #[test]
    fn a_damaged_record_is_an_answer_never_a_panic(which in 0usize..60, at in 0usize..400, to in any::<u8>()) {
        let mut record = RecordBuffer::default();
        let all = commands();
        all[which % all.len()].encode(SessionId(1), SessionSeq(1), &mut record);
        let mut bytes = record.as_bytes().to_vec();
        let len = bytes.len();
        bytes[at % len] = to;
        let _ = Command::decode(&bytes);
        let mut buffer = EventBuffer::default();
        let all = events();
        buffer.push(&stamp(), &all[which % all.len()]);
        let mut bytes = buffer.as_bytes().to_vec();
        let len = bytes.len();
        bytes[at % len] = to;
        let _ = Event::decode(&bytes);
    }
}

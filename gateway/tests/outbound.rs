//! What the exchange writes is a message that a client's engine takes: framed, and sound by the dictionary.

use proptest::prelude::*;
use rialto_gateway::decimal::Scale;
use rialto_gateway::fix::dictionary::Speaker;
use rialto_gateway::fix::encode::{self, Header};
use rialto_gateway::fix::frame::{Framed, Framer};
use rialto_gateway::fix::validate::{Checks, UserDefined, Wire, outbound};
use rialto_gateway::fix::{dictionary, tag};
use rialto_gateway::line;
use rialto_gateway::write::{Average, FieldWriter};

const NOON_NS: u64 = 1_772_366_400_123_000_000;

fn header(msg_type: &str) -> Header<'_> {
    Header {
        msg_type: msg_type.as_bytes(),
        sender: b"RIALTO",
        target: b"ALPHA1",
        number: 8,
        sending_time_ns: NOON_NS,
        first_sent_ns: None,
    }
}

fn tick() -> Scale {
    Scale::new(1, 2).expect("a positive unit")
}

fn lot() -> Scale {
    Scale::new(1, 0).expect("a positive unit")
}

fn execution_report(fields: &mut FieldWriter<'_>) {
    fields.unsigned(tag::ORDER_ID, 1);
    fields.text(tag::CL_ORD_ID, b"a1");
    fields.unsigned(tag::EXEC_ID, 17);
    fields.char(tag::EXEC_TYPE, b'F');
    fields.char(tag::ORD_STATUS, b'1');
    fields.text(tag::ACCOUNT, b"A1");
    fields.text(tag::SYMBOL, b"ACME");
    fields.char(tag::SIDE, b'1');
    fields.decimal(tag::ORDER_QTY, 100, lot());
    fields.char(tag::ORD_TYPE, b'2');
    fields.decimal(tag::PRICE, 1025, tick());
    fields.char(tag::TIME_IN_FORCE, b'0');
    fields.decimal(tag::LAST_QTY, 40, lot());
    fields.decimal(tag::LAST_PX, 1025, tick());
    fields.decimal(tag::LEAVES_QTY, 60, lot());
    fields.decimal(tag::CUM_QTY, 40, lot());
    fields.average(tag::AVG_PX, Average { notional: 41_000, quantity: 40 }, tick());
    fields.time(tag::TRANSACT_TIME, NOON_NS);
    fields.unsigned(tag::SECONDARY_EXEC_ID, 3);
    fields.unsigned(tag::LAST_LIQUIDITY_IND, 1);
}

/// A body for each message type that the exchange sends.
fn body(msg_type: &str, fields: &mut FieldWriter<'_>) {
    match msg_type {
        "0" | "5" => {}
        "A" => {
            fields.unsigned(tag::ENCRYPT_METHOD, 0);
            fields.unsigned(tag::HEART_BT_INT, 30);
        }
        "1" => fields.text(tag::TEST_REQ_ID, b"t1"),
        "2" => {
            fields.unsigned(tag::BEGIN_SEQ_NO, 3);
            fields.unsigned(tag::END_SEQ_NO, 0);
        }
        "3" => {
            fields.unsigned(tag::REF_SEQ_NUM, 5);
            fields.int(tag::REF_TAG_ID, -1);
            fields.text(tag::REF_MSG_TYPE, b"D");
            fields.unsigned(tag::SESSION_REJECT_REASON, 0);
            fields.text(tag::TEXT, b"Invalid tag number");
        }
        "4" => {
            fields.unsigned(tag::NEW_SEQ_NO, 9);
            fields.yes_no(tag::GAP_FILL_FLAG, true);
        }
        "8" => execution_report(fields),
        "9" => cancel_reject(fields),
        "j" => {
            fields.text(tag::REF_MSG_TYPE, b"B");
            fields.unsigned(tag::BUSINESS_REJECT_REASON, 3);
        }
        "r" => {
            fields.unsigned(tag::ORDER_ID, 4);
            fields.char(tag::MASS_CANCEL_REQUEST_TYPE, b'7');
            fields.char(tag::MASS_CANCEL_RESPONSE, b'7');
            fields.unsigned(tag::NO_AFFECTED_ORDERS, 2);
            for order in [b"a1", b"a2"] {
                fields.text(tag::ORIG_CL_ORD_ID, order);
                fields.unsigned(tag::AFFECTED_ORDER_ID, 5);
            }
        }
        "AE" => trade_capture(fields),
        _ => market(msg_type, fields),
    }
}

fn cancel_reject(fields: &mut FieldWriter<'_>) {
    fields.bytes(tag::ORDER_ID, b"NONE");
    fields.text(tag::CL_ORD_ID, b"c1");
    fields.text(tag::ORIG_CL_ORD_ID, b"zz");
    fields.char(tag::ORD_STATUS, b'8');
    fields.char(tag::CXL_REJ_RESPONSE_TO, b'1');
    fields.unsigned(tag::CXL_REJ_REASON, 1);
}

fn trade_capture(fields: &mut FieldWriter<'_>) {
    fields.text(tag::TRADE_REPORT_ID, b"t1");
    fields.yes_no(tag::PREVIOUSLY_REPORTED, false);
    fields.text(tag::SYMBOL, b"ACME");
    fields.decimal(tag::LAST_QTY, 40, lot());
    fields.decimal(tag::LAST_PX, 1025, tick());
    fields.date(tag::TRADE_DATE, NOON_NS);
    fields.time(tag::TRANSACT_TIME, NOON_NS);
    fields.unsigned(tag::NO_SIDES, 2);
    for side in [b'1', b'2'] {
        fields.char(tag::SIDE, side);
        fields.unsigned(tag::ORDER_ID, 5);
        fields.unsigned(tag::NO_PARTY_IDS, 1);
        fields.text(tag::PARTY_ID, b"ALPHA");
        fields.char(tag::PARTY_ID_SOURCE, b'D');
        fields.unsigned(tag::PARTY_ROLE, 1);
    }
}

fn market(msg_type: &str, fields: &mut FieldWriter<'_>) {
    match msg_type {
        "y" => {
            fields.text(tag::SECURITY_REQ_ID, b"r");
            fields.text(tag::SECURITY_RESPONSE_ID, b"s");
            fields.unsigned(tag::SECURITY_REQUEST_RESULT, 0);
            fields.unsigned(tag::NO_RELATED_SYM, 20);
            for _ in 0..20 {
                fields.text(tag::SYMBOL, b"ACME");
                fields.decimal(tag::ROUND_LOT, 100, lot());
            }
        }
        "f" => {
            fields.text(tag::SYMBOL, b"ACME");
            fields.unsigned(tag::SECURITY_TRADING_STATUS, 17);
        }
        "h" => {
            fields.text(tag::TRADING_SESSION_ID, b"DAY");
            fields.unsigned(tag::TRAD_SES_STATUS, 2);
        }
        "W" => {
            fields.text(tag::SYMBOL, b"ACME");
            fields.unsigned(tag::NO_MD_ENTRIES, 2);
            for side in *b"01" {
                fields.char(tag::MD_ENTRY_TYPE, side);
                fields.decimal(tag::MD_ENTRY_PX, 1025, tick());
                fields.decimal(tag::MD_ENTRY_SIZE, 5, lot());
                fields.unsigned(tag::MD_ENTRY_POSITION_NO, 1);
            }
        }
        "X" => {
            fields.unsigned(tag::NO_MD_ENTRIES, 2);
            for action in *b"02" {
                fields.char(tag::MD_UPDATE_ACTION, action);
                fields.char(tag::MD_ENTRY_TYPE, b'0');
                fields.text(tag::SYMBOL, b"ACME");
                fields.decimal(tag::MD_ENTRY_PX, 1025, tick());
            }
        }
        "Y" => fields.text(tag::MD_REQ_ID, b"r"),
        _ => panic!("no body for {msg_type}"),
    }
}

#[test]
fn every_message_that_is_sent_is_sound_by_the_dictionary() {
    let checks = Checks { wire: Wire::Fix, user_defined: UserDefined::Refused };
    let sent = ["0", "1", "2", "3", "4", "5", "A", "8", "9", "r", "j", "y", "f", "h", "W", "X", "Y", "AE"];
    for rule in dictionary::ALL {
        assert!(
            rule.speaker != Speaker::Exchange || sent.contains(&rule.msg_type),
            "{} is not tested",
            rule.msg_type
        );
    }
    for (msg_type, first_sent_ns) in sent.iter().flat_map(|sent| [(*sent, None), (*sent, Some(NOON_NS - 1))])
    {
        let mut out = Vec::new();
        encode::message(&mut out, &Header { first_sent_ns, ..header(msg_type) }, |fields| {
            body(msg_type, fields);
        });
        let mut framer = Framer::default();
        let Framed::Message { message, used } = framer.next(&out) else { panic!("{msg_type} is garbled") };
        assert_eq!(used, out.len());
        assert_eq!(outbound(&message, checks).unwrap().msg_type, msg_type);
        assert_eq!(message.says_yes(tag::POSS_DUP_FLAG), first_sent_ns.is_some());
    }
}

#[test]
fn a_field_that_a_message_cannot_have_would_be_found() {
    let checks = Checks { wire: Wire::Fix, user_defined: UserDefined::Refused };
    for (planted, field) in [(tag::TRD_MATCH_ID, b"x"), (83, b"1"), (969, b"1")] {
        let mut out = Vec::new();
        encode::message(&mut out, &header("8"), |fields| {
            execution_report(fields);
            fields.bytes(planted, field);
        });
        let mut framer = Framer::default();
        let Framed::Message { message, .. } = framer.next(&out) else { panic!("garbled") };
        assert!(outbound(&message, checks).is_err(), "{planted} is no field of an ExecutionReport");
    }
}

#[test]
fn a_line_says_the_same_as_the_fix_message() {
    let mut out = Vec::new();
    line::encode::message(&mut out, &header("8"), execution_report);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "35=8|34=8|37=1|11=a1|17=17|150=F|39=1|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|59=0|32=40|31=10.25|151=60|\
         14=40|6=10.25|60=20260301-12:00:00.123|527=3|851=1\n"
    );
}

#[test]
fn entries_of_a_group_are_read_one_by_one() {
    let mut out = Vec::new();
    encode::message(&mut out, &header("AE"), |fields| body("AE", fields));
    let mut framer = Framer::default();
    let Framed::Message { message, .. } = framer.next(&out) else { panic!("garbled") };
    let sides = dictionary::message(b"AE").and_then(|rule| rule.group(tag::NO_SIDES)).unwrap();
    let entries: Vec<_> = message.entries(sides).collect();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].get(tag::SIDE), Some(&b"1"[..]));
    assert_eq!(entries[1].get(tag::SIDE), Some(&b"2"[..]));
    assert_eq!(entries[1].get(tag::PARTY_ID), Some(&b"ALPHA"[..]));
    assert_eq!(entries[1].get(tag::CHECK_SUM), None);
}

proptest! {
    #[test]
    fn whatever_is_written_comes_back(
        text in proptest::collection::vec(any::<u8>(), 1..40),
        units in any::<i64>(),
        whole in any::<u64>(),
        number in any::<u32>(),
    ) {
        let mut out = b"an earlier message".to_vec();
        let earlier = out.len();
        encode::message(&mut out, &Header { number, ..header("5") }, |fields| {
            fields.text(tag::TEXT, &text);
            fields.decimal(tag::PRICE, units, tick());
            fields.unsigned(tag::EXEC_ID, whole);
        });
        let mut framer = Framer::default();
        let Framed::Message { message, .. } = framer.next(&out[earlier..]) else { panic!("garbled") };
        prop_assert_eq!(message.unsigned(tag::MSG_SEQ_NUM), Some(number));
        prop_assert_eq!(message.get(tag::TEXT).unwrap().len(), text.len());
        let price = message.get(tag::PRICE).unwrap();
        prop_assert_eq!(tick().parse(price).ok(), (units >= 0).then_some(units));
        let expected = whole.to_string();
        prop_assert_eq!(message.get(tag::EXEC_ID), Some(expected.as_bytes()));
    }
}

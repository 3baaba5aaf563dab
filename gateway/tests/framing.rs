//! How bytes become messages: whatever TCP does to the stream, and whatever a client puts into it.

use proptest::prelude::*;
use rialto_gateway::fix::frame::{Framed, Framer};
use rialto_gateway::fix::tag;
use rialto_gateway::line::decode::{Line, Malformed, Reader};

/// A whole message of a body written with `|` for SOH.
fn fix(body: &str) -> Vec<u8> {
    framed("FIX.4.4", body.replace('|', "\x01").as_bytes())
}

fn framed(begin_string: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("8={begin_string}\x019={}\x01", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256;
    bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    bytes
}

fn heartbeat(number: u32) -> Vec<u8> {
    fix(&format!("35=0|34={number}|49=TW|52=20260301-00:00:00|56=ISLD|"))
}

/// What a stream holds: the MsgSeqNum of each message, `!` and why for each run of skipped bytes.
#[derive(Default)]
struct Stream {
    framer: Framer,
    buffer: Vec<u8>,
    found: Vec<String>,
    dropped: usize,
}

impl Stream {
    fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        loop {
            let used = match self.framer.next(&self.buffer) {
                Framed::Partial => break,
                Framed::Garbled { used, why } => {
                    assert!(used > 0);
                    self.dropped += used;
                    self.found.push(format!("!{why:?}"));
                    used
                }
                Framed::Message { message, used } => {
                    let number = message.unsigned(tag::MSG_SEQ_NUM);
                    self.found.push(number.map_or("-".to_owned(), |number| number.to_string()));
                    used
                }
            };
            self.buffer.drain(..used);
        }
    }
}

fn check(parts: &[&[u8]], expected: &[&str]) {
    let mut stream = Stream::default();
    stream.receive(&parts.concat());
    assert_eq!(stream.found, expected, "in one read");
    let mut stream = Stream::default();
    for byte in parts.concat() {
        stream.receive(&[byte]);
    }
    // The rest of a garbled message comes too late to be dropped with it.
    let garbled = |found: &str| found.starts_with('!');
    stream.found.dedup_by(|later, earlier| later == "!NoMessage" && garbled(earlier));
    assert_eq!(stream.found, expected, "one byte at a time");
}

#[test]
fn messages_are_found_however_the_stream_is_cut() {
    check(&[&heartbeat(1)], &["1"]);
    check(&[&heartbeat(1), &heartbeat(2), &heartbeat(3)], &["1", "2", "3"]);
    let two = [heartbeat(1), heartbeat(2)].concat();
    for cut in 0..=two.len() {
        let mut stream = Stream::default();
        stream.receive(&two[..cut]);
        stream.receive(&two[cut..]);
        assert_eq!(stream.found, ["1", "2"], "cut at {cut}");
    }
}

#[test]
fn a_message_cut_short_is_waited_for_at_every_point() {
    let whole = heartbeat(1);
    for cut in 0..whole.len() {
        let mut framer = Framer::default();
        assert!(matches!(framer.next(&whole[..cut]), Framed::Partial), "cut at {cut}");
    }
}

#[test]
fn a_garbled_message_is_skipped_and_the_next_one_found() {
    let good = heartbeat(2);
    for (garbled, why) in [
        ("8=FIX.4.4|35=0|34=1|9=10|10=000|", "!Opening"),
        ("8=FIX.4.4|9=12|34=1|35=0|49=A|10=000|", "!Opening"),
        ("8=FIX.4.4.4.4.4.4.4|9=5|35=0|10=000|", "!Opening"),
        ("8=FIX.4.4|9=|35=0|10=000|", "!BodyLength"),
        ("8=FIX.4.4|9=-5|35=0|10=000|", "!BodyLength"),
        ("8=FIX.4.4|9=+5|35=0|10=000|", "!BodyLength"),
        ("8=FIX.4.4|9=5x|35=0|10=000|", "!BodyLength"),
        ("8=FIX.4.4|9=000005|35=0|10=000|", "!BodyLength"),
        ("8=FIX.4.4|9=99999999|35=0|10=000|", "!BodyLength"),
        ("8=FIX.4.4|9=99999|35=0|10=000|", "!TooLong"),
        ("8=FIX.4.4|9=0|35=0|10=000|", "!BodyLength"),
        ("8=FIX.4.4|9=4|35=0|10=161|", "!BodyLength"),
        ("8=FIX.4.4|9=6|35=0|10=163|", "!BodyLength"),
        ("8=FIX.4.4|9=5|35=0|10=1|", "!BodyLength"),
        ("8=FIX.4.4|9=5|35=0|10=256|", "!CheckSum"),
        ("8=FIX.4.4|9=5|35=0|10=abc|", "!CheckSum"),
        ("8=FIX.4.4|9=5|35=0|10=000|", "!CheckSum"),
        ("hello world|", "!NoMessage"),
        ("GET / HTTP/1.1\r\n\r\n", "!NoMessage"),
        ("8=8=8=FI", "!NoMessage"),
    ] {
        check(&[garbled.replace('|', "\x01").as_bytes(), &good], &[why, "2"]);
    }
}

#[test]
fn a_field_that_is_not_a_number_and_a_value_garbles_its_message() {
    for body in [
        "35=0|garbled9=TW|",
        "35=0|34|",
        "35=0|=x|",
        "35=0||",
        "35=0|1234567890=x|",
        "35=0|+1=x|",
        "35=0| 34=1|",
    ] {
        check(&[&fix(body), &heartbeat(2)], &["!Field", "2"]);
    }
}

#[test]
fn a_body_length_that_is_too_short_loses_only_its_own_message() {
    let short = String::from_utf8(heartbeat(1)).unwrap().replace("\x019=45\x01", "\x019=30\x01");
    check(&[short.as_bytes(), &heartbeat(2)], &["!BodyLength", "2"]);
}

#[test]
fn a_body_length_that_reaches_into_the_next_message_takes_that_one_along() {
    let long = String::from_utf8(heartbeat(1)).unwrap().replace("\x019=45\x01", "\x019=60\x01");
    check(&[long.as_bytes(), &heartbeat(2), &heartbeat(3)], &["!BodyLength", "3"]);
}

#[test]
fn tags_that_no_dictionary_has_are_still_fields() {
    for tag in ["0", "-1", "999", "5000", "99999", "123456789"] {
        let bytes = fix(&format!("35=0|34=1|{tag}=HI|"));
        let mut framer = Framer::default();
        let Framed::Message { message, .. } = framer.next(&bytes) else { panic!("{tag} garbles") };
        assert_eq!(message.tag(message.len() - 2).to_string(), tag);
    }
}

#[test]
fn data_may_hold_soh_where_their_length_says_so() {
    let bytes = fix("35=A|34=1|95=9|96=a|10=000||98=0|");
    let mut framer = Framer::default();
    let Framed::Message { message, used } = framer.next(&bytes) else { panic!("garbled") };
    assert_eq!(used, bytes.len());
    assert_eq!(message.get(tag::RAW_DATA), Some(&b"a\x0110=000\x01"[..]));
    assert_eq!(message.get(tag::ENCRYPT_METHOD), Some(&b"0"[..]));
    check(&[&fix("35=A|34=1|95=8|96=a|10=000||98=0|"), &heartbeat(2)], &["!Field", "2"]);
    check(&[&fix("35=A|34=1|95=4000000000|96=a|98=0|"), &heartbeat(2)], &["!Field", "2"]);
}

#[test]
fn messages_longer_than_allowed_are_not_waited_for() {
    let body = |msg_type: &str, length: usize| format!("35={msg_type}|34=1|58={}|", "x".repeat(length - 14));
    check(&[&fix(&body("0", 4096))], &["1"]);
    check(&[&fix(&body("0", 4097)), &heartbeat(2)], &["!TooLong", "2"]);
    check(&[&fix(&body("A", 8192))], &["1"]);
    check(&[&fix(&body("A", 8193)), &heartbeat(2)], &["!TooLong", "2"]);
    check(&[&fix(&format!("35=0|34=1|{}", "1=x|".repeat(251)))], &["1"]);
    check(&[&fix(&format!("35=0|34=1|{}", "1=x|".repeat(252))), &heartbeat(2)], &["!TooManyFields", "2"]);
}

#[test]
fn ten_megabytes_in_one_message_are_dropped_as_they_come() {
    let huge = fix(&format!("35=0|34=1|58={}|", "x".repeat(10_000_000)));
    let mut stream = Stream::default();
    for read in huge.chunks(16 * 1024) {
        stream.receive(read);
        assert!(stream.buffer.len() < 8);
    }
    stream.receive(&heartbeat(2));
    assert_eq!(stream.dropped, huge.len());
    assert_eq!(stream.found.last().unwrap(), "2");
}

#[test]
fn another_begin_string_is_for_the_session_to_refuse() {
    for begin_string in ["FIX.4.1", "FIX.3.9", "FIXT.1.1", "FIX"] {
        let bytes = framed(begin_string, b"35=0\x0134=1\x01");
        let mut framer = Framer::default();
        let Framed::Message { message, .. } = framer.next(&bytes) else { panic!("{begin_string} garbles") };
        assert_eq!(message.get(tag::BEGIN_STRING), Some(begin_string.as_bytes()));
    }
}

#[test]
fn a_table_used_again_remembers_nothing() {
    let (first, second) = (fix("35=D|34=1|11=a|448=x|"), fix("35=0|34=2|"));
    let mut framer = Framer::default();
    assert!(matches!(framer.next(&first), Framed::Message { .. }));
    let Framed::Message { message, .. } = framer.next(&second) else { panic!("garbled") };
    assert_eq!((message.get(11), message.get(448), message.get(34)), (None, None, Some(&b"2"[..])));
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::default();
    let (mut at, mut found) = (0, Vec::new());
    loop {
        let used = match reader.next(&bytes[at..]) {
            Line::Partial => return found,
            Line::Skipped { used } => used,
            Line::Malformed { used, why } => {
                found.push(format!("!{why:?}"));
                used
            }
            Line::Message { message, used } => {
                let fields = message.fields().map(|(tag, value)| format!("{tag}={}", value.escape_ascii()));
                found.push(fields.collect::<Vec<_>>().join(" "));
                used
            }
        };
        assert!(used > 0);
        at += used;
    }
}

#[test]
fn a_line_is_a_message_with_either_ending() {
    assert_eq!(lines(b"35=D|11=a1|55=ACME\n"), ["35=D 11=a1 55=ACME"]);
    assert_eq!(lines(b"35=D|11=a1\r\n\r\n\n35=0|\n35=1|112=x"), ["35=D 11=a1", "35=0"]);
    assert_eq!(lines(b"35=D|11=|58=a=b\x01c\n"), ["35=D 11= 58=a=b\\x01c"]);
}

#[test]
fn a_line_that_is_no_message_is_told_apart() {
    assert_eq!(lines(b"hello\n35=0\n"), ["!NoMsgType", "35=0"]);
    for line in ["35=D|x\n", "35=D||11=a\n", "35=D|11\n", "35=D|a=b\n"] {
        assert_eq!(lines(line.as_bytes()), ["!Field"], "{line}");
    }
    assert_eq!(lines(format!("35=0{}\n", "|1=x".repeat(256)).as_bytes()), ["!TooManyFields"]);
    assert_eq!(Malformed::NoMsgType.to_string(), "a line starts with 35=");
}

#[test]
fn a_line_too_long_is_answered_once_and_dropped_to_its_end() {
    let line = |length: usize| format!("35=0|58={}", "x".repeat(length - 8));
    assert_eq!(lines(format!("{}\r\n", line(4096)).as_bytes()).len(), 1);
    for length in [4097, 4098, 4099, 9000] {
        assert_eq!(lines(format!("{}\n35=0\n", line(length)).as_bytes()), ["!TooLong", "35=0"], "{length}");
    }
    let mut reader = Reader::default();
    let mut answers = 0;
    let huge = line(10_000_000);
    for read in huge.as_bytes().chunks(16 * 1024) {
        match reader.next(read) {
            Line::Malformed { used, why: Malformed::TooLong } if used == read.len() => answers += 1,
            Line::Skipped { used } if used == read.len() => {}
            other
            @ (Line::Partial | Line::Skipped { .. } | Line::Malformed { .. } | Line::Message { .. }) => {
                panic!("{other:?}")
            }
        }
    }
    assert_eq!(answers, 1);
    assert!(matches!(reader.next(b"xx\n35=0\n"), Line::Skipped { used: 3 }));
    assert!(matches!(reader.next(b"35=0\n"), Line::Message { used: 5, .. }));
}

/// Bytes that look like FIX more often than chance would have it.
fn nearly_fix() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"8=FIX.4.4\x01".to_vec()),
        Just(b"9=5\x01".to_vec()),
        Just(b"35=0\x01".to_vec()),
        Just(b"10=161\x01".to_vec()),
        Just(b"95=3\x0196=\x01\x01\x01\x01".to_vec()),
        Just(heartbeat(1)),
        "[0-9]{1,6}=[ -~]{0,6}\x01".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_stream_ends_and_gives_the_same_however_it_is_cut(bytes in nearly_fix(), cut in any::<prop::sample::Index>()) {
        let mut whole = Stream::default();
        whole.receive(&bytes);
        let mut parts = Stream::default();
        let cut = cut.index(bytes.len() + 1);
        parts.receive(&bytes[..cut]);
        parts.receive(&bytes[cut..]);
        let messages = |stream: &Stream| {
            stream.found.iter().filter(|found| !found.starts_with('!')).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(messages(&whole), messages(&parts));
        prop_assert_eq!(whole.dropped, parts.dropped);
    }

    #[test]
    fn any_bytes_are_lines_or_answered(bytes in nearly_fix()) {
        let text = bytes.iter().map(|byte| if *byte == 1 { b'|' } else { *byte }).collect::<Vec<_>>();
        lines(&text);
        lines(&bytes);
    }

    #[test]
    fn one_changed_byte_never_passes_unseen(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = heartbeat(1);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut framer = Framer::default();
        let message = matches!(framer.next(&bytes), Framed::Message { .. });
        prop_assert!(!message, "byte {} bit {}", at, bit);
    }
}

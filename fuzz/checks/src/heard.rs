//! What one connection was told, held against what FIX and line mode promise of it, by a reader that shares no code
//! with the writer.

use rialto_gateway::fix::frame::{Framed, Framer};
use rialto_gateway::fix::validate::{Checks, UserDefined, Wire, outbound};

/// A connection's ear.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Bytes of a message that is not whole.
    rest: Vec<u8>,
    /// Number of the last new message on this connection; 0 = none yet.
    pub(crate) last: u32,
    /// The first number that was asked for last.
    asked_from: u32,
    /// Nothing may come any more.
    closed: bool,
}

/// What a session was told on all connections.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Number of the last new message.
    pub(crate) last: u32,
    /// An operator has let its numbers begin anew.
    pub(crate) reset: bool,
}

/// One message, as far as the rules of numbers go.
#[derive(Debug, Default)]
pub(crate) struct Told {
    msg_type: Vec<u8>,
    number: u32,
    again: bool,
    reset: bool,
    /// 7 of a `ResendRequest`, 36 of a `SequenceReset`.
    named: u32,
    first_sent: bool,
}

impl Heard {
    /// Takes what was written to the connection.
    pub(crate) fn hear(&mut self, bytes: &[u8], (comp_id, past): (&str, &mut Past)) {
        if bytes.is_empty() {
            return;
        }
        assert!(!self.closed, "something was said after the end: {}", shown(bytes));
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut left = &rest[..];
        while !left.is_empty() {
            let told =
                if left[0] == b'8' { Some(take_fix(&mut left, comp_id)) } else { take_line(&mut left) };
            if let Some(told) = told {
                self.check(&told, past);
            }
        }
    }

    /// From now on nothing may be said.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    fn check(&mut self, told: &Told, past: &mut Past) {
        assert!(told.number > 0, "a message without a number: {told:?}");
        if told.again {
            let end = if told.msg_type == b"4" { told.named.saturating_sub(1) } else { told.number };
            assert!(end >= told.number, "a gap fill that goes back: {told:?}");
            assert!(end <= self.last, "sent again before it was sent, {} was the last: {told:?}", self.last);
            return;
        }
        if told.msg_type == b"A" && told.reset {
            assert_eq!(told.number, 1, "a reset begins at 1: {told:?}");
            self.asked_from = 0;
        } else if self.last == 0 {
            let anew = told.number == 1 && std::mem::take(&mut past.reset);
            assert!(anew || told.number > past.last, "{past:?} on earlier connections: {told:?}");
        } else {
            assert_eq!(told.number, self.last + 1, "numbers go up by one: {told:?}");
        }
        if told.msg_type == b"2" {
            assert!(told.named > self.asked_from, "asked for from {} before: {told:?}", self.asked_from);
            self.asked_from = told.named;
        }
        self.last = told.number;
        past.last = told.number;
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\x01', "|")
}

/// A whole FIX message from the front; there must be one.
fn take_fix(left: &mut &[u8], comp_id: &str) -> Told {
    let bytes = *left;
    let mut framer = Framer::default();
    let Framed::Message { message, used } = framer.next(bytes) else {
        panic!("not FIX: {}", shown(bytes));
    };
    let checks = Checks { wire: Wire::Fix, user_defined: UserDefined::Refused };
    if let Err(fault) = outbound(&message, checks) {
        panic!("a stock client refuses this: {fault:?}: {}", shown(&bytes[..used]));
    }
    *left = &bytes[used..];
    let fields = framed_fields(&bytes[..used]);
    let told = told(&fields);
    assert_eq!(value(&fields, "49"), Some("RIALTO"), "{}", shown(&bytes[..used]));
    assert_eq!(value(&fields, "56"), Some(comp_id), "{}", shown(&bytes[..used]));
    assert_eq!(told.again, told.first_sent, "43 and 122 go together: {}", shown(&bytes[..used]));
    told
}

/// The fields of a message whose length and checksum are right.
fn framed_fields(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let fields: Vec<(String, String)> = text
        .split_terminator('\x01')
        .map(|field| field.split_once('=').unwrap_or_else(|| panic!("no field: {field:?} in {text}")))
        .map(|(tag, value)| (tag.to_owned(), value.to_owned()))
        .collect();
    assert!(fields.len() > 6 && fields[0] == ("8".to_owned(), "FIX.4.4".to_owned()), "{text}");
    assert!(fields[1].0 == "9" && fields[2].0 == "35", "8, 9 and 35 come first: {text}");
    let body_start = fields[0].0.len() + fields[0].1.len() + fields[1].0.len() + fields[1].1.len() + 4;
    let body = bytes.len() - 7 - body_start;
    assert_eq!(fields[1].1, body.to_string(), "BodyLength: {text}");
    let sum = bytes[..bytes.len() - 7].iter().fold(0_u32, |sum, byte| sum + u32::from(*byte)) % 256;
    let last = fields.last().expect("there are some");
    assert_eq!((last.0.as_str(), last.1.as_str()), ("10", format!("{sum:03}").as_str()), "CheckSum: {text}");
    assert!(fields.iter().all(|(_, value)| !value.is_empty()), "an empty value: {text}");
    fields
}

/// A whole line from the front; `None` if it has no number and needs none.
fn take_line(left: &mut &[u8]) -> Option<Told> {
    let bytes = *left;
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let end = end.unwrap_or_else(|| panic!("not a whole line: {}", shown(bytes)));
    *left = &bytes[end + 1..];
    let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
    if line.starts_with("! ") {
        return None;
    }
    assert!(line.starts_with("35="), "a line is a message or words: {line}");
    let fields: Vec<(String, String)> = line
        .split('|')
        .map(|field| field.split_once('=').unwrap_or_else(|| panic!("no field: {field:?} in {line}")))
        .map(|(tag, value)| (tag.to_owned(), value.to_owned()))
        .collect();
    // What was looked at, a book or a balance, is told beside the session's numbers.
    let looked = ["W", "Y", "AP", "AO"].contains(&value(&fields, "35").unwrap_or_default());
    (!looked || value(&fields, "34").is_some()).then(|| told(&fields))
}

fn value<'f>(fields: &'f [(String, String)], tag: &str) -> Option<&'f str> {
    fields.iter().find(|(found, _)| found == tag).map(|(_, value)| value.as_str())
}

fn told(fields: &[(String, String)]) -> Told {
    let msg_type = value(fields, "35").unwrap_or_default().as_bytes().to_vec();
    let number = |tag| value(fields, tag).and_then(|text| text.parse().ok()).unwrap_or(0);
    let named = match &msg_type[..] {
        b"2" => number("7"),
        b"4" => number("36"),
        _ => 0,
    };
    Told {
        msg_type,
        number: number("34"),
        again: value(fields, "43") == Some("Y"),
        reset: value(fields, "141") == Some("Y"),
        named,
        first_sent: value(fields, "122").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(body: &str) -> Vec<u8> {
        let body = format!("{body}|").replace('|', "\x01");
        let mut bytes = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
        let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256;
        bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
        bytes
    }

    fn heartbeat(number: u32) -> Vec<u8> {
        fix(&format!("35=0|49=RIALTO|56=ALPHA1|34={number}|52=20260301-00:00:00.001"))
    }

    fn again(number: u32, next: u32) -> Vec<u8> {
        fix(&format!(
            "35=4|49=RIALTO|56=ALPHA1|34={number}|43=Y|52=20260301-00:00:00|122=20260301-00:00:00|36={next}|123=Y"
        ))
    }

    fn ask(number: u32, from: u32) -> Vec<u8> {
        fix(&format!("35=2|49=RIALTO|56=ALPHA1|34={number}|52=20260301-00:00:00.001|7={from}|16=0"))
    }

    fn holds(messages: &[Vec<u8>]) -> bool {
        let heard = || {
            let (mut heard, mut past) = (Heard::default(), Past::default());
            for message in messages {
                heard.hear(message, ("ALPHA1", &mut past));
            }
        };
        std::panic::catch_unwind(heard).is_ok()
    }

    #[test]
    fn an_ear_takes_what_is_right_and_nothing_else() {
        assert!(holds(&[heartbeat(4), heartbeat(5), again(1, 6), ask(6, 3), ask(7, 5)]));
        let mut wrong_sum = heartbeat(1);
        let place = wrong_sum.len() - 20;
        wrong_sum[place] ^= 1;
        for wrong in [
            vec![wrong_sum],
            vec![heartbeat(1)[..40].to_vec()],
            vec![heartbeat(4), heartbeat(6)],
            vec![heartbeat(4), heartbeat(4)],
            vec![heartbeat(4), again(1, 7)],
            vec![heartbeat(4), again(3, 3)],
            vec![ask(1, 3), ask(2, 3)],
            vec![fix("35=0|49=RIALTO|56=BETA1|34=1|52=20260301-00:00:00.001")],
            vec![fix("35=0|49=RIALTO|56=ALPHA1|34=1|52=20260301-00:00:00.001|55=X")],
            vec![b"35=0|34=1\n".to_vec(), b"35=0|34=3\n".to_vec()],
            vec![b"35=0|34=1".to_vec()],
            vec![b"hello\n".to_vec()],
        ] {
            assert!(!holds(&wrong), "{}", shown(&wrong.concat()));
        }
    }

    #[test]
    fn nothing_is_said_after_the_end() {
        let said = std::panic::catch_unwind(|| {
            let (mut heard, mut past) = (Heard::default(), Past::default());
            heard.hear(&heartbeat(1), ("ALPHA1", &mut past));
            heard.close();
            heard.hear(&heartbeat(2), ("ALPHA1", &mut past));
        });
        assert!(said.is_err());
    }
}

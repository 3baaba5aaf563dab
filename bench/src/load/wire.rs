//! The two ways in which a member can speak: a line for each message, or FIX 4.4 with its session layer. What is said is
//! written as a line once and for all; FIX wraps its fields.

use std::time::{SystemTime, UNIX_EPOCH};

use rialto_gateway::fix::encode::{self, Header};
use rialto_gateway::fix::frame::{Framed, Framer};

/// Separates fields in FIX.
const SOH: u8 = 1;
const TRANSACT_TIME: u16 = 60;
const HEARTBEAT_S: u64 = 30;

/// How a member speaks.
#[derive(Debug)]
pub(super) enum Wire {
    /// `35=D|11=a1|…` and a line feed.
    Line,
    /// FIX 4.4.
    Fix(Box<Fix>),
}

/// A member's side of a FIX session that was reset at its log-on.
#[derive(Debug)]
pub(super) struct Fix {
    framer: Framer,
    sender: String,
    target: String,
    /// Of the next message.
    number: u32,
}

/// What one message says, as far as a load cares.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    pub(super) kind: &'a [u8],
    pub(super) cl_ord_id: &'a [u8],
    pub(super) original: &'a [u8],
    pub(super) exec_type: &'a [u8],
    pub(super) leaves: &'a [u8],
    pub(super) liquidity: &'a [u8],
    pub(super) request: &'a [u8],
    pub(super) number: Option<u64>,
    /// 36, of a gap fill.
    pub(super) new_number: Option<u64>,
    /// 7, of a resend request.
    pub(super) from: Option<u64>,
    /// All of it.
    pub(super) bytes: &'a [u8],
}

impl<'a> Report<'a> {
    fn of(bytes: &'a [u8], fields: impl Iterator<Item = (i32, &'a [u8])>) -> Report<'a> {
        let mut report = Report { bytes, ..Report::default() };
        for (tag, value) in fields {
            match tag {
                35 => report.kind = value,
                11 => report.cl_ord_id = value,
                41 => report.original = value,
                150 => report.exec_type = value,
                151 => report.leaves = value,
                851 => report.liquidity = value,
                112 => report.request = value,
                34 => report.number = whole(value),
                36 => report.new_number = whole(value),
                7 => report.from = whole(value),
                _ => {}
            }
        }
        report
    }

    /// All of it, for a person.
    pub(super) fn words(&self) -> String {
        String::from_utf8_lossy(self.bytes).replace(char::from(SOH), "|")
    }
}

impl Wire {
    /// FIX from `sender` to `target`.
    pub(super) fn fix(sender: &str, target: &str) -> Wire {
        let (sender, target) = (sender.to_owned(), target.to_owned());
        Wire::Fix(Box::new(Fix { framer: Framer::default(), sender, target, number: 1 }))
    }

    /// The log-on as a line's fields: the first, or one that goes on and has everything from `next` on sent again.
    pub(super) fn log_on(&mut self, user: &str, password: &str, next: Option<u64>) -> String {
        if let (Wire::Fix(fix), None) = (&mut *self, next) {
            // A reset begins at 1, whoever heard of it before.
            fix.number = 1;
        }
        let words = match &*self {
            Wire::Line => "35=A".to_owned(),
            Wire::Fix(_) => format!("35=A|98=0|108={HEARTBEAT_S}"),
        };
        let from = match (&*self, next) {
            (_, Some(next)) => format!("|789={next}"),
            (Wire::Line, None) => String::new(),
            (Wire::Fix(_), None) => "|141=Y".to_owned(),
        };
        format!("{words}{from}|553={user}|554={password}")
    }

    /// The number that the next message has in FIX; 0 in line mode, which needs none.
    pub(super) fn number(&self) -> u32 {
        match self {
            Wire::Line => 0,
            Wire::Fix(fix) => fix.number,
        }
    }

    /// Appends a message that was said before, marked so, under the number that it had.
    pub(super) fn say_again(&mut self, line: &[u8], number: u32, out: &mut Vec<u8>) {
        match self {
            Wire::Line => {
                out.extend_from_slice(line);
                out.extend_from_slice(b"|43=Y\n");
            }
            Wire::Fix(fix) => fix.frame(line, (number, true), out),
        }
    }

    /// Appends that nothing is said again from one number to before another.
    pub(super) fn fill(&mut self, (from, to): (u32, u32), out: &mut Vec<u8>) {
        if let Wire::Fix(fix) = self
            && from < to
        {
            fix.frame(format!("35=4|123=Y|36={to}").as_bytes(), (from, true), out);
        }
    }

    /// Appends a message that was written as a line without its end.
    pub(super) fn say(&mut self, line: &[u8], out: &mut Vec<u8>) {
        match self {
            Wire::Line => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            Wire::Fix(fix) => fix.say(line, out),
        }
    }

    /// The next whole message at the front of `bytes`, and how many bytes are done with; `None`: not yet one. In FIX,
    /// what is garbled is passed over.
    pub(super) fn next<'b>(&'b mut self, bytes: &'b [u8]) -> Option<(Report<'b>, usize)> {
        match self {
            Wire::Line => {
                let length = bytes.iter().position(|byte| *byte == b'\n')?;
                let line = &bytes[..length];
                let fields = line.split(|byte| *byte == b'|').filter_map(field);
                Some((Report::of(line, fields.map(|(tag, value)| (i32::from(tag), value))), length + 1))
            }
            Wire::Fix(fix) => fix.next(bytes),
        }
    }
}

impl Fix {
    fn next<'b>(&'b mut self, bytes: &'b [u8]) -> Option<(Report<'b>, usize)> {
        let mut at = 0;
        while let Some(used) = garbled(&mut self.framer, &bytes[at..]) {
            at += used;
        }
        match self.framer.next(&bytes[at..]) {
            Framed::Message { message, used } => {
                Some((Report::of(message.bytes(), message.fields()), at + used))
            }
            Framed::Partial | Framed::Garbled { .. } => None,
        }
    }

    fn say(&mut self, line: &[u8], out: &mut Vec<u8>) {
        self.frame(line, (self.number, false), out);
        self.number += 1;
    }

    fn frame(&self, line: &[u8], (number, again): (u32, bool), out: &mut Vec<u8>) {
        let mut fields = line.split(|byte| *byte == b'|').filter_map(field);
        let (_, msg_type) = fields.next().expect("a line begins with its type");
        let now_ns = now_ns();
        let header = Header {
            msg_type,
            sender: self.sender.as_bytes(),
            target: self.target.as_bytes(),
            number,
            sending_time_ns: now_ns,
            first_sent_ns: again.then_some(now_ns),
        };
        encode::message(out, &header, |writer| {
            for (tag, value) in fields {
                writer.text(tag, value);
            }
            if matches!(msg_type, b"D" | b"F") {
                writer.time(TRANSACT_TIME, now_ns);
            }
        });
    }
}

/// Bytes at the front that are no message.
fn garbled(framer: &mut Framer, bytes: &[u8]) -> Option<usize> {
    match framer.next(bytes) {
        Framed::Garbled { used, .. } => Some(used),
        Framed::Partial | Framed::Message { .. } => None,
    }
}

fn field(text: &[u8]) -> Option<(u16, &[u8])> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let tag = std::str::from_utf8(&text[..equals]).ok()?.parse().ok()?;
    Some((tag, &text[equals + 1..]))
}

fn whole(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_wrapped_into_fix_and_found_again() {
        let mut wire = Wire::fix("A", "RIALTO");
        let mut out = b"noise".to_vec();
        wire.say(b"35=D|11=x.1|55=ACME|54=1|38=7|40=2|44=10.5", &mut out);
        wire.say(b"35=0", &mut out);
        let (first, used) = wire.next(&out).unwrap();
        let text = first.words();
        assert!(text.starts_with("8=FIX.4.4|9=") && text.contains("|35=D|49=A|56=RIALTO|34=1|52="), "{text}");
        assert!(text.contains("|11=x.1|55=ACME|54=1|38=7|40=2|44=10.5|60="), "{text}");
        assert_eq!((first.kind, first.cl_ord_id), (&b"D"[..], &b"x.1"[..]));
        assert!(wire.next(&out[used..]).unwrap().0.words().contains("|34=2|"));
        assert!(wire.next(&out[..used - 1]).is_none());
    }

    #[test]
    fn a_report_is_read_by_its_tags() {
        let mut wire = Wire::Line;
        let (report, used) = wire.next(b"35=8|34=8|37=1|11=x.1|150=F|151=0|851=2\n35=0").unwrap();
        assert_eq!((report.kind, report.cl_ord_id, report.exec_type), (&b"8"[..], &b"x.1"[..], &b"F"[..]));
        assert_eq!((report.leaves, report.liquidity, used), (&b"0"[..], &b"2"[..], 40));
    }
}

//! A client of the wire, written from the standard and not from the gateway: lines, and FIX frames by hand.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::node::PATIENCE;

/// What a line client is told without a number by a node that may not release anything.
const NOT_RELEASING: [&str; 3] = ["not primary; primary is ", "starting", "no lease"];
/// How long a node that is there may take to take a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Line,
    Fix,
}

/// A message: tags and values in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message(Vec<(u32, String)>);

impl Message {
    /// Reads `tag=value` fields between separators.
    pub(crate) fn parse(bytes: &[u8], separator: u8) -> Self {
        let field = |field: &[u8]| {
            let text = String::from_utf8_lossy(field).into_owned();
            let (tag, value) = text.split_once('=').unwrap_or_else(|| panic!("{text:?} is no field"));
            (tag.parse().unwrap_or_else(|_| panic!("{text:?} has no tag")), value.to_owned())
        };
        Self(bytes.split(|byte| *byte == separator).filter(|field| !field.is_empty()).map(field).collect())
    }

    pub(crate) fn get(&self, tag: u32) -> Option<&str> {
        self.0.iter().find(|(found, _)| *found == tag).map(|(_, value)| value.as_str())
    }

    /// A field that the message must have.
    pub(crate) fn field(&self, tag: u32) -> &str {
        self.get(tag).unwrap_or_else(|| panic!("no {tag} in {self}"))
    }

    pub(crate) fn kind(&self) -> &str {
        self.field(35)
    }

    pub(crate) fn whole(&self, tag: u32) -> u32 {
        self.field(tag).parse().unwrap_or_else(|_| panic!("{tag} is no number in {self}"))
    }

    pub(crate) fn number(&self) -> u32 {
        self.whole(34)
    }

    pub(crate) fn is_again(&self) -> bool {
        self.get(43) == Some("Y")
    }

    /// All that must be equal when it is sent again: everything but `PossDupFlag`, times of sending, length and checksum.
    pub(crate) fn lasting(&self) -> Self {
        Self(self.0.iter().filter(|(tag, _)| ![43, 52, 122, 9, 10].contains(tag)).cloned().collect())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(tag, value)| write!(f, "{tag}={value}|"))
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    inbox: Vec<u8>,
    wire: Wire,
    name: String,
}

impl Client {
    pub(crate) fn connect(address: &str, wire: Wire, name: &str) -> io::Result<Self> {
        Self::connect_within(CONNECT, address, wire, name)
    }

    /// The same with a patience of its own.
    pub(crate) fn connect_within(
        patience: Duration,
        address: &str,
        wire: Wire,
        name: &str,
    ) -> io::Result<Self> {
        let address = address.parse().map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, inbox: Vec::new(), wire, name: name.to_owned() })
    }

    /// A connection on which `name` has logged on with its first message: in FIX with a heartbeat every `beat_s` seconds,
    /// 0 = none, and with `more` fields.
    pub(crate) fn log_on(address: &str, wire: Wire, name: &str, (beat_s, more): (u32, &str)) -> Self {
        let mut client = Self::connect(address, wire, name).unwrap();
        let beat = if wire == Wire::Fix { format!("|98=0|108={beat_s}") } else { String::new() };
        client.send(&format!("35=A{beat}|553={name}|554=secret{more}"), 1, false).unwrap();
        assert_eq!(client.expect().kind(), "A");
        client
    }

    /// Sends a message written as a line; in FIX it gets its header, with this number, and its trailer. `again`: marked
    /// as sent before.
    pub(crate) fn send(&mut self, line: &str, number: u32, again: bool) -> io::Result<()> {
        let bytes = match self.wire {
            Wire::Line if again => format!("{line}|43=Y\n"),
            Wire::Line => format!("{line}\n"),
            Wire::Fix => fix_frame(line, (&self.name, number), again),
        };
        self.send_bytes(bytes.as_bytes())
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next message; `None` if none came in time. The end of the connection is an error.
    pub(crate) fn receive(&mut self, patience: Duration) -> io::Result<Option<Message>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(message) = self.next_message()? {
                return Ok(Some(message));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut bytes = [0; 16 << 10];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.inbox.extend_from_slice(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next message, which must come.
    pub(crate) fn expect(&mut self) -> Message {
        let received = self.receive(PATIENCE).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        received.unwrap_or_else(|| panic!("{}: no message in {PATIENCE:?}", self.name))
    }

    /// The next message if it is whole. That the node may not release anything is an error, in its words.
    fn next_message(&mut self) -> io::Result<Option<Message>> {
        let (end, separator) = match self.wire {
            Wire::Line => (self.inbox.iter().position(|byte| *byte == b'\n').map(|at| at + 1), b'|'),
            Wire::Fix => (fix_end(&self.inbox), 1),
        };
        let Some(end) = end else { return Ok(None) };
        let bytes: Vec<u8> = self.inbox.drain(..end).collect();
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let words = String::from_utf8_lossy(bytes);
        if let Some(words) = words.strip_prefix("! ") {
            let is_told = NOT_RELEASING.iter().any(|known| words.starts_with(known));
            assert!(is_told, "{}: ! {words}", self.name);
            return Err(io::Error::new(ErrorKind::ConnectionRefused, words));
        }
        Ok(Some(Message::parse(bytes, separator)))
    }
}

/// Where the first frame ends, checked to the last byte.
fn fix_end(bytes: &[u8]) -> Option<usize> {
    let after = |from: usize| Some(bytes.get(from..)?.iter().position(|byte| *byte == 1)? + from + 1);
    let begin = after(0)?;
    assert_eq!(&bytes[..begin], b"8=FIX.4.4\x01");
    let body = after(begin)?;
    let length = std::str::from_utf8(&bytes[begin..body - 1]).unwrap().strip_prefix("9=").unwrap();
    let trailer = body + length.parse::<usize>().unwrap();
    let end = trailer + "10=000|".len();
    if bytes.len() < end {
        return None;
    }
    let sum = bytes[..trailer].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    assert_eq!(&bytes[trailer..end], format!("10={sum:03}\x01").as_bytes());
    Some(end)
}

/// A line as a FIX message from `name` under `number`.
pub(crate) fn fix_frame(line: &str, (name, number): (&str, u32), again: bool) -> String {
    let now = utc_now();
    let (kind, fields) = line.split_once('|').unwrap_or((line, ""));
    let mark = if again { format!("43=Y|122={now}|") } else { String::new() };
    let asks = ["35=D", "35=F", "35=G", "35=q"].contains(&kind);
    let time = if asks { format!("60={now}|") } else { String::new() };
    let body = format!("{kind}|49={name}|56=RIALTO|34={number}|52={now}|{mark}{fields}|{time}");
    let body = body.replace("||", "|").replace('|', "\x01");
    let whole = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum = whole.bytes().fold(0u8, u8::wrapping_add);
    format!("{whole}10={sum:03}\x01")
}

/// The time as FIX writes it, by the civil calendar's 400-year rule.
fn utc_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let mut left = days;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let ms = since.subsec_millis();
    format!("{year:04}{month:02}{:02}-{hour:02}:{minute:02}:{second:02}.{ms:03}", left + 1)
}

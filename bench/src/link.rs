//! A client's connection to whichever node is the primary: it tries one address after the other, follows a node that names
//! the primary, and comes back after a loss. It knows bytes and numbers, not what they say; it never has two connections.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// How long a connection may take to be made, so that a machine that is gone does not use up the second.
const CONNECT: Duration = Duration::from_millis(250);
/// How long a node may take to answer a log-on before the next one is asked.
const LOG_ON: Duration = Duration::from_secs(1);
/// Between two rounds of tries, one at each node.
const RETRY: Duration = Duration::from_millis(20);
/// Nodes that name each other are not followed further in a row.
const REDIRECTIONS_MAX: u32 = 3;

/// How far a link is.
#[derive(Debug)]
enum Phase {
    /// There is no connection; the next try is then.
    Down(Instant),
    /// A log-on was sent, and is to be answered by then.
    Asking(TcpStream, Instant),
    /// Logged on.
    Up(TcpStream),
}

/// See the module.
#[derive(Debug)]
pub struct Link {
    addresses: Vec<String>,
    at: usize,
    /// The primary, as a node that is not it named it.
    named: Option<String>,
    redirections: u32,
    /// Tries that came to nothing since it was logged on last.
    failed: usize,
    phase: Phase,
    unsent: Vec<u8>,
    lost: Lost,
}

/// What is known of the last loss.
#[derive(Debug, Default)]
pub struct Lost {
    /// How often a logged-on connection was lost.
    pub times: u64,
    /// Since when there is none.
    pub since: Option<Instant>,
    /// Why the last connection, or the last try, came to nothing.
    pub why: String,
}

impl Link {
    /// A link to the nodes at these addresses, `HOST:PORT` each; not yet connected.
    pub fn new(addresses: Vec<String>) -> Self {
        assert!(!addresses.is_empty(), "a link to nobody");
        let now = Instant::now();
        let lost = Lost { since: Some(now), ..Lost::default() };
        let phase = Phase::Down(now);
        Self { addresses, at: 0, named: None, redirections: 0, failed: 0, phase, unsent: Vec::new(), lost }
    }

    /// Whether it is logged on.
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    /// What is known of the last loss.
    pub fn lost(&self) -> &Lost {
        &self.lost
    }

    /// Does what is due: connects and sends what `log_on` says, or gives up on a node that does not answer. Whether it has
    /// just connected, so that all that was heard before is of another connection.
    pub fn tend(&mut self, now: Instant, log_on: impl FnOnce() -> Vec<u8>) -> bool {
        match &self.phase {
            Phase::Down(next) if now >= *next => {
                let address = self.named.take().unwrap_or_else(|| self.addresses[self.at].clone());
                match connect(&address) {
                    Ok(stream) => {
                        self.phase = Phase::Asking(stream, now + LOG_ON);
                        self.unsent = log_on();
                        self.flush(now);
                        return true;
                    }
                    Err(error) => self.down(now, format!("{address}: {error}")),
                }
            }
            Phase::Asking(_, until) if now >= *until => {
                self.down(now, "no answer to the log-on".to_owned());
            }
            Phase::Down(_) | Phase::Asking(..) | Phase::Up(_) => {}
        }
        false
    }

    /// The log-on was taken.
    pub fn logged_on(&mut self) {
        let down = Phase::Down(Instant::now());
        self.phase = match std::mem::replace(&mut self.phase, down) {
            Phase::Asking(stream, _) | Phase::Up(stream) => Phase::Up(stream),
            down @ Phase::Down(_) => down,
        };
        (self.redirections, self.failed, self.lost.since) = (0, 0, None);
    }

    /// The node ended it, with words such as `! not primary; primary is H:P` where it had any. What it names is tried next.
    pub fn turned_away(&mut self, words: &str, now: Instant) {
        self.down(now, words.to_owned());
        let named = words.strip_prefix("! not primary; primary is ").map(str::trim);
        if let Some(primary) = named.filter(|primary| *primary != "unknown")
            && self.redirections < REDIRECTIONS_MAX
        {
            self.redirections += 1;
            self.named = Some(primary.to_owned());
            self.phase = Phase::Down(now);
        }
    }

    /// Gives bytes to be sent. Without a log-on they go nowhere: whoever gives them sends them again then.
    pub fn say(&mut self, bytes: &[u8]) {
        if self.is_up() {
            self.unsent.extend_from_slice(bytes);
        }
    }

    /// Bytes that wait to be sent.
    pub fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Sends as much as the socket takes now.
    pub fn flush(&mut self, now: Instant) {
        let (Phase::Asking(stream, _) | Phase::Up(stream)) = &mut self.phase else { return };
        let mut sent = 0;
        let mut failed = None;
        while sent < self.unsent.len() && failed.is_none() {
            match stream.write(&self.unsent[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => failed = Some(error),
            }
        }
        self.unsent.drain(..sent);
        if let Some(error) = failed {
            self.down(now, error.to_string());
        }
    }

    /// Reads what has come into `buffer`; how many bytes. The end of the connection is a loss.
    pub fn read(&mut self, buffer: &mut [u8], now: Instant) -> usize {
        let (Phase::Asking(stream, _) | Phase::Up(stream)) = &mut self.phase else { return 0 };
        match stream.read(buffer) {
            Ok(0) => self.down(now, "the node closed the connection".to_owned()),
            Ok(count) => return count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => self.down(now, error.to_string()),
        }
        0
    }

    /// What can be waited for.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.phase {
            Phase::Down(_) => None,
            Phase::Asking(stream, _) | Phase::Up(stream) => Some(stream.as_fd()),
        }
    }

    /// There is no connection any more. After a loss the same node is tried at once, and then the others, one after the
    /// other; time passes only between such rounds.
    fn down(&mut self, now: Instant, why: String) {
        let mut next = now;
        if self.is_up() {
            self.lost.times += 1;
            self.lost.since = Some(now);
        } else {
            self.at = (self.at + 1) % self.addresses.len();
            self.failed += 1;
            if self.failed.is_multiple_of(self.addresses.len()) {
                next += RETRY;
            }
        }
        self.lost.why = why;
        self.unsent.clear();
        self.phase = Phase::Down(next);
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for found in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&found, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether words of a node say that another one, or the same one later, may let a client in.
pub fn is_elsewhere(words: &str) -> bool {
    ["! not primary", "! starting", "! no lease"].iter().any(|start| words.starts_with(start))
}

/// The numbers of one session's messages, as its client hears them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    /// The next one; 0: nothing was heard yet.
    next: u64,
    /// That of the last log-on's answer, while what came before it is still being sent again; else 0.
    log_on: u64,
}

impl Numbers {
    /// The next number, once something was heard: what a log-on names in 789, to hear everything from there on.
    pub fn next(&self) -> Option<u64> {
        Some(self.next).filter(|next| *next > 0)
    }

    /// Begins a log-on.
    pub fn log_on(&mut self) {
        self.log_on = 0;
    }

    /// A message of this type (35) came under this number (34), a gap fill up to `new` (36). Whether it is new.
    pub fn heard(&mut self, kind: &[u8], number: u64, new: Option<u64>) -> bool {
        if self.next == 0 {
            self.next = number + 1;
            return true;
        }
        let is_new = number >= self.next;
        let mut after = match kind {
            b"A" => {
                self.log_on = number;
                self.next
            }
            b"4" => self.next.max(new.unwrap_or(0)),
            _ => self.next.max(number + 1),
        };
        if self.log_on > 0 && self.log_on <= after {
            // The log-on's answer came first, and has its place behind what was sent again.
            after = after.max(self.log_on + 1);
            self.log_on = 0;
        }
        self.next = after;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn after_a_log_on_what_was_missed_comes_first_and_counts_once() {
        let mut numbers = Numbers::default();
        assert!(numbers.heard(b"A", 1, None) && numbers.heard(b"8", 2, None));
        assert_eq!(numbers.next(), Some(3));
        numbers.log_on();
        assert!(numbers.heard(b"A", 6, None));
        assert_eq!(numbers.next(), Some(3));
        assert!(numbers.heard(b"8", 3, None) && !numbers.heard(b"8", 2, None));
        // Lost again in the middle: the rest is still missing.
        assert_eq!(numbers.next(), Some(4));
        numbers.log_on();
        assert!(numbers.heard(b"A", 7, None) && numbers.heard(b"8", 4, None));
        assert!(numbers.heard(b"4", 5, Some(7)));
        assert_eq!(numbers.next(), Some(8));
        numbers.log_on();
        assert!(numbers.heard(b"A", 8, None));
        assert_eq!(numbers.next(), Some(9), "nothing was missed");
    }

    #[test]
    fn a_node_that_names_the_primary_is_followed_and_a_loss_comes_back_to_it() {
        let primary = TcpListener::bind("127.0.0.1:0").unwrap();
        let standby = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = |node: &TcpListener| node.local_addr().unwrap().to_string();
        let mut link = Link::new(vec![address(&standby), address(&primary)]);
        let mut now = Instant::now();
        assert!(link.tend(now, || b"hello".to_vec()));
        assert!(!link.tend(now, Vec::new), "one connection at a time");
        standby.accept().unwrap();
        link.turned_away(&format!("! not primary; primary is {}", address(&primary)), now);
        assert!(link.tend(now, || b"hello".to_vec()), "at once");
        let (mut stream, _) = primary.accept().unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).unwrap();
        link.say(b"too early");
        assert_eq!(link.unsent(), 0);
        link.logged_on();
        assert!(link.is_up() && link.lost().since.is_none());
        drop(stream);
        while link.is_up() {
            assert_eq!(link.read(&mut [0; 16], now), 0);
        }
        assert_eq!(link.lost().times, 1);
        assert!(link.tend(now, Vec::new), "at once");
        now += LOG_ON;
        assert!(!link.tend(now, Vec::new), "a node that says nothing is left");
        assert!(link.fd().is_none());
        drop((primary, standby));
        assert!(!link.tend(now, Vec::new), "the other one is gone");
        assert!(link.failed == 2 && link.lost().why.contains("refused"), "{link:?}");
        assert!(!link.tend(now, Vec::new), "not before a pause");
        assert_eq!(link.failed, 2);
        assert!(!link.tend(now + RETRY, Vec::new));
        assert_eq!(link.failed, 3);
    }
}

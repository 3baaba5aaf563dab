//! A short question to a node, and its answer: blocking, on a connection of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::frame::{FrameError, Kind};
use crate::key;
use crate::message::{self, Answer, Ask, MessageError, Promise};
use crate::secure::{Channel, Credentials, HandshakeError, Side};

/// Bytes of an answer that one read takes.
const READ_BYTES: usize = 4096;

/// What a node is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// What it is and holds.
    Status(Ask),
    /// To promise durably that it follows no epoch below this one.
    Promise {
        /// The epoch.
        epoch: u32,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`Question::Status`].
    Status(Answer),
    /// To [`Question::Promise`].
    Promise(Promise),
}

/// Why there is no answer. None of it says that the node is dead.
#[derive(Debug, Error)]
pub enum AskError {
    /// No connection, or it broke.
    #[error("{address}: {source}")]
    Io {
        /// The node's replication port.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("{address}: no answer within {timeout:?}")]
    Timeout {
        /// The node's replication port.
        address: SocketAddr,
        /// The time given.
        timeout: Duration,
    },
    /// It is not believed, or makes no sense.
    #[error("{address}: {why}")]
    Refused {
        /// The node's replication port.
        address: SocketAddr,
        /// Why.
        why: Refusal,
    },
}

/// Why an answer is not taken.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The node did not prove itself.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// Its bytes were changed on the way.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It makes no sense.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// It answered something else.
    #[error("it answered with a {0:?} frame")]
    Unexpected(Kind),
}

/// Asks the node at `address`, waiting at most `timeout` in all.
pub fn ask(
    address: SocketAddr,
    credentials: &Credentials,
    question: &Question,
    timeout: Duration,
) -> Result<Reply, AskError> {
    let deadline = Instant::now() + timeout;
    let failed = |source: io::Error| {
        let is_late = matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        if is_late { AskError::Timeout { address, timeout } } else { AskError::Io { address, source } }
    };
    let refused = |why| AskError::Refused { address, why };
    let mut socket = TcpStream::connect_timeout(&address, timeout).map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    let mut channel = Channel::new(Side::Dialler, credentials, key::random().map_err(failed)?);
    let mut is_asked = false;
    loop {
        if channel.is_proven() && !is_asked {
            send(&mut channel, question);
            is_asked = true;
        }
        exchange(&mut socket, &mut channel, deadline)
            .map_err(failed)?
            .map_err(|error| refused(error.into()))?;
        if let Some(reply) = reply(&mut channel).map_err(refused)? {
            return Ok(reply);
        }
    }
}

fn send(channel: &mut Channel, question: &Question) {
    match question {
        Question::Status(ask) => channel.send(Kind::Ask, |out| message::put(out, Kind::Ask, ask)),
        Question::Promise { epoch } => {
            channel.send(Kind::Fence, |out| out.extend_from_slice(&u64::from(*epoch).to_le_bytes()));
        }
    }
}

/// Sends what is due and waits for some bytes.
fn exchange(
    socket: &mut TcpStream,
    channel: &mut Channel,
    deadline: Instant,
) -> io::Result<Result<(), HandshakeError>> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    socket.set_read_timeout(Some(left))?;
    socket.set_write_timeout(Some(left))?;
    let pending = channel.pending();
    socket.write_all(pending)?;
    let sent = pending.len();
    channel.sent(sent);
    let mut bytes = [0; READ_BYTES];
    match socket.read(&mut bytes) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => Ok(channel.receive(&bytes[..read])),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Ok(())),
        Err(error) => Err(error),
    }
}

fn reply(channel: &mut Channel) -> Result<Option<Reply>, Refusal> {
    let Some((kind, place)) = channel.next_frame()? else { return Ok(None) };
    let payload = channel.payload(place);
    if kind == Kind::Answer {
        Ok(Some(Reply::Status(message::get(kind, payload)?)))
    } else if kind == Kind::Promise {
        Ok(Some(Reply::Promise(message::get(kind, payload)?)))
    } else {
        Err(Refusal::Unexpected(kind))
    }
}

//! What an operator's command and a node say to each other over `DIR/admin.sock`: one JSON object a line each way.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rialto_protocol::reference::{Author, Operation};
use rialto_protocol::{Command, Note, RecordBuffer, SessionId, SessionSeq};
use serde::{Deserialize, Serialize};

use crate::failure::{Code, failure};

/// Longest line either way.
pub const LINE_BYTES_MAX: u64 = 64 << 20;
/// How long an answer may take: the policy's copies must exist first.
const PATIENCE: Duration = Duration::from_secs(130);

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// An operation: a command record in hex, whose author the node fills in from the socket.
    Operate {
        /// The record.
        record: String,
        /// Why, in words.
        why: String,
    },
    /// The node's row of `rialto status`.
    Status {
        /// With a hash of the whole state.
        state_hash: bool,
    },
    /// To take a node out of the in-sync set.
    Drop {
        /// Its name.
        node: String,
    },
    /// A list: `accounts`, `orders`, `trades`, `sessions`.
    Show {
        /// Which.
        what: String,
    },
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Reply {
    /// An operation was done by this command.
    Done {
        /// Its sequence.
        seq: u64,
    },
    /// It was refused, or something failed.
    Refused {
        /// Why.
        why: String,
    },
    /// What a list or a status says.
    Object {
        /// The JSON object.
        object: serde_json::Value,
    },
}

impl Request {
    /// The request that asks for an operation.
    pub fn operate(operation: &Operation, why: &str) -> Self {
        let mut record = RecordBuffer::default();
        let command = Command::Operate(Author::default(), *operation);
        command.encode(SessionId::NONE, SessionSeq::NONE, &mut record);
        Self::Operate { record: rialto_journal::segment::hex(record.as_bytes()), why: why.to_owned() }
    }

    /// The operation in a record's hex, with its author filled in.
    pub fn command(record: &str, author: (u32, u32), why: &str) -> Option<Command> {
        let byte = |at: usize| u8::from_str_radix(record.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..record.len()).step_by(2).map(byte).collect();
        let (_, command) = Command::decode(&bytes?).ok()?;
        let Command::Operate(_, operation) = command else { return None };
        let (uid, pid) = author;
        Some(Command::Operate(Author { uid, pid, why: Note::clipped(why) }, operation))
    }
}

/// A connection to a node's operator socket.
#[derive(Debug)]
pub struct Connection(BufReader<UnixStream>);

impl Connection {
    /// Connects to the node in `dir`.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("admin.sock");
        let stream = UnixStream::connect(&path).map_err(|error| {
            let path = path.display();
            failure(Code::Unreached, format!("{path}: {error}: no node serves this directory now"))
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Asks and waits for the answer.
    pub fn ask(&mut self, request: &Request) -> anyhow::Result<Reply> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        let unknown = |error: std::io::Error| {
            failure(
                Code::Unreached,
                format!("{error}: it may or may not have been done; ask again with the same id"),
            )
        };
        self.0.get_mut().write_all(line.as_bytes()).map_err(unknown)?;
        let mut answer = String::new();
        if self.0.read_line(&mut answer).map_err(unknown)? == 0 {
            return Err(unknown(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(serde_json::from_str(&answer)?)
    }

    /// Asks for an operation; its sequence.
    pub fn operate(&mut self, operation: &Operation, why: &str) -> anyhow::Result<u64> {
        self.done(&Request::operate(operation, why))
    }

    /// Asks for something to be done; the sequence that it was done by.
    pub fn done(&mut self, request: &Request) -> anyhow::Result<u64> {
        match self.ask(request)? {
            Reply::Done { seq } => Ok(seq),
            Reply::Refused { why } => Err(failure(Code::CheckFailed, why)),
            Reply::Object { .. } => Err(failure(Code::CheckFailed, "the node answered something else")),
        }
    }

    /// Asks for a list or a status.
    pub fn object(&mut self, request: &Request) -> anyhow::Result<serde_json::Value> {
        match self.ask(request)? {
            Reply::Object { object } => Ok(object),
            Reply::Refused { why } => Err(failure(Code::CheckFailed, why)),
            Reply::Done { .. } => Err(failure(Code::CheckFailed, "the node answered something else")),
        }
    }
}

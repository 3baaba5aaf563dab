//! Requests to a node itself, over the port of its clients: who asks sends `RIALTO ` and one [`Ask`] as JSON on a line of
//! at most 4096 bytes, gets one [`Answer`] as JSON on a line, and the connection ends.
//!
//! ```text
//! > RIALTO {"ask":"status","state_hash":false}
//! < {"answer":"status","row":{"node":"n1",…}}
//! > RIALTO {"ask":"nonce"}
//! < {"answer":"nonce","nonce":"5f…"}
//! > RIALTO {"ask":"promote","node":"n2","planned":false,"force":false,"key_proof":{"nonce":"5f…","proof":"a1…"}}
//! < {"answer":"promotion","promoted":"n2","epoch":4,"gap_ms":null,"possible_loss":null,"refused":null}
//! ```
//! Anyone may ask for a status. To promote, one has to be on the node's own machine (then both ends of the connection
//! have one address) or to prove that one has the cluster's key: by a keyed hash over the request and a nonce that the
//! node gave on an earlier connection and takes once.

use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rialto_gateway::request::OPENING;
use rialto_journal::segment::hex;
use rialto_replicator::key::{ClusterKey, random};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::HostPort;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// Longest answer.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// How long a nonce is good for.
const NONCE_LIFE: Duration = Duration::from_secs(10);
/// Nonces that are good at once; the oldest makes room.
const NONCES_MAX: usize = 64;
/// What proofs are hashed under, so that they are good for nothing else.
const PROOF_CONTEXT: &str = "rialto 2026 request to a node, version 1";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// The node's row of `rialto status`.
    Status {
        /// With a hash of the whole state.
        #[serde(default)]
        state_hash: bool,
    },
    /// A nonce for a proof.
    Nonce,
    /// To become the primary.
    Promote(Promote),
}

/// That a node is to become the primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promote {
    /// Its name: a node refuses what is meant for another.
    pub node: String,
    /// The primary lives, and hands over.
    #[serde(default)]
    pub planned: bool,
    /// Even if what was acknowledged may be lost.
    #[serde(default)]
    pub force: bool,
    /// That whoever asks has the cluster's key.
    #[serde(default)]
    pub key_proof: Option<KeyProof>,
}

/// That somebody has the cluster's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyProof {
    /// The node's nonce.
    pub nonce: String,
    /// A keyed hash over it and the request, in hex.
    pub proof: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// The node's row.
    Status {
        /// As `rialto status` prints it.
        row: Value,
    },
    /// A nonce.
    Nonce {
        /// In hex.
        nonce: String,
    },
    /// How a promotion went.
    Promotion(Promotion),
    /// The request was not looked at: it is none, it is not proven, or the node cannot take it now.
    Refused {
        /// Why.
        why: String,
    },
}

/// How a promotion went, as `rialto promote` prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The node that is the primary now; `None`: refused.
    pub promoted: Option<String>,
    /// The epoch in force there.
    pub epoch: Option<u32>,
    /// For how long nobody was the primary; known only if one handed over.
    pub gap_ms: Option<u64>,
    /// What may be lost, by force.
    pub possible_loss: Option<PossibleLoss>,
    /// Why it was refused.
    pub refused: Option<Refusal>,
}

/// Commands that may have been acknowledged and are not in the new primary's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PossibleLoss {
    /// The first.
    pub from_seq: u64,
    /// The last that may exist, where that is known.
    pub to_seq: Option<u64>,
    /// The file that says more.
    pub report: Option<String>,
}

/// The first check that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// One of the words of the interface, such as `primary-alive`.
    pub check: String,
    /// What it found, and what can be done.
    pub why: String,
}

impl Promotion {
    /// A promotion that was refused.
    pub fn refused(check: &str, why: impl Into<String>) -> Self {
        let refused = Some(Refusal { check: check.to_owned(), why: why.into() });
        Self { refused, ..Self::default() }
    }
}

impl Ask {
    /// Reads a request's text.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("not a request of this build: {error}"))
    }
}

impl Answer {
    /// The answer's line, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("names and plain values can be written as JSON")
    }
}

impl Promote {
    /// Adds the proof that `nonce` asks for.
    pub fn prove(&mut self, key: &ClusterKey, nonce: String) {
        let proof = hex(&self.proof(key, &nonce));
        self.key_proof = Some(KeyProof { nonce, proof });
    }

    /// Whether it is proven by a nonce that was given lately and not used before.
    pub fn is_proven(&self, key: &ClusterKey, nonces: &Nonces) -> bool {
        let Some(KeyProof { nonce, proof }) = &self.key_proof else { return false };
        let wanted = blake3::Hash::from_bytes(self.proof(key, nonce));
        // Equal hashes are found out in constant time.
        nonces.take(nonce) && blake3::Hash::from_hex(proof).is_ok_and(|proof| proof == wanted)
    }

    fn proof(&self, key: &ClusterKey, nonce: &str) -> [u8; 32] {
        let Self { node, planned, force, key_proof: _ } = self;
        let request = format!("promote\n{nonce}\n{node}\n{planned}\n{force}");
        key.tag(PROOF_CONTEXT, request.as_bytes())
    }
}

/// Nonces that a node gave and that nobody has used.
#[derive(Debug, Default)]
pub struct Nonces(Mutex<Vec<(String, Instant)>>);

impl Nonces {
    /// A new one.
    pub fn give(&self) -> io::Result<String> {
        let nonce = hex(&random::<32>()?);
        let mut given = self.0.lock();
        given.retain(|(_, since)| since.elapsed() < NONCE_LIFE);
        if given.len() == NONCES_MAX {
            given.remove(0);
        }
        given.push((nonce.clone(), Instant::now()));
        Ok(nonce)
    }

    /// Uses one up; whether it was good.
    fn take(&self, nonce: &str) -> bool {
        let mut given = self.0.lock();
        let found = given.iter().position(|(known, _)| known == nonce);
        found.is_some_and(|at| given.remove(at).1.elapsed() < NONCE_LIFE)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// Nobody is there: nothing was asked.
    Unreached(io::Error),
    /// The connection ended, or time was up, before the answer: it may or may not be done.
    Unknown(io::Error),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreached(error) => write!(f, "cannot connect: {error}"),
            Self::Unknown(error) => write!(f, "no answer: {error}"),
        }
    }
}

/// Asks the node at `address`, which has so long to answer.
pub fn ask(address: &HostPort, ask: &Ask, patience: Duration) -> Result<Answer, AskError> {
    let mut stream = connect(address).map_err(AskError::Unreached)?;
    let answer = || {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut line = OPENING.to_vec();
        serde_json::to_writer(&mut line, ask)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = String::new();
        if BufReader::new(&stream).take(ANSWER_BYTES_MAX).read_line(&mut answer)? == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the node closed the connection"));
        }
        Ok(serde_json::from_str(&answer)?)
    };
    let mut answer = answer;
    answer().map_err(AskError::Unknown)
}

fn connect(address: &HostPort) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for found in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&found, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promote() -> Promote {
        Promote { node: "n2".into(), planned: true, force: false, key_proof: None }
    }

    #[test]
    fn requests_and_answers_read_as_they_are_documented() {
        let status = r#"{"ask":"status","state_hash":true}"#;
        assert_eq!(Ask::read(status).unwrap(), Ask::Status { state_hash: true });
        assert_eq!(serde_json::to_string(&Ask::read(status).unwrap()).unwrap(), status);
        assert_eq!(Ask::read(r#"{"ask":"nonce"}"#).unwrap(), Ask::Nonce);
        let bare = r#"{"ask":"promote","node":"n2","planned":true}"#;
        assert_eq!(Ask::read(bare).unwrap(), Ask::Promote(promote()));
        assert!(Ask::read(r#"{"ask":"resign"}"#).is_err() && Ask::read("hello").is_err());
        let refused = Answer::Promotion(Promotion::refused("primary-alive", "use --planned"));
        assert_eq!(
            refused.line(),
            r#"{"answer":"promotion","promoted":null,"epoch":null,"gap_ms":null,"possible_loss":null,"refused":{"check":"primary-alive","why":"use --planned"}}"#
        );
    }

    #[test]
    fn a_proof_is_good_once_for_one_request_under_one_key() {
        let (key, nonces) = (ClusterKey::new([7; 32]), Nonces::default());
        let proven = |change: &dyn Fn(&mut Promote)| {
            let mut promote = promote();
            promote.prove(&key, nonces.give().unwrap());
            change(&mut promote);
            promote
        };
        let good = proven(&|_| {});
        assert!(good.is_proven(&key, &nonces));
        assert!(!good.is_proven(&key, &nonces), "a second time");
        assert!(!proven(&|_| {}).is_proven(&ClusterKey::new([8; 32]), &nonces));
        assert!(!proven(&|promote| promote.force = true).is_proven(&key, &nonces));
        assert!(!proven(&|promote| promote.node = "n3".into()).is_proven(&key, &nonces));
        assert!(!proven(&|promote| promote.key_proof = None).is_proven(&key, &nonces));
        let mut made_up = promote();
        made_up.prove(&key, "00".repeat(32));
        assert!(!made_up.is_proven(&key, &nonces));
    }

    #[test]
    fn nonces_that_are_good_at_once_are_bounded() {
        let nonces = Nonces::default();
        let first = nonces.give().unwrap();
        for _ in 0..NONCES_MAX {
            nonces.give().unwrap();
        }
        assert_eq!(nonces.0.lock().len(), NONCES_MAX);
        assert!(!nonces.take(&first));
    }
}

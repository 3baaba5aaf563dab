//! Requests to the node itself on the port of the clients: a line `RIALTO {…}`, one line of JSON back, and the end.
//!
//! What is asked and answered is none of the gateway's business. It hands the text over and sends what comes back,
//! whatever the node's standing is.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::Waker;
use parking_lot::Mutex;

/// How a request begins.
pub const OPENING: &[u8] = b"RIALTO ";
/// Longest request, with its opening and its end.
pub const REQUEST_BYTES_MAX: usize = 4096;
/// Requests of one gateway that wait for their answers; one more is turned away.
pub const REQUESTS_IN_HAND_MAX: usize = 16;

/// A request that was read.
#[derive(Debug)]
pub struct Request {
    /// What stands behind [`OPENING`], without the line's end.
    pub text: String,
    /// Who asks.
    pub peer: SocketAddr,
    /// At which of this machine's addresses.
    pub local: SocketAddr,
    /// Where the answer goes.
    pub responder: Responder,
}

impl Request {
    /// Whether it comes from this very machine: then both ends have the same address.
    pub fn is_local(&self) -> bool {
        self.peer.ip() == self.local.ip()
    }
}

/// Takes one answer, from any thread. Dropped without one, it ends the connection.
#[derive(Debug)]
pub struct Responder {
    connection: u32,
    answer: Option<String>,
    answers: Arc<Answers>,
}

impl Responder {
    /// Answers with one line, given without its end.
    pub fn answer(mut self, line: impl Into<String>) {
        self.answer = Some(line.into());
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.answers.put(self.connection, self.answer.take());
    }
}

/// What deals with requests. It is called on the gateway's own thread: it must hand the work on and return at once.
#[derive(Clone)]
pub struct Requests(Arc<dyn Fn(Request) + Send + Sync>);

impl Requests {
    /// Hands requests to `with`.
    pub fn new(with: impl Fn(Request) + Send + Sync + 'static) -> Self {
        Self(Arc::new(with))
    }

    /// Leaves every request without an answer.
    pub fn unanswered() -> Self {
        Self::new(drop)
    }

    pub(crate) fn take(&self, request: Request) {
        (self.0)(request);
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Requests")
    }
}

/// Answers on their way to a gateway's connections.
#[derive(Debug)]
pub(crate) struct Answers {
    ready: Mutex<Vec<(u32, Option<String>)>>,
    in_hand: AtomicUsize,
    waker: Arc<Waker>,
}

impl Answers {
    pub(crate) fn new(waker: Arc<Waker>) -> Self {
        Self { ready: Mutex::new(Vec::new()), in_hand: AtomicUsize::new(0), waker }
    }

    /// Where the answer for a connection goes; `None`: too many wait.
    pub(crate) fn responder(self: &Arc<Self>, connection: u32) -> Option<Responder> {
        if self.in_hand.load(Ordering::Relaxed) >= REQUESTS_IN_HAND_MAX {
            return None;
        }
        // Only the gateway's thread adds.
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        Some(Responder { connection, answer: None, answers: Arc::clone(self) })
    }

    /// What has been answered since the last call: nothing for a connection that is to end without an answer.
    pub(crate) fn take(&self) -> Vec<(u32, Option<String>)> {
        std::mem::take(&mut *self.ready.lock())
    }

    fn put(&self, connection: u32, answer: Option<String>) {
        self.ready.lock().push((connection, answer));
        self.in_hand.fetch_sub(1, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "a gateway could not be woken for an answer");
        }
    }
}

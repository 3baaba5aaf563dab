//! The operator's way in: a ring of its own, number 0, and the answers that come back as released events. Any thread may
//! ask; one thread, the view's, reads the answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use rialto_protocol::event::Outcome;
use rialto_protocol::{Command, RecordBuffer, Sequence, SessionId, SessionSeq};
use rialto_shmring::{Doorbell, Producer, PushError};

/// An answer to an operator's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The command that did it, now or before.
    pub sequence: Sequence,
    /// How it went.
    pub outcome: Outcome,
    /// Why not.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The node takes nothing more: its ring is full or given up.
    NotTaken,
    /// It was taken, and what became of it is not known: the policy may be unmet, or the node stops.
    TimedOut,
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotTaken => "the node takes no request now",
            Self::TimedOut => {
                "no answer in time: it may or may not have been done; ask again with the same id"
            }
        })
    }
}

/// Sends operators' requests to the matcher.
#[derive(Debug)]
pub struct Operator {
    ring: Mutex<(Producer, RecordBuffer)>,
    doorbell: Arc<Doorbell>,
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, Sender<Answer>>>,
}

impl Operator {
    /// An operator that fills ring 0 and rings the matcher's bell.
    pub fn new(ring: Producer, doorbell: Arc<Doorbell>) -> Self {
        Self {
            ring: Mutex::new((ring, RecordBuffer::default())),
            doorbell,
            next: AtomicU32::new(1),
            waiting: Mutex::default(),
        }
    }

    /// Asks and waits until the answer is released, at most `patience`.
    pub fn ask(&self, command: &Command, patience: Duration) -> Result<Answer, NoAnswer> {
        let request = self.next.fetch_add(1, Ordering::Relaxed).max(1);
        let (sender, receiver) = bounded(1);
        self.waiting.lock().insert(request, sender);
        let answer = self.push(request, command, patience).and_then(|()| wait(&receiver, patience));
        self.waiting.lock().remove(&request);
        answer
    }

    /// Tells the matcher something that has no answer of its own.
    pub fn tell(&self, command: &Command, patience: Duration) -> Result<(), NoAnswer> {
        self.push(0, command, patience)
    }

    /// The view's thread has read an answer.
    pub fn answered(&self, request: u32, answer: Answer) {
        if let Some(waiting) = self.waiting.lock().remove(&request) {
            // Who asked may have lost patience.
            waiting.try_send(answer).ok();
        }
    }

    fn push(&self, request: u32, command: &Command, patience: Duration) -> Result<(), NoAnswer> {
        let deadline = Instant::now() + patience;
        loop {
            let (producer, record) = &mut *self.ring.lock();
            command.encode(SessionId::NONE, SessionSeq(request), record);
            match producer.try_push(record.as_bytes()) {
                Ok(()) => break,
                Err(PushError::Full) if Instant::now() < deadline => {}
                Err(_) => return Err(NoAnswer::NotTaken),
            }
            std::thread::yield_now();
        }
        self.doorbell.notify();
        Ok(())
    }
}

fn wait(receiver: &Receiver<Answer>, patience: Duration) -> Result<Answer, NoAnswer> {
    receiver.recv_timeout(patience).map_err(|_| NoAnswer::TimedOut)
}

//! A connection that asks the node itself: one line in, one line out. See [`crate::request`].

use super::{Close, Session, State};
use crate::request::{OPENING, REQUEST_BYTES_MAX};

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// Its line is not whole.
    Reading,
    /// It may be handed over.
    Read,
    /// It was handed over, and waits for its answer.
    InHand,
}

impl Session {
    /// Whether the first bytes are those of a request, as far as they are here; `None`: not to be told yet.
    pub(super) fn opens_request(&self) -> Option<bool> {
        if self.inbox.len() < OPENING.len() && OPENING.starts_with(&self.inbox) {
            return None;
        }
        Some(self.inbox.starts_with(OPENING))
    }

    /// Looks for the end of the request's line.
    pub(super) fn read_request(&mut self) {
        let State::Request(asking) = &mut self.state else { return };
        if *asking != Asking::Reading {
            // One line is all that is heard.
            self.inbox.truncate(REQUEST_BYTES_MAX);
            return;
        }
        let line = &self.inbox[..self.inbox.len().min(REQUEST_BYTES_MAX)];
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            self.inbox.truncate(end);
            *asking = Asking::Read;
        } else if line.len() == REQUEST_BYTES_MAX || self.input_ended {
            self.end(Close::Now);
        }
    }

    /// A request that is whole and was not handed out before.
    pub fn take_request(&mut self) -> Option<String> {
        let State::Request(asking @ Asking::Read) = &mut self.state else { return None };
        *asking = Asking::InHand;
        let text = String::from_utf8_lossy(&self.inbox[OPENING.len()..]).trim().to_owned();
        self.inbox.clear();
        Some(text)
    }

    /// The request's answer is here, or there is none; either is the end.
    pub fn answered(&mut self, line: Option<&str>) {
        if matches!(self.state, State::Request(Asking::InHand)) {
            if let Some(line) = line {
                self.out.extend(line.bytes().filter(|byte| *byte != b'\n'));
                self.out.push(b'\n');
            }
            self.end(Close::Flushed);
        }
    }
}

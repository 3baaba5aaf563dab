//! The names that sessions give their requests (`ClOrdID`, 11): each is used once among a session's open orders and its
//! last 16,384 requests.
//!
//! A [`Window`] holds the last names of one session and which message answered each first; [`OpenNames`] holds the names
//! that open orders have now, of all sessions. A name of up to 15 characters is its own key; a longer one is kept as
//! its XXH3 hash of 128 bits, so that two of one session are taken for the same with a chance of 2^-100 at most.

mod open;
mod window;

pub use open::OpenNames;
pub use window::{NAMES_KEPT, Window};

use rialto_protocol::{ClOrdId, SessionId, SessionSeq};
use serde::{Deserialize, Serialize};

/// Names of up to so many characters are their own keys.
const SHORT_BYTES: u8 = 15;

/// A name as it is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    low: u64,
    high: u64,
}

impl Key {
    /// The key of a name.
    #[inline]
    pub fn of(name: &ClOrdId) -> Self {
        if name.len() > SHORT_BYTES {
            return Self::of_long(name.as_bytes());
        }
        let first = *name.padded().first_chunk().expect("a name has room for 36 bytes");
        let (low, high) = halves(u128::from_le_bytes(first));
        Self { low, high }
    }

    #[cold]
    fn of_long(bytes: &[u8]) -> Self {
        // Printable text never has this bit in its last byte, so long and short names never meet.
        let (low, high) = halves(xxhash_rust::xxh3::xxh3_128(bytes) | 1 << 127);
        Self { low, high }
    }

    /// Spread over 64 bits, for a table.
    #[inline]
    fn spread(self, session: u32) -> u64 {
        let product = u128::from(self.low ^ 0x9e37_79b9_7f4a_7c15 ^ (u64::from(session) << 32))
            * u128::from(self.high ^ 0xd6e8_feb8_6659_fd93);
        let (low, high) = halves(product);
        (low ^ high).wrapping_mul(0xff51_afd7_ed55_8ccd)
    }
}

#[inline]
fn halves(whole: u128) -> (u64, u64) {
    let low = u64::try_from(whole & u128::from(u64::MAX)).expect("masked");
    (low, u64::try_from(whole >> 64).expect("shifted"))
}

/// The windows of all sessions.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    of: Vec<Window>,
}

impl Windows {
    /// The message that first answered this name, if the session used it among its last ones.
    #[inline]
    pub fn answer(&self, session: SessionId, key: Key) -> Option<SessionSeq> {
        self.of.get(session.0 as usize)?.answer(key)
    }

    /// Notes a name that was not used, and the message that answers it.
    #[inline]
    pub fn note(&mut self, session: SessionId, key: Key, answer: SessionSeq) {
        let at = session.0 as usize;
        if at >= self.of.len() {
            self.of.resize_with(at + 1, Window::default);
        }
        self.of[at].note(key, answer);
    }

    /// States late which message answers a name that was noted.
    pub fn answered(&mut self, session: SessionId, key: Key, answer: SessionSeq) {
        if let Some(window) = self.of.get_mut(session.0 as usize) {
            window.answered(key, answer);
        }
    }

    /// Forgets the names of a session, which starts anew.
    pub fn forget(&mut self, session: SessionId) {
        if let Some(window) = self.of.get_mut(session.0 as usize) {
            *window = Window::default();
        }
    }

    /// All names by session, the oldest first.
    pub fn body(&self) -> Vec<Vec<(Key, SessionSeq)>> {
        let used = self.of.iter().rposition(|window| !window.is_empty()).map_or(0, |last| last + 1);
        self.of[..used].iter().map(|window| window.iter().collect()).collect()
    }

    /// The windows of which [`Self::body`] was made.
    pub fn from_body(body: Vec<Vec<(Key, SessionSeq)>>) -> Self {
        let mut windows = Self::default();
        for (session, names) in (0..).map(SessionId).zip(body) {
            for (key, answer) in names {
                windows.note(session, key, answer);
            }
        }
        windows
    }
}

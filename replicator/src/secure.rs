//! Who may speak on the replication port: both sides prove the cluster's key before anything else is said, and from
//! then on each frame carries a mac. Nothing is hidden: records travel in clear, changed or foreign ones are refused.
//!
//! ```text
//! dialler  ─ magic 8, nonce 32 ─▶ listener      nonces are fresh random bytes
//!          ◀ magic 8, nonce 32 ─
//!          ─ proof 32 ─▶                        the listener says nothing of itself before it has seen this
//!          ◀ proof 32 ─
//! ```
//!
//! `proof` = BLAKE3 keyed with the cluster's key over purpose (16 bytes, one for each side), the dialler's nonce, the
//! listener's nonce and the cluster's name. The session key of a direction is made alike, with purposes of their own.
//! `mac` of a frame = BLAKE3 keyed with the session key of its direction over the frame's number (u64, from 0), header
//! and payload, cut to 16 bytes. So no recording can be played back: into another connection (nonces), in the other
//! direction (purposes), or in another place of the same one (numbers).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use blake3::Hasher;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::frame::{FrameError, Inbound, Kind, MAC_BYTES, Outbound, seal};
use crate::key::ClusterKey;

/// What both sides begin with; the last two digits are the version of this handshake.
const MAGIC: [u8; 8] = *b"RIALTR01";
/// Random bytes of one side.
pub type Nonce = [u8; NONCE_BYTES];
/// Bytes of a [`Nonce`].
pub const NONCE_BYTES: usize = 32;
const GREETING_BYTES: usize = MAGIC.len() + NONCE_BYTES;
const PROOF_BYTES: usize = 32;
/// All that a side sends before it is proven.
pub const HANDSHAKE_BYTES: usize = GREETING_BYTES + PROOF_BYTES;

/// Which end of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that connected.
    Dialler,
    /// The one that was connected to.
    Listener,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Side::Dialler => Side::Listener,
            Side::Listener => Side::Dialler,
        }
    }

    const fn proves(self) -> &'static [u8; 16] {
        match self {
            Side::Dialler => b"proof dialler  \0",
            Side::Listener => b"proof listener \0",
        }
    }

    const fn seals(self) -> &'static [u8; 16] {
        match self {
            Side::Dialler => b"frames dialler \0",
            Side::Listener => b"frames listener\0",
        }
    }
}

/// Why a peer is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// Something else speaks there, or another version.
    #[error("not a replication handshake of this version")]
    Magic,
    /// Our own nonce came back.
    #[error("the peer sent our own nonce back")]
    Reflected,
    /// It does not know the key, or belongs to a cluster of another name.
    #[error("the peer did not prove the cluster's key (another key or cluster name, or no node of ours)")]
    Proof,
}

/// What a node proves itself with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The cluster's key.
    pub key: ClusterKey,
    /// The cluster's name.
    pub cluster: Arc<str>,
}

/// One side of the handshake.
#[derive(Debug)]
struct Handshake {
    side: Side,
    credentials: Credentials,
    mine: Nonce,
    received: [u8; HANDSHAKE_BYTES],
    received_bytes: usize,
    /// Whether the other's greeting was used.
    greeted: bool,
}

impl Handshake {
    /// Takes what belongs to the handshake off the front of `bytes`, and says whether the other side is believed now.
    fn receive(&mut self, bytes: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, HandshakeError> {
        self.take(bytes, GREETING_BYTES);
        if self.received_bytes < GREETING_BYTES {
            return Ok(false);
        }
        if !self.greeted {
            self.greeted(out)?;
        }
        self.take(bytes, HANDSHAKE_BYTES);
        if self.received_bytes < HANDSHAKE_BYTES {
            return Ok(false);
        }
        let proof: [u8; PROOF_BYTES] = *self.received.last_chunk().expect("the proof stands last");
        // Comparing a `blake3::Hash` takes the same time whatever differs.
        if self.keyed(self.side.other().proves()) != proof {
            return Err(HandshakeError::Proof);
        }
        if self.side == Side::Listener {
            out.extend_from_slice(self.keyed(self.side.proves()).as_bytes());
        }
        Ok(true)
    }

    fn take(&mut self, bytes: &mut &[u8], up_to: usize) {
        let wanted = up_to.saturating_sub(self.received_bytes).min(bytes.len());
        let (now, later) = bytes.split_at(wanted);
        self.received[self.received_bytes..self.received_bytes + wanted].copy_from_slice(now);
        self.received_bytes += wanted;
        *bytes = later;
    }

    fn greeted(&mut self, out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        if self.received[..MAGIC.len()] != MAGIC {
            return Err(HandshakeError::Magic);
        }
        if *self.theirs() == self.mine {
            return Err(HandshakeError::Reflected);
        }
        self.greeted = true;
        match self.side {
            Side::Listener => greet(&self.mine, out),
            Side::Dialler => out.extend_from_slice(self.keyed(self.side.proves()).as_bytes()),
        }
        Ok(())
    }

    fn theirs(&self) -> &[u8] {
        &self.received[MAGIC.len()..GREETING_BYTES]
    }

    fn keyed(&self, purpose: &[u8; 16]) -> blake3::Hash {
        let (dialler, listener): (&[u8], &[u8]) = match self.side {
            Side::Dialler => (&self.mine, self.theirs()),
            Side::Listener => (self.theirs(), &self.mine),
        };
        let mut hasher = Hasher::new_keyed(self.credentials.key.bytes());
        hasher.update(purpose).update(dialler).update(listener);
        hasher.update(self.credentials.cluster.as_bytes());
        hasher.finalize()
    }
}

fn greet(nonce: &Nonce, out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(nonce);
}

/// The key of one direction and how many frames it has seen.
#[derive(Clone)]
struct Numbered {
    key: [u8; 32],
    frames: u64,
}

impl Numbered {
    fn new(key: &blake3::Hash) -> Self {
        Numbered { key: *key.as_bytes(), frames: 0 }
    }

    fn mac(&self, frame: &[u8]) -> [u8; MAC_BYTES] {
        let mut hasher = Hasher::new_keyed(&self.key);
        hasher.update(&self.frames.to_le_bytes()).update(frame);
        *hasher.finalize().as_bytes().first_chunk().expect("a hash is longer than a mac")
    }
}

/// Makes the macs of the frames sent.
pub struct Sealer(Numbered);

impl Sealer {
    /// The mac of the next frame, given its header and payload.
    pub(crate) fn next_mac(&mut self, frame: &[u8]) -> [u8; MAC_BYTES] {
        let mac = self.0.mac(frame);
        self.0.frames += 1;
        mac
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} frames)", self.0.frames)
    }
}

/// Checks the macs of the frames received.
pub struct Opener(Numbered);

impl Opener {
    /// Whether this is the next frame that the peer sealed.
    pub(crate) fn next_is(&mut self, frame: &[u8], mac: &[u8; MAC_BYTES]) -> bool {
        let is_next = bool::from(self.0.mac(frame).ct_eq(mac));
        self.0.frames += u64::from(is_next);
        is_next
    }

    /// How many frames were opened.
    pub(crate) fn opened(&self) -> u64 {
        self.0.frames
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({} frames)", self.0.frames)
    }
}

/// One connection: bytes received in, bytes to send out, and once the peer is proven, frames.
#[derive(Debug)]
pub struct Channel {
    trust: Trust,
    inbound: Inbound,
    outbound: Outbound,
}

#[derive(Debug)]
enum Trust {
    Stranger(Box<Handshake>),
    Proven(Sealer, Opener),
}

impl Channel {
    /// Begins a connection; `nonce` must be fresh from the system's random source ([`crate::key::random`]).
    pub fn new(side: Side, credentials: &Credentials, nonce: Nonce) -> Self {
        let mut outbound = Outbound::default();
        if side == Side::Dialler {
            greet(&nonce, outbound.tail());
        }
        let handshake = Handshake {
            side,
            credentials: credentials.clone(),
            mine: nonce,
            received: [0; HANDSHAKE_BYTES],
            received_bytes: 0,
            greeted: false,
        };
        Channel { trust: Trust::Stranger(Box::new(handshake)), inbound: Inbound::default(), outbound }
    }

    /// Takes bytes received. What a stranger sends is kept in a fixed place of [`HANDSHAKE_BYTES`].
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), HandshakeError> {
        if let Trust::Stranger(handshake) = &mut self.trust
            && handshake.receive(&mut bytes, self.outbound.tail())?
        {
            let (mine, theirs) = (handshake.side.seals(), handshake.side.other().seals());
            let sealer = Sealer(Numbered::new(&handshake.keyed(mine)));
            self.trust = Trust::Proven(sealer, Opener(Numbered::new(&handshake.keyed(theirs))));
        }
        if !bytes.is_empty() {
            self.inbound.push(bytes);
        }
        Ok(())
    }

    /// Whether the peer is a node of this cluster.
    pub fn is_proven(&self) -> bool {
        matches!(self.trust, Trust::Proven(..))
    }

    /// The next whole frame: its kind, and its payload's place for [`Self::payload`]. None before the peer is proven.
    pub fn next_frame(&mut self) -> Result<Option<(Kind, Range<usize>)>, FrameError> {
        match &mut self.trust {
            Trust::Stranger(_) => Ok(None),
            Trust::Proven(_, opener) => self.inbound.next(opener),
        }
    }

    /// The payload that [`Self::next_frame`] told the place of; there until more bytes are received.
    pub fn payload(&self, place: Range<usize>) -> &[u8] {
        self.inbound.payload(place)
    }

    /// Sends a frame whose payload `payload` appends. Panics if the peer is not proven.
    pub fn send(&mut self, kind: Kind, payload: impl FnOnce(&mut Vec<u8>)) {
        match &mut self.trust {
            Trust::Stranger(_) => panic!("{kind:?} frame for a stranger"),
            Trust::Proven(sealer, _) => seal(sealer, self.outbound.tail(), kind, payload),
        }
    }

    /// What the socket shall send next.
    pub fn pending(&self) -> &[u8] {
        self.outbound.pending()
    }

    /// The socket has taken the first so many bytes of [`Self::pending`].
    pub fn sent(&mut self, bytes: usize) {
        self.outbound.sent(bytes);
    }
}

#[cfg(test)]
mod tests;

//! Whatever comes in on a replication connection, at either end of it: from strangers, and, as frames that are sealed right,
//! from a peer that has the cluster's key and makes no sense.
//!
//! Promised: a stranger is told a nonce and nothing else, and believed by nobody; each frame is an event, an answer or the
//! end of the connection in words; what is kept for a peer that does not read is bounded; a standby takes nothing
//! that does not continue its log, and all that does; and a port streams only what its log has, and only to one whose
//! log is the same so far.

use rialto_replicator::gone::Gone;
use rialto_replicator::key::ClusterKey;
use rialto_replicator::pace::Now;
use rialto_replicator::peer::Peer;
use rialto_replicator::primary::Limits;
use rialto_replicator::secure::{Credentials, NONCE_BYTES};
use rialto_replicator::standby::Standby;

use crate::bytes::Bytes;
use log::Log;
use node::Node;

mod frames;
mod log;
mod node;
mod port;
mod standby;

/// What a listener sends to one that is not proven: magic and nonce.
const GREETING_BYTES: usize = 8 + NONCE_BYTES;
const MINE: [u8; NONCE_BYTES] = [1; NONCE_BYTES];
const THEIRS: [u8; NONCE_BYTES] = [2; NONCE_BYTES];

/// The first byte decides: a stranger's bytes, a proven peer's frames to a port, or to a standby.
pub fn replication(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    match bytes.byte() % 4 {
        0 => strangers(&mut bytes),
        1 | 2 => port::hears(&mut bytes),
        _ => standby::hears(&mut bytes),
    }
}

fn credentials() -> Credentials {
    Credentials { key: ClusterKey::new([9; 32]), cluster: "market".into() }
}

/// Why a connection ends can be read.
fn in_words(why: &Gone) {
    assert!(!why.to_string().is_empty(), "{why:?} without words");
}

/// Bytes to each end as they come in pieces. Nothing that a stranger says makes it one of ours.
fn strangers(bytes: &mut Bytes<'_>) {
    let piece = usize::from(bytes.byte()) + 1;
    let now = Now::default();
    let mut node = Node::new(Log::new());
    let mut peer = Peer::new(&credentials(), MINE, Limits::default(), now);
    for piece in bytes.0.chunks(piece) {
        let heard = peer.receive(piece, now).and_then(|()| peer.serve(&mut node, now));
        assert!(!peer.is_proven() && peer.standby().is_none(), "a stranger was believed");
        assert!(peer.pending().len() <= GREETING_BYTES, "a stranger was told more than a nonce");
        if let Err(why) = heard {
            in_words(&why);
            break;
        }
    }
    assert!(node.events.is_empty() && node.promised == 0, "a stranger has moved a node");
    let hello = Log::new().hello(0);
    let mut standby = Standby::new(&credentials(), hello, MINE, now);
    for piece in bytes.0.chunks(piece) {
        let heard = standby.receive(piece, now).and_then(|()| Ok(standby.next_event()?.is_some()));
        assert!(standby.pending().len() <= GREETING_BYTES + 32, "a stranger was told more than a proof");
        match heard {
            Ok(was_told) => assert!(!was_told, "a stranger was listened to"),
            Err(why) => {
                in_words(&why);
                break;
            }
        }
    }
}

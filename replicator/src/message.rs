//! What the frames say. Structures pass through bincode here and nowhere else, behind the protocol's version; what
//! travels often has a fixed layout, little-endian:
//!
//! ```text
//! RUN        epoch u32, 0 u32, position u64, records …
//! CLOSE      page u64
//! ACK        epoch u32, 0 u32, received u64, synced u64, applied u64, event pages u64, their hash 16
//! HEARTBEAT  epoch u32, 0 u32, committed sequence u64, wall clock ns u64, version of the cluster state u64
//! FENCE, HANDOVER  epoch u32, 0 u32
//! SNAPSHOT   offset u64, bytes …      PAGE, EVENT_PAGE  page number u64, page 4096      STATE  bytes, not read here
//! ```
//!
//! Sequences in an ACK and event pages in it are 0 while there are none.

use std::ops::RangeInclusive;

use bincode::Options;
use rialto_journal::layout::{ClusterId, PAGE_BYTES};
use rialto_journal::page::Chain;
use rialto_journal::position::Position;
use rialto_journal::recover::scan::{Base, EpochStart};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bytes::{array_at, u32_at, u64_at};
use crate::frame::Kind;

/// Version of all that a proven peer is told; grows with each change of a frame or structure.
pub const PROTOCOL: u32 = 1;
const PROTOCOL_BYTES: usize = 4;

/// Bytes before the records of a RUN.
pub const RUN_HEADER_BYTES: usize = 16;
/// Bytes before what a SNAPSHOT, PAGE or `EVENT_PAGE` carries.
pub const PLACE_BYTES: usize = 8;
/// The most rows of an epoch table that are sent: the newest. A node with more finds an older common point or none.
pub const EPOCHS_MAX: usize = 16 * 1024;

/// What a standby is and holds, as it asks to be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The cluster's name.
    pub cluster: String,
    /// Whose journal it has; `None` if it has none yet.
    pub cluster_id: Option<ClusterId>,
    /// Its own name.
    pub node: String,
    /// The kernel's boot id.
    pub boot_id: [u8; 16],
    /// Changes with each new ring: which life of the node's memory this is.
    pub incarnation: u64,
    /// The lowest and the highest version of the commands' meaning that it can run.
    pub versions: (u32, u32),
    /// The highest epoch that it has promised to follow.
    pub promised_epoch: u32,
    /// The epochs of its log, oldest first.
    pub epochs: Vec<EpochStart>,
    /// Behind its last closed page: [`Base::genesis`] of an empty log (all zero but `first_seq` 1 without cluster id).
    pub end: Base,
    /// What it has of the page that is open, if that is any record. (A last page that was closed only because the node
    /// stopped can be told as open, with `end` at it, by a node that is able to open it again. Told as closed, it will
    /// have to go.)
    pub open: Option<OpenPage>,
    /// Pages below this number are durable there.
    pub synced_page: u64,
}

impl Hello {
    /// Whether it can run commands of this version.
    pub fn runs(&self, version: u32) -> bool {
        RangeInclusive::new(self.versions.0, self.versions.1).contains(&version)
    }
}

/// The records of a page that is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPage {
    /// The epoch of the page.
    pub epoch: u32,
    /// The offset behind its last record.
    pub offset: u16,
    /// The sequence of that record.
    pub last_seq: u64,
    /// xxh3-128, little-endian, of the page's bytes from 64 to `offset`: [`hash_of_records`].
    pub hash: [u8; 16],
}

/// The hash of an open page's records.
pub fn hash_of_records(records: &[u8]) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(records).to_le_bytes()
}

/// How the primary goes on with a standby.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome {
    /// Records follow. The standby's log must end at `from` (or have nothing behind it): a page's start, or behind the
    /// records of its open page.
    Stream {
        /// Who serves.
        lead: Lead,
        /// A [`Position`].
        from: u64,
        /// The sequence of the first record that follows.
        next_seq: u64,
    },
    /// The standby has pages, or an open page, that are not the primary's. It puts aside all from the first of these bases
    /// on that is also its own, and says HELLO again. If none is, it has diverged.
    ///
    /// There are two, because epoch tables tell where pages may be equal, and the last of them may have been closed early
    /// on one side alone: by the next epoch's start, or by a node that stopped.
    Truncate {
        /// Who serves.
        lead: Lead,
        /// The primary's, the newest first.
        bases: Vec<Base>,
    },
    /// The standby starts with the primary's snapshot: SNAPSHOT, PAGE and `EVENT_PAGE` frames follow, then `SEED_DONE`, and the
    /// connection ends. Then it says HELLO again.
    Seed {
        /// Who serves.
        lead: Lead,
        /// What comes.
        seed: Seed,
    },
    /// It is not served, and the connection ends.
    Reject(Reject),
}

/// Who a primary is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// Its name.
    pub node: String,
    /// Where its clients connect.
    pub fix: String,
    /// Its epoch.
    pub epoch: u32,
    /// Whose journal.
    pub cluster_id: ClusterId,
    /// The version of the commands' meaning in force.
    pub version: u32,
    /// Names of the nodes whose copies count.
    pub in_sync: Vec<String>,
}

/// A snapshot and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// The last command that the snapshot has.
    pub seq: u64,
    /// Bytes of its file.
    pub snapshot_bytes: u64,
    /// The first command page that follows.
    pub base: Base,
    /// The page behind the last one that follows.
    pub end_page: u64,
    /// The epochs up to there.
    pub epochs: Vec<EpochStart>,
    /// The first event page that follows, and the one behind the last.
    pub event_pages: (u64, u64),
}

/// Why a standby is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Reject {
    /// Ask there.
    #[error("not the primary; that is {primary:?} at {address:?}, as far as known here")]
    NotPrimary {
        /// Name of the primary, as far as known.
        primary: Option<String>,
        /// Where it may be found.
        address: Option<String>,
    },
    /// The standby has met a higher epoch than the one asked is in: that one is primary no more, or soon.
    #[error("epoch {epoch} here is older than one that the standby has met")]
    Stale {
        /// The epoch of who was asked.
        epoch: u32,
    },
    /// Its journal is another cluster's.
    #[error("the journal of another cluster")]
    Cluster,
    /// It cannot run what is in the log.
    #[error("commands of version {mine}, the standby runs versions {} to {}", .yours.0, .yours.1)]
    Version {
        /// The version in force.
        mine: u32,
        /// The lowest and the highest that the standby runs.
        yours: (u32, u32),
    },
    /// The logs differ in what both believe to be settled. An operator's case: the standby's pages are archived, then it is
    /// seeded.
    #[error("the logs differ below their common point: {0}")]
    Diverged(String),
    /// Not now: try again.
    #[error("not now: {0}")]
    Busy(String),
}

/// What is asked of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Who asks.
    pub node: String,
    /// Also asks a primary to hand over to whom asks, a standby in sync.
    pub hand_over: bool,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its name.
    pub node: String,
    /// What it is just now.
    pub role: Role,
    /// Whose journal it has.
    pub cluster_id: Option<ClusterId>,
    /// The epoch it is primary in or follows.
    pub epoch: u32,
    /// The highest epoch that it has promised to follow.
    pub promised_epoch: u32,
    /// Behind its last closed page.
    pub end: Base,
    /// The epoch of the last command that it holds.
    pub log_epoch: u32,
    /// The last command that it holds, closed page or not.
    pub last_seq: u64,
    /// The last command that is durable there.
    pub synced_seq: u64,
    /// The names in the in-sync set, as it knows it.
    pub in_sync: Vec<String>,
    /// The version of the cluster state that it knows.
    pub state_version: u64,
    /// The kernel's boot id.
    pub boot_id: [u8; 16],
    /// Which life of its memory this is.
    pub incarnation: u64,
    /// Who it believes is primary.
    pub primary: Option<String>,
    /// Where that one may be found.
    pub primary_address: Option<String>,
    /// Where its clients connect.
    pub fix: String,
    /// All that it ever acknowledged, or released, is still there.
    pub is_whole: bool,
    /// The cluster's state as it knows it; empty if it knows none.
    pub state: Vec<u8>,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It is opening its journal, or waits to learn what it shall be.
    Starting,
    /// It follows.
    Standby,
    /// It leads.
    Primary,
    /// It led, and has met a higher epoch.
    Fenced,
}

/// A node's answer to FENCE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Its name.
    pub node: String,
    /// The epoch asked for.
    pub epoch: u32,
    /// Whether it has durably promised to follow none below; else why not.
    pub made: Result<(), String>,
    /// It gives none because it wants or wanted to open that epoch itself, and does not lead.
    pub opens: bool,
    /// The highest epoch that it has promised.
    pub promised_epoch: u32,
    /// Behind its last closed page.
    pub end: Base,
    /// The last command that it holds.
    pub last_seq: u64,
    /// The last command that is durable there.
    pub synced_seq: u64,
}

/// How far a standby has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ack {
    /// The epoch it follows.
    pub epoch: u32,
    /// The last command that it holds in shared memory, checked.
    pub received: u64,
    /// The last command that is durable there.
    pub synced: u64,
    /// The last command that it has applied.
    pub applied: u64,
    /// How many full event pages the hash below covers.
    pub event_pages: u64,
    /// The running hash of its full event pages.
    pub event_hash: Chain,
}

/// Both sides are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// The sender's epoch.
    pub epoch: u32,
    /// The last command that is released, as the sender knows it.
    pub committed_seq: u64,
    /// The sender's clock, ns since 1970, UTC.
    pub wall_ns: u64,
    /// The version of the cluster state that the sender knows.
    pub state_version: u64,
}

/// What is wrong with a payload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Too short or too long for what it is.
    #[error("{kind:?} frame with {bytes} bytes of payload")]
    Length {
        /// What it is.
        kind: Kind,
        /// Its payload's bytes.
        bytes: usize,
    },
    /// A build that speaks otherwise.
    #[error("the peer speaks version {found} of the replication protocol, this build {PROTOCOL}")]
    Protocol {
        /// The peer's version.
        found: u32,
    },
    /// The structure makes no sense.
    #[error("{kind:?} frame: {why}")]
    Content {
        /// What it is.
        kind: Kind,
        /// What is wrong.
        why: String,
    },
}

fn options(kind: Kind) -> impl Options {
    let limit = u64::try_from(kind.bytes_max() - PROTOCOL_BYTES).expect("a usize fits 64 bits");
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .with_limit(limit)
        .reject_trailing_bytes()
}

/// Appends a structure; panics if it is larger than its kind allows.
pub fn put<T: Serialize>(out: &mut Vec<u8>, kind: Kind, value: &T) {
    out.extend_from_slice(&PROTOCOL.to_le_bytes());
    options(kind).serialize_into(out, value).expect("structures are kept within the limit of their kind");
}

/// The structure in a payload of this kind.
pub fn get<T: DeserializeOwned>(kind: Kind, payload: &[u8]) -> Result<T, MessageError> {
    let (version, rest) = payload
        .split_first_chunk::<PROTOCOL_BYTES>()
        .ok_or(MessageError::Length { kind, bytes: payload.len() })?;
    let found = u32::from_le_bytes(*version);
    if found != PROTOCOL {
        return Err(MessageError::Protocol { found });
    }
    let content = |error: bincode::Error| MessageError::Content { kind, why: error.to_string() };
    options(kind).deserialize(rest).map_err(content)
}

/// Leaves the newest rows of an epoch table, as many as are sent.
pub fn keep_newest(epochs: &mut Vec<EpochStart>) {
    epochs.drain(..epochs.len().saturating_sub(EPOCHS_MAX));
}

fn exactly(kind: Kind, payload: &[u8], bytes: usize) -> Result<(), MessageError> {
    if payload.len() == bytes { Ok(()) } else { Err(MessageError::Length { kind, bytes: payload.len() }) }
}

fn put_words(out: &mut Vec<u8>, words: &[u64]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

impl Ack {
    /// Appends the payload of an ACK.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_words(out, &[u64::from(self.epoch), self.received, self.synced, self.applied, self.event_pages]);
        out.extend_from_slice(&self.event_hash);
    }

    /// The ACK in a payload.
    pub fn get(payload: &[u8]) -> Result<Self, MessageError> {
        exactly(Kind::Ack, payload, Kind::Ack.bytes_max())?;
        Ok(Ack {
            epoch: u32_at(payload, 0),
            received: u64_at(payload, 8),
            synced: u64_at(payload, 16),
            applied: u64_at(payload, 24),
            event_pages: u64_at(payload, 32),
            event_hash: array_at(payload, 40),
        })
    }
}

impl Heartbeat {
    /// Appends the payload of a HEARTBEAT.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_words(out, &[u64::from(self.epoch), self.committed_seq, self.wall_ns, self.state_version]);
    }

    /// The HEARTBEAT in a payload.
    pub fn get(payload: &[u8]) -> Result<Self, MessageError> {
        exactly(Kind::Heartbeat, payload, Kind::Heartbeat.bytes_max())?;
        Ok(Heartbeat {
            epoch: u32_at(payload, 0),
            committed_seq: u64_at(payload, 8),
            wall_ns: u64_at(payload, 16),
            state_version: u64_at(payload, 24),
        })
    }
}

/// Appends the payload of a RUN.
pub fn put_run(out: &mut Vec<u8>, epoch: u32, position: Position, records: &[u8]) {
    put_words(out, &[u64::from(epoch), position.get()]);
    out.extend_from_slice(records);
}

/// Epoch, position and records of a RUN's payload, none of them checked.
pub fn get_run(payload: &[u8]) -> Result<(u32, Position, &[u8]), MessageError> {
    let short = MessageError::Length { kind: Kind::Run, bytes: payload.len() };
    let (head, records) = payload.split_first_chunk::<RUN_HEADER_BYTES>().ok_or(short)?;
    Ok((u32_at(head, 0), Position::new(u64_at(head, 8)), records))
}

/// The one word of a CLOSE.
pub fn get_close(payload: &[u8]) -> Result<u64, MessageError> {
    exactly(Kind::Close, payload, 8)?;
    Ok(u64_at(payload, 0))
}

/// The epoch of a FENCE or HANDOVER.
pub fn get_epoch(kind: Kind, payload: &[u8]) -> Result<u32, MessageError> {
    exactly(kind, payload, 8)?;
    Ok(u32_at(payload, 0))
}

/// Number or offset, and the bytes that belong there, of a SNAPSHOT, PAGE or `EVENT_PAGE`.
pub fn get_placed(kind: Kind, payload: &[u8]) -> Result<(u64, &[u8]), MessageError> {
    let short = MessageError::Length { kind, bytes: payload.len() };
    let (place, bytes) = payload.split_first_chunk::<PLACE_BYTES>().ok_or(short)?;
    Ok((u64::from_le_bytes(*place), bytes))
}

/// Number and bytes of a PAGE or `EVENT_PAGE`.
pub fn get_page(kind: Kind, payload: &[u8]) -> Result<(u64, &[u8]), MessageError> {
    exactly(kind, payload, PLACE_BYTES + PAGE_BYTES)?;
    get_placed(kind, payload)
}

/// Appends the payload of a SNAPSHOT, PAGE or `EVENT_PAGE`.
pub fn put_placed(out: &mut Vec<u8>, place: u64, bytes: &[u8]) {
    put_words(out, &[place]);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;

//! What must hold whatever bytes come in. Each check takes any bytes at all, does with them what the exchange would do
//! with bytes from outside, and panics where a promise is broken.
//!
//! They are the bodies of the fuzz targets in `fuzz/fuzz_targets` (nightly, libFuzzer), and `tests/corpora.rs` replays
//! what those have found worth keeping, in `fuzz/corpus`, on any compiler.

mod bytes;
mod config;
mod conversation;
mod coordinator;
mod fix_decoder;
mod fix_session;
mod heard;
mod journal;
mod line_decoder;
mod market;
mod matching;
mod replication;
mod ring_records;
mod snapshot_load;

pub use config::config;
pub use coordinator::coordinator;
pub use fix_decoder::fix_decoder;
pub use fix_session::fix_session;
pub use journal::journal_recovery;
pub use line_decoder::line_decoder;
pub use replication::replication;
pub use ring_records::ring_records;
pub use snapshot_load::snapshot_load;

/// A check: it panics where a promise is broken.
pub type Check = fn(&[u8]);

/// All checks, by the names of their targets.
pub const CHECKS: &[(&str, Check)] = &[
    ("fix_decoder", fix_decoder),
    ("fix_session", fix_session),
    ("line_decoder", line_decoder),
    ("ring_records", ring_records),
    ("journal_recovery", journal_recovery),
    ("snapshot_load", snapshot_load),
    ("replication", replication),
    ("coordinator", coordinator),
    ("config", config),
];

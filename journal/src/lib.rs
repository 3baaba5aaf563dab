//! How it is kept: the paged log in shared memory, segment files, recovery and the storage of snapshots.
//!
//! The journal does not know what a command means, who trades, or that there is a network.

pub mod clock;
pub mod cursor;
pub mod layout;
pub mod log;
pub mod page;
pub mod position;
pub mod reader;
pub mod record;
pub mod shared;

mod atomics;

// The disk: no part of loom's models, whose pages are too small for it.
#[cfg(not(loom))]
pub mod archive;
#[cfg(not(loom))]
pub mod codec;
#[cfg(not(loom))]
pub mod disk;
#[cfg(not(loom))]
pub mod epochs;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod meta;
#[cfg(not(loom))]
pub mod recover;
#[cfg(not(loom))]
pub mod retention;
#[cfg(not(loom))]
pub mod seed;
#[cfg(not(loom))]
pub mod segment;
#[cfg(not(loom))]
mod slots;
#[cfg(not(loom))]
pub mod snapshot;
#[cfg(not(loom))]
pub mod storage;

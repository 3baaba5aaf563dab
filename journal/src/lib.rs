//! How it is kept: the paged log in shared memory, segment files, recovery and the storage of snapshots.
//!
//! The journal does not know what a command means, who trades, or that there is a network.

pub mod codec;
pub mod cursor;
pub mod disk;
pub mod error;
pub mod layout;
pub mod log;
pub mod meta;
pub mod page;
pub mod position;
pub mod reader;
pub mod record;
pub mod recover;
pub mod retention;
pub mod segment;
pub mod shared;
pub mod snapshot;
pub mod storage;

mod atomics;

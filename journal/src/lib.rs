//! How it is kept: the paged log in shared memory, segment files, recovery and the storage of snapshots.
//!
//! The journal does not know what a command means, who trades, or that there is a network.

pub mod cursor;
pub mod layout;
pub mod log;
pub mod page;
pub mod position;
pub mod reader;
pub mod record;
pub mod shared;

mod atomics;

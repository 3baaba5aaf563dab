//! How it is kept: the paged log in shared memory, segment files, recovery and the storage of snapshots.
//!
//! The journal does not know what a command means, who trades, or that there is a network.

pub mod layout;
pub mod page;
pub mod position;
pub mod record;

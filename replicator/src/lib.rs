//! How a second machine comes to hold it: shipping, standby, fencing, promotion.
//!
//! ```text
//! key secure          who may speak: the cluster's key, the handshake, a mac on each frame
//! frame message       how bytes are cut, and what a frame says
//! history             how far two logs are the same, by their epoch tables
//! primary/…  standby  the two ends of one stream: bytes and a time in, bytes and events out
//! peer                one connection to a node's port: stranger, then standby or someone who asks
//! ship                what the port needs of its node: the traits `Node`, `Ship`, `SeedSource`
//! gone pace           why a connection ends; heartbeats and silence
//! state               who leads, whose copies are waited for, and how that may change
//! coordinator/…       where the state is kept: etcd, no place at all, a pretended one; leases and watches
//! promote/…           who may lead: the checks before a promotion, and a primary's restart
//! lease               until when a primary may release
//! link/…              the outside: sockets. `Listener` (a node's port), `Upstream` (a standby's connection), `ask`
//! ```
//!
//! A standby: [`link::Upstream::connect`], then in a loop `poll`, all of `next_event`, one `ack`. A node of any role drives a
//! [`link::Listener`] with its [`ship::Node`]. The replicator does not know what an order is, writes no file, and holds
//! up nobody: who is slow is read to from the segments.

pub mod coordinator;
pub mod frame;
pub mod gone;
pub mod history;
pub mod key;
pub mod lease;
pub mod link;
pub mod message;
pub mod pace;
pub mod peer;
pub mod primary;
pub mod promote;
pub mod secure;
pub mod ship;
pub mod standby;
pub mod state;

mod bytes;

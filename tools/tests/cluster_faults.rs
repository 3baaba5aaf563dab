//! What nodes of a cluster without a coordinator do on bad days: two promotions at once, paused processes, a power cut of
//! all, a node of another cluster. A client that knows all nodes keeps book of every number and every answer.

#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "a test fails by a panic, here in what several tests share"
)]

#[path = "support/caller.rs"]
mod caller;
#[path = "support/client.rs"]
mod client;
#[path = "support/cluster.rs"]
mod cluster;
#[path = "cluster_faults/copies.rs"]
mod copies;
#[path = "cluster_faults/kill.rs"]
mod kill;
#[path = "support/node.rs"]
mod node;
#[path = "cluster_faults/policy.rs"]
mod policy;
#[path = "cluster_faults/stop.rs"]
mod stop;
#[path = "cluster_faults/strangers.rs"]
mod strangers;
#[path = "cluster_faults/switch.rs"]
mod switch;

/// One instrument, orders that rest.
const CONFIG: &str = r#"
node        = { name = "n1", cluster = "CLUSTER", ack = "disk", idle = "park", pin = "off", segment_mib = 1, shm_mib = 4 }
currency    = [{ code = "USD", decimals = 10 }]
instrument  = [{ symbol = "ACME", tick = "0.01", lot = "1", currency = "USD" }]
participant = [{ name = "ALPHA", kind = "broker", self_trade = "off" }]
account     = [{ name = "A1", participant = "ALPHA" }]
session     = [{ comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret" },
               { comp_id = "ALPHA2", participant = "ALPHA", accounts = ["A1"], password = "secret" },
               { comp_id = "DATA1", participant = "ALPHA", password = "secret", kind = "market-data" }]
deposit     = [{ id = "d1", account = "A1", asset = "USD", amount = "100000000.00" },
               { id = "d2", account = "A1", asset = "ACME", amount = "1000000" }]
"#;

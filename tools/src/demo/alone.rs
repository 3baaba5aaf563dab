//! The demo's node, where it is the only one: it runs inside this process, as `serve` would run it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::disk::{Disk, Durability, durability_of};
use rialto_journal::meta::{META_NAME, MetaFile};

use super::market;
use crate::config::Ack;
use crate::failure::{Code, failure};
use crate::load;
use crate::serve::command::{gateway_settings, idle, policy};
use crate::serve::node::Node;
use crate::serve::run::Settings;
use crate::serve::start::{Plan, Upkeep};

/// The node in `dir`.
pub fn settings(dir: &Path, shm_dir: &Path, ack: Ack) -> anyhow::Result<Settings> {
    let config = market::config(&cluster_name(dir)?)?;
    let plan = Plan {
        dir: dir.to_owned(),
        shm_dir: shm_dir.to_owned(),
        node: config.node.name.clone(),
        cluster: config.node.cluster.clone(),
        policy: policy(ack),
        backend: Backend::Direct,
        accept_volatile: false,
        segment_bytes: u64::from(config.node.segment_mib) << 20,
        shm_bytes: u64::from(config.node.shm_mib) << 20,
        upkeep: Upkeep::of(&config.node),
        reference: load::operations(&config)?,
        cluster_id: None,
    };
    Ok(Settings {
        plan,
        fix: config.listen.fix,
        metrics: config.listen.metrics,
        idle: idle(config.node.idle),
        pin: None,
        gateways: 1,
        gateway: gateway_settings(&config)?,
        archive: Vec::new(),
    })
}

/// The cluster's name: that of the journal in `dir`, or one that no other demo on this machine has.
pub fn cluster_name(dir: &Path) -> anyhow::Result<String> {
    if dir.join(META_NAME).exists() {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Direct));
        let name = MetaFile::peek(&disk, dir).with_context(|| dir.display().to_string())?.cluster;
        return Ok(name);
    }
    Ok(format!("demo-{}-{}", std::process::id(), super::prefix()))
}

/// The file system's name, if it cannot keep a promise.
pub fn volatile(dir: &Path) -> anyhow::Result<Option<&'static str>> {
    Ok(match durability_of(dir).with_context(|| dir.display().to_string())? {
        Durability::Durable => None,
        Durability::Volatile(name) => Some(name),
    })
}

/// Number of the last trade of a journal that was used before.
pub fn trades_so_far(node: &Node) -> anyhow::Result<u64> {
    let last = node.aside.ask(|exchange, _| exchange.trades().next_back().map_or(0, |trade| trade.id.0));
    last.ok_or_else(|| failure(Code::Stopped, "the shadow of the exchange did not answer"))
}

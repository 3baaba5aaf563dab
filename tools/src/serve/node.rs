//! A running node as its operator sees it: status, lists, metrics.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use rialto_engine::ports::Counters;
use rialto_gateway::standing::Standing;
use rialto_gateway::view::View;
use rialto_journal::cursor::Cursors;
use rialto_journal::segment::hex;
use rialto_journal::storage::event_hash::EventHashes;
use rialto_protocol::terms::MarketState;
use serde_json::{Value, json};

use super::archive::Archive;
use super::aside::Aside;
use super::cluster::{Cluster, told};
use super::operator::Operator;
use super::show;

/// What every thread that serves an operator shares.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Where clients reach it.
    pub fix: String,
    /// Where metrics are.
    pub metrics: Option<String>,
    /// Its cursors.
    pub cursors: Arc<Cursors>,
    /// What its matcher counts.
    pub counters: Arc<Counters>,
    /// The view.
    pub view: Arc<Mutex<View>>,
    /// Sends operations.
    pub operator: Arc<Operator>,
    /// Answers what needs the whole state.
    pub aside: Aside,
    /// Hashes of the event log.
    pub event_hashes: Arc<EventHashes>,
    /// The disk has no room for another segment: only cancels are taken.
    pub no_space: Arc<AtomicBool>,
    /// What gateways say of it.
    pub standing: Arc<Standing>,
    /// How archiving goes, if files are archived.
    pub archive: Option<Arc<Archive>>,
    /// Its cluster, if it is one of several nodes.
    pub cluster: Option<Arc<Cluster>>,
}

impl Node {
    /// Where everything is, as `endpoints.json` and the ready line say it.
    pub fn endpoints(&self) -> Value {
        json!({
            "node": self.name,
            "pid": std::process::id(),
            "fix": self.fix,
            "replication": self.cluster.as_ref().map(|cluster| cluster.replication.clone()),
            "admin": self.dir.join("admin.sock"),
            "metrics": self.metrics,
            "supervisor": self.cluster.as_ref().and_then(|cluster| cluster.supervisor),
        })
    }

    /// The node's row of `rialto status`.
    pub fn status(&self, state_hash: bool) -> Value {
        let hash = state_hash.then(|| {
            let found = self.aside.ask(|exchange, sequence| (sequence.0, exchange.state_hash()));
            found.map(|(seq, hash)| json!({ "seq": seq, "hash": hash.to_hex().as_str() }))
        });
        let unmet = self.cursors.unmet_since_ns();
        let (orders_open, sessions_live, market, epoch) = {
            let view = self.view.lock();
            (view.books.open_orders(), view.sessions.live(), market_word(&view), view.epoch())
        };
        let (pages, event_hash) = self.event_hashes.latest();
        let cursors = &self.cursors;
        let row = self.cluster.as_ref().map_or_else(|| self.alone(), |cluster| told::row(cluster));
        let leads = row.role == "primary";
        let is_met = unmet == 0 && cursors.failure().is_none();
        json!({
            "node": self.name,
            "pid": std::process::id(),
            "role": row.role,
            "epoch": row.epoch.unwrap_or(epoch.0),
            "primary": row.primary,
            "ack": cursors.policy().name(),
            "policy_met": leads.then_some(is_met),
            "unmet_since_ns": if unmet == 0 { Value::Null } else { json!(unmet) },
            "market": market,
            "no_space": self.no_space.load(Ordering::Relaxed),
            "archive": self.archive.as_ref().map(|archive| archive.status()),
            "cursors": {
                "published": cursors.published(),
                "sealed": cursors.sealed(),
                "synced": cursors.synced(),
                "released": cursors.released(),
            },
            "event_hash": { "pages": pages, "hash": hex(&event_hash) },
            "state_hash": hash.flatten(),
            "in_sync": row.in_sync,
            "members": row.members,
            "standbys": row.standbys,
            "orders_open": orders_open,
            "sessions_live": sessions_live,
            "endpoints": self.endpoints(),
            "version": env!("CARGO_PKG_VERSION"),
            "commit": env!("RIALTO_COMMIT"),
        })
    }

    fn alone(&self) -> told::Row {
        told::Row {
            role: "primary",
            primary: Some(self.name.clone()),
            epoch: None,
            in_sync: vec![self.name.clone()],
            members: vec![self.name.clone()],
            standbys: json!([]),
        }
    }

    /// A list of the state, at least as new as what was released when this was called.
    pub fn show(&self, what: &str) -> anyhow::Result<Value> {
        let what = what.to_owned();
        let list = self.aside.ask(move |exchange, sequence| show::list(&what, exchange, sequence));
        list.unwrap_or_else(|| anyhow::bail!("the shadow is too far behind: try again"))
    }

    /// Prometheus text.
    pub fn metrics(&self) -> String {
        let (orders, sessions, epoch) = {
            let view = self.view.lock();
            (view.books.open_orders() as u64, view.sessions.live() as u64, view.epoch())
        };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rows = [
            ("published", "gauge", "Last command applied", self.cursors.published()),
            ("sealed", "gauge", "Last command in a sealed page", self.cursors.sealed()),
            ("synced", "gauge", "Last command durable on this node", self.cursors.synced()),
            ("released", "gauge", "Last command told to the world", self.cursors.released()),
            ("epoch", "gauge", "Epoch in force", u64::from(epoch.0)),
            (
                "no_space",
                "gauge",
                "1 while the disk has no room and only cancels are taken",
                u64::from(self.no_space.load(Ordering::Relaxed)),
            ),
            ("orders_open", "gauge", "Open orders in all books", orders),
            ("sessions_live", "gauge", "Sessions that are logged on", sessions),
            ("malformed_total", "counter", "Records that were no command", count(&self.counters.malformed)),
            ("dropped_total", "counter", "Commands of a number already used", count(&self.counters.dropped)),
            ("cut_total", "counter", "Sessions cut since a number was skipped", count(&self.counters.cut)),
            ("poisoned_total", "counter", "Rings given up", count(&self.counters.poisoned)),
            ("full_total", "counter", "Turns that found the logs full", count(&self.counters.full)),
        ];
        let archive = self.archive.iter().flat_map(|archive| archive.metrics());
        let mut text = String::new();
        for (name, kind, help, value) in rows.into_iter().chain(archive) {
            let row =
                format!("# HELP rialto_{name} {help}.\n# TYPE rialto_{name} {kind}\nrialto_{name} {value}\n");
            text.push_str(&row);
        }
        text
    }
}

/// One word for all instruments, or `mixed`.
fn market_word(view: &View) -> &'static str {
    let mut states = view.directory.instruments().iter().map(|instrument| instrument.state);
    let Some(first) = states.next() else { return show::market(MarketState::Closed) };
    if states.all(|state| state == first) { show::market(first) } else { "mixed" }
}

//! A node's lives: what outlives them is made once, and each of them begins by opening the journal.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use crossbeam::channel::{Sender, bounded, unbounded};
use parking_lot::Mutex;
use rialto_engine::ports::OnPublish;
use rialto_gateway::standing::Standing;
use rialto_journal::cursor::Gate;
use rialto_journal::layout::ClusterId;
use rialto_journal::recover::divergent::Divergent;
use rialto_replicator::coordinator::etcd::Etcd;
use rialto_replicator::coordinator::local::Local;
use rialto_replicator::coordinator::{Coordinator, Revision};
use rialto_replicator::key::ClusterKey;
use rialto_replicator::link::{Doorbell as PortBell, Listener};
use rialto_replicator::message::Role;
use rialto_replicator::primary::Limits;
use rialto_replicator::promote::copy::CountedCopy;
use rialto_replicator::secure::Credentials;
use rialto_replicator::state::{AckPolicy, ClusterState, Counted};
use serde_json::Value;

use super::awaited::Awaited;
use super::engine::{self, Order};
use super::keeper::{self, Lease};
use super::{Cluster, Life, MetaSlot, ack_policy_of, has_node, port};
use crate::config::HostPort;
use crate::failure::{Code, failure};
use crate::request::Nonces;
use crate::serve::current::Current;
use crate::serve::divergence;
use crate::serve::parts::Core;
use crate::serve::run::{Again, End, Running, Settings, open, spawn, wire};
use crate::serve::start::{Opened, lock_meta};
use crate::serve::{listen, metrics, socket, threads};

/// Between two looks at signals and failures.
const WATCH: Duration = Duration::from_millis(10);
/// Longest wait for a change in the coordinator before it is read anyway.
const WATCH_MAX: Duration = Duration::from_millis(500);
/// Before the coordinator is asked again that did not answer.
const WATCH_AGAIN: Duration = Duration::from_millis(200);
/// How long a primary that stops waits for a standby to take over.
const HAND_OVER_MAX: Duration = Duration::from_millis(3500);

/// What makes a node one of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// Where other nodes connect.
    pub replication: SocketAddr,
    /// The nodes of the cluster and their replication addresses.
    pub peers: Vec<(String, HostPort)>,
    /// Where any member may be found, for a node whose directory is empty.
    pub join: Vec<HostPort>,
    /// The file of the key.
    pub key_file: PathBuf,
    /// `etcd://…`, or empty: promotion by hand.
    pub coordinator: String,
    /// A lone primary releases nothing.
    pub strict: bool,
    /// The process that ends this node's lease when it dies.
    pub supervisor: Option<i32>,
}

/// What is told about the node's leases, each time it holds others.
pub type Leases = Arc<dyn Fn(&[Lease]) + Send + Sync>;

/// Runs a node of a cluster until `signalled`, or until it fails. `ready` is called once, when it listens.
pub fn run(
    settings: &Settings,
    cluster: &ClusterSettings,
    (signalled, leases): (&AtomicBool, Leases),
    ready: impl FnOnce(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut node = Outer::new(settings, cluster, leases)?;
    let mut ready = Some(ready);
    loop {
        if !has_node(&settings.plan.dir) && !node.cluster.join.is_empty() {
            let Some(id) = node.find_cluster(signalled) else { return Ok(()) };
            node.settings.plan.cluster_id = Some(id);
        }
        let (running, life) = node.begin()?;
        if let Some(ready) = ready.take() {
            ready(&running.node.endpoints())?;
        }
        let end = node.wait(running, &life, signalled);
        node.cluster.live(None);
        node.cluster.meta.set(None);
        drop(life);
        match end? {
            End::Again(again) if !signalled.load(Ordering::Relaxed) => node.between(again)?,
            End::Again(_) | End::Drained | End::Failed => return Ok(()),
        }
    }
}

/// What outlives a node's lives.
struct Outer {
    settings: Settings,
    cluster: Arc<Cluster>,
    fix: Vec<TcpListener>,
    metrics: Option<SocketAddr>,
    current: Option<Arc<Current>>,
    metrics_listener: Option<TcpListener>,
    leases: Leases,
    /// What was cut off the log before this life.
    cut: Option<Divergent>,
    /// No gateway serves.
    closed: Option<listen::Closed>,
}

impl Outer {
    fn new(settings: &Settings, cluster: &ClusterSettings, leases: Leases) -> anyhow::Result<Self> {
        let key =
            ClusterKey::load(&cluster.key_file).map_err(|error| failure(Code::Usage, error.to_string()))?;
        let credentials = Credentials { key, cluster: settings.plan.cluster.as_str().into() };
        let fix = listen::fix(settings.fix, settings.gateways)?;
        let metrics_listener = listen::metrics(settings.metrics)?;
        let metrics = metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let listener = Listener::bind(cluster.replication, credentials.clone(), Limits::default())
            .map_err(|error| listen::refused("replication", cluster.replication, &error))?;
        let replication = listener.local_address()?.to_string();
        let meta = Arc::new(MetaSlot::default());
        let (coordinator, local) = coordinator(settings, cluster, &meta)?;
        let (port_orders, orders) = unbounded();
        let shared = Arc::new(Cluster {
            name: settings.plan.cluster.clone(),
            me: settings.plan.node.clone(),
            fix: fix[0].local_addr()?.to_string(),
            replication,
            peers: cluster.peers.clone(),
            join: cluster.join.clone(),
            credentials,
            coordinator,
            local,
            strict: cluster.strict,
            lease_gone: AtomicBool::new(false),
            supervisor: cluster.supervisor,
            standing: Arc::new(Standing::default()),
            port_bell: Arc::clone(listener.doorbell()),
            port_orders,
            nonces: Nonces::default(),
            meta,
            life: parking_lot::RwLock::default(),
        });
        let (serving, stop) = (Arc::clone(&shared), Arc::new(AtomicBool::new(false)));
        threads::named("replication", move || port::run(serving, listener, &orders, &stop))?;
        if shared.coordinator.has_leases() {
            let watching = Arc::clone(&shared);
            threads::named("watch", move || watch(&watching))?;
        }
        let closed = Some(listen::Closed::begin(&fix)?);
        Ok(Self {
            settings: settings.clone(),
            cluster: shared,
            fix,
            metrics,
            current: None,
            metrics_listener,
            leases,
            cut: None,
            closed,
        })
    }

    /// Whose journal the cluster has that this node joins; `None`: it was told to stop before it knew.
    fn find_cluster(&self, signalled: &AtomicBool) -> Option<ClusterId> {
        let mut said = false;
        loop {
            if signalled.load(Ordering::Relaxed) {
                return None;
            }
            let heard = self.cluster.ask_others();
            if let Some(id) = heard.iter().find_map(|(_, answer)| answer.cluster_id) {
                return Some(id);
            }
            if !said {
                let names: Vec<String> = self.cluster.join.iter().map(ToString::to_string).collect();
                eprintln!("{}", serde_json::json!({ "ready": false, "waiting_for": names }));
                said = true;
            }
            thread::sleep(WATCH);
        }
    }

    /// Opens the journal and starts the node's threads.
    fn begin(&mut self) -> anyhow::Result<(Running, Alive)> {
        let opened = open(&self.settings.plan)?;
        let counted = counted(&self.settings, &self.cluster.me, &opened)?;
        let (mut parts, mut wiring) = wire(&self.settings, &opened)?;
        for listener in &self.fix {
            parts.listeners.push(listener.try_clone().context("a listener cannot be shared")?);
        }
        parts.standing = Arc::clone(&self.cluster.standing);
        let bell = Arc::clone(&self.cluster.port_bell);
        wiring.on_publish = OnPublish::new(move || bell.ring());
        opened.cursors.set_gate(Gate::Starting);
        let (orders, to_do) = bounded(4);
        let start = opened.end;
        let (follower, core) = opened.follow()?;
        let life = Arc::new(new_life(&core, &parts, (start, counted), orders));
        if let Some(state) = &life.state()
            && let Some(local) = &self.cluster.local
        {
            self.cluster.meta.set(Some(Arc::clone(&life.meta)));
            local.learn(state).map_err(|error| anyhow::anyhow!("node.meta: {error}"))?;
        }
        self.cluster.meta.set(Some(Arc::clone(&life.meta)));
        let stored = Arc::clone(&life);
        parts.on_stored = Arc::new(move || {
            if stored.cursors.policy().asks_standbys_disk()
                && let Some(bell) = &*stored.upstream.lock()
            {
                PortBell::ring(bell);
            }
        });
        let alive = Alive {
            life: Arc::clone(&life),
            stop: Arc::new(AtomicBool::new(false)),
            threads: Mutex::default(),
        };
        let engine = engine::Parts {
            cluster: Arc::clone(&self.cluster),
            life: Arc::clone(&life),
            follower,
            wiring,
            plan: self.settings.plan.clone(),
            orders: to_do,
            idle: (self.settings.idle, Arc::clone(&life.matcher_bell)),
            leases: self.on_leases(&alive),
            cut: self.cut.take(),
        };
        let engine = Box::new(move || engine::run(engine));
        self.closed = None;
        let running =
            spawn(&self.settings, core, parts, (engine, self.metrics, Some(Arc::clone(&self.cluster))))?;
        let (cluster, cared, stop) = (Arc::clone(&self.cluster), Arc::clone(&life), Arc::clone(&alive.stop));
        alive.add(threads::named("keeper", move || keeper::run(&cluster, &cared, &stop))?);
        self.cluster.live(Some(life));
        self.show(&running)?;
        Ok((running, alive))
    }

    /// Each lease is renewed by a thread of its own as long as this life leads.
    fn on_leases(&self, alive: &Alive) -> Arc<dyn Fn(Option<Lease>) + Send + Sync> {
        let (cluster, life, stop) =
            (Arc::clone(&self.cluster), Arc::clone(&alive.life), Arc::clone(&alive.stop));
        let leases = Arc::clone(&self.leases);
        Arc::new(move |lease| {
            leases(lease.as_slice());
            let Some(lease) = lease else { return };
            let (cluster, life, stop) = (Arc::clone(&cluster), Arc::clone(&life), Arc::clone(&stop));
            let renew = move || keeper::renew(&cluster, &life, lease, &stop);
            if let Err(error) = threads::named("lease", renew) {
                tracing::error!(%error, "the lease cannot be renewed");
            }
        })
    }

    /// Operators and scrapers see this life from now on.
    fn show(&mut self, running: &Running) -> anyhow::Result<()> {
        if let Some(current) = &self.current {
            current.set(Arc::clone(&running.node));
            return Ok(());
        }
        let current = Arc::new(Current::new(Arc::clone(&running.node)));
        socket::listen(&self.settings.plan.dir.join("admin.sock"), Arc::clone(&current))?;
        if let Some(listener) = self.metrics_listener.take() {
            metrics::serve(listener, Arc::clone(&current))?;
        }
        self.current = Some(current);
        Ok(())
    }

    /// Waits until the life ends or the process is told to; a primary then lets a standby take over.
    fn wait(&mut self, running: Running, alive: &Alive, signalled: &AtomicBool) -> anyhow::Result<End> {
        while !signalled.load(Ordering::Relaxed) && !running.is_over() {
            thread::sleep(WATCH);
        }
        let life = &alive.life;
        if !running.is_over()
            && let Some(to) = successor(life)
        {
            life.hand_over(&to);
            let deadline = std::time::Instant::now() + HAND_OVER_MAX;
            while !running.is_over() && std::time::Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.closed = Some(listen::Closed::begin(&self.fix)?);
        let ended = running.stop();
        alive.stop.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut *alive.threads.lock()) {
            thread.join().ok();
        }
        ended
    }

    /// What is to be done between two lives.
    fn between(&mut self, again: Again) -> anyhow::Result<()> {
        match again {
            Again::Fenced | Again::Seeded => Ok(()),
            Again::Cut(page_no) => {
                self.cut = divergence::cut_back(&self.settings.plan, page_no)?;
                Ok(())
            }
            Again::Anew => divergence::begin_anew(&self.settings.plan),
        }
    }
}

/// Follows what the coordinator says of the state and the lease, for as long as the process runs.
fn watch(cluster: &Cluster) {
    let mut seen = Revision::default();
    loop {
        match cluster.coordinator.read() {
            Ok(view) => {
                seen = view.revision;
                cluster.lease_gone.store(view.state.is_some() && view.holder.is_none(), Ordering::Release);
                if let (Some(life), Some(state)) = (cluster.life(), view.state()) {
                    life.saw(state.clone());
                    if let Some(bell) = &*life.upstream.lock() {
                        bell.ring();
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the coordinator does not answer");
                thread::sleep(WATCH_AGAIN);
            }
        }
        if cluster.coordinator.watch(seen, WATCH_MAX).is_err() {
            thread::sleep(WATCH);
        }
    }
}

/// The standby in sync that is to take over from a primary that stops.
fn successor(life: &Life) -> Option<String> {
    let state = life.state().filter(|_| life.role() == Role::Primary)?;
    let rows = life.awaited.rows();
    rows.into_iter().find(|(name, row)| row.streams && state.is_in_sync(name)).map(|(name, _)| name)
}

/// A life, and the threads that care for it.
struct Alive {
    life: Arc<Life>,
    stop: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Alive {
    fn add(&self, thread: JoinHandle<()>) {
        self.threads.lock().push(thread);
    }
}

/// Where the state is kept, and the same again where that is this node itself.
type Kept = (Arc<dyn Coordinator>, Option<Arc<Local>>);

fn coordinator(settings: &Settings, cluster: &ClusterSettings, meta: &Arc<MetaSlot>) -> anyhow::Result<Kept> {
    if cluster.coordinator.is_empty() {
        let slot = Arc::clone(meta);
        let local = Arc::new(Local::new(None, Box::new(move |state| slot.keep(state))));
        return Ok((Arc::clone(&local) as Arc<dyn Coordinator>, Some(local)));
    }
    let etcd = Etcd::new(&cluster.coordinator, &settings.plan.cluster).map_err(|why| {
        failure(Code::Usage, format!("cluster.coordinator = \"{}\": {why}", cluster.coordinator))
    })?;
    Ok((Arc::new(etcd), None))
}

/// What became of the copy that other nodes counted on. Once lost it stays so until the node has caught up.
fn counted(settings: &Settings, me: &str, opened: &Opened) -> anyhow::Result<CountedCopy> {
    let mut meta = lock_meta(&opened.place.meta);
    let state = ClusterState::from_bytes(&meta.get().cluster_state).ok();
    let found = CountedCopy {
        policy: state.as_ref().map_or(ack_policy_of(settings.plan.policy), |state| state.policy),
        led: state.as_ref().is_none_or(|state| state.primary == me),
        power_lost: opened.power_lost,
        memory_found: opened.memory_found,
    };
    // Where no copy was counted here there was none to lose.
    let lost = found.counted() == Counted::Memory && !found.is_whole();
    if lost {
        meta.update(|meta| meta.lost_unsynced = true)?;
    }
    Ok(if meta.get().lost_unsynced {
        CountedCopy { policy: AckPolicy::Ram, memory_found: false, ..found }
    } else {
        found
    })
}

fn new_life(
    core: &Core,
    parts: &crate::serve::run::NodeParts,
    (start, counted): (rialto_journal::recover::scan::Base, CountedCopy),
    orders: Sender<Order>,
) -> Life {
    let (promised, state) = {
        let meta = lock_meta(&core.place.meta);
        (meta.get().promised_epoch, ClusterState::from_bytes(&meta.get().cluster_state).ok())
    };
    Life {
        cursors: Arc::clone(&core.cursors),
        commands: Arc::clone(&core.commands),
        epochs: Arc::clone(&core.epochs),
        readers: Arc::clone(&parts.readers),
        meta: Arc::clone(&core.place.meta),
        event_hashes: Arc::clone(core.storage.event_hashes()),
        disk: Arc::clone(&core.place.disk),
        dir: core.place.dir.clone(),
        cluster_id: core.place.identity.cluster_id,
        boot_id: core.place.identity.boot_id,
        generation: core.place.identity.generation,
        start,
        counted: Mutex::new(counted),
        holds: Arc::clone(&core.holds),
        awaited: Awaited::new(Arc::clone(&core.cursors), Arc::clone(&parts.readers)),
        orders,
        matcher_bell: Arc::clone(&parts.bells.matcher),
        role: Mutex::new(Role::Starting),
        epoch: AtomicU32::new(core.epoch),
        promised: Mutex::new(promised),
        claim: Mutex::default(),
        handing_over: AtomicBool::new(false),
        upstream: Mutex::default(),
        state: Mutex::new((state, None)),
    }
}

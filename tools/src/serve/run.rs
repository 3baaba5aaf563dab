//! A node's life: it starts its threads, says that it is ready, waits for a signal or a failure, and stops in order.
//!
//! Order of a stop: the matcher tells every session and ends; storage stores the rest; gateways send what is released
//! and close; the shadow makes a snapshot; the journal is marked as cleanly stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use parking_lot::Mutex;
use rialto_engine::matcher::{Ended, Idle};
use rialto_engine::ports::{Counters, InHand, OnPublish, Readers};
use rialto_gateway::gateway::Settings as GatewaySettings;
use rialto_gateway::standing::Standing;
use rialto_gateway::view::View;
use rialto_journal::cursor::{Cursors, Gate, Policy};
use rialto_journal::disk::real::Backend;
use rialto_journal::disk::{Durability, durability_of};
use rialto_journal::storage::{FAILURE_STORAGE, Storage};
use rialto_protocol::Sequence;
use rialto_shmring::{Doorbell, Producer, Region};

use super::archive::Archiver;
use super::cluster::{Cluster, FAILURE_FENCED};
use super::command::{gateway_settings, idle, policy};
use super::current::Current;
use super::node::Node;
use super::note::PanicNote;
use super::operator::Operator;
use super::parts::Core;
use super::rings::{Rings, Wake};
use super::room::Room;
use super::start::{self, Opened, Place, Plan, Upkeep, Wiring};
use super::view::Following;
use super::{aside, listen, metrics, socket, threads};
use crate::config::Config;
use crate::failure::{Code, failure};
use crate::load;

/// How long each part of a stop may take.
const STOP_MAX: Duration = Duration::from_millis(1500);
/// Between two looks at signals and failures.
const WATCH: Duration = Duration::from_millis(20);

/// What a node is to do, beside what its directory says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node itself.
    pub plan: Plan,
    /// Where FIX and line mode listen.
    pub fix: SocketAddr,
    /// Where metrics listen.
    pub metrics: Option<SocketAddr>,
    /// How threads wait.
    pub idle: Idle,
    /// The core that the matcher is bound to.
    pub pin: Option<usize>,
    /// Gateway threads, at least 1.
    pub gateways: u32,
    /// What gateways need.
    pub gateway: GatewaySettings,
    /// The program that archives a file, and its arguments before the file's path; empty is none.
    pub archive: Vec<String>,
}

impl Settings {
    /// A small node in this process, for as long as a command of ours needs one: in `dir`, on any free port. It keeps
    /// the configuration's policy where the file system can, and else is `async`.
    pub fn small(config: &Config, dir: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir).with_context(|| format!("{}: cannot create", dir.display()))?;
        let is_durable = durability_of(&dir)? == Durability::Durable;
        let plan = Plan {
            dir,
            shm_dir: PathBuf::from("/dev/shm"),
            node: config.node.name.clone(),
            cluster: config.node.cluster.clone(),
            policy: if is_durable { policy(config.node.ack) } else { Policy::Async },
            backend: Backend::Direct,
            accept_volatile: false,
            segment_bytes: 8 << 20,
            shm_bytes: 16 << 20,
            upkeep: Upkeep::of(&config.node),
            reference: load::operations(config)?,
            cluster_id: None,
        };
        Ok(Self {
            plan,
            fix: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics: None,
            idle: idle(config.node.idle),
            pin: None,
            gateways: 1,
            gateway: gateway_settings(config)?,
            archive: Vec::new(),
        })
    }
}

/// Why a node's engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The node drains: every session has been told, and all is published.
    Drained,
    /// The journal has failed (see the cursors' failure): nothing more may be released.
    Failed,
    /// The node goes on as something else, from the beginning: see [`super::cluster`].
    Again(Again),
}

/// What a node is to do before it starts again in the same process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Nothing: another node leads.
    Fenced,
    /// To take back the end of its log, from this page on, that the cluster went on without.
    Cut(u64),
    /// To throw its log away: the cluster has another history.
    Anew,
    /// To open what another node has sent it instead of its log.
    Seeded,
}

/// What runs on the engine's thread.
pub type Engine = Box<dyn FnOnce() -> End + Send>;

/// A node that runs.
#[derive(Debug)]
pub struct Running {
    /// As its operator sees it.
    pub node: Arc<Node>,
    cursors: Arc<Cursors>,
    place: Place,
    stop: Arc<Stops>,
    bells: Bells,
    engine: JoinHandle<End>,
    storage: JoinHandle<Storage>,
    preparer: JoinHandle<()>,
    gateways: Vec<JoinHandle<()>>,
    view: JoinHandle<()>,
    shadow: JoinHandle<()>,
    archive: Option<JoinHandle<()>>,
}

/// One flag a part, so that they stop one after the other.
#[derive(Debug, Default)]
pub(super) struct Stops {
    pub(super) storage: AtomicBool,
    pub(super) preparer: AtomicBool,
    pub(super) gateways: Arc<AtomicBool>,
    pub(super) view: AtomicBool,
    pub(super) shadow: Arc<AtomicBool>,
    pub(super) archive: AtomicBool,
}

#[derive(Debug, Clone)]
pub(super) struct Bells {
    pub(super) matcher: Arc<Doorbell>,
    pub(super) storage: Arc<Doorbell>,
}

/// Starts a node without a cluster: it accepts clients when this returns.
pub fn launch(settings: &Settings) -> anyhow::Result<Running> {
    let opened = open(&settings.plan)?;
    let (mut parts, wiring) = wire(settings, &opened)?;
    parts.listeners = listen::fix(settings.fix, settings.gateways)?;
    let metrics = listen::metrics(settings.metrics)?;
    let (mut matcher, core) = opened.begin(&settings.plan, wiring)?.split()?;
    let (idle, doorbell) = (settings.idle, Arc::clone(&parts.bells.matcher));
    let engine = Box::new(move || match matcher.run(idle, &doorbell) {
        Ended::Drained => End::Drained,
        Ended::Failed | Ended::Paused => End::Failed,
    });
    let metrics_at = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
    let running = spawn(settings, core, parts, (engine, metrics_at, None))?;
    let current = Arc::new(Current::new(Arc::clone(&running.node)));
    socket::listen(&settings.plan.dir.join("admin.sock"), Arc::clone(&current))?;
    if let Some(listener) = metrics {
        metrics::serve(listener, current)?;
    }
    Ok(running)
}

/// Recovers a node and says what was found.
pub(super) fn open(plan: &Plan) -> anyhow::Result<Opened> {
    let opened = start::open(plan)?;
    for remark in &opened.remarks {
        tracing::warn!("{remark}");
    }
    let (snapshot, seconds) = (opened.from_snapshot.0, opened.replay_s);
    let replayed = opened.state.1.0 - snapshot;
    if snapshot > 0 {
        tracing::info!(snapshot, replayed, seconds, "begun from a snapshot");
    } else if replayed > 0 {
        tracing::info!(replayed, seconds, "begun from the first command");
    }
    if opened.from_ring > 0 {
        tracing::info!(records = opened.from_ring, "taken over from shared memory");
    }
    Ok(opened)
}

/// What connects a node's threads: the gateways' side, and the matcher's.
pub(super) fn wire(settings: &Settings, opened: &Opened) -> anyhow::Result<(NodeParts, Wiring)> {
    let rings = Rings::create(opened, settings.gateways)?;
    let generation = opened.place.identity.generation;
    let bells = Bells {
        matcher: Arc::new(Doorbell::create(&opened.place.shm.join("doorbell"), generation)?),
        storage: Arc::new(Doorbell::anonymous()?),
    };
    let (counters, in_hand) = (Arc::new(Counters::default()), Arc::new(InHand::default()));
    PanicNote::in_dir(&settings.plan.dir).on_panic(Arc::clone(&in_hand));
    let readers = Arc::new(rings.readers);
    let wiring = Wiring {
        ports: rings.ports,
        readers: Arc::clone(&readers),
        on_publish: OnPublish::default(),
        storage_bell: Arc::clone(&bells.storage),
        counters: Arc::clone(&counters),
        in_hand,
    };
    let parts = NodeParts {
        producers: rings.producers,
        regions: rings.regions,
        wakes: rings.wakes,
        readers,
        listeners: Vec::new(),
        counters,
        bells,
        on_stored: Arc::new(|| ()),
        standing: Arc::default(),
    };
    Ok((parts, wiring))
}

/// Starts the threads of a node around its engine.
pub(super) fn spawn(
    settings: &Settings,
    mut core: Core,
    mut parts: NodeParts,
    (engine, metrics, cluster): (Engine, Option<SocketAddr>, Option<Arc<Cluster>>),
) -> anyhow::Result<Running> {
    let stop = Arc::new(Stops::default());
    let operator = Arc::new(Operator::new(parts.producers.remove(0), Arc::clone(&parts.bells.matcher)));
    let view = Arc::new(Mutex::new(View::new(&core.seed)));
    let (aside, questions) = aside::aside();
    let preparer = core.storage.preparer();
    let room = Room::new(preparer.no_space(), core.cancel_only);
    let archiver = Archiver::new(&settings.archive, &core);
    let node = Arc::new(Node {
        name: settings.plan.node.clone(),
        dir: settings.plan.dir.clone(),
        fix: parts.listeners[0].local_addr()?.to_string(),
        metrics: metrics.map(|at| at.to_string()),
        cursors: Arc::clone(&core.cursors),
        counters: Arc::clone(&parts.counters),
        view: Arc::clone(&view),
        operator: Arc::clone(&operator),
        aside,
        event_hashes: Arc::clone(core.storage.event_hashes()),
        no_space: Arc::clone(preparer.no_space()),
        standing: Arc::clone(&parts.standing),
        archive: archiver.as_ref().map(|archiver| Arc::clone(&archiver.archive)),
        cluster,
    });
    let shadow = threads::shadow(settings, &mut core, questions, &stop)?;
    let archive = archiver.map(|archiver| threads::archive(archiver, &stop)).transpose()?;
    let following = Following {
        view,
        events: threads::event_reader(settings, &core),
        cursors: Arc::clone(&core.cursors),
        operator,
        region: parts.regions.remove(0),
        event_hashes: Arc::clone(core.storage.event_hashes()),
        chained: core.sequence.0,
        room,
    };
    let view = threads::follow(following, &parts.wakes.remove(0), &stop)?;
    let gateways = threads::gateways(settings, &core, &mut parts, (&stop, &node))?;
    let Core { place, storage, cursors, .. } = core;
    let storage = threads::store(storage, &cursors, (&parts, &stop))?;
    let stopping = Arc::clone(&stop);
    let preparer = threads::named("prepare", move || {
        if let Err(error) = preparer.run(&stopping.preparer) {
            tracing::error!(%error, "no more segments can be prepared");
        }
    })?;
    let pin = settings.pin;
    let engine = threads::named("matcher", move || {
        if let Some(core) = pin
            && !rialto_engine::pin::current_thread(core)
        {
            tracing::warn!(core, "the matcher could not be bound to its core");
        }
        engine()
    })?;
    let bells = parts.bells;
    Ok(Running {
        node,
        cursors,
        place,
        stop,
        bells,
        engine,
        storage,
        preparer,
        gateways,
        view,
        shadow,
        archive,
    })
}

/// The gateways' side of what connects a node's threads.
pub(super) struct NodeParts {
    pub(super) producers: Vec<Producer>,
    pub(super) regions: Vec<Arc<Region>>,
    pub(super) wakes: Vec<Wake>,
    pub(super) readers: Arc<Readers>,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) counters: Arc<Counters>,
    pub(super) bells: Bells,
    /// Called whenever storage has stored something.
    pub(super) on_stored: Arc<dyn Fn() + Send + Sync>,
    /// What gateways say of the node to who wants to trade.
    pub(super) standing: Arc<Standing>,
}

impl Running {
    /// Waits until `signalled`, or until something of the node ends by itself; then stops it.
    pub fn wait(self, signalled: &AtomicBool) -> anyhow::Result<End> {
        while !signalled.load(Ordering::Relaxed) && !self.is_over() {
            thread::sleep(WATCH);
        }
        self.stop()
    }

    /// Whether something of the node has ended by itself.
    pub fn is_over(&self) -> bool {
        self.engine.is_finished() || self.cursors.failure().is_some()
    }

    /// Drains and stops: exits cleanly within 5 s, or says why not.
    pub fn stop(self) -> anyhow::Result<End> {
        self.cursors.set_draining();
        self.bells.matcher.notify();
        let ended = join(self.engine)?;
        let published = self.cursors.published();
        self.bells.storage.notify();
        let releases = || self.cursors.failure().is_none() && self.cursors.gate() == Gate::Open;
        wait_until(|| !releases() || self.cursors.released() >= published);
        self.stop.gateways.store(true, Ordering::Relaxed);
        for gateway in self.gateways {
            join(gateway)?;
        }
        self.stop.view.store(true, Ordering::Relaxed);
        join(self.view)?;
        self.stop.archive.store(true, Ordering::Relaxed);
        self.archive.map_or(Ok(()), join)?;
        self.stop.shadow.store(true, Ordering::Relaxed);
        join(self.shadow)?;
        self.stop.storage.store(true, Ordering::Relaxed);
        self.bells.storage.notify();
        let storage = join(self.storage)?;
        self.stop.preparer.store(true, Ordering::Relaxed);
        join(self.preparer)?;
        if let Some(why) = storage.failure() {
            return Err(failure(Code::Stopped, format!("the journal failed: {why}")));
        }
        if self.cursors.failure() == Some(FAILURE_STORAGE) {
            // Not a clean stop, whatever could still be stored: shared memory has the rest.
            return Err(failure(Code::Stopped, "the node stopped itself: its disk failed, see the log"));
        }
        storage.stop()?;
        std::fs::remove_dir_all(&self.place.shm).ok();
        match ended {
            End::Failed if self.cursors.failure() == Some(FAILURE_FENCED) => Ok(End::Again(Again::Fenced)),
            End::Drained | End::Again(_) => Ok(ended),
            End::Failed => Err(failure(Code::Stopped, "the node stopped itself")),
        }
    }

    /// Sequence of the last command that was told.
    pub fn released(&self) -> Sequence {
        Sequence(self.cursors.released())
    }
}

fn join<T>(handle: JoinHandle<T>) -> anyhow::Result<T> {
    let name = handle.thread().name().unwrap_or_default().to_owned();
    handle.join().map_err(|_| failure(Code::Stopped, format!("thread {name} panicked")))
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + STOP_MAX;
    while !done() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

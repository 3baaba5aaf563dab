//! A node's life: it starts its threads, says that it is ready, waits for a signal or a failure, and stops in order.
//!
//! Order of a stop: the matcher tells every session and ends; storage stores the rest; gateways send what is released
//! and close; the shadow makes a snapshot; the journal is marked as cleanly stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use parking_lot::Mutex;
use rialto_engine::exchange::Exchange;
use rialto_engine::matcher::{Ended, Idle};
use rialto_engine::ports::{Counters, InHand, Readers};
use rialto_gateway::gateway::{Gateway, GatewayParts, Settings as GatewaySettings};
use rialto_gateway::request::Requests;
use rialto_gateway::view::View;
use rialto_gateway::view::seed::Seed;
use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::disk::real::Backend;
use rialto_journal::disk::{Durability, durability_of};
use rialto_journal::position::Position;
use rialto_journal::reader::LogReader;
use rialto_journal::segment::reader::SegmentReader;
use rialto_journal::segment::{Lineage, Log};
use rialto_journal::storage::{Running as Continue, Stepped, Storage, run as run_storage};
use rialto_protocol::{GatewayId, Sequence};
use rialto_shmring::{Doorbell, Producer, Region};

use super::command::{gateway_settings, idle, policy};
use super::node::Node;
use super::note::PanicNote;
use super::operator::Operator;
use super::rings::{Rings, Wake};
use super::room::Room;
use super::start::{self, Begun, Place, Plan, Upkeep, Wiring};
use super::view::Following;
use super::{aside, listen, metrics, seed, snapshots, socket};
use crate::config::Config;
use crate::failure::{Code, failure};
use crate::load;

/// How long each part of a stop may take.
const STOP_MAX: Duration = Duration::from_millis(1500);
/// Longest sleep of storage: who closes a page rings, but a missed ring must not matter.
const STORAGE_SLEEP: Duration = Duration::from_millis(1);
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
        };
        Ok(Self {
            plan,
            fix: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics: None,
            idle: idle(config.node.idle),
            pin: None,
            gateways: 1,
            gateway: gateway_settings(config)?,
        })
    }
}

/// A node that runs.
#[derive(Debug)]
pub struct Running {
    /// As its operator sees it.
    pub node: Arc<Node>,
    cursors: Arc<Cursors>,
    place: Place,
    stop: Arc<Stops>,
    bells: Bells,
    matcher: JoinHandle<Ended>,
    storage: JoinHandle<Storage>,
    preparer: JoinHandle<()>,
    gateways: Vec<JoinHandle<()>>,
    view: JoinHandle<()>,
    shadow: JoinHandle<()>,
}

/// One flag a part, so that they stop one after the other.
#[derive(Debug, Default)]
struct Stops {
    storage: AtomicBool,
    preparer: AtomicBool,
    gateways: Arc<AtomicBool>,
    view: AtomicBool,
    shadow: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
struct Bells {
    matcher: Arc<Doorbell>,
    storage: Arc<Doorbell>,
}

/// Starts a node: it accepts clients when this returns.
pub fn launch(settings: &Settings) -> anyhow::Result<Running> {
    let opened = start::open(&settings.plan)?;
    for remark in &opened.remarks {
        tracing::warn!("{remark}");
    }
    if opened.from_snapshot > Sequence(0) {
        let (snapshot, replayed) = (opened.from_snapshot.0, opened.state.1.0 - opened.from_snapshot.0);
        tracing::info!(snapshot, replayed, "begun from a snapshot");
    }
    if opened.from_ring > 0 {
        tracing::info!(records = opened.from_ring, "taken over from shared memory");
    }
    let rings = Rings::create(&opened, settings.gateways)?;
    let generation = opened.place.identity.generation;
    let bells = Bells {
        matcher: Arc::new(Doorbell::create(&opened.place.shm.join("doorbell"), generation)?),
        storage: Arc::new(Doorbell::anonymous()?),
    };
    let (counters, in_hand) = (Arc::new(Counters::default()), Arc::new(InHand::default()));
    PanicNote::in_dir(&settings.plan.dir).on_panic(Arc::clone(&in_hand));
    let listeners = listen::fix(settings.fix, settings.gateways)?;
    let readers = Arc::new(rings.readers);
    let begun = opened.begin(
        &settings.plan,
        Wiring {
            ports: rings.ports,
            readers: Arc::clone(&readers),
            storage_bell: Arc::clone(&bells.storage),
            counters: Arc::clone(&counters),
            in_hand,
        },
    )?;
    let parts = NodeParts {
        producers: rings.producers,
        regions: rings.regions,
        wakes: rings.wakes,
        readers,
        listeners,
        counters,
        bells,
    };
    spawn(settings, begun, parts)
}

struct NodeParts {
    producers: Vec<Producer>,
    regions: Vec<Arc<Region>>,
    wakes: Vec<Wake>,
    readers: Arc<Readers>,
    listeners: Vec<TcpListener>,
    counters: Arc<Counters>,
    bells: Bells,
}

fn named<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(work).with_context(|| format!("thread {name}"))
}

/// A reader of one of the node's logs from segment files.
fn segments(settings: &Settings, begun: &Begun, log: Log) -> SegmentReader {
    let lineage =
        Lineage { log, cluster_id: begun.place.identity.cluster_id, state_machine: rialto_protocol::VERSION };
    SegmentReader::new(&begun.place.disk, &settings.plan.dir.join(log.directory()), lineage)
}

fn spawn(settings: &Settings, begun: Begun, mut parts: NodeParts) -> anyhow::Result<Running> {
    let seed = seed::of(begun.matcher.exchange(), begun.matcher.sequence());
    let stop = Arc::new(Stops::default());
    let fix = parts.listeners[0].local_addr()?.to_string();
    let metrics = listen::metrics(settings.metrics)?;
    let metrics_at = metrics.as_ref().map(TcpListener::local_addr).transpose()?.map(|at| at.to_string());
    let operator = Arc::new(Operator::new(parts.producers.remove(0), Arc::clone(&parts.bells.matcher)));
    let view = Arc::new(Mutex::new(View::new(&seed)));
    let (aside, questions) = aside::aside();
    let preparer = begun.storage.preparer();
    let room = Room::new(preparer.no_space(), begun.matcher.exchange().directory().cancel_only());
    let node = Arc::new(Node {
        name: settings.plan.node.clone(),
        dir: settings.plan.dir.clone(),
        fix,
        metrics: metrics_at,
        epoch: begun.epoch,
        cursors: Arc::clone(&begun.cursors),
        counters: Arc::clone(&parts.counters),
        view: Arc::clone(&view),
        operator: Arc::clone(&operator),
        aside,
        event_hashes: Arc::clone(begun.storage.event_hashes()),
        no_space: Arc::clone(preparer.no_space()),
        unmet_since_ns: AtomicU64::new(0),
    });
    let shadow = shadow(settings, &begun, questions, &stop)?;
    let following = Following {
        view,
        events: LogReader::new(
            Arc::clone(&begun.events),
            segments(settings, &begun, Log::Events),
            Position::new(seed.position),
        ),
        cursors: Arc::clone(&begun.cursors),
        operator,
        region: parts.regions.remove(0),
        event_hashes: Arc::clone(begun.storage.event_hashes()),
        chained: begun.matcher.sequence().0,
        room,
    };
    let view = follow(following, &parts.wakes.remove(0), &stop)?;
    let gateways = gateways(settings, &begun, &mut parts, (&seed, &stop))?;
    let Begun { place, mut matcher, storage, cursors, .. } = begun;
    let storage = store(storage, &cursors, (&parts, &stop))?;
    let stopping = Arc::clone(&stop);
    let preparer = named("prepare", move || {
        if let Err(error) = preparer.run(&stopping.preparer) {
            tracing::error!(%error, "no more segments can be prepared");
        }
    })?;
    let (idle, pin, doorbell) = (settings.idle, settings.pin, Arc::clone(&parts.bells.matcher));
    let matcher = named("matcher", move || {
        if let Some(core) = pin
            && !rialto_engine::pin::current_thread(core)
        {
            tracing::warn!(core, "the matcher could not be bound to its core");
        }
        matcher.run(idle, &doorbell)
    })?;
    socket::listen(&settings.plan.dir.join("admin.sock"), Arc::clone(&node))?;
    if let Some(listener) = metrics {
        metrics::serve(listener, Arc::clone(&node))?;
    }
    let bells = parts.bells;
    Ok(Running { node, cursors, place, stop, bells, matcher, storage, preparer, gateways, view, shadow })
}

fn shadow(
    settings: &Settings,
    begun: &Begun,
    questions: aside::Questions,
    stop: &Arc<Stops>,
) -> anyhow::Result<JoinHandle<()>> {
    let exchange = begun.matcher.exchange();
    let copy = Exchange::from_state_body(&exchange.state_body())?;
    let sequence = begun.matcher.sequence();
    let maker = snapshots::Snapshooter::new(
        begun,
        segments(settings, begun, Log::Commands),
        segments(settings, begun, Log::Events),
        (&settings.plan.dir, settings.plan.upkeep),
    );
    let reader = LogReader::new(
        Arc::clone(&begun.commands),
        segments(settings, begun, Log::Commands),
        begun.commands.end(),
    );
    let (cursors, stop) = (Arc::clone(&begun.cursors), Arc::clone(&stop.shadow));
    named("shadow", move || {
        let replay = rialto_engine::replay::Replay::new(copy, sequence, reader);
        let shadow = rialto_engine::shadow::Shadow::new(replay, cursors);
        if let Err(error) = questions.serve(shadow, maker, &stop) {
            tracing::error!(%error, "the shadow stopped: no lists, hashes or snapshots");
        }
    })
}

fn follow(
    following: Following<SegmentReader>,
    wake: &Wake,
    stop: &Arc<Stops>,
) -> anyhow::Result<JoinHandle<()>> {
    let stop = Arc::clone(stop);
    let handle = named("view", move || {
        if let Err(error) = following.run(&stop.view) {
            tracing::error!(%error, "the view stopped: operators get no answers");
        }
    })?;
    let thread = handle.thread().clone();
    wake.set(Box::new(move || thread.unpark())).ok();
    Ok(handle)
}

fn gateways(
    settings: &Settings,
    begun: &Begun,
    parts: &mut NodeParts,
    (seed, stop): (&Seed, &Arc<Stops>),
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut handles = Vec::new();
    let rings = parts.producers.drain(..).zip(parts.listeners.drain(..)).zip(parts.wakes.drain(..));
    for (number, ((ring, listener), wake)) in (1..).zip(rings) {
        let (gateway, waker) = Gateway::new(GatewayParts {
            id: GatewayId(number),
            listener,
            ring,
            doorbell: Arc::clone(&parts.bells.matcher),
            cursors: Arc::clone(&begun.cursors),
            events: LogReader::new(
                Arc::clone(&begun.events),
                segments(settings, begun, Log::Events),
                Position::new(seed.position),
            ),
            view: View::new(seed),
            settings: settings.gateway.clone(),
            standing: Arc::default(),
            requests: Requests::unanswered(),
        })?;
        wake.set(Box::new(move || {
            if let Err(error) = waker.wake() {
                tracing::warn!(%error, "a gateway could not be woken");
            }
        }))
        .ok();
        let stop = Arc::clone(&stop.gateways);
        handles.push(named(&format!("gateway-{number}"), move || {
            if let Err(error) = gateway.run(&stop) {
                tracing::error!(%error, gateway = number, "a gateway stopped");
            }
        })?);
    }
    Ok(handles)
}

fn store(
    storage: Storage,
    cursors: &Arc<Cursors>,
    (parts, stop): (&NodeParts, &Arc<Stops>),
) -> anyhow::Result<JoinHandle<Storage>> {
    let (readers, bells, stop) = (Arc::clone(&parts.readers), parts.bells.clone(), Arc::clone(stop));
    let cursors = Arc::clone(cursors);
    named("storage", move || {
        let mut quiet = false;
        run_storage(storage, |stepped| match stepped {
            Stepped::Released => {
                quiet = false;
                readers.wake();
                bells.matcher.notify();
                Continue::On
            }
            Stepped::Worked => {
                quiet = false;
                bells.matcher.notify();
                Continue::On
            }
            Stepped::Failed => Continue::End,
            Stepped::Idle if stop.storage.load(Ordering::Relaxed) || cursors.failure().is_some() => {
                Continue::End
            }
            Stepped::Idle => {
                // Announced before the last look, which the next step is.
                if quiet {
                    bells.storage.wait(STORAGE_SLEEP);
                    bells.storage.retract();
                } else {
                    bells.storage.announce();
                }
                quiet = !quiet;
                Continue::On
            }
        })
    })
}

impl Running {
    /// Waits until `signalled`, or until something of the node ends by itself; then stops it.
    pub fn wait(self, signalled: &AtomicBool) -> anyhow::Result<()> {
        while !signalled.load(Ordering::Relaxed)
            && !self.matcher.is_finished()
            && self.cursors.failure().is_none()
        {
            thread::sleep(WATCH);
        }
        self.stop()
    }

    /// Drains and stops: exits cleanly within 5 s, or says why not.
    pub fn stop(self) -> anyhow::Result<()> {
        self.cursors.set_draining();
        self.bells.matcher.notify();
        let ended = join(self.matcher)?;
        let published = self.cursors.published();
        self.bells.storage.notify();
        wait_until(|| self.cursors.failure().is_some() || self.cursors.released() >= published);
        self.stop.gateways.store(true, Ordering::Relaxed);
        for gateway in self.gateways {
            join(gateway)?;
        }
        self.stop.view.store(true, Ordering::Relaxed);
        join(self.view)?;
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
        if self.cursors.failure().is_some() {
            // Not a clean stop, whatever could still be stored: shared memory has the rest.
            return Err(failure(Code::Stopped, "the node stopped itself: its disk failed, see the log"));
        }
        storage.stop()?;
        std::fs::remove_dir_all(&self.place.shm).ok();
        match ended {
            Ended::Drained => Ok(()),
            Ended::Failed => Err(failure(Code::Stopped, "the node stopped itself")),
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

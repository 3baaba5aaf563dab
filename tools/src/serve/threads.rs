//! The threads of a node, each with what it works on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use rialto_gateway::gateway::{Gateway, GatewayParts};
use rialto_gateway::view::View;
use rialto_journal::cursor::Cursors;
use rialto_journal::position::Position;
use rialto_journal::reader::LogReader;
use rialto_journal::segment::reader::SegmentReader;
use rialto_journal::segment::{Lineage, Log};
use rialto_journal::storage::{Running as Continue, Stepped, Storage, run as run_storage};
use rialto_protocol::GatewayId;

use super::archive::Archiver;
use super::node::Node;
use super::parts::Core;
use super::rings::Wake;
use super::run::{NodeParts, Settings, Stops};
use super::view::Following;
use super::{aside, asked, snapshots};

/// Longest sleep of storage: who closes a page rings, but a missed ring must not matter.
const STORAGE_SLEEP: Duration = Duration::from_millis(1);

pub(super) fn named<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(work).with_context(|| format!("thread {name}"))
}

/// A reader of one of the node's logs from segment files.
pub(super) fn segments(settings: &Settings, core: &Core, log: Log) -> SegmentReader {
    let lineage =
        Lineage { log, cluster_id: core.place.identity.cluster_id, state_machine: rialto_protocol::VERSION };
    SegmentReader::new(&core.place.disk, &settings.plan.dir.join(log.directory()), lineage)
}

/// A reader of events from where the views start.
pub(super) fn event_reader(settings: &Settings, core: &Core) -> LogReader<SegmentReader> {
    let at = Position::new(core.seed.position);
    LogReader::new(Arc::clone(&core.events), segments(settings, core, Log::Events), at)
}

pub(super) fn shadow(
    settings: &Settings,
    core: &mut Core,
    questions: aside::Questions,
    stop: &Arc<Stops>,
) -> anyhow::Result<JoinHandle<()>> {
    let (copy, sequence) = (core.copy.take().context("one shadow to a node")?, core.sequence);
    let maker = snapshots::Snapshooter::new(
        core,
        segments(settings, core, Log::Commands),
        segments(settings, core, Log::Events),
        (&settings.plan.dir, settings.plan.upkeep),
    );
    let reader = LogReader::new(
        Arc::clone(&core.commands),
        segments(settings, core, Log::Commands),
        core.commands.end(),
    );
    let (cursors, stop) = (Arc::clone(&core.cursors), Arc::clone(&stop.shadow));
    named("shadow", move || {
        let replay = rialto_engine::replay::Replay::new(copy, sequence, reader);
        let shadow = rialto_engine::shadow::Shadow::new(replay, cursors);
        if let Err(error) = questions.serve(shadow, maker, &stop) {
            tracing::error!(%error, "the shadow stopped: no lists, hashes or snapshots");
        }
    })
}

pub(super) fn archive(archiver: Archiver, stop: &Arc<Stops>) -> anyhow::Result<JoinHandle<()>> {
    let stop = Arc::clone(stop);
    named("archive", move || archiver.run(&stop.archive))
}

pub(super) fn follow(
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

pub(super) fn gateways(
    settings: &Settings,
    core: &Core,
    parts: &mut NodeParts,
    (stop, node): (&Arc<Stops>, &Arc<Node>),
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut handles = Vec::new();
    let rings = parts.producers.drain(..).zip(parts.listeners.drain(..)).zip(parts.wakes.drain(..));
    for (number, ((ring, listener), wake)) in (1..).zip(rings) {
        let (gateway, waker) = Gateway::new(GatewayParts {
            id: GatewayId(number),
            listener,
            ring,
            doorbell: Arc::clone(&parts.bells.matcher),
            cursors: Arc::clone(&core.cursors),
            events: event_reader(settings, core),
            view: View::new(&core.seed),
            settings: settings.gateway.clone(),
            standing: Arc::clone(&parts.standing),
            requests: asked::requests(node),
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

pub(super) fn store(
    storage: Storage,
    cursors: &Arc<Cursors>,
    (parts, stop): (&NodeParts, &Arc<Stops>),
) -> anyhow::Result<JoinHandle<Storage>> {
    let (readers, bells, stop) = (Arc::clone(&parts.readers), parts.bells.clone(), Arc::clone(stop));
    let (cursors, on_stored) = (Arc::clone(cursors), Arc::clone(&parts.on_stored));
    named("storage", move || {
        let mut quiet = false;
        run_storage(storage, |stepped| match stepped {
            Stepped::Released => {
                quiet = false;
                readers.wake();
                bells.matcher.notify();
                on_stored();
                Continue::On
            }
            Stepped::Worked => {
                quiet = false;
                bells.matcher.notify();
                on_stored();
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

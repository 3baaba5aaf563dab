//! Begins a node's next generation: new shared memory behind what recovery found, and storage to empty it.
//!
//! By now everything that counts is synced in segments. So the old ring is revoked and removed before the new one is
//! made (both may not fit the file system), and `node.meta` names the new one when it is complete.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cursor::{Cursors, Policy};
use crate::error::{During, JournalError};
use crate::log::{LogRing, LogShape, LogStart, Writer};
use crate::meta::{MetaFile, boot_id};
use crate::page::Chain;
use crate::recover::events::open_events;
use crate::recover::ring::{COMMANDS_NAME, CURSORS_NAME, EVENTS_NAME, directory_name, remove_others};
use crate::recover::{Recovered, Start};
use crate::shared::{Identity, Kind};
use crate::storage::{Storage, StorageStart, event_hash};

/// What a generation is to be like.
#[derive(Debug, Clone, Copy)]
pub struct GenerationPlan<'a> {
    /// Where the directories of shared memory are.
    pub shm_dir: &'a Path,
    /// Pages of the ring of commands: a power of two.
    pub command_pages: u64,
    /// Pages of the ring of events: a power of two.
    pub event_pages: u64,
    /// The policy in force.
    pub policy: Policy,
    /// Where the event log is taken up: with the first command, or behind a snapshot's last event.
    pub event_start: LogStart<'a>,
    /// The running hash of the full event pages before that; `None`: there is no page before.
    pub event_hash: Option<Chain>,
}

/// A node's new shared memory and its storage. Commands behind the snapshot are still to be applied again.
#[derive(Debug)]
pub struct Generation {
    /// The writer of commands, for the matcher.
    pub commands: Writer,
    /// The writer of events, for the matcher.
    pub events: Writer,
    /// The cursors, all at the last command that was found.
    pub cursors: Arc<Cursors>,
    /// Storage, for its thread.
    pub storage: Storage,
    /// What other processes need to attach the files.
    pub identity: Identity,
    /// Where the files are.
    pub dir: PathBuf,
}

/// Begins the next generation.
pub fn begin(
    start: &Start,
    recovered: Recovered,
    meta: &Arc<Mutex<MetaFile>>,
    plan: &GenerationPlan<'_>,
) -> Result<Generation, JournalError> {
    let mut held = lock(meta);
    held.update(|meta| {
        meta.ring = None;
        meta.generation += 1;
    })?;
    remove_others(plan.shm_dir, held.get(), None).during("clear", plan.shm_dir)?;
    let boot_id = boot_id()?;
    let known = held.get();
    let name = directory_name(&known.cluster, &known.node, known.generation);
    let identity = Identity::new(known.cluster_id, boot_id, &known.node, known.generation);
    let dir = plan.shm_dir.join(&name);
    DirBuilder::new().mode(0o700).create(&dir).during("create directory", &dir)?;
    let last_seq = recovered.last_seq();
    let Recovered { end, writer, .. } = recovered;
    let shape = |kind, pages| LogShape { kind, pages };
    let commands = LogRing::create(
        &dir.join(COMMANDS_NAME),
        &identity,
        shape(Kind::Commands, plan.command_pages),
        // The log may have come from another node, in an epoch that this one never promised.
        &LogStart::at_page(end.page_no, start.epoch.max(end.epoch)),
    )?;
    let shape = shape(Kind::Events, plan.event_pages);
    let events = LogRing::create(&dir.join(EVENTS_NAME), &identity, shape, &plan.event_start)?;
    let cursors = Arc::new(Cursors::create(&dir.join(CURSORS_NAME), &identity, plan.policy, last_seq)?);
    let events_writer = open_events(start, &held, plan.event_start.end.page())?;
    held.update(|meta| {
        meta.ring = Some(name);
        meta.boot_id = boot_id;
    })?;
    drop(held);
    let storage = Storage::new(StorageStart {
        commands: (Arc::clone(commands.ring()), writer),
        base: end,
        events: (Arc::clone(events.ring()), events_writer),
        event_hash: plan.event_hash.unwrap_or_else(|| event_hash::genesis(&identity.cluster_id)),
        cursors: Arc::clone(&cursors),
        meta: Arc::clone(meta),
    });
    Ok(Generation { commands, events, cursors, storage, identity, dir })
}

fn lock(meta: &Mutex<MetaFile>) -> MutexGuard<'_, MetaFile> {
    meta.lock().unwrap_or_else(PoisonError::into_inner)
}

//! How a node starts: lock, recover, replay, open an epoch. What comes out is a matcher that has not run yet, and the
//! storage that keeps what it writes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Context;
use rialto_engine::exchange::Exchange;
use rialto_engine::matcher::EVENT_PAGES_FREE_MIN;
use rialto_engine::ports::{Counters, InHand, OnPublish, Port, Readers};
use rialto_engine::replay::Replay;
use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::disk::{Disk, Durability, durability_of};
use rialto_journal::epochs::EpochTable;
use rialto_journal::layout::ClusterId;
use rialto_journal::log::{LogRing, LogStart, Writer};
use rialto_journal::meta::{MetaFile, NodeLock, NodeMeta, boot_id, new_cluster_id};
use rialto_journal::page::Chain;
use rialto_journal::position::Position;
use rialto_journal::reader::LogReader;
use rialto_journal::recover::generation::{self, Generation, GenerationPlan};
use rialto_journal::recover::ring::{self, RingFound};
use rialto_journal::recover::scan::Base;
use rialto_journal::recover::{Recovered, Start, recover};
use rialto_journal::seed::{Replaced, finish};
use rialto_journal::segment::Log;
use rialto_journal::segment::reader::SegmentReader;
use rialto_journal::shared::Identity;
use rialto_journal::snapshot::{Snapshot, Snapshots};
use rialto_journal::storage::{Stepped, Storage};
use rialto_protocol::reference::Operation;
use rialto_protocol::{Command, Sequence, Timestamp};
use rialto_shmring::Doorbell;

use crate::failure::{Code, failure};

/// What a node is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its directory.
    pub dir: PathBuf,
    /// Where shared memory is.
    pub shm_dir: PathBuf,
    /// Its name.
    pub node: String,
    /// Its cluster's name.
    pub cluster: String,
    /// The ack policy that it starts with.
    pub policy: Policy,
    /// How pages are written.
    pub backend: Backend,
    /// Accept a disk policy on a file system that cannot keep it.
    pub accept_volatile: bool,
    /// Bytes of a new segment file.
    pub segment_bytes: u64,
    /// Most shared memory, in bytes.
    pub shm_bytes: u64,
    /// When snapshots are made, and what is kept behind them.
    pub upkeep: Upkeep,
    /// What an empty journal is told first.
    pub reference: Vec<Operation>,
    /// Whose journal an empty directory gets; `None`: a new cluster's.
    pub cluster_id: Option<ClusterId>,
}

/// How often a node that runs on makes a snapshot, and how much of its history it keeps.
#[derive(Debug, Clone, Copy)]
pub struct Upkeep {
    /// Commands from one snapshot to the next.
    pub snapshot_every: u64,
    /// Bytes of each log that are kept beyond what a start or a resend may need.
    pub keep_bytes: u64,
}

impl Upkeep {
    /// As a configuration says.
    pub fn of(node: &crate::config::Node) -> Self {
        Self { snapshot_every: node.snapshot_every.into(), keep_bytes: u64::from(node.keep_mib) << 20 }
    }
}

/// A node's directory, locked, and what shared memory it has.
#[derive(Debug)]
pub struct Place {
    /// The node's directory.
    pub dir: PathBuf,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// Held as long as the node runs.
    pub lock: NodeLock,
    /// The shared-memory directory of this generation.
    pub shm: PathBuf,
    /// What the files in it say they belong to.
    pub identity: Identity,
    /// The node's memory.
    pub meta: Arc<Mutex<MetaFile>>,
}

/// A node that has recovered and has not begun.
#[derive(Debug)]
pub struct Opened {
    /// Where it lives.
    pub place: Place,
    /// The state after the last command that was found, and its sequence and time.
    pub state: (Exchange, Sequence, Timestamp),
    /// Writes the command log.
    pub commands: Writer,
    /// Writes the event log.
    pub events: Writer,
    /// Keeps what these write.
    pub storage: Storage,
    /// The node's cursors.
    pub cursors: Arc<Cursors>,
    /// Records that were found in shared memory alone.
    pub from_ring: u64,
    /// The last command of the snapshot that the state was begun from, 0 = none.
    pub from_snapshot: Sequence,
    /// Seconds that it took to apply the commands behind it.
    pub replay_s: f64,
    /// The highest epoch known.
    pub epoch: u32,
    /// The epochs so far.
    pub epochs: Arc<EpochTable>,
    /// The epoch of the last command page.
    pub page_epoch: u32,
    /// Behind the last command page.
    pub end: Base,
    /// The machine was started anew since this node last ran, and it had not stopped in good order.
    pub power_lost: bool,
    /// What shared memory had beyond the disk was there, or there was nothing.
    pub memory_found: bool,
    /// What was cut off, refused or lost, in words.
    pub remarks: Vec<String>,
}

/// What the matcher is connected to.
#[derive(Debug)]
pub struct Wiring {
    /// The rings in.
    pub ports: Vec<Port>,
    /// Who is woken when something is released.
    pub readers: Arc<Readers>,
    /// Wakes who ships the log.
    pub on_publish: OnPublish,
    /// Wakes storage.
    pub storage_bell: Arc<Doorbell>,
    /// Counts.
    pub counters: Arc<Counters>,
    /// For the panic hook.
    pub in_hand: Arc<InHand>,
}

/// Locks, recovers and replays: everything that the node had is in the state and in the event log again.
pub fn open(plan: &Plan) -> anyhow::Result<Opened> {
    let mut remarks = Vec::new();
    let (disk, lock, mut meta) = take_directory(plan)?;
    let found = find_ring(plan, meta.get(), &mut remarks)?;
    let snapshot = usable_snapshot(&disk, plan, &meta, &mut remarks)?;
    let start = start_of(plan, &disk, &meta, snapshot.as_ref());
    let (clean, first) = (meta.get().clean_stop, meta.get().boot_id == [0; 16]);
    let power_lost = !clean && !first && meta.get().boot_id != boot_id()?;
    let memory_found = clean || first || found.is_some();
    let recovered = recover(&start, &mut meta, found.as_deref())?;
    if let Some(torn) = &recovered.torn {
        let kept = torn.kept.display();
        remarks.push(format!("torn tail of {} bytes at page {} kept in {kept}", torn.bytes, torn.page_no));
    }
    let opened = replay(plan, &start, (disk, lock, meta), recovered, (snapshot, remarks))?;
    Ok(Opened { power_lost, memory_found, ..opened })
}

pub(super) fn start_of(
    plan: &Plan,
    disk: &Arc<dyn Disk>,
    meta: &MetaFile,
    snapshot: Option<&Snapshot>,
) -> Start {
    let genesis = Base::genesis(&meta.get().cluster_id);
    Start {
        disk: Arc::clone(disk),
        dir: plan.dir.clone(),
        state_machine: rialto_protocol::VERSION,
        segment_bytes: plan.segment_bytes,
        base: snapshot.map_or(genesis, |snapshot| snapshot.head.point.base),
        known_seq: snapshot.map_or(0, |snapshot| snapshot.head.point.seq),
        epoch: meta.get().promised_epoch,
    }
}

pub(super) type Locked = (Arc<dyn Disk>, NodeLock, MetaFile);

pub(super) fn take_directory(plan: &Plan) -> anyhow::Result<Locked> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(plan.backend));
    disk.create_dir(&plan.dir)
        .with_context(|| format!("--data {}: cannot create this directory", plan.dir.display()))?;
    let lock = NodeLock::take(&plan.dir).map_err(|error| failure(Code::Refused, error.to_string()))?;
    if plan.policy.asks_disk()
        && !plan.accept_volatile
        && let Durability::Volatile(name) = durability_of(&plan.dir)?
    {
        let dir = plan.dir.display();
        return Err(failure(
            Code::Refused,
            format!("{dir}: a sync on {name} proves nothing: use a disk, --ack async or --accept-volatile"),
        ));
    }
    let is_new = !plan.dir.join(rialto_journal::meta::META_NAME).exists();
    let mut meta = if is_new {
        MetaFile::create(
            &disk,
            &plan.dir,
            NodeMeta::new(plan.cluster_id.map_or_else(new_cluster_id, Ok)?, &plan.cluster, &plan.node),
        )?
    } else {
        MetaFile::open(&disk, &plan.dir)?
    };
    for (what, found, wanted) in
        [("cluster", &meta.get().cluster, &plan.cluster), ("node", &meta.get().node, &plan.node)]
    {
        if found != wanted {
            let dir = plan.dir.display();
            return Err(failure(Code::Refused, format!("{dir}: journal of {what} {found}, not of {wanted}")));
        }
    }
    if let Some(Replaced { kept, .. }) = finish(&disk, &plan.dir, &mut meta)? {
        tracing::warn!(kept = %kept.display(), "this node begins with the seed that it was sent");
    }
    Ok((disk, lock, meta))
}

pub(super) fn find_ring(
    plan: &Plan,
    meta: &NodeMeta,
    remarks: &mut Vec<String>,
) -> anyhow::Result<Option<Arc<LogRing>>> {
    ring::remove_others(&plan.shm_dir, meta, meta.ring.as_deref())
        .with_context(|| format!("{}: cannot look through", plan.shm_dir.display()))?;
    Ok(match ring::find(&plan.shm_dir, meta, boot_id()?) {
        RingFound::None => None,
        RingFound::Here(ring) => Some(ring),
        RingFound::Lost(why) => {
            remarks.push(format!("shared memory of the last start is lost: {why}"));
            None
        }
    })
}

/// The newest snapshot that is right, if the event segments before it are all there: if not, they are made again from
/// the commands.
pub(super) fn usable_snapshot(
    disk: &Arc<dyn Disk>,
    plan: &Plan,
    meta: &MetaFile,
    remarks: &mut Vec<String>,
) -> anyhow::Result<Option<Snapshot>> {
    let loaded = Snapshots::new(disk, &plan.dir, meta.get().cluster_id).load_newest()?;
    remarks.extend(loaded.refused.iter().map(|error| format!("snapshot refused: {error}")));
    let Some(snapshot) = loaded.snapshot else { return Ok(None) };
    let has = |log: Log| -> anyhow::Result<std::ops::Range<u64>> {
        let lineage = lineage_of(meta, log);
        Ok(SegmentReader::new(disk, &plan.dir.join(log.directory()), lineage).range()?)
    };
    let (commands, events) = (has(Log::Commands)?, has(Log::Events)?);
    let event_page = Position::new(snapshot.head.point.event_at).page();
    let whole = events.end >= event_page && (events.start == 0 || commands.start > 0);
    if whole || commands.start > 0 {
        return Ok(Some(snapshot));
    }
    remarks.push("event segments are missing: all events are made again from the commands".to_owned());
    Ok(None)
}

fn lineage_of(meta: &MetaFile, log: Log) -> rialto_journal::segment::Lineage {
    rialto_journal::segment::Lineage {
        log,
        cluster_id: meta.get().cluster_id,
        state_machine: rialto_protocol::VERSION,
    }
}

/// Begins a new generation, and replays into its event log what the command log holds behind the snapshot.
fn replay(
    plan: &Plan,
    start: &Start,
    (disk, lock, meta): Locked,
    recovered: Recovered,
    (snapshot, remarks): (Option<Snapshot>, Vec<String>),
) -> anyhow::Result<Opened> {
    let (last, from_ring) = (Sequence(recovered.last_seq()), recovered.from_ring);
    let epoch = recovered.end.epoch.max(meta.get().promised_epoch);
    let commands_of = start.lineage(&meta, Log::Commands);
    let (exchange, from, event_start) = begin_state(snapshot.as_ref())?;
    let (page_epoch, end) = (recovered.end.epoch, recovered.end);
    let before =
        snapshot.as_ref().map(|snapshot| snapshot.head.point.epoch_table.clone()).unwrap_or_default();
    let before = before.into_iter().filter(|row| row.page_no < start.base.page_no);
    let epochs = Arc::new(EpochTable::new(before.chain(recovered.epochs.iter().copied()).collect()));
    check_shm(plan)?;
    let meta = Arc::new(Mutex::new(meta));
    let (command_pages, event_pages) = ring_pages(plan.shm_bytes);
    let page = event_start.page.as_deref();
    let generation = generation::begin(
        start,
        recovered,
        &meta,
        &GenerationPlan {
            shm_dir: &plan.shm_dir,
            command_pages,
            event_pages,
            policy: plan.policy,
            event_start: LogStart { end: event_start.end, page, epoch: 0 },
            event_hash: event_start.hash,
        },
    )?;
    let Generation { commands, mut events, cursors, mut storage, identity, dir } = generation;
    let source = SegmentReader::new(&disk, &plan.dir.join(Log::Commands.directory()), commands_of);
    let at = Position::page_start(start.base.page_no).skip_header();
    let reader = LogReader::new(Arc::clone(commands.ring()), source, at);
    let mut replay = Replay::new(exchange, from, reader);
    let begun = Instant::now();
    while let Some((_, command)) = replay.step(last)? {
        make_room(&mut storage, &mut events)?;
        for record in replay.events().records() {
            events.append(record);
        }
        if let Command::Chain { page, hash } = command {
            events.publish();
            compare_chain(&mut storage, (page, hash), replay.sequence())?;
        }
    }
    events.publish();
    if replay.sequence() != last {
        let found = replay.sequence();
        return Err(failure(Code::Stopped, format!("replay ended at command {found}, the log at {last}")));
    }
    let timestamp = replay.timestamp();
    Ok(Opened {
        place: Place { dir: plan.dir.clone(), disk, lock, shm: dir, identity, meta },
        state: (replay.into_exchange(), last, timestamp),
        commands,
        events,
        storage,
        cursors,
        from_ring,
        from_snapshot: from,
        replay_s: begun.elapsed().as_secs_f64(),
        epoch,
        epochs,
        page_epoch,
        end,
        power_lost: false,
        memory_found: true,
        remarks,
    })
}

struct EventStart {
    end: Position,
    page: Option<Box<[u8; 4096]>>,
    hash: Option<Chain>,
}

fn begin_state(snapshot: Option<&Snapshot>) -> anyhow::Result<(Exchange, Sequence, EventStart)> {
    let Some(Snapshot { head, body }) = snapshot else {
        let start = EventStart { end: Position::FIRST, page: None, hash: None };
        return Ok((Exchange::new(), Sequence(0), start));
    };
    let exchange = Exchange::from_state_body(body)?;
    let mut page = None;
    if !head.point.event_page.is_empty() {
        let mut whole = Box::new([0; 4096]);
        whole[..head.point.event_page.len()].copy_from_slice(&head.point.event_page);
        page = Some(whole);
    }
    let end = Position::new(head.point.event_at);
    let start = EventStart { end, page, hash: Some(head.point.event_hash) };
    Ok((exchange, Sequence(head.point.seq), start))
}

/// Pages of the two logs' rings within the node's shared memory: a quarter for commands, a half for events, the rest
/// for rings in.
fn ring_pages(shm_bytes: u64) -> (u64, u64) {
    let at_most = |bytes: u64| 1u64 << (bytes / 4096).max(1).ilog2();
    (at_most(shm_bytes / 4).max(256), at_most(shm_bytes / 2).max(512))
}

/// Shared memory must be memory, and enough of it.
fn check_shm(plan: &Plan) -> anyhow::Result<()> {
    let dir = plan.shm_dir.display();
    if durability_of(&plan.shm_dir)? != Durability::Volatile("tmpfs") {
        let words = format!("--shm-dir {dir}: not a tmpfs: shared memory must not reach a disk");
        return Err(failure(Code::Usage, words));
    }
    let stat = rustix::fs::statvfs(&plan.shm_dir)?;
    let free = stat.f_bavail * stat.f_frsize;
    if free < plan.shm_bytes {
        let need = plan.shm_bytes;
        let words = format!("--shm-dir {dir}: {need} bytes needed, {free} free: see node.shm_mib");
        return Err(failure(Code::Usage, words));
    }
    Ok(())
}

/// While nothing else runs, storage works here whenever the event log has no room for another command.
fn make_room(storage: &mut Storage, events: &mut Writer) -> anyhow::Result<()> {
    while !events.has_room(EVENT_PAGES_FREE_MIN) {
        events.publish();
        if storage.step() == Stepped::Failed {
            return Err(storage_failed(storage));
        }
    }
    Ok(())
}

fn compare_chain(storage: &mut Storage, (page, hash): (u64, [u8; 16]), at: Sequence) -> anyhow::Result<()> {
    while storage.event_hashes().latest().0 < page {
        match storage.step() {
            Stepped::Failed => return Err(storage_failed(storage)),
            Stepped::Idle => break,
            Stepped::Worked | Stepped::Released => {}
        }
    }
    match storage.event_hashes().at(page) {
        Some(found) if found != hash => Err(failure(
            Code::Stopped,
            format!(
                "command {at}: the events up to page {page} differ from those first made: another build's behaviour?"
            ),
        )),
        _ => Ok(()),
    }
}

pub(super) fn storage_failed(storage: &Storage) -> anyhow::Error {
    let why = storage.failure().map_or_else(String::new, ToString::to_string);
    failure(Code::Stopped, format!("the journal failed: {why}"))
}

pub(super) fn lock_meta(meta: &Mutex<MetaFile>) -> std::sync::MutexGuard<'_, MetaFile> {
    meta.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

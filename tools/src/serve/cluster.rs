//! A node among others: it learns what it is to be, follows a primary or leads, and may change from one to the other
//! for as long as its process runs.
//!
//! ```text
//! life      from one opening of the journal to the next; the loop of a node's lives
//! engine    the engine's thread: seek a primary, follow it, lead
//! claim     the epoch that it is about to open itself
//! seed      what a node is sent whose pages are gone
//! port      the replication port's thread: serves standbys and questions
//! awaited   what standbys have acknowledged, and whom the primary waits for
//! keeper    the primary's care: who is in sync, the lease, whether the policy is met
//! told      what an operator asks of it: promotion, policy, drop, status
//! ```
//!
//! The journal and its threads do not change when a standby becomes the primary; they do when a primary has to follow,
//! or a log has to be cut back: then this life ends, and the next one begins in the same process.

pub mod awaited;
mod claim;
pub mod engine;
pub mod keeper;
pub mod life;
pub mod port;
mod seed;
pub mod told;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crossbeam::channel::Sender;
use parking_lot::{Mutex, RwLock};
use rialto_engine::ports::Readers;
use rialto_gateway::standing::Standing;
use rialto_journal::cursor::Cursors;
use rialto_journal::disk::Disk;
use rialto_journal::epochs::EpochTable;
use rialto_journal::layout::ClusterId;
use rialto_journal::log::LogRing;
use rialto_journal::meta::MetaFile;
use rialto_journal::recover::scan::Base;
use rialto_journal::segment::reader::SegmentReader;
use rialto_journal::segment::{Lineage, Log};
use rialto_journal::storage::event_hash::EventHashes;
use rialto_replicator::coordinator::Coordinator;
use rialto_replicator::coordinator::local::Local;
use rialto_replicator::link::{Doorbell, Question, Reply, ask};
use rialto_replicator::message::{Answer, Ask, Role};
use rialto_replicator::promote::copy::CountedCopy;
use rialto_replicator::secure::Credentials;
use rialto_replicator::state::{AckPolicy, ClusterState};

use super::start::lock_meta;
use crate::config::HostPort;
use crate::request::Nonces;
use awaited::Awaited;
use claim::Claim;

/// How long one other node may take to answer a question.
const ASK: std::time::Duration = std::time::Duration::from_millis(300);
/// The failure word of a node that another one leads now ([`Cursors::fail`]); this life of it ends.
pub const FAILURE_FENCED: u64 = 2;

/// What does not change while the process runs.
#[derive(Debug)]
pub struct Cluster {
    /// The cluster's name.
    pub name: String,
    /// This node's name.
    pub me: String,
    /// Where its clients connect.
    pub fix: String,
    /// Where other nodes connect.
    pub replication: String,
    /// The other nodes, by name, and where their replication ports are.
    pub peers: Vec<(String, HostPort)>,
    /// Where any member may be found: for a node that joins.
    pub join: Vec<HostPort>,
    /// The key.
    pub credentials: Credentials,
    /// Where the cluster's state is kept.
    pub coordinator: Arc<dyn Coordinator>,
    /// The same, where that is this node's own memory.
    pub local: Option<Arc<Local>>,
    /// A lone primary releases nothing.
    pub strict: bool,
    /// Nobody holds the primary's lease, as the coordinator said last.
    pub lease_gone: AtomicBool,
    /// The process that ends this node's lease when it dies.
    pub supervisor: Option<i32>,
    /// What gateways say of it.
    pub standing: Arc<Standing>,
    /// To be rung when something is published or changed.
    pub port_bell: Arc<Doorbell>,
    /// What the port's thread is to do.
    pub port_orders: Sender<port::PortOrder>,
    /// Nonces for who asks from another machine.
    pub nonces: Nonces,
    /// The node's memory, while it is open.
    pub meta: Arc<MetaSlot>,
    /// This life.
    life: RwLock<Option<Arc<Life>>>,
}

/// The node's `node.meta`, while one of its lives has it open.
#[derive(Debug, Default)]
pub struct MetaSlot(Mutex<Option<Arc<std::sync::Mutex<MetaFile>>>>);

impl MetaSlot {
    /// Another life, or none.
    pub fn set(&self, meta: Option<Arc<std::sync::Mutex<MetaFile>>>) {
        *self.0.lock() = meta;
    }

    /// Keeps a state of the cluster; durable on return.
    pub fn keep(&self, state: Option<&ClusterState>) -> Result<(), String> {
        let held = self.0.lock();
        let meta = held.as_ref().ok_or("the node's memory is not open")?;
        let bytes = state.map(ClusterState::to_bytes).unwrap_or_default();
        lock_meta(meta).update(|meta| meta.cluster_state = bytes).map_err(|error| error.to_string())
    }
}

/// From one opening of the journal to the next.
#[derive(Debug)]
pub struct Life {
    /// The node's cursors.
    pub cursors: Arc<Cursors>,
    /// The command log.
    pub commands: Arc<LogRing>,
    /// The epochs so far.
    pub epochs: Arc<EpochTable>,
    /// Who is woken when something is released.
    pub readers: Arc<Readers>,
    /// The node's memory.
    pub meta: Arc<std::sync::Mutex<MetaFile>>,
    /// Hashes of the event log.
    pub event_hashes: Arc<EventHashes>,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The node's directory.
    pub dir: std::path::PathBuf,
    /// Whose journal.
    pub cluster_id: ClusterId,
    /// The kernel's boot id.
    pub boot_id: [u8; 16],
    /// The number of this life.
    pub generation: u64,
    /// Behind the last page that this life found.
    pub start: Base,
    /// How the copy fared that was counted before this life.
    pub counted: Mutex<CountedCopy>,
    /// What another node is being sent.
    pub holds: Arc<super::holds::Holds>,
    /// What standbys have.
    pub awaited: Awaited,
    /// What the engine is to do.
    pub orders: Sender<engine::Order>,
    /// Wakes the matcher.
    pub matcher_bell: Arc<rialto_shmring::Doorbell>,
    /// What the node is.
    role: Mutex<Role>,
    /// The epoch that it leads or follows; 0 = none yet.
    epoch: AtomicU32,
    /// The highest epoch that it has promised. Held while an acknowledgement goes out, so that none does after a promise.
    pub promised: Mutex<u32>,
    /// The last epoch that it promised to itself. Taken after `promised`.
    claim: Mutex<Claim>,
    /// It releases nothing more, and hands over.
    pub handing_over: AtomicBool,
    /// Wakes the engine while it follows.
    pub upstream: Mutex<Option<Arc<Doorbell>>>,
    /// The cluster's state as last seen here, and when its epoch was seen to change.
    state: Mutex<(Option<ClusterState>, Option<std::time::Instant>)>,
}

impl Life {
    /// What the node is.
    pub fn role(&self) -> Role {
        *self.role.lock()
    }

    /// The epoch that it leads or follows.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// It is this from now on, in this epoch.
    pub fn become_(&self, role: Role, epoch: u32) {
        self.epoch.store(epoch, Ordering::Release);
        *self.role.lock() = role;
    }

    /// The cluster's state as last seen here.
    pub fn state(&self) -> Option<ClusterState> {
        self.state.lock().0.clone()
    }

    /// The version of that state; 0 if none was seen.
    pub fn state_version(&self) -> u64 {
        self.state.lock().0.as_ref().map_or(0, |state| state.version)
    }

    /// For how long the epoch in force has been seen to be it; `None`: its beginning was not seen.
    pub fn tenure(&self) -> Option<std::time::Duration> {
        self.state.lock().1.map(|since| since.elapsed())
    }

    /// The cluster's state is this now, as far as is known here.
    pub fn saw(&self, state: ClusterState) {
        let (known, since) = &mut *self.state.lock();
        let order = |state: &ClusterState| (state.epoch, state.version);
        if known.as_ref().is_some_and(|known| order(known) >= order(&state)) {
            return;
        }
        if known.as_ref().is_some_and(|known| known.epoch < state.epoch) {
            *since = Some(std::time::Instant::now());
        }
        *known = Some(state);
    }

    /// A reader of stored command pages.
    pub fn command_segments(&self) -> SegmentReader {
        self.segments(Log::Commands)
    }

    /// A reader of stored pages.
    pub fn segments(&self, log: Log) -> SegmentReader {
        SegmentReader::new(&self.disk, &self.dir.join(log.directory()), self.lineage(log))
    }

    /// What the segments of a log have in common.
    pub fn lineage(&self, log: Log) -> Lineage {
        Lineage { log, cluster_id: self.cluster_id, state_machine: rialto_protocol::VERSION }
    }

    /// The base at a page, if the page before it is stored.
    pub fn base_at(&self, page_no: u64) -> Option<Base> {
        if page_no == self.start.page_no {
            return Some(self.start);
        }
        match page_no.checked_sub(1) {
            None => Some(Base::genesis(&self.cluster_id)),
            Some(before) => self.command_segments().base_behind(before).ok().flatten(),
        }
    }

    /// Behind the last page that is stored here.
    pub fn stored_end(&self) -> Base {
        let mut page_no = self.commands.freed();
        loop {
            match self.base_at(page_no) {
                Some(base) => return base,
                None if page_no == 0 => return self.start,
                None => page_no -= 1,
            }
        }
    }

    /// Durably promises another node to follow no epoch below this one; an error says why not.
    pub fn promise(&self, epoch: u32) -> Result<(), String> {
        let mut promised = self.promised.lock();
        let claim = self.claim.lock();
        if claim.opens() {
            return Err(format!("it opens epoch {} itself", claim.epoch()));
        }
        drop(claim);
        self.keep_promise(&mut promised, epoch)
    }

    /// The same for an epoch that this node is to open itself: until it leads or [gives up](Self::disclaim) it promises
    /// nothing to anyone else. An epoch that was promised to another is not its own.
    pub fn claim(&self, epoch: u32) -> Result<(), String> {
        let mut promised = self.promised.lock();
        let mut claim = self.claim.lock();
        if !claim.holds(*promised, epoch) {
            let before = *promised;
            self.keep_promise(&mut promised, epoch)?;
            claim.made(before, epoch);
        }
        claim.begin();
        Ok(())
    }

    /// It does not open the epoch that it claimed. With `is_sure` nobody can believe that it did: then it is bound no
    /// longer, and may follow whoever was first with a lower one.
    pub fn disclaim(&self, is_sure: bool) {
        let mut promised = self.promised.lock();
        let mut claim = self.claim.lock();
        if !is_sure {
            return claim.end();
        }
        let Some(before) = claim.taken_back(*promised) else { return };
        match lock_meta(&self.meta).update(|meta| meta.promised_epoch = before) {
            Ok(()) => {
                tracing::info!(epoch = *promised, bound_to = before, "it did not come to lead this epoch");
                *promised = before;
            }
            Err(error) => tracing::error!(%error, "node.meta could not be written"),
        }
    }

    /// Whether the highest epoch that it has promised is one that it claimed: nobody else has that promise.
    pub fn holds_claim(&self) -> bool {
        let promised = self.promised.lock();
        *promised > 0 && self.claim.lock().holds(*promised, *promised)
    }

    fn keep_promise(&self, promised: &mut u32, epoch: u32) -> Result<(), String> {
        if epoch <= *promised {
            return Err(format!("epoch {promised} is promised already"));
        }
        lock_meta(&self.meta)
            .update(|meta| meta.promised_epoch = epoch)
            .map_err(|error| error.to_string())?;
        *promised = epoch;
        Ok(())
    }

    /// Whether it releases nothing more, and hands over.
    pub fn is_handing_over(&self) -> bool {
        self.handing_over.load(Ordering::Acquire)
    }

    /// Has the primary that this node is hand over to a standby.
    pub fn hand_over(&self, to: &str) {
        if self.orders.try_send(engine::Order::HandOver { to: to.to_owned() }).is_err() {
            tracing::warn!(to, "asked to hand over, and busy");
            return;
        }
        self.cursors.set_paused(true);
        self.matcher_bell.notify();
    }
}

impl Cluster {
    /// The life that runs.
    pub fn life(&self) -> Option<Arc<Life>> {
        self.life.read().clone()
    }

    /// Another life, or none.
    pub fn live(&self, life: Option<Arc<Life>>) {
        *self.life.write() = life;
        self.port_bell.ring();
    }

    /// Where all other nodes may be.
    fn others(&self) -> Vec<SocketAddr> {
        let peers = self.peers.iter().filter(|(name, _)| *name != self.me).map(|(_, address)| address);
        let mut found: Vec<SocketAddr> = Vec::new();
        for address in peers.chain(&self.join) {
            let Ok(addresses) = (address.host.as_str(), address.port).to_socket_addrs() else { continue };
            for address in addresses {
                if !found.contains(&address) && address.to_string() != self.replication {
                    found.push(address);
                }
            }
        }
        found
    }

    /// What all other nodes say of themselves that can be reached now, and where.
    pub fn ask_others(&self) -> Vec<(SocketAddr, Answer)> {
        let asked = self.others();
        std::thread::scope(|scope| {
            let threads: Vec<_> = asked
                .into_iter()
                .map(|address| scope.spawn(move || (address, self.ask(address, false))))
                .collect();
            let answers = threads.into_iter().filter_map(|thread| thread.join().ok());
            answers.filter_map(|(address, answer)| answer.map(|answer| (address, answer))).collect()
        })
    }

    /// Asks one node, which may be asked to hand over to this one.
    pub fn ask(&self, address: SocketAddr, hand_over: bool) -> Option<Answer> {
        let question = Question::Status(Ask { node: self.me.clone(), hand_over });
        match ask(address, &self.credentials, &question, ASK) {
            // One that has not opened its journal yet says nothing of it.
            Ok(Reply::Status(answer)) if answer.node != self.me && answer.cluster_id.is_some() => {
                Some(answer)
            }
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "a node does not answer");
                None
            }
        }
    }

    /// What this node says of itself.
    pub fn answer(&self) -> Answer {
        let life = self.life();
        let Some(life) = life else { return self.answer_unborn() };
        let state = life.state();
        let end = life.stored_end();
        let cursors = &life.cursors;
        Answer {
            node: self.me.clone(),
            role: life.role(),
            cluster_id: Some(life.cluster_id),
            epoch: life.epoch(),
            promised_epoch: *life.promised.lock(),
            end,
            log_epoch: life.epochs.rows().last().map_or(end.epoch, |row| row.epoch.max(end.epoch)),
            last_seq: cursors.published(),
            synced_seq: cursors.synced(),
            in_sync: state.as_ref().map(|state| state.in_sync.clone()).unwrap_or_default(),
            state_version: state.as_ref().map_or(0, |state| state.version),
            boot_id: life.boot_id,
            incarnation: life.generation,
            primary: state.as_ref().map(|state| state.primary.clone()),
            primary_address: state.as_ref().and_then(|state| self.address_of(&state.primary)),
            fix: self.fix.clone(),
            is_whole: life.counted.lock().is_whole(),
            state: state.as_ref().map(ClusterState::to_bytes).unwrap_or_default(),
        }
    }

    fn answer_unborn(&self) -> Answer {
        Answer {
            node: self.me.clone(),
            role: Role::Starting,
            cluster_id: None,
            epoch: 0,
            promised_epoch: 0,
            end: Base { page_no: 0, first_seq: 1, epoch: 0, chain: [0; 16] },
            log_epoch: 0,
            last_seq: 0,
            synced_seq: 0,
            in_sync: Vec::new(),
            state_version: 0,
            boot_id: [0; 16],
            incarnation: 0,
            primary: None,
            primary_address: None,
            fix: self.fix.clone(),
            is_whole: false,
            state: Vec::new(),
        }
    }

    /// Where a node's replication port is, as configured.
    pub fn address_of(&self, node: &str) -> Option<String> {
        if node == self.me {
            return Some(self.replication.clone());
        }
        self.peers.iter().find(|(name, _)| name == node).map(|(_, address)| address.to_string())
    }

    /// The epoch and role as `rialto status` names them.
    pub fn role_word(&self) -> &'static str {
        let life = self.life();
        match life.as_ref().map(|life| life.role()) {
            Some(Role::Primary) if life.is_some_and(|life| life.is_handing_over()) => "stopped",
            Some(Role::Primary) => "primary",
            Some(Role::Standby) => "standby",
            Some(Role::Fenced) => "stopped",
            Some(Role::Starting) | None => "starting",
        }
    }
}

/// The state's word for a policy of the journal.
pub fn ack_policy_of(policy: rialto_journal::cursor::Policy) -> AckPolicy {
    use rialto_journal::cursor::Policy;
    match policy {
        Policy::Async => AckPolicy::Async,
        Policy::Disk => AckPolicy::Disk,
        Policy::Ram => AckPolicy::Ram,
        Policy::DiskRam => AckPolicy::DiskRam,
        Policy::DiskDisk => AckPolicy::DiskDisk,
    }
}

/// Whether a directory has a node.
pub fn has_node(dir: &Path) -> bool {
    dir.join(rialto_journal::meta::META_NAME).exists()
}

//! A coordinator for tests: one store in memory, a client for each node, a clock and faults that the test drives.
//!
//! It never waits: a watch answers at once, and a lease ends when the test moves the clock past its life.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::keys::{Kept, Keys};
use super::{
    Coordinator, CoordinatorError, Granted, LeaseId, LeaseIs, NodeNote, Revision, Swap, View, Watched,
};

const NO_LEASE: LeaseId = LeaseId(0);

/// The store that the nodes of a test share.
#[derive(Debug, Clone)]
pub struct Pretend {
    store: Arc<Mutex<Store>>,
}

/// One node's way to the store.
#[derive(Debug, Clone)]
pub struct PretendClient {
    node: String,
    store: Arc<Mutex<Store>>,
}

#[derive(Debug, Clone)]
struct Lease {
    life: Duration,
    ends: Duration,
}

/// The part of the store that a backup holds.
#[derive(Debug, Clone)]
struct Content {
    revision: u64,
    /// When the state or the lease was last changed.
    watched: u64,
    keys: BTreeMap<String, Kept>,
    leases: BTreeMap<i64, Lease>,
}

/// Moments of the store, to be put back by [`Pretend::restore`].
#[derive(Debug, Clone)]
pub struct Backup(Content);

#[derive(Debug)]
struct Store {
    names: Keys,
    now: Duration,
    next_lease: i64,
    content: Content,
    cut: BTreeSet<String>,
    stale: BTreeSet<String>,
    lost_answers: BTreeSet<String>,
    lost_requests: BTreeSet<String>,
}

impl Pretend {
    /// An empty store for a cluster.
    pub fn new(cluster: &str) -> Self {
        let content = Content { revision: 1, watched: 0, keys: BTreeMap::new(), leases: BTreeMap::new() };
        let store = Store {
            names: Keys::of(cluster),
            now: Duration::ZERO,
            next_lease: 1,
            content,
            cut: BTreeSet::new(),
            stale: BTreeSet::new(),
            lost_answers: BTreeSet::new(),
            lost_requests: BTreeSet::new(),
        };
        Pretend { store: Arc::new(Mutex::new(store)) }
    }

    /// A node's way to it.
    pub fn client(&self, node: &str) -> PretendClient {
        PretendClient { node: node.to_owned(), store: Arc::clone(&self.store) }
    }

    /// Moves the clock on. Leases whose life is over end, and their keys go.
    pub fn advance(&self, by: Duration) {
        let mut store = self.store.lock();
        store.now += by;
        let now = store.now;
        let over: Vec<i64> =
            store.content.leases.iter().filter(|(_, lease)| lease.ends <= now).map(|(id, _)| *id).collect();
        for id in over {
            store.end_lease(LeaseId(id));
        }
    }

    /// A change of the store's own leader: every lease begins its life anew.
    pub fn change_leader(&self) {
        let mut store = self.store.lock();
        let now = store.now;
        for lease in store.content.leases.values_mut() {
            lease.ends = now + lease.life;
        }
    }

    /// The node reaches the store no more.
    pub fn cut(&self, node: &str) {
        self.store.lock().cut.insert(node.to_owned());
    }

    /// The node reaches the store again, and its watches are fresh.
    pub fn heal(&self, node: &str) {
        let mut store = self.store.lock();
        store.cut.remove(node);
        store.stale.remove(node);
    }

    /// The node's watches see nothing any more.
    pub fn stale_watches(&self, node: &str) {
        self.store.lock().stale.insert(node.to_owned());
    }

    /// The node's next change is made, and its answer lost.
    pub fn lose_answer(&self, node: &str) {
        self.store.lock().lost_answers.insert(node.to_owned());
    }

    /// The node's next change is lost on the way: not made, and no answer.
    pub fn lose_request(&self, node: &str) {
        self.store.lock().lost_requests.insert(node.to_owned());
    }

    /// What it holds, to be restored later.
    pub fn backup(&self) -> Backup {
        Backup(self.store.lock().content.clone())
    }

    /// Goes back to a backup, as an operator would: revisions go back too.
    pub fn restore(&self, backup: &Backup) {
        self.store.lock().content = backup.0.clone();
    }
}

impl Store {
    fn reached(&self, node: &str) -> Result<(), CoordinatorError> {
        if self.cut.contains(node) {
            return Err(CoordinatorError::Unreachable(format!("{node} is cut off")));
        }
        Ok(())
    }

    fn view(&self) -> Result<View, CoordinatorError> {
        self.names.view(Revision(self.content.revision), self.content.keys.values().cloned())
    }

    fn put(&mut self, key: String, value: Vec<u8>, lease: LeaseId) {
        let changed = Revision(self.content.revision);
        let kept = Kept { key: key.clone(), value, changed, lease };
        self.content.keys.insert(key, kept);
    }

    fn end_lease(&mut self, lease: LeaseId) {
        if self.content.leases.remove(&lease.0).is_none() {
            return;
        }
        self.content.revision += 1;
        let primary = self.names.lease();
        if self.content.keys.get(&primary).is_some_and(|kept| kept.lease == lease) {
            self.content.watched = self.content.revision;
        }
        self.content.keys.retain(|_, kept| kept.lease != lease);
    }

    fn swap(&mut self, swap: &Swap<'_>) -> Result<Revision, CoordinatorError> {
        let now = self.view()?;
        if let Some(why) = against(swap, &now) {
            return Err(CoordinatorError::Lost { why: why.to_owned(), now: Box::new(now) });
        }
        self.alive(swap.hold)?;
        self.content.revision += 1;
        self.content.watched = self.content.revision;
        self.put(self.names.state(), swap.state.to_bytes(), NO_LEASE);
        if let Some(lease) = swap.hold {
            self.put(self.names.lease(), Keys::holder_text(swap.state), lease);
        }
        Ok(Revision(self.content.revision))
    }

    fn alive(&self, lease: Option<LeaseId>) -> Result<(), CoordinatorError> {
        match lease {
            Some(lease) if !self.content.leases.contains_key(&lease.0) => Err(CoordinatorError::Expired),
            Some(_) | None => Ok(()),
        }
    }
}

impl PretendClient {
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Store) -> Result<T, CoordinatorError>,
    ) -> Result<T, CoordinatorError> {
        let mut store = self.store.lock();
        store.reached(&self.node)?;
        let unknown = || CoordinatorError::Unknown(format!("no answer to {}", self.node));
        if store.lost_requests.remove(&self.node) {
            return Err(unknown());
        }
        let answer = change(&mut store);
        if store.lost_answers.remove(&self.node) { Err(unknown()) } else { answer }
    }
}

impl Coordinator for PretendClient {
    fn read(&self) -> Result<View, CoordinatorError> {
        let store = self.store.lock();
        store.reached(&self.node)?;
        store.view()
    }

    fn swap(&self, swap: &Swap<'_>) -> Result<Revision, CoordinatorError> {
        self.change(|store| store.swap(swap))
    }

    fn grant(&self, ttl: Duration) -> Result<Granted, CoordinatorError> {
        self.change(|store| {
            let id = store.next_lease;
            store.next_lease += 1;
            let ends = store.now + ttl;
            store.content.leases.insert(id, Lease { life: ttl, ends });
            Ok(Granted { lease: LeaseId(id), ttl })
        })
    }

    fn keep_alive(&self, lease: LeaseId) -> Result<Duration, CoordinatorError> {
        self.change(|store| {
            let now = store.now;
            let kept = store.content.leases.get_mut(&lease.0).ok_or(CoordinatorError::Expired)?;
            kept.ends = now + kept.life;
            Ok(kept.life)
        })
    }

    fn revoke(&self, lease: LeaseId) -> Result<(), CoordinatorError> {
        self.change(|store| {
            store.end_lease(lease);
            Ok(())
        })
    }

    fn register(&self, node: &NodeNote, lease: LeaseId) -> Result<(), CoordinatorError> {
        self.change(|store| {
            store.alive(Some(lease))?;
            let key = store.names.node(&node.name);
            let other = store.content.keys.get(&key).filter(|kept| kept.lease != lease);
            if let Some(other) = other.and_then(|kept| Keys::note(&kept.value)) {
                return Err(CoordinatorError::taken(other));
            }
            store.content.revision += 1;
            store.put(key, Keys::note_text(node), lease);
            Ok(())
        })
    }

    fn watch(&self, seen: Revision, _: Duration) -> Result<Watched, CoordinatorError> {
        let store = self.store.lock();
        store.reached(&self.node)?;
        let changed = store.content.watched > seen.0 && !store.stale.contains(&self.node);
        Ok(if changed { Watched::Changed } else { Watched::Nothing })
    }

    fn forget(&self) -> Result<(), CoordinatorError> {
        self.change(|store| {
            store.content.revision += 1;
            store.content.watched = store.content.revision;
            store.content.keys.clear();
            Ok(())
        })
    }

    fn has_leases(&self) -> bool {
        true
    }
}

/// Why `swap` may not happen now.
fn against(swap: &Swap<'_>, now: &View) -> Option<&'static str> {
    if now.seen() != swap.seen {
        return Some("the state was changed");
    }
    let holder = now.holder.as_ref().map(|holder| holder.lease);
    match swap.lease_is {
        LeaseIs::Any => None,
        LeaseIs::Absent => holder.map(|_| "the lease is held"),
        LeaseIs::Held(lease) => (holder != Some(lease)).then_some("the lease is not the one wanted"),
    }
}

//! No coordinator: the node keeps the state itself, in its `node.meta`, and only the primary changes it.
//!
//! There is no lease and no failover by itself: a person promotes. The in-sync set never shrinks by itself either.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;

use super::{
    Coordinator, CoordinatorError, Granted, LeaseId, LeaseIs, NodeNote, Revision, Swap, View, Watched,
};
use crate::state::ClusterState;

/// Writes a state where it outlives the process, and returns when it does; or says why not.
pub type Keep = Box<dyn FnMut(Option<&ClusterState>) -> Result<(), String> + Send>;

/// The state in the hands of one node.
pub struct Local {
    inner: Mutex<Inner>,
}

struct Inner {
    state: Option<ClusterState>,
    keep: Keep,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("state", &self.inner.lock().state).finish_non_exhaustive()
    }
}

impl Local {
    /// The state that was kept last, and how to keep the next.
    pub fn new(state: Option<ClusterState>, keep: Keep) -> Self {
        Local { inner: Mutex::new(Inner { state, keep }) }
    }

    /// A standby heard of a newer state from its primary. An older one is left aside.
    pub fn learn(&self, state: &ClusterState) -> Result<(), CoordinatorError> {
        let mut inner = self.inner.lock();
        let order = |state: &ClusterState| (state.epoch, state.version);
        if inner.state.as_ref().is_some_and(|known| order(known) >= order(state)) {
            return Ok(());
        }
        inner.store(state)
    }
}

impl Inner {
    fn store(&mut self, state: &ClusterState) -> Result<(), CoordinatorError> {
        // Whether it is on the disk is not known then: the caller reads, and finds the old one.
        (self.keep)(Some(state)).map_err(CoordinatorError::Unknown)?;
        self.state = Some(state.clone());
        Ok(())
    }

    fn view(&self) -> View {
        // A state's version is when it changed.
        let state = self.state.clone().map(|state| {
            let changed = Revision(state.version);
            (state, changed)
        });
        let revision = state.as_ref().map_or(Revision(0), |(_, changed)| *changed);
        View { revision, state, holder: None, nodes: Vec::new() }
    }
}

impl Coordinator for Local {
    fn read(&self) -> Result<View, CoordinatorError> {
        Ok(self.inner.lock().view())
    }

    fn swap(&self, swap: &Swap<'_>) -> Result<Revision, CoordinatorError> {
        let mut inner = self.inner.lock();
        let now = inner.view();
        let lost = |why: &str, now| CoordinatorError::Lost { why: why.to_owned(), now: Box::new(now) };
        if now.seen() != swap.seen {
            return Err(lost("the state was changed", now));
        }
        match swap.lease_is {
            LeaseIs::Any | LeaseIs::Absent => {}
            LeaseIs::Held(_) => return Err(lost("without a coordinator nobody holds a lease", now)),
        }
        inner.store(swap.state)?;
        Ok(Revision(swap.state.version))
    }

    fn grant(&self, ttl: Duration) -> Result<Granted, CoordinatorError> {
        Ok(Granted { lease: LeaseId(0), ttl })
    }

    fn keep_alive(&self, _: LeaseId) -> Result<Duration, CoordinatorError> {
        Ok(Duration::MAX)
    }

    fn revoke(&self, _: LeaseId) -> Result<(), CoordinatorError> {
        Ok(())
    }

    fn register(&self, _: &NodeNote, _: LeaseId) -> Result<(), CoordinatorError> {
        Ok(())
    }

    fn watch(&self, seen: Revision, _: Duration) -> Result<Watched, CoordinatorError> {
        let changed = self.inner.lock().view().revision > seen;
        Ok(if changed { Watched::Changed } else { Watched::Nothing })
    }

    fn forget(&self) -> Result<(), CoordinatorError> {
        let mut inner = self.inner.lock();
        (inner.keep)(None).map_err(CoordinatorError::Unknown)?;
        inner.state = None;
        Ok(())
    }

    fn has_leases(&self) -> bool {
        false
    }
}

//! What nobody needs any more goes: when a snapshot was made, and when the archive has caught up, so that a disk which
//! filled while archiving failed is freed without another snapshot.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rialto_journal::disk::Disk;
use rialto_journal::error::JournalError;
use rialto_journal::layout::ClusterId;
use rialto_journal::retention::{Needed, trim};
use rialto_journal::snapshot::Snapshots;

use super::holds::Holds;
use super::start::Place;

/// Removes segments and snapshots of one node.
#[derive(Debug)]
pub struct Retention {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    cluster_id: ClusterId,
    holds: Arc<Holds>,
    /// The first pages that this node itself needs; `None`: not known yet. Who holds it removes, nobody else.
    own: Mutex<Option<Needed>>,
}

impl Retention {
    /// Of the node in `place`, where `holds` are what others need.
    pub fn new(place: &Place, holds: &Arc<Holds>) -> Self {
        let (disk, dir) = (Arc::clone(&place.disk), place.dir.clone());
        let cluster_id = place.identity.cluster_id;
        Self { disk, dir, cluster_id, holds: Arc::clone(holds), own: Mutex::default() }
    }

    /// The node itself needs nothing before these pages but what a start from its snapshots reads.
    pub fn needs(&self, own: Needed) {
        *self.own.lock() = Some(own);
    }

    /// The same, and what is not needed goes.
    pub fn trim(&self, own: Needed) -> Result<(), JournalError> {
        let mut last = self.own.lock();
        *last = Some(own);
        self.remove(own)
    }

    /// The archive has all that is due: what only it held goes.
    pub fn archived(&self) -> Result<(), JournalError> {
        let last = self.own.lock();
        let Some(own) = *last else { return Ok(()) };
        let snapshots = Snapshots::new(&self.disk, &self.dir, self.cluster_id);
        snapshots.keeping(Some(Arc::clone(self.holds.archived_snapshot()))).remove_older()?;
        self.remove(own)
    }

    fn remove(&self, own: Needed) -> Result<(), JournalError> {
        for segment in trim(&self.disk, &self.dir, self.holds.with(own))? {
            tracing::info!(segment = %segment.display(), "removed: snapshots cover it");
        }
        Ok(())
    }
}

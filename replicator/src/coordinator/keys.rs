//! The names of a cluster's keys and what stands in them, for whoever keeps keys.

use serde::{Deserialize, Serialize};

use super::{CoordinatorError, Holder, LeaseId, NodeNote, Revision, View};
use crate::state::ClusterState;

/// A key as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) changed: Revision,
    pub(crate) lease: LeaseId,
}

/// The keys of one cluster.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

/// What stands in the lease key.
#[derive(Debug, Serialize, Deserialize)]
struct HolderText {
    primary: String,
    epoch: u32,
}

impl Keys {
    /// The keys of the cluster named so.
    pub fn of(cluster: &str) -> Self {
        Keys { prefix: format!("/rialto/{cluster}/") }
    }

    /// What all of them begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The first key behind all of them: `0` follows on `/`.
    pub fn behind(&self) -> String {
        format!("{}0", self.prefix.trim_end_matches('/'))
    }

    /// The state's key.
    pub fn state(&self) -> String {
        format!("{}state", self.prefix)
    }

    /// The primary's lease.
    pub fn lease(&self) -> String {
        format!("{}lease", self.prefix)
    }

    /// A node's key.
    pub fn node(&self, name: &str) -> String {
        format!("{}node/{name}", self.prefix)
    }

    /// Whether a change of this key is one that a watch tells of.
    pub(crate) fn is_watched(&self, key: &str) -> bool {
        key == self.state() || key == self.lease()
    }

    /// What stands in the lease key of a state's primary.
    pub(crate) fn holder_text(state: &ClusterState) -> Vec<u8> {
        let text = HolderText { primary: state.primary.clone(), epoch: state.epoch };
        serde_json::to_vec(&text).expect("a name and a number can be written as JSON")
    }

    /// What stands in a node's key.
    pub(crate) fn note_text(note: &NodeNote) -> Vec<u8> {
        serde_json::to_vec(note).expect("a note holds only what JSON can say")
    }

    /// The note in a node's key.
    pub(crate) fn note(value: &[u8]) -> Option<NodeNote> {
        serde_json::from_slice(value).ok()
    }

    /// What the keys tell. A node's key that nobody can read is left out: it decides nothing.
    pub(crate) fn view(
        &self,
        revision: Revision,
        kept: impl IntoIterator<Item = Kept>,
    ) -> Result<View, CoordinatorError> {
        let mut view = View { revision, ..View::default() };
        for kept in kept {
            if kept.key == self.state() {
                let state = ClusterState::from_bytes(&kept.value);
                let state = state.map_err(|why| CoordinatorError::Refused(format!("{}: {why}", kept.key)))?;
                view.state = Some((state, kept.changed));
            } else if kept.key == self.lease() {
                view.holder = Some(holder(&kept)?);
            } else if kept.key.starts_with(&self.node("")) {
                view.nodes.extend(Keys::note(&kept.value));
            }
        }
        view.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(view)
    }
}

fn holder(kept: &Kept) -> Result<Holder, CoordinatorError> {
    let text: HolderText = serde_json::from_slice(&kept.value)
        .map_err(|error| CoordinatorError::Refused(format!("{}: {error}", kept.key)))?;
    Ok(Holder { node: text.primary, epoch: text.epoch, lease: kept.lease })
}

//! The node as operators and scrapers see it now: one in a cluster begins anew within its process.

use std::sync::Arc;

use parking_lot::RwLock;

use super::node::Node;

/// The node of this life.
#[derive(Debug)]
pub struct Current(RwLock<Arc<Node>>);

impl Current {
    /// The first one.
    pub fn new(node: Arc<Node>) -> Self {
        Self(RwLock::new(node))
    }

    /// The next one.
    pub fn set(&self, node: Arc<Node>) {
        *self.0.write() = node;
    }

    /// The one of now.
    pub fn get(&self) -> Arc<Node> {
        Arc::clone(&self.0.read())
    }
}

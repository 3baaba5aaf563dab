//! The memory that both sides share, as words: a mapping, or a model of one for loom.

#[cfg(not(loom))]
mod mapped;
#[cfg(loom)]
mod modelled;

#[cfg(not(loom))]
pub(crate) use mapped::{Memory, Page};
#[cfg(loom)]
pub(crate) use modelled::{Memory, Page};

/// States of a file, in its state word. A state only grows.
pub(crate) mod state {
    /// Being made: nothing else in the file means anything.
    #[cfg(not(loom))]
    pub(crate) const NEW: u32 = 0;
    /// Made.
    pub(crate) const READY: u32 = 1;
    /// Given up by a side that saw what no honest peer does.
    pub(crate) const POISONED: u32 = 2;
}

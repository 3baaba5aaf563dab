//! What it means: the deterministic exchange, and the matcher loop that feeds it.

pub mod book;
pub mod directory;
pub mod lookup;
pub mod sessions;
pub mod timers;

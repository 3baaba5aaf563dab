//! What it means: the deterministic exchange, and the matcher loop that feeds it.

pub mod book;

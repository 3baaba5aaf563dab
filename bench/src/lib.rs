//! How fast it is: order flows that anyone can regenerate, and what matches them against the clock.

pub mod engine;
pub mod flow;
pub mod journal;
pub mod link;
pub mod load;
pub mod machine;
pub mod memory;
pub mod probe;
pub mod report;
pub mod ring;
pub mod totals;

//! What it means: the deterministic exchange, and the matcher loop that feeds it.

pub mod accounts;
pub mod book;
pub mod clock;
pub mod clordids;
pub mod directory;
pub mod exchange;
pub mod follow;
pub mod lookup;
pub mod matcher;
pub mod pin;
pub mod ports;
pub mod replay;
pub mod risk;
pub mod sessions;
pub mod shadow;
pub mod stage;
pub mod state;
pub mod timers;
pub mod trades;
pub mod transfers;
pub mod work;

pub use exchange::Exchange;

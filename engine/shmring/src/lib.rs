//! How a command is handed over: one single-producer single-consumer ring in shared memory, and how its reader
//! sleeps and is woken.
//!
//! Promises: a message comes out once, whole and in order, or not at all, also when either side is killed at any
//! instruction; a faulty or hostile peer can make an answer wrong or the ring *poisoned*, never our behaviour
//! undefined, and never makes us wait. The ring does not know what its messages say: their reader checks them.
//!
//! [`layout`] draws the file. [`Region`] is the memory, made by one process and attached by another, or shared by two
//! threads; [`Producer`] and [`Consumer`] are its two ends; [`Doorbell`] and [`SleepFlag`] let an end sleep.
//! All of it runs under loom too (`RUSTFLAGS="--cfg loom" cargo test -p rialto-shmring --release --test loom`).

mod consumer;
#[cfg(not(loom))]
mod creator;
mod doorbell;
pub mod hint;
pub mod layout;
mod memory;
mod poison;
mod producer;
mod region;
mod sleep;
mod stamp;
mod sync;

pub use consumer::{Consumer, MessageBuffer};
#[cfg(not(loom))]
pub use creator::Creator;
pub use doorbell::{Doorbell, Wait};
pub use layout::{Geometry, Identity, SlotsOutOfRange};
pub use poison::{Cause, Poisoned};
pub use producer::{Producer, PushError};
pub use region::{Field, Region, RegionError, Side, Taken};
pub use sleep::SleepFlag;

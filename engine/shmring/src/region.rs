//! The memory of one ring, shared by its two ends: who may take an end, and what both may read.
//!
//! Making and attaching the file is in `region/file.rs`.

#[cfg(not(loom))]
pub(crate) mod file;

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

#[cfg(not(loom))]
use crate::creator::Creator;
use crate::{
    layout::{
        AT_CONSUMER_CLAIM, AT_CONSUMER_POSITION, AT_CONSUMER_SLEEP, AT_PRODUCER_CLAIM, AT_PRODUCER_SLEEP,
        AT_STATE, Geometry, Identity,
    },
    memory::{Memory, state},
    sleep::SleepFlag,
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// One ring's memory. Having one tells you that it is ready, is the ring that you expected, and is all there. Its two ends
/// are taken once each, for its whole life: after a death, make a new ring.
#[derive(Debug)]
pub struct Region {
    memory: Memory,
    identity: Identity,
    geometry: Geometry,
    #[cfg(not(loom))]
    creator: Creator,
}

/// An end of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where messages go in.
    Producer,
    /// Where messages come out.
    Consumer,
}

/// This end of the ring has been taken before, perhaps by a process that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the ring's {side} is process {pid}: an end of a ring is taken once")]
pub struct Taken {
    /// The end.
    pub side: Side,
    /// The process that has it.
    pub pid: u32,
}

/// What an attach compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The file's first word.
    Magic,
    /// The layout of the file.
    LayoutVersion,
    /// Bytes of a slot.
    SlotBytes,
    /// The layouts of the records.
    Schema,
    /// The matcher's life.
    Generation,
    /// The gateway.
    Gateway,
    /// The file's length against its number of slots.
    FileBytes,
}

/// A file in shared memory could not be made or attached.
#[derive(Debug, Error)]
pub enum RegionError {
    /// The system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The file system is too small or too full; nothing is left behind.
    #[error("{}: not enough shared memory: {need_bytes} bytes needed", path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Its length.
        need_bytes: u64,
    },
    /// Nobody finished making the file before the deadline.
    #[error("{}: not ready in time (its maker has not started, or has died while making it)", path.display())]
    NotReady {
        /// The file.
        path: PathBuf,
    },
    /// It was given up before; see [`crate::Poisoned`].
    #[error("{}: was given up by one of its sides", path.display())]
    GivenUp {
        /// The file.
        path: PathBuf,
    },
    /// It is not the file that was expected.
    #[error("{}: {field} is {found:#x}, expected {expected:#x}", path.display())]
    Different {
        /// The file.
        path: PathBuf,
        /// The first thing that differs.
        field: Field,
        /// In the file.
        found: u64,
        /// By the caller, or by this build.
        expected: u64,
    },
    /// It says that it has an impossible shape.
    #[error("{}: {source}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: crate::layout::SlotsOutOfRange,
    },
}

impl Region {
    /// A ring of any power of two of slots in the memory of a model.
    #[cfg(loom)]
    pub fn modelled(identity: Identity, geometry: Geometry) -> Self {
        let memory = Memory::modelled(geometry);
        memory.page().word64(AT_CONSUMER_POSITION).store(geometry.start(), Ordering::Relaxed);
        memory.page().word32(AT_STATE).store(state::READY, Ordering::Relaxed);
        Self { memory, identity, geometry }
    }

    /// Which ring it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its number of slots and first index.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Who made it.
    #[cfg(not(loom))]
    pub fn creator(&self) -> Creator {
        self.creator
    }

    /// Which process, if any, has taken an end (if its word can be trusted).
    pub fn taken_by(&self, side: Side) -> Option<u32> {
        Some(self.claim_word(side).load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// The flag of whoever sleeps at an end. The ring itself wakes nobody.
    pub fn sleep_flag(&self, side: Side) -> SleepFlag<'_> {
        SleepFlag::new(self.memory.page().word32(match side {
            Side::Producer => AT_PRODUCER_SLEEP,
            Side::Consumer => AT_CONSUMER_SLEEP,
        }))
    }

    /// Whether a side has called the ring poisoned.
    #[inline]
    pub fn is_given_up(&self) -> bool {
        // Relaxed: it stands for nothing else that would have to be seen.
        self.memory.page().word32(AT_STATE).load(Ordering::Relaxed) != state::READY
    }

    pub(crate) fn give_up(&self) {
        self.memory.page().word32(AT_STATE).store(state::POISONED, Ordering::Relaxed);
    }

    pub(crate) fn claim(&self, side: Side) -> Result<(), Taken> {
        // Relaxed: the words say only who came first; the ends share nothing through them.
        match self.claim_word(side).compare_exchange(
            0,
            std::process::id(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            Ok(_) => Ok(()),
            Err(pid) => Err(Taken { side, pid }),
        }
    }

    #[inline]
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    #[inline]
    pub(crate) fn consumer_position(&self) -> &AtomicU64 {
        self.memory.page().word64(AT_CONSUMER_POSITION)
    }

    fn claim_word(&self, side: Side) -> &AtomicU32 {
        self.memory.page().word32(match side {
            Side::Producer => AT_PRODUCER_CLAIM,
            Side::Consumer => AT_CONSUMER_CLAIM,
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "magic",
            Self::LayoutVersion => "layout version",
            Self::SlotBytes => "slot bytes",
            Self::Schema => "record schema",
            Self::Generation => "generation",
            Self::Gateway => "gateway",
            Self::FileBytes => "file length",
        })
    }
}

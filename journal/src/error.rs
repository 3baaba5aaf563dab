//! What can go wrong between a journal and its disk, in words an operator can act on.

use std::io;
use std::path::{Path, PathBuf};

use crate::log::StartError;
use crate::shared::SharedError;

/// Why a journal could not be opened, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk refused an operation. Never retried: after the first such error a node stops.
    #[error("{path}: cannot {action}: {source}")]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is not what it should be, and nothing durable may be thrown away: repair from a peer or a copy.
    #[error("{path}: corrupt: {why}")]
    Corrupt {
        /// The file or directory.
        path: PathBuf,
        /// What was expected and what was found.
        why: String,
    },
    /// The journal is sound and is not for this node or this build.
    #[error("{path}: refused: {why}")]
    Refused {
        /// The file or directory.
        path: PathBuf,
        /// What was expected and what was found.
        why: String,
    },
    /// Shared memory could not be made.
    #[error("shared memory: {0}")]
    Shared(#[from] SharedError),
    /// The logs could not be taken up in shared memory.
    #[error("shared memory: {0}")]
    Start(#[from] StartError),
}

impl JournalError {
    pub(crate) fn corrupt(path: &Path, why: impl Into<String>) -> Self {
        JournalError::Corrupt { path: path.to_owned(), why: why.into() }
    }

    pub(crate) fn refused(path: &Path, why: impl Into<String>) -> Self {
        JournalError::Refused { path: path.to_owned(), why: why.into() }
    }

    /// Whether the disk had no room: the one failure that making segments ahead, or a snapshot, may survive.
    pub fn is_no_space(&self) -> bool {
        match self {
            JournalError::Disk { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            JournalError::Corrupt { .. }
            | JournalError::Refused { .. }
            | JournalError::Shared(_)
            | JournalError::Start(_) => false,
        }
    }
}

/// Adds to a disk's answer what was tried and on which file.
pub(crate) trait During<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, JournalError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, JournalError> {
        self.map_err(|source| JournalError::Disk { path: path.to_owned(), action, source })
    }
}

//! The note of what is archived, changed in place as `node.meta` is: archiving must go on while the disk has no room for
//! another file, since what is archived is what may be removed. A torn write loses the note in hand, so that a piece is
//! archived twice.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::Archived;
use crate::disk::{Access, Disk};
use crate::error::{During, JournalError};
use crate::slots::{Kept, SlotFile};

/// Name of the file in a node's directory that says how far its archive goes.
pub const ARCHIVED_NAME: &str = "archived";

impl Kept for Archived {
    const MAGIC: [u8; 8] = *b"RIALTOAR";
    const VERSION: u32 = 1;
}

/// Opens the note of the node in `dir`, or makes it. What cannot be read is as nothing: all is archived again.
pub(super) fn open(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    remarks: &mut Vec<String>,
) -> Result<SlotFile<Archived>, JournalError> {
    let path = dir.join(ARCHIVED_NAME);
    match SlotFile::open(disk, path.clone(), Access::Plain) {
        Err(JournalError::Disk { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        Err(JournalError::Corrupt { .. } | JournalError::Refused { .. }) => {
            remarks.push(format!("{}: damaged: all that the node has is archived again", path.display()));
        }
        opened => return opened,
    }
    let note = SlotFile::create(disk, path, Archived::default())?;
    disk.sync_dir(dir).during("sync directory", dir)?;
    Ok(note)
}

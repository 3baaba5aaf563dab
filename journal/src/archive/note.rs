//! The note of what is archived: two slots, written in turn and synced, the valid one with the higher counter holds.
//!
//! In place, as `node.meta` is: archiving must go on while the disk has no room for another file, since what is archived
//! is what may be removed. A torn write loses the note in hand, so that a piece is archived twice.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Archived;
use crate::codec::{self, Framed};
use crate::disk::{Access, Disk, DiskFile, count};
use crate::error::{During, JournalError};

/// Name of the file in a node's directory that says how far its archive goes.
pub const ARCHIVED_NAME: &str = "archived";
const SLOT_BYTES: usize = 4096;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Slot {
    counter: u64,
    archived: Archived,
}

impl Framed for Slot {
    const MAGIC: [u8; 8] = *b"RIALTOAR";
    const VERSION: u32 = 1;
}

/// The open note.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    counter: u64,
}

impl Note {
    /// Opens the note of the node in `dir`, or makes it. What cannot be read is as nothing: all is archived again.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        remarks: &mut Vec<String>,
    ) -> Result<(Self, Archived), JournalError> {
        let path = dir.join(ARCHIVED_NAME);
        let file = match disk.open(&path, Access::Plain) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::create(disk, dir, path),
            file => file.during("open", &path)?,
        };
        let found = file.bytes().during("read the size of", &path)?;
        let newest = if found == count(2 * SLOT_BYTES) { newest(&*file, &path)? } else { None };
        if let Some(Slot { counter, archived }) = newest {
            return Ok((Note { path, file, counter }, archived));
        }
        remarks.push(format!("{}: damaged: all that the node has is archived again", path.display()));
        Self::create(disk, dir, path)
    }

    /// Notes how far the archive goes: durable on return.
    pub(super) fn write(&mut self, archived: &Archived) -> Result<(), JournalError> {
        let slot = Slot { counter: self.counter + 1, archived: *archived };
        let offset = slot.counter % 2 * count(SLOT_BYTES);
        self.file.write_at(offset, &slot_bytes(&slot)).during("write", &self.path)?;
        self.file.sync().during("sync", &self.path)?;
        self.counter = slot.counter;
        Ok(())
    }

    fn create(disk: &Arc<dyn Disk>, dir: &Path, path: PathBuf) -> Result<(Self, Archived), JournalError> {
        let unfinished = dir.join("archived.tmp");
        match disk.remove(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).during("remove", &unfinished);
            }
            Ok(()) | Err(_) => {}
        }
        let mut file = disk.create(&unfinished).during("create", &unfinished)?;
        let archived = Archived::default();
        for counter in 0..2 {
            let bytes = slot_bytes(&Slot { counter, archived });
            file.write_at(counter * count(SLOT_BYTES), &bytes).during("write", &unfinished)?;
        }
        file.sync().during("sync", &unfinished)?;
        disk.rename(&unfinished, &path).during("rename", &unfinished)?;
        disk.sync_dir(dir).during("sync directory", dir)?;
        Ok((Note { path, file, counter: 1 }, archived))
    }
}

fn slot_bytes(slot: &Slot) -> Vec<u8> {
    let mut bytes = codec::encode(slot);
    assert!(bytes.len() <= SLOT_BYTES, "a slot is a few numbers");
    bytes.resize(SLOT_BYTES, 0);
    bytes
}

fn newest(file: &dyn DiskFile, path: &Path) -> Result<Option<Slot>, JournalError> {
    let mut bytes = vec![0; 2 * SLOT_BYTES];
    file.read_at(0, &mut bytes).during("read", path)?;
    let slots = bytes.chunks(SLOT_BYTES).filter_map(|bytes| codec::decode::<Slot>(bytes).ok());
    Ok(slots.map(|(slot, _)| slot).max_by_key(|slot| slot.counter))
}

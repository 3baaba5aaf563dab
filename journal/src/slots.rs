//! A small file that is changed in place: two slots, written in turn and synced. The valid one with the higher counter
//! holds, so that a torn write loses no more than the change in hand, and no room is asked of a full disk.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::{self, FrameError, Framed};
use crate::disk::{Access, Disk, DiskFile, count};
use crate::error::{During, JournalError};

/// One slot; its content takes less.
pub(crate) const SLOT_BYTES: usize = 4096;

/// What is kept in such a file, and how its slots are marked.
pub(crate) trait Kept: Serialize + DeserializeOwned + Clone {
    /// First eight bytes of a slot.
    const MAGIC: [u8; 8];
    /// Grows with each change of the structure.
    const VERSION: u32;
}

/// One of the two; its bytes are a frame of [`codec`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Slot<T> {
    pub(crate) counter: u64,
    pub(crate) value: T,
}

impl<T: Kept> Framed for Slot<T> {
    const MAGIC: [u8; 8] = T::MAGIC;
    const VERSION: u32 = T::VERSION;
}

/// The open file.
#[derive(Debug)]
pub(crate) struct SlotFile<T> {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    slot: Slot<T>,
}

impl<T: Kept> SlotFile<T> {
    /// Makes it, whole or not at all; its name is durable once the directory is synced.
    pub(crate) fn create(disk: &Arc<dyn Disk>, path: PathBuf, value: T) -> Result<Self, JournalError> {
        let temporary = path.with_added_extension("tmp");
        match disk.remove(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).during("remove", &temporary);
            }
            Ok(()) | Err(_) => {}
        }
        let slot = Slot { counter: 1, value };
        let mut file = disk.create(&temporary).during("create", &temporary)?;
        for counter in 0..2 {
            let bytes = bytes_of(&Slot { counter, ..slot.clone() });
            file.write_at(counter * count(SLOT_BYTES), &bytes).during("write", &temporary)?;
        }
        file.sync().during("sync", &temporary)?;
        disk.rename(&temporary, &path).during("rename", &temporary)?;
        Ok(Self { path, file, slot })
    }

    /// Opens it to read it, or to change it too.
    pub(crate) fn open(disk: &Arc<dyn Disk>, path: PathBuf, access: Access) -> Result<Self, JournalError> {
        let file = disk.open(&path, access).during("open", &path)?;
        let slot = newest(&*file, &path)?;
        Ok(Self { path, file, slot })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    pub(crate) fn get(&self) -> &T {
        &self.slot.value
    }

    /// Durable on return. An error is final: which of the two holds is then unknown.
    pub(crate) fn set(&mut self, value: T) -> Result<(), JournalError> {
        let slot = Slot { counter: self.slot.counter + 1, value };
        let offset = slot.counter % 2 * count(SLOT_BYTES);
        self.file.write_at(offset, &bytes_of(&slot)).during("write", &self.path)?;
        self.file.sync().during("sync", &self.path)?;
        self.slot = slot;
        Ok(())
    }
}

fn bytes_of<T: Kept>(slot: &Slot<T>) -> Vec<u8> {
    let mut bytes = codec::encode(slot);
    assert!(bytes.len() <= SLOT_BYTES, "what is kept in a slot has room in it");
    bytes.resize(SLOT_BYTES, 0);
    bytes
}

fn newest<T: Kept>(file: &dyn DiskFile, path: &Path) -> Result<Slot<T>, JournalError> {
    let mut bytes = vec![0; 2 * SLOT_BYTES];
    let found = file.bytes().during("read the size of", path)?;
    if found != count(bytes.len()) {
        return Err(JournalError::corrupt(path, format!("{found} bytes of {}", bytes.len())));
    }
    file.read_at(0, &mut bytes).during("read", path)?;
    match [slot_of(&bytes[..SLOT_BYTES], 0), slot_of(&bytes[SLOT_BYTES..], 1)] {
        [Ok(even), Ok(odd)] => Ok(if even.counter > odd.counter { even } else { odd }),
        [Ok(slot), Err(_)] | [Err(_), Ok(slot)] => Ok(slot),
        [Err(error @ FrameError::Version { .. }), Err(_)] => {
            Err(JournalError::refused(path, error.to_string()))
        }
        [Err(even), Err(odd)] => {
            Err(JournalError::corrupt(path, format!("neither slot is right: {even}; {odd}")))
        }
    }
}

fn slot_of<T: Kept>(bytes: &[u8], place: u64) -> Result<Slot<T>, FrameError> {
    let (slot, end) = codec::decode::<Slot<T>>(bytes)?;
    if slot.counter % 2 != place || bytes[end..].iter().any(|byte| *byte != 0) {
        return Err(FrameError::Content("written to the wrong place".to_owned()));
    }
    Ok(slot)
}

//! A region's file: made by one process with all its memory, attached by another that believes nothing in it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use memmap2::{MmapOptions, MmapRaw};
use rustix::{
    fs::{FallocateFlags, Mode, OFlags, fallocate, open},
    io::Errno,
};

use super::{Field, Region, RegionError};
use crate::{
    creator::Creator,
    layout::{
        AT_CONSUMER_POSITION, AT_CREATOR_PID, AT_CREATOR_START, AT_GATEWAY, AT_GENERATION, AT_MAGIC,
        AT_SCHEMA, AT_SLOT_BYTES, AT_SLOTS, AT_START, AT_STATE, AT_VERSION, Geometry, HEADER_BYTES, Identity,
        LAYOUT_VERSION, MAGIC, SLOT_BYTES,
    },
    memory::{Memory, Page, state},
    stamp::Stamp,
    sync::Ordering,
};

/// Between two looks at a file that is not ready.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

impl Region {
    /// Makes a ring in a new file, for this user alone, with all its memory in place before anybody can attach it. If it
    /// fails, no file is left. The directory, and removing the file, are the caller's.
    pub fn create(path: &Path, identity: &Identity, geometry: Geometry) -> Result<Self, RegionError> {
        let creator = this_process(path)?;
        let map = create_mapped(path, geometry.file_bytes())?;
        Ok(Self::written(Memory::new(map, geometry), identity, geometry, creator))
    }

    /// A ring between threads of this process, in no file.
    pub fn anonymous(identity: &Identity, geometry: Geometry) -> io::Result<Self> {
        let creator = Creator::this_process()?;
        let map = MmapOptions::new().len(geometry.file_bytes()).map_anon()?;
        Ok(Self::written(Memory::new(map.into(), geometry), identity, geometry, creator))
    }

    /// Attaches a ring that another process makes, or will have made by the deadline; a wrong one is refused at once.
    pub fn attach(path: &Path, expected: &Identity, deadline: Instant) -> Result<Self, RegionError> {
        let (file, page) = open_ready(path, MAGIC, deadline)?;
        let different = |field, found, expected| different(path, field, found, expected);
        // Relaxed, all of them: written before the state word, which `open_ready` has seen with Acquire.
        let word64 = |at| page.word64(at).load(Ordering::Relaxed);
        let word32 = |at| page.word32(at).load(Ordering::Relaxed);
        different(Field::SlotBytes, word32(AT_SLOT_BYTES).into(), SLOT_BYTES as u64)?;
        different(Field::Schema, word64(AT_SCHEMA), expected.schema)?;
        different(Field::Generation, word64(AT_GENERATION), expected.generation)?;
        different(Field::Gateway, word32(AT_GATEWAY).into(), expected.gateway.into())?;
        let geometry = Geometry::starting_at(word32(AT_SLOTS), word64(AT_START))
            .map_err(|source| RegionError::Shape { path: path.to_owned(), source })?;
        let creator = Creator { pid: word32(AT_CREATOR_PID), start_ticks: word64(AT_CREATOR_START) };
        let found_bytes = file.metadata().map_err(|source| system(path, "look at it", source))?.len();
        different(Field::FileBytes, found_bytes, geometry.file_bytes() as u64)?;
        let map = mapped(path, &file, geometry.file_bytes())?;
        Ok(Self { memory: Memory::new(map, geometry), identity: *expected, geometry, creator })
    }

    /// Fills new memory. Every slot gets a stamp, so every page is touched.
    fn written(memory: Memory, identity: &Identity, geometry: Geometry, creator: Creator) -> Self {
        let page = memory.page();
        page.word64(AT_MAGIC).store(MAGIC, Ordering::Relaxed);
        page.word32(AT_VERSION).store(LAYOUT_VERSION, Ordering::Relaxed);
        page.word32(AT_SLOT_BYTES).store(u32::try_from(SLOT_BYTES).expect("128"), Ordering::Relaxed);
        page.word64(AT_SCHEMA).store(identity.schema, Ordering::Relaxed);
        page.word64(AT_GENERATION).store(identity.generation, Ordering::Relaxed);
        page.word32(AT_SLOTS).store(geometry.slots(), Ordering::Relaxed);
        page.word32(AT_GATEWAY).store(identity.gateway, Ordering::Relaxed);
        page.word64(AT_START).store(geometry.start(), Ordering::Relaxed);
        page.word32(AT_CREATOR_PID).store(creator.pid, Ordering::Relaxed);
        page.word64(AT_CREATOR_START).store(creator.start_ticks, Ordering::Relaxed);
        page.word64(AT_CONSUMER_POSITION).store(geometry.start(), Ordering::Relaxed);
        for index in (geometry.start()..).take(geometry.slots() as usize) {
            memory.slot(index)[0].store(Stamp::unused(index, geometry.slots()).0, Ordering::Relaxed);
        }
        // Pairs with the Acquire in `open_ready`: who sees READY sees all of the above.
        page.word32(AT_STATE).store(state::READY, Ordering::Release);
        Self { memory, identity: *identity, geometry, creator }
    }
}

/// A new file of so many zero bytes, mapped, with its memory allocated; or no file at all.
pub(crate) fn create_mapped(path: &Path, bytes: usize) -> Result<MmapRaw, RegionError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| system(path, "create it", errno.into()))?;
    let file = File::from(file);
    let made = match fallocate(&file, FallocateFlags::empty(), 0, bytes as u64) {
        Ok(()) => mapped(path, &file, bytes),
        Err(Errno::NOSPC) => Err(RegionError::NoSpace { path: path.to_owned(), need_bytes: bytes as u64 }),
        Err(errno) => Err(system(path, "allocate it", errno.into())),
    };
    if made.is_err() {
        // Only a tidy end to a failure that is reported anyway.
        drop(fs::remove_file(path));
    }
    made
}

/// Waits until the file's state is READY and checks that it is of our kind and version.
pub(crate) fn open_ready(path: &Path, magic: u64, deadline: Instant) -> Result<(File, Page), RegionError> {
    loop {
        if let Some((file, page)) = look(path)? {
            // Pairs with the Release of READY by the file's maker.
            match page.word32(AT_STATE).load(Ordering::Acquire) {
                state::NEW => {}
                found_state => {
                    let version = page.word32(AT_VERSION).load(Ordering::Relaxed);
                    different(path, Field::Magic, page.word64(AT_MAGIC).load(Ordering::Relaxed), magic)?;
                    different(path, Field::LayoutVersion, version.into(), LAYOUT_VERSION.into())?;
                    if found_state != state::READY {
                        return Err(RegionError::GivenUp { path: path.to_owned() });
                    }
                    return Ok((file, page));
                }
            }
        }
        if Instant::now() >= deadline {
            return Err(RegionError::NotReady { path: path.to_owned() });
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// The file and its header, if it is there and has one.
fn look(path: &Path) -> Result<Option<(File, Page)>, RegionError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(system(path, "open it", errno.into())),
    };
    let metadata = file.metadata().map_err(|source| system(path, "look at it", source))?;
    if !metadata.is_file() {
        return Err(system(path, "map it", io::Error::other("not a regular file")));
    }
    if metadata.size() < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let map = mapped(path, &file, HEADER_BYTES)?;
    Ok(Some((file, Page::new(map))))
}

fn mapped(path: &Path, file: &File, bytes: usize) -> Result<MmapRaw, RegionError> {
    MmapOptions::new().len(bytes).populate().map_raw(file).map_err(|source| system(path, "map it", source))
}

pub(crate) fn this_process(path: &Path) -> Result<Creator, RegionError> {
    Creator::this_process().map_err(|source| system(path, "learn who makes it", source))
}

pub(crate) fn different(path: &Path, field: Field, found: u64, expected: u64) -> Result<(), RegionError> {
    if found == expected {
        return Ok(());
    }
    Err(RegionError::Different { path: path.to_owned(), field, found, expected })
}

fn system(path: &Path, action: &'static str, source: io::Error) -> RegionError {
    RegionError::System { path: path.to_owned(), action, source }
}

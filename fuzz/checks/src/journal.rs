//! Recovery of a journal that something happened to: power cuts at any moment of a run, rot, and any change at all.
//!
//! Promised: recovery gives back a prefix of what was journaled, or an error that names a file; after a power cut it gives
//! all that was acknowledged; up to three flipped bits in a page, which a CRC-32C always finds, are never believed; what
//! was synced is never given up; and a second recovery gives what the first one gave.

pub(crate) mod node;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rialto_journal::disk::pretend::{Cut, PretendDisk};
use rialto_journal::disk::{Access, Disk};
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::meta::MetaFile;
use rialto_journal::page::{PageHeader, SealInputs, seal};
use rialto_journal::recover::events::open_events;
use rialto_journal::recover::scan::End;
use rialto_journal::recover::{recover, verify};

use crate::bytes::Bytes;
use node::{CLUSTER, dir, read_log, run, shared, start_of};

/// Bits that may be flipped in a page and are found for certain.
const FLIPS_MAX: u8 = 3;
const CHANGES_MAX: usize = 24;

/// The first bytes choose a moment and a power cut; the rest is what happened to the files then.
pub fn journal_recovery(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let run = run();
    let chosen = bytes.below(run.moments.len() + 1);
    let moment = run.moments.get(chosen);
    let disk = moment.map_or(&run.stopped, |moment| &moment.disk);
    let disk = match bytes.byte() % 3 {
        0 => disk.after_kill(),
        1 => disk.after_power_cut(Cut::Prefix(usize::from(bytes.word16()))),
        _ => disk.after_power_cut(Cut::Random(bytes.word64())),
    };
    let acknowledged =
        moment.map_or(u64::try_from(run.commands.len()).unwrap_or(0), |moment| moment.acknowledged);
    // Pages that the node knew to be synced.
    let floor = MetaFile::peek(&shared(&disk), dir()).map_or(0, |meta| meta.durable_page);
    let floor_seq = usize::try_from(floor).ok().and_then(|floor| run.last_of_page.get(floor.wrapping_sub(1)));
    let floor_seq = floor_seq.copied().unwrap_or(0);
    let changed =
        if bytes.byte().is_multiple_of(2) { rot(&disk, &mut bytes) } else { change(&disk, &mut bytes) };
    let result = recovered(&disk);
    match (&changed, result) {
        (Changed::Nothing, result) => {
            let last = result.unwrap_or_else(|words| panic!("refused after a power cut: {words}"));
            assert!(last >= acknowledged, "{acknowledged} were acknowledged, {last} are left");
            check_prefix(&disk, last);
        }
        (Changed::Bits { meta }, Ok(last)) => {
            check_prefix(&disk, last);
            assert!(*meta || last >= floor_seq, "{floor_seq} were synced, {last} are left");
        }
        (Changed::Anything, Ok(_)) | (Changed::Bits { .. } | Changed::Anything, Err(_)) => {}
    }
}

enum Changed {
    Nothing,
    Bits { meta: bool },
    Anything,
}

/// Recovers twice: the last sequence, or words that name a file.
fn recovered(disk: &PretendDisk) -> Result<u64, String> {
    let last = recover_once(disk)?;
    let judged = verify(&shared(disk), dir(), None).map_err(|error| error.to_string());
    let judged = judged.unwrap_or_else(|words| panic!("refused behind a recovery: {words}"));
    assert_eq!(judged.ended, End::Clean, "recovery leaves nothing behind the end");
    assert_eq!(judged.last_seq(), last, "where the log ends");
    let again = recover_once(disk);
    assert_eq!(again, Ok(last), "a second recovery gives what the first one gave");
    Ok(last)
}

fn recover_once(disk: &PretendDisk) -> Result<u64, String> {
    let disk = shared(disk);
    let start = start_of(&disk);
    let recover = || {
        let mut meta = MetaFile::open(&disk, dir())?;
        let recovered = recover(&start, &mut meta, None)?;
        drop(open_events(&start, &meta, 0)?);
        Ok(recovered.last_seq())
    };
    recover().map_err(|error: rialto_journal::error::JournalError| {
        let words = error.to_string();
        assert!(words.starts_with("node/"), "an error names its file: {words}");
        words
    })
}

/// What is on the disk is what was written, record for record.
fn check_prefix(disk: &PretendDisk, last: u64) {
    let (records, _) = read_log(&shared(disk));
    let whole = &run().commands;
    assert_eq!(u64::try_from(records.len()), Ok(last), "recovery counts what is there");
    assert!(whole.starts_with(&records), "a record is not the one that was written");
}

/// Any file of the node.
fn any_file(disk: &PretendDisk, bytes: &mut Bytes<'_>) -> Option<PathBuf> {
    let log = match bytes.byte() % 8 {
        0 => return Some(dir().join("node.meta")),
        1 => "events",
        _ => "commands",
    };
    let names = disk.list(&dir().join(log)).ok().filter(|names| !names.is_empty())?;
    Some(dir().join(log).join(&names[bytes.below(names.len())]))
}

fn bytes_of(disk: &PretendDisk, path: &Path) -> u64 {
    disk.open(path, Access::Read).and_then(|file| file.bytes()).unwrap_or(0)
}

/// Flips a few bits.
fn rot(disk: &PretendDisk, bytes: &mut Bytes<'_>) -> Changed {
    let mut flips: HashMap<(PathBuf, u64), u8> = HashMap::new();
    let mut meta = false;
    for _ in 0..CHANGES_MAX {
        if bytes.is_empty() {
            break;
        }
        let Some(path) = any_file(disk, bytes) else { continue };
        let pages = bytes_of(disk, &path) / PAGE_BYTES as u64;
        if pages == 0 {
            continue;
        }
        let (page, at, bit) = (u64::from(bytes.byte()) % pages, bytes.word16() % 4096, bytes.byte() % 8);
        let count = flips.entry((path.clone(), page)).or_default();
        if *count < FLIPS_MAX {
            *count += 1;
            meta |= path.ends_with("node.meta");
            disk.rot(&path, page * PAGE_BYTES as u64 + u64::from(at), bit).expect("it is inside of the file");
        }
    }
    if flips.is_empty() { Changed::Nothing } else { Changed::Bits { meta } }
}

/// Changes anything: bytes, pages, checksums, files.
fn change(disk: &PretendDisk, bytes: &mut Bytes<'_>) -> Changed {
    let mut changed = Changed::Nothing;
    for _ in 0..CHANGES_MAX {
        if bytes.is_empty() {
            break;
        }
        if let (verb, Some(path)) = (bytes.byte() % 8, any_file(disk, bytes)) {
            changed = Changed::Anything;
            // A change that cannot be made is none.
            change_file(disk, (verb, &path), bytes).ok();
        }
    }
    changed
}

fn change_file(disk: &PretendDisk, (verb, path): (u8, &Path), bytes: &mut Bytes<'_>) -> std::io::Result<()> {
    let pages = bytes_of(disk, path) / PAGE_BYTES as u64;
    let page_no = u64::from(bytes.byte()) % pages.max(1);
    let at = page_no * PAGE_BYTES as u64;
    let mut page = [0; PAGE_BYTES];
    let mut file = disk.open(path, Access::Plain)?;
    match verb {
        0 => disk.remove(path)?,
        1 => {
            let mut name = path.as_os_str().to_owned();
            name.push(".tmp");
            disk.rename(path, Path::new(&name))?;
        }
        2 => file.write_at(at, &page)?,
        3 => {
            let from = u64::from(bytes.byte()) % pages.max(1);
            file.read_at(from * PAGE_BYTES as u64, &mut page)?;
            file.write_at(at, &page)?;
        }
        4 | 5 => {
            // Right checksums over changed bytes.
            file.read_at(at, &mut page)?;
            let (place, length) = (usize::from(bytes.word16() % 4096), usize::from(bytes.byte() % 32));
            for (byte, to) in page[place..].iter_mut().zip(bytes.take(length)) {
                *byte = *to;
            }
            forge(&mut page);
            file.write_at(at, &page)?;
        }
        _ => {
            let (place, length) = (bytes.word16() % 4096, usize::from(bytes.byte() % 64));
            let end = bytes_of(disk, path);
            let offset = at + u64::from(place);
            let taken = bytes.take(length);
            if offset + taken.len() as u64 <= end {
                file.write_at(offset, taken)?;
            }
        }
    }
    file.sync()
}

/// Gives a page of a segment, or its header, the checksum that it should have.
fn forge(page: &mut [u8; PAGE_BYTES]) {
    if page.starts_with(b"RIALTOSG") {
        let crc = crc32c::crc32c(&page[..88]);
        page[88..92].copy_from_slice(&crc.to_le_bytes());
    } else {
        let PageHeader { durable_page, committed_seq, chain, .. } = PageHeader::read(page);
        seal(page, &SealInputs { cluster_id: CLUSTER, durable_page, committed_seq, chain });
    }
}

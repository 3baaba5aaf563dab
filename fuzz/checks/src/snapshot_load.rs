//! Snapshots that something happened to.
//!
//! Promised: a snapshot is loaded right in every byte or refused with words that name its file, and then the older one is
//! used; and a state made by another build, under right checksums, is read or refused in words, and adds up if it is read.

use std::path::PathBuf;

use rialto_engine::Exchange;
use rialto_journal::disk::pretend::PretendDisk;
use rialto_journal::disk::{Access, Disk};
use rialto_journal::snapshot::Snapshots;

use crate::bytes::Bytes;
use crate::journal::node::{CLUSTER, SNAPSHOTS, dir, run, shared};

const FLIPS_MAX: usize = 3;
const CHANGES_MAX: usize = 16;

/// The first byte decides: another file, flipped bits, changed bytes, or another state.
pub fn snapshot_load(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let disk = run().stopped.after_kill();
    match bytes.byte() % 4 {
        0 => {
            disk.remove(&newest()).expect("it is there");
            let mut file = disk.create(&newest()).expect("there is room");
            file.allocate(bytes.0.len() as u64).expect("there is room");
            file.write_at(0, bytes.0).expect("there is room");
            loaded(&disk);
        }
        1 => {
            let flips = flip(&disk, &mut bytes);
            let expected = SNAPSHOTS[usize::from(flips == 0)];
            assert_eq!(loaded(&disk), Some(expected), "with {flips} flipped bits");
        }
        2 => {
            change(&disk, &mut bytes);
            loaded(&disk);
        }
        _ => {
            let mut body = run().body.clone();
            for _ in 0..CHANGES_MAX {
                if bytes.is_empty() {
                    break;
                }
                let (at, length) = (bytes.below(body.len()), usize::from(bytes.byte() % 16) + 1);
                for (byte, to) in body[at..].iter_mut().zip(bytes.take(length)) {
                    *byte = *to;
                }
            }
            read_state(&body);
        }
    }
}

fn newest() -> PathBuf {
    dir().join("snapshots").join(format!("s-{:016x}.snap", SNAPSHOTS[1]))
}

/// The sequence of the snapshot that a start would use.
fn loaded(disk: &PretendDisk) -> Option<u64> {
    let snapshots = Snapshots::new(&shared(disk), dir(), CLUSTER);
    let loaded = snapshots.load_newest().expect("the directory can be read");
    for error in &loaded.refused {
        let words = error.to_string();
        assert!(words.starts_with("node/snapshots/"), "an error names its file: {words}");
    }
    let snapshot = loaded.snapshot?;
    read_state(&snapshot.body);
    Some(snapshot.head.point.seq)
}

fn read_state(body: &[u8]) {
    if let Ok(exchange) = Exchange::from_state_body(body) {
        assert_eq!(exchange.conserve(), Ok(()), "a state that is taken adds up");
    }
}

/// Flips up to three bits of the newest snapshot, no bit twice; how many.
fn flip(disk: &PretendDisk, bytes: &mut Bytes<'_>) -> usize {
    let length = disk.open(&newest(), Access::Read).and_then(|file| file.bytes()).expect("it is there");
    let mut flipped = Vec::new();
    while flipped.len() < FLIPS_MAX && !bytes.is_empty() {
        // The head is small: every other flip is aimed at it.
        let aim = if bytes.byte().is_multiple_of(2) { 256.min(length) } else { length };
        let place = (u64::from(bytes.word32()) % aim, bytes.byte() % 8);
        if !flipped.contains(&place) {
            disk.rot(&newest(), place.0, place.1).expect("it is inside of the file");
            flipped.push(place);
        }
    }
    flipped.len()
}

fn change(disk: &PretendDisk, bytes: &mut Bytes<'_>) {
    let mut file = disk.open(&newest(), Access::Plain).expect("it is there");
    let length = file.bytes().expect("it is there");
    for _ in 0..CHANGES_MAX {
        if bytes.is_empty() {
            break;
        }
        let at = u64::from(bytes.word32()) % length;
        let count = usize::from(bytes.byte() % 32) + 1;
        let taken = bytes.take(count);
        if at + taken.len() as u64 <= length {
            file.write_at(at, taken).expect("it is inside of the file");
        }
    }
}

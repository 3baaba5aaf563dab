//! One start after another on real files and real shared memory: which ring counts.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rialto_journal::cursor::Policy;
use rialto_journal::disk::Disk;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::error::JournalError;
use rialto_journal::log::LogStart;
use rialto_journal::meta::{META_NAME, MetaFile, NodeLock, NodeMeta, boot_id};
use rialto_journal::position::Position;
use rialto_journal::recover::generation::{Generation, GenerationPlan, begin};
use rialto_journal::recover::ring::{RingFound, find};
use rialto_journal::recover::scan::Base;
use rialto_journal::recover::{Start, recover};
use rialto_journal::segment::reader::SegmentReader;
use rialto_journal::segment::records::SegmentRecords;
use rialto_journal::segment::{Lineage, Log};
use rialto_journal::storage::{Running, Stepped, run};

use crate::node::{CLUSTER, SEGMENT_BYTES, command};

struct Started {
    generation: Generation,
    from_ring: u64,
    last_seq: u64,
    lost: Option<String>,
    lock: NodeLock,
}

fn start(node_dir: &Path, shm_dir: &Path, epoch: u32) -> Result<Started, JournalError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Direct));
    let mut meta = if node_dir.join(META_NAME).exists() {
        MetaFile::open(&disk, node_dir)?
    } else {
        MetaFile::create(&disk, node_dir, NodeMeta::new(CLUSTER, "test", "n1"))?
    };
    let lock = NodeLock::take(node_dir)?;
    let start = Start {
        disk,
        dir: node_dir.to_owned(),
        state_machine: 1,
        segment_bytes: SEGMENT_BYTES,
        base: Base::genesis(&CLUSTER),
        known_seq: 0,
        epoch,
    };
    let (ring, lost) = match find(shm_dir, meta.get(), boot_id()?) {
        RingFound::Here(ring) => (Some(ring), None),
        RingFound::None => (None, None),
        RingFound::Lost(why) => (None, Some(why)),
    };
    let recovered = recover(&start, &mut meta, ring.as_deref())?;
    let (from_ring, last_seq) = (recovered.from_ring, recovered.last_seq());
    let plan = GenerationPlan {
        shm_dir,
        command_pages: 32,
        event_pages: 32,
        policy: Policy::Async,
        event_start: LogStart::EMPTY,
        event_hash: None,
    };
    let generation = begin(&start, recovered, &Arc::new(Mutex::new(meta)), &plan)?;
    Ok(Started { generation, from_ring, last_seq, lost, lock })
}

fn apply(started: &mut Started, first: u64, commands: u64) {
    for sequence in first..first + commands {
        started.generation.commands.append(&command(sequence, 1));
        started.generation.commands.publish();
        started.generation.cursors.advance_published(sequence);
    }
}

fn directories(shm_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(shm_dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_killed_nodes_commands_come_back_from_its_ring_once() {
    let dirs = tempfile::tempdir().unwrap();
    let (node_dir, shm_dir) = (dirs.path().join("node"), dirs.path());
    let mut first = start(&node_dir, shm_dir, 1).unwrap();
    apply(&mut first, 1, 50);
    drop(first);
    let mut second = start(&node_dir, shm_dir, 2).unwrap();
    assert_eq!((second.from_ring, second.last_seq), (50, 50));
    assert_eq!(directories(shm_dir), ["node", "rialto-test-n1-2"]);
    apply(&mut second, 51, 10);
    drop(second);
    let third = start(&node_dir, shm_dir, 3).unwrap();
    assert_eq!((third.from_ring, third.last_seq), (10, 60));
}

#[test]
fn a_ring_that_node_meta_does_not_name_is_removed_unread() {
    let dirs = tempfile::tempdir().unwrap();
    let (node_dir, shm_dir) = (dirs.path().join("node"), dirs.path());
    let mut first = start(&node_dir, shm_dir, 1).unwrap();
    apply(&mut first, 1, 50);
    first.generation.commands.close_page();
    first.generation.commands.publish();
    first.generation.storage.stop().unwrap();
    std::fs::create_dir(shm_dir.join("rialto-test-n1-77")).unwrap();
    std::fs::create_dir(shm_dir.join("rialto-test-n12-1")).unwrap();
    let second = {
        drop(first.lock);
        start(&node_dir, shm_dir, 2).unwrap()
    };
    assert_eq!((second.from_ring, second.last_seq), (0, 50));
    assert_eq!(directories(shm_dir), ["node", "rialto-test-n1-2", "rialto-test-n12-1"]);
}

#[test]
fn a_ring_that_is_gone_or_of_another_node_is_told_and_not_read() {
    let dirs = tempfile::tempdir().unwrap();
    let (node_dir, shm_dir) = (dirs.path().join("node"), dirs.path());
    let mut first = start(&node_dir, shm_dir, 1).unwrap();
    apply(&mut first, 1, 50);
    drop(first);
    let ring = shm_dir.join("rialto-test-n1-1");
    let bytes = std::fs::read(ring.join("commands.log")).unwrap();
    let mut spoilt = bytes.clone();
    spoilt[11 * 8] ^= 1;
    std::fs::write(ring.join("commands.log"), &spoilt).unwrap();
    let second = start(&node_dir, shm_dir, 2).unwrap();
    assert!(second.lost.as_ref().unwrap().contains("generation is 0x0, expected 0x1"), "{:?}", second.lost);
    assert_eq!((second.from_ring, second.last_seq), (0, 0));
    drop(second);
    std::fs::remove_dir_all(shm_dir.join("rialto-test-n1-2")).unwrap();
    assert!(start(&node_dir, shm_dir, 3).unwrap().lost.unwrap().contains("cannot open"));
}

#[test]
fn a_published_record_that_was_spoilt_in_shared_memory_is_refused() {
    let dirs = tempfile::tempdir().unwrap();
    let (node_dir, shm_dir) = (dirs.path().join("node"), dirs.path());
    let mut first = start(&node_dir, shm_dir, 1).unwrap();
    apply(&mut first, 1, 50);
    drop(first);
    let path = shm_dir.join("rialto-test-n1-1/commands.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(8).rposition(|window| window == [2; 8]).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let Err(error) = start(&node_dir, shm_dir, 2) else { panic!("a spoilt record was believed") };
    assert!(error.to_string().contains("record crc is"), "{error}");
}

#[test]
fn storage_runs_on_a_thread_of_its_own_beside_the_matcher() {
    let dirs = tempfile::tempdir().unwrap();
    let (node_dir, shm_dir) = (dirs.path().join("node"), dirs.path());
    let mut started = start(&node_dir, shm_dir, 1).unwrap();
    let Generation { mut commands, cursors, storage, .. } = started.generation;
    let preparer = storage.preparer();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let preparing = scope.spawn(|| preparer.run(&stop));
        let storing = scope.spawn(|| {
            run(storage, |stepped| match stepped {
                Stepped::Idle if cursors.is_draining() => Running::End,
                Stepped::Failed => Running::End,
                Stepped::Idle => {
                    std::thread::yield_now();
                    Running::On
                }
                Stepped::Worked | Stepped::Released => Running::On,
            })
        });
        for sequence in 1..=2000 {
            while commands.room() < 2 {
                std::thread::yield_now();
            }
            commands.append(&command(sequence, 1));
            commands.publish();
            cursors.advance_published(sequence);
        }
        commands.close_page();
        commands.publish();
        cursors.set_draining();
        storing.join().unwrap().stop().unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        preparing.join().unwrap().unwrap();
    });
    assert_eq!((cursors.synced(), cursors.failure()), (2000, None));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
    let lineage = Lineage { log: Log::Commands, cluster_id: CLUSTER, state_machine: 1 };
    let reader = SegmentReader::new(&disk, &node_dir.join("commands"), lineage);
    let mut records = SegmentRecords::new(reader, Position::FIRST);
    let mut sequence = 0;
    while let Some((_, record)) = records.next_record().unwrap() {
        sequence += 1;
        assert_eq!(record.bytes(), command(sequence, 1));
    }
    assert_eq!(sequence, 2000);
    started.last_seq = sequence;
}

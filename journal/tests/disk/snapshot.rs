//! Snapshots are believed only whole, and nothing that a start from one needs is removed.

use std::path::Path;
use std::sync::Arc;

use rialto_journal::cursor::Policy;
use rialto_journal::disk::Disk;
use rialto_journal::disk::pretend::{Cut, PretendDisk, Random};
use rialto_journal::meta::MetaFile;
use rialto_journal::recover::verify;
use rialto_journal::retention::{Needed, trim};
use rialto_journal::snapshot::Snapshots;

use crate::node::{Begin, CLUSTER, Node, restart};

const ALL: Needed = Needed { command_page: u64::MAX, event_page: u64::MAX };

fn dir() -> &'static Path {
    Path::new("node")
}

fn shared(disk: &PretendDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn snapshots(disk: &PretendDisk) -> Snapshots {
    Snapshots::new(&shared(disk), dir(), CLUSTER)
}

fn body(seq: u64) -> Vec<u8> {
    (0..3 << 19).map(|n| u8::try_from((n * 7 + seq) % 251).unwrap()).collect()
}

/// A node that ran for 900 commands, with a snapshot after each 300, the first of which is gone by now.
fn node_with_snapshots(disk: &PretendDisk) -> Vec<u32> {
    let mut node = Node::start(&shared(disk), &Begin::new(dir(), Policy::Disk, 1)).unwrap();
    for _ in 0..3 {
        run(&mut node, 300);
        write(disk, &mut node);
    }
    run(&mut node, 50);
    node.stop().unwrap()
}

fn run(node: &mut Node, commands: u64) {
    for _ in 0..commands {
        assert!(node.apply());
        node.storage.step();
    }
}

fn write(disk: &PretendDisk, node: &mut Node) {
    let point = node.snapshot_point(&shared(disk), dir());
    snapshots(disk).write(&point, &body(point.seq), &node.meta).unwrap();
}

#[test]
fn the_newest_snapshot_is_loaded_and_two_are_kept() {
    let disk = PretendDisk::new(1);
    node_with_snapshots(&disk);
    assert_eq!(snapshots(&disk).sequences().unwrap(), [600, 900]);
    let loaded = snapshots(&disk).load_newest().unwrap().snapshot.unwrap();
    assert_eq!((loaded.head.point.seq, loaded.body == body(900)), (900, true));
    assert_eq!(loaded.head.state_hash, *blake3::hash(&body(900)).as_bytes());
    assert_eq!(MetaFile::peek(&shared(&disk), dir()).unwrap().verified_snapshot, Some(900));
}

#[test]
fn a_snapshot_with_any_changed_byte_is_refused_and_the_older_one_used() {
    let disk = PretendDisk::new(1);
    node_with_snapshots(&disk);
    let path = dir().join("snapshots/s-0000000000000384.snap");
    let file = disk.open(&path, rialto_journal::disk::Access::Read).unwrap();
    let bytes = file.bytes().unwrap();
    let mut random = Random::new(5);
    for n in 0..100 {
        // The head is small, so half of the flips are aimed at it.
        let offset = random.next_u64() % if n % 2 == 0 { bytes } else { 600 };
        let bit = u8::try_from(random.next_u64() % 8).unwrap();
        disk.rot(&path, offset, bit).unwrap();
        let loaded = snapshots(&disk).load_newest().unwrap();
        assert_eq!(loaded.snapshot.unwrap().head.point.seq, 600, "byte {offset} bit {bit}");
        assert_eq!(loaded.refused.len(), 1);
        disk.rot(&path, offset, bit).unwrap();
    }
}

#[test]
fn a_start_from_a_snapshot_and_the_tail_equals_one_from_the_first_command() {
    let disk = PretendDisk::new(1);
    let lives = node_with_snapshots(&disk);
    let head = snapshots(&disk).load_newest().unwrap().snapshot.unwrap().head;
    let begin = Begin { lives: &lives, ..Begin::new(dir(), Policy::Disk, 2) };
    let whole = restart(&shared(&disk.after_kill()), &begin, 950).unwrap();
    let begin = Begin { snapshot: Some(&head), ..begin };
    let mut tail = restart(&shared(&disk), &begin, 950).unwrap();
    assert_eq!((whole.found.last_seq, tail.found.last_seq), (950, 950));
    assert_eq!(whole.events.end(), tail.events.end());
    let mut whole = whole;
    for node in [&mut whole, &mut tail] {
        run(node, 200);
    }
    assert_eq!(whole.storage.event_hashes().latest(), tail.storage.event_hashes().latest());
}

#[test]
fn a_power_cut_at_any_time_leaves_a_snapshot_that_is_right() {
    let disk = PretendDisk::new(1);
    let mut node = Node::start(&shared(&disk), &Begin::new(dir(), Policy::Disk, 1)).unwrap();
    run(&mut node, 100);
    write(&disk, &mut node);
    run(&mut node, 100);
    let point = node.snapshot_point(&shared(&disk), dir());
    disk.keep_history();
    snapshots(&disk).write(&point, &body(point.seq), &node.meta).unwrap();
    let history = disk.history();
    assert!(history.len() > 8);
    for (seed, moment) in (0..).zip(&history) {
        let cut = moment.after_power_cut(Cut::Random(seed));
        let loaded = snapshots(&cut).load_newest().unwrap();
        let seq = loaded.snapshot.unwrap().head.point.seq;
        assert!([100, 200].contains(&seq) && loaded.refused.is_empty(), "before call {seed}: {seq}");
    }
    let last = snapshots(&disk.after_power_cut(Cut::Random(0))).load_newest().unwrap();
    assert_eq!(last.snapshot.unwrap().head.point.seq, 200);
}

#[test]
fn what_is_not_stored_yet_is_in_no_snapshot() {
    let disk = PretendDisk::new(1);
    let mut node = Node::start(&shared(&disk), &Begin::new(dir(), Policy::Disk, 1)).unwrap();
    run(&mut node, 100);
    let mut point = node.snapshot_point(&shared(&disk), dir());
    point.command_at += 100;
    let error = snapshots(&disk).write(&point, &[1], &node.meta).unwrap_err().to_string();
    assert!(
        error.starts_with("node/commands: refused: page") && error.ends_with("is not stored yet"),
        "{error}"
    );
}

#[test]
fn retention_leaves_what_a_start_from_the_older_snapshot_needs() {
    let disk = PretendDisk::new(1);
    let lives = node_with_snapshots(&disk);
    let before = shared(&disk).list(&dir().join("commands")).unwrap();
    let all_commands = Needed { command_page: 0, ..ALL };
    assert!(trim(&shared(&disk), dir(), all_commands).unwrap().is_empty(), "events go behind commands");
    let some = trim(&shared(&disk), dir(), Needed { command_page: 30, event_page: 0 }).unwrap();
    assert_eq!(some.len(), 2, "pages 0 to 27 are in two files: {some:?}");
    assert_eq!(
        trim(&shared(&disk), dir(), ALL).unwrap(),
        [dir().join("events/j-0000000000000000-00000000.seg")]
    );
    assert!(trim(&shared(&disk), dir(), ALL).unwrap().is_empty());
    let after = shared(&disk).list(&dir().join("commands")).unwrap();
    assert!(after.len() < before.len());
    // The newest snapshot rots: the older one and the segments that are left make the node whole.
    disk.rot(&dir().join("snapshots/s-0000000000000384.snap"), 1000, 1).unwrap();
    let head = snapshots(&disk).load_newest().unwrap().snapshot.unwrap().head;
    assert_eq!(head.point.seq, 600);
    let begin = Begin { lives: &lives, snapshot: Some(&head), ..Begin::new(dir(), Policy::Disk, 2) };
    let node = restart(&shared(&disk), &begin, 950).unwrap();
    assert_eq!(node.found.last_seq, 950);
    let judged = verify(&shared(&disk), dir(), None).unwrap();
    assert_eq!((judged.last_seq(), judged.ended), (950, rialto_journal::recover::scan::End::Clean));
}

#[test]
fn without_a_snapshot_that_is_right_nothing_is_removed() {
    let disk = PretendDisk::new(1);
    node_with_snapshots(&disk);
    for seq in [600, 900] {
        disk.rot(&dir().join(format!("snapshots/s-{seq:016x}.snap")), 1000, 1).unwrap();
    }
    assert!(trim(&shared(&disk), dir(), ALL).unwrap().is_empty());
}

#[test]
fn a_log_that_ends_before_its_snapshot_is_refused() {
    let disk = PretendDisk::new(1);
    let lives = node_with_snapshots(&disk);
    let mut head = snapshots(&disk).load_newest().unwrap().snapshot.unwrap().head;
    head.point.seq = 951;
    let begin = Begin { lives: &lives, snapshot: Some(&head), ..Begin::new(dir(), Policy::Disk, 2) };
    let Err(fault) = restart(&shared(&disk), &begin, 950) else { panic!("a hole was believed") };
    assert!(format!("{fault:?}").contains("it ends with 950, and a snapshot has 951"), "{fault:?}");
}

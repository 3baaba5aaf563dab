//! Segments: their layout, what is made ahead, and what other nodes' or builds' files are answered.

use std::path::Path;
use std::sync::Arc;

use rialto_journal::cursor::Policy;
use rialto_journal::disk::pretend::{Failure, PretendDisk};
use rialto_journal::disk::{Access, Disk};
use rialto_journal::meta::{MetaFile, NodeMeta};
use rialto_journal::segment::reader::{SegmentReader, Slot, blank};
use rialto_journal::segment::supply::Supplied;
use rialto_journal::segment::{ANY_STATE_MACHINE, Lineage, Log, SegmentHeader, list};

use crate::node::{Begin, CLUSTER, Fault, Node, restart};

const LINEAGE: Lineage = Lineage { log: Log::Commands, cluster_id: CLUSTER, state_machine: 1 };

fn dir() -> &'static Path {
    Path::new("node")
}

fn shared(disk: &PretendDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn names(disk: &PretendDisk) -> Vec<String> {
    disk.list(&dir().join("commands")).unwrap()
}

fn node(disk: &PretendDisk) -> Node {
    Node::start(&shared(disk), &Begin::new(dir(), Policy::Disk, 1)).unwrap()
}

fn run(node: &mut Node, commands: u64) {
    for _ in 0..commands {
        assert!(node.apply());
        node.storage.step();
    }
}

#[test]
fn header_has_its_fields_where_the_format_says() {
    let header = SegmentHeader {
        lineage: LINEAGE,
        index: 2,
        first_page: 28,
        pages: 14,
        first_seq: 0x0102,
        epoch: 7,
        chain: *b"chain of a page!",
    };
    assert_eq!(header.name(), "j-000000000000001c-00000007.seg");
    let page = header.to_page();
    let mut golden = Vec::new();
    golden.extend_from_slice(b"RIALTOSG\x02\0\x00\x10\x01\0\0\0cluster of tests");
    golden.extend_from_slice(b"\x02\0\0\0\0\0\0\0\x1c\0\0\0\0\0\0\0\x0e\0\0\0\0\0\0\0");
    golden.extend_from_slice(b"\x02\x01\0\0\0\0\0\0\x07\0\0\0\x01\0\0\0chain of a page!");
    assert_eq!(page[..88], golden);
    assert_eq!(page[88..92], crc32c::crc32c(&golden).to_le_bytes());
    assert!(page[92..].iter().all(|byte| *byte == 0));
}

#[test]
fn two_segments_are_ready_ahead_whole_and_zeroed() {
    let disk = PretendDisk::new(1);
    let mut node = node(&disk);
    let preparer = node.storage.preparer();
    while preparer.step().unwrap() == Supplied::Worked {}
    assert_eq!(names(&disk), ["j-0000000000000000-00000001.seg", "j-000000000000000e-00000001.seg"]);
    run(&mut node, 30);
    while preparer.step().unwrap() == Supplied::Worked {}
    assert_eq!(names(&disk).len(), 3);
    let file = disk.open(&dir().join("commands").join(&names(&disk)[2]), Access::Read).unwrap();
    let mut bytes = vec![1; usize::try_from(file.bytes().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes.len(), 64 << 10);
    assert!(bytes[8192..].iter().all(|byte| *byte == 0));
    assert_eq!(bytes[..4096], bytes[4096..8192]);
}

#[test]
fn a_disk_without_room_for_another_segment_is_told_and_the_node_goes_on() {
    let disk = PretendDisk::new(1);
    let mut node = node(&disk);
    let preparer = node.storage.preparer();
    run(&mut node, 20);
    assert_eq!(names(&disk).len(), 1);
    // Creating is one call, allocating the next.
    disk.fail_at(disk.calls() + 1, Failure::NoSpace);
    assert_eq!(preparer.step().unwrap(), Supplied::NoSpace);
    assert!(preparer.no_space().load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(names(&disk).len(), 1, "what was begun is removed");
    assert_eq!(node.cursors.failure(), None);
    run(&mut node, 20);
    while preparer.step().unwrap() == Supplied::Worked {}
    assert!(!preparer.no_space().load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(names(&disk).len(), 3);
}

#[test]
fn room_may_run_out_at_any_step_of_making_a_segment() {
    let disk = PretendDisk::new(2);
    let mut node = node(&disk);
    let preparer = node.storage.preparer();
    let mut seen = 0;
    for call in 0.. {
        disk.fail_at(disk.calls() + call, Failure::NoSpace);
        let mut supplied = Supplied::Worked;
        while supplied == Supplied::Worked {
            supplied = preparer.step().unwrap();
        }
        if supplied == Supplied::Enough {
            break;
        }
        assert_eq!(supplied, Supplied::NoSpace);
        seen += 1;
        assert_eq!(node.cursors.failure(), None);
    }
    disk.fail_at(u64::MAX, Failure::NoSpace);
    assert!(seen > 3, "{seen} calls make a segment");
    let is_segment = |name: &String| Path::new(name).extension().is_some_and(|found| found == "seg");
    assert!(names(&disk).iter().all(is_segment), "what was begun in vain is removed: {:?}", names(&disk));
    run(&mut node, 60);
    assert_eq!(node.cursors.failure(), None);
}

#[test]
fn segments_made_ahead_are_taken_over_by_the_next_epoch() {
    let disk = PretendDisk::new(1);
    let mut first = node(&disk);
    run(&mut first, 20);
    let preparer = first.storage.preparer();
    while preparer.step().unwrap() == Supplied::Worked {}
    let lives = first.stop().unwrap();
    let begin = Begin { lives: &lives, ..Begin::new(dir(), Policy::Disk, 5) };
    let mut second = restart(&shared(&disk), &begin, 20).unwrap();
    let after = names(&disk);
    assert_eq!(after.len(), 3);
    assert!(
        after[0].ends_with("-00000001.seg") && after[1..].iter().all(|name| name.ends_with("-00000005.seg"))
    );
    run(&mut second, 500);
    let segments = list(&shared(&disk), &dir().join("commands"), &LINEAGE).unwrap().segments;
    assert!(segments.iter().filter(|segment| segment.header.is_begun()).count() > 2);
    assert!(segments.windows(2).all(|pair| pair[1].header.index == pair[0].header.index + 1));
}

#[test]
fn a_journal_of_another_cluster_or_a_later_build_is_refused_with_both_named() {
    let disk = PretendDisk::new(1);
    let mut node = node(&disk);
    run(&mut node, 20);
    let commands = dir().join("commands");
    let other = Lineage { cluster_id: [0xab; 16], ..LINEAGE };
    let error = list(&shared(&disk), &commands, &other).unwrap_err().to_string();
    let expected = "refused: cluster 636c7573746572206f66207465737473, this node's is abababab";
    assert!(error.contains(expected), "{error}");
    let older = Lineage { state_machine: 0, ..LINEAGE };
    let error = list(&shared(&disk), &commands, &older).unwrap_err().to_string();
    assert!(error.ends_with("refused: commands of version 1, this build knows 0"), "{error}");
    let any = Lineage { state_machine: ANY_STATE_MACHINE, ..LINEAGE };
    assert_eq!(list(&shared(&disk), &commands, &any).unwrap().segments.len(), 1);
}

#[test]
fn a_segment_that_is_gone_from_the_middle_is_refused() {
    let disk = PretendDisk::new(1);
    let mut node = node(&disk);
    run(&mut node, 600);
    let lives = node.stop().unwrap();
    disk.remove(&dir().join("commands").join(&names(&disk)[1])).unwrap();
    let begin = Begin { lives: &lives, ..Begin::new(dir(), Policy::Disk, 2) };
    let Err(Fault::Refused(why)) = restart(&shared(&disk), &begin, 600) else { panic!("a gap was believed") };
    assert!(why.contains("begins with page 28, the file before it ends with page 14"), "{why}");
}

#[test]
fn a_journal_that_lost_its_node_meta_is_not_begun_anew() {
    let disk = PretendDisk::new(1);
    run(&mut node(&disk), 20);
    disk.remove(&dir().join("node.meta")).unwrap();
    let meta = NodeMeta::new([1; 16], "test", "n1");
    let error = MetaFile::create(&shared(&disk), dir(), meta).unwrap_err().to_string();
    assert_eq!(error, "node/node.meta: corrupt: it is gone, and node/commands is not empty");
}

#[test]
fn event_segments_that_are_gone_are_made_again_and_equal() {
    let disk = PretendDisk::new(1);
    let mut first = node(&disk);
    run(&mut first, 600);
    let lives = first.stop().unwrap();
    let events = dir().join("events");
    let content = |disk: &PretendDisk| {
        let whole = disk.list(&events).unwrap().into_iter().map(|name| {
            let file = disk.open(&events.join(&name), Access::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
            file.read_at(0, &mut bytes).unwrap();
            (name, bytes)
        });
        whole.filter(|(_, bytes)| bytes[8192..].iter().any(|byte| *byte != 0)).collect::<Vec<_>>()
    };
    let before = content(&disk);
    assert!(before.len() > 1);
    for name in disk.list(&events).unwrap() {
        disk.remove(&events.join(name)).unwrap();
    }
    let begin = Begin { lives: &lives, ..Begin::new(dir(), Policy::Disk, 2) };
    restart(&shared(&disk), &begin, 600).unwrap().stop().unwrap();
    assert!(before == content(&disk));
}

// Fails if a file that was listed under its first name is not looked for again.
#[test]
fn a_reader_that_has_seen_a_file_before_its_first_page_finds_it_under_its_new_name() {
    let disk = PretendDisk::new(1);
    let mut node = node(&disk);
    let preparer = node.storage.preparer();
    while preparer.step().unwrap() == Supplied::Worked {}
    let reader = SegmentReader::new(&shared(&disk), &dir().join("commands"), LINEAGE);
    let mut page = blank();
    run(&mut node, 20);
    assert_eq!(reader.read(20, &mut page).unwrap(), Slot::Blank);
    node.commands.set_epoch(9);
    run(&mut node, 500);
    assert!(names(&disk).iter().any(|name| name.ends_with("-00000009.seg")), "{:?}", names(&disk));
    for page_no in [0, 20, 0, 20] {
        assert_eq!(reader.read(page_no, &mut page).unwrap(), Slot::Good, "page {page_no}");
    }
}

//! What an archive is given, and what a node's directory is rebuilt from: all of it right, or nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rialto_journal::archive::restore::{RestorePlan, Restored, restore};
use rialto_journal::archive::{ARCHIVED_NAME, Behind, Pending};
use rialto_journal::cursor::Policy;
use rialto_journal::disk::pretend::{Cut, PretendDisk};
use rialto_journal::disk::{Access, Disk};
use rialto_journal::meta::MetaFile;
use rialto_journal::retention::trim;
use rialto_journal::segment::Log;
use rialto_journal::snapshot::Snapshots;

use crate::node::{Begin, CLUSTER, Node, SEGMENT_BYTES, restart};

const NODE: &str = "node";
const ARCHIVE: &str = "archive";
const RESTORED: &str = "restored";

fn shared(disk: &PretendDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn run(node: &mut Node, commands: u64) {
    for _ in 0..commands {
        assert!(node.apply());
        while node.storage.step() != rialto_journal::storage::Stepped::Idle {}
    }
}

/// A node of 1,500 commands with a snapshot at each 300th but the last, as it runs.
struct Original {
    pretend: PretendDisk,
    disk: Arc<dyn Disk>,
    node: Node,
}

impl Original {
    fn new() -> Self {
        let pretend = PretendDisk::new(1);
        let disk = shared(&pretend);
        let node = Node::start(&disk, &Begin::new(Path::new(NODE), Policy::Disk, 1)).unwrap();
        let mut original = Original { pretend, disk, node };
        for _ in 0..4 {
            run(&mut original.node, 300);
            original.snapshot(None);
        }
        run(&mut original.node, 300);
        disk_dir(&original.disk);
        original
    }

    fn snapshot(&mut self, archived: Option<&Arc<AtomicU64>>) {
        let point = self.node.snapshot_point(&self.disk, Path::new(NODE));
        let snapshots = Snapshots::new(&self.disk, Path::new(NODE), CLUSTER).keeping(archived.cloned());
        snapshots.write(&point, &vec![7; 20_000], &self.node.meta).unwrap();
    }

    fn pending(&self) -> (Pending, Vec<String>) {
        Pending::open(&self.disk, Path::new(NODE), CLUSTER).unwrap()
    }

    /// Archives all that is due; the names in order.
    fn archive(&self) -> Vec<String> {
        let (mut pending, remarks) = self.pending();
        assert_eq!(remarks, [""; 0]);
        let released = self.node.acknowledged();
        let mut names = Vec::new();
        while let Some(piece) = pending.next(released).unwrap() {
            pending.verify(&piece).unwrap();
            let name = piece.path.file_name().unwrap().to_str().unwrap().to_owned();
            copy(&self.disk, &piece.path, &Path::new(ARCHIVE).join(&name));
            pending.done(&piece).unwrap();
            names.push(name);
        }
        assert_eq!(pending.behind(released).unwrap(), Behind::default());
        names
    }
}

fn disk_dir(disk: &Arc<dyn Disk>) {
    disk.create_dir(Path::new(ARCHIVE)).unwrap();
}

fn copy(disk: &Arc<dyn Disk>, from: &Path, to: &Path) {
    let file = disk.open(from, Access::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    disk.remove(to).ok();
    let mut file = disk.create(to).unwrap();
    file.write_at(0, &bytes).unwrap();
    file.sync().unwrap();
}

fn plan(disk: &Arc<dyn Disk>) -> RestorePlan {
    RestorePlan {
        disk: Arc::clone(disk),
        from: ARCHIVE.into(),
        dir: RESTORED.into(),
        state_machine: 1,
        segment_bytes: SEGMENT_BYTES,
        cluster: "test".to_owned(),
        node: "n1".to_owned(),
    }
}

/// The archive's files of one kind, in order.
fn files(disk: &Arc<dyn Disk>, kind: &str) -> Vec<PathBuf> {
    let names = disk.list(Path::new(ARCHIVE)).unwrap();
    let wanted = |name: &&String| match kind {
        "commands" => name.starts_with("j-") && !name.ends_with("-00000000.seg"),
        "events" => name.ends_with("-00000000.seg"),
        _ => name.starts_with("s-"),
    };
    names.iter().filter(wanted).map(|name| Path::new(ARCHIVE).join(name)).collect()
}

/// Starts the restored node; its last command.
fn start(disk: &Arc<dyn Disk>, lives: &[u32]) -> u64 {
    let dir = Path::new(RESTORED);
    let found = Snapshots::new(disk, dir, CLUSTER).load_newest().unwrap();
    assert!(found.refused.is_empty(), "{found:?}");
    let head = found.snapshot.map(|snapshot| snapshot.head);
    let begin = Begin { lives, snapshot: head.as_ref(), ..Begin::new(dir, Policy::Disk, 3) };
    restart(disk, &begin, 0).unwrap().found.last_seq
}

fn check_restored(disk: &Arc<dyn Disk>, original: &Original, restored: &Restored) {
    let meta = MetaFile::open(disk, Path::new(RESTORED)).unwrap();
    let meta = meta.get();
    assert_eq!((meta.seeded, meta.lost_unsynced, meta.promised_epoch), (None, true, 1));
    assert_eq!((meta.durable_page, meta.verified_snapshot), (restored.pages.end, restored.snapshot));
    assert_eq!(start(disk, &original.node.lives), restored.last_seq);
}

fn refusal(disk: &PretendDisk) -> String {
    let disk = shared(disk);
    let why = restore(&plan(&disk)).unwrap_err().to_string();
    let left = disk.list(Path::new(RESTORED)).unwrap_or_default();
    assert_eq!(left, [""; 0], "nothing was written: {why}");
    why
}

#[test]
fn each_complete_segment_and_each_snapshot_is_archived_once_and_in_order() {
    let mut original = Original::new();
    let names = original.archive();
    let of =
        |wanted: &str| -> Vec<&String> { names.iter().filter(|name| name.starts_with(wanted)).collect() };
    let (commands, events) = (files(&original.disk, "commands"), files(&original.disk, "events"));
    assert!(commands.len() > 5 && events.len() > 2, "{names:?}");
    assert!(of("s-").is_sorted() && of("s-").len() == 2, "{names:?}");
    assert_eq!(names.len(), commands.len() + events.len() + 2, "{names:?}");
    assert_eq!(original.archive(), [""; 0], "nothing comes twice");
    run(&mut original.node, 300);
    assert!(!original.archive().is_empty());
}

#[test]
fn a_segment_that_holds_a_command_which_was_not_released_is_not_due() {
    let original = Original::new();
    let (pending, _) = original.pending();
    let behind = |released| pending.behind(released).unwrap();
    assert_eq!(behind(0), Behind { segments: 0, snapshots: 2 });
    assert!(behind(700).segments > 0);
    assert!(behind(700).segments < behind(original.node.acknowledged()).segments);
}

#[test]
fn nothing_that_is_not_archived_is_removed() {
    let mut original = Original::new();
    let archived = Arc::new(AtomicU64::new(0));
    let (pending, _) = original.pending();
    assert!(trim(&original.disk, Path::new(NODE), pending.needed()).unwrap().is_empty());
    for _ in 0..3 {
        run(&mut original.node, 50);
        original.snapshot(Some(&archived));
    }
    let snapshots = Snapshots::new(&original.disk, Path::new(NODE), CLUSTER);
    assert_eq!(snapshots.sequences().unwrap(), [900, 1200, 1550, 1600, 1650]);
    original.archive();
    let (pending, _) = original.pending();
    assert_eq!(pending.archived().snapshot, 1650);
    archived.store(pending.archived().snapshot, Ordering::Relaxed);
    run(&mut original.node, 50);
    original.snapshot(Some(&archived));
    assert_eq!(snapshots.sequences().unwrap(), [1650, 1700]);
    assert!(!trim(&original.disk, Path::new(NODE), pending.needed()).unwrap().is_empty());
    // What went is not said to be missing: it is in the archive.
    original.archive();
}

#[test]
fn a_node_is_rebuilt_from_its_archive_with_all_that_the_archive_has() {
    let original = Original::new();
    original.archive();
    let restored = restore(&plan(&original.disk)).unwrap();
    assert_eq!((restored.first_seq, restored.pages.start), (1, 0));
    assert!(restored.last_seq > 1300 && restored.last_seq < 1500, "{restored:?}");
    assert_eq!((restored.snapshot, &restored.remarks), (Some(1200), &Vec::new()));
    let again = restore(&plan(&original.disk)).unwrap_err().to_string();
    assert!(again.contains("it is not empty"), "{again}");
    check_restored(&original.disk, &original, &restored);
}

#[test]
fn without_a_snapshot_all_is_replayed_from_the_first_command() {
    let original = Original::new();
    original.archive();
    for path in files(&original.disk, "snapshots").iter().chain(&files(&original.disk, "events")) {
        original.disk.remove(path).unwrap();
    }
    let restored = restore(&plan(&original.disk)).unwrap();
    assert_eq!((restored.snapshot, restored.event_pages.clone()), (None, 0..0));
    check_restored(&original.disk, &original, &restored);
}

#[test]
fn behind_a_gap_a_node_is_rebuilt_from_a_snapshot() {
    let original = Original::new();
    original.archive();
    let commands = files(&original.disk, "commands");
    original.disk.remove(&commands[1]).unwrap();
    let restored = restore(&plan(&original.disk)).unwrap();
    assert_eq!((restored.pages.start, restored.snapshot), (28, Some(1200)));
    assert_eq!(restored.remarks, ["command pages 14 to 27 are missing: begun behind them"]);
    check_restored(&original.disk, &original, &restored);
}

#[test]
fn a_missing_segment_behind_the_last_snapshot_is_refused_with_what_may_be_done() {
    let original = Original::new();
    original.archive();
    let commands = files(&original.disk, "commands");
    original.disk.remove(&commands[commands.len() - 2]).unwrap();
    let why = refusal(&original.pretend);
    assert!(why.contains("are missing, and no snapshot behind them can be used"), "{why}");
    assert!(why.contains("bring the missing files, or take away those behind them"), "{why}");
    original.disk.remove(commands.last().unwrap()).unwrap();
    let restored = restore(&plan(&original.disk)).unwrap();
    check_restored(&original.disk, &original, &restored);
}

#[test]
fn a_flipped_byte_anywhere_is_found_and_named() {
    let original = Original::new();
    original.archive();
    let disk = &original.disk;
    let pages = [files(disk, "commands").remove(2), files(disk, "events").remove(0)];
    for (path, offset) in pages.iter().flat_map(|path| [9000, 40_000].map(|offset| (path, offset))) {
        let changed = original.pretend.after_kill();
        changed.rot(path, offset, 3).unwrap();
        let why = refusal(&changed);
        assert!(why.starts_with(&format!("{}: corrupt: page ", path.display())), "{why}");
    }
    let snapshot = files(disk, "snapshots").remove(1);
    for offset in [40, 5000] {
        let changed = original.pretend.after_kill();
        changed.rot(&snapshot, offset, 3).unwrap();
        let why = refusal(&changed);
        assert!(why.starts_with(&format!("{}: corrupt: ", snapshot.display())), "{why}");
        assert!(why.ends_with("take it away to use an older one"), "{why}");
        shared(&changed).remove(&snapshot).unwrap();
        assert_eq!(restore(&plan(&shared(&changed))).unwrap().snapshot, Some(900));
    }
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let original = Original::new();
    original.archive();
    let path = files(&original.disk, "commands").remove(1);
    for bytes in [100, 8192, 40_000] {
        let disk = shared(&original.pretend.after_kill());
        let file = disk.open(&path, Access::Read).unwrap();
        let mut kept = vec![0; bytes];
        file.read_at(0, &mut kept).unwrap();
        disk.remove(&path).unwrap();
        disk.create(&path).unwrap().write_at(0, &kept).unwrap();
        let why = restore(&plan(&disk)).unwrap_err().to_string();
        assert!(why.starts_with(&format!("{}: corrupt: ", path.display())), "{why}");
        assert!(why.contains(&format!("{bytes} bytes")), "{why}");
    }
}

#[test]
fn pieces_of_another_cluster_or_history_are_refused() {
    let original = Original::new();
    original.archive();
    let other = PretendDisk::new(2);
    let disk = shared(&other);
    let dir = Path::new("other");
    let meta = rialto_journal::meta::NodeMeta::new([9; 16], "test", "n1");
    MetaFile::create(&disk, dir, meta).unwrap();
    let header = rialto_journal::segment::SegmentHeader {
        lineage: rialto_journal::segment::Lineage {
            log: Log::Commands,
            cluster_id: [9; 16],
            state_machine: 1,
        },
        index: 0,
        first_page: 0,
        pages: 1,
        first_seq: 1,
        epoch: 7,
        chain: [0; 16],
    };
    let foreign = Path::new(ARCHIVE).join(header.name());
    let mut file = original.disk.create(&foreign).unwrap();
    let page = header.to_page();
    file.write_at(0, &[page, page, [0; 4096]].concat()).unwrap();
    let why = refusal(&original.pretend);
    assert!(why.contains("an archive is of one node") && why.contains(&"09".repeat(16)), "{why}");
    original.disk.remove(&foreign).unwrap();

    // A node with the same cluster id and another history.
    let disk = shared(&PretendDisk::new(3));
    let mut node = Node::start(&disk, &Begin::new(Path::new(NODE), Policy::Disk, 2)).unwrap();
    run(&mut node, 1500);
    let name = "j-000000000000000e-00000002.seg";
    let file = disk.open(&Path::new(NODE).join("commands").join(name), Access::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    let given_up = Path::new(ARCHIVE).join(name);
    original.disk.create(&given_up).unwrap().write_at(0, &bytes).unwrap();
    let why = refusal(&original.pretend);
    assert!(why.contains("it does not follow on") && why.contains(name), "{why}");
    original.disk.remove(&given_up).unwrap();

    let commands = files(&original.disk, "commands");
    let later = Path::new(ARCHIVE).join("j-zzz.seg");
    copy(&original.disk, &commands[3], &later);
    assert!(restore(&plan(&original.disk)).is_ok(), "a copy of a file under another name is the same file");
}

#[test]
fn a_cut_in_a_restore_leaves_no_node_or_the_restored_one() {
    let original = Original::new();
    original.archive();
    original.pretend.keep_history();
    let restored = restore(&plan(&original.disk)).unwrap();
    let (mut none, mut whole) = (0, 0);
    for (seed, moment) in (0..).zip(original.pretend.history()) {
        let disk = shared(&moment.after_power_cut(Cut::Random(seed)));
        let Ok(mut meta) = MetaFile::open(&disk, Path::new(RESTORED)) else {
            none += 1;
            continue;
        };
        whole += 1;
        rialto_journal::seed::finish(&disk, Path::new(RESTORED), &mut meta).unwrap();
        drop(meta);
        assert_eq!(start(&disk, &original.node.lives), restored.last_seq);
    }
    assert!(none > 5 && whole > 2, "{none} without a node, {whole} with one");
}

#[test]
fn a_power_cut_while_a_piece_is_noted_loses_no_piece() {
    let original = Original::new();
    let (mut pending, _) = original.pending();
    let released = original.node.acknowledged();
    original.pretend.keep_history();
    let mut noted = vec![*pending.archived()];
    for _ in 0..4 {
        let piece = pending.next(released).unwrap().unwrap();
        pending.done(&piece).unwrap();
        noted.push(*pending.archived());
    }
    for (seed, moment) in (0..).zip(original.pretend.history()) {
        let disk = shared(&moment.after_power_cut(Cut::Random(seed)));
        let (found, remarks) = Pending::open(&disk, Path::new(NODE), CLUSTER).unwrap();
        assert_eq!(remarks, [""; 0]);
        assert!(noted.contains(found.archived()), "{found:?}");
    }
}

#[test]
fn noting_what_is_archived_needs_no_room_on_the_disk() {
    let original = Original::new();
    let (mut pending, _) = original.pending();
    let room = || {
        let file = original.disk.open(&Path::new(NODE).join(ARCHIVED_NAME), Access::Read).unwrap();
        (original.disk.list(Path::new(NODE)).unwrap(), file.bytes().unwrap())
    };
    let before = room();
    for _ in 0..4 {
        let piece = pending.next(original.node.acknowledged()).unwrap().unwrap();
        pending.done(&piece).unwrap();
        assert_eq!(room(), before);
    }
}

#[test]
fn what_is_noted_of_another_history_or_cannot_be_read_is_archived_again() {
    let original = Original::new();
    original.archive();
    let path = Path::new(NODE).join(ARCHIVED_NAME);
    let rotten = original.pretend.after_kill();
    for slot in [0, 4096] {
        rotten.rot(&path, slot + 30, 1).unwrap();
    }
    let (pending, remarks) = Pending::open(&shared(&rotten), Path::new(NODE), CLUSTER).unwrap();
    assert_eq!(pending.needed().command_page, 0);
    assert!(remarks[0].contains("archived again"), "{remarks:?}");

    let rotten = original.pretend.after_kill();
    let (whole, _) = original.pending();
    rotten.rot(&path, 30, 1).unwrap();
    let (pending, remarks) = Pending::open(&shared(&rotten), Path::new(NODE), CLUSTER).unwrap();
    assert!(pending.archived().seq <= whole.archived().seq && pending.archived().seq > 0);
    assert_eq!(remarks, [""; 0], "one slot of noise does not matter");

    // The log of another node under the same note.
    let other = PretendDisk::new(3);
    let disk = shared(&other);
    let mut node = Node::start(&disk, &Begin::new(Path::new(NODE), Policy::Disk, 2)).unwrap();
    run(&mut node, 1500);
    let file = original.disk.open(&path, Access::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    disk.create(&path).unwrap().write_at(0, &bytes).unwrap();
    let (pending, remarks) = Pending::open(&disk, Path::new(NODE), CLUSTER).unwrap();
    assert_eq!(pending.needed().command_page, 0);
    assert!(remarks[0].contains("of another history than this node's"), "{remarks:?}");
}

//! A node takes over another's snapshot and pages, whole or not at all, whenever the power fails meanwhile.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rialto_journal::cursor::Policy;
use rialto_journal::disk::pretend::{Cut, PretendDisk};
use rialto_journal::disk::{Access, Disk, DiskFile};
use rialto_journal::error::JournalError;
use rialto_journal::layout::{PAGE_BYTES, Page};
use rialto_journal::meta::{MetaFile, NodeMeta, Seeded};
use rialto_journal::position::Position;
use rialto_journal::recover::scan::Base;
use rialto_journal::retention::{Needed, trim};
use rialto_journal::seed::{SeedPlan, SeedWriter, Whole, finish};
use rialto_journal::segment::reader::{SegmentReader, Slot};
use rialto_journal::segment::{Lineage, Log, list};
use rialto_journal::snapshot::{SnapshotHead, Snapshots};

use crate::node::{Begin, CLUSTER, Node, SEGMENT_BYTES, restart};

const PRIMARY: &str = "node";
const STANDBY: &str = "other";
const ALL: Needed = Needed { command_page: u64::MAX, event_page: u64::MAX };

fn shared(disk: &PretendDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn lineage(log: Log) -> Lineage {
    Lineage { log, cluster_id: CLUSTER, state_machine: 1 }
}

/// A node whose first segments are gone, with what it would send.
struct Primary {
    disk: Arc<dyn Disk>,
    lives: Vec<u32>,
    head: SnapshotHead,
    file: Vec<u8>,
    base: Base,
    end_page: u64,
    first_event_page: u64,
}

impl Primary {
    fn new() -> Self {
        let disk = shared(&PretendDisk::new(1));
        let dir = Path::new(PRIMARY);
        let mut node = Node::start(&disk, &Begin::new(dir, Policy::Disk, 1)).unwrap();
        let snapshots = Snapshots::new(&disk, dir, CLUSTER);
        for _ in 0..3 {
            run(&mut node, 300);
            let point = node.snapshot_point(&disk, dir);
            snapshots.write(&point, &vec![7; 20_000], &node.meta).unwrap();
        }
        trim(&disk, dir, ALL).unwrap();
        run(&mut node, 50);
        let lives = node.stop().unwrap();
        let (head, found, _) = snapshots.open(900).unwrap();
        let file = content(&*found);
        let first =
            |log: Log| list(&disk, &dir.join(log.directory()), &lineage(log)).unwrap().segments.remove(0);
        let header = first(Log::Commands).header;
        let base =
            Base { page_no: header.first_page, first_seq: header.first_seq, epoch: 0, chain: header.chain };
        assert!(base.page_no > 0, "its first commands are gone");
        let first_event_page = first(Log::Events).header.first_page;
        let mut end_page = base.page_no;
        while read(&disk, Log::Commands, end_page).is_some() {
            end_page += 1;
        }
        Primary { disk, lives, head, file, base, end_page, first_event_page }
    }

    fn plan(&self, disk: &PretendDisk) -> SeedPlan {
        let event_end = Position::new(self.head.point.event_at).page();
        SeedPlan {
            disk: shared(disk),
            dir: STANDBY.into(),
            cluster_id: CLUSTER,
            state_machine: 1,
            segment_bytes: SEGMENT_BYTES,
            snapshot: Some(self.head.point.seq),
            base: self.base,
            end_page: self.end_page,
            event_pages: self.first_event_page..event_end,
        }
    }

    /// Sends all of it, each page as `change` makes it.
    fn send(&self, plan: SeedPlan, change: impl Fn(Log, u64, &mut Page)) -> Result<Whole, JournalError> {
        let (end_page, event_pages) = (plan.end_page, plan.event_pages.clone());
        let mut writer = SeedWriter::begin(plan)?;
        while !writer.prepare()? {}
        for (n, bytes) in (0..).zip(self.file.chunks(3000)) {
            writer.snapshot_bytes(n * 3000, bytes)?;
        }
        let page = |log, page_no| {
            let mut page = read(&self.disk, log, page_no).unwrap();
            change(log, page_no, &mut page);
            page
        };
        for page_no in self.base.page_no..end_page {
            writer.page(&page(Log::Commands, page_no))?;
        }
        for page_no in event_pages {
            writer.event_page(&page(Log::Events, page_no))?;
        }
        writer.finish()
    }
}

fn run(node: &mut Node, commands: u64) {
    for _ in 0..commands {
        assert!(node.apply());
        node.storage.step();
    }
}

fn content(file: &dyn DiskFile) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

fn read(disk: &Arc<dyn Disk>, log: Log, page_no: u64) -> Option<Page> {
    let reader = SegmentReader::new(disk, &Path::new(PRIMARY).join(log.directory()), lineage(log));
    let mut page = [0; PAGE_BYTES];
    (reader.read(page_no, &mut page).unwrap() == Slot::Good).then_some(page)
}

/// A standby with a log of its own, of 200 commands, or with none.
fn standby(has_log: bool) -> PretendDisk {
    let disk = PretendDisk::new(2);
    let mut node = Node::start(&shared(&disk), &Begin::new(Path::new(STANDBY), Policy::Disk, 1)).unwrap();
    run(&mut node, if has_log { 200 } else { 0 });
    node.stop().unwrap();
    disk
}

fn meta_of(disk: &PretendDisk) -> MetaFile {
    MetaFile::open(&shared(disk), Path::new(STANDBY)).unwrap()
}

/// Starts the standby on what a crash left; its last command, and whether it is the seeded one.
fn start(disk: &PretendDisk, primary: &Primary) -> (u64, bool) {
    let (shared, dir) = (shared(disk), Path::new(STANDBY));
    let mut meta = meta_of(disk);
    finish(&shared, dir, &mut meta).unwrap();
    assert_eq!(meta.get().seeded, None);
    drop(meta);
    let found = Snapshots::new(&shared, dir, CLUSTER).load_newest().unwrap();
    assert!(found.refused.is_empty(), "{found:?}");
    let head = found.snapshot.map(|snapshot| snapshot.head);
    let begin = Begin { lives: &primary.lives, snapshot: head.as_ref(), ..Begin::new(dir, Policy::Disk, 3) };
    let node = restart(&shared, &begin, 0).unwrap();
    (node.found.last_seq, head.is_some())
}

#[test]
fn a_seeded_node_has_the_primarys_log_snapshot_and_events_and_what_it_had_is_kept() {
    let primary = Primary::new();
    for has_log in [false, true] {
        let disk = standby(has_log);
        let whole = primary.send(primary.plan(&disk), |_, _, _| {}).unwrap();
        assert_eq!(whole.snapshot.as_ref().unwrap().head, primary.head);
        let seeded = whole.take(&Mutex::new(meta_of(&disk))).unwrap();
        assert_eq!(seeded, Seeded { snapshot: 900, end_page: primary.end_page });
        let (shared, dir) = (shared(&disk), Path::new(STANDBY));
        let mut meta = meta_of(&disk);
        let replaced = finish(&shared, dir, &mut meta).unwrap().unwrap();
        assert_eq!(finish(&shared, dir, &mut meta).unwrap(), None, "it is done once");
        let NodeMeta { verified_snapshot, durable_page, ring, lost_unsynced, .. } = meta.get().clone();
        assert_eq!((verified_snapshot, durable_page), (Some(900), primary.end_page));
        assert_eq!((ring, lost_unsynced), (None, true));
        drop(meta);
        let kept = shared.list(&replaced.kept.join("commands")).unwrap_or_default();
        assert_eq!(!kept.is_empty(), has_log);
        for log in [Log::Commands, Log::Events] {
            let begun = |disk: &Arc<dyn Disk>, dir: &str| {
                let found =
                    list(disk, &Path::new(dir).join(log.directory()), &lineage(log)).unwrap().segments;
                found.into_iter().filter(|found| found.header.is_begun()).collect::<Vec<_>>()
            };
            let (mine, theirs) = (begun(&shared, STANDBY), begun(&primary.disk, PRIMARY));
            for (mine, theirs) in mine.iter().zip(&theirs) {
                assert_eq!(mine.header, theirs.header);
                // The events behind the snapshot are made again by the start.
                if log == Log::Commands {
                    let bytes =
                        |disk: &Arc<dyn Disk>, path| content(&*disk.open(path, Access::Read).unwrap());
                    assert!(bytes(&shared, &mine.path) == bytes(&primary.disk, &theirs.path), "{mine:?}");
                }
            }
            assert!(log == Log::Events || mine.len() == theirs.len());
        }
        assert_eq!(start(&disk, &primary), (950, true));
    }
}

#[test]
fn a_power_cut_while_a_node_is_seeded_leaves_what_it_was_or_the_seeded_one() {
    let primary = Primary::new();
    for has_log in [false, true] {
        let disk = standby(has_log);
        disk.keep_history();
        let whole = primary.send(primary.plan(&disk), |_, _, _| {}).unwrap();
        whole.take(&Mutex::new(meta_of(&disk))).unwrap();
        finish(&shared(&disk), Path::new(STANDBY), &mut meta_of(&disk)).unwrap();
        let (mut before, mut seeded) = (0, 0);
        for (seed, moment) in (0..).zip(disk.history()) {
            for cut in [None, Some(Cut::Prefix(0)), Some(Cut::Random(seed)), Some(Cut::Random(seed + 1000))] {
                let disk = cut.map_or_else(|| moment.after_kill(), |cut| moment.after_power_cut(cut));
                match start(&disk, &primary) {
                    (950, true) => seeded += 1,
                    (200, false) if has_log => before += 1,
                    (0, false) if !has_log => before += 1,
                    other => panic!("{other:?} at {seed}, {cut:?}"),
                }
            }
        }
        assert!(before > 20 && seeded > 20, "{before} as they were, {seeded} seeded");
    }
}

#[test]
fn a_power_cut_while_an_interrupted_seed_is_finished_loses_nothing() {
    let primary = Primary::new();
    let disk = standby(true);
    let whole = primary.send(primary.plan(&disk), |_, _, _| {}).unwrap();
    whole.take(&Mutex::new(meta_of(&disk))).unwrap();
    for rounds in 0..12 {
        let mut left = disk.after_power_cut(Cut::Random(rounds));
        for again in 0..6 {
            left.keep_history();
            finish(&shared(&left), Path::new(STANDBY), &mut meta_of(&left)).unwrap();
            let history = left.history();
            let moment = &history[usize::try_from(rounds).unwrap() % history.len()];
            left = moment.after_power_cut(Cut::Random(rounds * 7 + again));
        }
        assert_eq!(start(&left, &primary), (950, true));
    }
}

#[test]
fn a_seed_that_does_not_fit_is_never_taken() {
    let primary = Primary::new();
    let disk = standby(true);
    let words = |sent: Result<Whole, JournalError>| sent.unwrap_err().to_string();
    for (log, page_no) in
        [(Log::Commands, primary.base.page_no + 2), (Log::Events, primary.first_event_page + 1)]
    {
        let flipped = primary.send(primary.plan(&disk), |of, number, page| {
            page[200] ^= u8::from(of == log && number == page_no);
        });
        assert!(words(flipped).contains(&format!("page {page_no} of a seed: ")));
    }
    let swapped = primary.send(primary.plan(&disk), |log, number, page| {
        if log == Log::Commands && number == primary.base.page_no + 1 {
            *page = read(&primary.disk, Log::Commands, number + 1).unwrap();
        }
    });
    assert!(words(swapped).contains(&format!("page {} of a seed: ", primary.base.page_no + 1)));
    let mut other = primary.plan(&disk);
    other.base.chain[0] ^= 1;
    assert!(words(primary.send(other, |_, _, _| {})).contains("of a seed: "));
    let mut short = primary.plan(&disk);
    short.end_page = primary.base.page_no + 2;
    assert!(words(primary.send(short, |_, _, _| {})).contains("its pages end before its snapshot"));
    let mut torn = Primary::new();
    torn.file[700] ^= 1;
    assert!(torn.send(torn.plan(&disk), |_, _, _| {}).is_err());
    assert_eq!(start(&disk, &primary), (200, false));
}

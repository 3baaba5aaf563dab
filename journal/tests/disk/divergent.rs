//! What the cluster went on without is kept aside and cut off, whenever the power fails meanwhile.

use std::path::Path;
use std::sync::Arc;

use rialto_journal::cursor::Policy;
use rialto_journal::disk::Disk;
use rialto_journal::disk::pretend::{Cut, PretendDisk};
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::meta::MetaFile;
use rialto_journal::page::PageView;
use rialto_journal::recover::divergent::{Divergent, cut};
use rialto_journal::recover::recover;
use rialto_journal::segment::Log;
use rialto_journal::segment::reader::{SegmentReader, Slot};

use crate::node::{Begin, CLUSTER, Node, restart, start_of};

const COMMANDS: u64 = 500;

fn dir() -> &'static Path {
    Path::new("node")
}

fn shared(disk: &PretendDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// A node that has stopped with [`COMMANDS`] commands, the page of each, and the page behind the last.
fn stopped() -> (PretendDisk, Vec<u32>, Vec<u64>, u64) {
    let disk = PretendDisk::new(7);
    let mut node = Node::start(&shared(&disk), &Begin::new(dir(), Policy::Disk, 1)).unwrap();
    while node.lives.len() < usize::try_from(COMMANDS).unwrap() {
        node.apply();
        if node.lives.len().is_multiple_of(37) {
            node.close_page();
        }
        node.storage.step();
    }
    let lives = node.stop().unwrap();
    let lineage =
        rialto_journal::segment::Lineage { log: Log::Commands, cluster_id: CLUSTER, state_machine: 1 };
    let reader = SegmentReader::new(&shared(&disk), &dir().join("commands"), lineage);
    let mut page = [0; PAGE_BYTES];
    let mut last_of = Vec::new();
    while reader.read(last_of.len().try_into().unwrap(), &mut page).unwrap() == Slot::Good {
        last_of.push(PageView::parse(&page).unwrap().last_seq());
    }
    let pages = u64::try_from(last_of.len()).unwrap();
    (disk, lives, last_of, pages)
}

fn cut_at(disk: &PretendDisk, page: u64) -> Option<Divergent> {
    let disk = shared(disk);
    let mut meta = MetaFile::open(&disk, dir()).unwrap();
    let start = start_of(&disk, &Begin::new(dir(), Policy::Disk, 2));
    drop(recover(&start, &mut meta, None).unwrap());
    cut(&start, &mut meta, page).unwrap()
}

/// The last command before a page.
fn last_before(last_of: &[u64], page: u64) -> u64 {
    page.checked_sub(1).map_or(0, |page| last_of[usize::try_from(page).unwrap()])
}

#[test]
fn a_log_goes_on_from_any_page_that_it_was_cut_at() {
    let (disk, lives, last_of, pages) = stopped();
    assert!(pages > 30, "over more than two files");
    for page in 0..=pages {
        let disk = disk.after_kill();
        let expected = last_before(&last_of, page);
        let found = cut_at(&disk, page);
        assert_eq!(found.is_some(), page < pages);
        if let Some(found) = found {
            assert_eq!((found.page_no, found.pages), (page, pages - page));
            assert_eq!(found.commands, Some((expected + 1, COMMANDS)));
            assert_eq!(cut_at(&disk, page), None, "a second time there is nothing to cut");
        }
        let begin = Begin { lives: &lives, ..Begin::new(dir(), Policy::Disk, 3) };
        let mut node = restart(&shared(&disk), &begin, expected).unwrap();
        assert_eq!(node.found.last_seq, expected);
        for _ in 0..50 {
            node.apply();
            node.storage.step();
        }
        let lives = node.stop().unwrap();
        let begin = Begin { lives: &lives, ..Begin::new(dir(), Policy::Disk, 4) };
        assert_eq!(restart(&shared(&disk), &begin, 0).unwrap().found.last_seq, expected + 50);
    }
}

#[test]
fn a_power_cut_leaves_the_log_whole_or_cut() {
    let (disk, lives, last_of, pages) = stopped();
    let page = pages / 3;
    let disk = disk.after_kill();
    disk.keep_history();
    cut_at(&disk, page);
    let (mut whole, mut shorter) = (0, 0);
    for (seed, moment) in (0..).zip(disk.history()) {
        for how in [Cut::Prefix(0), Cut::Random(seed), Cut::Random(seed + 1000)] {
            let cut = moment.after_power_cut(how);
            let begin = Begin { lives: &lives, ..Begin::new(dir(), Policy::Disk, 3) };
            let found = restart(&shared(&cut), &begin, 0).unwrap().found.last_seq;
            assert!(found == COMMANDS || found == last_before(&last_of, page), "{found}");
            *if found == COMMANDS { &mut whole } else { &mut shorter } += 1;
        }
    }
    assert!(whole > 0 && shorter > 0, "{whole} whole, {shorter} cut");
}

//! Power cuts and kills at every point of a run: nothing acknowledged is lost, no torn tail is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rialto_journal::cursor::Policy;
use rialto_journal::disk::pretend::{Cut, PretendDisk, Random};
use rialto_journal::disk::{Access, Disk};
use rialto_journal::meta::MetaFile;
use rialto_journal::recover::scan::End;
use rialto_journal::recover::{recover, verify};
use rialto_journal::segment::supply::Supplied;

use crate::node::{Begin, Fault, Node, SEGMENT_BYTES, check, restart, start_of};

const DIR: &str = "node";

fn dir() -> &'static Path {
    Path::new(DIR)
}

fn shared(disk: &PretendDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// A disk as it was at one point of a run, and what had been acknowledged by then.
struct Moment {
    disk: PretendDisk,
    acknowledged: u64,
    lives: Vec<u32>,
}

/// Runs a node for `commands` commands, storing at random times; the moments before each write and each sync.
fn run(policy: Policy, commands: u64, prepare: impl Fn(&PretendDisk)) -> Vec<Moment> {
    let disk = PretendDisk::new(7);
    let mut node = Node::start(&shared(&disk), &Begin::new(dir(), policy, 1)).unwrap();
    prepare(&disk);
    disk.keep_history();
    let mut random = Random::new(3);
    let mut acknowledged = Vec::new();
    let mut applied = 0;
    while applied < commands {
        for _ in 0..random.below(30) {
            applied += u64::from(node.apply());
        }
        if random.below(2) == 0 {
            node.close_page();
        }
        let before = node.acknowledged();
        node.storage.step();
        acknowledged.resize(disk.history_len(), before);
    }
    let lives = node.lives;
    let moments = disk.history().into_iter().zip(acknowledged);
    moments.map(|(disk, acknowledged)| Moment { disk, acknowledged, lives: lives.clone() }).collect()
}

fn cut_and_restart(moment: &Moment, cut: Cut, policy: Policy) -> Result<(), Fault> {
    let disk = moment.disk.after_power_cut(cut);
    let begin = Begin { lives: &moment.lives, ..Begin::new(dir(), policy, 2) };
    // What `async` acknowledged is not promised to outlive a power cut.
    let promised = if policy == Policy::Disk { moment.acknowledged } else { 0 };
    let mut node = restart(&shared(&disk), &begin, promised)?;
    // A second life, and a second crash right behind it.
    let found = node.found.last_seq;
    while node.apply() && node.lives.len() % 20 != 0 {}
    node.close_page();
    node.storage.step();
    let Cut::Random(seed) = cut else { return Ok(()) };
    let promised = if policy == Policy::Disk { node.acknowledged() } else { found };
    let begin = Begin { lives: &node.lives, ..Begin::new(dir(), policy, 3) };
    restart(&shared(&disk.after_power_cut(Cut::Random(!seed))), &begin, promised).map(|_| ())
}

#[test]
fn every_prefix_of_unsynced_sectors_is_a_torn_tail_and_nothing_more() {
    for policy in [Policy::Disk, Policy::Async] {
        let mut restarts = 0;
        for moment in run(policy, 120, |_| {}) {
            for sectors in 0..=moment.disk.unsynced_sectors() {
                let outcome = cut_and_restart(&moment, Cut::Prefix(sectors), policy);
                assert_eq!(outcome, Ok(()), "{policy:?}, {sectors} sectors, {}", moment.acknowledged);
                restarts += 1;
            }
        }
        assert!(restarts > 300, "{policy:?}: {restarts} restarts");
    }
}

#[test]
fn a_thousand_random_tears_lose_nothing_acknowledged_and_are_never_refused() {
    for policy in [Policy::Disk, Policy::Async] {
        let moments = run(policy, 600, |_| {});
        let mut random = Random::new(11);
        for seed in 0..500 {
            let moment = &moments[random.below(moments.len())];
            let outcome = cut_and_restart(moment, Cut::Random(seed), policy);
            assert_eq!(outcome, Ok(()), "{policy:?}, seed {seed}, {}", moment.acknowledged);
        }
    }
}

#[test]
fn a_journal_that_lies_about_syncing_is_caught() {
    let moments = run(Policy::Disk, 600, PretendDisk::lie);
    let mut random = Random::new(11);
    let mut caught = 0;
    for seed in 0..100 {
        let moment = &moments[random.below(moments.len())];
        caught += u32::from(cut_and_restart(moment, Cut::Random(seed), Policy::Disk).is_err());
    }
    assert!(caught > 80, "{caught} of 100 cuts showed the lie");
}

#[test]
fn a_killed_process_loses_nothing_that_was_published() {
    for policy in [Policy::Disk, Policy::Async] {
        let mut random = Random::new(5);
        for seed in 0..100 {
            let disk = PretendDisk::new(seed);
            let mut node = Node::start(&shared(&disk), &Begin::new(dir(), policy, 1)).unwrap();
            for _ in 0..random.below(12) {
                for _ in 0..random.below(40) {
                    node.apply();
                }
                if random.below(3) > 0 {
                    node.storage.step();
                }
            }
            let left = disk.after_kill();
            let published = node.cursors.published();
            let begin = Begin {
                lives: &node.lives,
                ring: Some(node.commands.ring()),
                ..Begin::new(dir(), policy, 2)
            };
            let again = restart(&shared(&left), &begin, published).unwrap();
            assert_eq!(again.found.last_seq, published);
            // What recovery has found is durable, whatever comes next.
            let begin = Begin { lives: &node.lives, ..Begin::new(dir(), policy, 3) };
            restart(&shared(&left.after_power_cut(Cut::Random(seed))), &begin, published).unwrap();
        }
    }
}

#[test]
fn a_ring_of_another_course_of_events_is_revoked_before_a_tail_is_cut_off() {
    let moments = run(Policy::Async, 200, |_| {});
    let has_torn_tail = |disk: &PretendDisk| {
        let judged = verify(&shared(disk), dir(), None).unwrap();
        judged.ended == End::Torn && judged.end.page_no > 0
    };
    let mut cuts = moments.iter().map(|moment| moment.disk.after_power_cut(Cut::Random(3)));
    let disk = cuts.find(has_torn_tail).unwrap();
    let lives = &moments[0].lives;
    let foreign = PretendDisk::new(1);
    let mut other = Node::start(&shared(&foreign), &Begin::new(dir(), Policy::Async, 9)).unwrap();
    while other.apply() {}
    let disk = shared(&disk);
    let start = start_of(&disk, &Begin::new(dir(), Policy::Async, 2));
    let mut meta = MetaFile::open(&disk, dir()).unwrap();
    assert!(meta.get().ring.is_some());
    let recovered = recover(&start, &mut meta, Some(other.commands.ring())).unwrap();
    assert_eq!((recovered.from_ring, meta.get().ring.as_ref()), (0, None));
    let torn_tail = recovered.torn.unwrap();
    let kept = disk.open(&torn_tail.kept, Access::Read).unwrap();
    assert!(kept.bytes().unwrap() >= torn_tail.bytes && torn_tail.bytes > 0);
    assert_eq!(check(&disk, dir(), 0, lives), Ok(recovered.end.first_seq - 1));
}

#[test]
fn a_power_cut_at_any_point_of_a_start_leaves_what_the_next_one_needs() {
    let mut points = 0;
    for (seed, moment) in (0..).zip(run(Policy::Disk, 150, |_| {}).into_iter().step_by(5)) {
        let disk = moment.disk.after_power_cut(Cut::Random(seed));
        disk.keep_history();
        let begin = Begin { lives: &moment.lives, ..Begin::new(dir(), Policy::Disk, 2) };
        let first = restart(&shared(&disk), &begin, moment.acknowledged).unwrap();
        // Segments made ahead of the first start are taken over in the second.
        while first.storage.preparer().step().unwrap() == Supplied::Worked {}
        let begin = Begin { life: 3, ..begin };
        drop(restart(&shared(&disk), &begin, moment.acknowledged).unwrap());
        for (n, point) in (0..).zip(disk.history()) {
            for cut in [Cut::Prefix(0), Cut::Prefix(n), Cut::Random(seed), Cut::Random(!seed)] {
                let outcome = restart(&shared(&point.after_power_cut(cut)), &begin, moment.acknowledged);
                assert!(outcome.is_ok(), "moment {seed}, call {n}, {cut:?}: {:?}", outcome.err());
                points += 1;
            }
        }
    }
    assert!(points > 300, "{points} power cuts");
}

#[test]
fn a_page_of_another_course_of_events_is_not_believed() {
    let disks = [1, 9].map(|life| {
        let disk = PretendDisk::new(1);
        let mut node = Node::start(&shared(&disk), &Begin::new(dir(), Policy::Disk, life)).unwrap();
        while node.lives.len() < 100 && node.apply() {
            node.storage.step();
        }
        node.stop().unwrap();
        disk
    });
    // Same cluster, same place, same sequences, right checksums: only the hash of the page before tells.
    let path = |life| dir().join(format!("commands/j-0000000000000000-{life:08x}.seg"));
    let mut page = [0; 4096];
    disks[1].open(&path(9), Access::Read).unwrap().read_at(5 * 4096, &mut page).unwrap();
    disks[0].open(&path(1), Access::Plain).unwrap().write_at(5 * 4096, &page).unwrap();
    let begin = Begin { lives: &[1; 100], ..Begin::new(dir(), Policy::Disk, 9) };
    let Err(Fault::Refused(why)) = restart(&shared(&disks[0]), &begin, 0) else { panic!("it was believed") };
    assert!(why.contains("page 3 is not good"), "{why}");
}

/// Any damage at all is an answer: the journal as it was, less what was not durable, or words.
#[test]
fn any_bytes_in_the_files_are_a_journal_or_an_error() {
    let moments = run(Policy::Disk, 300, |_| {});
    let whole = &moments.last().unwrap();
    let mut random = Random::new(23);
    let mut believed = 0;
    for _ in 0..300 {
        let disk = whole.disk.after_power_cut(Cut::Prefix(0));
        let path = any_file(&disk, &mut random);
        let mut file = disk.open(&path, Access::Plain).unwrap();
        let bytes = file.bytes().unwrap();
        for _ in 0..=random.below(3) {
            let noise: Vec<u8> =
                (0..=random.below(600)).map(|_| random.next_u64().to_le_bytes()[0]).collect();
            file.write_at(random.next_u64() % bytes, &noise).unwrap();
        }
        let begin = Begin { lives: &whole.lives, ..Begin::new(dir(), Policy::Disk, 2) };
        match restart(&shared(&disk), &begin, 0) {
            Ok(_) => believed += 1,
            Err(Fault::Refused(why)) => assert!(why.starts_with("node/"), "{why}"),
            Err(fault) => panic!("{fault:?} from {path:?}"),
        }
    }
    assert!((20..280).contains(&believed), "{believed}");
}

fn any_file(disk: &PretendDisk, random: &mut Random) -> PathBuf {
    let log = dir().join(["commands", "events"][random.below(2)]);
    let names = disk.list(&log).unwrap();
    match random.below(5) {
        0 => dir().join("node.meta"),
        _ => log.join(&names[random.below(names.len())]),
    }
}

#[test]
fn rot_in_what_is_durable_is_refused_and_never_believed() {
    let disk = PretendDisk::new(7);
    let mut node = Node::start(&shared(&disk), &Begin::new(dir(), Policy::Disk, 1)).unwrap();
    for _ in 0..400 {
        node.apply();
        node.storage.step();
    }
    let lives = node.stop().unwrap();
    let mut random = Random::new(17);
    let mut refused = 0;
    for _ in 0..300 {
        let rotten = disk.after_kill();
        let names = rotten.list(&dir().join("commands")).unwrap();
        let path = dir().join("commands").join(&names[random.below(names.len())]);
        let (byte, bit) = (random.next_u64() % SEGMENT_BYTES, random.next_u64() % 8);
        rotten.rot(&path, byte, u8::try_from(bit).unwrap()).unwrap();
        let begin = Begin { lives: &lives, ..Begin::new(dir(), Policy::Disk, 2) };
        match restart(&shared(&rotten), &begin, 400) {
            // Rot in one copy of a header, or in what was never written, is mended.
            Ok(node) => assert_eq!(node.found.last_seq, 400),
            Err(Fault::Refused(why)) => refused += u32::from(why.contains("were durable")),
            Err(fault) => panic!("{fault:?}: {path:?} byte {byte}"),
        }
    }
    assert!(refused > 150, "{refused} of 300 flipped bits were in pages");
}

#[test]
fn a_damaged_page_after_a_power_cut_is_told_from_a_torn_tail_by_later_pages() {
    let moments = run(Policy::Disk, 600, |_| {});
    let last = moments.last().unwrap();
    let cut = last.disk.after_power_cut(Cut::Prefix(0));
    cut.rot(&dir().join("commands/j-0000000000000000-00000001.seg"), 3 * 4096 + 70, 1).unwrap();
    let begin = Begin { lives: &last.lives, ..Begin::new(dir(), Policy::Disk, 2) };
    let Err(fault) = restart(&shared(&cut), &begin, last.acknowledged) else { panic!("rot was believed") };
    let Fault::Refused(why) = fault else { panic!("{fault:?}") };
    assert!(why.starts_with("node/commands: corrupt: page 1 is not good (page crc is"), "{why}");
}

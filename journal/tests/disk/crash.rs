//! Power cuts and kills at every point of a run: nothing acknowledged is lost, no torn tail is refused.

use std::path::Path;
use std::sync::Arc;

use rialto_journal::cursor::Policy;
use rialto_journal::disk::Disk;
use rialto_journal::disk::pretend::{Cut, PretendDisk, Random};

use crate::node::{Begin, Fault, Node, SEGMENT_BYTES, restart};

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

//! The same journal on the machine's own disk, with both backends.

use std::path::Path;
use std::sync::Arc;

use rialto_journal::cursor::Policy;
use rialto_journal::disk::Disk;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::meta::MetaFile;
use rialto_journal::recover::scan::End;
use rialto_journal::recover::verify;
use rialto_journal::storage::Stepped;

use crate::node::{Begin, Node, restart};

const BACKENDS: [Backend; 2] = [Backend::Mapped, Backend::Direct];

fn run(node: &mut Node, commands: u64) {
    for _ in 0..commands {
        assert!(node.apply());
        assert_ne!(node.storage.step(), Stepped::Failed, "{:?}", node.storage.failure());
    }
}

fn with_each_backend(test: impl Fn(&Arc<dyn Disk>, &Path)) {
    for backend in BACKENDS {
        let parent = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(backend));
        test(&disk, &parent.path().join("node"));
    }
}

#[test]
fn a_node_that_stops_and_starts_again_has_all_it_had() {
    with_each_backend(|disk, dir| {
        let mut lives = Vec::new();
        for life in 1..4 {
            let known = lives.clone();
            let begin = Begin { lives: &known, ..Begin::new(dir, Policy::Disk, life) };
            let mut node = restart(disk, &begin, u64::try_from(known.len()).unwrap()).unwrap();
            run(&mut node, 300);
            lives = node.stop().unwrap();
        }
        assert!(MetaFile::peek(disk, dir).unwrap().clean_stop);
        let judged = verify(disk, dir, None).unwrap();
        assert_eq!((judged.last_seq(), judged.records, judged.durable_seq), (900, 900, 900));
        assert_eq!((judged.ended, judged.epochs.len()), (End::Clean, 3));
    });
}

#[test]
fn a_node_that_is_killed_has_all_that_was_published() {
    with_each_backend(|disk, dir| {
        for policy in [Policy::Disk, Policy::Async] {
            let dir = dir.with_file_name(format!("{policy:?}"));
            let mut node = Node::start(disk, &Begin::new(&dir, policy, 1)).unwrap();
            run(&mut node, 250);
            node.apply();
            let begin =
                Begin { lives: &node.lives, ring: Some(node.commands.ring()), ..Begin::new(&dir, policy, 2) };
            let again = restart(disk, &begin, 251).unwrap();
            assert!(again.found.from_ring > 0);
        }
    });
}

#[test]
fn the_journal_of_a_running_node_can_be_verified_up_to_what_is_synced() {
    with_each_backend(|disk, dir| {
        let mut node = Node::start(disk, &Begin::new(dir, Policy::Disk, 1)).unwrap();
        for _ in 0..20 {
            run(&mut node, 20);
            let synced = node.cursors.synced();
            let judged = verify(disk, dir, Some(synced)).unwrap();
            assert_eq!((judged.ended.clone(), judged.last_seq() >= synced), (End::Clean, true), "{judged:?}");
        }
    });
}

#[test]
fn only_the_owner_may_enter_a_nodes_directory() {
    use std::os::unix::fs::PermissionsExt;
    with_each_backend(|disk, dir| {
        Node::start(disk, &Begin::new(dir, Policy::Disk, 1)).unwrap();
        for path in [dir.to_owned(), dir.join("commands"), dir.join("snapshots")] {
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700, "{path:?}");
        }
    });
}

#[test]
fn files_of_both_backends_are_equal_to_the_byte() {
    let files = BACKENDS.map(|backend| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("node");
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(backend));
        let mut node = Node::start(&disk, &Begin::new(&dir, Policy::Disk, 1)).unwrap();
        run(&mut node, 800);
        node.stop().unwrap();
        let mut files = Vec::new();
        for log in ["commands", "events"] {
            for name in disk.list(&dir.join(log)).unwrap() {
                files.push((name.clone(), std::fs::read(dir.join(log).join(name)).unwrap()));
            }
        }
        files
    });
    assert!(files[0].len() > 4);
    assert!(files[0] == files[1]);
}

//! Replays what the fuzz targets have found worth keeping: no check may break any promise on any of it.

use std::fs;
use std::path::{Path, PathBuf};

use rialto_checks::CHECKS;

/// All corpora together are small, so that a replay takes seconds.
const CORPORA_BYTES_MAX: u64 = 1 << 20;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = fuzz().join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn replay(name: &str) {
    let (_, check) = CHECKS.iter().find(|(known, _)| *known == name).expect("a check of this name");
    let files = corpus(name);
    assert!(files.len() >= 5, "{} files in the corpus of {name}", files.len());
    for file in files {
        // Shown if the check panics.
        println!("{}", file.display());
        check(&fs::read(&file).expect("a file of the corpus"));
    }
}

#[test]
fn fix_decoder() {
    replay("fix_decoder");
}

#[test]
fn fix_session() {
    replay("fix_session");
}

#[test]
fn line_decoder() {
    replay("line_decoder");
}

#[test]
fn ring_records() {
    replay("ring_records");
}

#[test]
fn journal_recovery() {
    replay("journal_recovery");
}

#[test]
fn snapshot_load() {
    replay("snapshot_load");
}

#[test]
fn replication() {
    replay("replication");
}

#[test]
fn coordinator() {
    replay("coordinator");
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn every_check_has_a_target_and_a_test_and_the_corpora_are_small() {
    let tests = include_str!("corpora.rs");
    let mut bytes = 0;
    for (name, _) in CHECKS {
        let target = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
        let text =
            fs::read_to_string(&target).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        assert!(text.contains(&format!("rialto_checks::{name}(bytes)")), "{}", target.display());
        assert!(tests.contains(&format!("replay(\"{name}\")")), "no test replays {name}");
        bytes += corpus(name).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
    }
    assert!(bytes <= CORPORA_BYTES_MAX, "the corpora have {bytes} bytes");
}

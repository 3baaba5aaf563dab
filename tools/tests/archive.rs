//! A hook archives what a node has completed, whatever happens to the node or to the hook, and a node is rebuilt from it.

#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "a test fails by a panic, also in what it shares with the tests of a cluster"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

#[path = "cluster/trader.rs"]
mod trader;
#[path = "cluster/venue.rs"]
mod venue;

use trader::Trader;
use venue::{PATIENCE, Venue, until};

/// Copies a file to the archive, whole or not at all; fails as long as there is a file `fail` beside the archive.
const HOOK: &str = r#"#!/bin/sh
if [ -e "$1.fail" ]; then echo the tape is full >&2; exit 3; fi
cp -- "$2" "$1/part" && mv -- "$1/part" "$1/$(basename -- "$2")"
"#;

/// Nodes of which one archives, with an archive and perhaps no other nodes.
struct Archived {
    venue: Venue,
    node: usize,
    folder: PathBuf,
}

impl Archived {
    /// `count` nodes; `node` archives, and keeps no more than a start needs.
    fn new(count: usize, ack: &str, node: usize) -> Self {
        let venue = Venue::new(count, ack);
        let folder = venue.data(node).parent().unwrap().to_owned();
        let hook = folder.join("hook");
        fs::write(&hook, HOOK).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o700)).unwrap();
        let archived = Self { venue, node, folder };
        fs::create_dir(archived.archive()).unwrap();
        let words = json!([hook, archived.archive()]);
        archived.configure(
            "shm_mib = 8",
            &format!("shm_mib = 8, snapshot_every = 500, keep_mib = 0, archive = {words}"),
        );
        archived
    }

    /// A node without a cluster.
    fn alone() -> Self {
        let archived = Self::new(1, "disk", 0);
        let replication = format!(", replication = \"{}\"", archived.venue.replication(0));
        archived.configure(&replication, "");
        archived
    }

    fn configure(&self, from: &str, to: &str) {
        let path = self.venue.config(self.node);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn archive(&self) -> PathBuf {
        self.folder.join("archive")
    }

    fn set_failing(&self, failing: bool) {
        let path = self.folder.join("archive.fail");
        if failing { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// What `status` says of the archive.
    fn status(&self) -> Value {
        self.venue.row(self.node)["archive"].clone()
    }

    /// Segments of commands that are archived.
    fn segments(&self) -> usize {
        let is_commands = |name: &&String| name.starts_with("j-") && !name.ends_with("-00000000.seg");
        names(&self.archive()).iter().filter(is_commands).count()
    }

    fn until_segments(&self, count: usize) {
        until("segments are archived", || (self.segments() >= count).then_some(()));
    }

    /// Puts the node's directory aside and makes it anew from the archive; where the old one is, and what was said.
    fn restore(&self) -> (PathBuf, Value) {
        let (data, aside) = (self.venue.data(self.node), self.folder.join("aside"));
        fs::rename(&data, &aside).unwrap();
        let (code, said) = self.restore_to(&data);
        assert_eq!(code, 0, "{said}");
        (aside, said)
    }

    fn restore_to(&self, data: &Path) -> (i32, Value) {
        let (from, config) = (self.archive(), self.venue.config(self.node));
        let words = ["restore", "--from", from.to_str().unwrap(), "--config", config.to_str().unwrap()];
        Venue::rialto(&[&words[..], &["--data", data.to_str().unwrap(), "--json"]].concat())
    }
}

fn names(dir: &Path) -> Vec<String> {
    let found = fs::read_dir(dir).into_iter().flatten().flatten();
    found.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn has_first(data: &Path) -> bool {
    names(&data.join("commands")).iter().any(|name| name.starts_with("j-0000000000000000-"))
}

/// The archived prefix of a journal is what was restored, and it replays.
fn check_equal(original: &Path, restored: &Path, last_seq: &Value) {
    let (original, restored) = (original.to_str().unwrap(), restored.to_str().unwrap());
    let (code, diff) = Venue::rialto(&["journal", "diff", original, restored, "--json"]);
    assert_eq!((code, &diff["equal"], &diff["only_b"]), (0, &json!(true), &json!(0)), "{diff}");
    assert_eq!(&diff["common_last_seq"], last_seq, "{diff}");
    let (code, verify) = Venue::rialto(&["journal", "verify", restored, "--deep", "--json"]);
    assert_eq!((code, &verify["end"], &verify["last_seq"]), (0, &json!("clean"), last_seq), "{verify}");
    assert_eq!(verify["deep"]["conserved"], true, "{verify}");
}

/// A member enters an order and is answered.
fn check_answers(venue: &Venue, node: usize) {
    let mut stream = TcpStream::connect(&venue.fix[node]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"35=A|553=S4|554=secret\n35=D|11=new|55=ACME|54=1|38=1|40=2|44=1.00\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    until("the order is answered", || {
        let line = lines.next().unwrap();
        (line.starts_with("35=8|") && line.contains("|11=new|")).then_some(())
    });
}

#[test]
fn a_node_killed_at_any_time_is_restored_from_its_archive() {
    let mut archived = Archived::alone();
    archived.venue.start(0);
    let traders = [1, 2].map(|session| Trader::start(&archived.venue.fix, session));
    for segments in [1, 2, 4] {
        archived.until_segments(segments);
        archived.venue.kill(0);
        archived.venue.start(0);
    }
    for trader in traders {
        trader.finish();
    }
    let archived_seq = until("all is archived", || {
        let status = archived.status();
        let is_all = status["behind_segments"] == 0 && status["behind_snapshots"] == 0;
        (is_all && status["archived_seq"] != 0).then(|| status["archived_seq"].clone())
    });
    archived.venue.kill(0);
    let (original, said) = archived.restore();
    assert_eq!((&said["first_seq"], &said["last_seq"]), (&json!(1), &archived_seq), "{said}");
    assert!(said["snapshot"].is_u64(), "{said}");
    let restored = archived.venue.data(0);
    check_equal(&original, &restored, &archived_seq);
    let (code, _) = archived.restore_to(&restored);
    assert_eq!(code, 3, "it is never written over");

    archived.venue.start(0);
    check_answers(&archived.venue, 0);
    archived.venue.stop(0);
    let dump = [
        "journal",
        "dump",
        restored.to_str().unwrap(),
        "--from",
        &(archived_seq.as_u64().unwrap() + 1).to_string(),
    ]
    .map(str::to_owned);
    let words: Vec<&str> = dump.iter().map(String::as_str).collect();
    let (code, text) = venue_text(&words);
    assert_eq!(code, 0);
    assert!(text.lines().next().unwrap().contains("loss"), "it says that something may be missing: {text}");
}

fn venue_text(words: &[&str]) -> (i32, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rialto")).args(words).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn while_the_hook_fails_nothing_goes_and_an_alarm_says_so() {
    let mut archived = Archived::alone();
    archived.set_failing(true);
    archived.venue.start(0);
    let data = archived.venue.data(0);
    let trader = Trader::start(&archived.venue.fix, 1);
    let status = until("segments and snapshots wait, and the hook has failed", || {
        let waits = |status: &Value, what: &str| status[what].as_u64() >= Some(3);
        Some(archived.status()).filter(|status| {
            waits(status, "behind_segments")
                && waits(status, "behind_snapshots")
                && status["last_error"].is_string()
        })
    });
    assert!(status["last_error"].as_str().unwrap().contains("exit status: 3: the tape is full"), "{status}");
    assert!(archived.venue.log(0).contains("alarm: not archived"));
    assert!(has_first(&data));
    assert_eq!(names(&archived.archive()), [""; 0]);
    // Also not by a start.
    archived.venue.kill(0);
    archived.venue.start(0);
    trader.finish();
    archived.set_failing(false);
    until("it catches up", || {
        let status = archived.status();
        (status["last_error"].is_null() && status["behind_segments"] == 0 && archived.segments() > 0)
            .then_some(())
    });
    until("what is archived goes, without another snapshot", || (!has_first(&data)).then_some(()));
    let archived_seq = archived.status()["archived_seq"].clone();
    archived.venue.stop(0);
    let (original, said) = archived.restore();
    assert!(said["last_seq"].as_u64() >= archived_seq.as_u64(), "{said}");
    assert_eq!(said["first_seq"], 1, "nothing is missing at the front: {said}");
    check_equal(&original, &archived.venue.data(0), &said["last_seq"]);
}

#[test]
fn a_restored_node_rejoins_its_cluster() {
    let mut archived = Archived::new(3, "disk+ram", 2);
    archived.venue.start_all();
    let trader = Trader::start(&archived.venue.fix, 1);
    archived.until_segments(1);
    assert!(archived.venue.row(0)["archive"].is_null(), "the primary was not told to archive");
    archived.venue.kill(2);
    let (code, said) = archived.venue.admin(0, &["drop", "n3"]);
    assert_eq!(code, 0, "{said}");
    let (_, said) = archived.restore();
    assert_eq!(said["node"], "n3", "{said}");
    archived.venue.start(2);
    archived.venue.wait_in_sync(&[0, 1, 2]);
    trader.finish();
    for node in [0, 2, 1] {
        archived.venue.kill(node);
    }
    let (code, diff) = archived.venue.diff(0, 2);
    assert_eq!((code, &diff["equal"]), (0, &json!(true)), "{diff}");
}

#[test]
fn a_cluster_of_which_only_an_archive_is_left_goes_on_by_force() {
    let mut archived = Archived::new(2, "disk+ram", 0);
    archived.venue.start_all();
    let trader = Trader::start(&archived.venue.fix, 1);
    archived.until_segments(1);
    trader.finish();
    archived.venue.kill(1);
    archived.venue.kill(0);
    archived.restore();
    archived.venue.start(0);
    until("it waits for an operator", || {
        archived.venue.log(0).contains("--force --accept-loss").then_some(())
    });
    assert_eq!(archived.venue.row(0)["role"], "starting");
    let (code, refused) = archived.venue.promote(0, &[]);
    assert_eq!((code, &refused["refused"]["check"]), (3, &json!("in-sync")), "{refused}");
    let (code, promoted) = archived.venue.promote(0, &["--force", "--accept-loss"]);
    assert_eq!((code, &promoted["promoted"]), (0, &json!("n1")), "{promoted}");
    assert!(promoted["possible_loss"]["from_seq"].is_u64(), "{promoted}");
    check_answers(&archived.venue, 0);
    fs::remove_dir_all(archived.venue.data(1)).unwrap();
    archived.venue.start(1);
    archived.venue.wait_in_sync(&[0, 1]);
}

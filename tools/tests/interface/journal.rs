//! What `rialto journal` and the other commands print: formats, ranges, verdicts; with `--json` stdout is for the object.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::node::{Home, rialto, told, until};
use crate::{ask, check_fields, line, venue};

/// A stopped node's home: two trades were made, and one order is open.
fn stopped() -> (Home, String) {
    let (home, node) = venue();
    let (mut alpha, mut beta) = (line(&node, "ALPHA1"), line(&node, "BETA1"));
    ask(&mut alpha, "35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25");
    ask(&mut alpha, "35=D|11=a2|55=ACME|54=1|38=50|40=2|44=10.25");
    ask(&mut beta, "35=D|11=b1|55=ACME|54=2|38=120|40=2|44=10.2");
    ask(&mut alpha, "35=1|112=all is heard");
    node.kill();
    assert!(home.start(&[]).terminate().0.success());
    let data = home.data().display().to_string();
    (home, data)
}

/// Exit code, and the object on stdout, which is all of it.
fn object(words: &[&str]) -> (Option<i32>, Value) {
    let (code, stdout, stderr) = told(&rialto(words));
    let object = serde_json::from_str(&stdout);
    (code, object.unwrap_or_else(|_| panic!("{words:?}: no object: {stdout} {stderr}")))
}

fn lines(words: &[&str]) -> Vec<String> {
    let (code, stdout, stderr) = told(&rialto(words));
    assert_eq!(code, Some(0), "{words:?}: {stderr}");
    stdout.lines().map(str::to_owned).collect()
}

fn rows(words: &[&str]) -> Vec<Value> {
    lines(words).iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}

#[test]
fn with_json_stdout_is_one_object_and_hashes_are_lower_case_hex() {
    let (home, node) = venue();
    let (data, file) = (home.data().display().to_string(), home.config().display().to_string());
    let commands: [&[&str]; 7] = [
        &["status", "--data", &data, "--state-hash", "--json"],
        &["admin", "--data", &data, "open", "--json"],
        &["admin", "--data", &data, "show", "sessions", "--json"],
        &["journal", "verify", &data, "--deep", "--json"],
        &["journal", "stat", &data, "--json"],
        &["journal", "diff", &data, &data, "--json"],
        &["config", "check", &file, "--json"],
    ];
    for words in commands {
        let (code, object) = object(words);
        assert!(code == Some(0) && object.is_object(), "{words:?}: {code:?} {object}");
    }
    let hash = node.status(&["--state-hash"])["state_hash"]["hash"].as_str().unwrap().to_owned();
    assert_eq!(hash.len(), 64);
    assert!(hash.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{hash}");
}

#[test]
fn dump_prints_a_line_a_record_in_the_range_and_the_format_asked_for() {
    let (_home, data) = stopped();
    let all = rows(&["journal", "dump", &data]);
    let seq_of = |rows: &[Value]| rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect::<Vec<_>>();
    let count = u64::try_from(all.len()).unwrap();
    assert_eq!(seq_of(&all), (1..=count).collect::<Vec<_>>(), "every record, and no padding");
    let part = rows(&["journal", "dump", &data, "--from", "3", "--to", "5"]);
    assert_eq!((seq_of(&part), part.as_slice()), (vec![3, 4, 5], &all[2..5]));
    let epochs: Vec<_> = all.iter().filter(|row| row["type"] == "epoch").collect();
    assert_eq!(epochs.len(), 2);
    for (number, epoch) in (1..).zip(epochs) {
        assert_eq!(epoch["fields"], json!({ "epoch": number, "node": "n1", "loss": false }));
    }
    assert_eq!(lines(&["journal", "dump", &data, "--format", "text"]).len(), all.len());
    let csv = lines(&["journal", "dump", &data, "--format", "csv"]);
    assert_eq!(csv.len(), all.len() + 1, "a header, and a row a record");
    assert!(csv[0].starts_with("seq,"), "{}", csv[0]);
    let order = all.iter().find(|row| row["fields"]["cl_ord_id"] == "b1").unwrap();
    let fields = &order["fields"];
    assert_eq!((&order["session"], &order["type"]), (&"BETA1".into(), &"new".into()));
    let written = ["symbol", "side", "quantity", "price"].map(|name| fields[name].as_str().unwrap());
    assert_eq!(written, ["ACME", "sell", "120", "10.2"]);
    let events = rows(&["journal", "dump", &data, "--events"]);
    for row in &events {
        check_fields(row, "seq:n ts_ns:n type:s session:s0 session_seq:n0 fields:o");
    }
    let of_alpha: Vec<_> = events.iter().filter(|row| row["session"] == "ALPHA1").collect();
    let numbers: Vec<_> = of_alpha.iter().map(|row| row["session_seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers[..3], [1, 2, 3], "what the member saw as 34");
    let book = rows(&["journal", "dump", &data, "--book"]);
    assert_eq!(
        book,
        [
            json!({ "symbol": "ACME", "side": "buy", "price": "10.25", "order": 2, "open": "30", "cl_ord_id": "a2" })
        ]
    );
    let before = order["seq"].as_u64().unwrap() - 1;
    let book = rows(&["journal", "dump", &data, "--book", "--to", &before.to_string()]);
    let queue: Vec<_> = book.iter().map(|row| row["order"].as_u64().unwrap()).collect();
    assert_eq!(queue, [1, 2], "in queue order, at --to");
}

#[test]
fn rot_is_corrupt_and_exits_1_and_a_torn_tail_does_not() {
    let (home, data) = stopped();
    let (code, clean) = object(&["journal", "verify", &data, "--json"]);
    assert_eq!((code, &clean["end"]), (Some(0), &"clean".into()));
    let segment = first_segment(&home);
    let pages = clean["pages"].as_u64().unwrap();
    let behind = SEGMENT_HEADER + pages * PAGE;
    let file = File::options().read(true).write(true).open(&segment).unwrap();
    file.write_all_at(&[7; 100], behind).unwrap();
    let (code, torn) = object(&["journal", "verify", &data, "--json"]);
    assert_eq!((code, &torn["end"], &torn["last_seq"]), (Some(0), &"torn".into(), &clean["last_seq"]));
    assert!(torn["torn_bytes"].as_u64().unwrap() > 0, "{torn}");
    let node = home.start(&[]);
    assert!(node.log().contains("torn"), "the node says so: {}", node.log());
    assert!(has_file(&home), "and keeps it");
    assert!(node.terminate().0.success());
    let mut byte = [0];
    let inside = SEGMENT_HEADER + 200;
    file.read_exact_at(&mut byte, inside).unwrap();
    file.write_all_at(&[byte[0] ^ 1], inside).unwrap();
    let (code, rotten) = object(&["journal", "verify", &data, "--deep", "--json"]);
    assert_eq!((code, &rotten["end"], &rotten["deep"]), (Some(1), &"corrupt".into(), &Value::Null));
}

/// Where the first page of a segment begins, and how long a page is.
const SEGMENT_HEADER: u64 = 2 * PAGE;
const PAGE: u64 = 4096;

fn first_segment(home: &Home) -> PathBuf {
    let mut files: Vec<_> =
        fs::read_dir(home.data().join("commands")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.remove(0)
}

fn has_file(home: &Home) -> bool {
    fs::read_dir(home.data().join("torn")).is_ok_and(|mut files| files.next().is_some())
}

#[test]
fn journals_that_differ_are_told_apart_by_diff_which_exits_1() {
    let (home, data) = stopped();
    let copy = home.data().with_file_name("copy");
    copy_folder(&home.data(), &copy);
    let node = home.start(&[]);
    ask(&mut line(&node, "ALPHA1"), "35=D|11=x1|55=ACME|54=1|38=1|40=2|44=10.25");
    assert!(node.terminate().0.success());
    let copy = copy.display().to_string();
    let (code, more) = object(&["journal", "diff", &data, &copy, "--json"]);
    assert_eq!((code, &more["equal"], &more["only_b"]), (Some(0), &true.into(), &0.into()), "{more}");
    assert!(more["only_a"].as_u64().unwrap() > 0);
    let (_other, other) = stopped();
    let (code, apart) = object(&["journal", "diff", &data, &other, "--json"]);
    assert_eq!((code, &apart["equal"]), (Some(1), &false.into()), "{apart}");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &to);
        } else if path.is_file() {
            fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn a_killed_node_under_disk_has_every_answered_order_in_its_segments() {
    let (home, node) = venue();
    let mut client = line(&node, "ALPHA1");
    for number in 0..50 {
        ask(&mut client, &format!("35=D|11=a{number}|55=ACME|54=1|38=1|40=2|44=1"));
    }
    let data = home.data().display().to_string();
    let there = || rows(&["journal", "dump", &data]).iter().filter(|row| row["type"] == "new").count();
    node.kill();
    assert_eq!(there(), 50, "by the directory alone");
    let node = home.start(&["--ack", "async"]);
    let mut client = line(&node, "ALPHA1");
    ask(&mut client, "35=D|11=late|55=ACME|54=1|38=1|40=2|44=1");
    node.kill();
    let shm = home.shm().display().to_string();
    let with = rows(&["journal", "dump", &data, "--shm-dir", &shm]);
    assert!(with.iter().any(|row| row["fields"]["cl_ord_id"] == "late"), "shared memory has the rest");
    until("a start", || home.start(&[]).terminate().0.success().then_some(()));
}

//! The demo as a user starts it: a process of its own, watched through its output.
#![expect(clippy::unwrap_used, reason = "what a test asks of a process fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn demo(dir: &Path, args: &[&str]) -> Child {
    started(Command::new(env!("CARGO_BIN_EXE_rialto")).arg("demo").args(args).current_dir(dir))
}

fn started(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary that was just built starts")
}

/// The last line on stdout, of a demo that ended well and left nothing behind.
fn last_line(child: Child, dir: &Path) -> Value {
    ended(child, dir).0
}

/// The same, and what it said on stderr.
fn ended(child: Child, dir: &Path) -> (Value, String) {
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let left: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    (serde_json::from_str(text.lines().last().expect("a last line")).unwrap(), errors.into_owned())
}

#[test]
fn demo_trades_on_full_books_and_all_money_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let line = last_line(demo(dir.path(), &["--for", "3s", "--seed", "7", "--json"]), dir.path());
    let count = |key: &str| line[key].as_u64().unwrap_or_else(|| panic!("{key} in {line}"));
    assert_eq!(line["conserved"], true, "{line}");
    // A quote may trade while its maker moves it; then the move comes too late, as at any exchange. Nothing else is refused.
    assert_eq!(count("refused"), 0, "{line}");
    assert!(count("late") <= count("trades"), "{line}");
    assert!(count("trades") > 30 && count("orders") > count("trades"), "{line}");
    assert!(count("frames_filled") * 100 >= count("frames") * 99, "{line}");
    for key in ["p50", "p99", "p99_9", "max"] {
        assert!(line["us"][key].as_f64().is_some_and(|us| us > 0.0), "{key} in {line}");
    }
}

#[test]
fn demo_ends_cleanly_at_ctrl_c_and_says_how_to_trade_along() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = demo(dir.path(), &["--json"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let join = lines.find(|line| line.starts_with("trade along: ")).expect("how to trade along");
    assert!(join.contains("rialto client --nodes 127.0.0.1:") && join.contains("--user YOU"), "{join}");
    lines.find(|line| line.contains("orders/s")).expect("a line a second");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let rest = std::thread::spawn(move || lines.count());
    let line = last_line(child, dir.path());
    assert_eq!(line["conserved"], true, "{line}");
    rest.join().unwrap();
}

/// Processes whose command line names this directory.
fn processes_in(dir: &Path) -> Vec<String> {
    let dir = dir.canonicalize().unwrap();
    let command = |entry: std::io::Result<std::fs::DirEntry>| {
        let bytes = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(command);
    all.filter(|line| line.contains(dir.to_str().unwrap())).collect()
}

#[test]
fn a_demo_of_three_nodes_goes_on_when_its_primary_is_killed_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let shm = tempfile::Builder::new().prefix("rialto-test-").tempdir_in("/dev/shm").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.args(["demo", "--nodes", "3", "--kill-primary-every", "4s", "--for", "14s", "--json"]);
    // No etcd is found there: the demo promotes.
    command.arg("--shm-dir").arg(shm.path()).current_dir(dir.path()).env("PATH", dir.path());
    let (line, told) = ended(started(&mut command), dir.path());
    let count = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("a number in {line}"));
    assert_eq!(line["conserved"], true, "{line}");
    assert!(count(&line["failovers"]) >= 2, "{line}");
    let gap = |key: &str| count(&line["gap_ms"][key]);
    assert!(gap("min") <= gap("median") && gap("median") <= gap("max"), "{line}");
    assert!(count(&line["trades"]) > 30 && count(&line["orders"]) > count(&line["trades"]), "{line}");
    // The one that was not promoted follows the new primary, and the dead come back.
    let (_, later) = told.split_once(" leads in epoch 2").unwrap_or_else(|| panic!("{told}"));
    for name in ["n1", "n2", "n3"] {
        assert!(later.contains(&format!("{name} is in sync")), "{name}: {told}");
    }
    assert_eq!(processes_in(dir.path()), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(shm.path()).unwrap().count(), 0);
}

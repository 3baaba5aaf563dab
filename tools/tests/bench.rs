//! `rialto bench` as a user starts it, with tiny loads: that each part runs and says what the interface promises.
#![expect(clippy::unwrap_used, reason = "what a test asks of a process fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const CONFIG: &str = r#"
node = { name = "n1", cluster = "CLUSTER", ack = "async", segment_mib = 1, shm_mib = 8 }
currency = [{ code = "USD", decimals = 4 }]
instrument = [{ symbol = "ACME", tick = "0.01", lot = "1", currency = "USD" },
              { symbol = "BOLT", tick = "0.05", lot = "10", currency = "USD" }]
participant = [{ name = "P1", kind = "broker" }, { name = "P2", kind = "broker" }]
account = [{ name = "A1", participant = "P1" }, { name = "A2", participant = "P2" }]
session = [{ comp_id = "S1", participant = "P1", accounts = ["A1"], password = "one", kind = "trading" },
           { comp_id = "S2", participant = "P2", accounts = ["A2"], password = "two", kind = "trading" }]
deposit = [{ id = "1", account = "A1", asset = "USD", amount = "1000000000" },
           { id = "2", account = "A1", asset = "ACME", amount = "1000000000" },
           { id = "3", account = "A1", asset = "BOLT", amount = "1000000000" },
           { id = "4", account = "A2", asset = "USD", amount = "1000000000" },
           { id = "5", account = "A2", asset = "ACME", amount = "1000000000" },
           { id = "6", account = "A2", asset = "BOLT", amount = "1000000000" }]
"#;

fn rialto(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.current_dir(dir).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A node, killed when the test that started it fails.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended by itself where all went well.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A node, and its FIX address.
fn serve(dir: &Path) -> (Node, String) {
    let config = CONFIG.replace("CLUSTER", &format!("bench-{}", std::process::id()));
    std::fs::write(dir.join("node.toml"), config).unwrap();
    let mut command = rialto(dir, &["serve", "--config", "node.toml", "--data", "node", "--accept-volatile"]);
    let mut node = Node(command.stderr(Stdio::null()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(node.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    (node, ready["fix"].as_str().unwrap().to_owned())
}

/// What a run says on stdout as JSON.
fn json(dir: &Path, args: &[&str]) -> Value {
    let output = rialto(dir, args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn bench_wire_loads_a_node_at_a_rate_and_with_a_window() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, address) = serve(dir.path());
    let nodes = ["bench", "wire", "--nodes", &address, "--config", "node.toml", "--connections", "2"];
    let run =
        |pace: [&str; 2]| json(dir.path(), &[&nodes[..], &pace, &["--seconds", "1", "--json"]].concat());
    for (report, offered) in [(run(["--rate", "500"]), Some(500)), (run(["--window", "8"]), None)] {
        let count = |key: &str| report[key].as_u64().unwrap_or_else(|| panic!("{key} in {report}"));
        assert_eq!(report["offered_per_s"].as_u64(), offered, "{report}");
        assert!(count("acks") > 300 && count("trades") > 0 && count("book_orders") > 0, "{report}");
        assert_eq!(count("unanswered"), 0, "{report}");
        // A cancel may come after its order has traded; nothing else is refused.
        assert!(count("rejects") * 100 < count("acks"), "{report}");
        for key in ["p50", "p99", "p99_9", "p99_99", "max"] {
            assert!(report["us"][key].as_f64().is_some_and(|us| us > 0.0), "{key} in {report}");
        }
        for key in ["tcp_echo_us", "durable_page_us", "cache_line_ns"] {
            assert!(report["probe"][key].as_f64().is_some_and(|figure| figure > 0.0), "{key} in {report}");
        }
    }
    let output = rialto(dir.path(), &[&nodes[..7], &["3", "--window", "1"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "more connections than sessions");
    kill_process(Pid::from_child(&node.0), Signal::TERM).unwrap();
    assert!(node.0.wait().unwrap().success());
}

#[test]
fn bench_ring_and_journal_say_their_figures_and_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let ring = json(dir.path(), &["bench", "ring", "--messages", "20000", "--json"]);
    assert!(ring["per_s"].as_f64().unwrap() > 0.0 && ring["round_trip_ns"]["p50"].as_u64().unwrap() > 0);
    let journal = json(dir.path(), &["bench", "journal", "--records", "5000", "--json"]);
    assert!(
        journal["stored_per_s"].as_f64().unwrap() > 0.0
            && journal["durable_us"]["p50"].as_f64().unwrap() > 0.0
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn bench_memory_weighs_the_state_of_an_exchange() {
    let dir = tempfile::tempdir().unwrap();
    let report = json(dir.path(), &["bench", "memory", "--accounts", "500", "--orders", "5000", "--json"]);
    assert_eq!((report["accounts"].as_u64(), report["orders"].as_u64()), (Some(500), Some(5_000)));
    assert!(report["state_mib"].as_f64().is_some_and(|mib| mib > 0.5), "{report}");
}

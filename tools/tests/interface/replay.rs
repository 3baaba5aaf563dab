//! `rialto replay` on a small set of its own, and the demo where nothing is durable.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::check_fields;
use crate::node::{rialto, told};

/// A buy of 5 at 100, another of 2, and a sale that takes 6.
const OPS: &str = "n,ts,op,id,side,price,qty
1,1,N,1,B,100,5
2,2,N,2,B,100,2
3,3,N,3,S,99,6
4,4,C,2,B,100,1
";
const TRADES: &str = "n,buy_id,sell_id,price,qty
3,1,3,100,5
3,2,3,100,1
";

#[test]
fn a_set_is_replayed_in_process_and_through_a_node_with_every_field() {
    let set = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = set.path().display().to_string();
    fs::write(set.path().join("ops.csv"), OPS).unwrap();
    fs::write(set.path().join("trades.csv"), TRADES).unwrap();
    let replay = |flags: &[&str]| -> (Option<i32>, Value) {
        let (code, stdout, stderr) = told(&rialto(&[&["replay", &dir, "--json"], flags].concat()));
        (code, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{code:?} {stdout} {stderr}")))
    };
    for flags in [["--in-process"].as_slice(), &["--ack", "async"]] {
        let (code, found) = replay(flags);
        assert_eq!(code, Some(0), "{found}");
        check_fields(
            &found,
            "set:s ops:n trades_stated:n trades_made:n trades_equal:n books_stated:n books_equal:n \
             closing_equal:b0 skipped:a first_difference:0 state_hash:so seconds:n",
        );
        let counts = ["ops", "trades_stated", "trades_made", "trades_equal"].map(|key| found[key].as_u64());
        assert_eq!(counts, [Some(4), Some(2), Some(2), Some(2)], "{found}");
    }
    fs::write(set.path().join("trades.csv"), TRADES.replace("3,2,3,100,1", "3,2,3,100,2")).unwrap();
    let (code, found) = replay(&["--in-process"]);
    assert_eq!((code, found["first_difference"].is_null()), (Some(1), false), "{found}");
}

#[test]
fn the_demo_on_memory_runs_async_and_says_so() {
    let memory = tempfile::Builder::new().prefix("rialto-test-").tempdir_in("/dev/shm").unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_rialto"));
    demo.args(["demo", "--for", "1s", "--json"]).current_dir(memory.path());
    let (code, stdout, stderr) = told(&demo.output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(
        stderr.lines().filter(|line| line.contains("async") && line.contains("tmpfs")).count(),
        1,
        "{stderr}"
    );
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    check_fields(&last, "orders:n trades:n orders_per_s:n us:o conserved:b");
}

//! What is typed with `--nodes`: several addresses, of which some are the primary's, a standby's, or nobody's.

#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "a test fails by a panic, here in what several tests share"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rialto_replicator::key::ClusterKey;
use rialto_tools::request::{Answer, Ask, Nonces, Promotion};
use serde_json::{Value, json};

use node::{Home, Node, PATIENCE, rialto, told};

#[path = "support/node.rs"]
mod node;

const CONFIG: &str = r#"
node     = { name = "n1", cluster = "CLUSTER", ack = "disk", idle = "park", pin = "off", segment_mib = 1, shm_mib = 4 }
listen   = { fix = "127.0.0.1:0" }
currency    = [{ code = "USD", decimals = 10 }]
instrument  = [{ symbol = "ACME", tick = "0.01", lot = "1", currency = "USD" }]
participant = [{ name = "ALPHA", kind = "broker" }]
account     = [{ name = "A1", participant = "ALPHA" }]
session     = [{ comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret" },
               { comp_id = "ALPHA2", participant = "ALPHA", accounts = ["A1"], password = "secret" }]
deposit     = [{ id = "d1", account = "A1", asset = "USD", amount = "1000000.00" },
               { id = "d2", account = "A1", asset = "ACME", amount = "1000000" }]
"#;

/// A node that will have the same address at each start from now on.
fn node_of(home: &Home) -> Node {
    let node = home.start(&[]);
    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), config.replace("127.0.0.1:0", node.fix())).unwrap();
    node
}

/// An address at which nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A node that answers the first line of each connection; its address, and how many lines it got.
fn pretend(answer: impl Fn(&str) -> String + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    let serve = move |mut stream: TcpStream| {
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        counted.fetch_add(1, Ordering::Relaxed);
        stream.write_all(answer(line.trim_end()).as_bytes())
    };
    // Whoever hangs up early is no concern of a pretend node's.
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(serve(stream))));
    (address, heard)
}

/// A standby of the primary at `primary`.
fn standby(primary: &str) -> (String, Arc<AtomicUsize>) {
    let words = format!("! not primary; primary is {primary}\n");
    pretend(move |_| words.clone())
}

/// A command's exit code and its object on stdout.
fn object(arguments: &[&str]) -> (Option<i32>, Value) {
    let (code, stdout, stderr) = told(&rialto(arguments));
    (code, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{arguments:?}: {stdout}{stderr}")))
}

#[test]
fn status_has_a_row_for_each_address_and_waits_for_who_is_in_sync() {
    let home = Home::new(CONFIG);
    let node = node_of(&home);
    let (gone, both) = (nobody(), format!("{},{}", nobody(), node.fix()));
    let (code, status) = object(&["status", "--nodes", &both, "--state-hash", "--json"]);
    assert_eq!(code, Some(0));
    let rows = status["nodes"].as_array().unwrap();
    assert_eq!((rows[0]["node"].clone(), &rows[0]["role"]), (Value::Null, &json!("unreachable")));
    assert_eq!(rows[0]["endpoint"].as_str(), both.split(',').next());
    assert!(rows[0]["why"].as_str().unwrap().contains("refused"), "{rows:?}");
    let own = node.status(&["--state-hash"]);
    for key in ["node", "pid", "role", "epoch", "cursors", "state_hash", "endpoints"] {
        assert_eq!(rows[1][key], own[key], "{key}");
    }
    let (code, status) = object(&["status", "--nodes", &gone, "--json"]);
    assert_eq!((code, &status["nodes"][0]["role"]), (Some(4), &json!("unreachable")));
    let waits = |names: &str, timeout: &str| {
        let wait = format!("in-sync={names}");
        object(&["status", "--nodes", &both, "--wait", &wait, "--timeout", timeout, "--json"]).0
    };
    assert_eq!(waits("n1", "30s"), Some(0));
    assert_eq!(waits("n1,n2", "200ms"), Some(1));
    assert_eq!(told(&rialto(&["status", "--nodes", &gone, "--wait", "n1"])).0, Some(2));
    assert_eq!(told(&rialto(&["status", "--json"])).0, Some(2));
}

#[test]
fn a_promotion_is_refused_unknown_unreachable_or_done_already() {
    let home = Home::new(CONFIG);
    let node = node_of(&home);
    let (at, gone) = (node.fix().to_owned(), nobody());
    for flags in [&["--force"][..], &["--accept-loss"], &["--planned", "--force", "--accept-loss"]] {
        let (code, _, stderr) = told(&rialto(&[&["promote", "n1", "--nodes", &at], flags].concat()));
        assert_eq!(code, Some(2), "{flags:?}: {stderr}");
    }
    let (code, done) = object(&["promote", "n1", "--nodes", &at, "--json"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        (&done["promoted"], &done["epoch"], &done["refused"]),
        (&json!("n1"), &json!(1), &Value::Null)
    );
    let (code, refused) = object(&["promote", "n9", "--nodes", &format!("{gone},{at}"), "--json"]);
    assert_eq!((code, &refused["refused"]["check"]), (Some(3), &json!("unknown-node")));
    assert_eq!(refused["promoted"], Value::Null);
    assert_eq!(told(&rialto(&["promote", "n1", "--nodes", &gone, "--json"])).0, Some(4));
    let row = json!({ "node": "n2", "in_sync": ["n1", "n2"], "standbys": [] });
    let (other, _) = pretend(move |_| format!("{}\n", Answer::Status { row: row.clone() }.line()));
    let known = told(&rialto(&["promote", "n1", "--nodes", &format!("{gone},{other}")]));
    assert_eq!(known.0, Some(4), "{known:?}");
    let (quits, _) = pretend(|line| {
        let row = json!({ "node": "n1" });
        if line.contains("status") { format!("{}\n", Answer::Status { row }.line()) } else { String::new() }
    });
    let (code, _, stderr) = told(&rialto(&["promote", "n1", "--nodes", &quits]));
    assert!(code == Some(4) && stderr.contains("may be the primary or not"), "{stderr}");
}

#[test]
fn who_promotes_from_elsewhere_proves_the_clusters_key() {
    let (key, nonces) = (ClusterKey::new([0x5a; 32]), Nonces::default());
    let row = json!({ "node": "n2" });
    let (at, heard) = pretend(move |line| {
        let answer = match Ask::read(line.strip_prefix("RIALTO ").unwrap()).unwrap() {
            Ask::Status { .. } => Answer::Status { row: row.clone() },
            Ask::Nonce => Answer::Nonce { nonce: nonces.give().unwrap() },
            Ask::Promote(promote) if promote.is_proven(&key, &nonces) => {
                let promoted = promote.planned.then_some(promote.node);
                Answer::Promotion(Promotion { promoted, epoch: Some(4), ..Promotion::default() })
            }
            Ask::Promote(_) => Answer::Refused { why: "prove the cluster's key: --key-file".into() },
        };
        format!("{}\n", answer.line())
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let promote = |digits: &str, mode: u32| {
        fs::write(&file, digits).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let path = file.display().to_string();
        told(&rialto(&["promote", "n2", "--planned", "--nodes", &at, "--key-file", &path, "--json"]))
    };
    let (code, stdout, stderr) = promote(&"5a".repeat(32), 0o600);
    assert_eq!(code, Some(0), "{stderr}");
    let done: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&done["promoted"], &done["epoch"]), (&json!("n2"), &json!(4)));
    assert_eq!(heard.load(Ordering::Relaxed), 3);
    assert_eq!(promote(&"5b".repeat(32), 0o600).0, Some(3));
    assert_eq!(promote(&"5a".repeat(32), 0o644).0, Some(2));
    let (code, refused) = object(&["promote", "n2", "--nodes", &at, "--json"]);
    assert_eq!((code, &refused["refused"]["check"]), (Some(3), &json!("key")));
}

/// Orders that the client enters; the node dies somewhere among them.
const ORDERS: usize = 400;

#[test]
fn a_client_with_all_addresses_goes_on_after_a_kill_and_each_order_counts_once() {
    let home = Home::new(CONFIG);
    let node = node_of(&home);
    let address = node.fix().to_owned();
    let (standby, _) = standby(&address);
    let mut client = Command::new(env!("CARGO_BIN_EXE_rialto"))
        .args(["client", "--nodes", &format!("{},{standby},{address}", nobody())])
        .args(["--user", "ALPHA1", "--password-env", "PW", "--wait", "40s"])
        .env("PW", "secret")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = client.stdin.take().unwrap();
    thread::spawn(move || {
        for order in 0..ORDERS {
            writeln!(typed, "buy 1 ACME @ 1 id a{order}").unwrap();
        }
    });
    let lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let (sender, answers) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut told = Vec::new();
    let mut next = |count: usize| {
        told.extend((0..count).map(|_| answers.recv_timeout(PATIENCE).unwrap()));
        Instant::now()
    };
    next(ORDERS / 4);
    let mut node = node;
    for _ in 0..2 {
        node.kill();
        node = home.start(&[]);
        let ready = Instant::now();
        // What was on its way when the node died may have been answered before.
        let resumed = next(ORDERS / 4);
        assert!(resumed - ready < Duration::from_secs(3), "{:?} after the node was ready", resumed - ready);
    }
    told.extend(answers.iter());
    assert!(client.wait().unwrap().success(), "{told:?}");
    assert_eq!(told.len(), ORDERS);
    for (order, line) in told.iter().enumerate() {
        assert!(line.starts_with(&format!("a{order}: new, buy 1 ACME @ 1, order ")), "{line}");
    }
    let orders = node.asked(&["show", "orders"]);
    let open: Vec<&str> = orders["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| order["cl_ord_id"].as_str().unwrap())
        .collect();
    let mut wanted: Vec<String> = (0..ORDERS).map(|order| format!("a{order}")).collect();
    let mut found = open.clone();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}

#[test]
fn a_load_with_all_addresses_goes_on_after_a_kill_and_knows_what_is_in_the_books() {
    for flags in [&["--window", "4"][..], &["--window", "4", "--fix"]] {
        let home = Home::new(CONFIG);
        let node = node_of(&home);
        let address = node.fix().to_owned();
        let (standby, _) = standby(&address);
        let nodes = format!("{},{standby},{address}", nobody());
        let load = Command::new(env!("CARGO_BIN_EXE_rialto"))
            .args(["bench", "wire", "--nodes", &nodes, "--connections", "2", "--seconds", "3", "--json"])
            .arg("--config")
            .arg(home.config())
            .arg("--probe-dir")
            .arg(home.config().parent().unwrap())
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let trades = |node: &Node| node.status(&[])["cursors"]["published"].as_u64().unwrap();
        node::until("orders", || (trades(&node) > 300).then_some(()));
        node.kill();
        let node = home.start(&[]);
        let output = load.wait_with_output().unwrap();
        let (code, stdout, stderr) = told(&output);
        assert_eq!(code, Some(0), "{flags:?}: {stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(
            (&report["unanswered"], &report["reconnects"]),
            (&json!(0), &json!(2)),
            "{flags:?}: {report}"
        );
        let orders = node.asked(&["show", "orders"]);
        let open = orders["orders"].as_array().unwrap().len() as u64;
        assert_eq!(report["book_orders"].as_u64(), Some(open), "{flags:?}: {report}");
    }
}

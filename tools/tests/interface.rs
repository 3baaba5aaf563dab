//! The contract of `docs/interface.md` as far as one node shows it: what is printed where, exit codes, the operator's
//! verbs and lists, the lines of line mode to the byte.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, here in what several tests share")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use client::{Client, Message, Wire};
use node::{Home, Node, rialto, told, until};

#[path = "support/client.rs"]
mod client;
#[path = "interface/journal.rs"]
mod journal;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/node.rs"]
mod node;
#[path = "interface/operator.rs"]
mod operator;
#[path = "interface/replay.rs"]
mod replay;
#[path = "interface/start.rs"]
mod start;

/// The contract's own example, with a second member and metrics.
const CONFIG: &str = r#"
node     = { name = "n1", cluster = "CLUSTER", ack = "disk", idle = "auto", pin = "off", segment_mib = 1, shm_mib = 4 }
listen   = { fix = "127.0.0.1:0", replication = "off", metrics = "127.0.0.1:0" }
fix      = { comp_id = "RIALTO", sending_time_tolerance_s = 120, user_defined_tags = false }
limits   = { messages_per_s = 0, orders_open_max = 1000000 }
currency    = [{ code = "USD", decimals = 10 }]
instrument  = [{ symbol = "ACME", tick = "0.01", lot = "1", currency = "USD", maker_fee_ppm = 0, taker_fee_ppm = 50, replace = "keep-on-decrease" }]
participant = [{ name = "ALPHA", kind = "broker", self_trade = "cancel-newest" }, { name = "BETA", kind = "broker" }]
account     = [{ name = "A1", participant = "ALPHA" }, { name = "B1", participant = "BETA" }]
session     = [
  { comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret", kind = "trading", cancel_on_disconnect = false },
  { comp_id = "BETA1", participant = "BETA", accounts = ["B1"], password = "secret" },
]
deposit     = [{ id = "d1", account = "A1", asset = "USD", amount = "1000000.00" }, { id = "d2", account = "B1", asset = "ACME", amount = "5000" }]
"#;

fn venue() -> (Home, Node) {
    let home = Home::new(CONFIG);
    let node = home.start(&[]);
    (home, node)
}

fn line(node: &Node, name: &str) -> Client {
    Client::log_on(node.fix(), Wire::Line, name, (0, ""))
}

fn ask(client: &mut Client, line: &str) -> Message {
    client.send(line, 0, false).unwrap();
    client.expect()
}

/// Sends what stands behind `>` and compares each line behind `<`; `…` is anything.
fn check_lines(client: &mut Client, dialogue: &str) {
    for told in dialogue.lines().map(str::trim).filter(|told| !told.is_empty()) {
        if let Some(line) = told.strip_prefix("> ") {
            client.send(line, 0, false).unwrap();
            continue;
        }
        let expected = told.strip_prefix("< ").unwrap_or_else(|| panic!("neither > nor <: {told}"));
        let found = client.expect().to_string();
        let mut rest = found.as_str();
        for (place, part) in expected.split('…').enumerate() {
            let at = rest.find(part).filter(|at| place > 0 || *at == 0);
            let at = at.unwrap_or_else(|| panic!("\nexpected {expected}\nfound    {found}"));
            rest = &rest[at + part.len()..];
        }
        let is_whole = expected.ends_with('…') || rest.is_empty() || rest == "|";
        assert!(is_whole, "\nexpected {expected}\nfound    {found}");
    }
}

/// Every field is there and of its kind: `s`tring, `n`umber, `b`ool, `a`rray, `o`bject, `0` null.
fn check_fields(object: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        let (name, kinds) = field.split_once(':').unwrap();
        let kind = match object.get(name) {
            Some(Value::String(_)) => 's',
            Some(Value::Number(_)) => 'n',
            Some(Value::Bool(_)) => 'b',
            Some(Value::Array(_)) => 'a',
            Some(Value::Object(_)) => 'o',
            Some(Value::Null) => '0',
            None => panic!("no {name} in {object}"),
        };
        assert!(kinds.contains(kind), "{name} is {kind}, expected {kinds}, in {object}");
    }
}

#[test]
fn the_ready_line_and_endpoints_json_say_where_everything_is() {
    let (home, node) = venue();
    check_fields(&node.ready, "ready:b node:s pid:n fix:s replication:0 admin:s metrics:s supervisor:0n");
    assert_eq!((&node.ready["ready"], &node.ready["node"]), (&true.into(), &"n1".into()));
    assert_eq!(node.ready["pid"], node.pid());
    assert_eq!(node.ready["admin"], home.data().join("admin.sock").display().to_string());
    let mut endpoints: Value =
        serde_json::from_slice(&std::fs::read(home.data().join("endpoints.json")).unwrap()).unwrap();
    endpoints["ready"] = true.into();
    assert_eq!(endpoints, node.ready);
    for name in "node.meta lock endpoints.json admin.sock commands events snapshots torn divergent".split(' ')
    {
        assert!(home.data().join(name).exists(), "{name}");
    }
    assert!(home.shm().join(format!("rialto-{}-n1-1", home.cluster)).is_dir());
    TcpStream::connect(node.fix()).unwrap();
}

#[test]
fn metrics_are_prometheus_text() {
    let (_home, node) = venue();
    let mut stream = TcpStream::connect(node.ready["metrics"].as_str().unwrap()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: rialto\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("\nrialto_released "), "{text}");
}

#[test]
fn status_has_a_row_with_every_field() {
    let (home, node) = venue();
    let _member = line(&node, "ALPHA1");
    let row = node.status(&["--state-hash"]);
    check_fields(
        &row,
        "node:s pid:n role:s epoch:n primary:s ack:s policy_met:b unmet_since_ns:0n market:s cursors:o \
         event_hash:so state_hash:o in_sync:a standbys:a orders_open:n sessions_live:n endpoints:o version:s commit:s",
    );
    check_fields(&row["cursors"], "published:n sealed:n synced:n released:n");
    check_fields(&row["state_hash"], "seq:n hash:s");
    assert_eq!(
        (&row["role"], &row["ack"], &row["market"]),
        (&"primary".into(), &"disk".into(), &"open".into())
    );
    assert_eq!((&row["epoch"], &row["sessions_live"]), (&1.into(), &1.into()));
    assert_eq!(row["in_sync"], serde_json::json!(["n1"]));
    assert!(node.status(&[])["state_hash"].is_null());
    node.kill();
    let node = home.start(&["--ack", "async"]);
    let again = node.status(&[]);
    assert_eq!((&again["epoch"], &again["ack"]), (&2.into(), &"async".into()), "--ack overrides the file");
    assert_eq!(again["market"], "open");
}

#[test]
fn line_mode_answers_as_the_contract_s_examples() {
    let (_home, node) = venue();
    let mut client = Client::connect(node.fix(), Wire::Line, "ALPHA1").unwrap();
    check_lines(
        &mut client,
        "> 35=A|553=ALPHA1|554=secret
         < 35=A|34=1|58=n1 epoch 1
         > 35=D|11=a1|1=A1|55=ACME|54=1|38=100|40=2|44=10.25
         < 35=8|34=2|37=1|11=a1|17=1|150=0|39=0|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|59=0|151=100|14=0|6=0|60=…
         > 35=D|11=a2|1=A1|55=ACMX|54=1|38=1|40=2|44=1
         < 35=8|34=3|37=NONE|11=a2|17=2|150=8|39=8|103=1|…|58=no instrument ACMX
         > 35=F|11=c1|41=zz|55=ACME|54=1
         < 35=9|34=4|37=NONE|11=c1|41=zz|39=8|434=1|102=1|58=no order zz…
         > hello
         < 35=3|34=5|…|58=…
         > 35=1|112=x
         < 35=0|34=6|112=x",
    );
    client.send_bytes(b"35=1|112=crlf\r\n").unwrap();
    assert_eq!(client.expect().get(112), Some("crlf"));
    client.send_bytes(format!("35=1|112={}\n", "x".repeat(4096)).as_bytes()).unwrap();
    let refused = client.expect();
    assert!(refused.kind() == "3" && refused.field(58).contains("4096"), "{refused}");
}

#[test]
fn a_line_sent_again_is_answered_again_and_has_no_second_effect() {
    let (_home, node) = venue();
    let mut client = line(&node, "ALPHA1");
    let order = "35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25";
    let first = ask(&mut client, order);
    client.send(order, 0, true).unwrap();
    let again = client.expect();
    assert!(again.is_again());
    assert_eq!((again.number(), again.lasting()), (first.number(), first.lasting()));
    let refused = ask(&mut client, order);
    assert_eq!((refused.number(), refused.field(150), refused.field(103)), (first.number() + 1, "8", "6"));
    client.send("35=D|11=a2|55=ACME|54=1|38=1|40=2|44=1.00", 0, true).unwrap();
    assert_eq!(client.expect().field(11), "a2", "one that was never there is taken");
    assert_eq!(node.asked(&["show", "orders"])["orders"].as_array().unwrap().len(), 2);
}

#[test]
fn after_789_all_from_there_on_comes_again_behind_the_log_on() {
    let (_home, node) = venue();
    let mut client = line(&node, "ALPHA1");
    let first = ask(&mut client, "35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25");
    ask(&mut client, "35=1|112=x");
    drop(client);
    let mut client = Client::connect(node.fix(), Wire::Line, "ALPHA1").unwrap();
    check_lines(
        &mut client,
        "> 35=A|553=ALPHA1|554=secret|789=1
         < 35=A|34=4|58=n1 epoch 1
         < 35=4|34=1|43=Y|36=2|123=Y",
    );
    assert_eq!(client.expect().lasting(), first.lasting());
    check_lines(&mut client, "< 35=4|34=3|43=Y|36=4|123=Y");
    drop(client);
    let mut client = Client::connect(node.fix(), Wire::Line, "ALPHA1").unwrap();
    let refused = ask(&mut client, "35=A|553=ALPHA1|554=secret|789=99");
    assert!(refused.kind() == "5" && refused.get(58).is_some(), "{refused}");
    client.receive(node::PATIENCE).unwrap_err();
}

#[test]
fn both_sides_of_a_trade_name_it_and_no_two_reports_share_an_exec_id() {
    let (_home, node) = venue();
    let (mut buyer, mut seller) = (line(&node, "ALPHA1"), line(&node, "BETA1"));
    ask(&mut buyer, "35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25");
    ask(&mut seller, "35=D|11=b1|55=ACME|54=2|38=30|40=2|44=10.25");
    let (taken, made) = (seller.expect(), buyer.expect());
    let trade = made.whole(527);
    assert_eq!(taken.whole(527), trade);
    assert_eq!((made.field(851), taken.field(851)), ("1", "2"), "maker and taker");
    assert_ne!(made.field(17), taken.field(17));
    // To what is executed or less: refused, and the order stays as it was.
    let refused = ask(&mut buyer, "35=G|11=a2|41=a1|55=ACME|54=1|38=30|40=2|44=10.25");
    assert_eq!((refused.kind(), refused.field(102)), ("9", "0"));
    let trades = node.asked(&["show", "trades"]);
    let row = &trades["trades"][0];
    check_fields(row, "trade:n symbol:s price:s quantity:s buy_order:n sell_order:n");
    assert_eq!(
        (&row["trade"], &row["price"], &row["quantity"]),
        (&trade.into(), &"10.25".into(), &"30".into())
    );
    let orders = node.asked(&["show", "orders"]);
    let row = &orders["orders"][0];
    check_fields(row, "order:n cl_ord_id:s session:s account:s symbol:s side:s price:s quantity:s open:s");
    assert_eq!(
        (&row["cl_ord_id"], &row["quantity"], &row["open"]),
        (&"a1".into(), &"100".into(), &"70".into())
    );
    let list = node.asked(&["show", "accounts"]);
    check_fields(&list, "seq:n accounts:a fees:a");
    check_fields(&list["accounts"][0], "account:s participant:s assets:a");
    check_fields(&list["accounts"][0]["assets"][0], "asset:s total:s reserved:s");
    // 30 × 10.25 × 50 / 10^6
    assert_eq!(list["fees"][0], serde_json::json!({ "asset": "USD", "total": "0.015375" }));
    let bust = node.asked(&["bust", &trade.to_string()]);
    check_fields(&bust, "seq:n");
    assert_eq!((buyer.expect().field(150), seller.expect().field(150)), ("H", "H"));
}

#[test]
fn a_transfer_s_id_counts_once() {
    let (_home, node) = venue();
    let deposit = ["deposit", "A1", "USD", "5.5", "--id", "d9"];
    let first = node.asked(&deposit);
    check_fields(&first, "seq:n");
    assert_eq!(node.asked(&deposit), first, "the same again: its first sequence");
    let (code, stdout, _) = told(&node.admin(&["deposit", "A1", "USD", "6", "--id", "d9"]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "the same id, other data");
    let (code, _, _) = told(&node.admin(&["withdraw", "A1", "USD", "5.5", "--id", "d9"]));
    assert_eq!(code, Some(1));
    node.asked(&["withdraw", "A1", "USD", "0.5", "--id", "w1"]);
    let (code, _, stderr) = told(&node.admin(&["withdraw", "A1", "USD", "9000000", "--id", "w2"]));
    assert_eq!(code, Some(1), "more than there is: {stderr}");
    let accounts = node.asked(&["show", "accounts"]);
    assert_eq!(accounts["accounts"][0]["assets"][0]["total"], "1000005");
}

#[test]
fn operators_open_close_halt_and_cancel() {
    let (_home, node) = venue();
    let mut client = line(&node, "ALPHA1");
    let mut order = |id: &str| ask(&mut client, &format!("35=D|11={id}|55=ACME|54=1|38=1|40=2|44=1.00"));
    assert_eq!(order("a1").field(150), "0");
    for (verb, market) in [("halt", "halted"), ("close", "closed"), ("open", "open")] {
        node.asked(&[verb]);
        assert_eq!(node.status(&[])["market"], market);
        node.asked(&[verb, "ACME"]);
        let taken = order(verb).field(150) == "0";
        assert_eq!(taken, market == "open", "{verb}");
    }
    node.asked(&["cancel-all", "--session", "ALPHA1"]);
    for id in ["a1", "open"] {
        let gone = client.expect();
        assert_eq!((gone.field(150), gone.field(11), gone.get(41)), ("4", id, None), "{gone}");
    }
    assert_eq!(node.status(&[])["orders_open"], 0);
    ask(&mut client, "35=D|11=a4|55=ACME|54=1|38=1|40=2|44=1.00|59=0");
    node.asked(&["day-end"]);
    assert_eq!(client.expect().field(150), "C", "a day order expires");
    node.asked(&["policy", "async"]);
    assert_eq!(node.status(&[])["ack"], "async");
}

#[test]
fn operators_add_reference_data_and_reset_numbers() {
    let (home, node) = venue();
    node.asked(&["participant", "add", "GAMMA"]);
    node.asked(&["account", "add", "G1", "--participant", "GAMMA"]);
    node.asked(&["instrument", "add", "ZINC", "--tick", "0.5", "--currency", "USD"]);
    let data = home.data().display().to_string();
    let mut add = Command::new(env!("CARGO_BIN_EXE_rialto"));
    add.args([
        "admin",
        "--data",
        &data,
        "session",
        "add",
        "GAMMA1",
        "--participant",
        "GAMMA",
        "--accounts",
        "G1",
    ]);
    let (code, _, stderr) = told(&add.args(["--password-env", "PW"]).env("PW", "secret").output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    node.asked(&["deposit", "G1", "ZINC", "10", "--id", "g1"]);
    let mut client = line(&node, "GAMMA1");
    assert_eq!(ask(&mut client, "35=D|11=z|55=ZINC|54=2|38=1|40=2|44=1.5").field(150), "0");
    let sessions = node.asked(&["show", "sessions"]);
    check_fields(&sessions, "seq:n sessions:a");
    drop(client);
    let live = || node.status(&[])["sessions_live"] == 0;
    until("the session's end", || live().then_some(()));
    node.asked(&["session", "reset", "GAMMA1"]);
    let mut client = Client::connect(node.fix(), Wire::Line, "GAMMA1").unwrap();
    assert_eq!(ask(&mut client, "35=A|553=GAMMA1|554=secret").number(), 1);
    let before = node.asked(&["show", "accounts"])["accounts"].clone();
    node.asked(&["apply", &home.config().display().to_string()]);
    assert_eq!(node.asked(&["show", "accounts"])["accounts"], before, "deposits count once");
}

#[test]
fn a_fix_client_is_spoken_to_in_fix() {
    let (_home, node) = venue();
    let mut client = Client::connect(node.fix(), Wire::Fix, "ALPHA1").unwrap();
    client.send("35=A|98=0|108=30|553=ALPHA1|554=secret", 1, false).unwrap();
    let log_on = client.expect();
    assert_eq!((log_on.kind(), log_on.field(49), log_on.field(56)), ("A", "RIALTO", "ALPHA1"));
    client.send("35=D|11=a1|55=ACME|54=1|38=1|40=2|44=10.25", 2, false).unwrap();
    let report = client.expect();
    assert_eq!((report.field(150), report.field(1), report.number()), ("0", "A1", 2), "its first account");
}

#[test]
fn journal_commands_read_a_node_that_runs_and_one_that_stopped() {
    let (home, node) = venue();
    let mut client = line(&node, "ALPHA1");
    ask(&mut client, "35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25");
    let hash = node.status(&["--state-hash"])["state_hash"].clone();
    let data = home.data().display().to_string();
    let verify = |flags: &[&str]| -> Value {
        let (code, stdout, stderr) =
            told(&rialto(&[&["journal", "verify", &data, "--json"], flags].concat()));
        assert_eq!(code, Some(0), "{stdout} {stderr}");
        serde_json::from_str(&stdout).unwrap()
    };
    let fields = "records:n first_seq:n last_seq:n pages:n epochs:a end:s torn_bytes:n durable_seq:n chain:s";
    let running = verify(&[]);
    check_fields(&running, fields);
    assert!(running["deep"].is_null());
    check_fields(&running["epochs"][0], "epoch:n node:s first_seq:n");
    let deep = verify(&["--deep", "--to", &hash["seq"].to_string()])["deep"].clone();
    check_fields(&deep, "state_hash:o event_hash:so events_equal:b conserved:b");
    assert_eq!(deep["state_hash"], hash);
    drop(client);
    node.terminate();
    let stopped = verify(&["--deep"]);
    assert_eq!((&stopped["end"], &stopped["deep"]["events_equal"]), (&"clean".into(), &true.into()));
    let (code, stdout, _) = told(&rialto(&["journal", "stat", &data, "--json"]));
    assert_eq!(code, Some(0));
    let stat: Value = serde_json::from_str(&stdout).unwrap();
    check_fields(
        &stat,
        "segments:n bytes:n records:n padding_bytes:n by_type:o first_ts_ns:n last_ts_ns:n snapshots:a",
    );
    check_fields(&stat["snapshots"][0], "seq:n verified:b");
    let (code, stdout, _) = told(&rialto(&["journal", "dump", &data, "--format", "json"]));
    assert_eq!(code, Some(0));
    let rows: Vec<Value> = stdout.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    for row in &rows {
        check_fields(row, "seq:n ts_ns:n type:s session:s0 session_seq:n0 fields:o");
    }
    let order = rows.iter().find(|row| row["type"] == "new").expect("the order");
    assert_eq!((&order["session"], &order["fields"]["cl_ord_id"]), (&"ALPHA1".into(), &"a1".into()));
    let (code, stdout, _) = told(&rialto(&["journal", "diff", &data, &data, "--json"]));
    let diff: Value = serde_json::from_str(&stdout).unwrap();
    check_fields(&diff, "common_last_seq:n equal:b only_a:n only_b:n");
    assert_eq!((code, &diff["equal"]), (Some(0), &true.into()));
}

/// What `rialto client` says to these words from a pipe.
fn typed(nodes: &str, user: &str, words: &str) -> (Option<i32>, String, String) {
    let mut client = Command::new(env!("CARGO_BIN_EXE_rialto"));
    client.args(["client", "--nodes", nodes, "--user", user, "--password-env", "PW", "--wait", "5s"]);
    client.env("PW", "secret").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    // Who reached nobody may be gone before it is told anything.
    client.stdin.take().unwrap().write_all(words.as_bytes()).ok();
    told(&client.wait_with_output().unwrap())
}

#[test]
fn client_shows_the_book_and_what_its_accounts_have() {
    let (_home, node) = venue();
    let (code, stdout, stderr) =
        typed(node.fix(), "BETA1", "sell 50 ACME @ 10.3 id b1\nsell 7 ACME @ 10.4 id b2\nbalance\n");
    assert_eq!(code, Some(0), "{stdout} {stderr}");
    assert!(stdout.ends_with("B1: 5000 ACME, 57 of it reserved\n"), "{stdout}");
    let (code, stdout, stderr) = typed(
        node.fix(),
        "ALPHA1",
        "buy 80 ACME @ 10.3 id a1\nbook ACME\nbalance\nbalance B1\nbook ACMX\nbalance zz\n",
    );
    assert_eq!(code, Some(0), "{stdout} {stderr}");
    let rule = "-".repeat(30);
    // 50 for 515 and 0.02575 of fees; 30 at 10.3 and their fees reserved.
    let expected = format!(
        "book ACME\n          10.4               7  1 orders\n{rule}\n          10.3              30  1 orders\n\
         A1: 999484.97425 USD, 309.01545 of it reserved\nA1: 50 ACME, 0 of it reserved\n\
         no balance: the session may not act for this account\nno book: no instrument ACMX\n\
         message refused: no account zz\n"
    );
    assert!(stdout.ends_with(&expected), "{stdout}\n{expected}");
    let shown = node.asked(&["show", "accounts"]);
    assert!(shown.to_string().contains("999484.97425"), "{shown}");
}

#[test]
fn client_exits_0_once_every_line_from_a_pipe_is_answered() {
    let (_home, node) = venue();
    let run = |nodes: &str, words: &str| typed(nodes, "ALPHA1", words);
    let (code, stdout, stderr) = run(node.fix(), "buy 100 ACME @ 10.25 id a1\nreplace a1 80 @ 10.3\n");
    assert_eq!(code, Some(0), "{stdout} {stderr}");
    assert_eq!(node.asked(&["show", "orders"])["orders"][0]["quantity"], "80");
    let address = node.fix().to_owned();
    node.kill();
    let (code, _, stderr) = run(&address, "buy 1 ACME @ 10.25\n");
    assert_eq!(code, Some(4), "{stderr}");
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let home = Home::new(CONFIG);
    let data = home.data().display().to_string();
    let check = |code: i32, words: &[&str]| {
        let (found, stdout, stderr) = told(&rialto(words));
        assert_eq!((found, stdout.as_str()), (Some(code), ""), "{words:?}: {stderr}");
    };
    check(4, &["status", "--data", &data, "--json"]);
    check(4, &["admin", "--data", &data, "open", "--json"]);
    check(2, &["serve", "--data", &data]);
    check(2, &["admin", "--data", &data, "frobnicate"]);
    let (code, _, stderr) = told(&home.serve_in(&home.data()).args(["--idle", "sideways"]).output().unwrap());
    assert_eq!(code, Some(2), "{stderr}");
    let node = home.start(&[]);
    let (code, _, stderr) = told(&node.admin(&["deposit", "NOBODY", "USD", "1", "--id", "x"]));
    assert_eq!(code, Some(1), "{stderr}");
    let (code, stdout, _) = told(&rialto(&["--version"]));
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with(concat!("rialto ", env!("CARGO_PKG_VERSION"))) && stdout.contains("commit"));
}

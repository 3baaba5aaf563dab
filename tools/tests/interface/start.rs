//! What decides a start: flags above the file, shared memory, addresses, reference data; and how a start is undone.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::client::{Client, Wire};
use crate::node::{Home, PATIENCE, told, until};
use crate::{CONFIG, ask, line, venue};

/// `serve` ends by itself with this code, tells stdout nothing and stderr all of these words.
fn check_refused(home: &Home, flags: &[&str], (code, words): (i32, &[&str])) {
    let (found, stdout, stderr) = told(&home.serve(flags).output().unwrap());
    assert_eq!((found, stdout.as_str()), (Some(code), ""), "{flags:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn flags_of_serve_stand_above_its_file() {
    let home = Home::new(CONFIG);
    let flags = "--name n7 --idle yield --pin 0 --ack async --storage mapped --gateways 2 --json";
    let node = home.start(&flags.split(' ').collect::<Vec<_>>());
    let row = node.status(&[]);
    assert_eq!((&node.ready["node"], &row["node"]), (&"n7".into(), &"n7".into()));
    assert_eq!(row["ack"], "async");
    let log: Vec<Value> = node.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(log.iter().all(|line| line.get("level").is_some()), "structured logs: {log:?}");
}

#[test]
fn two_gateway_threads_serve_as_one() {
    let home = Home::new(CONFIG);
    let node = home.start(&["--gateways", "2"]);
    let mut members = ["ALPHA1", "BETA1"].map(|name| line(&node, name));
    ask(&mut members[0], "35=D|11=a1|55=ACME|54=1|38=1|40=2|44=10.25");
    ask(&mut members[1], "35=D|11=b1|55=ACME|54=2|38=1|40=2|44=10.25");
    assert_eq!((members[0].expect().field(150), members[1].expect().field(150)), ("F", "F"));
}

#[test]
fn sigint_drains_like_sigterm() {
    let (_home, node) = venue();
    let mut client = line(&node, "ALPHA1");
    ask(&mut client, "35=D|11=a1|55=ACME|54=1|38=1|40=2|44=10.25");
    let (status, took) = node.end_by(Signal::INT);
    assert_eq!((status.code(), took < Duration::from_secs(5)), (Some(0), true), "{took:?}");
    let good_bye = client.expect();
    assert_eq!((good_bye.kind(), good_bye.number()), ("5", 3), "numbered: {good_bye}");
    client.receive(PATIENCE).expect_err("the connection is closed");
}

#[test]
fn shared_memory_is_allocated_at_the_start_and_no_more_than_said() {
    let home = Home::new(&CONFIG.replace("shm_mib = 4", "shm_mib = 32"));
    let node = home.start(&[]);
    let ring = home.shm().join(format!("rialto-{}-n1-1", home.cluster));
    let files = fs::read_dir(&ring).unwrap().map(|file| file.unwrap().metadata().unwrap());
    let (mut bytes, mut allocated) = (0, 0);
    for file in files {
        (bytes, allocated) = (bytes + file.len(), allocated + file.blocks() * 512);
    }
    assert!(bytes <= 32 << 20, "{bytes} bytes, and the file says 32 MiB");
    assert!(allocated >= bytes, "{allocated} of {bytes} bytes are there for sure");
    assert!(node.terminate().0.success());
    let statvfs = rustix::fs::statvfs(home.shm()).unwrap();
    let (free, most) = (statvfs.f_bavail * statvfs.f_frsize, 65_536_u64 << 20);
    if free >= most {
        println!("this machine has room for whatever may be asked for");
        return;
    }
    let too_much = CONFIG.replace("shm_mib = 4", "shm_mib = 65536").replace("CLUSTER", &home.cluster);
    fs::write(home.config(), too_much).unwrap();
    let shm = home.shm().display().to_string();
    let need = format!("{most} bytes needed");
    check_refused(&home, &[], (2, &["--shm-dir", &shm, &need, " free", "node.shm_mib"]));
}

#[test]
fn shared_memory_that_is_no_memory_is_refused() {
    let home = Home::new(CONFIG);
    let mut serve = Command::new(env!("CARGO_BIN_EXE_rialto"));
    serve.arg("serve").arg("--config").arg(home.config()).arg("--data").arg(home.data());
    let (code, _, stderr) = told(&serve.args(["--ack", "async", "--shm-dir", "/proc"]).output().unwrap());
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--shm-dir /proc: not a tmpfs"), "{stderr}");
}

#[test]
fn addresses_that_cannot_be_had_are_named() {
    let home = Home::new(CONFIG);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let config = |fix: &str, metrics: &str| {
        let listen = format!(r#"fix = "{fix}", replication = "off", metrics = "{metrics}""#);
        let all =
            CONFIG.replace(r#"fix = "127.0.0.1:0", replication = "off", metrics = "127.0.0.1:0""#, &listen);
        fs::write(home.config(), all.replace("CLUSTER", &home.cluster)).unwrap();
    };
    config(&address, "off");
    check_refused(&home, &[], (2, &["listen.fix", &address, "another process"]));
    config("127.0.0.1:0", &address);
    check_refused(&home, &[], (2, &["listen.metrics", &address, "another process"]));
    assert!(!home.data().exists(), "nothing is begun");
    drop(held);
    config(&address, "off");
    let node = home.start(&["--gateways", "2"]);
    check_refused(&home, &["--gateways", "2"], (3, &["is this node already"]));
    assert!(node.terminate().0.success());
    config("0.0.0.0:0", "off");
    check_refused(&home, &[], (2, &["listen.fix", "0.0.0.0:0", "--plaintext"]));
    let node = home.start(&["--plaintext"]);
    assert!(node.fix().starts_with("0.0.0.0:"), "{}", node.fix());
}

#[test]
fn too_few_open_files_are_told_at_the_start() {
    let home = Home::new(CONFIG);
    let serve = |open_max: u32| {
        let mut shell = Command::new("sh");
        let words = home.serve(&[]);
        shell.args(["-c", &format!("ulimit -n {open_max}; exec \"$0\" \"$@\"")]).arg(words.get_program());
        shell.args(words.get_args());
        shell
    };
    let (code, _, stderr) = told(&serve(32).output().unwrap());
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("ulimit -n 32: a node needs 64 open files"), "{stderr}");
    let node = home.launch(serve(200), &home.data());
    assert!(node.log().contains("ulimit -n 200: about 136 clients at once"), "{}", node.log());
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let home = Home::new(CONFIG);
    let taken = home.config().display().to_string();
    let (code, _, stderr) = told(&home.serve_in(&home.config()).output().unwrap());
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&format!("--data {taken}: cannot create this directory")), "{stderr}");
}

#[test]
fn a_directory_that_runs_already_is_refused_with_3() {
    let (home, node) = venue();
    check_refused(&home, &[], (3, &[&node.pid().to_string()]));
}

#[test]
fn a_changed_file_counts_only_once_it_is_applied() {
    let (home, node) = venue();
    assert!(node.terminate().0.success());
    let more = CONFIG
        .replace(
            r#"{ symbol = "ACME""#,
            r#"{ symbol = "ZINC", tick = "0.5", lot = "1", currency = "USD" }, { symbol = "ACME""#,
        )
        .replace("CLUSTER", &home.cluster);
    fs::write(home.config(), &more).unwrap();
    let node = home.start(&[]);
    let mut client = line(&node, "ALPHA1");
    let mut order = |id: &str| ask(&mut client, &format!("35=D|11={id}|55=ZINC|54=1|38=1|40=2|44=1.5"));
    assert_eq!(order("a1").field(58), "no instrument ZINC");
    let file = home.config().display().to_string();
    node.asked(&["apply", &file]);
    assert_eq!(order("a2").field(150), "0");
    fs::write(home.config(), CONFIG.replace("CLUSTER", &home.cluster)).unwrap();
    node.asked(&["apply", &file]);
    assert_eq!(order("a3").field(150), "0", "nothing is removed");
}

#[test]
fn reference_data_count_all_or_not_at_all() {
    let more = (0..2000).map(|number| format!(r#", {{ name = "C{number}", participant = "ALPHA" }}"#));
    let accounts = more.collect::<Vec<_>>().concat();
    let from = r#"{ name = "B1", participant = "BETA" }]"#;
    let many = CONFIG.replace(from, &format!("{}{accounts}]", from.trim_end_matches(']')));
    let home = Home::new(&many);
    let mut child =
        home.serve(&[]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // As soon as there is something of a journal.
    until("the first segment", || has_file(&home.data().join("commands")).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let node = home.start(&[]);
    let accounts = node.asked(&["show", "accounts"]);
    let named = accounts["accounts"].as_array().unwrap();
    assert!(named.iter().any(|row| row["account"] == "A1"));
    assert_eq!(node.status(&[])["market"], "open");
    let add = |id: &str| node.asked(&["deposit", id, "USD", "1", "--id", id])["seq"].as_u64();
    assert!(add("C0") < add("C1999"), "the first and the last are there");
    let total = |account: &str| {
        let rows = node.asked(&["show", "accounts"]);
        let row = rows["accounts"].as_array().unwrap().iter().find(|row| row["account"] == account).cloned();
        row.unwrap()["assets"][0]["total"].clone()
    };
    assert_eq!((total("A1"), total("B1")), ("1000000".into(), "5000".into()), "deposits count once");
}

fn has_file(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
}

#[test]
fn limits_of_the_file_are_kept() {
    let limits = "messages_per_s = 5, orders_open_max = 2";
    let home = Home::new(&CONFIG.replace("messages_per_s = 0, orders_open_max = 1000000", limits));
    let node = home.start(&[]);
    let mut client = line(&node, "ALPHA1");
    let order = |id: &str| format!("35=D|11={id}|55=ACME|54=1|38=1|40=2|44=10.25");
    assert_eq!(ask(&mut client, &order("a1")).field(150), "0");
    assert_eq!(ask(&mut client, &order("a2")).field(150), "0");
    let third = ask(&mut client, &order("a3"));
    assert_eq!((third.field(150), third.field(58).contains("open orders")), ("8", true), "{third}");
    let refused: Vec<_> = (4..20).map(|n| ask(&mut client, &order(&format!("a{n}")))).collect();
    let throttled = refused.iter().filter(|report| report.field(58).contains("messages")).count();
    assert!(throttled > 5, "{throttled} of 16 at once were over the rate: {}", refused[15]);
    let mut other = line(&node, "BETA1");
    let sell = "35=D|11=b1|55=ACME|54=2|38=1|40=2|44=11.00";
    assert_eq!(ask(&mut other, sell).field(150), "0", "limits are of one session");
    assert_eq!(
        ask(&mut other, &format!("{sell}|5001=x").replace("b1", "b2")).kind(),
        "3",
        "no such tag here"
    );
}

#[test]
fn an_order_s_owner_goes_and_its_orders_go_after_the_grace_where_that_was_agreed() {
    let home = Home::new(&CONFIG.replace("cancel_on_disconnect = false", "cancel_on_disconnect = true"));
    let node = home.start(&[]);
    let mut client = line(&node, "ALPHA1");
    let mut stays = line(&node, "BETA1");
    ask(&mut client, "35=D|11=a1|55=ACME|54=1|38=1|40=2|44=10.25|59=0");
    ask(&mut client, "35=D|11=a2|55=ACME|54=1|38=1|40=2|44=10.25|59=1");
    ask(&mut stays, "35=D|11=b1|55=ACME|54=2|38=1|40=2|44=11");
    drop((client, stays));
    let orders = || node.asked(&["show", "orders"])["orders"].as_array().unwrap().clone();
    until("the grace to end", || (orders().len() == 2).then_some(()));
    let left: Vec<_> = orders().iter().map(|order| order["cl_ord_id"].clone()).collect();
    assert_eq!(left, ["a2", "b1"], "what is good till cancelled stays, and what nobody agreed on");
    let mut back = Client::connect(node.fix(), Wire::Line, "ALPHA1").unwrap();
    ask(&mut back, "35=A|553=ALPHA1|554=secret|789=4");
    let gone = back.expect();
    assert_eq!((gone.field(150), gone.field(11), gone.is_again()), ("4", "a1", true), "it is told later");
}

#[test]
fn a_node_whose_directory_and_shared_memory_are_removed_begins_anew() {
    let (home, node) = venue();
    ask(&mut line(&node, "ALPHA1"), "35=D|11=a1|55=ACME|54=1|38=1|40=2|44=10.25");
    node.kill();
    fs::remove_dir_all(home.data()).unwrap();
    fs::remove_dir_all(home.shm().join(format!("rialto-{}-n1-1", home.cluster))).unwrap();
    let node = home.start(&[]);
    let row = node.status(&[]);
    assert_eq!((&row["epoch"], &row["orders_open"]), (&1.into(), &0.into()));
}

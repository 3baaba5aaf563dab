//! An operator's verbs and lists: what they reach, when they answer, what is kept of who asked and why.

use std::os::unix::net::UnixListener;

use serde_json::Value;

use crate::client::Client;
use crate::node::{Home, Node, rialto, told, until};
use crate::{CONFIG, ask, line, venue};

/// Enters an order whose id begins with its kind; whatever else comes before its answer is left aside.
fn enter(client: &mut Client, id: &str, order: &str) {
    client.send(&format!("35=D|11={id}|{order}|38=1|40=2"), 0, false).unwrap();
    let mut report = client.expect();
    while report.field(11) != id {
        report = client.expect();
    }
    assert_eq!(report.field(150), "0", "{report}");
}

fn open_orders(node: &Node) -> Vec<String> {
    let orders = node.asked(&["show", "orders"]);
    let names = orders["orders"].as_array().unwrap().iter();
    names.map(|row| row["cl_ord_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn cancel_all_reaches_what_it_names_and_nothing_else() {
    let (_home, node) = venue();
    node.asked(&["instrument", "add", "ZINC", "--tick", "0.5", "--currency", "USD"]);
    let (mut alpha, mut beta) = (line(&node, "ALPHA1"), line(&node, "BETA1"));
    let mut round = 0;
    let mut check = |scope: &[&str], left: &[&str]| {
        round += 1;
        enter(&mut alpha, &format!("a{round}"), "55=ACME|54=1|44=1");
        enter(&mut alpha, &format!("z{round}"), "55=ZINC|54=1|44=1");
        enter(&mut beta, &format!("b{round}"), "55=ACME|54=2|44=9");
        node.asked(&[&["cancel-all"], scope].concat());
        let left: Vec<String> = left.iter().map(|name| format!("{name}{round}")).collect();
        assert_eq!(open_orders(&node), left, "{scope:?}");
        node.asked(&["cancel-all"]);
        assert_eq!(open_orders(&node), [""; 0]);
    };
    check(&["--session", "ALPHA1"], &["b"]);
    check(&["--account", "B1"], &["a", "z"]);
    check(&["--symbol", "ACME"], &["z"]);
    check(&[], &[]);
}

#[test]
fn an_operation_is_answered_once_it_is_released_and_lists_are_no_older() {
    let (home, node) = venue();
    for number in 0..20 {
        let done = node.asked(&["deposit", "A1", "USD", "1", "--id", &format!("x{number}")]);
        let released = node.status(&[])["cursors"]["released"].as_u64();
        assert!(released >= done["seq"].as_u64(), "{done} and released {released:?}");
        let list = node.asked(&["show", "accounts"]);
        assert!(list["seq"].as_u64() >= done["seq"].as_u64(), "{done} and then {list}");
    }
    let released = node.status(&[])["cursors"]["released"].as_u64();
    node.kill();
    let node = home.start(&[]);
    let list = node.asked(&["show", "accounts"]);
    assert!(list["seq"].as_u64() >= released, "right behind the ready line: {list}");
    assert_eq!(list["accounts"][0]["assets"][0]["total"], "1000020");
}

#[test]
fn the_journal_keeps_who_asked_and_why() {
    let (home, node) = venue();
    node.asked(&["--why", "a fire drill", "halt", "ACME"]);
    let data = home.data().display().to_string();
    let rows = || -> Vec<Value> {
        let (code, stdout, stderr) = told(&rialto(&["journal", "dump", &data]));
        assert_eq!(code, Some(0), "{stderr}");
        stdout.lines().map(|row| serde_json::from_str(row).unwrap()).collect()
    };
    let halt = until("the record", || rows().into_iter().find(|row| row["fields"]["state"] == "halted"));
    let fields = &halt["fields"];
    assert_eq!(
        (&halt["type"], &fields["symbol"], &halt["session"]),
        (&"market".into(), &"ACME".into(), &Value::Null)
    );
    assert_eq!(fields["uid"], rustix::process::getuid().as_raw());
    assert!(fields["pid"].is_u64() && fields["why"] == "a fire drill", "{halt}");
}

#[test]
fn an_answer_that_never_came_is_unknown_and_exits_4() {
    let home = Home::new(CONFIG);
    std::fs::create_dir(home.data()).unwrap();
    let socket = UnixListener::bind(home.data().join("admin.sock")).unwrap();
    let deaf = std::thread::spawn(move || drop(socket.accept().unwrap()));
    let data = home.data().display().to_string();
    let deposit = ["admin", "--data", &data, "deposit", "A1", "USD", "1", "--id", "x", "--json"];
    let (code, stdout, stderr) = told(&rialto(&deposit));
    deaf.join().unwrap();
    assert_eq!((code, stdout.as_str()), (Some(4), ""), "{stderr}");
    assert!(stderr.contains("ask again with the same id"), "{stderr}");
}

#[test]
fn an_operator_stops_order_entry_of_a_part_and_frees_it_again() {
    let (_home, node) = venue();
    let mut client = line(&node, "ALPHA1");
    enter(&mut client, "a1", "55=ACME|54=1|44=1");
    node.asked(&["kill", "--account", "A1"]);
    assert_eq!(client.expect().field(150), "4", "its open orders are cancelled");
    let refused = ask(&mut client, "35=D|11=a2|55=ACME|54=1|38=1|40=2|44=1");
    assert_eq!(refused.field(150), "8", "{refused}");
    node.asked(&["kill", "--account", "A1", "--off"]);
    enter(&mut client, "a3", "55=ACME|54=1|44=1");
}

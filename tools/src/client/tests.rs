//! The whole client against a scripted node on loopback: each connection is a list of lines that have to come and
//! lines that are answered.
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::failure::code_of;

/// What a node does on one connection, in order.
enum Act {
    /// This line has to come.
    Hear(&'static str),
    /// This line is sent.
    Say(&'static str),
}

use Act::{Hear, Say};

/// A node that plays one script for each connection, in order, closes each at its end, and then is gone.
struct Node {
    address: String,
    thread: JoinHandle<()>,
}

fn node(scripts: Vec<Vec<Act>>) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        for script in scripts {
            let (stream, _) = listener.accept().unwrap();
            play(&stream, script);
        }
    });
    Node { address, thread }
}

fn play(mut stream: &TcpStream, script: Vec<Act>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for act in script {
        match act {
            Hear(expected) => assert_eq!(lines.next().map(Result::unwrap).as_deref(), Some(expected)),
            Say(line) => stream.write_all(format!("{line}\r\n").as_bytes()).unwrap(),
        }
    }
}

/// Runs a client as from a pipe: what it wrote, and its exit code.
fn client(nodes: &[&str], typed: &[&str], raw: bool) -> (String, u8) {
    client_within(Duration::from_secs(5), nodes, typed, raw)
}

fn client_within(wait: Duration, nodes: &[&str], typed: &[&str], raw: bool) -> (String, u8) {
    let nodes = nodes.iter().map(|node| node.parse().unwrap()).collect();
    let settings = Settings { nodes, raw, wait, interactive: false };
    let (sender, input) = bounded(typed.len());
    for line in typed {
        sender.send((*line).to_owned()).unwrap();
    }
    drop(sender);
    let mut screen = Pipe(Vec::new());
    let session = Session::new("ALPHA1", "secret", "c");
    let result = Driver { settings, session, screen: &mut screen }.run(&input);
    let code = result.as_ref().map_or_else(|error| code_of(error).number(), |()| 0);
    (String::from_utf8(screen.0).unwrap(), code)
}

const LOG_ON: Act = Hear("35=A|553=ALPHA1|554=secret");
const LOG_OUT: Act = Hear("35=5");
const BUY: Act = Hear("35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25");
const NEW: &str =
    "35=8|34=8|37=1|11=a1|17=1|150=0|39=0|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|59=0|151=100|14=0|6=0";
const TYPED: &str = "buy 100 ACME @ 10.25 id a1";
const TOLD: &str = "a1: new, buy 100 ACME @ 10.25, order 1\n";

#[test]
fn each_line_of_a_pipe_is_answered_before_the_next_is_sent() {
    let node = node(vec![vec![
        LOG_ON,
        Say("35=A|34=7|58=n1 epoch 3"),
        BUY,
        Say(NEW),
        Say(
            "35=8|34=9|37=1|11=a1|17=2|150=F|39=1|55=ACME|54=1|38=100|44=10.25|151=40|14=60|32=60|31=10.2|527=5",
        ),
        Hear("35=F|11=c-1|41=a1|55=ACME|54=1|38=100"),
        Say("35=8|34=10|37=1|11=c-1|41=a1|17=3|150=4|39=4|55=ACME|54=1|38=100|151=0|14=60"),
        LOG_OUT,
        Say("35=5|34=11"),
    ]]);
    let (text, code) = client(&[&node.address], &[TYPED, "# a remark", "cancel a1", "quit"], false);
    node.thread.join().unwrap();
    let fill = "a1: bought 60 ACME @ 10.2, trade 5, 40 open\n";
    assert_eq!((text.as_str(), code), (&*format!("{TOLD}{fill}c-1: canceled, order 1\n"), 0));
}

#[test]
fn a_refused_line_is_an_answered_line() {
    let node = node(vec![vec![
        LOG_ON,
        Say("35=A|34=7|58=n1 epoch 3"),
        BUY,
        Say("35=8|34=8|37=NONE|11=a1|17=2|150=8|39=8|103=1|58=no instrument ACME"),
        LOG_OUT,
    ]]);
    let (text, code) = client(&[&node.address], &[TYPED, "nonsense"], false);
    node.thread.join().unwrap();
    let expected = "a1: refused: no instrument ACME\n? nonsense is not understood; type help\n";
    assert_eq!((text.as_str(), code), (expected, 0));
}

#[test]
fn an_order_of_an_earlier_run_is_looked_up_before_it_is_cancelled() {
    let node = node(vec![vec![
        LOG_ON,
        Say("35=A|34=7|58=n1 epoch 3"),
        Hear("35=AF|584=c-1|585=7"),
        Say(
            "35=8|34=8|37=4|11=x9|17=0|150=I|39=0|55=ACME|54=2|38=5|40=2|44=11|151=5|14=0|584=c-1|911=1|912=Y",
        ),
        Hear("35=F|11=c-2|41=x9|55=ACME|54=2|38=5"),
        Say("35=8|34=9|37=4|11=c-2|41=x9|17=3|150=4|39=4|55=ACME|54=2|38=5|151=0|14=0"),
        Hear("35=AF|584=c-3|585=7"),
        Say("35=8|34=10|37=NONE|17=0|150=I|39=8|584=c-3|911=0|912=Y|58=no open orders"),
        LOG_OUT,
    ]]);
    let (text, code) = client(&[&node.address], &["cancel x9", "cancel x9"], false);
    node.thread.join().unwrap();
    let expected = "x9: sell 5 ACME @ 11, 5 open, order 4\nc-2: canceled, order 4\n\
                    no such order: no open orders\nno open order x9 in this session\n";
    assert_eq!((text.as_str(), code), (expected, 0));
}

#[test]
fn the_client_follows_a_standby_to_the_primary() {
    let primary = node(vec![vec![LOG_ON, Say("35=A|34=7|58=n2 epoch 3"), BUY, Say(NEW), LOG_OUT]]);
    let words: &'static str = format!("! not primary; primary is {}", primary.address).leak();
    let standby = node(vec![vec![LOG_ON, Say(words)]]);
    let (text, code) = client(&[&standby.address], &[TYPED], false);
    primary.thread.join().unwrap();
    standby.thread.join().unwrap();
    assert_eq!((text.as_str(), code), (TOLD, 0));
}

#[test]
fn a_lost_connection_is_resumed_and_what_had_no_answer_counts_once() {
    let node = node(vec![
        vec![LOG_ON, Say("35=A|34=7|58=n1 epoch 3"), BUY],
        vec![
            Hear("35=A|553=ALPHA1|554=secret|789=8"),
            Say("35=A|34=9|58=n1 epoch 4"),
            Say("35=8|34=8|43=Y|37=1|11=a1|17=1|150=0|39=0|55=ACME|54=1|38=100|40=2|44=10.25|151=100|14=0"),
            Hear("35=D|43=Y|11=a1|55=ACME|54=1|38=100|40=2|44=10.25"),
            Say("35=8|34=8|43=Y|37=1|11=a1|17=1|150=0|39=0|55=ACME|54=1|38=100|40=2|44=10.25|151=100|14=0"),
            Hear("35=V|262=c-1|263=0|264=10|267=2|269=0|269=1|146=1|55=ACME"),
            Say("35=W|262=c-1|55=ACME|268=0"),
            LOG_OUT,
        ],
    ]);
    let (text, code) = client(&[&node.address], &[TYPED, "book ACME"], false);
    node.thread.join().unwrap();
    let told = TOLD.trim_end();
    let book = format!("book ACME\n{}\n", "-".repeat(30));
    assert_eq!((text.as_str(), code), (&*format!("{told} (sent again)\n{book}"), 0));
}

#[test]
fn a_new_epoch_on_another_node_is_found_in_the_list() {
    // The old node has heard the second line when it loses its lease, or the client might send it to either.
    let old = node(vec![vec![
        LOG_ON,
        Say("35=A|34=7|58=n1 epoch 3"),
        BUY,
        Say(NEW),
        Hear("35=D|11=a2|55=ACME|54=1|38=1|40=1"),
        Say("! no lease"),
    ]]);
    let new = node(vec![vec![
        Hear("35=A|553=ALPHA1|554=secret|789=9"),
        Say("35=A|34=9|58=n2 epoch 4"),
        Hear("35=D|43=Y|11=a2|55=ACME|54=1|38=1|40=1"),
        Say("35=8|34=10|37=2|11=a2|17=9|150=8|39=8|58=no offers"),
        LOG_OUT,
    ]]);
    let (text, code) = client(&[&old.address, &new.address], &[TYPED, "buy 1 ACME id a2"], false);
    old.thread.join().unwrap();
    new.thread.join().unwrap();
    assert_eq!((text.as_str(), code), (&*format!("{TOLD}a2: refused: no offers\n"), 0));
}

#[test]
fn raw_lines_go_as_they_are_and_replies_come_as_they_are() {
    let node = node(vec![vec![
        LOG_ON,
        Say("35=A|34=7|58=n1 epoch 3"),
        Hear("hello"),
        Hear("35=1|112=c-1"),
        Say("35=3|34=8|45=2|58=not a field: hello"),
        Say("35=0|34=9|112=c-1"),
        Hear("35=D|11=a1|55=ACME|54=1|38=1|40=1"),
        Say("35=8|34=10|11=a1|150=8|39=8"),
        LOG_OUT,
    ]]);
    let (text, code) = client(&[&node.address], &["hello", "35=D|11=a1|55=ACME|54=1|38=1|40=1"], true);
    node.thread.join().unwrap();
    let expected = "35=A|34=7|58=n1 epoch 3\n35=3|34=8|45=2|58=not a field: hello\n35=0|34=9|112=c-1\n\
                    35=8|34=10|11=a1|150=8|39=8\n";
    assert_eq!((text.as_str(), code), (expected, 0));
}

#[test]
fn a_line_without_an_answer_exits_4() {
    let node = node(vec![vec![LOG_ON, Say("35=A|34=7|58=n1 epoch 3"), BUY, Hear("the client leaves")]]);
    let (text, code) = client_within(Duration::from_millis(200), &[&node.address], &[TYPED], false);
    assert!(node.thread.join().is_err(), "nothing more came");
    assert_eq!((text.as_str(), code), ("", 4));
}

#[test]
fn nobody_reached_exits_4() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (text, code) = client_within(Duration::from_millis(200), &[&gone], &[TYPED], false);
    assert_eq!((text.as_str(), code), ("", 4));
}

#[test]
fn a_wait_is_a_number_and_a_unit() {
    assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
    assert!(duration("5").is_err() && duration("s").is_err() && duration("-1s").is_err());
}

//! Who is not of the cluster: another key, another cluster's name, another cluster's journal, and anybody's bytes.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::CONFIG;
use crate::caller::Caller;
use crate::cluster::{Cluster, write_key};
use crate::node::{Home, Node, until};

const SOME: usize = 200;
/// How long a node that does not belong is watched.
const WATCH: Duration = Duration::from_secs(2);

/// Two nodes in sync and a third that is not let in; the first goes on undisturbed.
fn check_outsider(home: &Home, cluster: &Cluster, nodes: &[Node]) {
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    let deadline = Instant::now() + WATCH;
    while Instant::now() < deadline {
        caller.place(SOME);
        let row = nodes[0].status(&[]);
        assert_eq!(row["in_sync"], serde_json::json!(["n1", "n2"]), "{row}");
        assert_eq!(row["policy_met"], true, "{row}");
    }
    caller.check(&nodes[0]);
    caller.check_whole();
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
    assert!(home.folder().exists());
}

/// The third is served as it is configured now, and is not let in.
fn check_learns_nothing(home: &Home, cluster: &Cluster, nodes: &[Node]) {
    let mut stranger = cluster.serve(2).stderr(std::process::Stdio::null()).spawn().unwrap();
    check_outsider(home, cluster, nodes);
    assert!(!cluster.places[2].data.join("node.meta").exists(), "it does not even know the cluster's id");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// Two nodes of three that run.
fn two_of_three(home: &Home) -> (Cluster, Vec<Node>) {
    let cluster = Cluster::new(home, 3, "disk+ram");
    let nodes = vec![cluster.start(0), cluster.start(1)];
    cluster.wait_in_sync(&["n1", "n2"]);
    (cluster, nodes)
}

#[test]
fn a_node_with_another_key_learns_nothing_and_is_not_let_in() {
    let home = Home::new(CONFIG);
    let (cluster, nodes) = two_of_three(&home);
    let config = fs::read_to_string(&cluster.places[2].config).unwrap();
    let key = home.folder().join("other-key");
    write_key(&key, "77aa");
    let words = format!("key_file = \"{}\"", home.folder().join("key").display());
    fs::write(
        &cluster.places[2].config,
        config.replace(&words, &format!("key_file = \"{}\"", key.display())),
    )
    .unwrap();
    check_learns_nothing(&home, &cluster, &nodes);
}

#[test]
fn a_node_of_another_clusters_name_is_not_let_in() {
    let home = Home::new(CONFIG);
    let (cluster, nodes) = two_of_three(&home);
    let config = fs::read_to_string(&cluster.places[2].config).unwrap();
    let name = format!("cluster = \"{}\"", home.cluster);
    assert!(config.contains(&name));
    fs::write(&cluster.places[2].config, config.replace(&name, "cluster = \"other\"")).unwrap();
    check_learns_nothing(&home, &cluster, &nodes);
}

#[test]
fn a_node_with_another_clusters_journal_is_not_let_in_and_keeps_it() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 3, "disk+ram");
    // It founds a cluster of its own, under the same name and with the same key.
    let mut alone = std::process::Command::new(env!("CARGO_BIN_EXE_rialto"));
    let place = &cluster.places[2];
    alone.arg("serve").arg("--config").arg(&place.config).arg("--data").arg(&place.data);
    alone.arg("--shm-dir").arg(&place.shm).arg("--accept-volatile");
    let founded = cluster.launch(2, alone);
    cluster.wait_role(2, "primary");
    assert!(founded.terminate().0.success());
    let before = fs::read(place.data.join("commands").join(first_segment(&place.data))).unwrap();
    let nodes = vec![cluster.start(0), cluster.start(1)];
    cluster.wait_in_sync(&["n1", "n2"]);
    let stranger = cluster.start(2);
    check_outsider(&home, &cluster, &nodes);
    drop(stranger);
    let after = fs::read(place.data.join("commands").join(first_segment(&place.data))).unwrap();
    assert!(before == after, "its journal is as it was");
}

fn first_segment(data: &std::path::Path) -> String {
    let entries = fs::read_dir(data.join("commands")).unwrap().flatten();
    entries.map(|entry| entry.file_name().display().to_string()).min().expect("a segment")
}

#[test]
fn a_stranger_on_the_replication_port_gets_nothing_and_costs_nothing() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    let address = &cluster.places[0].replication;
    let greetings: [&[u8]; 4] = [b"", b"GET / HTTP/1.1\r\n\r\n", &[0; 4096], &[0xff; 128]];
    let connect = |index: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        // It may be gone before it is greeted.
        stream.write_all(greetings[index % greetings.len()]).ok();
        stream
    };
    let mut strangers: Vec<TcpStream> = (0..200).map(connect).collect();
    caller.place(SOME);
    let began = Instant::now();
    for stream in &mut strangers {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut told = Vec::new();
        match stream.take(1 << 16).read_to_end(&mut told) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is not closed"),
        }
        assert!(told.len() <= 64, "{} bytes were told to a stranger", told.len());
        assert!(!told.windows(2).any(|two| two == b"n1"), "its name was told");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    caller.place(SOME);
    let row = nodes[0].status(&[]);
    assert_eq!(row["policy_met"], true, "{row}");
    // A standby that was away gets in beside them.
    let mut nodes = nodes;
    let _crowd: Vec<TcpStream> = (0..200).map(connect).collect();
    nodes.remove(1).kill();
    let standby = cluster.start(1);
    until("the policy to be met", || (nodes[0].status(&[])["policy_met"] == true).then_some(()));
    caller.place(SOME);
    caller.check(&nodes[0]);
    caller.check_whole();
    drop(standby);
}

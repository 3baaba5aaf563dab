//! Which copies count after a restart: nobody leads who may lack what another node holds.

use std::io::ErrorKind;
use std::time::Duration;

use crate::CONFIG;
use crate::caller::Caller;
use crate::cluster::Cluster;
use crate::kill::under_load;
use crate::node::{Home, until};

const SOME: usize = 300;

#[test]
fn a_primary_that_starts_again_waits_for_who_was_in_sync_with_it() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes.drain(..).rev().for_each(crate::node::Node::kill);
    let first = cluster.start(0);
    until("it to say for whom it waits", || {
        first.log().contains(r#"{"ready":false,"waiting_for":["n2"]}"#).then_some(())
    });
    assert_eq!(cluster.wait_role(0, "starting")["node"], "n1");
    let refused = caller.log_on(0).unwrap_err();
    assert_eq!((refused.kind(), refused.to_string()), (ErrorKind::ConnectionRefused, "starting".to_owned()));
    let second = cluster.start(1);
    cluster.wait_in_sync(&["n1", "n2"]);
    let row = cluster.wait_role(0, "primary");
    assert_eq!(row["epoch"], 2, "every start as primary is a new epoch");
    caller.place(SOME);
    caller.check(&first);
    caller.check_whole();
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
    drop(second);
}

#[test]
fn a_power_cut_of_the_primary_under_ram_does_not_roll_the_standby_back() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    for _ in 0..3 {
        let leads = cluster.primary().unwrap();
        let killed = nodes.remove(leads);
        let began = under_load(&mut caller, || {
            killed.kill();
            cluster.lose_memory(leads);
            cluster.start(leads)
        });
        nodes.insert(leads, began);
        cluster.wait_in_sync(&["n1", "n2"]);
        let leads = cluster.primary().unwrap();
        caller.place(SOME);
        caller.check(&nodes[leads]);
        caller.check_whole();
        assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
    }
}

#[test]
fn row_15_after_all_lost_their_power_under_disk_ram_the_last_primary_leads_and_no_other() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes.drain(..).for_each(crate::node::Node::kill);
    (0..2).for_each(|index| cluster.lose_memory(index));
    let second = cluster.start(1);
    let (code, refused) = cluster.promote("n2", &[]);
    assert_eq!((code, &refused["refused"]["check"]), (Some(3), &"boot".into()), "{refused}");
    assert_eq!(caller.log_on(1).unwrap_err().to_string(), "starting");
    let first = cluster.start(0);
    cluster.wait_in_sync(&["n1", "n2"]);
    cluster.wait_role(0, "primary");
    caller.place(SOME);
    caller.check(&first);
    caller.check_whole();
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
    drop(second);
}

#[test]
fn row_15_after_all_lost_their_power_under_ram_a_person_decides() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes.drain(..).for_each(crate::node::Node::kill);
    (0..2).for_each(|index| cluster.lose_memory(index));
    nodes.extend((0..2).map(|index| cluster.start(index)));
    std::thread::sleep(Duration::from_secs(1));
    for index in 0..2 {
        assert_eq!(cluster.status(&[])[index]["role"], "starting");
        let (code, refused) = cluster.promote(["n1", "n2"][index], &[]);
        assert_eq!((code, &refused["promoted"]), (Some(3), &serde_json::Value::Null), "{refused}");
    }
    let done = cluster.lead(0, &["--force", "--accept-loss"]);
    let report = done["possible_loss"]["report"].as_str().expect("a report");
    assert!(std::fs::read_to_string(report).unwrap().contains("--accept-loss"));
    cluster.wait_in_sync(&["n1", "n2"]);
    let mut other = Caller::new(cluster.addresses(), "ALPHA2");
    other.place(SOME);
    other.check(&nodes[0]);
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
}

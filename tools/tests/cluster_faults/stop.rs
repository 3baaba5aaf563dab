//! Processes that are stopped and go on later, as a paused machine does.

use std::time::Duration;

use rustix::process::Signal;

use crate::CONFIG;
use crate::caller::Caller;
use crate::cluster::Cluster;
use crate::node::{Home, until};

const SOME: usize = 300;

#[test]
fn a_stopped_standby_stalls_the_primary_until_it_goes_on() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes[1].signal(Signal::STOP);
    caller.ask().unwrap();
    assert!(!caller.listen(Duration::from_millis(500)).unwrap(), "nothing is released");
    until("the policy to be unmet", || (nodes[0].status(&[])["policy_met"] == false).then_some(()));
    nodes[1].signal(Signal::CONT);
    caller.place(SOME);
    cluster.wait_in_sync(&["n1", "n2"]);
    caller.check(&nodes[0]);
    caller.check_whole();
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
}

#[test]
fn row_7_a_primary_that_was_stopped_while_another_took_the_lead_releases_nothing() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "ram");
    let nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes[0].signal(Signal::STOP);
    // Its clients do not know: what they ask for waits in its sockets.
    for _ in 0..8 {
        caller.ask().unwrap();
    }
    cluster.lead(1, &[]);
    nodes[0].signal(Signal::CONT);
    caller.drain();
    assert_eq!(caller.waiting(), 8, "nothing was acknowledged in the old epoch");
    cluster.wait_role(0, "standby");
    cluster.wait_in_sync(&["n1", "n2"]);
    caller.place(SOME);
    caller.check(&nodes[1]);
    caller.check_whole();
    assert_eq!(cluster.equal_journals(0, 1)["equal"], true);
}

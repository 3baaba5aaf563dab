//! The ack policy, changed while the cluster runs.

use crate::CONFIG;
use crate::caller::Caller;
use crate::cluster::Cluster;
use crate::node::{Home, told};

const SOME: usize = 200;

#[test]
fn the_policy_is_changed_while_all_runs() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk+ram");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    for policy in ["ram", "disk", "disk+disk", "async", "disk+ram"] {
        let changed = nodes[0].asked(&["policy", policy]);
        assert!(changed["seq"].as_u64().is_some(), "{changed}");
        assert_eq!(nodes[0].status(&[])["ack"], policy);
        caller.place(SOME);
        let row = nodes[0].status(&[]);
        assert_eq!((&row["ack"], &row["policy_met"]), (&policy.into(), &true.into()), "{row}");
    }
    let (code, stdout, stderr) = told(&nodes[1].admin(&["policy", "async"]));
    assert_eq!(code, Some(1), "a standby sets no policy: {stdout}{stderr}");
    assert!(stderr.contains("not primary"), "{stderr}");
    // It holds over a change of the primary.
    nodes[0].asked(&["policy", "disk+disk"]);
    nodes.remove(0).kill();
    cluster.lead(1, &[]);
    assert_eq!(cluster.wait_role(1, "primary")["ack"], "disk+disk");
    caller.place(SOME);
    caller.check(&nodes[0]);
    caller.check_whole();
}

#[test]
fn a_policy_that_asks_no_standby_goes_on_without_one() {
    let home = Home::new(CONFIG);
    let cluster = Cluster::new(&home, 2, "disk");
    let mut nodes = cluster.start_all();
    let mut caller = Caller::new(cluster.addresses(), "ALPHA1");
    caller.place(SOME);
    nodes.remove(1).kill();
    caller.place(SOME);
    assert_eq!(nodes[0].status(&[])["policy_met"], true);
    caller.check(&nodes[0]);
}

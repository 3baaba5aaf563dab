//! Starts that are refused: each names what is wrong, and leaves everything as it was.

use std::fs;

use crate::node::{Home, told};
use crate::{CONFIG, Rounds};

pub(crate) fn second_process(_: &Rounds) {
    let home = Home::new(CONFIG);
    let node = home.start(&[]);
    let (code, stdout, stderr) = told(&home.serve(&[]).output().unwrap());
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    assert!(stderr.contains(&node.pid().to_string()), "names the process that runs: {stderr}");
    assert_eq!(node.status(&[])["role"], "primary", "it is not disturbed");
    node.kill();
    let (status, _) = home.start(&[]).terminate();
    assert!(status.success(), "a dead process's lock holds nobody up");
}

pub(crate) fn another_cluster(_: &Rounds) {
    let home = Home::new(CONFIG);
    home.start(&[]).terminate();
    fs::write(home.config(), CONFIG.replace("CLUSTER", "elsewhere")).unwrap();
    let (code, _, stderr) = told(&home.serve(&[]).output().unwrap());
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("elsewhere") && stderr.contains(&home.cluster), "names both: {stderr}");
    fs::write(home.config(), CONFIG.replace("CLUSTER", &home.cluster)).unwrap();
    let (code, _, stderr) = told(&home.serve(&["--name", "n9"]).output().unwrap());
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("n9") && stderr.contains("n1"), "names both: {stderr}");
    home.start(&[]);
}

pub(crate) fn disk_on_memory(_: &Rounds) {
    let home = Home::new(CONFIG);
    let memory = tempfile::tempdir_in(home.shm()).unwrap();
    let data = memory.path().join("n1");
    let mut serve = home.serve_in(&data);
    let (code, stdout, stderr) = told(&serve.args(["--ack", "disk"]).output().unwrap());
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    assert!(
        stderr.contains("tmpfs") && stderr.contains("--accept-volatile"),
        "says why and what to do: {stderr}"
    );
    for flags in [["--ack", "async"].as_slice(), &["--ack", "disk", "--accept-volatile"]] {
        let mut serve = home.serve_in(&data);
        serve.args(flags);
        let node = home.launch(serve, &data);
        assert_eq!(node.status(&[])["ack"], flags[1]);
        assert!(node.terminate().0.success());
    }
}

pub(crate) fn wrong_configuration(_: &Rounds) {
    let home = Home::new(&format!("colour = \"red\"\n{CONFIG}"));
    let (code, stdout, stderr) = told(&home.serve(&[]).output().unwrap());
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(stderr.contains("rialto.toml") && stderr.contains("colour"), "names file and key: {stderr}");
    assert!(!home.data().exists(), "nothing is begun");
    fs::write(home.config(), CONFIG.replace("0.05", "-0.05")).unwrap();
    let (code, _, stderr) = told(&home.serve(&[]).output().unwrap());
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("tick = \"-0.05\""), "names key and value: {stderr}");
}

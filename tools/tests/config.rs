//! `rialto config check` and the command line's exit codes, on the real binary.
use std::path::Path;
use std::process::{Command, Output};

fn rialto(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rialto")).args(arguments).output().expect("rialto runs")
}

fn example() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/example.toml").display().to_string()
}

#[test]
fn a_right_file_exits_0_and_json_is_one_object() {
    let output = rialto(&["config", "check", &example(), "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["ok"], true);
    assert_eq!(object["ack"], "disk");
    assert_eq!(object["sessions"], 3);
}

#[test]
fn a_wrong_file_exits_2_and_names_file_key_and_value_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "node = { ack = \"fast\" }\n").unwrap();
    let output = rialto(&["config", "check", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    let expected = "wrong.toml: node.ack = \"fast\": one of async, disk, ram, disk+ram, disk+disk\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_missing_file_or_an_unknown_word_exits_2() {
    assert_eq!(rialto(&["config", "check", "nowhere.toml"]).status.code(), Some(2));
    assert_eq!(rialto(&["trade"]).status.code(), Some(2));
    assert_eq!(rialto(&[]).status.code(), Some(2));
}

#[test]
fn version_names_version_and_commit() {
    let output = rialto(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(concat!("rialto ", env!("CARGO_PKG_VERSION"), " (commit ")), "{text}");
}

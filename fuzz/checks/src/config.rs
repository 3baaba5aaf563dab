//! Any text as a configuration file.
//!
//! Promised: it is taken, or refused in one line that names the file and the line, or the key and its value; no password
//! is ever part of the answer; and what is taken makes an exchange that accepts every operation of it.

use rialto_engine::stage::Stage;
use rialto_tools::config::{Config, Overrides};

/// A password that no other part of a file would be; longer than what is around it.
const PASSWORD: &str = "hunter-2-hunter";
const FILE: &str = "any.toml";

/// Reads the text.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A file that the text names is looked at; none of this machine's is to decide what is found.
    if text.contains("key_file") {
        return;
    }
    match Config::parse(FILE, text, &Overrides::default()) {
        Ok(config) => {
            let operations = config.reference.operations();
            let mut stage = Stage::new();
            for operation in operations {
                let words = format!("{operation:?}");
                if let Err(why) = stage.operate(operation) {
                    panic!("the exchange refuses {words} of a file that was taken: {why}");
                }
            }
            assert_eq!(stage.exchange.conserve(), Ok(()));
        }
        Err(error) => check_words(text, &error.to_string()),
    }
}

fn check_words(text: &str, words: &str) {
    let rest = words.strip_prefix("any.toml: ").unwrap_or_else(|| panic!("it names its file: {words}"));
    assert!(!words.contains(['\n', '\r']), "it is one line: {words:?}");
    let names_line = rest
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(": "))
        .is_some_and(|(line, why)| line.parse::<usize>().is_ok_and(|line| line >= 1) && !why.is_empty());
    let names_key = rest.split_once(" = ").is_some_and(|(key, rest)| !key.is_empty() && rest.contains(": "));
    assert!(names_line || names_key, "it names a line, or key and value: {words}");
    let is_password = |(at, _): (usize, &str)| text[..at].ends_with("password = \"");
    let is_secret = text.contains(PASSWORD) && text.match_indices(PASSWORD).all(is_password);
    assert!(!is_secret || !words.contains(PASSWORD), "a password is told: {words}");
}

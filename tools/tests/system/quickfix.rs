//! Two members whose FIX engine is a stock one, in a process of its own: they know all nodes and follow the primary
//! without any help, and `quickfix/failover.py` holds what they believe against what the primary says.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;

use crate::stock;

/// Longer than several of the script's own waits.
const PATIENCE: Duration = Duration::from_mins(3);

/// Sessions and instrument of these members.
pub(crate) const NAMES: [&str; 3] = ["GAMMA1", "GAMMA2", "QUARTZ"];

/// What a configuration needs for them: an instrument and a currency that nobody else has.
const ROWS: [(&str, &str); 6] = [
    ("currency", r#"{ code = "EUR", decimals = 8 }"#),
    (
        "instrument",
        r#"{ symbol = "QUARTZ", tick = "0.01", lot = "1", currency = "EUR", maker_fee_ppm = 10, taker_fee_ppm = 50, replace = "keep-on-decrease" }"#,
    ),
    ("participant", r#"{ name = "GAMMA", kind = "broker", self_trade = "off" }"#),
    ("account", r#"{ name = "G1", participant = "GAMMA" }"#),
    (
        "session",
        r#"{ comp_id = "GAMMA1", participant = "GAMMA", accounts = ["G1"], password = "secret" },
  { comp_id = "GAMMA2", participant = "GAMMA", accounts = ["G1"], password = "secret" }"#,
    ),
    (
        "deposit",
        r#"{ id = "g1", account = "G1", asset = "EUR", amount = "1000000" },
  { id = "g2", account = "G1", asset = "QUARTZ", amount = "1000000" }"#,
    ),
];

/// A configuration with these members.
pub(crate) fn with_members(config: &str) -> String {
    ROWS.iter().fold(config.to_owned(), |config, (list, rows)| {
        let (start, more) = (format!("{list} = ["), format!("{list} = [\n  {rows},\n"));
        assert!(config.contains(&start), "no list {start}");
        config.replacen(&start, &more, 1)
    })
}

/// The two members at work.
#[derive(Debug)]
pub(crate) struct Stock {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Stock {
    /// Members that know these addresses and write into a folder in `home`.
    pub(crate) fn start(home: &Path, seed: u64, addresses: &[String]) -> Self {
        let folder = home.join("quickfix");
        fs::create_dir(&folder).unwrap();
        let mut command = stock::script("failover.py").unwrap_or_else(|why| panic!("{why}"));
        command.arg(env!("CARGO_BIN_EXE_rialto")).arg(folder).arg(seed.to_string()).arg(addresses.join(","));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python runs");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, stdin, lines }
    }

    /// Tells them what to do; what they answer.
    pub(crate) fn told(&mut self, words: &str) -> Value {
        writeln!(self.stdin, "{words}").unwrap_or_else(|why| panic!("{words}: {why}"));
        let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|why| panic!("{words}: {why}"));
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{words}: {line}"));
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer["ok"], true, "stock FIX engine: {}\n{}", text("why"), text("trace"));
        answer
    }

    /// Trades on the primary that they found, then has all answered; for how long each was without an answer.
    pub(crate) fn settle(&mut self) -> String {
        self.told("settle")["gap_ms"].to_string()
    }

    /// Nobody asks for anything now: what they believe is what the node in this directory says.
    pub(crate) fn check(&mut self, data: &Path) -> Value {
        let mut found = self.told(&format!("check {}", data.display()));
        found.as_object_mut().expect("an object").remove("ok");
        found
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

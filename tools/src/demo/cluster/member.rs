//! One node of the demo's cluster: a process of its own, that can be killed and started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::config::HostPort;
use crate::supervisor;

/// How long a supervisor may take to follow its dead node.
const FOLLOW: Duration = Duration::from_secs(2);
/// Between two looks at a process that is about to end.
const LOOK: Duration = Duration::from_millis(2);
/// Lines of a node's last words.
const WORDS: usize = 3;

/// A node.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where its clients connect.
    pub fix: HostPort,
    /// Its directory.
    pub dir: PathBuf,
    arguments: Vec<String>,
    process: Option<Child>,
    /// When it was found dead.
    pub dead_since: Option<Instant>,
}

impl Member {
    /// The node in the directory `dir`, not started yet. `arguments` are what `rialto` gets.
    pub fn new(name: &str, fix: HostPort, (dir, arguments): (PathBuf, Vec<String>)) -> Self {
        Self { name: name.to_owned(), fix, dir, arguments, process: None, dead_since: None }
    }

    /// Starts it. It dies with the thread that calls this.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let log = self.log();
        let log = File::options().create(true).append(true).open(&log);
        let log = log.with_context(|| self.log().display().to_string())?;
        let mut command = Command::new("/proc/self/exe");
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(supervisor::spawn_bound(&mut command).context("cannot start a node")?);
        self.dead_since = None;
        Ok(())
    }

    /// Whether it is there; a death is noted.
    pub fn is_alive(&mut self) -> bool {
        let Some(process) = &mut self.process else { return false };
        if matches!(process.try_wait(), Ok(None)) {
            return true;
        }
        self.process = None;
        self.dead_since = Some(Instant::now());
        false
    }

    /// kill -9 to the node itself, so that its supervisor, if it has one, sees it die.
    pub fn kill(&mut self) {
        let Some(process) = &mut self.process else { return };
        let launched = process.id();
        match node_of(&self.dir, launched) {
            // A node that ended a moment ago.
            Some(node) => kill_process(node, Signal::KILL).unwrap_or_default(),
            None => process.kill().unwrap_or_default(),
        }
    }

    /// Waits until a killed node, and its supervisor, are gone.
    pub fn wait(&mut self) {
        let until = Instant::now() + FOLLOW;
        while self.is_alive() && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap_or_default();
            process.wait().ok();
        }
    }

    /// The last that it wrote.
    pub fn words(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(WORDS).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("; ")
    }

    fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
        self.wait();
    }
}

/// The node that `supervisor` started, as the node says itself; `None`: it has no supervisor, or is not ready.
fn node_of(dir: &Path, supervisor: u32) -> Option<Pid> {
    let text = std::fs::read_to_string(dir.join("endpoints.json")).ok()?;
    let endpoints: Value = serde_json::from_str(&text).ok()?;
    let is_its = endpoints["supervisor"].as_u64() == Some(supervisor.into());
    let pid = endpoints["pid"].as_i64().filter(|_| is_its)?;
    Pid::from_raw(i32::try_from(pid).ok()?)
}

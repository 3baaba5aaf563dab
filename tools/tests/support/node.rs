//! A node as a process of its own, on a temporary directory and shared memory of its own. Nothing outlives the test: the
//! process is killed by its id, the directories are removed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until `look` finds something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Whether all threads of a process are stopped.
fn stands_still(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.flatten().all(|task| {
        fs::read_to_string(task.path().join("status")).is_ok_and(|status| status.contains("State:\tT"))
    })
}

/// Runs `rialto` to its end.
pub(crate) fn rialto(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rialto")).args(arguments).output().expect("rialto runs")
}

/// What a command says of itself: exit code, stdout, stderr.
pub(crate) fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Where a node lives.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    data: PathBuf,
    shm: TempDir,
    /// A name that no other test's cluster has.
    pub(crate) cluster: String,
}

impl Home {
    /// A new home, whose configuration is `config` with `CLUSTER` replaced by its cluster's name.
    pub(crate) fn new(config: &str) -> Self {
        Self::make(config, None)
    }

    /// A new home whose node has its directory in `place`, or beside its configuration.
    pub(crate) fn make(config: &str, place: Option<&Path>) -> Self {
        static HOMES: AtomicU32 = AtomicU32::new(0);
        let cluster = format!("t{}-{}", std::process::id(), HOMES.fetch_add(1, Ordering::Relaxed));
        // Not in /tmp, which may be memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
        let shm = tempfile::Builder::new().prefix("rialto-test-").tempdir_in("/dev/shm").expect("/dev/shm");
        let data = place.unwrap_or(folder.path()).join("n1");
        let home = Self { folder, data, shm, cluster };
        fs::write(home.config(), config.replace("CLUSTER", &home.cluster)).unwrap();
        home
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("rialto.toml")
    }

    /// The node's directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// `SHM_DIR`.
    pub(crate) fn shm(&self) -> &Path {
        self.shm.path()
    }

    /// A `serve` of this home that has not run yet. It may keep a durable policy wherever the test runs.
    pub(crate) fn serve(&self, flags: &[&str]) -> Command {
        let mut command = self.serve_in(&self.data());
        command.arg("--accept-volatile").args(flags);
        command
    }

    /// A `serve` of this home on another directory.
    pub(crate) fn serve_in(&self, data: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.arg("serve").arg("--config").arg(self.config()).arg("--data").arg(data);
        command.arg("--shm-dir").arg(self.shm());
        command
    }

    /// Starts the node and waits until it is ready.
    pub(crate) fn start(&self, flags: &[&str]) -> Node {
        self.launch(self.serve(flags), &self.data())
    }

    /// Where all that is not in memory lies.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a `serve` on `data` and waits until it is ready.
    pub(crate) fn launch(&self, command: Command, data: &Path) -> Node {
        Node::launch(command, data, self.folder.path())
    }
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) data: PathBuf,
    log: PathBuf,
    /// The ready line.
    pub(crate) ready: Value,
}

impl Node {
    /// Runs a `serve` on `data`, its stderr in a file of its own in `logs`, and waits until it is ready.
    pub(crate) fn launch(mut command: Command, data: &Path, logs: &Path) -> Node {
        static STARTS: AtomicU32 = AtomicU32::new(0);
        let log = logs.join(format!("stderr-{}", STARTS.fetch_add(1, Ordering::Relaxed)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().expect("rialto serve runs");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            lines.read_line(&mut line).ok();
            sender.send(line).ok();
        });
        let mut node = Node { child, data: data.to_owned(), ready: Value::Null, log };
        let line = receiver.recv_timeout(PATIENCE).unwrap_or_default();
        let ready = serde_json::from_str(&line);
        node.ready = ready.unwrap_or_else(|_| panic!("not ready: {line:?}, {}", node.log()));
        node
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where clients connect.
    pub(crate) fn fix(&self) -> &str {
        self.ready["fix"].as_str().expect("an address")
    }

    /// What it wrote to stderr.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal to the process that was started.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        if signal == Signal::STOP {
            // Its threads stop one after the other.
            until("it stands still", || stands_still(self.pid()).then_some(()));
        }
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// kill -9 of the process that matches; the one that was started may be its supervisor, which then ends.
    pub(crate) fn kill_matcher(mut self) {
        let pid = self.ready["pid"].as_i64().expect("a process");
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        until("the end of what was started", || self.child.try_wait().unwrap());
    }

    /// SIGTERM; how it ended and how long that took.
    pub(crate) fn terminate(self) -> (ExitStatus, Duration) {
        self.end_by(Signal::TERM)
    }

    /// A signal that it drains at; how it ended and how long that took.
    pub(crate) fn end_by(mut self, signal: Signal) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.signal(signal);
        let status = until("the node's end", || self.child.try_wait().unwrap());
        (status, began.elapsed())
    }

    /// `rialto admin` on this node.
    pub(crate) fn admin(&self, words: &[&str]) -> Output {
        let data = self.data.display().to_string();
        rialto(&[&["admin", "--data", &data, "--json"], words].concat())
    }

    /// An `admin` command's object; panics unless it exits 0.
    pub(crate) fn asked(&self, words: &[&str]) -> Value {
        let output = self.admin(words);
        let (code, stdout, stderr) = told(&output);
        assert_eq!(code, Some(0), "admin {words:?}: {stderr}");
        serde_json::from_str(&stdout).expect("one JSON object")
    }

    /// This node's row of `rialto status`.
    pub(crate) fn status(&self, flags: &[&str]) -> Value {
        let data = self.data.display().to_string();
        let (code, stdout, stderr) = told(&rialto(&[&["status", "--data", &data, "--json"], flags].concat()));
        assert_eq!(code, Some(0), "{stderr}");
        let object: Value = serde_json::from_str(&stdout).expect("one JSON object");
        object["nodes"][0].clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

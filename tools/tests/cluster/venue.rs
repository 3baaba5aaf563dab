//! Several nodes as processes of their own, on directories and shared memory of their own, all of it gone with the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `look` finds something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A cluster's nodes, running or not.
pub(crate) struct Venue {
    folder: TempDir,
    shm: TempDir,
    /// The cluster's name.
    pub(crate) name: String,
    /// FIX addresses, n1's first.
    pub(crate) fix: Vec<String>,
    replication: Vec<String>,
    nodes: Vec<Option<Child>>,
    flags: Vec<String>,
}

/// Whether all threads of a process are stopped.
fn stands_still(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.flatten().all(|task| {
        fs::read_to_string(task.path().join("status")).is_ok_and(|status| status.contains("State:\tT"))
    })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|_| format!("127.0.0.1:{}", free_port())).collect()
}

impl Venue {
    /// `count` nodes under a policy, none of which runs.
    pub(crate) fn new(count: usize, ack: &str) -> Self {
        static VENUES: AtomicU32 = AtomicU32::new(0);
        let name = format!("c{}-{}", std::process::id(), VENUES.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let shm = tempfile::Builder::new().prefix("rialto-test-").tempdir_in("/dev/shm").unwrap();
        let key = folder.path().join("key");
        fs::write(&key, "5a".repeat(32)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let venue = Self {
            folder,
            shm,
            name,
            fix: addresses(count),
            replication: addresses(count),
            nodes: (0..count).map(|_| None).collect(),
            flags: Vec::new(),
        };
        for node in 0..count {
            fs::write(venue.config(node), venue.toml(node, ack)).unwrap();
        }
        venue
    }

    /// More flags for every start.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self
    }

    fn toml(&self, node: usize, ack: &str) -> String {
        let peers: Vec<String> =
            (1..).zip(&self.replication).map(|(n, at)| format!("\"n{n}={at}\"")).collect();
        let sessions: Vec<String> = (1..=4)
            .map(|n| {
                format!(
                    "{{ comp_id = \"S{n}\", participant = \"ALPHA\", accounts = [\"A1\"], password = \"secret\" }}"
                )
            })
            .collect();
        format!(
            r#"
node = {{ name = "n{n}", cluster = "{cluster}", ack = "{ack}", segment_mib = 1, shm_mib = 8 }}
listen = {{ fix = "{fix}", replication = "{replication}" }}
cluster = {{ peers = [{peers}], key_file = "{key}" }}
currency = [{{ code = "USD", decimals = 10 }}]
instrument = [{{ symbol = "ACME", tick = "0.01", lot = "1", currency = "USD", taker_fee_ppm = 50 }}]
participant = [{{ name = "ALPHA", kind = "broker" }}]
account = [{{ name = "A1", participant = "ALPHA" }}]
session = [{sessions}]
deposit = [{{ id = "d1", account = "A1", asset = "USD", amount = "1000000000.00" }}]
"#,
            n = node + 1,
            cluster = self.name,
            fix = self.fix[node],
            replication = self.replication[node],
            peers = peers.join(", "),
            key = self.folder.path().join("key").display(),
            sessions = sessions.join(", "),
        )
    }

    pub(crate) fn config(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("n{}.toml", node + 1))
    }

    pub(crate) fn data(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("d{}", node + 1))
    }

    pub(crate) fn replication(&self, node: usize) -> &str {
        &self.replication[node]
    }

    /// What a node has said on stderr.
    pub(crate) fn log(&self, node: usize) -> String {
        fs::read_to_string(self.folder.path().join(format!("log{}", node + 1))).unwrap_or_default()
    }

    /// Starts a node and waits until it listens. All but the first join it when they are empty.
    pub(crate) fn start(&mut self, node: usize) {
        let log = self.folder.path().join(format!("log{}", node + 1));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.arg("serve").arg("--config").arg(self.config(node)).arg("--data").arg(self.data(node));
        command.arg("--shm-dir").arg(self.shm.path()).arg("--accept-volatile").args(&self.flags);
        if node > 0 {
            command.arg("--join").arg(&self.replication[0]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("\"ready\":true"), "{line} {}", self.log(node));
        self.nodes[node] = Some(child);
    }

    /// Starts all nodes and waits until they are in sync.
    pub(crate) fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.start(node);
        }
        self.wait_in_sync(&(0..self.nodes.len()).collect::<Vec<_>>());
    }

    /// Sends a signal to what was launched.
    pub(crate) fn signal(&self, node: usize, signal: Signal) {
        let child = self.nodes[node].as_ref().expect("it runs");
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        if signal == Signal::STOP {
            // Its threads stop one after the other.
            until("it stands still", || stands_still(child.id()).then_some(()));
        }
    }

    /// Kills a node with -9.
    pub(crate) fn kill(&mut self, node: usize) {
        let mut child = self.nodes[node].take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends a node in good order.
    pub(crate) fn stop(&mut self, node: usize) {
        self.signal(node, Signal::TERM);
        let status = self.nodes[node].take().unwrap().wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log(node));
    }

    /// Takes away the shared memory of a node that does not run: what a power cut does.
    pub(crate) fn lose_memory(&self, node: usize) {
        let prefix = format!("rialto-{}-n{}-", self.name, node + 1);
        for entry in fs::read_dir(self.shm.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_str().unwrap().starts_with(&prefix) {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }

    /// The shared memory of a node that runs.
    pub(crate) fn memory(&self, node: usize) -> PathBuf {
        let prefix = format!("rialto-{}-n{}-", self.name, node + 1);
        let found = fs::read_dir(self.shm.path()).unwrap().map(|entry| entry.unwrap().path());
        let is_its = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix);
        found.into_iter().find(is_its).expect("it runs")
    }

    /// Runs `rialto` with these words; exit code and the JSON on stdout.
    pub(crate) fn rialto(words: &[&str]) -> (i32, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_rialto")).args(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(text.lines().last().unwrap_or_default());
        (output.status.code().unwrap_or(-1), value.unwrap_or(Value::Null))
    }

    pub(crate) fn admin(&self, node: usize, words: &[&str]) -> (i32, Value) {
        let data = self.data(node);
        let data = data.to_str().unwrap();
        Self::rialto(&[&["admin", "--data", data, "--json"], words].concat())
    }

    /// A node's row of `rialto status`.
    pub(crate) fn row(&self, node: usize) -> Value {
        let (_, status) = Self::rialto(&["status", "--nodes", &self.fix[node], "--json"]);
        status["nodes"][0].clone()
    }

    pub(crate) fn promote(&self, node: usize, flags: &[&str]) -> (i32, Value) {
        let (name, nodes) = (format!("n{}", node + 1), self.fix.join(","));
        Self::rialto(&[&["promote", &name, "--nodes", &nodes, "--json"], flags].concat())
    }

    /// Waits until the primary says that just these are in sync, and gives the primary.
    pub(crate) fn wait_in_sync(&self, nodes: &[usize]) -> usize {
        let names: Vec<Value> = nodes.iter().map(|node| format!("n{}", node + 1).into()).collect();
        until("all are in sync", || {
            nodes.iter().copied().find(|node| {
                let row = self.row(*node);
                row["role"] == "primary" && row["in_sync"].as_array() == Some(&names)
            })
        })
    }

    /// Waits until this node leads.
    pub(crate) fn wait_primary(&self, node: usize) -> Value {
        until("it leads", || Some(self.row(node)).filter(|row| row["role"] == "primary"))
    }

    /// `rialto journal diff` of two nodes that do not run.
    pub(crate) fn diff(&self, a: usize, b: usize) -> (i32, Value) {
        let (a, b) = (self.data(a), self.data(b));
        Self::rialto(&["journal", "diff", a.to_str().unwrap(), b.to_str().unwrap(), "--json"])
    }

    /// The first line that a node says to a line client that logs on.
    pub(crate) fn first_words(&self, node: usize) -> String {
        let Ok(mut stream) = TcpStream::connect(&self.fix[node]) else { return String::new() };
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(b"35=A|553=S4|554=secret\n").ok();
        let mut text = Vec::new();
        let mut byte = [0];
        while stream.read(&mut byte).is_ok_and(|read| read == 1) && byte[0] != b'\n' {
            text.push(byte[0]);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

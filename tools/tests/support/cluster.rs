//! The nodes of one cluster, each a process on an address, a directory and shared memory of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::node::{Home, Node, rialto, told, until};

/// 32 bytes, the same on all nodes.
pub(crate) const KEY: &str = "5ac3";

/// Where one node lives.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    /// Where clients connect, always the same.
    pub(crate) fix: String,
    /// Where other nodes connect, always the same.
    pub(crate) replication: String,
    pub(crate) config: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) shm: PathBuf,
}

/// A cluster whose nodes may run or not.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) places: Vec<Place>,
    folder: PathBuf,
    /// More flags of each start.
    pub(crate) flags: Vec<String>,
}

impl Cluster {
    /// So many nodes, `n1` and on, that live in `home`; each has its configuration, under `policy`.
    pub(crate) fn new(home: &Home, count: usize, policy: &str) -> Self {
        static CLUSTERS: AtomicU32 = AtomicU32::new(0);
        // An address of its own: no other process's connection has one of these ports.
        let host = format!(
            "127.{}.{}.{}",
            1 + std::process::id() % 250,
            std::process::id() / 250 % 250,
            1 + CLUSTERS.fetch_add(1, Ordering::Relaxed)
        );
        let listen = || TcpListener::bind((host.as_str(), 0)).unwrap();
        let held: Vec<(TcpListener, TcpListener)> = (0..count).map(|_| (listen(), listen())).collect();
        let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        let addresses: Vec<(String, String)> =
            held.iter().map(|(fix, replication)| (address(fix), address(replication))).collect();
        Self::at(home, &addresses, policy)
    }

    /// One node for each pair of addresses, for clients and for other nodes.
    pub(crate) fn at(home: &Home, addresses: &[(String, String)], policy: &str) -> Self {
        let folder = home.folder().to_owned();
        let place = |(index, (fix, replication)): (usize, &(String, String))| Place {
            name: format!("n{}", index + 1),
            fix: fix.clone(),
            replication: replication.clone(),
            config: folder.join(format!("n{}.toml", index + 1)),
            data: folder.join(format!("n{}", index + 1)),
            shm: home.shm().join(format!("n{}", index + 1)),
        };
        let places: Vec<Place> = addresses.iter().enumerate().map(place).collect();
        let cluster = Self { places, folder, flags: Vec::new() };
        write_key(&cluster.key(), KEY);
        let text = fs::read_to_string(home.config()).unwrap();
        for place in &cluster.places {
            fs::create_dir(&place.shm).unwrap();
            cluster.configure(place, &text.replace("ack = \"disk\"", &format!("ack = \"{policy}\"")));
        }
        cluster
    }

    fn configure(&self, place: &Place, text: &str) {
        let peers: Vec<String> =
            self.places.iter().map(|place| format!("\"{}={}\"", place.name, place.replication)).collect();
        let text = text.replace("name = \"n1\"", &format!("name = \"{}\"", place.name));
        let key = self.key();
        let more = format!(
            "\nlisten = {{ fix = \"{}\", replication = \"{}\" }}\ncluster = {{ peers = [{}], key_file = \"{}\" }}\n",
            place.fix,
            place.replication,
            peers.join(", "),
            key.display()
        );
        fs::write(&place.config, text + &more).unwrap();
    }

    /// Where clients may connect: all nodes.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.places.iter().map(|place| place.fix.clone()).collect()
    }

    /// The same as `--nodes` wants it.
    pub(crate) fn nodes(&self) -> String {
        self.addresses().join(",")
    }

    /// The `serve` of one node. Each but the first joins.
    pub(crate) fn serve(&self, index: usize) -> Command {
        let place = &self.places[index];
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.arg("serve").arg("--config").arg(&place.config).arg("--data").arg(&place.data);
        command.arg("--shm-dir").arg(&place.shm).arg("--accept-volatile").args(&self.flags);
        if index > 0 {
            command.args(["--join", &self.places[0].replication]);
        }
        command
    }

    /// Starts one node and waits until it listens.
    pub(crate) fn start(&self, index: usize) -> Node {
        self.launch(index, self.serve(index))
    }

    /// Starts a node by this command.
    pub(crate) fn launch(&self, index: usize, command: Command) -> Node {
        Node::launch(command, &self.places[index].data, &self.folder)
    }

    /// Starts all nodes and waits until all are in sync.
    pub(crate) fn start_all(&self) -> Vec<Node> {
        let nodes: Vec<Node> = (0..self.places.len()).map(|index| self.start(index)).collect();
        self.wait_in_sync(&self.names());
        nodes
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.places.iter().map(|place| place.name.as_str()).collect()
    }

    /// The file with the cluster's key.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// Waits until exactly these are in sync.
    pub(crate) fn wait_in_sync(&self, names: &[&str]) {
        let wait = format!("in-sync={}", names.join(","));
        let output =
            rialto(&["status", "--nodes", &self.nodes(), "--wait", &wait, "--timeout", "60s", "--json"]);
        let (code, stdout, _) = told(&output);
        assert_eq!(code, Some(0), "{wait}: {stdout}");
    }

    /// What each node says of itself.
    pub(crate) fn status(&self, flags: &[&str]) -> Vec<Value> {
        let nodes = self.nodes();
        let output = rialto(&[&["status", "--nodes", &nodes, "--json"], flags].concat());
        let (_, stdout, stderr) = told(&output);
        let object: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
        object["nodes"].as_array().unwrap().clone()
    }

    /// The node that leads.
    pub(crate) fn primary(&self) -> Option<usize> {
        self.status(&[]).iter().position(|row| row["role"] == "primary")
    }

    /// Waits until a node is something.
    pub(crate) fn wait_role(&self, index: usize, role: &str) -> Value {
        let name = &self.places[index].name;
        until(&format!("{name} to be {role}"), || {
            let row = self.status(&[]).swap_remove(index);
            (row["role"] == role).then_some(row)
        })
    }

    /// `rialto promote`: the exit code and the object.
    pub(crate) fn promote(&self, name: &str, flags: &[&str]) -> (Option<i32>, Value) {
        let (nodes, key) = (self.nodes(), self.key().display().to_string());
        let words = ["promote", name, "--nodes", &nodes, "--key-file", &key, "--json"];
        let (code, stdout, stderr) = told(&rialto(&[&words, flags].concat()));
        (code, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}")))
    }

    /// Makes a node the primary.
    pub(crate) fn lead(&self, index: usize, flags: &[&str]) -> Value {
        let name = &self.places[index].name;
        let (code, done) = self.promote(name, flags);
        assert!(code == Some(0) && done["promoted"] == name.as_str(), "{done}");
        done
    }

    /// Two journals are equal as far as both have the same history.
    pub(crate) fn equal_journals(&self, one: usize, other: usize) -> Value {
        let dir = |index: usize| self.places[index].data.display().to_string();
        let output = rialto(&["journal", "diff", &dir(one), &dir(other), "--json"]);
        let (code, stdout, stderr) = told(&output);
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// What a power cut leaves of a killed node's memory: nothing.
    pub(crate) fn lose_memory(&self, index: usize) {
        let shm = &self.places[index].shm;
        fs::remove_dir_all(shm).unwrap();
        fs::create_dir(shm).unwrap();
    }

    /// Reports of what was cut off a node's log.
    pub(crate) fn divergent(&self, index: usize) -> Vec<String> {
        let entries = fs::read_dir(self.places[index].data.join("divergent")).into_iter().flatten().flatten();
        let reports = entries.filter(|entry| entry.path().extension().is_some_and(|found| found == "txt"));
        reports.map(|entry| fs::read_to_string(entry.path()).unwrap()).collect()
    }
}

/// A cluster's key: two bytes of it, repeated.
pub(crate) fn write_key(path: &Path, digits: &str) {
    fs::write(path, digits.repeat(16)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

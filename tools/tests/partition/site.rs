//! Three hosts with a node and a member of etcd each, and one for those who trade: what runs there, what is cut between
//! them, and what can be found out about it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::CONFIG;
use crate::cluster::Cluster;
use crate::etcd::{Address, EtcdCluster};
use crate::facts::{Epoch, Journal, Line, Look, Told, now_ns};
use crate::network::{Network, Plane, address};
use crate::node::{Home, Node, rialto, told, until};

/// Nodes; the host behind them is that of those who trade.
pub(crate) const NODES: usize = 3;
pub(crate) const CLIENTS: usize = NODES;
/// Between two rounds of looking at all nodes.
const LOOK: Duration = Duration::from_millis(20);
/// How long a node may take to say what it is.
const ANSWER: Duration = Duration::from_secs(2);
/// Hosts are near each other: a leader is missed soon, and a member that was cut off does not unseat one.
const ETCD: [&str; 3] = ["--heartbeat-interval=50", "--election-timeout=500", "--pre-vote"];
/// What is deposited by [`CONFIG`].
const DEPOSITS: [(&str, i128); 2] = [("USD", 2_000_000), ("ACME", 200_000)];
/// Digits behind the point that are counted: more than USD has.
const DECIMALS: usize = 12;

/// All of it. What is first here ends first.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) nodes: Vec<Node>,
    etcd: EtcdCluster,
    pub(crate) cluster: Cluster,
    pub(crate) home: Home,
    pub(crate) network: Network,
}

impl Site {
    /// Starts all of it, and waits until all nodes are in sync.
    pub(crate) fn start(policy: &str) -> Self {
        let network = Network::new(NODES + 1);
        let member = |host| Address { host: address(host, Plane::Etcd), client: 2379, peer: 2380 };
        let members: Vec<Address> = (0..NODES).map(member).collect();
        let etcd = EtcdCluster::launch(&members, &|host, command| {
            command.args(ETCD);
            network.on(host, || command.spawn().expect("etcd is installed"))
        });
        network.on(CLIENTS, || etcd.wait_for_leader());
        let home = Home::new(CONFIG);
        let port = |host, port| format!("{}:{port}", address(host, Plane::Nodes));
        let addresses: Vec<(String, String)> =
            (0..NODES).map(|host| (port(host, 4001), port(host, 4100))).collect();
        let mut cluster = Cluster::at(&home, &addresses, policy);
        cluster.flags = vec!["--plaintext".to_owned(), "--coordinator".to_owned(), etcd.address()];
        let nodes = (0..NODES).map(|host| network.on(host, || cluster.start(host))).collect();
        let site = Self { nodes, etcd, cluster, home, network };
        site.wait_in_sync();
        site
    }

    /// The host with etcd's leader.
    pub(crate) fn etcd_leader(&self) -> Option<usize> {
        self.network.on(CLIENTS, || self.etcd.leader())
    }

    /// What a node says of itself, through a socket that no network is needed for.
    pub(crate) fn row(&self, node: usize) -> Option<Value> {
        row(&self.cluster.places[node].data)
    }

    /// Waits until all nodes are in sync as all say, and one leads; which.
    pub(crate) fn wait_in_sync(&self) -> usize {
        until("one primary and three in sync", || {
            let rows: Vec<Value> = (0..NODES).map_while(|node| self.row(node)).collect();
            let leads = |row: &Value| row["role"] == "primary";
            let primary = rows.iter().position(leads)?;
            let agree = rows.iter().all(|row| {
                row["epoch"] == rows[primary]["epoch"]
                    && row["primary"] == rows[primary]["node"]
                    && row["in_sync"].as_array().is_some_and(|all| all.len() == NODES)
            });
            let is_whole = rows.len() == NODES && rows.iter().filter(|row| leads(row)).count() == 1;
            (agree && is_whole && rows[primary]["policy_met"] == true).then_some(primary)
        })
    }

    /// Nothing that this host sends to any other arrives.
    pub(crate) fn cut_from(&self, host: usize) {
        for to in (0..=NODES).filter(|to| *to != host) {
            self.network.cut(host, to, Plane::Nodes);
            self.network.cut(host, to, Plane::Etcd);
        }
    }

    /// Nothing that any other host sends to this one arrives.
    pub(crate) fn cut_to(&self, host: usize) {
        for from in (0..=NODES).filter(|from| *from != host) {
            self.network.cut(from, host, Plane::Nodes);
            self.network.cut(from, host, Plane::Etcd);
        }
    }

    /// Neither this host's node nor its member of etcd and the other members reach each other. So nobody on this host
    /// reaches etcd's majority.
    pub(crate) fn cut_etcd(&self, host: usize) {
        for other in (0..NODES).filter(|other| *other != host) {
            self.network.cut(host, other, Plane::Etcd);
            self.network.cut(other, host, Plane::Etcd);
        }
    }

    /// This host's node and the other nodes do not reach each other.
    pub(crate) fn cut_nodes(&self, host: usize) {
        for other in (0..NODES).filter(|other| *other != host) {
            self.network.cut(host, other, Plane::Nodes);
            self.network.cut(other, host, Plane::Nodes);
        }
    }

    /// Looks at all nodes until told to stop.
    pub(crate) fn watch(&self, ends: &AtomicBool) -> Vec<Look> {
        let mut looks = Vec::new();
        while !ends.load(Ordering::Relaxed) {
            looks.extend((0..NODES).filter_map(|node| self.look(node)));
            std::thread::sleep(LOOK);
        }
        looks
    }

    fn look(&self, node: usize) -> Option<Look> {
        let asked_ns = now_ns();
        let row = self.row(node)?;
        Some(Look {
            asked_ns,
            told_ns: now_ns(),
            node: row["node"].as_str()?.to_owned(),
            role: row["role"].as_str()?.to_owned(),
            epoch: u32::try_from(row["epoch"].as_u64()?).ok()?,
            released: row["cursors"]["released"].as_u64()?,
        })
    }

    /// Nobody trades: what each node has by now, that of the primary first.
    pub(crate) fn journals(&self) -> Vec<Journal> {
        let primary = self.wait_in_sync();
        until("all to have released the same", || {
            let released = |node| self.row(node).map(|row| row["cursors"].clone());
            let all: Option<Vec<Value>> = (0..NODES).map(released).collect();
            let all = all?;
            let end = &all[primary]["published"];
            all.iter().all(|row| row["released"] == *end && row["published"] == *end).then_some(())
        });
        let order = std::iter::once(primary).chain((0..NODES).filter(|node| *node != primary));
        std::thread::scope(|scope| {
            let read: Vec<_> = order.map(|node| scope.spawn(move || self.journal(node))).collect();
            read.into_iter().map(|read| read.join().expect("it is readable")).collect()
        })
    }

    fn journal(&self, node: usize) -> Journal {
        let place = &self.cluster.places[node];
        let verified = json_of(&["journal", "verify", &place.data.display().to_string(), "--deep"]);
        let epochs = verified["epochs"].as_array().unwrap().iter();
        let status = json_of(&["status", "--data", &place.data.display().to_string(), "--state-hash"]);
        let hashes = [&verified["deep"]["state_hash"], &status["nodes"][0]["state_hash"]];
        assert_eq!(verified["end"], "clean", "{verified}");
        let mut journal = Journal {
            node: place.name.clone(),
            epochs: epochs.map(epoch).collect(),
            states: hashes.map(|hash| (whole(&hash["seq"]), text(&hash["hash"]))).into(),
            is_conserved: verified["deep"]["conserved"] == true && verified["deep"]["events_equal"] == true,
            sums: self.sums(node),
            cut_off: self.cluster.divergent(node).iter().map(|report| cut_off(report)).collect(),
            ..Journal::default()
        };
        for row in dumped(&place.data, &[]) {
            journal.lines.push(line(&row));
        }
        for row in dumped(&place.data, &["--events"]) {
            let number = u32::try_from(whole(&row["session_seq"])).unwrap();
            if number > 0 {
                let key = (text(&row["session"]), number);
                let told = Told { seq: whole(&row["seq"]), fields: fields(&row) };
                assert!(journal.told.insert(key, told).is_none(), "a number twice: {row}");
            }
        }
        journal
    }

    /// Of each asset, what accounts and fees sum up to, and what was deposited.
    fn sums(&self, node: usize) -> BTreeMap<String, (i128, i128)> {
        let list = self.nodes[node].asked(&["show", "accounts"]);
        let mut sums = BTreeMap::new();
        for (asset, amount) in DEPOSITS {
            sums.insert(asset.to_owned(), (0, fixed(&amount.to_string())));
        }
        let held = list["accounts"].as_array().unwrap().iter();
        let held = held.flat_map(|account| account["assets"].as_array().unwrap());
        for row in held.chain(list["fees"].as_array().unwrap()) {
            sums.entry(text(&row["asset"])).or_default().0 += fixed(row["total"].as_str().unwrap());
        }
        sums
    }
}

fn row(data: &Path) -> Option<Value> {
    let mut stream = UnixStream::connect(data.join("admin.sock")).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    stream.write_all(b"{\"ask\":\"status\",\"state_hash\":false}\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    let answer: Value = serde_json::from_str(&line).ok()?;
    answer.get("object").cloned()
}

fn json_of(words: &[&str]) -> Value {
    let (code, stdout, stderr) = told(&rialto(&[words, &["--json"]].concat()));
    assert_eq!(code, Some(0), "{words:?}: {stdout}{stderr}");
    serde_json::from_str(&stdout).expect("one JSON object")
}

fn dumped(data: &Path, flags: &[&str]) -> Vec<Value> {
    let data = data.display().to_string();
    let words = [&["journal", "dump", data.as_str(), "--json"], flags].concat();
    let (code, stdout, stderr) = told(&rialto(&words));
    assert_eq!(code, Some(0), "{words:?}: {stderr}");
    stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn epoch(row: &Value) -> Epoch {
    let number = u32::try_from(whole(&row["epoch"])).unwrap();
    Epoch { number, node: text(&row["node"]), first_seq: whole(&row["first_seq"]) }
}

fn fields(row: &Value) -> BTreeMap<String, String> {
    let fields = row["fields"].as_object().unwrap().iter();
    fields
        .map(|(name, value)| (name.clone(), value.as_str().map_or(value.to_string(), str::to_owned)))
        .collect()
}

fn line(row: &Value) -> Line {
    let is_request = ["new", "cancel"].iter().any(|kind| row["type"] == *kind) && row["session_seq"] != 0;
    let request = is_request.then(|| (text(&row["session"]), text(&row["fields"]["cl_ord_id"])));
    Line { seq: whole(&row["seq"]), ts_ns: whole(&row["ts_ns"]), request, text: row.to_string() }
}

/// Sequence and time of each command in a report of what was cut off: lines that begin with two numbers.
fn cut_off(report: &str) -> Vec<(u64, u64)> {
    let lines = report.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    });
    lines.collect()
}

/// A decimal as a whole number of its last digit.
fn fixed(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{whole}{fraction:0<DECIMALS$}").parse().unwrap_or_else(|_| panic!("{decimal} is no decimal"))
}

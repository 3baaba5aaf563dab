//! The tables that concern one node: who it is, where it listens, how it treats sessions, who its peers are.
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Overrides;
use super::file::read_text;
use super::reader::{Fault, Section};
use super::words::{Ack, Idle, Word};

/// Characters that a name may have: of a node, a cluster, a participant, an account, a session ([`Name`]).
const NAME_CHARS_MAX: usize = 32;
/// MiB that one segment file may have; a position stays far inside 64 bits, a file inside any file system.
const SEGMENT_MIB_MAX: u32 = 65_536;
/// MiB of shared memory that two rings of pages and a few input rings need at least.
const SHM_MIB_MIN: u32 = 4;
const SHM_MIB_MAX: u32 = 65_536;
/// Commands from one snapshot to the next: a start replays no more than these, some seconds' work.
const SNAPSHOT_EVERY: u32 = 10_000_000;
const SNAPSHOT_EVERY_MIN: u32 = 100;
/// History kept of each log: 64 GiB are some 500 million commands.
const KEEP_MIB: u32 = 65_536;
/// FIX 4.4 wants a message refused whose `SendingTime` is off by more than two minutes.
const TOLERANCE_S_MAX: u32 = 120;
/// CPU numbers that Linux can have (`CPU_SETSIZE`).
const CPUS_MAX: usize = 1024;

/// Who a node is and how it keeps its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, unique in the cluster.
    pub name: String,
    /// The cluster's name.
    pub cluster: String,
    /// The ack policy at the start.
    pub ack: Ack,
    /// How its threads wait.
    pub idle: Idle,
    /// Which cores its threads are bound to.
    pub pin: Pin,
    /// Size of a segment file.
    pub segment_mib: u32,
    /// Shared memory that it may use.
    pub shm_mib: u32,
    /// Commands from one snapshot to the next.
    pub snapshot_every: u32,
    /// How much of each log is kept beyond what a start or a resend may need.
    pub keep_mib: u32,
    /// The program that archives a file, and its arguments before the file's path; empty is none.
    pub archive: Vec<String>,
}

/// Which cores the threads of a node are bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// Where it helps: with `spin` and at least four cores.
    Auto,
    /// Nowhere.
    Off,
    /// To these, the matcher first.
    Cores(Vec<usize>),
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Pin, String> {
        match text {
            "auto" => return Ok(Pin::Auto),
            "off" => return Ok(Pin::Off),
            _ => {}
        }
        let core = |part: &str| part.parse::<usize>().ok().filter(|core| *core < CPUS_MAX);
        let cores: Option<Vec<usize>> = text.split(',').map(core).collect();
        let Some(cores) = cores else {
            return Err("auto, off, or core numbers such as 0,1".to_owned());
        };
        let twice = cores.iter().enumerate().find(|(index, core)| cores[..*index].contains(core));
        match twice {
            Some((_, core)) => Err(format!("core {core} is named twice")),
            None => Ok(Pin::Cores(cores)),
        }
    }
}

/// Where a node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// FIX and line mode.
    pub fix: SocketAddr,
    /// Other nodes; `None` is "off".
    pub replication: Option<SocketAddr>,
    /// Prometheus; `None` is "off".
    pub metrics: Option<SocketAddr>,
}

/// What all FIX sessions share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The exchange's own CompID.
    pub comp_id: String,
    /// By how much a message's `SendingTime` may be off.
    pub sending_time_tolerance_s: u32,
    /// Whether tags from 5000 to 9999 are let through.
    pub user_defined_tags: bool,
}

/// What one session may use up; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages a second.
    pub messages_per_s: u32,
    /// Open orders.
    pub orders_open_max: u32,
}

/// The other nodes of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Their replication addresses.
    pub peers: Vec<Peer>,
    /// Where etcd answers; empty is promotion by hand.
    pub coordinator: Vec<HostPort>,
    /// The file of the key that nodes prove to each other.
    pub key_file: Option<PathBuf>,
}

/// One other node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its replication address.
    pub address: HostPort,
}

/// A host's name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<HostPort, String> {
        let wanted = || "HOST:PORT is wanted, such as 127.0.0.1:4001".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(wanted)?;
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plain = in_brackets.unwrap_or(host);
        let host_fits = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_graphic());
        let port = port.parse::<u16>().ok().filter(|port| *port > 0);
        match port {
            Some(port) if host_fits && (in_brackets.is_some() || !plain.contains(':')) => {
                Ok(HostPort { host: plain.to_owned(), port })
            }
            Some(_) | None => Err(wanted()),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

pub(super) const NODE_KEYS: &[&str] = &[
    "name",
    "cluster",
    "ack",
    "idle",
    "pin",
    "segment_mib",
    "shm_mib",
    "snapshot_every",
    "keep_mib",
    "archive",
];
pub(super) const LISTEN_KEYS: &[&str] = &["fix", "replication", "metrics"];
pub(super) const FIX_KEYS: &[&str] = &["comp_id", "sending_time_tolerance_s", "user_defined_tags"];
pub(super) const LIMITS_KEYS: &[&str] = &["messages_per_s", "orders_open_max"];
pub(super) const CLUSTER_KEYS: &[&str] = &["peers", "coordinator", "key_file"];

pub(super) fn node(section: &Section, listen: &Listen, flags: &Overrides) -> Result<Node, Fault> {
    let name = match &flags.name {
        Some(name) => from_flag("--name", name, name_fault(name))?,
        None => name(section, "name", "n1")?,
    };
    let default = if listen.replication.is_some() { Ack::DiskRam } else { Ack::Disk };
    let ack = flags.ack.map_or_else(|| section.word("ack", Some(default)), Ok)?;
    if ack.needs_standby() && listen.replication.is_none() {
        let why = "this policy waits for a standby, and listen.replication is off";
        return Err(match flags.ack {
            Some(ack) => Fault { key: "--ack".into(), value: ack.name().into(), why: why.into() },
            None => section.fault("ack", why),
        });
    }
    let pin = match (&flags.pin, section.text("pin")?) {
        (Some(pin), _) => pin.clone(),
        (None, None) => Pin::Auto,
        (None, Some(pin)) => pin.parse().map_err(|why: String| section.fault("pin", &why))?,
    };
    Ok(Node {
        name,
        cluster: self::name(section, "cluster", "rialto")?,
        ack,
        idle: flags.idle.map_or_else(|| section.word("idle", Some(Idle::Auto)), Ok)?,
        pin,
        segment_mib: section.whole("segment_mib", 256, 1..=SEGMENT_MIB_MAX)?,
        shm_mib: section.whole("shm_mib", 32, SHM_MIB_MIN..=SHM_MIB_MAX)?,
        snapshot_every: section.whole("snapshot_every", SNAPSHOT_EVERY, SNAPSHOT_EVERY_MIN..=u32::MAX)?,
        keep_mib: section.whole("keep_mib", KEEP_MIB, 0..=u32::MAX)?,
        archive: archive(section)?,
    })
}

/// The program is run as it is named, without a shell: words that only a shell would understand are not for it.
fn archive(section: &Section) -> Result<Vec<String>, Fault> {
    let words = section.texts("archive")?;
    if words.first().is_some_and(String::is_empty) || words.iter().any(|word| word.contains('\0')) {
        let why = "[\"PROGRAM\", \"ARGUMENT\", …] is wanted; the file's path is added as the last argument";
        return Err(section.fault("archive", why));
    }
    Ok(words)
}

pub(super) fn listen(section: &Section, flags: &Overrides) -> Result<Listen, Fault> {
    let address = |key: &str, default: &str| {
        let text = section.text(key)?.unwrap_or(default);
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        if text == "off" && key != "fix" {
            return Ok(None);
        }
        let off = if key == "fix" { "" } else { ", or off" };
        let why = format!("ADDRESS:PORT is wanted, such as 127.0.0.1:4001; port 0 is any free port{off}");
        numeric.parse::<SocketAddr>().map(Some).map_err(|_| section.fault(key, &why))
    };
    let fix = address("fix", "127.0.0.1:0")?.expect("fix is never off");
    if !fix.ip().is_loopback() && !flags.plaintext {
        let why = "not a loopback address; FIX passwords would cross the network readable: \
                   listen on 127.0.0.1, or start with --plaintext";
        return Err(section.fault("fix", why));
    }
    let replication = address("replication", "off")?;
    let metrics = address("metrics", "off")?;
    if metrics.is_some_and(|metrics| !metrics.ip().is_loopback()) {
        return Err(section.fault("metrics", "metrics are served on a loopback address only"));
    }
    let taken = |address: Option<SocketAddr>, other: Option<SocketAddr>| {
        address.is_some() && address == other && address.is_some_and(|address| address.port() != 0)
    };
    if taken(replication, Some(fix)) {
        return Err(section.fault("replication", "listen.fix has the same address and port"));
    }
    if taken(metrics, Some(fix)) || taken(metrics, replication) {
        return Err(section.fault("metrics", "another listener has the same address and port"));
    }
    Ok(Listen { fix, replication, metrics })
}

pub(super) fn fix(section: &Section) -> Result<Fix, Fault> {
    Ok(Fix {
        comp_id: name(section, "comp_id", "RIALTO")?,
        sending_time_tolerance_s: section.whole(
            "sending_time_tolerance_s",
            TOLERANCE_S_MAX,
            1..=TOLERANCE_S_MAX,
        )?,
        user_defined_tags: section.flag("user_defined_tags")?,
    })
}

pub(super) fn limits(section: &Section) -> Result<Limits, Fault> {
    Ok(Limits {
        messages_per_s: section.whole("messages_per_s", 0, 0..=u32::MAX)?,
        orders_open_max: section.whole("orders_open_max", 1_000_000, 0..=u32::MAX)?,
    })
}

pub(super) fn cluster(section: &Section, listen: &Listen) -> Result<Cluster, Fault> {
    let mut peers: Vec<Peer> = Vec::new();
    for text in section.texts("peers")? {
        let Some((name, address)) = text.split_once('=') else {
            return Err(section.fault("peers", &format!("{text}: NAME=HOST:PORT is wanted")));
        };
        let fault = |why: &str| section.fault("peers", &format!("{text}: {why}"));
        if let Some(why) = name_fault(name) {
            return Err(fault(&why));
        }
        if peers.iter().any(|peer| peer.name == name) {
            return Err(fault("this node is named twice"));
        }
        let address = address.parse().map_err(|why: String| fault(&why))?;
        peers.push(Peer { name: name.to_owned(), address });
    }
    let coordinator = match section.text("coordinator")?.unwrap_or_default() {
        "" => Vec::new(),
        text => coordinator(text).map_err(|why| section.fault("coordinator", &why))?,
    };
    let key_file = section.text("key_file")?.filter(|path| !path.is_empty()).map(PathBuf::from);
    if listen.replication.is_some() {
        match &key_file {
            None => {
                return Err(section.fault("key_file", "missing; listen.replication is on and needs a key"));
            }
            Some(path) => key_check(path).map_err(|why| section.fault("key_file", &why))?,
        }
    }
    Ok(Cluster { peers, coordinator, key_file })
}

/// Reads `etcd://H:P,H:P`.
fn coordinator(text: &str) -> Result<Vec<HostPort>, String> {
    let hosts = text.strip_prefix("etcd://").ok_or("etcd://HOST:PORT,… is wanted, or nothing")?;
    hosts.split(',').map(str::parse).collect()
}

/// Bytes of a key file: 64 digits and some white space.
const KEY_BYTES_MAX: u64 = 1024;

/// The key itself is read by whoever needs it; here only whether the file can be right.
fn key_check(path: &Path) -> Result<(), String> {
    let mode = fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode() & 0o777;
    if mode != 0o600 {
        return Err(format!("mode is {mode:04o}; a key is its owner's alone: chmod 600"));
    }
    let key = read_text(path, KEY_BYTES_MAX).map_err(|error| error.to_string())?;
    let key = key.trim();
    if key.len() != 64 || !key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("the file has to hold 32 bytes as 64 hexadecimal digits".to_owned());
    }
    Ok(())
}

/// The name at `key`, or `default`.
pub(super) fn name(section: &Section, key: &str, default: &str) -> Result<String, Fault> {
    let name = section.text(key)?.unwrap_or(default);
    name_fault(name).map_or_else(|| Ok(name.to_owned()), |why| Err(section.fault(key, &why)))
}

/// Why `name` cannot be the name of anything, if it cannot.
pub(super) fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name may not be empty".to_owned());
    }
    if name.len() > NAME_CHARS_MAX {
        return Some(format!("a name has at most {NAME_CHARS_MAX} characters"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let starts_plain = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    (!starts_plain || !name.bytes().all(plain)).then(|| {
        "a name is made of letters, digits, '-', '_' and '.', and starts with a letter or digit".to_owned()
    })
}

fn from_flag(flag: &str, value: &str, fault: Option<String>) -> Result<String, Fault> {
    match fault {
        None => Ok(value.to_owned()),
        Some(why) => Err(Fault { key: flag.to_owned(), value: format!("{value:?}"), why }),
    }
}

//! Hosts as network namespaces, each with one cable to a bridge in a namespace of its own, and cuts between them. Nothing
//! outside these namespaces is touched; all are gone at the end, and with them their addresses and cables.
//!
//! A cut is silent and has one direction: what the sender sends to an address goes, from then on, to an address of the
//! link layer that nobody has. Nobody is told, as where a switch drops frames. Neighbours are never looked for, all are
//! written down.

use std::fs::File;
use std::io::Write;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long a datagram may take from one namespace to another.
const ARRIVES: Duration = Duration::from_millis(300);
/// The same once it is known that some arrive.
const IS_LOST: Duration = Duration::from_millis(30);
const PROBE_PORT: u16 = 9;

/// Which of a host's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    /// Nodes and their clients.
    Nodes,
    /// Members of etcd.
    Etcd,
}

/// Both.
pub(crate) const PLANES: [Plane; 2] = [Plane::Nodes, Plane::Etcd];

/// Hosts on one bridge.
#[derive(Debug)]
pub(crate) struct Network {
    prefix: String,
    hosts: usize,
}

/// An address of a host.
pub(crate) fn address(host: usize, plane: Plane) -> String {
    let net = match plane {
        Plane::Nodes => 0,
        Plane::Etcd => 1,
    };
    format!("10.77.{net}.{}", host + 1)
}

impl Network {
    /// So many hosts, all of which reach each other.
    pub(crate) fn new(hosts: usize) -> Self {
        static NETWORKS: AtomicU32 = AtomicU32::new(0);
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let network = Self { prefix: format!("rialto-{}-{number}", std::process::id()), hosts };
        ip(&["netns", "add", &network.bridge()], "");
        tell(&network.bridge(), "link add br0 type bridge\nlink set br0 up\n");
        for host in 0..hosts {
            let (name, bridge) = (network.name(host), network.bridge());
            ip(&["netns", "add", &name], "");
            let [nodes, etcd] = PLANES.map(|plane| address(host, plane));
            tell(
                &name,
                &format!(
                    "link set lo up\n\
                     link add e0 address {} type veth peer name p{host} netns {bridge}\n\
                     addr add {nodes}/24 dev e0\naddr add {etcd}/24 dev e0\nlink set e0 up\n",
                    card(host)
                ),
            );
            tell(&bridge, &format!("link set p{host} master br0 up\n"));
        }
        network.heal();
        network
    }

    fn bridge(&self) -> String {
        format!("{}-bridge", self.prefix)
    }

    fn name(&self, host: usize) -> String {
        format!("{}-h{}", self.prefix, host + 1)
    }

    /// The calling thread, and what it starts, is on this host from now on.
    pub(crate) fn enter(&self, host: usize) {
        let path = format!("/run/netns/{}", self.name(host));
        let space = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
    }

    /// Does something on a host.
    pub(crate) fn on<T: Send>(&self, host: usize, act: impl FnOnce() -> T + Send) -> T {
        let there = || {
            self.enter(host);
            act()
        };
        thread::scope(|scope| scope.spawn(there).join()).unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// From now on nothing that `from` sends to this address of `to` arrives.
    pub(crate) fn cut(&self, from: usize, to: usize, plane: Plane) {
        tell(&self.name(from), &neighbour(&address(to, plane), "02:00:00:00:ff:ff"));
    }

    /// All that is cut is whole again, and all cables are in.
    pub(crate) fn heal(&self) {
        for from in 0..self.hosts {
            tell(&self.bridge(), &format!("link set p{from} up\n"));
            let others = (0..self.hosts).filter(|to| *to != from);
            let all = others.flat_map(|to| PLANES.map(|plane| (to, plane)));
            let lines: String = all.map(|(to, plane)| neighbour(&address(to, plane), &card(to))).collect();
            tell(&self.name(from), &lines);
        }
    }

    /// Takes a host's cable out.
    pub(crate) fn unplug(&self, host: usize) {
        tell(&self.bridge(), &format!("link set p{host} down\n"));
    }

    /// Whether a datagram from one host to another's address arrives.
    pub(crate) fn arrives(&self, from: usize, to: usize, plane: Plane, expected: bool) -> bool {
        let bind = |host, port| UdpSocket::bind((address(host, plane), port)).expect("a port");
        let receiver = self.on(to, || bind(to, PROBE_PORT));
        let sender = self.on(from, || bind(from, 0));
        receiver.set_read_timeout(Some(if expected { ARRIVES } else { IS_LOST })).unwrap();
        // A cable that is out is an error to whoever sends, or none.
        sender.send_to(b"probe", (address(to, plane), PROBE_PORT)).ok();
        let mut bytes = [0; 8];
        receiver.recv_from(&mut bytes).is_ok()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in (0..self.hosts).map(|host| self.name(host)).chain([self.bridge()]) {
            // The setting up may have failed in between.
            Command::new("ip").args(["netns", "del", &name]).stderr(Stdio::null()).status().ok();
        }
    }
}

/// The link layer's address of a host.
fn card(host: usize) -> String {
    format!("02:00:00:00:00:{:02x}", host + 1)
}

fn neighbour(address: &str, card: &str) -> String {
    format!("neigh replace {address} lladdr {card} dev e0 nud permanent\n")
}

/// Has `ip` do these lines in a namespace.
fn tell(namespace: &str, lines: &str) {
    ip(&["-n", namespace, "-batch", "-"], lines);
}

fn ip(arguments: &[&str], lines: &str) {
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ip is installed");
    child.stdin.take().expect("it is piped").write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?} {lines:?}: {words}");
}

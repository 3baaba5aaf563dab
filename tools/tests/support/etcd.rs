//! A real etcd for tests: one member or three, on free loopback ports or on hosts of their own, in a folder of their own,
//! gone at the end.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long members may take to find each other.
const START: Duration = Duration::from_secs(20);
const ASK: Duration = Duration::from_secs(2);

/// Whether the machine has an etcd to start.
pub(crate) fn is_installed() -> bool {
    let version = Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Where a member is.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) client: u16,
    pub(crate) peer: u16,
}

/// An etcd cluster.
#[derive(Debug)]
pub(crate) struct EtcdCluster {
    members: Vec<Member>,
    _folder: tempfile::TempDir,
}

#[derive(Debug)]
struct Member {
    /// `None`: it was killed.
    process: Option<Child>,
    host: String,
    client: u16,
    arguments: Vec<String>,
    log: std::path::PathBuf,
}

impl EtcdCluster {
    /// Starts so many members and waits until each knows a leader.
    pub(crate) fn start(count: usize) -> EtcdCluster {
        let ports = free_ports(count).into_iter();
        let members: Vec<Address> =
            ports.map(|(client, peer)| Address { host: "127.0.0.1".to_owned(), client, peer }).collect();
        let cluster = Self::launch(&members, &|_, command| command.spawn().expect("etcd is installed"));
        cluster.wait_for_leader();
        cluster
    }

    /// Starts members at these addresses; `spawn` is told which one and starts it, wherever that address is.
    pub(crate) fn launch(addresses: &[Address], spawn: &dyn Fn(usize, &mut Command) -> Child) -> EtcdCluster {
        let folder = tempfile::tempdir().expect("a folder for etcd");
        let peer = |(index, address): (usize, &Address)| {
            format!("m{index}=http://{}:{}", address.host, address.peer)
        };
        let peers = addresses.iter().enumerate().map(peer).collect::<Vec<_>>().join(",");
        let start = |(index, address): (usize, &Address)| {
            let arguments = arguments(index, address, &peers, folder.path());
            let log = folder.path().join(format!("m{index}.log"));
            let process = Some(spawn(index, &mut command(&arguments, &log)));
            Member { process, host: address.host.clone(), client: address.client, arguments, log }
        };
        let members = addresses.iter().enumerate().map(start).collect();
        EtcdCluster { members, _folder: folder }
    }

    /// `etcd://HOST:PORT,…` of all members.
    pub(crate) fn address(&self) -> String {
        let members: Vec<String> =
            self.members.iter().map(|member| format!("{}:{}", member.host, member.client)).collect();
        format!("etcd://{}", members.join(","))
    }

    /// The client port of one member.
    pub(crate) fn port(&self, index: usize) -> u16 {
        self.members[index].client
    }

    /// The member that leads, as the living ones agree.
    pub(crate) fn leader(&self) -> Option<usize> {
        let told: Vec<(usize, String, String)> = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.process.is_some())
            .filter_map(|(index, member)| {
                let status = member.status()?;
                Some((index, text_at(&status, "member_id")?, text_at(&status, "leader")?))
            })
            .collect();
        let (_, _, leader) = told.first()?;
        let agreed = told.iter().all(|(_, _, other)| other == leader);
        let leads = told.iter().find(|(_, member, _)| member == leader)?;
        agreed.then_some(leads.0)
    }

    /// SIGKILL to one member.
    pub(crate) fn kill(&mut self, index: usize) {
        if let Some(mut process) = self.members[index].process.take() {
            process.kill().expect("the member is ours");
            process.wait().expect("the member is ours");
        }
    }

    /// Starts a killed member again, with what it kept.
    pub(crate) fn restart(&mut self, index: usize) {
        let member = &mut self.members[index];
        assert!(member.process.is_none(), "member {index} runs");
        let process = command(&member.arguments, &member.log).spawn();
        member.process = Some(process.expect("etcd is installed"));
    }

    /// Waits until all living members agree on a leader.
    pub(crate) fn wait_for_leader(&self) {
        let until = Instant::now() + START;
        while self.leader().is_none() {
            assert!(Instant::now() < until, "etcd has no leader after {START:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for EtcdCluster {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            self.kill(index);
        }
    }
}

impl Member {
    fn status(&self) -> Option<String> {
        let mut stream = connect(&self.host, self.client)?;
        stream.set_read_timeout(Some(ASK)).ok()?;
        let head = "POST /v3/maintenance/status HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n";
        write!(stream, "{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

fn connect(host: &str, port: u16) -> Option<TcpStream> {
    let address = format!("{host}:{port}").parse().expect("an address");
    TcpStream::connect_timeout(&address, ASK).ok()
}

fn arguments(index: usize, address: &Address, peers: &str, folder: &Path) -> Vec<String> {
    let http = |port: u16| format!("http://{}:{port}", address.host);
    let data = folder.join(format!("m{index}"));
    let arguments = [
        ("--name", format!("m{index}")),
        ("--data-dir", data.display().to_string()),
        ("--listen-client-urls", http(address.client)),
        ("--advertise-client-urls", http(address.client)),
        ("--listen-peer-urls", http(address.peer)),
        ("--initial-advertise-peer-urls", http(address.peer)),
        ("--initial-cluster", peers.to_owned()),
        ("--initial-cluster-state", "new".to_owned()),
    ];
    arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

fn command(arguments: &[String], log: &Path) -> Command {
    let log = File::options().create(true).append(true).open(log).expect("a log for etcd");
    let mut command = Command::new("etcd");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command
}

/// The text at a key of flat JSON.
fn text_at(json: &str, key: &str) -> Option<String> {
    let (_, behind) = json.split_once(&format!("\"{key}\":\""))?;
    behind.split_once('"').map(|(text, _)| text.to_owned())
}

/// Pairs of ports that nobody listens on. All are held until all are found, so that no two are the same.
fn free_ports(pairs: usize) -> Vec<(u16, u16)> {
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    let held: Vec<(TcpListener, TcpListener)> = (0..pairs).map(|_| (bind(), bind())).collect();
    let port = |listener: &TcpListener| listener.local_addr().expect("it listens").port();
    held.iter().map(|(client, peer)| (port(client), port(peer))).collect()
}

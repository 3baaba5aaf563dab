//! The demo's cluster: nodes that are processes of this machine, whose primary may be killed now and then. Everything of
//! it lies in the demo's own directories and ends with it.
//!
//! Where there is an etcd the nodes see to failover themselves. Elsewhere the demo is the operator: once the primary is
//! dead it promotes a standby that was in sync. A node that died is started again after two seconds.

pub mod etcd;
pub mod member;
pub mod state;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use rialto_journal::segment::hex;
use rialto_replicator::key::random;

use super::market;
use super::place::Place;
use crate::config::{Ack, HostPort, Word};
use crate::failure::{Code, failure};
use crate::request::{Answer, Ask, Promote, ask};
use crate::status::Row;
use etcd::Etcd;
use member::Member;
use state::State;

/// Nodes that a demo may have.
pub const NODES_MAX: u8 = 5;
/// How long all nodes may take to be in sync.
const START: Duration = Duration::from_mins(1);
/// A node that died is started again after this time.
const RESTART: Duration = Duration::from_secs(2);
/// Between two looks at processes.
const TURN: Duration = Duration::from_millis(10);
/// Between two questions to all nodes, and how long they may take to answer.
const LOOK: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_millis(500);
/// How long a promotion may take.
const PROMOTION: Duration = Duration::from_secs(20);

/// What a cluster is to be.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// How many nodes.
    pub nodes: usize,
    /// The ack policy.
    pub ack: Ack,
    /// Its name.
    pub cluster: String,
    /// Where the nodes' directories are.
    pub dir: &'a Path,
    /// Where shared memory is; a directory is made there.
    pub shm_dir: &'a Path,
    /// How often the primary is killed.
    pub kill_every: Option<Duration>,
}

/// A running cluster. Dropping it kills all of it.
#[derive(Debug)]
pub struct Cluster {
    /// What is known of it.
    pub state: Arc<Mutex<State>>,
    /// Where clients connect, in the nodes' order.
    pub addresses: Vec<String>,
    /// Whether failover is automatic.
    pub has_etcd: bool,
    shm: PathBuf,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

/// What the keeper is told.
#[derive(Debug, Default)]
struct Shared {
    /// The primary may be killed.
    may_kill: AtomicBool,
    stop: AtomicBool,
}

/// Keeps the cluster alive, and kills its primary when that is due. One thread starts all nodes, and they die with it.
#[derive(Debug)]
struct Keeper {
    members: Vec<Member>,
    addresses: Vec<HostPort>,
    etcd: Option<Etcd>,
    state: Arc<Mutex<State>>,
    shared: Arc<Shared>,
    kill_every: Option<Duration>,
    next_kill: Option<Instant>,
    next_look: Instant,
    /// Who may follow the primary that was killed, where that is the demo's to say.
    successors: Vec<String>,
    /// Removed last.
    shm: Place,
}

impl Cluster {
    /// Starts the nodes and waits until all are in sync, or `stop` is set.
    pub fn start(wanted: &Wanted<'_>, stop: &AtomicBool) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let keeper = Keeper::new(wanted, &shared, stop)?;
        let mut cluster = Self {
            state: Arc::clone(&keeper.state),
            addresses: keeper.addresses.iter().map(ToString::to_string).collect(),
            has_etcd: keeper.etcd.is_some(),
            shm: keeper.shm.dir().to_owned(),
            shared,
            keeper: None,
        };
        cluster.keeper = Some(thread::Builder::new().name("keeper".into()).spawn(move || keeper.run())?);
        let until = Instant::now() + START;
        while !cluster.state.lock().is_whole() {
            if stop.load(Ordering::Relaxed) {
                bail!("ended before all nodes were in sync");
            }
            if Instant::now() >= until {
                let news: Vec<String> = cluster.state.lock().news.drain(..).collect();
                let why = format!("the nodes are not in sync after {START:?}: {}", news.join("; "));
                return Err(failure(Code::Stopped, why));
            }
            thread::sleep(TURN);
        }
        Ok(cluster)
    }

    /// Where the nodes' shared memory is.
    pub fn shm(&self) -> &Path {
        &self.shm
    }

    /// From now on the primary is killed as often as was wanted, or not any more.
    pub fn may_kill(&self, may: bool) {
        self.shared.may_kill.store(may, Ordering::Relaxed);
    }

    /// Name of the node that leads, once there is one.
    pub fn primary(&self) -> anyhow::Result<String> {
        let until = Instant::now() + START;
        loop {
            let leads = self.state.lock().primary().map(str::to_owned);
            match leads {
                Some(name) => return Ok(name),
                None if Instant::now() >= until => {
                    return Err(failure(Code::Stopped, "nobody is the primary any more"));
                }
                None => thread::sleep(TURN),
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(keeper) = self.keeper.take() {
            keeper.join().ok();
        }
    }
}

impl Keeper {
    fn new(wanted: &Wanted<'_>, shared: &Arc<Shared>, stop: &AtomicBool) -> anyhow::Result<Self> {
        let dir = fs::canonicalize(wanted.dir).with_context(|| wanted.dir.display().to_string())?;
        let shm = Place::new_in(wanted.shm_dir, "rialto-demo", super::nonce())?;
        let ports = free_ports(2 * wanted.nodes + 2)?;
        let etcd = match Etcd::program() {
            Some(program) => {
                let at = (ports[2 * wanted.nodes], ports[2 * wanted.nodes + 1]);
                Some(Etcd::start(&program, &dir, at, stop)?)
            }
            None => None,
        };
        write_key(&dir.join("cluster.key"))?;
        let names: Vec<String> = (1..=wanted.nodes).map(|number| format!("n{number}")).collect();
        let address = |port: u16| HostPort { host: "127.0.0.1".into(), port };
        let peers: Vec<String> =
            names.iter().zip(&ports).map(|(name, port)| format!("\"{name}={}\"", address(*port))).collect();
        let (peers, key) = (peers.join(", "), dir.join("cluster.key"));
        let coordinator = etcd.as_ref().map(Etcd::address).unwrap_or_default();
        let mut members = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let (replication, fix) = (address(ports[at]), address(ports[wanted.nodes + at]));
            let config = dir.join(format!("{name}.toml"));
            let head = format!(
                "{}listen = {{ fix = \"{fix}\", replication = \"{replication}\" }}\n\
                 cluster = {{ peers = [{peers}], coordinator = \"{coordinator}\", key_file = {:?} }}\n",
                market::node(name, &wanted.cluster),
                key.display().to_string(),
            );
            fs::write(&config, market::toml(&head)?).with_context(|| config.display().to_string())?;
            let (data, shm) = (dir.join(name), shm.dir().display().to_string());
            let (config, data_text) = (config.display().to_string(), data.display().to_string());
            let mut arguments: Vec<String> = ["serve", "--config", &config, "--data", &data_text]
                .into_iter()
                .chain(["--shm-dir", &shm, "--ack", wanted.ack.name()])
                .map(str::to_owned)
                .collect();
            if at > 0 {
                arguments.extend(["--join".to_owned(), address(ports[0]).to_string()]);
            }
            members.push(Member::new(name, fix, (data, arguments)));
        }
        Ok(Self {
            addresses: members.iter().map(|member| member.fix.clone()).collect(),
            members,
            etcd,
            state: Arc::new(Mutex::new(State::new(names.into_iter()))),
            shared: Arc::clone(shared),
            kill_every: wanted.kill_every,
            next_kill: None,
            next_look: Instant::now(),
            successors: Vec::new(),
            shm,
        })
    }

    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.raise();
            self.look();
            self.kill();
            self.promote();
            thread::sleep(TURN);
        }
        self.members.iter_mut().for_each(Member::kill);
        self.members.iter_mut().for_each(Member::wait);
    }

    /// Starts who is not there.
    fn raise(&mut self) {
        for member in &mut self.members {
            if member.is_alive() || member.dead_since.is_some_and(|since| since.elapsed() < RESTART) {
                continue;
            }
            if member.dead_since.is_some() {
                self.state.lock().tell(format!("{} is started again", member.name));
            }
            if let Err(error) = member.start() {
                self.state.lock().tell(format!("{}: {error:#}", member.name));
                member.dead_since = Some(Instant::now());
            }
        }
    }

    /// Asks all nodes how they are.
    fn look(&mut self) {
        if Instant::now() < self.next_look {
            return;
        }
        let rows = Row::ask_all(&self.addresses, false, ANSWER);
        let left = self.next_kill.map(|next| next.saturating_duration_since(Instant::now()));
        let mut state = self.state.lock();
        state.see(&rows);
        state.kill_s = left.map(|left| left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
        if state.primary().is_some() {
            self.successors.clear();
        }
        drop(state);
        self.next_look = Instant::now() + LOOK;
    }

    /// Kills the primary when that is due and somebody can follow it.
    fn kill(&mut self) {
        let Some(every) = self.kill_every else { return };
        if !self.shared.may_kill.load(Ordering::Relaxed) {
            self.next_kill = None;
            return;
        }
        let now = Instant::now();
        let due = *self.next_kill.get_or_insert(now + every);
        let mut state = self.state.lock();
        let (Some(primary), false) = (state.primary().map(str::to_owned), now < due) else { return };
        let successors: Vec<String> = state.successors().map(str::to_owned).collect();
        let Some(member) = self.members.iter_mut().find(|member| member.name == primary) else { return };
        if successors.is_empty() || !member.is_alive() {
            return;
        }
        member.kill();
        let words = format!("kill -9 {primary}, which led in epoch {}", state.epoch);
        state.tell(words);
        for (name, condition) in &mut state.nodes {
            if *name == primary {
                *condition = state::Condition::Down;
            }
        }
        self.next_kill = Some(now + every);
        self.successors = successors;
    }

    /// Without etcd somebody has to say who follows.
    fn promote(&mut self) {
        if self.etcd.is_some() || self.successors.is_empty() {
            return;
        }
        // The next one is tried if this one is refused.
        self.successors.rotate_left(1);
        let Some(name) = self.successors.last() else { return };
        let Some(member) = self.members.iter().find(|member| member.name == *name) else { return };
        let request = Promote { node: name.clone(), planned: false, force: false, key_proof: None };
        match ask(&member.fix, &Ask::Promote(request), PROMOTION) {
            Ok(Answer::Promotion(promotion)) if promotion.refused.is_none() => self.successors.clear(),
            Ok(answer) => tracing::info!(node = name, answer = answer.line(), "not promoted"),
            Err(error) => tracing::info!(node = name, %error, "not promoted"),
        }
        self.next_look = Instant::now();
    }
}

/// Ports of the loopback that nobody listens on. All are held until all are found, so that no two are the same.
fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// Makes the nodes' key, unless an earlier demo did.
fn write_key(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let written = (|| {
        let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
        std::io::Write::write_all(&mut file, hex(&random::<32>()?).as_bytes())
    })();
    written.with_context(|| path.display().to_string())
}

//! `rialto serve`: the command line, the ready line, and the signals.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use clap::Args;
use rialto_engine::matcher;
use rialto_gateway::gateway::Settings as GatewaySettings;
use rialto_journal::cursor::Policy;
use rialto_journal::disk::real::Backend;
use rialto_journal::meta::{META_NAME, NodeLock};
use rialto_replicator::coordinator::etcd::Etcd;
use rialto_replicator::coordinator::{Coordinator, LeaseId};
use serde_json::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::cluster::life::{self, ClusterSettings, Leases};
use super::run::{Settings, launch};
use super::start::{Plan, Upkeep};
use super::{files, listen};
use crate::config::{Ack, Config, HostPort, Idle, Overrides, Pin};
use crate::failure::{Code, failure};
use crate::load;
use crate::supervisor::{Supervised, bound, supervise, supervised};

/// Cores from which on threads may spin.
const CORES_TO_SPIN: usize = 4;

/// Run a node of the exchange.
#[expect(clippy::struct_excessive_bools, reason = "independent switches of one command line")]
#[derive(Debug, Args)]
pub struct Serve {
    /// The TOML file.
    #[arg(long)]
    config: PathBuf,
    /// The node's directory; made if it is not there.
    #[arg(long)]
    data: PathBuf,
    /// Instead of node.name.
    #[arg(long)]
    name: Option<String>,
    /// Instead of node.idle: spin, yield, park or auto.
    #[arg(long)]
    idle: Option<Idle>,
    /// Instead of node.pin: auto, off, or core numbers such as 0,1.
    #[arg(long)]
    pin: Option<Pin>,
    /// Instead of node.ack: async or disk.
    #[arg(long)]
    ack: Option<Ack>,
    /// How pages are written: direct where the file system has it, else mapped.
    #[arg(long, default_value = "direct")]
    storage: StorageWord,
    /// Where shared memory is.
    #[arg(long, default_value = "/dev/shm")]
    shm_dir: PathBuf,
    /// Accept a durable policy on a file system that cannot keep it.
    #[arg(long)]
    accept_volatile: bool,
    /// The replication address of any member, for a node whose directory is empty: H:P[,H:P].
    #[arg(long, value_delimiter = ',')]
    join: Vec<HostPort>,
    /// Instead of cluster.coordinator: etcd://H:P,H:P,H:P.
    #[arg(long)]
    coordinator: Option<String>,
    /// A primary without a standby in sync releases nothing.
    #[arg(long)]
    strict: bool,
    /// FIX may listen beyond loopback, unencrypted.
    #[arg(long)]
    plaintext: bool,
    /// Gateway threads.
    #[arg(long, default_value_t = 1)]
    gateways: u32,
    /// Append logs to this file instead of writing them to stderr.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Logs as JSON, a line each.
    #[arg(long)]
    json: bool,
}

/// A way of writing pages.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum StorageWord {
    Mapped,
    Direct,
}

impl Serve {
    /// Runs the node until a signal or a failure ends it.
    pub fn run(self) -> anyhow::Result<()> {
        let supervised = supervised()?;
        bound()?;
        start_log(self.log.as_deref(), self.json)?;
        let overrides = Overrides {
            name: self.name.clone(),
            ack: self.ack,
            idle: self.idle,
            pin: self.pin.clone(),
            plaintext: self.plaintext,
        };
        let config = Config::load(&self.config, &overrides)?;
        let cluster = self.cluster(&config, supervised.as_ref())?;
        if let Some(coordinator) = cluster.as_ref().map(|cluster| &cluster.coordinator)
            && !coordinator.is_empty()
            && supervised.is_none()
        {
            return supervise_node(coordinator, &config.node.cluster);
        }
        let signalled = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&signalled)).context("signals")?;
        }
        let settings = self.settings(&config)?;
        files::make_room(self.gateways)?;
        self.probe(&settings)?;
        // What a disk does to a page between asking for it and storing into it: the node ends, as it does for any error.
        signal_hook::flag::register_conditional_shutdown(
            signal_hook::consts::SIGBUS,
            i32::from(Code::Stopped.number()),
            Arc::new(AtomicBool::new(true)),
        )
        .context("signals")?;
        if let Some(cluster) = cluster {
            let leases = told(supervised);
            return life::run(&settings, &cluster, (&signalled, leases), |endpoints| self.ready(endpoints));
        }
        let running = launch(&settings)?;
        self.ready(&running.node.endpoints())?;
        running.wait(&signalled).map(|_| ())
    }

    /// Says where everything is: in a file, and on the first line of stdout.
    fn ready(&self, endpoints: &Value) -> anyhow::Result<()> {
        write_endpoints(&self.data, endpoints)?;
        let mut endpoints = endpoints.clone();
        if let Value::Object(fields) = &mut endpoints {
            fields.insert("ready".into(), true.into());
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{endpoints}")?;
        Ok(out.flush()?)
    }

    /// What makes the node one of a cluster, if it listens to others.
    fn cluster(
        &self,
        config: &Config,
        supervised: Option<&Supervised>,
    ) -> anyhow::Result<Option<ClusterSettings>> {
        let Some(replication) = config.listen.replication else {
            if !self.join.is_empty() || self.coordinator.is_some() || self.strict {
                let words = "--join, --coordinator and --strict are for a node with listen.replication";
                return Err(failure(Code::Usage, words));
            }
            return Ok(None);
        };
        let key_file = config.cluster.key_file.clone().context("the configuration has a key file")?;
        let coordinator = self.coordinator.clone().unwrap_or_else(|| {
            let hosts: Vec<String> = config.cluster.coordinator.iter().map(ToString::to_string).collect();
            if hosts.is_empty() { String::new() } else { format!("etcd://{}", hosts.join(",")) }
        });
        let peers = config.cluster.peers.iter().map(|peer| (peer.name.clone(), peer.address.clone()));
        Ok(Some(ClusterSettings {
            replication,
            peers: peers.collect(),
            join: self.join.clone(),
            key_file,
            coordinator,
            strict: self.strict,
            supervisor: supervised.map(Supervised::supervisor),
        }))
    }

    /// Who is this node already has its port too: then the lock is what is told.
    fn probe(&self, settings: &Settings) -> anyhow::Result<()> {
        let Err(error) = listen::probe(settings.fix, settings.metrics) else { return Ok(()) };
        if self.data.join(META_NAME).exists() {
            NodeLock::take(&self.data).map_err(|error| failure(Code::Refused, error.to_string()))?;
        }
        Err(error)
    }

    fn settings(&self, config: &Config) -> anyhow::Result<Settings> {
        let plan = Plan {
            dir: self.data.clone(),
            shm_dir: self.shm_dir.clone(),
            node: config.node.name.clone(),
            cluster: config.node.cluster.clone(),
            policy: policy(config.node.ack),
            backend: match self.storage {
                StorageWord::Mapped => Backend::Mapped,
                StorageWord::Direct => Backend::Direct,
            },
            accept_volatile: self.accept_volatile,
            segment_bytes: u64::from(config.node.segment_mib) << 20,
            shm_bytes: u64::from(config.node.shm_mib) << 20,
            upkeep: Upkeep::of(&config.node),
            reference: load::operations(config)?,
            cluster_id: None,
        };
        if self.gateways == 0 {
            return Err(failure(Code::Usage, "--gateways 0: at least one is needed"));
        }
        Ok(Settings {
            plan,
            fix: config.listen.fix,
            metrics: config.listen.metrics,
            idle: idle(config.node.idle),
            pin: pin(&config.node.pin, idle(config.node.idle)),
            gateways: self.gateways,
            gateway: gateway_settings(config)?,
            archive: config.node.archive.clone(),
        })
    }
}

/// Tells the supervisor, if there is one, which leases the node holds.
fn told(supervised: Option<Supervised>) -> Leases {
    Arc::new(move |leases| {
        let held: Vec<LeaseId> = leases.iter().map(|lease| lease.id).collect();
        if let Some(Err(error)) = supervised.as_ref().map(|supervised| supervised.holds(&held)) {
            tracing::error!(%error, "the supervisor does not know of the lease");
        }
    })
}

/// Starts this command once more as a child, and ends its leases when it dies.
fn supervise_node(coordinator: &str, cluster: &str) -> anyhow::Result<()> {
    let etcd = Etcd::new(coordinator, cluster).map_err(|why| failure(Code::Usage, why))?;
    let revoke = move |lease| {
        if let Err(error) = etcd.revoke(lease) {
            tracing::error!(%error, "the dead node's lease could not be ended: it runs out");
        }
    };
    match supervise(revoke)? {
        0 => Ok(()),
        // What there was to say the child has said.
        code => std::process::exit(code.into()),
    }
}

/// What gateways need of a configuration.
pub fn gateway_settings(config: &Config) -> anyhow::Result<GatewaySettings> {
    Ok(GatewaySettings {
        comp_id: config.fix.comp_id.parse()?,
        sending_time_tolerance_s: config.fix.sending_time_tolerance_s,
        user_defined_tags: config.fix.user_defined_tags,
        messages_per_s: config.limits.messages_per_s,
        spin: idle(config.node.idle) == matcher::Idle::Spin,
    })
}

/// How the matcher waits on this machine.
pub fn idle(word: Idle) -> matcher::Idle {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match word {
        Idle::Spin => matcher::Idle::Spin,
        Idle::Yield => matcher::Idle::Yield,
        Idle::Auto if cores >= CORES_TO_SPIN => matcher::Idle::Spin,
        Idle::Park | Idle::Auto => matcher::Idle::Park,
    }
}

/// The matcher's core: where it helps (it spins, and there are cores to spare), the last one, which the system uses least.
fn pin(pin: &Pin, idle: matcher::Idle) -> Option<usize> {
    match pin {
        Pin::Off => None,
        Pin::Cores(cores) => cores.first().copied(),
        Pin::Auto => {
            let cores = rialto_engine::pin::cores();
            (idle == matcher::Idle::Spin && cores.len() >= CORES_TO_SPIN)
                .then(|| cores.last().copied())
                .flatten()
        }
    }
}

/// The journal's policy for the configuration's word.
pub fn policy(ack: Ack) -> Policy {
    match ack {
        Ack::Async => Policy::Async,
        Ack::Disk => Policy::Disk,
        Ack::Ram => Policy::Ram,
        Ack::DiskRam => Policy::DiskRam,
        Ack::DiskDisk => Policy::DiskDisk,
    }
}

/// Logs go to a file, else to stderr; what is logged is set by `RUST_LOG`, at first warnings and the node's own remarks.
fn start_log(file: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = match file {
        None => BoxMakeWriter::new(std::io::stderr),
        Some(path) => {
            let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
            BoxMakeWriter::new(Arc::new(opened.map_err(|error| {
                failure(Code::Usage, format!("--log {}: cannot append: {error}", path.display()))
            })?))
        }
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    let made = if json { builder.json().try_init() } else { builder.try_init() };
    made.map_err(|error| anyhow::anyhow!("logs: {error}"))
}

fn write_endpoints(dir: &Path, endpoints: &Value) -> anyhow::Result<()> {
    let (path, unfinished) = (dir.join("endpoints.json"), dir.join("endpoints.json.tmp"));
    let text = format!("{endpoints}\n");
    let written = std::fs::write(&unfinished, &text).and_then(|()| std::fs::rename(&unfinished, &path));
    match written {
        // A full disk has room for as much as is there already.
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            std::fs::remove_file(&unfinished).ok();
            write_over(&path, &text)
        }
        done => done,
    }
    .with_context(|| format!("{}: cannot write", path.display()))
}

fn write_over(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
}

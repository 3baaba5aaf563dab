//! `rialto demo`: a whole exchange in one process, with simulated traders on TCP and a live view of what they do.
//!
//! The node runs as `rialto serve` would run it, journal and all. At the end all cash and shares are added up.

pub mod desk;
pub mod fair;
pub mod figures;
pub mod floor;
pub mod market;
pub mod place;
pub mod screen;
pub mod show;
pub mod terminal;
pub mod trader;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use parking_lot::Mutex;
use rialto_journal::cursor::Policy;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::disk::{Disk, Durability, durability_of};
use rialto_journal::meta::{META_NAME, MetaFile};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::failure::{Code, failure};
use crate::load;
use crate::serve::command::gateway_settings;
use crate::serve::node::Node;
use crate::serve::run::{Running, Settings, launch};
use crate::serve::start::{Plan, Upkeep};
use figures::Figures;
use floor::Floor;
use market::{GUEST, GUEST_PASSWORD};
use place::Place;
use show::{Seen, Show};

/// A whole exchange in one process, with simulated traders and a live view.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// End after this time: 30s, 5m. Without it: at q or Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = crate::client::duration)]
    for_time: Option<Duration>,
    /// Keep the journal in this directory. Without it: in ./rialto-demo-XXXX, which is removed at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the traders' random numbers start.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where shared memory is.
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    shm_dir: PathBuf,
    /// No live view; the last line on stdout is one JSON object.
    #[arg(long)]
    json: bool,
}

/// How a demo went.
#[derive(Debug, Clone)]
struct Outcome {
    seconds: f64,
    seen: Seen,
    conserved: Result<(), String>,
}

impl Demo {
    /// Runs the demo until its time is over, or somebody ends it.
    pub fn run(&self) -> anyhow::Result<()> {
        let place = match &self.data {
            Some(dir) => Place::named(dir)?,
            None => Place::new_in(Path::new("."), "rialto-demo", nonce())?,
        };
        let live = !self.json && io::stdin().is_terminal() && io::stdout().is_terminal();
        log(live.then(|| place.dir().join("demo.log")).as_deref())?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).context("signals")?;
        }
        let settings = self.settings(place.dir())?;
        let running = launch(&settings)?;
        let outcome = self.trade(&running, (settings.plan.policy, live), &stop);
        let stopped = running.stop();
        let outcome = outcome?;
        stopped?;
        drop(place);
        self.tell(&outcome)
    }

    /// A node as `serve` would run it; `async` where the file system keeps no promise.
    fn settings(&self, dir: &Path) -> anyhow::Result<Settings> {
        let policy = match durability_of(dir).with_context(|| dir.display().to_string())? {
            Durability::Durable => Policy::Disk,
            Durability::Volatile(name) => {
                let dir = dir.display();
                self.say(&format!("ack policy async: {dir} is on {name}, which cannot keep a promise"))?;
                Policy::Async
            }
        };
        let config = market::config(&cluster(dir)?)?;
        let plan = Plan {
            dir: dir.to_owned(),
            shm_dir: self.shm_dir.clone(),
            node: config.node.name.clone(),
            cluster: config.node.cluster.clone(),
            policy,
            backend: Backend::Direct,
            accept_volatile: false,
            segment_bytes: u64::from(config.node.segment_mib) << 20,
            shm_bytes: u64::from(config.node.shm_mib) << 20,
            upkeep: Upkeep::of(&config.node),
            reference: load::operations(&config)?,
            cluster_id: None,
        };
        Ok(Settings {
            plan,
            fix: config.listen.fix,
            metrics: config.listen.metrics,
            idle: crate::serve::command::idle(config.node.idle),
            pin: None,
            gateways: 1,
            gateway: gateway_settings(&config)?,
        })
    }

    /// Lets the traders trade while somebody watches.
    fn trade(
        &self,
        running: &Running,
        (policy, live): (Policy, bool),
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<Outcome> {
        let node = &running.node;
        let address: SocketAddr = node.fix.parse().context("the node's own address")?;
        let command = client_command(address);
        self.say(&format!("trade along: {} {}", command[0].trim_end_matches(" \\"), command[1]))?;
        let figures = Arc::new(Mutex::new(Figures::new(trades_so_far(node)?)));
        let floor = Floor::open(&[address.to_string()], (self.seed, &prefix()), &figures)?;
        let close = Arc::new(AtomicBool::new(false));
        let closing = Arc::clone(&close);
        let ended = Arc::clone(stop);
        let floor = thread::Builder::new().name("traders".into()).spawn(move || {
            let result = floor.run(&closing);
            ended.store(true, Ordering::Relaxed);
            result
        })?;
        let start = Instant::now();
        let ack = policy.name();
        let show = Show { node, figures: &figures, for_time: self.for_time, seed: self.seed, ack, command };
        let seen = if live { show.live(stop) } else { show.plain(stop, |line| self.say(line)) };
        let seconds = start.elapsed().as_secs_f64();
        close.store(true, Ordering::Relaxed);
        floor.join().map_err(|_| failure(Code::Stopped, "the traders' thread panicked"))??;
        let asked = node.aside.ask(|exchange, _| exchange.conserve());
        let conserved =
            asked.ok_or_else(|| failure(Code::Stopped, "the shadow of the exchange did not answer"))?;
        Ok(Outcome { seconds, seen: seen?, conserved })
    }

    /// The last line, and whether all adds up.
    fn tell(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let Outcome { seconds, seen, conserved } = outcome;
        let orders_per_s =
            (f64::from(u32::try_from(seen.orders).unwrap_or(u32::MAX)) / seconds.max(0.001)).round();
        let mut out = io::stdout().lock();
        if self.json {
            let line = json!({
                "orders": seen.orders,
                "trades": seen.trades,
                "orders_per_s": orders_per_s,
                "us": seen.latency,
                "conserved": conserved.is_ok(),
                "late": seen.late,
                "refused": seen.refused,
                "frames": seen.frames,
                "frames_filled": seen.frames_filled,
                "seconds": (seconds * 1000.0).round() / 1000.0,
                "seed": self.seed,
            });
            writeln!(out, "{line}")?;
        } else {
            let adds_up =
                if conserved.is_ok() { "all cash and shares add up" } else { "CASH OR SHARES DO NOT ADD UP" };
            writeln!(
                out,
                "{} orders, {} trades, {orders_per_s} orders/s, latency us p50 {:.0} p99 {:.0} p99.9 {:.0} max {:.0}; {adds_up}",
                seen.orders,
                seen.trades,
                seen.latency.p50,
                seen.latency.p99,
                seen.latency.p99_9,
                seen.latency.max,
            )?;
        }
        out.flush()?;
        conserved.clone().map_err(|why| failure(Code::CheckFailed, format!("not conserved: {why}")))
    }

    /// Says a line: on stderr if stdout is for JSON.
    fn say(&self, line: &str) -> anyhow::Result<()> {
        if self.json {
            writeln!(io::stderr(), "{line}")?;
        } else {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        Ok(())
    }
}

/// The cluster's name: that of the journal in `dir`, or one that no other demo on this machine has.
fn cluster(dir: &Path) -> anyhow::Result<String> {
    if dir.join(META_NAME).exists() {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Direct));
        return Ok(MetaFile::peek(&disk, dir)?.cluster);
    }
    Ok(format!("demo-{}-{}", std::process::id(), prefix()))
}

/// Number of the last trade of a journal that was used before.
fn trades_so_far(node: &Node) -> anyhow::Result<u64> {
    let last = node.aside.ask(|exchange, _| exchange.trades().next_back().map_or(0, |trade| trade.id.0));
    last.ok_or_else(|| failure(Code::Stopped, "the shadow of the exchange did not answer"))
}

/// How to trade along, in two parts: as this program was called, so that it can be pasted.
fn client_command(address: SocketAddr) -> [String; 2] {
    let program = std::env::args().next().unwrap_or_default();
    let short = program.ends_with("rialto") && program.len() <= 30;
    let program = if short { program } else { "rialto".to_owned() };
    [
        format!("PW={GUEST_PASSWORD} {program} client \\"),
        format!("--nodes {address} --user {GUEST} --password-env PW"),
    ]
}

/// Nanoseconds since 1970: for names that must differ from run to run.
pub(crate) fn nonce() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// What this run's `ClOrdID`s start with.
fn prefix() -> String {
    format!("{:x}", nonce() / 1_000_000)
}

/// Logs go to a file where the screen is taken, else to stderr.
fn log(file: Option<&Path>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    let made = match file {
        Some(path) => {
            let file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
            builder.with_writer(std::sync::Mutex::new(file)).try_init()
        }
        None => builder.with_writer(io::stderr).try_init(),
    };
    made.map_err(|error| anyhow::anyhow!("logs: {error}"))
}

//! `rialto demo`: a whole exchange with simulated traders on TCP and a live view of what they do: one node in this process,
//! or a cluster of nodes that are processes of their own, whose primary may be killed now and then.
//!
//! The nodes run as `rialto serve` would run them, journal and all. At the end all cash and shares are added up.

pub mod alone;
pub mod cluster;
pub mod desk;
pub mod fair;
pub mod figures;
pub mod floor;
pub mod gaps;
pub mod market;
pub mod place;
pub mod screen;

pub mod show;
pub mod terminal;
pub mod trader;
pub mod watch;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use parking_lot::Mutex;
use rialto_journal::meta::META_NAME;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use crate::admin::{Connection, Request};
use crate::config::{Ack, Word};
use crate::failure::{Code, failure};
use crate::journal::deep_faults;
use crate::serve::node::Node;
use crate::serve::run::launch;
use cluster::state::State;
use cluster::{Cluster, NODES_MAX, Wanted};
use figures::Figures;
use floor::Floor;
use market::{GUEST, GUEST_PASSWORD};
use place::Place;
use show::{Seen, Show};
use watch::{Books, Watch};

/// Nodes that are named to whoever wants to trade along: as many as fit a row. They know the others.
const NAMED_MAX: usize = 4;

/// A whole exchange with simulated traders and a live view: one node in one process, or a cluster.
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
    /// Nodes, up to 5. Two or more are processes of their own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(NODES_MAX)))]
    nodes: u8,
    /// Kill the primary (kill -9) as often as this, once another node can follow: 10s. It comes back after 2 s.
    #[arg(long, value_name = "TIME", value_parser = crate::client::duration)]
    kill_primary_every: Option<Duration>,
    /// The ack policy. Without it: disk, or disk+ram with more nodes; where a disk keeps no promise async, or ram.
    #[arg(long)]
    ack: Option<Ack>,
    /// Where shared memory is.
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    shm_dir: PathBuf,
    /// No live view; the last line on stdout is one JSON object.
    #[arg(long)]
    json: bool,
}

/// What traders and the live view need to know.
#[derive(Debug)]
struct Venue<'a> {
    /// Where clients connect.
    addresses: &'a [String],
    books: &'a dyn Books,
    cluster: Option<&'a Cluster>,
    /// Number of the last trade before this demo.
    trades_before: u64,
    ack: Ack,
    live: bool,
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
        self.check()?;
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
        let ack = self.policy(place.dir())?;
        let outcome = if self.nodes == 1 {
            self.alone(place.dir(), (ack, live), &stop)?
        } else {
            self.together(place.dir(), (ack, live), &stop)?
        };
        drop(place);
        self.tell(&outcome)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.nodes > 1 {
            return Ok(());
        }
        if self.kill_primary_every.is_some() {
            return Err(failure(Code::Usage, "--kill-primary-every is for --nodes 2 and more"));
        }
        match self.ack.filter(|ack| ack.needs_standby()) {
            Some(ack) => Err(failure(Code::Usage, format!("--ack {} is for --nodes 2 and more", ack.name()))),
            None => Ok(()),
        }
    }

    /// What was asked for, or as much as the file system can promise.
    fn policy(&self, dir: &Path) -> anyhow::Result<Ack> {
        if let Some(ack) = self.ack {
            return Ok(ack);
        }
        let (best, rest) = if self.nodes == 1 { (Ack::Disk, Ack::Async) } else { (Ack::DiskRam, Ack::Ram) };
        let Some(name) = alone::volatile(dir)? else { return Ok(best) };
        let (word, dir) = (rest.name(), dir.display());
        self.say(&format!("ack policy {word}: {dir} is on {name}, which cannot keep a promise"))?;
        Ok(rest)
    }

    /// One node, in this process.
    fn alone(&self, dir: &Path, (ack, live): (Ack, bool), stop: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
        let running = launch(&alone::settings(dir, &self.shm_dir, ack)?)?;
        let outcome = self.on(&running.node, (ack, live), stop);
        let stopped = running.stop();
        let outcome = outcome?;
        stopped?;
        Ok(outcome)
    }

    fn on(&self, node: &Node, (ack, live): (Ack, bool), stop: &Arc<AtomicBool>) -> anyhow::Result<Outcome> {
        let addresses = [node.fix.clone()];
        let trades_before = alone::trades_so_far(node)?;
        let venue = Venue { addresses: &addresses, books: node, cluster: None, trades_before, ack, live };
        let (seconds, seen) = self.trade(&venue, stop)?;
        let asked = node.aside.ask(|exchange, _| exchange.conserve());
        let conserved =
            asked.ok_or_else(|| failure(Code::Stopped, "the shadow of the exchange did not answer"))?;
        Ok(Outcome { seconds, seen, conserved })
    }

    /// Several nodes, each a process.
    fn together(
        &self,
        dir: &Path,
        (ack, live): (Ack, bool),
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<Outcome> {
        let was_used = dir.join("n1").join(META_NAME).exists();
        let wanted = Wanted {
            nodes: self.nodes.into(),
            ack,
            cluster: alone::cluster_name(&dir.join("n1"))?,
            dir,
            shm_dir: &self.shm_dir,
            kill_every: self.kill_primary_every,
        };
        let cluster = Cluster::start(&wanted, stop)?;
        let who =
            if cluster.has_etcd { "an etcd of the demo's own" } else { "the demo, by hand: no etcd on PATH" };
        self.say(&format!("{} nodes in sync; failover is seen to by {who}", self.nodes))?;
        let primary = dir.join(cluster.primary()?);
        let trades_before = if was_used { last_trade(&primary)? } else { 0 };
        let watch = Watch::new(&cluster.addresses);
        let venue = Venue {
            addresses: &cluster.addresses,
            books: &watch,
            cluster: Some(&cluster),
            trades_before,
            ack,
            live,
        };
        cluster.may_kill(true);
        let traded = self.trade(&venue, stop);
        cluster.may_kill(false);
        let (seconds, seen) = traded?;
        let primary = dir.join(cluster.primary()?);
        let faults = deep_faults(&primary, cluster.shm())?;
        let conserved = if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) };
        Ok(Outcome { seconds, seen, conserved })
    }

    /// Lets the traders trade while somebody watches: for how long, and what was seen.
    fn trade(&self, venue: &Venue<'_>, stop: &Arc<AtomicBool>) -> anyhow::Result<(f64, Seen)> {
        let command = client_command(venue.addresses);
        let rows: Vec<&str> = command.iter().map(|row| row.trim_end_matches(" \\")).collect();
        self.say(&format!("trade along: {}", rows.join(" ")))?;
        let figures = Arc::new(Mutex::new(Figures::new(venue.trades_before)));
        let floor = Floor::open(venue.addresses, (self.seed, &prefix()), &figures)?;
        let close = Arc::new(AtomicBool::new(false));
        let closing = Arc::clone(&close);
        let ended = Arc::clone(stop);
        let floor = thread::Builder::new().name("traders".into()).spawn(move || {
            let result = floor.run(&closing);
            ended.store(true, Ordering::Relaxed);
            result
        })?;
        let start = Instant::now();
        let state: Option<&Mutex<State>> = venue.cluster.map(|cluster| &*cluster.state);
        let show = Show {
            books: venue.books,
            cluster: state,
            figures: &figures,
            for_time: self.for_time,
            seed: self.seed,
            ack: venue.ack.name(),
            command,
        };
        let seen = if venue.live { show.live(stop) } else { show.plain(stop, |line| self.say(line)) };
        let seconds = start.elapsed().as_secs_f64();
        close.store(true, Ordering::Relaxed);
        floor.join().map_err(|_| failure(Code::Stopped, "the traders' thread panicked"))??;
        Ok((seconds, seen?))
    }

    /// The last line, and whether all adds up.
    fn tell(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let Outcome { seconds, seen, conserved } = outcome;
        let orders_per_s =
            (f64::from(u32::try_from(seen.orders).unwrap_or(u32::MAX)) / seconds.max(0.001)).round();
        let mut out = io::stdout().lock();
        if self.json {
            let mut line = json!({
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
            if self.nodes > 1 {
                let gaps = seen.gaps;
                line["failovers"] = json!(gaps.map_or(0, |gaps| gaps.count));
                line["gap_ms"] = gaps.map_or(
                    Value::Null,
                    |gaps| json!({ "min": gaps.min, "median": gaps.median, "max": gaps.max }),
                );
            }
            writeln!(out, "{line}")?;
        } else {
            let adds_up =
                if conserved.is_ok() { "all cash and shares add up" } else { "CASH OR SHARES DO NOT ADD UP" };
            let failovers = seen.gaps.map_or_else(String::new, |gaps| {
                let (count, min, median, max) = (gaps.count, gaps.min, gaps.median, gaps.max);
                format!("; failovers {count}, gap ms min {min} median {median} max {max}")
            });
            writeln!(
                out,
                "{} orders, {} trades, {orders_per_s} orders/s, latency us p50 {:.0} p99 {:.0} p99.9 {:.0} max {:.0}{failovers}; {adds_up}",
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

/// Number of the last trade of a running node's journal that was used before.
fn last_trade(dir: &Path) -> anyhow::Result<u64> {
    let list = Connection::open(dir)?.object(&Request::Show { what: "trades".into() })?;
    let trades = list["trades"].as_array();
    Ok(trades.and_then(|trades| trades.last()?["trade"].as_u64()).unwrap_or(0))
}

/// How to trade along, in rows: as this program was called, so that it can be pasted.
fn client_command(addresses: &[String]) -> Vec<String> {
    let program = std::env::args().next().unwrap_or_default();
    let short = program.ends_with("rialto") && program.len() <= 30;
    let program = if short { program } else { "rialto".to_owned() };
    let start = format!("PW={GUEST_PASSWORD} {program} client \\");
    let nodes = format!("--nodes {}", addresses[..addresses.len().min(NAMED_MAX)].join(","));
    let user = format!("--user {GUEST} --password-env PW");
    match addresses {
        [_] => vec![start, format!("{nodes} {user}")],
        _ => vec![start, format!("{nodes} \\"), user],
    }
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

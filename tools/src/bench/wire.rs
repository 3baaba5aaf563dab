//! `rialto bench wire`: a load over TCP against a running node, by the sessions of the node's own configuration file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use rialto_bench::load::{LoadError, LogOn, Pace, Plan, Traded, WireReport, run};
use rialto_bench::probe::Probe;
use toml::Value;

use crate::config::file::{TEXT_BYTES_MAX, read_text};
use crate::config::{Config, HostPort, Overrides};
use crate::failure::{Code, failure};

/// Asks a second that one connection is trusted to carry; more is a slip of the finger.
const RATE_MAX: u32 = 10_000_000;
/// Asks in flight on one connection.
const WINDOW_MAX: usize = 4_096;
/// Connections that a gateway takes from one address.
const CONNECTIONS_MAX: usize = 64;
/// An hour.
const SECONDS_MAX: u64 = 3_600;

/// Load a running node through TCP in line mode or FIX, and say how fast it answers.
#[derive(Debug, Args)]
pub struct Wire {
    /// FIX addresses of the nodes; the load goes to the primary, and follows it.
    #[arg(long, value_name = "H:P,…", value_delimiter = ',', required = true)]
    nodes: Vec<HostPort>,
    /// The node's own configuration file: its trading sessions log on with their passwords, in the file's order, and
    /// trade its instruments. Their accounts must have deposits.
    #[arg(long, value_name = "F")]
    config: PathBuf,
    /// Open loop: so many asks a second over all connections. Latency counts from when each was due.
    #[arg(long, value_name = "R", conflicts_with = "window", required_unless_present = "window",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_MAX)))]
    rate: Option<u32>,
    /// Closed loop: so many asks in flight on each connection. Latency counts from sending.
    #[arg(long, value_name = "W")]
    window: Option<usize>,
    /// Speak FIX 4.4; each session is reset at its log-on.
    #[arg(long)]
    fix: bool,
    /// Connections, each with a session of its own.
    #[arg(long, value_name = "C", default_value_t = 1)]
    connections: usize,
    /// How long.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Where random numbers start.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the probe of a durable page writes its file: best on the disk of the node's journal.
    #[arg(long, value_name = "DIR", default_value = ".")]
    probe_dir: PathBuf,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Wire {
    /// Runs it, and prints what came of it.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        if let Some(window) = self.window
            && !(1..=WINDOW_MAX).contains(&window)
        {
            return Err(failure(Code::Usage, format!("--window {window}: from 1 to {WINDOW_MAX}")));
        }
        let config = Config::load(&self.config, &Overrides::default())?;
        let plan = Plan {
            nodes: self.nodes.iter().map(ToString::to_string).collect(),
            members: self.members()?,
            instruments: traded(&config),
            fix: self.fix.then(|| config.fix.comp_id.clone()),
            pace: match (self.rate, self.window) {
                (Some(rate), _) => Pace::Open { rate },
                (None, window) => Pace::Closed { window: window.unwrap_or(1) },
            },
            time: Duration::from_secs(self.seconds),
            seed: self.seed,
        };
        if plan.instruments.is_empty() {
            return Err(failure(Code::Usage, format!("{}: no instrument to trade", self.config.display())));
        }
        let probe = Probe::take(&self.probe_dir)
            .with_context(|| format!("--probe-dir {}", self.probe_dir.display()))?;
        let report = run(&plan, probe).map_err(|error| match error {
            LoadError::Socket { .. } => failure(Code::Unreached, error.to_string()),
            LoadError::Refused { .. } => failure(Code::Refused, error.to_string()),
            LoadError::Poll(_) => anyhow::Error::new(error),
        })?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            print(&report, out)?;
        }
        Ok(())
    }

    /// The file's first trading sessions. Only here are passwords read from it.
    fn members(&self) -> anyhow::Result<Vec<LogOn>> {
        let all = trading_sessions(&self.config)?;
        let (wanted, found) = (self.connections, all.len());
        if !(1..=found.min(CONNECTIONS_MAX)).contains(&wanted) {
            let file = self.config.display();
            let why = format!(
                "--connections {wanted}: {file} has {found} trading sessions; at most {CONNECTIONS_MAX}"
            );
            return Err(failure(Code::Usage, why));
        }
        Ok(all.into_iter().take(wanted).collect())
    }
}

fn traded(config: &Config) -> Vec<Traded> {
    let of = |def: &rialto_protocol::reference::InstrumentDef| Traded {
        symbol: def.symbol.as_str().to_owned(),
        tick: def.tick,
        lot: def.lot,
    };
    config.reference.instruments.iter().map(of).collect()
}

/// Names and passwords of the trading sessions in a configuration that is known to be right.
fn trading_sessions(path: &Path) -> anyhow::Result<Vec<LogOn>> {
    let text = read_text(path, TEXT_BYTES_MAX).with_context(|| path.display().to_string())?;
    let file: toml::Table = text.parse().with_context(|| path.display().to_string())?;
    let text =
        |session: &Value, key: &str| session.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let sessions = file.get("session").and_then(Value::as_array).into_iter().flatten();
    let trading = sessions.filter(|session| text(session, "kind") != "market-data");
    Ok(trading
        .map(|session| LogOn { user: text(session, "comp_id"), password: text(session, "password") })
        .collect())
}

fn print(report: &WireReport, out: &mut impl Write) -> anyhow::Result<()> {
    let WireReport { us, probe, machine, .. } = report;
    let offered = report.offered_per_s.map_or_else(String::new, |rate| format!(" of {rate} offered"));
    writeln!(
        out,
        "reached   {:.0}/s{offered}, {} connections in {}, {:.1} s",
        report.reached_per_s, report.connections, report.spoken, report.seconds
    )?;
    writeln!(
        out,
        "answers   {} acks, {} rejects, {} trades, {} without an answer; {} orders in the books",
        report.acks, report.rejects, report.trades, report.unanswered, report.book_orders
    )?;
    writeln!(
        out,
        "latency   us p50 {:.1}  p99 {:.1}  p99.9 {:.1}  p99.99 {:.1}  max {:.1}",
        us.p50, us.p99, us.p99_9, us.p99_99, us.max
    )?;
    writeln!(
        out,
        "floors    TCP echo {:.1} us, durable page {:.1} us, cache line {:.0} ns",
        probe.tcp_echo_us, probe.durable_page_us, probe.cache_line_ns
    )?;
    writeln!(out, "machine   {}, {} cores, Linux {}", machine.cpu, machine.cores, machine.kernel)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_logs_on_as_the_trading_sessions_of_the_nodes_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        let text = r#"
            session = [{ comp_id = "A", password = "one" }, { comp_id = "M", password = "x", kind = "market-data" },
                       { comp_id = "B", password = "two", kind = "trading" }]
        "#;
        std::fs::write(&path, text).unwrap();
        let log_on = |user: &str, password: &str| LogOn { user: user.into(), password: password.into() };
        assert_eq!(trading_sessions(&path).unwrap(), [log_on("A", "one"), log_on("B", "two")]);
    }
}

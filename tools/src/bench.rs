//! `rialto bench`: known order flows, how long the engine takes for one record of them, and the parts of its way.

pub mod parts;
pub mod wire;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use rialto_bench::engine::{EngineError, EngineReport, Passes, run_book, run_exchange, run_matcher};
use rialto_bench::flow::{self, Flow, FlowSpec};

use self::parts::{JournalArgs, MemoryArgs, RingArgs};
use self::wire::Wire;
use crate::failure::{Code, failure};

/// Measure, or make what is measured with.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a flow through the engine in process, against the clock.
    Engine(Engine),
    /// Write a known flow to a file.
    Flow(WriteFlow),
    /// Load a running node through TCP in line mode or FIX, and say how fast it answers.
    Wire(Wire),
    /// Hand messages from one thread to another through a ring in shared memory.
    Ring(RingArgs),
    /// Append commands to a journal, make them durable, and read them back as a restart does.
    Journal(JournalArgs),
    /// Fill an exchange with accounts and open orders, and say what memory its state takes.
    Memory(MemoryArgs),
}

#[derive(Debug, Args)]
struct Engine {
    /// The flow's file, or the name of a known one: s1, s100 or s1deep.
    #[arg(long)]
    flow: PathBuf,
    /// As much of the engine as is measured.
    #[arg(long, default_value = "book")]
    layer: LayerWord,
    /// Timed passes.
    #[arg(long, default_value_t = 3)]
    reps: usize,
    /// Processor to stay on.
    #[arg(long)]
    cpu: Option<usize>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LayerWord {
    /// The book alone.
    Book,
    /// The whole exchange: accounts, fees, names, sessions and the events that members are sent.
    Exchange,
    /// The matcher: the exchange behind its ring, with command and event log.
    Matcher,
}

#[derive(Debug, Args)]
struct WriteFlow {
    /// Which: s1, s100 or s1deep.
    name: String,
    /// Where to.
    #[arg(long)]
    out: PathBuf,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// Does it, and prints what came of it.
    pub fn run(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match &self.verb {
            Verb::Engine(engine) => engine.run(&mut out),
            Verb::Flow(write) => write.run(&mut out),
            Verb::Wire(wire) => wire.run(&mut out),
            Verb::Ring(ring) => ring.run(&mut out),
            Verb::Journal(journal) => journal.run(&mut out),
            Verb::Memory(memory) => memory.run(&mut out),
        }
    }
}

impl Engine {
    fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let (name, flow) = load(&self.flow)?;
        let passes = Passes { reps: self.reps, cpu: self.cpu };
        let report = match self.layer {
            LayerWord::Book => run_book(&name, &flow, passes),
            LayerWord::Exchange => run_exchange(&name, &flow, passes),
            LayerWord::Matcher => run_matcher(&name, &flow, passes),
        };
        let report = report.map_err(|error| {
            let code = match error {
                EngineError::NoSuchCpu(_) | EngineError::NothingToTime => Code::Usage,
                EngineError::PassesDiffer { .. } => Code::CheckFailed,
            };
            failure(code, error.to_string())
        })?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            print(out, &report)?;
        }
        Ok(())
    }
}

/// A flow and its name: a file's, or a known one's.
fn load(flow: &Path) -> anyhow::Result<(String, Flow)> {
    let name = flow.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    match flow.to_str().and_then(FlowSpec::named) {
        Some(spec) if !flow.exists() => Ok((name, flow::generate(&spec))),
        Some(_) | None => {
            let flow = flow::read(flow).map_err(|error| failure(Code::Usage, error.to_string()))?;
            Ok((name, flow))
        }
    }
}

fn print(out: &mut impl Write, report: &EngineReport) -> std::io::Result<()> {
    let EngineReport { flow, layer, records, warm, timed, ns_per_op, machine, .. } = report;
    writeln!(out, "{flow}, {layer}: {records} records, {warm} to warm up, {timed} timed")?;
    writeln!(
        out,
        "ns per record: {:.1} best, {:.1} median, {:.1} worst",
        ns_per_op.best, ns_per_op.median, ns_per_op.worst
    )?;
    writeln!(
        out,
        "trades {}, lots {}, value {}, hash {}",
        report.trades, report.quantity, report.notional, report.trade_hash
    )?;
    writeln!(out, "rejects {}", report.rejects)?;
    writeln!(
        out,
        "left: {} orders, {} lots, hash {}",
        report.live_orders, report.open_quantity, report.book_hash
    )?;
    writeln!(out, "on {}, {} cores, Linux {}", machine.cpu, machine.cores, machine.kernel)
}

impl WriteFlow {
    fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let Some(spec) = FlowSpec::named(&self.name) else {
            let known = FlowSpec::NAMED.map(|(name, _)| name).join(", ");
            return Err(failure(Code::Usage, format!("no flow {}: known are {known}", self.name)));
        };
        let flow = flow::generate(&spec);
        flow::write(&flow, &self.out)?;
        let (records, warm) = (flow.ops.len(), flow.header.warm);
        if self.json {
            let object =
                serde_json::json!({ "flow": self.name, "out": self.out, "records": records, "warm": warm });
            writeln!(out, "{object}")?;
        } else {
            writeln!(out, "{}: {records} records, {warm} of them to warm up", self.out.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Value;

    use super::*;
    use crate::failure::code_of;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    /// What a command line prints, and its exit code.
    fn run(words: &[&str]) -> (String, u8) {
        let mut out = Vec::new();
        let done = match Line::try_parse_from([&["bench"], words].concat()).unwrap().bench.verb {
            Verb::Engine(engine) => engine.run(&mut out),
            Verb::Flow(write) => write.run(&mut out),
            Verb::Wire(wire) => wire.run(&mut out),
            Verb::Ring(ring) => ring.run(&mut out),
            Verb::Journal(journal) => journal.run(&mut out),
            Verb::Memory(memory) => memory.run(&mut out),
        };
        (String::from_utf8(out).unwrap(), done.err().map_or(0, |error| code_of(&error).number()))
    }

    #[test]
    fn every_layer_reports_a_flow_by_the_same_fields() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tiny.oflow");
        let spec = FlowSpec { ops: 1_000, warm_mix: 100, depth: 50, ..FlowSpec::S1 };
        flow::write(&flow::generate(&spec), &file).unwrap();
        let totals = flow::replay(&flow::generate(&spec));
        for layer in LayerWord::value_variants() {
            let layer = layer.to_possible_value().unwrap();
            let words = [
                "engine",
                "--flow",
                file.to_str().unwrap(),
                "--layer",
                layer.get_name(),
                "--reps",
                "1",
                "--json",
            ];
            let (out, code) = run(&words);
            let object: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(
                (code, object["flow"].as_str(), object["layer"].as_str()),
                (0, Some("tiny"), Some(layer.get_name()))
            );
            assert_eq!(object["timed"], 1_000);
            assert_eq!(object["trades"], totals.sums.trades);
            assert_eq!(object["trade_hash"], format!("{:016x}", totals.trade_hash.value()));
            assert_eq!(object["book_hash"], format!("{:016x}", totals.book_hash.value()));
            for field in
                ["records", "warm", "qty", "notional", "rejects", "live_orders", "open_qty", "machine"]
            {
                assert!(!object[field].is_null(), "{field}: {object}");
            }
            for field in ["best", "median", "worst"] {
                assert!(object["ns_per_op"][field].is_f64(), "{field}: {object}");
            }
        }
    }

    #[test]
    fn what_cannot_be_run_is_a_usage_error() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let out = out.to_str().unwrap();
        assert_eq!(run(&["flow", "s2", "--out", out]), (String::new(), 2));
        assert_eq!(run(&["engine", "--flow", out]), (String::new(), 2));
        assert!(!Path::new(out).exists());
    }
}

//! The command line: what may be typed, and which part of the crate answers it.
//!
//! `--json` puts one object on stdout and everything else on stderr. Only what is built is listed.
use std::io::Write;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::bench::Bench;
use crate::client::{self, ClientArgs};
use crate::config::{Config, Overrides, Word};
use crate::coordinator::Coordinator;
use crate::demo::Demo;
use crate::journal::Journal;
use crate::operate::Admin;
use crate::promote::Promote;
use crate::replay::command::Replay;
use crate::restore::Restore;
use crate::serve::command::Serve;
use crate::status::Status;

/// Version and commit, as `--version` and `rialto status` name them.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("RIALTO_COMMIT"), ")");

/// Rialto, a stock exchange.
#[derive(Debug, Parser)]
#[command(name = "rialto", version = VERSION, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a configuration file without starting anything.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// A whole exchange in one process, with simulated traders and a live view.
    Demo(Demo),
    /// Run a node of the exchange.
    Serve(Box<Serve>),
    /// Show what nodes are doing.
    Status(Status),
    /// Make a node the primary.
    Promote(Promote),
    /// Look after what a cluster keeps in its coordinator.
    #[command(subcommand)]
    Coordinator(Coordinator),
    /// Talk to a running node as its operator.
    Admin(Box<Admin>),
    /// Trade by hand: orders, cancels, books and balances, in plain words or FIX lines.
    Client(ClientArgs),
    /// Look into a node's journal.
    Journal(Journal),
    /// Rebuild a node's directory from an archive of its segments and snapshots.
    Restore(Restore),
    /// Replay a public data set, and compare with what the real exchange made of it.
    Replay(Replay),
    /// Measure how fast the engine is, on known order flows.
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Read the whole file as `serve` would, and name the first thing that is wrong with it.
    Check {
        /// The TOML file.
        file: PathBuf,
        /// Accept a FIX port that listens beyond loopback, as `serve --plaintext` does.
        #[arg(long)]
        plaintext: bool,
        /// One JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// Runs the subcommand that was typed.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Config { verb: ConfigVerb::Check { file, plaintext, json } } => {
                let config = Config::load(&file, &Overrides { plaintext, ..Overrides::default() })?;
                print_check(&file.display().to_string(), &config, json)
            }
            Command::Demo(demo) => demo.run(),
            Command::Serve(serve) => serve.run(),
            Command::Status(status) => status.run(),
            Command::Promote(promote) => promote.run(),
            Command::Coordinator(coordinator) => coordinator.run(),
            Command::Admin(admin) => admin.run(),
            Command::Client(args) => client::run(&args),
            Command::Journal(journal) => journal.run(),
            Command::Restore(restore) => restore.run(),
            Command::Replay(replay) => replay.run(),
            Command::Bench(bench) => bench.run(),
        }
    }
}

fn print_check(file: &str, config: &Config, json: bool) -> anyhow::Result<()> {
    let all = &config.reference;
    let counts = [
        ("currencies", all.currencies.len()),
        ("instruments", all.instruments.len()),
        ("participants", all.participants.len()),
        ("accounts", all.accounts.len()),
        ("sessions", all.sessions.len()),
        ("deposits", all.deposits.len()),
    ];
    let mut out = std::io::stdout().lock();
    if json {
        let mut object = serde_json::Map::new();
        object.insert("file".into(), file.into());
        object.insert("ok".into(), true.into());
        object.insert("node".into(), config.node.name.as_str().into());
        object.insert("cluster".into(), config.node.cluster.as_str().into());
        object.insert("ack".into(), config.node.ack.name().into());
        object.extend(counts.map(|(what, count)| (what.to_owned(), count.into())));
        writeln!(out, "{}", serde_json::Value::Object(object))?;
    } else {
        let counted: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        writeln!(out, "{file}: in order: {}", counted.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn version_names_version_and_commit() {
        assert!(VERSION.starts_with(env!("CARGO_PKG_VERSION")));
        assert!(VERSION.contains("commit "));
    }
}

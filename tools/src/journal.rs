//! `rialto journal`: looks into a node's journal, stopped or running, and never writes. Verdicts are exit codes: 0 where
//! all is well or only a tail is torn, 1 where a check failed.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::failure::{Code, failure};

mod deep;
mod diff;
mod dump;
mod event_pages;
pub mod source;
mod stat;
mod verify;
mod words;

#[cfg(test)]
mod tests;

/// Look into a node's journal.
#[derive(Debug, Args)]
pub struct Journal {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check every page and record, and how the log ends.
    Verify(verify::Verify),
    /// Count what is there.
    Stat(stat::Stat),
    /// Print commands, events, or the books.
    Dump(dump::Dump),
    /// Compare two journals up to their common point.
    Diff(diff::Diff),
}

/// Whose journal.
#[derive(Debug, Args)]
struct Node {
    /// The node's directory.
    dir: PathBuf,
    /// Where its shared memory is: adds what only that has.
    #[arg(long)]
    shm_dir: Option<PathBuf>,
}

impl Node {
    fn open(&self) -> anyhow::Result<source::OpenJournal> {
        source::OpenJournal::open(&self.dir, self.shm_dir.as_deref())
    }
}

impl Journal {
    /// Does it, and prints what came of it.
    pub fn run(self) -> anyhow::Result<()> {
        self.run_to(&mut std::io::BufWriter::new(std::io::stdout().lock()))
    }

    fn run_to(self, out: &mut impl Write) -> anyhow::Result<()> {
        let done = match self.verb {
            Verb::Verify(verify) => verify.run(out),
            Verb::Stat(stat) => stat.run(out),
            Verb::Dump(dump) => dump.run(out),
            Verb::Diff(diff) => diff.run(out),
        };
        out.flush()?;
        done
    }
}

/// What is wrong with the journal in `dir`, replayed as `verify --deep` does: nothing, if the state adds up and the events
/// are those that were told.
pub fn deep_faults(dir: &Path, shm_dir: &Path) -> anyhow::Result<Vec<String>> {
    let opened = source::OpenJournal::open(dir, Some(shm_dir))?;
    Ok(deep::replay(&opened, opened.last)?.wrong)
}

/// Prints an object: as JSON on one line, else a key and its value a line.
pub(crate) fn print(out: &mut impl Write, object: &Value, json: bool) -> std::io::Result<()> {
    let Some(rows) = object.as_object().filter(|_| !json) else { return writeln!(out, "{object}") };
    rows.iter().try_for_each(|(key, value)| match value.as_str() {
        Some(text) => writeln!(out, "{key}: {text}"),
        None => writeln!(out, "{key}: {value}"),
    })
}

fn corrupt(dir: &Path, why: &str) -> anyhow::Error {
    failure(Code::CheckFailed, format!("{}: corrupt: {why}", dir.display()))
}

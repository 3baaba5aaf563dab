//! `rialto bench ring`, `journal` and `memory`: one part of the way of an order, alone.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use rialto_bench::journal::{self, Dirs};
use rialto_bench::{memory, ring};
use rialto_journal::disk::real::Backend;

use crate::demo::nonce;
use crate::demo::place::Place;
use crate::failure::{Code, failure};

/// Records or messages of a run at most: half a minute or so.
const COUNT_MAX: u64 = 1_000_000_000;
const COUNT_MIN: u64 = 1_000;

/// Hand messages from one thread to another through a ring in shared memory.
#[derive(Debug, Args)]
pub struct RingArgs {
    /// Messages.
    #[arg(long, default_value_t = 20_000_000, value_parser = clap::value_parser!(u64).range(COUNT_MIN..=COUNT_MAX))]
    messages: u64,
    /// Where shared memory is.
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    shm_dir: PathBuf,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Append commands to a journal, make them durable, and read them back as a restart does.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// Records.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(COUNT_MIN..=COUNT_MAX))]
    records: u64,
    /// On which disk: a directory is made here and removed at the end.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Pages through a memory map instead of past the page cache.
    #[arg(long)]
    mapped: bool,
    /// Where shared memory is.
    #[arg(long, value_name = "DIR", default_value = "/dev/shm")]
    shm_dir: PathBuf,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Fill an exchange with accounts and open orders, and say what memory its state takes.
#[derive(Debug, Args)]
pub struct MemoryArgs {
    /// Accounts.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    accounts: u32,
    /// Open orders.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    orders: u32,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl MemoryArgs {
    /// Runs it, and prints what came of it.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let report = memory::run(self.accounts, self.orders)?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
            return Ok(());
        }
        let (accounts, orders, machine) = (report.accounts, report.orders, &report.machine);
        writeln!(out, "state     {:.0} MiB, {accounts} accounts, {orders} open orders", report.state_mib)?;
        writeln!(out, "accounts  {:.0} MiB of it", report.accounts_mib)?;
        writeln!(out, "machine   {}, {} cores, Linux {}", machine.cpu, machine.cores, machine.kernel)?;
        Ok(())
    }
}

impl RingArgs {
    /// Runs it, and prints what came of it.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let place = there(&self.shm_dir, "--shm-dir")?;
        let report = ring::run(place.dir(), self.messages)?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
            return Ok(());
        }
        let (trip, machine) = (report.round_trip_ns, &report.machine);
        let (count, bytes, batch) = (report.messages, report.message_bytes, report.batch);
        writeln!(
            out,
            "throughput   {:.1} M/s, {count} messages of {bytes} bytes, {batch} at once",
            report.per_s / 1e6
        )?;
        writeln!(out, "round trip   ns p50 {}  p99 {}  p99.9 {}", trip.p50, trip.p99, trip.p99_9)?;
        writeln!(out, "cache line   {:.0} ns there and back", report.cache_line_ns)?;
        writeln!(out, "machine      {}, {} cores, Linux {}", machine.cpu, machine.cores, machine.kernel)?;
        Ok(())
    }
}

impl JournalArgs {
    /// Runs it, and prints what came of it.
    pub fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let place = there(&self.dir, "--dir")?;
        let dirs = Dirs { data: place.dir().to_owned(), shm: self.shm_dir.clone() };
        let backend = if self.mapped { Backend::Mapped } else { Backend::Direct };
        let report = journal::run(&dirs, backend, self.records)?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
            return Ok(());
        }
        let (us, machine) = (report.durable_us, &report.machine);
        let (count, bytes) = (report.records, report.record_bytes);
        writeln!(out, "append       {:.1} ns a record, {count} records of {bytes} bytes", report.append_ns)?;
        writeln!(out, "stored       {:.2} M records/s durable", report.stored_per_s / 1e6)?;
        writeln!(
            out,
            "one alone    us p50 {:.1}  p99 {:.1}  max {:.1} until durable",
            us.p50, us.p99, us.max
        )?;
        writeln!(out, "bare page    {:.1} us", report.durable_page_us)?;
        writeln!(out, "recovered    {:.2} M records/s", report.recovered_per_s / 1e6)?;
        writeln!(out, "machine      {}, {} cores, Linux {}", machine.cpu, machine.cores, machine.kernel)?;
        Ok(())
    }
}

/// A directory of the run's own, in one that must be there.
fn there(parent: &Path, flag: &str) -> anyhow::Result<Place> {
    Place::new_in(parent, "rialto-bench", nonce())
        .map_err(|error| failure(Code::Usage, format!("{flag} {error:#}")))
}

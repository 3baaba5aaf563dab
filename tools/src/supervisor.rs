//! The supervisor: a small parent process that outlives the node's matcher by as long as it takes to say so.
//!
//! `rialto serve` with a coordinator starts itself once more as a child, which is the node. When the child dies, however it
//! dies, the parent ends the leases that the child held, at once, so that a standby need not wait for them to run out.
//! It never restarts the child. When the parent is killed the kernel kills the child: a node is never without one.
//!
//! The child tells its leases over a pipe, a line of numbers for all that it holds now. Standard input, output and
//! error are the parent's own. SIGTERM and SIGINT are passed on; the child is in a process group of its own, so that a
//! terminal's interrupt reaches it once.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use rialto_replicator::coordinator::LeaseId;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::Code;

/// Tells the child that it is one: `PARENT:PIPE`, the parent's process and the number of the pipe's open end.
const VARIABLE: &str = "RIALTO_SUPERVISED";
/// Tells a process to die with its parent, whose number it is.
const BOUND: &str = "RIALTO_BOUND_TO";
/// How long the coordinator may take to end the leases: the parent exits within a second of its child.
const REVOKE_MAX: Duration = Duration::from_millis(700);
/// How long the pipe may take to end after the child.
const READ_MAX: Duration = Duration::from_millis(100);

/// Having one tells that this process is the supervised child, and dies with its parent.
#[derive(Debug)]
pub struct Supervised {
    supervisor: i32,
    pipe: Mutex<File>,
}

impl Supervised {
    /// The parent's process id.
    pub fn supervisor(&self) -> i32 {
        self.supervisor
    }

    /// Tells the parent all leases that this node holds now, so that they end with it.
    pub fn holds(&self, leases: &[LeaseId]) -> std::io::Result<()> {
        let words: Vec<String> = leases.iter().map(|lease| lease.0.to_string()).collect();
        let line = words.join(" ") + "\n";
        self.pipe.lock().write_all(line.as_bytes())
    }
}

/// Whether this process is a supervised child. To be asked first thing, before any other thread or process is there.
pub fn supervised() -> anyhow::Result<Option<Supervised>> {
    let Some(told) = std::env::var_os(VARIABLE) else { return Ok(None) };
    let told = told.to_string_lossy().into_owned();
    let numbers =
        told.split_once(':').and_then(|(parent, pipe)| Some((parent.parse().ok()?, pipe.parse().ok()?)));
    let (supervisor, pipe): (i32, u32) =
        numbers.with_context(|| format!("{VARIABLE}={told:?}: only a supervisor sets it"))?;
    die_with(supervisor)?;
    let path = format!("/proc/self/fd/{pipe}");
    let pipe = File::options()
        .write(true)
        .open(&path)
        .with_context(|| format!("no pipe to the supervisor at {path}"))?;
    Ok(Some(Supervised { supervisor, pipe: Mutex::new(pipe) }))
}

/// Starts `command`, a `rialto serve`, as a child that a terminal's interrupt does not reach and that is killed when the
/// thread that called this ends, however it ends.
pub fn spawn_bound(command: &mut Command) -> std::io::Result<Child> {
    command.env(BOUND, std::process::id().to_string()).process_group(0).spawn()
}

/// Does what [`spawn_bound`] says, in the child.
pub fn bound() -> anyhow::Result<()> {
    let Some(told) = std::env::var_os(BOUND) else { return Ok(()) };
    let parent = told.to_str().and_then(|told| told.parse().ok());
    die_with(parent.with_context(|| format!("{BOUND}={}: no process", told.display()))?)
}

fn die_with(parent: i32) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot ask to die with the parent")?;
    // It may have died before the line above.
    let now = getppid().map(Pid::as_raw_pid);
    anyhow::ensure!(now == Some(parent), "the parent process {parent} is gone");
    Ok(())
}

/// Starts this very command line as a child and stays with it. Returns the exit code once the child is dead and its
/// leases are ended with `revoke`: the child's own if it ended in good order, else [`Code::Stopped`].
///
/// To be called on the main thread: the child dies with the thread that started it.
pub fn supervise(revoke: impl Fn(LeaseId) + Send + 'static) -> anyhow::Result<u8> {
    let mut command = Command::new("/proc/self/exe");
    let mut arguments = std::env::args_os();
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    stay_with(command, revoke)
}

fn stay_with(mut command: Command, revoke: impl Fn(LeaseId) + Send + 'static) -> anyhow::Result<u8> {
    // Before there is a child, so that no signal is lost.
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("cannot listen for signals")?;
    let (told, tell) = pipe().context("cannot make a pipe")?;
    fcntl_setfd(&tell, FdFlags::empty()).context("cannot hand the pipe on")?;
    let place = format!("{}:{}", std::process::id(), tell.as_raw_fd());
    let mut child = command
        .env(VARIABLE, place)
        .env_remove(BOUND)
        .process_group(0)
        .spawn()
        .context("cannot start the node")?;
    drop(tell);
    let leases: Arc<Mutex<Vec<LeaseId>>> = Arc::default();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a child has a process id")?;
    let (ended, read) = mpsc::channel();
    let known = Arc::clone(&leases);
    thread::spawn(move || {
        listen(told, &known);
        ended.send(()).ok();
    });
    let handle = signals.handle();
    let forwarder = thread::spawn(move || {
        for signal in signals.forever() {
            let signal = if signal == SIGINT { Signal::INT } else { Signal::TERM };
            // It may be dead by now.
            kill_process(pid, signal).ok();
        }
    });
    let status = child.wait().context("cannot wait for the node");
    handle.close();
    forwarder.join().ok();
    // All that the child wrote is read by then, unless a process that it left behind holds the pipe open.
    read.recv_timeout(READ_MAX).ok();
    finish(&leases, revoke);
    Ok(code_of(status?))
}

/// Reads the pipe to its end: each line is all the leases held.
fn listen(told: PipeReader, leases: &Mutex<Vec<LeaseId>>) {
    for line in BufReader::new(told).lines().map_while(Result::ok) {
        *leases.lock() = line.split_whitespace().filter_map(|word| word.parse().ok()).map(LeaseId).collect();
    }
}

/// Ends the leases, within the time there is.
fn finish(leases: &Mutex<Vec<LeaseId>>, revoke: impl Fn(LeaseId) + Send + 'static) {
    let leases = std::mem::take(&mut *leases.lock());
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        leases.into_iter().for_each(revoke);
        done.send(()).ok();
    });
    wait.recv_timeout(REVOKE_MAX).ok();
}

/// What the parent exits with: a signal, a panic and a stop by itself are all a node that stopped.
fn code_of(status: ExitStatus) -> u8 {
    let stopped = Code::Stopped.number();
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) if code < stopped => code,
        Some(_) => stopped,
        None => {
            tracing::error!(signal = status.signal(), "the node was killed");
            stopped
        }
    }
}

#[cfg(test)]
mod tests;

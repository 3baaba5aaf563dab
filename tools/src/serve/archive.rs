//! Archiving: a program of the operator's choice is run for each file that is due, one at a time, on a thread of its own
//! at the lowest priority. Nothing on the way of an order waits for it; retention does.
//!
//! A file counts as archived once the program exits with 0 and that is noted durably: after a crash, or a stop meanwhile,
//! a file may be given again, and none is left out. A program that fails is run again for the same file, ever more
//! seldom; one that hangs is killed. It inherits the lowest priority.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};
use parking_lot::Mutex;
use rialto_journal::archive::{Behind, Pending, Piece};
use rialto_journal::cursor::Cursors;
use rialto_journal::disk::Disk;
use rialto_journal::error::JournalError;
use rialto_journal::layout::ClusterId;
use rialto_journal::retention::Needed;
use rustix::process::{Pid, Signal, kill_process_group, setpriority_process};
use serde_json::{Value, json};

use super::holds::Holds;
use super::parts::Core;
use super::retention::Retention;

/// How long the program may take for any file, and for each MiB of it.
const PATIENCE: Duration = Duration::from_mins(1);
const PATIENCE_PER_MIB: Duration = Duration::from_millis(250);
/// Between two looks at what is due, and at whether the program or the node has ended.
const LOOK: Duration = Duration::from_millis(500);
const WATCH: Duration = Duration::from_millis(10);
/// After a failure: at first, and at most.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_mins(1);
/// How much is kept of what the program says on stderr, and how long is waited for it behind its end.
const SAID_BYTES_MAX: usize = 400;
const SAID_MAX: Duration = Duration::from_millis(200);

/// How archiving goes, as operators see it.
#[derive(Debug, Default)]
pub struct Archive {
    segments: AtomicU64,
    snapshots: AtomicU64,
    seq: AtomicU64,
    failures: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Archive {
    /// As `rialto status` shows it.
    pub fn status(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "behind_segments": count(&self.segments),
            "behind_snapshots": count(&self.snapshots),
            "archived_seq": count(&self.seq),
            "failures": count(&self.failures),
            "last_error": *self.last_error.lock(),
        })
    }

    /// As metrics: name, kind, help and value.
    pub fn metrics(&self) -> [(&'static str, &'static str, &'static str, u64); 4] {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("archive_behind_segments", "gauge", "Segments that wait for the archive", count(&self.segments)),
            ("archive_archived_seq", "gauge", "Last command in the archive's segments", count(&self.seq)),
            ("archive_failures_total", "counter", "Times that archiving failed", count(&self.failures)),
            (
                "archive_failing",
                "gauge",
                "1 from a failure until a file is archived",
                u64::from(self.last_error.lock().is_some()),
            ),
        ]
    }
}

/// Archives what is due.
#[derive(Debug)]
pub(super) struct Archiver {
    program: Vec<String>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    cluster_id: ClusterId,
    cursors: Arc<Cursors>,
    holds: Arc<Holds>,
    retention: Arc<Retention>,
    /// How it goes.
    pub(super) archive: Arc<Archive>,
}

impl Archiver {
    /// An archiver that runs `program`, if there is one. From now on nothing goes that is not archived.
    pub(super) fn new(program: &[String], core: &Core) -> Option<Self> {
        if program.is_empty() {
            return None;
        }
        core.holds.archived(Needed { command_page: 0, event_page: 0 }, 0);
        // The program is run in the node's working directory, and is given a path that holds anywhere.
        let dir = std::path::absolute(&core.place.dir).unwrap_or_else(|_| core.place.dir.clone());
        Some(Self {
            program: program.to_vec(),
            disk: Arc::clone(&core.place.disk),
            dir,
            cluster_id: core.place.identity.cluster_id,
            cursors: Arc::clone(&core.cursors),
            holds: Arc::clone(&core.holds),
            retention: Arc::clone(&core.retention),
            archive: Arc::default(),
        })
    }

    /// Archives until `stop` is set. A program that runs then is killed, and its file comes again.
    pub(super) fn run(&self, stop: &AtomicBool) {
        if let Err(error) = setpriority_process(None, 19) {
            tracing::warn!(%error, "archiving runs at normal priority");
        }
        let mut pending = None;
        let mut again = AGAIN;
        let mut may_go = true;
        while !stop.load(Ordering::Relaxed) {
            let done = self.step(&mut pending, stop);
            if stop.load(Ordering::Relaxed) {
                return;
            }
            match done {
                Ok(true) => {
                    (again, may_go) = (AGAIN, true);
                    if self.archive.last_error.lock().take().is_some() {
                        tracing::info!("archiving goes on");
                    }
                }
                Ok(false) => {
                    if std::mem::take(&mut may_go)
                        && let Err(error) = self.retention.archived()
                    {
                        tracing::error!(%error, "what is archived could not be removed");
                    }
                    pause(LOOK, stop);
                }
                Err(why) => {
                    self.archive.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        why,
                        again_s = again.as_secs(),
                        "alarm: not archived; nothing that is not archived is removed"
                    );
                    *self.archive.last_error.lock() = Some(why);
                    pause(again, stop);
                    again = (again * 2).min(AGAIN_MAX);
                }
            }
        }
    }

    /// Archives the next file; false if none is due.
    fn step(&self, pending: &mut Option<Pending>, stop: &AtomicBool) -> Result<bool, String> {
        let words = |error: JournalError| error.to_string();
        if pending.is_none() {
            let (opened, remarks) = Pending::open(&self.disk, &self.dir, self.cluster_id).map_err(words)?;
            for remark in &remarks {
                tracing::warn!("archive: {remark}");
            }
            self.note(&opened);
            *pending = Some(opened);
        }
        let Some(pending) = pending else { return Ok(false) };
        let released = self.cursors.released();
        let Behind { segments, snapshots } = pending.behind(released).map_err(words)?;
        self.archive.segments.store(segments, Ordering::Relaxed);
        self.archive.snapshots.store(snapshots, Ordering::Relaxed);
        let Some(piece) = pending.next(released).map_err(words)? else { return Ok(false) };
        match pending.verify(&piece) {
            // What the commands make again is not worth keeping wrong, nor waiting for.
            Err(error @ JournalError::Corrupt { .. }) if piece.is_derived() => {
                tracing::error!(%error, "alarm: passed over by the archive");
            }
            Err(error) => return Err(error.to_string()),
            Ok(()) => run(&self.program, &piece.path, patience(&piece), stop)?,
        }
        pending.done(&piece).map_err(words)?;
        self.note(pending);
        tracing::debug!(path = %piece.path.display(), "archived");
        Ok(true)
    }

    /// What is archived may go.
    fn note(&self, pending: &Pending) {
        let archived = pending.archived();
        self.archive.seq.store(archived.seq, Ordering::Relaxed);
        self.holds.archived(pending.needed(), archived.snapshot);
    }
}

fn patience(piece: &Piece) -> Duration {
    let mib = u32::try_from(piece.bytes >> 20).unwrap_or(u32::MAX);
    PATIENCE.saturating_add(PATIENCE_PER_MIB.saturating_mul(mib))
}

/// Waits, but no longer than until `stop` is set.
fn pause(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        thread::sleep(WATCH);
    }
}

/// Runs the program for one file, and kills it with all that it started if it takes longer than `patience`.
fn run(program: &[String], path: &Path, patience: Duration, stop: &AtomicBool) -> Result<(), String> {
    let name = &program[0];
    let named = |why: String| format!("{name} {}: {why}", path.display());
    let mut command = Command::new(name);
    command.args(&program[1..]).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| named(format!("cannot be run: {error}")))?;
    let said = listen(&mut child);
    let ended = wait(&mut child, patience, stop).map_err(|error| named(error.to_string()))?;
    match ended {
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            let said = said.and_then(|said| said.recv_timeout(SAID_MAX).ok()).unwrap_or_default();
            let said = said.trim();
            Err(named(if said.is_empty() { status.to_string() } else { format!("{status}: {said}") }))
        }
        None => Err(named(format!("it took longer than {} s and was killed", patience.as_secs()))),
    }
}

/// How the program ended; `None`: it was killed, since it took too long or the node stops.
fn wait(child: &mut Child, patience: Duration, stop: &AtomicBool) -> std::io::Result<Option<ExitStatus>> {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until || stop.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(WATCH);
    }
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if group.is_none_or(|group| kill_process_group(group, Signal::KILL).is_err()) {
        child.kill()?;
    }
    child.wait()?;
    Ok(None)
}

/// Reads what the program says on stderr, whatever it starts and leaves behind, and gives the end of it.
fn listen(child: &mut Child) -> Option<Receiver<String>> {
    let mut stderr = child.stderr.take()?;
    let (sender, receiver) = bounded(1);
    let read = move || {
        let (mut said, mut part) = (Vec::new(), [0; 1024]);
        while let Ok(count @ 1..) = stderr.read(&mut part) {
            said.extend_from_slice(&part[..count]);
            said.drain(..said.len().saturating_sub(SAID_BYTES_MAX));
        }
        sender.try_send(String::from_utf8_lossy(&said).into_owned()).ok();
    };
    thread::Builder::new().name("archive-says".into()).spawn(read).ok()?;
    Some(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_shell(script: &str, patience: Duration) -> Result<(), String> {
        let program = ["sh", "-c", script, "archive"].map(str::to_owned);
        run(&program, Path::new("/data/it's $HOME.seg"), patience, &AtomicBool::new(false))
    }

    #[test]
    fn the_program_gets_its_arguments_and_the_path_as_they_are() {
        assert_eq!(run_shell("test \"$1\" = '/data/it'\\''s $HOME.seg' && test $# = 1", PATIENCE), Ok(()));
    }

    #[test]
    fn a_program_that_fails_is_told_with_its_last_words() {
        let why = run_shell("echo first >&2; echo no room on the tape >&2; exit 7", PATIENCE).unwrap_err();
        assert!(why.starts_with("sh /data/it's $HOME.seg: exit status: 7: first\nno room"), "{why}");
        let program = ["/no/such/program".to_owned()];
        let stop = AtomicBool::new(false);
        let why = run(&program, Path::new("f"), PATIENCE, &stop).unwrap_err();
        assert!(why.starts_with("/no/such/program f: cannot be run: No such file"), "{why}");
    }

    #[test]
    fn a_program_that_says_more_than_a_pipe_holds_is_not_in_its_own_way() {
        let why = run_shell("yes | head -c 300000 >&2; exit 1", PATIENCE).unwrap_err();
        assert!(why.len() < 2 * SAID_BYTES_MAX, "{why}");
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
        let began = Instant::now();
        let why = run_shell(&script, Duration::from_millis(500)).unwrap_err();
        assert!(why.ends_with("it took longer than 0 s and was killed"), "{why}");
        assert!(began.elapsed() < Duration::from_mins(1));
        let started: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let is_there = || {
            let status = std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
            !status.is_empty() && !status.contains(") Z ")
        };
        let until = Instant::now() + Duration::from_secs(10);
        while is_there() && Instant::now() < until {
            thread::sleep(WATCH);
        }
        assert!(!is_there());
    }
}

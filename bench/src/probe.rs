//! What the machine itself costs at this moment: the floors that a figure is to be read beside. Shared machines move
//! by several times from hour to hour, so each result carries its own.

use std::hint::spin_loop;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::disk::{Access, Disk};
use serde::Serialize;

/// Bytes of an echoed message: about an order's.
const ECHO_BYTES: usize = 128;
const ECHO_ROUNDS: u32 = 2_000;
const PAGE_BYTES: usize = 4096;
const PAGE_ROUNDS: u32 = 200;
/// Pages of the file that is written round and round.
const FILE_PAGES: u64 = 64;
const LINE_ROUNDS: u64 = 2_000;
const LINE_BATCHES: u32 = 11;

/// The floors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// There and back over loopback TCP, both ends blocking, median in µs.
    pub tcp_echo_us: f64,
    /// One 4 KiB page made durable, median in µs.
    pub durable_page_us: f64,
    /// A cache line there and back between two threads, median in ns.
    pub cache_line_ns: f64,
}

impl Probe {
    /// Measures all three; the page is written to a file in `dir`.
    pub fn take(dir: &Path) -> io::Result<Probe> {
        Ok(Probe {
            tcp_echo_us: tcp_echo_us()?,
            durable_page_us: durable_page_us(dir)?,
            cache_line_ns: cache_line_ns()?,
        })
    }
}

/// There and back over loopback TCP, both ends blocking: median in µs.
pub fn tcp_echo_us() -> io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let echo = thread::Builder::new().name("echo".into()).spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; ECHO_BYTES];
        for _ in 0..ECHO_ROUNDS {
            stream.read_exact(&mut bytes)?;
            stream.write_all(&bytes)?;
        }
        Ok(())
    })?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut bytes = [7; ECHO_BYTES];
    let ns = median_ns(ECHO_ROUNDS, || {
        stream.write_all(&bytes)?;
        stream.read_exact(&mut bytes)
    })?;
    echo.join().map_err(|_| io::Error::other("the echo thread panicked"))??;
    Ok(ns / 1_000.0)
}

/// One 4 KiB page made durable as the journal does it: median in µs.
pub fn durable_page_us(dir: &Path) -> io::Result<f64> {
    let path = dir.join(format!("rialto-probe-{}", std::process::id()));
    let disk = RealDisk::new(Backend::Direct);
    let result = pages(disk, &path);
    disk.remove(&path)?;
    result
}

fn pages(disk: RealDisk, path: &Path) -> io::Result<f64> {
    let mut whole = disk.create(path)?;
    whole.allocate(FILE_PAGES * PAGE_BYTES as u64)?;
    for page in 0..FILE_PAGES {
        whole.write_at(page * PAGE_BYTES as u64, &[0; PAGE_BYTES])?;
    }
    whole.sync()?;
    drop(whole);
    let mut file = disk.open(path, Access::Pages)?;
    let mut round = 0;
    let ns = median_ns(PAGE_ROUNDS, || {
        round += 1;
        file.write_at(round % FILE_PAGES * PAGE_BYTES as u64, &[7; PAGE_BYTES])?;
        file.sync()
    })?;
    Ok(ns / 1_000.0)
}

#[repr(align(128))]
struct Line(AtomicU64);

/// A cache line there and back between two threads: median of batches, in ns. Where there is one core, or another
/// program on each, this is the scheduler's time.
pub fn cache_line_ns() -> io::Result<f64> {
    let rounds = LINE_ROUNDS * u64::from(LINE_BATCHES);
    let lines = Arc::new((Line(AtomicU64::new(0)), Line(AtomicU64::new(0))));
    let theirs = Arc::clone(&lines);
    let answers = thread::Builder::new().name("line".into()).spawn(move || {
        for round in 1..=rounds {
            // Pairs with the Release stores of the other side: each sees the other's turn.
            wait_for(&theirs.0.0, round);
            theirs.1.0.store(round, Ordering::Release);
        }
    })?;
    let mut round = 0;
    let ns = median_ns(LINE_BATCHES, || {
        for _ in 0..LINE_ROUNDS {
            round += 1;
            lines.0.0.store(round, Ordering::Release);
            wait_for(&lines.1.0, round);
        }
        Ok(())
    })?;
    answers.join().map_err(|_| io::Error::other("the answering thread panicked"))?;
    Ok(ns / 2_000.0)
}

/// Spins, and lets others run when that takes long.
fn wait_for(word: &AtomicU64, value: u64) {
    let mut turns = 0_u32;
    // Pairs with the Release store of whoever raises the word.
    while word.load(Ordering::Acquire) < value {
        turns += 1;
        if turns.is_multiple_of(10_000) {
            thread::yield_now();
        } else {
            spin_loop();
        }
    }
}

fn median_ns(rounds: u32, mut round: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        round()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_floor_is_measured_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let probe = Probe::take(dir.path()).unwrap();
        for figure in [probe.tcp_echo_us, probe.durable_page_us, probe.cache_line_ns] {
            assert!(figure > 0.0, "{probe:?}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

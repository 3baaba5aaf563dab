//! kill -9 of either side, or both, at any moment: no record is lost, doubled, torn or out of order.
//!
//! The parent makes a ring and runs one or both ends in children (this very test program, told by the environment); a
//! child's log tells what it had done before it died. `RIALTO_ROUNDS` asks for more rounds than the usual few.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    env,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rialto_shmring::{Consumer, Geometry, Identity, MessageBuffer, Producer, PushError, Region};

const IDENTITY: Identity = Identity { schema: 1, generation: 1, gateway: 1 };
const ROUNDS: u64 = 9;
const SIDE: &str = "RIALTO_KILL_SIDE";
const PATH: &str = "RIALTO_KILL_PATH";
const PATIENCE: Duration = Duration::from_mins(1);

fn mixed(number: u64) -> u64 {
    let folded = (number ^ number >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    folded ^ folded >> 29
}

/// Record of a number: its length and all its bytes follow from it.
fn record(number: u64, into: &mut Vec<u8>) {
    let words = 2 + mixed(number) % 60;
    into.clear();
    into.extend([0; 8]);
    into.extend(number.to_le_bytes());
    for word in 2..words {
        into.extend(mixed(number ^ word << 40).to_le_bytes());
    }
}

/// Pushes records from 1 on, now one by one, now in batches, until killed; the log has 8 bytes for each that is in.
fn produce(region: Region, mut log: File) {
    let mut producer = Producer::new(Arc::new(region)).unwrap();
    let mut records = vec![Vec::new(); 8];
    let mut next = 1;
    loop {
        let batch = usize::try_from(1 + mixed(next) % 8).unwrap();
        for (number, record_bytes) in (next..).zip(&mut records[..batch]) {
            record(number, record_bytes);
        }
        match producer.push_batch(records[..batch].iter().map(Vec::as_slice)) {
            Ok(count) => {
                next += count as u64;
                log.write_all(&vec![1; 8 * count]).unwrap();
            }
            Err(error) => {
                assert_eq!(error, PushError::Full);
                thread::yield_now();
            }
        }
    }
}

/// The consumer's checks: each record is exactly the next one.
struct Checked {
    consumer: Consumer,
    buffer: MessageBuffer,
    expected: Vec<u8>,
    count: u64,
}

impl Checked {
    fn new(region: Arc<Region>) -> Self {
        let consumer = Consumer::new(region).unwrap();
        Self { consumer, buffer: MessageBuffer::new(), expected: Vec::new(), count: 0 }
    }

    fn pop(&mut self) -> bool {
        let Some(length) = self.consumer.try_pop(&mut self.buffer).expect("a death poisons nothing") else {
            return false;
        };
        self.count += 1;
        record(self.count, &mut self.expected);
        assert!(self.buffer[..length] == self.expected, "record {} is not the one that was sent", self.count);
        true
    }
}

/// Pops and checks until killed; the log has 8 bytes for each that came out.
fn consume(region: Region, mut log: File) {
    let mut checked = Checked::new(Arc::new(region));
    loop {
        if checked.pop() {
            log.write_all(&[1; 8]).unwrap();
        } else {
            thread::yield_now();
        }
    }
}

#[test]
fn child() {
    let (Ok(side), Ok(path)) = (env::var(SIDE), env::var(PATH)) else { return };
    let path = Path::new(&path);
    let region = Region::attach(path, &IDENTITY, Instant::now() + PATIENCE).unwrap();
    let log = OpenOptions::new().append(true).create(true).open(path.with_extension(&side)).unwrap();
    if side == "producer" { produce(region, log) } else { consume(region, log) }
}

struct Victim {
    child: Child,
    log: std::path::PathBuf,
}

impl Victim {
    fn start(side: &str, path: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(SIDE, side).env(PATH, path);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        Self { child, log: path.with_extension(side) }
    }

    fn done(&self) -> u64 {
        self.log.metadata().map_or(0, |log| log.len() / 8)
    }

    /// Until it has done so much; it must not end by itself.
    fn wait_for(&mut self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.done() < count {
            assert_eq!(self.child.try_wait().unwrap(), None, "a child found something wrong");
            assert!(Instant::now() < deadline, "no progress");
            thread::yield_now();
        }
    }

    /// kill -9, and what it had done by then.
    fn kill(&mut self) -> u64 {
        assert_eq!(self.child.try_wait().unwrap(), None, "a child found something wrong");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.done()
    }
}

/// No child outlives a failed test.
impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn kill_the_producer(path: &Path, region: Arc<Region>, after: u64) {
    let mut producer = Victim::start("producer", path);
    let mut checked = Checked::new(region);
    let deadline = Instant::now() + PATIENCE;
    while checked.count < after {
        if !checked.pop() {
            assert!(Instant::now() < deadline, "no progress");
            thread::yield_now();
        }
    }
    let logged = producer.kill();
    while checked.pop() {}
    // A batch of up to 8 may be in and not yet logged.
    assert!((logged..=logged + 8).contains(&checked.count), "{} came out, {logged} went in", checked.count);
}

fn kill_the_consumer(path: &Path, region: Arc<Region>, after: u64) {
    let mut producer = Producer::new(region).unwrap();
    let mut consumer = Victim::start("consumer", path);
    let (mut bytes, mut pushed) = (Vec::new(), 0);
    while consumer.done() < after {
        record(pushed + 1, &mut bytes);
        match producer.try_push(&bytes) {
            Ok(()) => pushed += 1,
            Err(error) => {
                assert_eq!(error, PushError::Full);
                consumer.wait_for(1);
                thread::yield_now();
            }
        }
    }
    let popped = consumer.kill();
    assert!(popped <= pushed);
    let full = loop {
        record(pushed + 1, &mut bytes);
        match producer.try_push(&bytes) {
            Ok(()) => pushed += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, PushError::Full, "a dead consumer's ring fills up and does not poison");
}

fn kill_both(path: &Path, after: u64) {
    let (mut producer, mut consumer) = (Victim::start("producer", path), Victim::start("consumer", path));
    consumer.wait_for(after);
    let (first, second) =
        if after.is_multiple_of(2) { (&mut producer, &mut consumer) } else { (&mut consumer, &mut producer) };
    first.kill();
    second.kill();
    assert!(consumer.done() <= producer.done() + 8, "more came out than went in");
}

#[test]
fn a_kill_loses_doubles_tears_or_reorders_nothing() {
    let rounds = env::var("RIALTO_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    for round in 0..rounds {
        let chance = mixed(seed << 32 | round);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("killed.ring");
        let geometry = Geometry::starting_at(64, (1 << 48) - chance % 500).unwrap();
        let region = Arc::new(Region::create(&path, &IDENTITY, geometry).unwrap());
        let after = 1 + (chance >> 16) % 1000;
        match round % 3 {
            0 => kill_the_producer(&path, region, after),
            1 => kill_the_consumer(&path, region, after),
            _ => kill_both(&path, after),
        }
    }
}

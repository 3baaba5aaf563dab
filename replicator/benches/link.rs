//! What does a `ram` ack cost over loopback, and how fast is a standby streamed to? Nothing here applies a command or
//! touches a disk, and both ends share one machine's cores: real figures are these and a network's.
//!
//! `ack`: one command of 128 bytes at a time is published; its latency ends when the port's thread was told of the ack.
//! `stream`: commands are published as fast as they are acknowledged, 4,096 in flight at most.

#![expect(clippy::unwrap_used, reason = "a bench that cannot run says so")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rialto_journal::log::{LogRing, LogShape, LogStart, Writer};
use rialto_journal::reader::PageSource;
use rialto_journal::record;
use rialto_journal::recover::scan::{Base, EpochStart};
use rialto_journal::shared::Kind;
use rialto_replicator::gone::Gone;
use rialto_replicator::key::ClusterKey;
use rialto_replicator::link::{Doorbell, Listener, Upstream, UpstreamOptions};
use rialto_replicator::message::{Ack, Answer, Ask, Hello, Lead, Promise};
use rialto_replicator::primary::{Event, Limits};
use rialto_replicator::secure::Credentials;
use rialto_replicator::ship::{Node, SeedSource, Ship};
use rialto_replicator::standby;

const CLUSTER_ID: [u8; 16] = [7; 16];
const COMMAND_BYTES: usize = 128;
const RING_PAGES: u64 = 1 << 14;
const IN_FLIGHT: u64 = 4_096;

struct Leader {
    ring: Arc<LogRing>,
    epochs: [EpochStart; 1],
    acked: Arc<AtomicU64>,
}

impl Ship for Leader {
    fn epoch(&self) -> u32 {
        1
    }
    fn lead(&self) -> Lead {
        Lead {
            node: "a".to_owned(),
            fix: String::new(),
            epoch: 1,
            cluster_id: CLUSTER_ID,
            version: 1,
            in_sync: Vec::new(),
        }
    }
    fn epochs(&self) -> &[EpochStart] {
        &self.epochs
    }
    fn ring(&self) -> &Arc<LogRing> {
        &self.ring
    }
    fn stored(&self) -> Box<dyn PageSource + Send> {
        Box::new(())
    }
    fn first_page(&self) -> u64 {
        0
    }
    fn base_at(&self, page_no: u64) -> Option<Base> {
        (page_no == 0).then(|| Base::genesis(&CLUSTER_ID))
    }
    fn committed_seq(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }
    fn state_version(&self) -> u64 {
        0
    }
    fn state(&self) -> Vec<u8> {
        Vec::new()
    }
    fn seed(&self, _: &Hello) -> Option<Box<dyn SeedSource + Send>> {
        None
    }
}

impl Node for Leader {
    fn answer(&mut self, _: &Ask) -> Answer {
        unreachable!("nobody asks")
    }
    fn promise(&mut self, _: u32) -> Promise {
        unreachable!("nobody fences")
    }
    fn ship(&self) -> Option<&dyn Ship> {
        Some(self)
    }
    fn event(&mut self, _: &str, event: Event) {
        if let Event::Acked(ack) = event {
            self.acked.store(ack.received, Ordering::Release);
        }
    }
    fn gone(&mut self, _: &str, why: &Gone) {
        eprintln!("standby gone: {why}");
    }
}

fn command(sequence: u64) -> [u8; COMMAND_BYTES] {
    let mut command = [0x5a; COMMAND_BYTES];
    command[record::SEQUENCE_AT..][..8].copy_from_slice(&sequence.to_le_bytes());
    command[record::LENGTH_AT..][..2].copy_from_slice(&128u16.to_le_bytes());
    let crc = record::crc(&command);
    command[record::CRC_AT..][..4].copy_from_slice(&crc.to_le_bytes());
    command
}

/// A port's thread and a standby's thread, both of which sleep up to `sleep`, or spin if that is zero.
struct Pair {
    writer: Writer,
    next_seq: u64,
    acked: Arc<AtomicU64>,
    doorbell: Arc<Doorbell>,
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Pair {
    fn start(sleep: Duration) -> Self {
        let shape = LogShape { kind: Kind::Commands, pages: RING_PAGES };
        let mut writer = LogRing::anonymous(shape, &LogStart::EMPTY).unwrap();
        writer.set_epoch(1);
        let (acked, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let credentials = Credentials { key: ClusterKey::new([1; 32]), cluster: "bench".into() };
        let limits = Limits::default();
        let mut port = Listener::bind("127.0.0.1:0".parse().unwrap(), credentials.clone(), limits).unwrap();
        let (address, doorbell) = (port.local_address().unwrap(), Arc::clone(port.doorbell()));
        let epochs = [EpochStart { epoch: 1, page_no: 0, first_seq: 1 }];
        let mut leader = Leader { ring: Arc::clone(writer.ring()), epochs, acked: Arc::clone(&acked) };
        let stopped = Arc::clone(&stop);
        let leading = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                port.poll(&mut leader, sleep).unwrap();
            }
        });
        let stopped = Arc::clone(&stop);
        let following = thread::spawn(move || follow(address, &credentials, sleep, &stopped));
        Pair { writer, next_seq: 1, acked, doorbell, stop, threads: vec![leading, following] }
    }

    fn publish(&mut self) {
        if !self.writer.has_room(2) {
            self.writer.ring().free(self.writer.ring().closed_pages());
        }
        self.writer.append(&command(self.next_seq));
        self.writer.publish();
        self.doorbell.ring();
        self.next_seq += 1;
    }

    fn await_ack(&self, sequence: u64) {
        let begun = Instant::now();
        while self.acked.load(Ordering::Acquire) < sequence {
            assert!(begun.elapsed() < Duration::from_secs(10), "no ack of {sequence}");
            thread::yield_now();
        }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.doorbell.ring();
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn follow(address: std::net::SocketAddr, credentials: &Credentials, sleep: Duration, stop: &AtomicBool) {
    let second = Duration::from_secs(1);
    let options = UpstreamOptions { addresses: vec![address], connect: second, silence: 5 * second };
    let hello = Hello {
        cluster: "bench".to_owned(),
        cluster_id: None,
        node: "b".to_owned(),
        boot_id: [0; 16],
        incarnation: 1,
        versions: (1, 1),
        promised_epoch: 0,
        epochs: Vec::new(),
        end: Base { page_no: 0, first_seq: 1, epoch: 0, chain: [0; 16] },
        open: None,
        synced_page: 0,
    };
    let mut upstream = Upstream::connect(&options, credentials, hello).unwrap();
    while !stop.load(Ordering::Relaxed) {
        if upstream.poll(sleep).is_err() {
            return;
        }
        let mut received = 0;
        while let Ok(Some(event)) = upstream.next_event() {
            if let standby::Event::Run { bytes, last_seq, .. } = event {
                black_box(bytes);
                received = last_seq;
            }
        }
        if received > 0 && upstream.ack(&Ack { epoch: 1, received, ..Ack::default() }).is_err() {
            return;
        }
    }
}

fn ack(mode: &str, sleep: Duration, count: u64) {
    let mut pair = Pair::start(sleep);
    let mut took: Vec<Duration> = Vec::new();
    for sequence in 1..=count {
        let begun = Instant::now();
        pair.publish();
        pair.await_ack(sequence);
        took.push(begun.elapsed());
    }
    pair.stop();
    let mut took = took.split_off(took.len() / 10);
    took.sort_unstable();
    let at = |part: usize| took[took.len() * part / 1_000].as_nanos() / 100;
    let us = |tenths: u128| format!("{}.{}", tenths / 10, tenths % 10);
    println!("ack {mode:<6} p50 {} us  p99 {} us  p99.9 {} us", us(at(500)), us(at(990)), us(at(999)));
}

fn stream(mode: &str, sleep: Duration, count: u64) {
    let mut pair = Pair::start(sleep);
    pair.publish();
    pair.await_ack(1);
    let begun = Instant::now();
    for sequence in 2..=count {
        pair.publish();
        pair.await_ack(sequence.saturating_sub(IN_FLIGHT));
    }
    pair.await_ack(count);
    let per_s = u128::from(count) * 1_000_000_000 / begun.elapsed().as_nanos();
    pair.stop();
    println!("stream {mode:<6} {per_s} commands/s of {COMMAND_BYTES} bytes");
}

fn main() {
    let (spin, sleep) = (Duration::ZERO, Duration::from_millis(25));
    ack("sleep", sleep, 20_000);
    stream("sleep", sleep, 1_000_000);
    // Three threads that spin want a core each.
    if thread::available_parallelism().is_ok_and(|cores| cores.get() >= 4) {
        ack("spin", spin, 20_000);
        stream("spin", spin, 1_000_000);
    }
}

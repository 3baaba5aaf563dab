//! Market data over TCP: whoever applies snapshots and changes has the exchange's book at each sequence that these name,
//! whatever other readers do.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, here in what several tests share")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use books::{INSTRUMENTS, Tape, Truth, Update, check, replayed, tape};
use client::{Client, Wire};
use member::Member;
use node::{Home, Node, PATIENCE, until};
use random::Random;

#[path = "market_data/books.rs"]
mod books;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/client.rs"]
mod client;
#[path = "market_data/member.rs"]
mod member;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/node.rs"]
mod node;
#[path = "support/random.rs"]
mod random;

const CONFIG: &str = r#"
node     = { name = "n1", cluster = "CLUSTER", ack = "async", idle = "park", pin = "off", segment_mib = 64, shm_mib = 16 }
fix      = { user_defined_tags = true }
currency = [{ code = "USD", decimals = 10 }]
instrument = [
  { symbol = "ACME", tick = "0.01", lot = "1", currency = "USD", taker_fee_ppm = 50, replace = "keep-on-decrease" },
  { symbol = "GRAIN", tick = "0.05", lot = "50", currency = "USD", replace = "requeue" },
  { symbol = "ZINC", tick = "0.1", lot = "100", currency = "USD", maker_fee_ppm = 10 },
]
participant = [{ name = "ALPHA", kind = "broker", self_trade = "cancel-oldest" }, { name = "BETA", kind = "institution" }]
account = [{ name = "A1", participant = "ALPHA" }, { name = "B1", participant = "BETA" }]
session = [
  { comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret" },
  { comp_id = "ALPHA2", participant = "ALPHA", accounts = ["A1"], password = "secret" },
  { comp_id = "BETA1", participant = "BETA", accounts = ["B1"], password = "secret" },
  { comp_id = "FAST", participant = "BETA", password = "secret", kind = "market-data" },
  { comp_id = "LATE", participant = "BETA", password = "secret", kind = "market-data" },
  { comp_id = "SLOW", participant = "BETA", password = "secret", kind = "market-data" },
]
deposit = [
  { id = "d1", account = "A1", asset = "USD", amount = "1000000000" },
  { id = "d2", account = "B1", asset = "USD", amount = "1000000000" },
  { id = "d3", account = "A1", asset = "ACME", amount = "100000000" },
  { id = "d4", account = "B1", asset = "ACME", amount = "100000000" },
  { id = "d5", account = "A1", asset = "GRAIN", amount = "1000000000" },
  { id = "d6", account = "B1", asset = "GRAIN", amount = "1000000000" },
  { id = "d7", account = "A1", asset = "ZINC", amount = "1000000000" },
  { id = "d8", account = "B1", asset = "ZINC", amount = "1000000000" },
]
"#;

/// Sequences at which books are compared, at least.
const SEQUENCES_MIN: usize = 1_000;
/// Sequences that the fast client has heard of before the late one joins, and before the load ends.
const LATE_FROM: usize = 400;
const ENOUGH: usize = 1_500;
/// Subscriptions of the slow reader to all there is, so that much waits for it.
const SLOW_REQUESTS: usize = 50;
/// Longest wait for an answer; generous, for a machine with other work.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a client waits before it looks whether it is over.
const TURN: Duration = Duration::from_millis(20);
const SEED: u64 = 6;

/// What came of a run: what the two clients were told, and what the node's journal makes of it.
struct Run {
    fast: Vec<Update>,
    late: Vec<Update>,
    truth: Truth,
    trades: Tape,
}

/// All tests look at one run.
static RUN: LazyLock<Run> = LazyLock::new(run);

/// A market-data request for all instruments.
fn request(id: &str, follow: u8, depth: u32) -> String {
    let symbols = INSTRUMENTS.map(|(symbol, _, _)| symbol).join("|55=");
    let count = INSTRUMENTS.len();
    format!("35=V|262={id}|263={follow}|264={depth}|265=1|267=3|269=0|269=1|269=2|146={count}|55={symbols}")
}

/// A client of market data and all that it was told.
struct Watcher {
    client: Client,
    number: u32,
    heard: u32,
    updates: Vec<Update>,
}

impl Watcher {
    fn new(node: &Node, wire: Wire, name: &str) -> Self {
        let client = Client::log_on(node.fix(), wire, name, (0, "|141=Y"));
        Self { client, number: 1, heard: 1, updates: Vec::new() }
    }

    fn ask(&mut self, line: &str) {
        self.number += 1;
        self.client.send(line, self.number, false).unwrap();
    }

    /// Takes down the next message, if one comes soon; its number follows the last one's.
    fn hear(&mut self) -> Option<&Update> {
        let message = self.client.receive(TURN).expect("a fast reader is not cut")?;
        self.heard += 1;
        assert_eq!(message.number(), self.heard, "no message is left out");
        assert!(["W", "X"].contains(&message.kind()), "{message}");
        self.updates.push(Update::read(&message));
        self.updates.last()
    }

    /// Takes down what comes, counting sequences, until it is over, then until it has all up to `last`.
    fn watch(mut self, (told, over): (&AtomicUsize, &AtomicBool), last: impl FnOnce() -> u64) -> Vec<Update> {
        let mut before = 0;
        while !over.load(Ordering::Relaxed) {
            let sequence = self.hear().map_or(before, |update| update.sequence);
            told.fetch_add(usize::from(sequence != before), Ordering::Relaxed);
            before = sequence;
        }
        // Snapshots come behind all that was due before.
        let last = last();
        for round in 0.. {
            let id = format!("end-{round}");
            self.ask(&request(&id, 0, 0));
            let mut ends = Vec::new();
            until("the last snapshots", || {
                ends.extend(self.hear().filter(|update| update.request == id).map(|update| update.sequence));
                (ends.len() == INSTRUMENTS.len()).then_some(())
            });
            if ends.iter().all(|end| *end >= last) {
                return self.updates;
            }
        }
        unreachable!("the market data come to their end")
    }
}

/// Asks for all there is, many times over, and reads none of it until it is cut.
fn read_nothing(node: &Node) {
    let mut stream = TcpStream::connect(node.fix()).unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4 << 10).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"35=A|553=SLOW|554=secret|141=Y\n").unwrap();
    for number in 0..SLOW_REQUESTS {
        stream.write_all(format!("{}\n", request(&format!("full-{number}"), 1, 0)).as_bytes()).unwrap();
    }
    let mut told = String::new();
    (&stream).take(1 << 10).read_to_string(&mut told).unwrap();
    assert!(told.starts_with("35=A|") && told.contains("\n35=W|"), "it has what it asked for: {told}");
    // Whoever writes to a connection that the other side gave up is told so.
    until("the slow reader to be cut", || stream.write_all(b"35=0\n").is_err().then_some(()));
}

fn run() -> Run {
    let home = Home::new(CONFIG);
    let node = home.start(&[]);
    let mut random = Random::new(SEED);
    let mut fast = Watcher::new(&node, Wire::Fix, "FAST");
    for (id, depth) in [("full", 0), ("1", 1), ("5", 5)] {
        fast.ask(&request(id, 1, depth));
    }
    let mut members = ["ALPHA1", "ALPHA2", "BETA1"]
        .map(|name| Member::new(Client::log_on(node.fix(), Wire::Line, name, (0, "")), name, random.fork()));
    let (ends, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (told, told_late) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let last = || node.status(&[])["cursors"]["released"].as_u64().unwrap();
    let (fast, late) = thread::scope(|scope| {
        let fast = scope.spawn(|| fast.watch((&told, &over), last));
        let slow = scope.spawn(|| read_nothing(&node));
        let trading: Vec<_> = members.iter_mut().map(|member| scope.spawn(|| member.trade(&ends))).collect();
        let has = |count: &AtomicUsize, goal| (count.load(Ordering::Relaxed) >= goal).then_some(());
        until("the market to be busy", || has(&told, LATE_FROM));
        let mut late = Watcher::new(&node, Wire::Line, "LATE");
        for (id, depth) in [("full-late", 0), ("1-late", 1)] {
            late.ask(&request(id, 1, depth));
        }
        let late = scope.spawn(|| late.watch((&told_late, &over), last));
        slow.join().expect("it is cut");
        until("enough sequences", || has(&told, ENOUGH).and(has(&told_late, SEQUENCES_MIN / 2)));
        ends.store(true, Ordering::Relaxed);
        for member in trading {
            member.join().expect("a member's thread");
        }
        over.store(true, Ordering::Relaxed);
        (fast.join().expect("the fast client"), late.join().expect("the late client"))
    });
    for member in &members {
        assert!(member.slowest < ANSWER_WITHIN, "{:?} for an answer", member.slowest);
        assert!(member.asked() > 1_000);
    }
    let wanted: BTreeSet<u64> = fast.iter().chain(&late).map(|update| update.sequence).collect();
    let synced = || node.status(&[])["cursors"]["synced"].as_u64().unwrap();
    until("what was told to be stored", || (synced() >= *wanted.last().unwrap()).then_some(()));
    let (truth, trades) = replayed(&home.data(), &wanted);
    assert!(node.terminate().0.success());
    Run { fast, late, truth, trades }
}

#[test]
fn a_book_made_of_snapshots_and_changes_is_the_exchange_s_at_each_sequence_beside_a_slow_reader() {
    let run = &*RUN;
    let compared = check(&run.fast, &run.truth, None).unwrap_or_else(|difference| panic!("{difference}"));
    let late = check(&run.late, &run.truth, None).unwrap_or_else(|difference| panic!("{difference}"));
    println!("compared at {compared} sequences, by the late client at {late}");
    assert!(compared >= SEQUENCES_MIN && late >= SEQUENCES_MIN / 2, "{compared}, {late}");
    let told = tape(&run.fast, "full");
    assert!(told.len() > 500, "{} trades", told.len());
    assert_eq!(told, run.trades, "every trade, once");
}

#[test]
fn a_client_that_loses_one_change_is_found_to_have_another_book() {
    let run = &*RUN;
    let mut random = Random::new(SEED);
    let changes = |place: &usize| run.fast[*place].is_change() && run.fast[*place].has_levels();
    let changes: Vec<usize> = (0..run.fast.len()).filter(changes).collect();
    for _ in 0..20 {
        let lost = changes[usize::try_from(random.below(changes.len() as u64)).unwrap()];
        let found = check(&run.fast, &run.truth, Some(lost)).expect_err("a message was lost");
        let update = &run.fast[lost];
        let place = format!("{}: {} at {}", update.request, update.symbol, update.sequence);
        assert!(found.starts_with(&place), "lost {place}, found {found}");
    }
}

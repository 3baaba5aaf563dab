//! What the journal's tools say of small journals that a real matcher and storage have written.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::Parser;
use rialto_engine::clock::ManualClock;
use rialto_engine::exchange::Exchange;
use rialto_engine::matcher::{Matcher, Parts};
use rialto_engine::ports::{Counters, InHand, OnPublish, Readers};
use rialto_engine::replay::Replay;
use rialto_engine::shadow::Shadow;
use rialto_journal::cursor::Policy;
use rialto_journal::disk::Disk;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::log::LogStart;
use rialto_journal::meta::{MetaFile, NodeLock, NodeMeta};
use rialto_journal::position::Position;
use rialto_journal::reader::LogReader;
use rialto_journal::recover::generation::{GenerationPlan, begin};
use rialto_journal::recover::scan::Base;
use rialto_journal::recover::{Start, recover};
use rialto_journal::segment::Lineage;
use rialto_journal::segment::reader::{SegmentReader, Slot, blank};
use rialto_journal::segment::{HEADER_PAGES, Log};
use rialto_journal::snapshot::Snapshots;
use rialto_journal::storage::{Stepped, Storage, event_hash};
use rialto_protocol::command::{EpochOpened, LogOn, NewOrder, OrderTerms};
use rialto_protocol::reference::{
    AccountDef, Author, CurrencyDef, Grant, InstrumentDef, Operation, ParticipantDef, SessionDef, Transfer,
};
use rialto_protocol::terms::{ParticipantKind, ReplaceRule, SelfTrade, SessionKind};
use rialto_protocol::{
    Command, Epoch, GatewayId, InstrumentId, Note, Price, Quantity, Sequence, SessionId, SessionSeq, Side,
    Timestamp, VERSION,
};
use rialto_shmring::Doorbell;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Journal;
use crate::failure::code_of;
use crate::serve::snapshots::Snapshooter;
use crate::serve::start;

/// Every snapshot that is asked for, and all history.
const UPKEEP: start::Upkeep = start::Upkeep { snapshot_every: 1, keep_bytes: u64::MAX };

/// A node without gateways: what it is told goes straight to its matcher.
struct Node {
    shm: TempDir,
    matcher: Matcher<ManualClock>,
    storage: Storage,
    lock: NodeLock,
}

impl Node {
    /// A new node in `dir`, its epoch open and nothing defined.
    fn start(dir: &Path, policy: Policy) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
        disk.create_dir(dir).unwrap();
        let lock = NodeLock::take(dir).unwrap();
        let mut meta = MetaFile::create(&disk, dir, NodeMeta::new([7; 16], "test", "n1")).unwrap();
        let start = Start {
            disk,
            dir: dir.to_owned(),
            state_machine: VERSION,
            segment_bytes: 1 << 20,
            base: Base::genesis(&meta.get().cluster_id),
            known_seq: 0,
            epoch: 1,
        };
        let recovered = recover(&start, &mut meta, None).unwrap();
        let shm = TempDir::new_in("/dev/shm").unwrap();
        let plan = GenerationPlan {
            shm_dir: shm.path(),
            command_pages: 256,
            event_pages: 512,
            policy,
            event_start: LogStart::EMPTY,
            event_hash: None,
        };
        let generation = begin(&start, recovered, &Arc::new(Mutex::new(meta)), &plan).unwrap();
        let parts = Parts {
            exchange: Exchange::new(),
            sequence: Sequence(0),
            timestamp: Timestamp(0),
            commands: generation.commands,
            events: generation.events,
            cursors: generation.cursors,
            readers: Arc::new(Readers::default()),
            on_publish: OnPublish::default(),
            storage: Arc::new(Doorbell::anonymous().unwrap()),
            counters: Arc::new(Counters::default()),
            in_hand: Arc::new(InHand::default()),
            clock: ManualClock(Timestamp(1_000)),
        };
        let matcher = Matcher::new(parts, Vec::new());
        let mut node = Self { shm, matcher, storage: generation.storage, lock };
        node.tell(&[Command::Version(VERSION), epoch(1)]);
        node
    }

    fn tell(&mut self, commands: &[Command]) {
        for command in commands {
            self.matcher.submit(SessionId::NONE, SessionSeq::NONE, command);
        }
    }

    /// Orders of the one session, numbered from `first` on: each price once, all of them buying.
    fn order(&mut self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.matcher.submit(
                SessionId(1),
                SessionSeq(number),
                &buy(&format!("a{number}"), i64::from(number)),
            );
        }
    }

    /// Shows what was told; storage has not seen it.
    fn publish(&mut self) {
        self.matcher.turn();
    }

    fn store(&mut self) {
        self.matcher.settle();
        while self.storage.step() != Stepped::Idle {}
    }

    /// Ends as a killed process does.
    fn kill(self) -> TempDir {
        drop(self.lock);
        self.shm
    }

    fn stop(mut self) {
        self.store();
        self.storage.stop().unwrap();
    }
}

fn epoch(epoch: u32) -> Command {
    Command::Epoch(EpochOpened { epoch: Epoch(epoch), node: "n1".parse().unwrap(), loss: false })
}

fn reference() -> Vec<Command> {
    let author = Author { uid: 1, pid: 2, why: Note::clipped("first start") };
    [
        Operation::Currency(CurrencyDef { code: "USD".parse().unwrap(), decimals: 4 }),
        Operation::Instrument(InstrumentDef {
            symbol: "ACME".parse().unwrap(),
            currency: "USD".parse().unwrap(),
            tick: "0.01".parse().unwrap(),
            lot: "0.5".parse().unwrap(),
            maker_fee_ppm: 0,
            taker_fee_ppm: 50,
            replace: ReplaceRule::KeepOnDecrease,
            midpoint: false,
        }),
        Operation::Participant(ParticipantDef {
            name: "ALPHA".parse().unwrap(),
            kind: ParticipantKind::Broker,
            self_trade: SelfTrade::Off,
        }),
        Operation::Account(AccountDef { name: "A1".parse().unwrap(), participant: "ALPHA".parse().unwrap() }),
        Operation::Session(SessionDef {
            comp_id: "ALPHA1".parse().unwrap(),
            participant: "ALPHA".parse().unwrap(),
            kind: SessionKind::Trading,
            cancel_on_disconnect: false,
            secret: [1; 32],
        }),
        Operation::Grant(Grant { session: "ALPHA1".parse().unwrap(), account: "A1".parse().unwrap() }),
        Operation::Transfer(Transfer {
            id: "d1".parse().unwrap(),
            account: "A1".parse().unwrap(),
            asset: "USD".parse().unwrap(),
            amount: "1000000.5".parse().unwrap(),
            withdraw: false,
        }),
        Operation::Loaded,
    ]
    .map(|operation| Command::Operate(author, operation))
    .to_vec()
}

fn log_on() -> Command {
    let gateway = GatewayId(1);
    Command::LogOn(LogOn { gateway, connection: 1, next_expected: 0, heartbeat_s: 0, reset: 0, line: 1 })
}

fn buy(cl_ord_id: &str, ticks: i64) -> Command {
    let terms = OrderTerms::limit(Side::Buy, Quantity(3), InstrumentId(1), Price(ticks));
    Command::NewOrder(NewOrder { terms, cl_ord_id: cl_ord_id.parse().unwrap() })
}

/// A node with reference data, one session, and `orders` orders from it.
fn with_orders(dir: &Path, policy: Policy, orders: u32) -> Node {
    let mut node = Node::start(dir, policy);
    node.tell(&reference());
    node.matcher.submit(SessionId(1), SessionSeq(1), &log_on());
    node.order(2..2 + orders);
    node
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    journal: Journal,
}

/// What a command line prints, and its exit code.
fn run(words: &[&str]) -> (String, u8) {
    let line = Line::try_parse_from([&["journal"], words].concat()).unwrap();
    let mut out = Vec::new();
    let code = line.journal.run_to(&mut out).err().map_or(0, |error| code_of(&error).number());
    (String::from_utf8(out).unwrap(), code)
}

fn object(words: &[&str]) -> (Value, u8) {
    let (out, code) = run(words);
    (serde_json::from_str(&out).unwrap(), code)
}

/// That what is printed holds these fields and ends with this code; all of it.
#[track_caller]
fn check(words: &[&str], expected: &Value, code: u8) -> Value {
    let (found, ended) = object(words);
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(found[key], *value, "{key} of {found}");
    }
    assert_eq!(ended, code, "{found}");
    found
}

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The one segment file of a log, and where a page of it stands.
fn page_in(dir: &Path, log: Log, page_no: u64) -> (std::fs::File, u64) {
    let dir = dir.join(log.directory());
    let first = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let file = OpenOptions::new().read(true).write(true).open(first).unwrap();
    (file, (HEADER_PAGES + page_no) * PAGE_BYTES as u64)
}

fn flip(dir: &Path, log: Log, page_no: u64) {
    let (file, at) = page_in(dir, log, page_no);
    let mut byte = [0];
    file.read_exact_at(&mut byte, at + 1_000).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at + 1_000).unwrap();
}

#[test]
fn verify_tells_a_clean_a_torn_and_a_corrupt_journal_apart() {
    let root = TempDir::new().unwrap();
    let dir = &root.path().join("n1");
    with_orders(dir, Policy::Disk, 200).stop();
    let clean = json!({
        "records": 211, "first_seq": 1, "last_seq": 211, "pages": 4, "end": "clean", "torn_bytes": 0,
        "durable_seq": 211, "epochs": [{ "epoch": 1, "node": "n1", "first_seq": 1 }], "deep": null,
    });
    let found = check(&["verify", word(dir), "--json"], &clean, 0);
    assert_eq!(found["chain"].as_str().unwrap().len(), 32);

    let (file, at) = page_in(dir, Log::Commands, 4);
    file.write_all_at(b"half a page", at).unwrap();
    let torn = json!({ "records": 211, "end": "torn", "torn_bytes": 4096, "chain": found["chain"] });
    let deep = check(&["verify", word(dir), "--deep", "--json"], &torn, 0);
    assert_eq!(deep["deep"]["conserved"], true);

    flip(dir, Log::Commands, 2);
    let corrupt = json!({ "pages": 2, "end": "corrupt", "deep": null });
    let found = check(&["verify", word(dir), "--deep", "--json"], &corrupt, 1);
    assert!(found["why"].as_str().unwrap().starts_with("page 2 is not good"), "{found}");

    std::fs::remove_dir_all(dir.join("commands")).unwrap();
    std::fs::create_dir(dir.join("commands")).unwrap();
    let gone = check(&["verify", word(dir), "--json"], &json!({ "records": 0, "end": "corrupt" }), 1);
    assert!(gone["why"].is_string(), "{gone}");
    assert_eq!(run(&["verify", word(root.path()), "--json"]), (String::new(), 2));
}

#[test]
fn deep_replays_to_the_state_and_the_very_events_that_were_stored() {
    let root = TempDir::new().unwrap();
    let dir = &root.path().join("n1");
    let mut node = with_orders(dir, Policy::Disk, 100);
    let earlier = node.matcher.exchange().state_hash();
    node.order(102..202);
    let state = node.matcher.exchange().state_hash();
    node.stop();
    let deep = |words: &[&str], code| {
        let found = check(&[&["verify", word(dir), "--deep", "--json"], words].concat(), &json!({}), code);
        found["deep"].clone()
    };
    let whole = deep(&[], 0);
    assert_eq!(whole["state_hash"], json!({ "seq": 211, "hash": state.to_hex().as_str() }));
    assert_eq!((&whole["events_equal"], &whole["conserved"]), (&json!(true), &json!(true)));
    assert!(whole["event_pages_compared"].as_u64().unwrap() >= 5, "{whole}");
    let to = deep(&["--to", "111"], 0);
    assert_eq!(to["state_hash"], json!({ "seq": 111, "hash": earlier.to_hex().as_str() }));

    flip(dir, Log::Events, 3);
    let differs = deep(&[], 1);
    assert_eq!((&differs["events_equal"], &differs["conserved"]), (&json!(false), &json!(true)));
    assert_eq!(differs["event_hash"], whole["event_hash"]);
}

#[test]
fn event_hash_is_that_of_the_nodes_own_storage() {
    let root = TempDir::new().unwrap();
    let dir = &root.path().join("n1");
    let mut node = with_orders(dir, Policy::Disk, 300);
    node.store();
    let (pages, hash) = node.storage.event_hashes().latest();
    node.stop();
    let found = check(&["verify", word(dir), "--deep", "--json"], &json!({}), 0);
    assert!(pages > 0);
    let found_hash = &found["deep"]["event_hash"];
    assert_eq!(*found_hash, json!({ "pages": pages, "hash": rialto_journal::segment::hex(&hash) }));
    // By hand: from the cluster's id over the pages as they lie on the disk.
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
    let meta = MetaFile::peek(&disk, dir).unwrap();
    let lineage = Lineage { log: Log::Events, cluster_id: meta.cluster_id, state_machine: VERSION };
    let stored = SegmentReader::new(&disk, &dir.join("events"), lineage);
    let mut page = blank();
    let over_all = (0..pages).fold(event_hash::genesis(&meta.cluster_id), |hash, page_no| {
        assert_eq!(stored.read(page_no, &mut page).unwrap(), Slot::Good);
        event_hash::next(&hash, &page)
    });
    assert_eq!(over_all, hash);
}

#[test]
fn a_running_node_is_read_up_to_what_is_released_and_a_killed_one_up_to_its_segments_end() {
    let root = TempDir::new().unwrap();
    let dir = &root.path().join("n1");
    let mut node = with_orders(dir, Policy::Async, 10);
    node.store();
    node.order(12..20);
    node.publish();
    let shm = node.shm.path().to_owned();
    let verify = |words: &[&str], last: u64| {
        let expected = json!({ "records": last, "last_seq": last, "end": "clean" });
        check(&[&["verify", word(dir), "--json"], words].concat(), &expected, 0);
    };
    verify(&["--shm-dir", word(&shm)], 29);
    verify(&[], 21);
    let kept = node.kill();
    verify(&[], 21);
    verify(&["--shm-dir", word(&shm)], 29);
    let (out, code) = run(&["dump", word(dir), "--shm-dir", word(&shm), "--from", "29", "--format", "text"]);
    assert_eq!(
        (out.as_str(), code),
        ("29 1000 new ALPHA1 19 40=2 59=0 cl_ord_id=a19 price=0.19 quantity=1.5 side=buy symbol=ACME\n", 0)
    );
    drop(kept);
    verify(&["--shm-dir", word(&shm)], 21);
}

#[test]
fn a_running_node_under_disk_shows_nothing_that_is_not_released() {
    let root = TempDir::new().unwrap();
    let dir = &root.path().join("n1");
    let mut node = with_orders(dir, Policy::Disk, 10);
    node.store();
    node.order(12..20);
    node.publish();
    let shm = node.shm.path().to_owned();
    check(&["verify", word(dir), "--shm-dir", word(&shm), "--json"], &json!({ "last_seq": 21 }), 0);
    node.store();
    check(&["verify", word(dir), "--shm-dir", word(&shm), "--json"], &json!({ "last_seq": 29 }), 0);
}

#[test]
fn stat_counts_what_is_there() {
    let root = TempDir::new().unwrap();
    let dir = &root.path().join("n1");
    with_orders(dir, Policy::Disk, 3).stop();
    let expected = json!({
        "segments": 1, "bytes": 1 << 20, "records": 14, "first_ts_ns": 1000, "last_ts_ns": 1000, "snapshots": [],
        "by_type": {
            "version": 1, "epoch": 1, "currency": 1, "instrument": 1, "participant": 1, "account": 1, "session": 1,
            "grant": 1, "deposit": 1, "loaded": 1, "logon": 1, "new": 3,
        },
    });
    check(&["stat", word(dir), "--json"], &expected, 0);
}

#[test]
fn dump_prints_commands_events_and_books_as_people_write_them() {
    let root = TempDir::new().unwrap();
    let dir = &root.path().join("n1");
    with_orders(dir, Policy::Disk, 3).stop();
    let golden = |words: &[&str], lines: &[&str]| {
        let (out, code) = run(&[&["dump", word(dir)], words].concat());
        assert_eq!((out.lines().collect::<Vec<_>>(), code), (lines.to_vec(), 0));
    };
    golden(
        &["--from", "2", "--to", "3"],
        &[
            r#"{"fields":{"epoch":1,"loss":false,"node":"n1"},"seq":2,"session":null,"session_seq":0,"ts_ns":1000,"type":"epoch"}"#,
            r#"{"fields":{"code":"USD","decimals":4,"pid":2,"uid":1,"why":"first start"},"seq":3,"session":null,"session_seq":0,"ts_ns":1000,"type":"currency"}"#,
        ],
    );
    golden(
        &["--from", "12", "--to", "12", "--json"],
        &[
            r#"{"fields":{"40":"2","59":"0","cl_ord_id":"a2","price":"0.02","quantity":"1.5","side":"buy","symbol":"ACME"},"seq":12,"session":"ALPHA1","session_seq":2,"ts_ns":1000,"type":"new"}"#,
        ],
    );
    golden(
        &["--from", "9", "--to", "9", "--format", "csv"],
        &[
            "seq,ts_ns,type,session,session_seq,fields",
            "9,1000,deposit,,0,account=A1|amount=1000000.5|asset=USD|id=d1|pid=2|uid=1|why=first start",
        ],
    );
    golden(
        &["--events", "--from", "12", "--to", "12", "--format", "text"],
        &[
            "12 1000 report ALPHA1 2 14=0 150=0 151=1.5 17=1 35=8 37=1 39=0 40=2 59=0 6=0 60=19700101-00:00:00.000 \
           account=A1 cl_ord_id=a2 price=0.02 quantity=1.5 side=buy symbol=ACME",
        ],
    );
    golden(
        &["--book"],
        &[
            r#"{"cl_ord_id":"a4","open":"1.5","order":3,"price":"0.04","side":"buy","symbol":"ACME"}"#,
            r#"{"cl_ord_id":"a3","open":"1.5","order":2,"price":"0.03","side":"buy","symbol":"ACME"}"#,
            r#"{"cl_ord_id":"a2","open":"1.5","order":1,"price":"0.02","side":"buy","symbol":"ACME"}"#,
        ],
    );
    golden(&["--book", "--to", "12", "--format", "text"], &["ACME buy 1.5 @ 0.02 1 a2"]);
    golden(&["--book", "--to", "11"], &[]);
}

/// How the nodes of these tests are started.
fn plan_of(dir: &Path, shm: &Path) -> start::Plan {
    let operation = |command: &Command| {
        let Command::Operate(_, operation) = command else { return None };
        (*operation != Operation::Loaded).then_some(*operation)
    };
    start::Plan {
        upkeep: UPKEEP,
        dir: dir.to_owned(),
        shm_dir: shm.to_owned(),
        node: "n1".to_owned(),
        cluster: "test".to_owned(),
        policy: Policy::Async,
        backend: Backend::Mapped,
        accept_volatile: true,
        segment_bytes: 6 * PAGE_BYTES as u64,
        shm_bytes: 4 << 20,
        reference: reference().iter().filter_map(operation).collect(),
        cluster_id: None,
    }
}

/// A node in `dir` that has made a snapshot behind 300 orders and then taken 100 more.
fn with_snapshot(dir: &Path) {
    let shm = TempDir::new_in("/dev/shm").unwrap();
    let plan = plan_of(dir, shm.path());
    let wiring = start::Wiring {
        ports: Vec::new(),
        readers: Arc::default(),
        on_publish: OnPublish::default(),
        storage_bell: Arc::new(Doorbell::anonymous().unwrap()),
        counters: Arc::default(),
        in_hand: Arc::default(),
    };
    let begun = start::open(&plan).unwrap().begin(&plan, wiring).unwrap();
    let (mut matcher, mut core) = begun.split().unwrap();
    let segments = |log: Log| {
        let cluster_id = core.place.identity.cluster_id;
        let lineage = Lineage { log, cluster_id, state_machine: VERSION };
        SegmentReader::new(&core.place.disk, &dir.join(log.directory()), lineage)
    };
    let copy = core.copy.take().unwrap();
    let commands = LogReader::new(Arc::clone(&core.commands), segments(Log::Commands), core.commands.end());
    let mut shadow = Shadow::new(Replay::new(copy, matcher.sequence(), commands), Arc::clone(&core.cursors));
    let mut snapshots =
        Snapshooter::new(&core, segments(Log::Commands), segments(Log::Events), (dir, UPKEEP));
    matcher.submit(SessionId(1), SessionSeq(1), &log_on());
    for orders in [2..302, 302..402] {
        let is_first = orders.start == 2;
        for number in orders {
            let order = buy(&format!("a{number}"), i64::from(number));
            matcher.submit(SessionId(1), SessionSeq(number), &order);
        }
        matcher.settle();
        while core.storage.step() != Stepped::Idle {}
        shadow.catch_up().unwrap();
        if is_first {
            snapshots.make(&shadow).unwrap();
        }
    }
    core.storage.stop().unwrap();
}

/// Removes a log's files but those from the newest that begins at or before the page on.
fn trim(dir: &Path, log: Log, page_no: u64) {
    let mut files: Vec<_> =
        std::fs::read_dir(dir.join(log.directory())).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let first =
        |file: &Path| u64::from_str_radix(&file.file_name().unwrap().to_str().unwrap()[2..18], 16).unwrap();
    let kept = files.iter().rposition(|file| first(file) <= page_no).unwrap();
    assert!(kept > 0, "nothing to trim");
    for file in &files[..kept] {
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_node_that_begins_anew_keeps_its_promise_and_puts_its_history_aside() {
    let (root, shm) = (TempDir::new().unwrap(), TempDir::new_in("/dev/shm").unwrap());
    let dir = &root.path().join("n1");
    with_snapshot(dir);
    let plan = plan_of(dir, shm.path());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
    MetaFile::open(&disk, dir).unwrap().update(|meta| meta.promised_epoch = 7).unwrap();
    crate::serve::divergence::begin_anew(&plan).unwrap();
    let opened = start::open(&plan).unwrap();
    assert_eq!((opened.state.1.0, opened.epoch), (0, 7));
    assert!(dir.join("divergent/whole-0/commands").read_dir().unwrap().count() > 0);
}

#[test]
fn a_trimmed_journal_is_verified_and_told_from_its_oldest_snapshot() {
    let root = TempDir::new().unwrap();
    let dir = &root.path().join("n1");
    with_snapshot(dir);
    let stat = check(&["stat", word(dir), "--json"], &json!({ "records": 411 }), 0);
    assert_eq!(stat["snapshots"], json!([{ "seq": 311, "verified": true }]));
    let verify = ["verify", word(dir), "--deep", "--json"];
    let whole = check(&verify, &json!({ "first_seq": 1, "last_seq": 411 }), 0);
    let dump = |words: &[&str]| run(&[&["dump", word(dir)], words].concat());
    let asked: [&[&str]; 3] = [&["--from", "305"], &["--from", "313", "--events"], &["--book"]];
    let told = asked.map(dump);
    assert_eq!(dump(&["--events", "--from", "412"]), (String::new(), 0));

    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
    let meta = MetaFile::peek(&disk, dir).unwrap();
    let point = Snapshots::new(&disk, dir, meta.cluster_id).verify(311).unwrap().point;
    trim(dir, Log::Commands, point.base.page_no);
    trim(dir, Log::Events, Position::new(point.event_at).page());
    let trimmed = check(&verify, &json!({ "last_seq": 411, "end": "clean", "chain": whole["chain"] }), 0);
    for field in ["state_hash", "event_hash", "events_equal", "conserved"] {
        assert_eq!(trimmed["deep"][field], whole["deep"][field], "{field}");
    }
    assert!(trimmed["deep"]["event_pages_compared"].as_u64().unwrap() > 0, "{trimmed}");
    let first = trimmed["first_seq"].as_u64().unwrap();
    assert!(first > 1 && trimmed["records"] == 412 - first, "{trimmed}");
    assert_eq!(asked.map(dump), told);
    for too_old in [["--book", "--to", "310"], ["--events", "--to", "310"]] {
        assert_eq!(dump(&too_old), (String::new(), 1));
    }
    let to = ["verify", word(dir), "--deep", "--to", "310", "--json"];
    check(&to, &json!({ "end": "clean", "deep": null }), 1);
    let (all, code) = dump(&[]);
    assert_eq!((all.lines().count() as u64, code), (412 - first, 0));
}

#[test]
fn diff_compares_up_to_the_common_point_and_counts_beyond() {
    let root = TempDir::new().unwrap();
    let [a, b, c] = &["a", "b", "c"].map(|name| root.path().join(name));
    with_orders(a, Policy::Disk, 5).stop();
    with_orders(b, Policy::Disk, 9).stop();
    let mut node = Node::start(c, Policy::Disk);
    node.tell(&reference());
    node.matcher.submit(SessionId(1), SessionSeq(1), &log_on());
    node.matcher.submit(SessionId(1), SessionSeq(2), &buy("a2", 2));
    node.matcher.submit(SessionId(1), SessionSeq(3), &buy("a3", 4));
    node.stop();
    let diff = |a: &Path, b: &Path, expected: Value, code| {
        check(&["diff", word(a), word(b), "--json"], &expected, code);
    };
    diff(a, a, json!({ "common_last_seq": 16, "equal": true, "only_a": 0, "only_b": 0 }), 0);
    diff(a, b, json!({ "common_last_seq": 16, "equal": true, "only_a": 0, "only_b": 4 }), 0);
    diff(b, a, json!({ "common_last_seq": 16, "equal": true, "only_a": 4, "only_b": 0 }), 0);
    let unequal =
        json!({ "common_last_seq": 13, "equal": false, "only_a": 3, "only_b": 0, "first_difference": 13 });
    diff(a, c, unequal, 1);
}

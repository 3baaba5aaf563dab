//! A standby that is served: what it says, what it is told beside records, how much it may take, and peers that know the
//! key and say what makes no sense.

#![expect(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "what fails here fails the test; its support serves other tests too"
)]

use std::time::Duration;

use cluster::{Log, Primary, credentials, snapshot_byte};
use proptest::prelude::*;
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::recover::scan::Base;
use rialto_replicator::frame::Kind;
use rialto_replicator::gone::Gone;
use rialto_replicator::message::{self, Ack, Promise, Seed, Welcome};
use rialto_replicator::pace::Now;
use rialto_replicator::peer::Peer;
use rialto_replicator::primary::{Event, Limits};
use rialto_replicator::secure::{Channel, Side};
use rialto_replicator::ship::Ship;
use rialto_replicator::standby;
use wire::{Talker, Wire};

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/wire.rs"]
mod wire;

/// A primary with some records and a standby that has them.
fn served() -> (Primary, Log, Wire) {
    let (mut primary, mut log) = (Primary::new(64), Log::new(64));
    for _ in 0..50 {
        primary.log.append(104);
    }
    let mut wire = Wire::new(log.hello("b"));
    wire.settle(&mut primary, &mut log).unwrap();
    (primary, log, wire)
}

#[track_caller]
fn ack_refused(ack: Ack, words: &str) {
    let (mut primary, _, mut wire) = served();
    wire.standby.ack(&ack);
    let gone = wire.step(&mut primary).unwrap_err();
    assert!(gone.to_string().starts_with(words), "{gone}");
}

#[test]
fn ack_of_what_was_not_sent_or_not_received_or_of_less_than_before_ends_the_connection() {
    let good = Ack { epoch: 1, received: 50, applied: 50, ..Ack::default() };
    ack_refused(Ack { received: 51, ..good }, "the standby acknowledges 51, and only 50 were sent");
    ack_refused(Ack { synced: 51, ..good }, "the standby acknowledges 51, and it has received 50");
    ack_refused(Ack { applied: 51, ..good }, "the standby acknowledges 51, and it has received 50");
    ack_refused(
        Ack { received: 49, applied: 49, ..good },
        "the standby acknowledges 49, and it had come further",
    );
}

#[test]
fn ack_of_another_epoch_says_nothing() {
    let (mut primary, log, mut wire) = served();
    primary.log.append(104);
    let before = primary.last_ack();
    for epoch in [0, 2] {
        wire.standby.ack(&Ack { received: 999, ..log.ack(epoch) });
        wire.step(&mut primary).unwrap();
    }
    assert_eq!(primary.last_ack(), before);
}

#[test]
fn event_hash_is_told_once_for_each_page_count() {
    let (mut primary, log, mut wire) = served();
    for event_pages in [2, 2, 5] {
        wire.standby.ack(&Ack { event_pages, event_hash: [3; 16], ..log.ack(1) });
        wire.step(&mut primary).unwrap();
    }
    let hashes = primary.events.iter().filter(|(_, event)| matches!(event, Event::EventHash { .. }));
    let hashes: Vec<&Event> = hashes.map(|(_, event)| event).collect();
    let hash = [3; 16];
    assert_eq!(hashes, [&Event::EventHash { pages: 2, hash }, &Event::EventHash { pages: 5, hash }]);
}

#[test]
fn fence_promise_and_handover_go_to_and_fro() {
    let (mut primary, mut log, mut wire) = served();
    wire.peer.send_epoch(Kind::Fence, 7);
    assert_eq!(wire.settle(&mut primary, &mut log).unwrap(), ["Fence"]);
    let end = Base::genesis(&cluster::CLUSTER_ID);
    let promise = Promise {
        node: "b".to_owned(),
        epoch: 7,
        made: Err("my disk is full".to_owned()),
        opens: false,
        promised_epoch: 1,
        end,
        last_seq: 50,
        synced_seq: 0,
    };
    wire.standby.promise(&promise);
    wire.step(&mut primary).unwrap();
    assert!(primary.events.contains(&("b".to_owned(), Event::Promised(promise))));
    wire.peer.send_epoch(Kind::Handover, 8);
    assert_eq!(wire.settle(&mut primary, &mut log).unwrap(), ["Handover"]);
    assert_eq!(wire.told[2..], ["Fence { epoch: 7 }", "Handover { epoch: 8 }"]);
}

#[test]
fn cluster_state_is_sent_at_each_change() {
    let (mut primary, mut log, mut wire) = served();
    assert_eq!(wire.settle(&mut primary, &mut log).unwrap(), [""; 0]);
    primary.state = (2, b"two".to_vec());
    assert_eq!(wire.settle(&mut primary, &mut log).unwrap(), ["State"]);
    assert_eq!(wire.told.last().unwrap(), &format!("State({:?})", b"two"));
    wire.standby.state_kept(2);
    wire.now.ns += 30_000_000;
    wire.standby.tick(wire.now, Duration::MAX).unwrap();
    wire.step(&mut primary).unwrap();
    let knows = primary.events.iter().any(|(_, event)| {
        matches!(event, Event::Heartbeat(heartbeat) if heartbeat.state_version == 2 && heartbeat.committed_seq == 50)
    });
    assert!(knows, "the standby's heartbeat says what it has kept");
}

#[test]
fn node_that_leads_no_more_or_in_another_epoch_cuts_its_standbys_off() {
    let (mut primary, _, mut wire) = served();
    primary.leads = false;
    assert!(matches!(wire.step(&mut primary), Err(Gone::NotLeading(1))));
    let (mut primary, _, mut wire) = served();
    primary.log.begin_epoch(2);
    assert!(matches!(wire.step(&mut primary), Err(Gone::NotLeading(1))));
}

#[test]
fn silence_is_noticed_on_both_sides_and_heartbeats_prevent_it() {
    let (mut primary, mut log, mut wire) = served();
    for _ in 0..5_000 {
        wire.standby.tick(wire.now, Duration::from_secs(1)).unwrap();
        wire.step(&mut primary).unwrap();
        while wire.standby.next_event().unwrap().is_some() {}
    }
    wire.settle(&mut primary, &mut log).unwrap();
    wire.now.ns += 2_100_000_000;
    let silent = wire.standby.tick(wire.now, Duration::from_secs(2)).unwrap_err();
    assert!(matches!(silent, Gone::Silent(_)), "{silent}");
    assert!(matches!(wire.peer.serve(&mut primary, wire.now), Err(Gone::Silent(_))));
}

#[test]
fn stranger_and_one_who_asks_nothing_have_two_seconds() {
    let mut primary = Primary::new(4);
    let mut peer = Peer::new(&credentials(), [2; 32], Limits::default(), Now::default());
    let late = Now { ns: 2_100_000_000, wall_ns: 0 };
    peer.receive(b"RIALTR01", late).unwrap();
    assert!(matches!(peer.serve(&mut primary, late), Err(Gone::Late(_))));
    let mut asker = Asker::new();
    assert!(matches!(asker.peer.serve(&mut primary, late), Err(Gone::Late(_))));
}

#[test]
fn standby_that_reads_nothing_costs_a_bounded_amount_of_memory() {
    let (mut primary, mut log) = (Primary::new(4), Log::new(4));
    let mut wire = Wire::new(log.hello("b"));
    wire.settle(&mut primary, &mut log).unwrap();
    for _ in 0..50_000 {
        primary.log.append(104);
    }
    let limit = Limits::default().unsent_bytes;
    for _ in 0..100 {
        wire.peer.serve(&mut primary, wire.now).unwrap();
        wire.now.ns += 1_000_000;
    }
    let pending = wire.peer.pending().len();
    assert!(pending >= limit && pending < limit + 8_192, "{pending}");
    wire.settle(&mut primary, &mut log).unwrap();
    assert_eq!(log.end(), primary.log.end());
}

#[test]
fn catching_up_from_the_segments_keeps_to_its_rate_and_the_ring_does_not() {
    let (mut primary, mut log) = (Primary::new(4), Log::new(4));
    for _ in 0..40_000 {
        primary.log.append(104);
    }
    let limits = Limits { catch_up_bytes_per_s: 400_000, ..Limits::default() };
    let mut wire = Wire::new(log.hello("b"));
    wire.peer = Peer::new(&credentials(), [2; 32], limits, wire.now);
    let begun = wire.now.ns;
    while log.end() != primary.log.end() {
        wire.step(&mut primary).unwrap();
        while let Some(event) = wire.standby.next_event().unwrap() {
            log.follow(&event);
        }
        wire.standby.tick(wire.now, Duration::from_secs(1)).unwrap();
    }
    let took_ms = (wire.now.ns - begun) / 1_000_000;
    // 4.16 MB at 0.4 MB/s, of which a quarter of a second's worth goes at once.
    assert!((9_500..11_000).contains(&took_ms), "{took_ms} ms");
}

#[test]
fn node_whose_pages_are_gone_is_sent_a_snapshot_and_what_goes_with_it() {
    let (mut primary, log) = (Primary::new(64), Log::new(4));
    for _ in 0..400 {
        primary.log.append(104);
    }
    primary.log.store();
    primary.first_page = 5;
    let (base, end_page) = (primary.log.bases[5], primary.log.bases.len() as u64 - 1);
    let seed = Seed {
        seq: base.first_seq + 3,
        snapshot_bytes: 200_000,
        base,
        end_page,
        epochs: primary.log.epochs.clone(),
        event_pages: (40, 42),
    };
    primary.seed = Some(seed.clone());
    let (mut log, mut snapshot, mut pages, mut event_pages) = (log, Vec::new(), Vec::new(), Vec::new());
    let mut wire = Wire::in_pieces(log.hello("b"), vec![30_000, 700]);
    let mut is_done = false;
    while !is_done {
        wire.step(&mut primary).unwrap();
        while let Some(event) = wire.standby.next_event().unwrap() {
            match event {
                standby::Event::Seed { seed: told, .. } => assert_eq!(told, seed),
                standby::Event::SnapshotBytes { offset, bytes } => {
                    assert_eq!(offset, snapshot.len() as u64);
                    snapshot.extend_from_slice(bytes);
                }
                standby::Event::Page { page_no, bytes } => pages.push((page_no, bytes.to_vec())),
                standby::Event::EventPage { page_no, bytes } => event_pages.push((page_no, bytes[0])),
                standby::Event::SeedDone => is_done = true,
                standby::Event::Committed(_) | standby::Event::State(_) => {}
                standby::Event::Stream { .. }
                | standby::Event::Truncate { .. }
                | standby::Event::Reject(_)
                | standby::Event::Run { .. }
                | standby::Event::Close { .. }
                | standby::Event::Fence { .. }
                | standby::Event::Handover { .. } => panic!("no part of a seed"),
            }
        }
    }
    assert_eq!(snapshot, (0..200_000).map(snapshot_byte).collect::<Vec<u8>>());
    let sealed = primary
        .log
        .segments
        .0
        .lock()
        .unwrap()
        .range(5..end_page)
        .map(|(no, page)| (*no, page.to_vec()))
        .collect::<Vec<_>>();
    assert_eq!(pages, sealed);
    assert_eq!(event_pages, [(40, 40), (41, 41)]);
    assert!(wire.peer.is_done());
}

#[test]
fn part_of_a_seed_that_is_not_the_next_one_is_refused() {
    let mut log = Log::new(4);
    let seed = Seed {
        seq: 9,
        snapshot_bytes: 10,
        base: Base { page_no: 3, ..Base::genesis(&cluster::CLUSTER_ID) },
        end_page: 4,
        epochs: Vec::new(),
        event_pages: (7, 8),
    };
    let seed = Welcome::Seed { lead: Ship::lead(&Primary::new(4)), seed };
    let placed = |place: u64, length: usize| [&place.to_le_bytes()[..], &vec![0; length]].concat();
    let mut check = |kind: Kind, payload: Vec<u8>, words: &str| {
        let mut talker = Talker::new(log.hello("b"));
        talker.welcome(&seed).unwrap();
        talker.say(Kind::Snapshot, &placed(0, 4)).unwrap();
        assert_eq!(talker.say(kind, &payload).unwrap_err().to_string(), words);
    };
    check(Kind::Snapshot, placed(0, 4), "snapshot byte 0 of the seed, expected 4");
    check(Kind::Snapshot, placed(4, 0), "snapshot byte 4 of the seed, expected 4");
    check(Kind::Snapshot, placed(4, 7), "snapshot byte 4 of the seed, expected 4");
    check(Kind::Page, placed(4, PAGE_BYTES), "command page 4 of the seed, expected 3");
    check(Kind::EventPage, placed(8, PAGE_BYTES), "event page 8 of the seed, expected 7");
    check(Kind::SeedDone, Vec::new(), "snapshot byte 10 of the seed, expected 4");
    check(Kind::Run, placed(0, 40), "Run frame while a seed was sent");
}

/// A proven dialler that says what it likes.
struct Asker {
    channel: Channel,
    peer: Peer,
}

impl Asker {
    fn new() -> Self {
        let channel = Channel::new(Side::Dialler, &credentials(), [1; 32]);
        let peer = Peer::new(&credentials(), [2; 32], Limits::default(), Now::default());
        let mut asker = Asker { channel, peer };
        asker.pass().unwrap();
        asker.pass().unwrap();
        assert!(asker.channel.is_proven() && asker.peer.is_proven());
        asker
    }

    fn pass(&mut self) -> Result<(), Gone> {
        let up = self.channel.pending().to_vec();
        self.channel.sent(up.len());
        self.peer.receive(&up, Now::default())?;
        let down = self.peer.pending().to_vec();
        self.peer.sent(down.len());
        self.channel.receive(&down)?;
        Ok(())
    }

    fn say(&mut self, primary: &mut Primary, kind: Kind, payload: &[u8]) -> Result<(), Gone> {
        self.channel.send(kind, |out| out.extend_from_slice(payload));
        self.pass()?;
        self.peer.serve(primary, Now::default())?;
        self.pass()?;
        while self.channel.next_frame()?.is_some() {}
        Ok(())
    }
}

#[test]
fn frame_that_has_no_place_ends_the_connection_by_name() {
    let (mut primary, mut log) = (Primary::new(4), Log::new(4));
    for kind in [Kind::Run, Kind::Ack, Kind::Welcome, Kind::Answer, Kind::Heartbeat, Kind::SeedDone] {
        let words = Asker::new().say(&mut primary, kind, &[]).unwrap_err().to_string();
        assert_eq!(words, format!("{kind:?} frame while a HELLO or a question was awaited"));
    }
    let mut payload = Vec::new();
    message::put(&mut payload, Kind::Hello, &log.hello("b"));
    for kind in [Kind::Hello, Kind::Run, Kind::Ask, Kind::Fence] {
        let mut asker = Asker::new();
        asker.say(&mut primary, Kind::Hello, &payload).unwrap();
        let words = asker.say(&mut primary, kind, &payload[..8]).unwrap_err().to_string();
        assert_eq!(words, format!("{kind:?} frame while a standby was served"));
    }
    let words = Talker::new(log.hello("b")).say(Kind::Run, &[0; 48]).unwrap_err().to_string();
    assert_eq!(words, "Run frame while a WELCOME was awaited");
}

fn frames() -> impl Strategy<Value = Vec<(usize, Vec<u8>)>> {
    prop::collection::vec((0..Kind::ALL.len(), prop::collection::vec(any::<u8>(), 0..120)), 0..12)
}

fn payload(kind: Kind, mut bytes: Vec<u8>) -> Vec<u8> {
    // Near to something: the protocol's version, small numbers.
    for at in 1..bytes.len().min(64) {
        if bytes[at] > 40 {
            bytes[at] = 0;
        }
    }
    if let Some(first) = bytes.first_mut() {
        *first %= 3;
    }
    bytes.truncate(kind.bytes_max());
    bytes
}

proptest! {
    #[test]
    fn node_with_the_key_and_no_sense_harms_no_primary(frames in frames(), says_hello in any::<bool>()) {
        let (mut primary, mut log) = (Primary::new(4), Log::new(4));
        primary.log.append(104);
        let mut asker = Asker::new();
        let mut hello = Vec::new();
        message::put(&mut hello, Kind::Hello, &log.hello("b"));
        let mut taken = if says_hello { asker.say(&mut primary, Kind::Hello, &hello) } else { Ok(()) };
        for (kind, bytes) in frames {
            let kind = Kind::ALL[kind];
            if taken.is_ok() {
                taken = asker.say(&mut primary, kind, &payload(kind, bytes));
            }
        }
        prop_assert!(primary.last_ack().is_none_or(|ack| ack.received <= 1));
    }

    #[test]
    fn primary_with_the_key_and_no_sense_harms_no_standby(frames in frames(), serves in any::<bool>()) {
        let mut log = Log::new(4);
        let mut talker = Talker::new(log.hello("b"));
        let lead = Ship::lead(&Primary::new(4));
        let stream = Welcome::Stream { lead, from: 0, next_seq: 1 };
        let mut taken = if serves { talker.welcome(&stream) } else { Ok(String::new()) };
        for (kind, bytes) in frames {
            let kind = Kind::ALL[kind];
            if taken.is_ok() {
                taken = talker.say(kind, &payload(kind, bytes));
            }
            prop_assert!(!matches!(&taken, Ok(told) if told.starts_with("Run")), "a crc met by chance");
        }
    }
}

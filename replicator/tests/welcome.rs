//! How a standby is welcomed, by what it has and what the primary has: each row of the answer, over a whole connection.

#![expect(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "what fails here fails the test; its support serves other tests too"
)]

use cluster::{Log, Primary};
use rialto_journal::recover::scan::Base;
use rialto_replicator::message::{Hello, Lead, Reject, Welcome};
use rialto_replicator::primary::Event;
use rialto_replicator::ship::Ship;
use rialto_replicator::standby;
use wire::{Talker, Wire};

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/wire.rs"]
mod wire;

/// A primary in epoch 2, whose first pages are of epoch 1.
fn primary() -> Primary {
    let mut primary = Primary::new(64);
    for _ in 0..100 {
        primary.log.append(104);
    }
    primary.log.begin_epoch(2);
    for _ in 0..100 {
        primary.log.append(104);
    }
    primary.log.store();
    primary
}

/// What a standby that says this is answered.
fn answer(primary: &mut Primary, hello: Hello) -> Welcome {
    let mut wire = Wire::new(hello);
    for _ in 0..10 {
        wire.step(primary).unwrap();
    }
    primary.welcome().unwrap()
}

#[track_caller]
fn rejected(primary: &mut Primary, hello: Hello, words: &str) {
    let welcome = answer(primary, hello);
    let Welcome::Reject(reject) = &welcome else { panic!("{welcome:?}") };
    assert!(reject.to_string().starts_with(words), "{reject}");
}

#[track_caller]
fn truncated(primary: &mut Primary, hello: Hello, pages: &[u64]) {
    let welcome = answer(primary, hello);
    let Welcome::Truncate { bases, .. } = &welcome else { panic!("{welcome:?}") };
    let base_at = |page_no: &u64| primary.log.bases[usize::try_from(*page_no).unwrap()];
    assert_eq!(bases, &pages.iter().map(base_at).collect::<Vec<Base>>());
}

/// The first page that a standby puts aside when it is told so.
fn puts_aside(primary: &mut Primary, log: &mut Log) -> Option<u64> {
    let Welcome::Truncate { bases, .. } = answer(primary, log.hello("b")) else {
        panic!("not told to truncate")
    };
    let base_at = |page_no| log.bases.get(usize::try_from(page_no).unwrap()).copied();
    standby::agreed(&bases, base_at).map(|base| base.page_no)
}

#[track_caller]
fn streamed(primary: &mut Primary, hello: Hello, from: (u64, usize)) {
    let welcome = answer(primary, hello);
    let expected = from.0 * 4096 + from.1 as u64;
    assert!(matches!(&welcome, Welcome::Stream { from, .. } if *from == expected), "{welcome:?}");
}

/// An empty node that does not know its cluster yet.
fn empty() -> Hello {
    let mut hello = Log::new(4).hello("b");
    hello.cluster_id = None;
    hello.end.chain = [0; 16];
    hello
}

#[test]
fn empty_node_is_streamed_the_log_from_its_first_page() {
    streamed(&mut primary(), empty(), (0, 0));
    let mut primary = primary();
    let mut log = Log::new(64);
    Wire::new(empty()).settle(&mut primary, &mut log).unwrap();
    assert_eq!(log.content(), primary.log.content());
    assert_eq!(log.epochs, primary.log.epochs, "epochs begin where the primary's do");
}

#[test]
fn standby_behind_in_any_epoch_goes_on_at_its_end() {
    let mut primary = primary();
    let whole = primary.log.end();
    for page_no in [1, 2, 3, 4, 5] {
        let hello = primary.log.cut(page_no).hello("b");
        streamed(&mut primary, hello, (page_no, 0));
    }
    let hello = primary.log.hello("b");
    streamed(&mut primary, hello, (whole.page(), whole.offset()));
}

#[test]
fn standby_inside_an_open_page_goes_on_there() {
    let mut primary = primary();
    for last_seq in [1, 38, 50, 99, 101, 150] {
        let mut log = primary.log.followed(u64::MAX, last_seq);
        let end = log.end();
        streamed(&mut primary, log.hello("b"), (end.page(), end.offset()));
        Wire::new(log.hello("b")).settle(&mut primary, &mut log).unwrap();
        assert_eq!(log.content(), primary.log.content());
    }
}

#[test]
fn old_primary_is_told_to_put_its_own_pages_aside_and_then_follows() {
    let mut primary = primary();
    let start = primary.log.epochs[1].page_no;
    let mut old = primary.log.followed(u64::MAX, 100);
    for _ in 0..200 {
        old.append(88);
    }
    truncated(&mut primary, old.hello("b"), &[start, start - 1]);
    // The new epoch closed the page in which the old primary went on.
    assert_eq!(puts_aside(&mut primary, &mut old), Some(start - 1));
    let mut log = old.cut(start - 1);
    Wire::new(log.hello("b")).settle(&mut primary, &mut log).unwrap();
    assert_eq!(log.content(), primary.log.content());
}

#[test]
fn pages_that_old_and_new_primary_share_to_the_last_record_stay() {
    let mut primary = primary();
    let start = primary.log.epochs[1].page_no;
    let mut old = primary.log.followed(u64::MAX, 100);
    old.close_page();
    for _ in 0..100 {
        old.append(88);
    }
    assert_eq!(puts_aside(&mut primary, &mut old), Some(start));
}

#[test]
fn page_that_a_standby_closed_when_it_stopped_is_written_anew() {
    let mut primary = primary();
    let mut log = primary.log.followed(u64::MAX, 50);
    let page_no = log.end().page();
    log.close_page();
    truncated(&mut primary, log.hello("b"), &[page_no]);
    assert_eq!(puts_aside(&mut primary, &mut log), Some(page_no));
}

#[test]
fn log_that_differs_further_back_has_diverged() {
    let mut primary = primary();
    let mut other = Log::new(64);
    other.begin_epoch(1);
    for _ in 0..300 {
        other.append(96);
    }
    assert_eq!(puts_aside(&mut primary, &mut other), None);
}

#[test]
fn open_page_that_differs_is_to_go_alone() {
    let mut primary = primary();
    let mut log = primary.log.followed(u64::MAX, 150);
    let page_no = log.end().page();
    log.append(96);
    truncated(&mut primary, log.hello("b"), &[page_no]);
    let mut hello = primary.log.followed(u64::MAX, 150).hello("b");
    hello.open.as_mut().unwrap().hash[0] ^= 1;
    truncated(&mut primary, hello.clone(), &[page_no]);
    hello.open.as_mut().unwrap().hash[0] ^= 1;
    hello.open.as_mut().unwrap().epoch = 1;
    truncated(&mut primary, hello, &[page_no]);
}

#[test]
fn log_without_a_common_epoch_has_diverged() {
    let mut primary = primary();
    let mut hello = primary.log.cut(4).hello("b");
    for row in &mut hello.epochs {
        row.first_seq += 1;
    }
    rejected(&mut primary, hello, "the logs differ below their common point: no epoch is in both");
}

#[test]
fn what_cannot_be_a_log_is_no_base_to_go_on_from() {
    let words = "the logs differ below their common point: what the standby says of its log cannot be";
    let mut primary = primary();
    let good = primary.log.followed(u64::MAX, 150).hello("b");
    for offset in [0, 64, 65, 4104, 65_528] {
        let mut hello = good.clone();
        hello.open.as_mut().unwrap().offset = offset;
        rejected(&mut primary, hello, words);
    }
    let mut hello = good.clone();
    hello.open.as_mut().unwrap().last_seq = u64::MAX;
    rejected(&mut primary, hello, words);
    let mut hello = good.clone();
    hello.epochs.swap(0, 1);
    hello.epochs[0].epoch = 2;
    rejected(&mut primary, hello, words);
    let mut hello = good.clone();
    hello.cluster_id = None;
    rejected(&mut primary, hello, words);
    let mut hello = good;
    hello.end.first_seq = 0;
    rejected(&mut primary, hello, words);
}

#[test]
fn page_numbers_beyond_any_log_do_no_harm() {
    let mut primary = primary();
    let mut hello = primary.log.followed(u64::MAX, 150).hello("b");
    hello.end.page_no = u64::MAX;
    let page_no = primary.log.bases.len() as u64 - 1;
    truncated(&mut primary, hello, &[page_no, page_no - 1]);
}

#[test]
fn standby_that_met_a_higher_epoch_says_so_and_is_not_served() {
    let mut primary = primary();
    let mut hello = primary.log.hello("b");
    hello.promised_epoch = 5;
    rejected(&mut primary, hello, "epoch 2 here is older than one that the standby has met");
    assert!(primary.events.contains(&("b".to_owned(), Event::Stale { epoch: 5 })));
}

#[test]
fn another_cluster_or_version_is_turned_away() {
    let mut primary = primary();
    let mut hello = primary.log.hello("b");
    hello.cluster_id = Some([8; 16]);
    rejected(&mut primary, hello.clone(), "the journal of another cluster");
    hello.cluster_id = Some(cluster::CLUSTER_ID);
    hello.versions = (2, 3);
    rejected(&mut primary, hello, "commands of version 1, the standby runs versions 2 to 3");
}

#[test]
fn node_that_does_not_lead_says_who_does() {
    let mut primary = primary();
    primary.leads = false;
    let mut wire = Wire::new(primary.log.hello("b"));
    let mut log = Log::new(4);
    assert_eq!(wire.settle(&mut primary, &mut log).unwrap(), ["Reject"]);
    assert!(wire.told[0].contains(r#"NotPrimary { primary: Some("p"), address: Some("127.0.0.1:1") }"#));
    assert!(wire.peer.is_done());
}

#[test]
fn standby_waits_while_its_common_page_is_not_sealed_and_no_longer_than_two_seconds() {
    let mut primary = primary();
    let mut log = primary.log.cut(3);
    let bases = std::mem::take(&mut primary.log.bases);
    let mut wire = Wire::new(log.hello("b"));
    for _ in 0..100 {
        wire.step(&mut primary).unwrap();
    }
    assert_eq!(primary.welcome(), None);
    primary.log.bases = bases.clone();
    wire.settle(&mut primary, &mut log).unwrap();
    assert_eq!(log.content(), primary.log.content());

    primary.log.bases.clear();
    let mut wire = Wire::new(log.hello("b"));
    for _ in 0..2_010 {
        wire.step(&mut primary).unwrap();
        let _ = wire.standby.tick(wire.now, std::time::Duration::MAX);
    }
    let reject = Reject::Busy("page 5 of the primary has no base yet".to_owned());
    assert_eq!(primary.welcome(), Some(Welcome::Reject(reject)));
}

#[test]
fn standby_whose_pages_are_gone_is_told_to_wait_if_there_is_no_snapshot() {
    let mut primary = primary();
    primary.first_page = 3;
    rejected(&mut primary, empty(), "not now: pages that it needs are gone");
    let hello = primary.log.cut(3).hello("b");
    streamed(&mut primary, hello, (3, 0));
}

#[test]
fn standby_follows_nobody_below_its_promise_nor_of_another_cluster() {
    let mut primary = primary();
    let mut hello = primary.log.cut(3).hello("b");
    hello.promised_epoch = 7;
    let lead = |epoch| Lead { epoch, ..Ship::lead(&primary) };
    let (from, next_seq) = (hello.end.page_no * 4096, hello.end.first_seq);
    let stream = |lead| Welcome::Stream { lead, from, next_seq };
    let told = |welcome| Talker::new(hello.clone()).welcome(&welcome).map_err(|gone| gone.to_string());
    told(stream(lead(7))).unwrap();
    assert_eq!(told(stream(lead(6))).unwrap_err(), "it leads in epoch 6, and this node is bound to 7");
    let other = Lead { cluster_id: [8; 16], ..lead(7) };
    assert_eq!(told(stream(other)).unwrap_err(), "it has the journal of another cluster");
}

#[test]
fn welcome_that_does_not_fit_this_log_is_refused() {
    let mut primary = primary();
    let hello = primary.log.followed(u64::MAX, 150).hello("b");
    let lead = Ship::lead(&primary);
    let told = |welcome| Talker::new(hello.clone()).welcome(&welcome).map_err(|gone| gone.to_string());
    let from = hello.end.page_no * 4096;
    let words = told(Welcome::Stream { lead: lead.clone(), from, next_seq: 1 }).unwrap_err();
    assert_eq!(words, "told to go on at 4:0 with 1, which is neither end nor open page of this log");
    let beyond = Base { page_no: 5, ..hello.end };
    let words = told(Welcome::Truncate { lead, bases: vec![beyond] }).unwrap_err();
    assert_eq!(words, "told to put aside what is behind page 5, where this log has nothing");
}

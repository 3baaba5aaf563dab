//! The journal replayed: the state it comes to, and whether the events on disk are those that it makes.

use std::collections::BTreeMap;

use anyhow::ensure;
use rialto_journal::page::Chain;
use rialto_journal::position::Position;
use rialto_journal::record::Record;
use rialto_journal::segment::reader::{SegmentReader, Slot, blank};
use rialto_journal::segment::{Log, hex};
use rialto_journal::snapshot::Snapshot;
use rialto_protocol::{Command, Sequence};
use serde_json::{Value, json};

use super::event_pages::EventPages;
use super::source::OpenJournal;

/// What a replay came to.
#[derive(Debug)]
pub(super) struct Deep {
    /// As `verify` prints it.
    pub(super) object: Value,
    /// What is wrong, in words.
    pub(super) wrong: Vec<String>,
}

/// Replays up to the command `to`, from the log's beginning or the oldest snapshot.
pub(super) fn replay(opened: &OpenJournal, to: u64) -> anyhow::Result<Deep> {
    let snapshot = if opened.has_genesis() { None } else { Some(opened.oldest_snapshot()?) };
    let mut replay = opened.replay(snapshot.as_ref())?;
    let mut check = Check::new(opened, snapshot.as_ref())?;
    while let Some((_, command)) = replay.step(Sequence(to))? {
        for record in replay.events().records() {
            check.event(Record::parse(record)?);
        }
        if let Command::Chain { page, hash } = command {
            check.chain(page, hash, replay.sequence());
        }
        if let Some(stated) = check.snapshots.remove(&replay.sequence().0) {
            let made = replay.exchange().state_hash();
            if *made.as_bytes() != stated {
                check.wrong.push(format!("snapshot {} is of another state", replay.sequence()));
            }
        }
    }
    let seq = replay.sequence().0;
    ensure!(seq == to, "command {to} was to be reached, the replay is at {seq}");
    let conserved = replay.exchange().conserve();
    let (pages, hash) = check.events.hash();
    let object = json!({
        "state_hash": { "seq": seq, "hash": replay.exchange().state_hash().to_hex().as_str() },
        "event_hash": { "pages": pages, "hash": hex(&hash) },
        "events_equal": check.differs.is_none(),
        "conserved": conserved.is_ok(),
        "event_pages_compared": check.compared,
    });
    let mut wrong = check.wrong;
    wrong.extend(check.differs);
    wrong.extend(conserved.err().map(|why| format!("the state does not add up: {why}")));
    Ok(Deep { object, wrong })
}

/// Compares what is made with what is stored.
struct Check {
    events: EventPages,
    /// The hash over all pages before each one.
    hashes: BTreeMap<u64, Chain>,
    stored: SegmentReader,
    compared: u64,
    /// State hashes that snapshots state, by sequence.
    snapshots: BTreeMap<u64, [u8; 32]>,
    /// What is wrong beside events.
    wrong: Vec<String>,
    /// The first event that differs: all that follows may come of it.
    differs: Option<String>,
}

impl Check {
    fn new(opened: &OpenJournal, snapshot: Option<&Snapshot>) -> anyhow::Result<Self> {
        let cluster_id = opened.meta.cluster_id;
        let events = match snapshot.map(|snapshot| &snapshot.head.point) {
            None => EventPages::genesis(cluster_id),
            Some(point) => {
                let begun = (Position::new(point.event_at), point.event_page.as_slice());
                EventPages::behind(cluster_id, begun, point.event_hash)
            }
        };
        let verified = opened.snapshots().verified()?;
        Ok(Self {
            hashes: BTreeMap::from([events.hash()]),
            events,
            stored: opened.segments(Log::Events),
            compared: 0,
            snapshots: verified.into_iter().map(|head| (head.point.seq, head.state_hash)).collect(),
            wrong: Vec::new(),
            differs: None,
        })
    }

    fn event(&mut self, record: Record<'_>) {
        let Some((page_no, made)) = self.events.append(record) else { return };
        self.hashes.extend([self.events.hash()]);
        let mut page = blank();
        match self.stored.read(page_no, &mut page) {
            Ok(Slot::Blank | Slot::NoFile) => return,
            Ok(Slot::Good | Slot::Bad) if page == made => {}
            Ok(Slot::Good | Slot::Bad) => {
                self.differ(format!("event page {page_no} is not what is made again"));
            }
            Err(error) => self.differ(format!("event page {page_no}: {error}")),
        }
        self.compared += 1;
    }

    fn chain(&mut self, page: u64, stated: Chain, at: Sequence) {
        match self.hashes.get(&page) {
            Some(made) if *made != stated => {
                self.differ(format!(
                    "command {at}: events up to page {page} were others when they were first made"
                ));
            }
            Some(_) | None => {}
        }
    }

    fn differ(&mut self, why: String) {
        self.differs.get_or_insert(why);
    }
}

//! How a node begins to lead: a matcher of what was recovered or followed, and the first records of its epoch.

use std::sync::Arc;

use rialto_engine::clock::WallClock;
use rialto_engine::follow::FollowerParts;
use rialto_engine::matcher::{Matcher, Parts};
use rialto_journal::cursor::Cursors;
use rialto_journal::epochs::EpochTable;
use rialto_journal::log::LogRing;
use rialto_journal::recover::scan::EpochStart;
use rialto_journal::storage::{Stepped, Storage};
use rialto_protocol::command::EpochOpened;
use rialto_protocol::reference::{Author, Operation};
use rialto_protocol::{Command, Epoch, Name, Note, Sequence, SessionId, SessionSeq};

use super::note::PanicNote;
use super::start::{Opened, Place, Plan, Wiring, lock_meta, storage_failed};

/// A node that acts: its epoch is open and its reference data are loaded.
#[derive(Debug)]
pub struct Begun {
    /// Where it lives.
    pub place: Place,
    /// The matcher, ready to run.
    pub matcher: Matcher<WallClock>,
    /// Keeps what it writes.
    pub storage: Storage,
    /// The node's cursors.
    pub cursors: Arc<Cursors>,
    /// The command log.
    pub commands: Arc<LogRing>,
    /// The event log.
    pub events: Arc<LogRing>,
    /// The epochs so far.
    pub epochs: Arc<EpochTable>,
    /// The epoch in force.
    pub epoch: Epoch,
}

impl Opened {
    /// Opens a new epoch, refuses what the last run died of, and loads the reference data if the journal has none.
    pub fn begin(self, plan: &Plan, wiring: Wiring) -> anyhow::Result<Begun> {
        let Self { place, state, commands, events, mut storage, cursors, epoch, epochs, .. } = self;
        let epoch = Epoch(epoch + 1);
        // Of a node that was restored: what it told after the end of its archive is not known here.
        let loss = lock_meta(&place.meta).get().lost_unsynced;
        lock_meta(&place.meta).update(|meta| meta.promised_epoch = epoch.0)?;
        let rings = (Arc::clone(commands.ring()), Arc::clone(events.ring()));
        let parts = FollowerParts {
            exchange: state.0,
            sequence: state.1,
            timestamp: state.2,
            commands,
            events,
            cursors: Arc::clone(&cursors),
            epochs: Arc::clone(&epochs),
        };
        let mut matcher = matcher(parts, wiring, epoch);
        open_epoch(&mut matcher, plan, (epoch, loss), &mut |_| store_all(&mut storage))?;
        lock_meta(&place.meta).update(|meta| meta.lost_unsynced = false)?;
        Ok(Begun { place, matcher, storage, cursors, commands: rings.0, events: rings.1, epochs, epoch })
    }
}

/// A matcher that goes on with these parts in a new epoch, which begins with the next page.
pub fn matcher(parts: FollowerParts, wiring: Wiring, epoch: Epoch) -> Matcher<WallClock> {
    let FollowerParts { exchange, sequence, timestamp, mut commands, events, cursors, epochs } = parts;
    commands.set_epoch(epoch.0);
    let (page_no, first_seq) = (commands.end().page(), sequence.0 + 1);
    epochs.begun(EpochStart { epoch: epoch.0, page_no, first_seq });
    let parts = Parts {
        exchange,
        sequence,
        timestamp,
        commands,
        events,
        cursors,
        readers: wiring.readers,
        on_publish: wiring.on_publish,
        storage: wiring.storage_bell,
        counters: wiring.counters,
        in_hand: wiring.in_hand,
        clock: WallClock,
    };
    Matcher::new(parts, wiring.ports)
}

/// Waits until what a matcher has published is stored.
pub type Stored<'a> = &'a mut dyn FnMut(Sequence) -> anyhow::Result<()>;

/// Journals that the epoch begins, whether commands may have been lost before it, what the last run died of, and the
/// reference data if there are none; all of it is durable on return.
pub fn open_epoch(
    matcher: &mut Matcher<WallClock>,
    plan: &Plan,
    (epoch, loss): (Epoch, bool),
    stored: Stored<'_>,
) -> anyhow::Result<()> {
    let is_loaded = matcher.exchange().directory().loaded();
    if matcher.sequence() == Sequence(0) {
        submit(matcher, &Command::Version(rialto_protocol::VERSION), stored)?;
    }
    let node: Name = plan.node.parse()?;
    submit(matcher, &Command::Epoch(EpochOpened { epoch, node, loss }), stored)?;
    let left_behind = PanicNote::in_dir(&plan.dir);
    if let Some((session, number)) = left_behind.read()? {
        matcher.submit(SessionId(session), SessionSeq(number), &Command::Refuse);
        settle(matcher, stored)?;
        left_behind.remove()?;
    }
    if !is_loaded {
        let author = Author {
            uid: rustix::process::getuid().as_raw(),
            pid: std::process::id(),
            why: Note::clipped("first start"),
        };
        for operation in &plan.reference {
            submit(matcher, &Command::Operate(author, *operation), stored)?;
        }
        submit(matcher, &Command::Operate(author, Operation::Loaded), stored)?;
    }
    settle(matcher, stored)
}

fn submit(matcher: &mut Matcher<WallClock>, command: &Command, stored: Stored<'_>) -> anyhow::Result<()> {
    matcher.submit(SessionId::NONE, SessionSeq::NONE, command);
    if matcher.has_room() { Ok(()) } else { settle(matcher, stored) }
}

/// Publishes what was submitted and has it stored.
fn settle(matcher: &mut Matcher<WallClock>, stored: Stored<'_>) -> anyhow::Result<()> {
    matcher.settle();
    stored(matcher.sequence())
}

/// While nothing else runs, storage works here.
fn store_all(storage: &mut Storage) -> anyhow::Result<()> {
    loop {
        match storage.step() {
            Stepped::Failed => return Err(storage_failed(storage)),
            Stepped::Idle => return Ok(()),
            Stepped::Worked | Stepped::Released => {}
        }
    }
}

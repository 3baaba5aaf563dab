//! A node but for its engine: what all its other threads work with.

use std::sync::Arc;

use rialto_engine::clock::WallClock;
use rialto_engine::exchange::Exchange;
use rialto_engine::follow::{Follower, FollowerParts};
use rialto_engine::matcher::Matcher;
use rialto_gateway::view::seed::Seed;
use rialto_journal::cursor::Cursors;
use rialto_journal::epochs::EpochTable;
use rialto_journal::log::LogRing;
use rialto_journal::storage::Storage;
use rialto_protocol::Sequence;

use super::begin::Begun;
use super::holds::Holds;
use super::retention::Retention;
use super::seed;
use super::start::{Opened, Place};

/// A node's parts but its engine: what its other threads work with, whatever it is in its cluster.
#[derive(Debug)]
pub struct Core {
    /// Where it lives.
    pub place: Place,
    /// Keeps what the engine writes.
    pub storage: Storage,
    /// The node's cursors.
    pub cursors: Arc<Cursors>,
    /// The command log.
    pub commands: Arc<LogRing>,
    /// The event log.
    pub events: Arc<LogRing>,
    /// The epochs so far.
    pub epochs: Arc<EpochTable>,
    /// What retention leaves.
    pub holds: Arc<Holds>,
    /// Removes what nobody needs.
    pub retention: Arc<Retention>,
    /// What gateways start from.
    pub seed: Seed,
    /// A second state, for the shadow.
    pub copy: Option<Exchange>,
    /// The last command that both have applied.
    pub sequence: Sequence,
    /// Whether the exchange takes cancels only.
    pub cancel_only: bool,
    /// The epoch of the last Epoch command.
    pub epoch: u32,
}

impl Begun {
    /// The matcher, and the rest.
    pub fn split(self) -> anyhow::Result<(Matcher<WallClock>, Core)> {
        let Self { place, matcher, storage, cursors, commands, events, epochs, .. } = self;
        let logs = (commands, events, epochs);
        let core = Core::new((matcher.exchange(), matcher.sequence()), (place, storage, cursors), logs)?;
        Ok((matcher, core))
    }
}

type Logs = (Arc<LogRing>, Arc<LogRing>, Arc<EpochTable>);

impl Core {
    fn new(
        (exchange, sequence): (&Exchange, Sequence),
        (place, storage, cursors): (Place, Storage, Arc<Cursors>),
        (commands, events, epochs): Logs,
    ) -> anyhow::Result<Self> {
        let holds = Arc::new(Holds::default());
        holds.day_began(exchange.sessions().day_began().page());
        Ok(Self {
            retention: Arc::new(Retention::new(&place, &holds)),
            holds,
            seed: seed::of(exchange, sequence),
            copy: Some(Exchange::from_state_body(&exchange.state_body())?),
            cancel_only: exchange.directory().cancel_only(),
            epoch: exchange.epoch_opened().0,
            place,
            storage,
            cursors,
            commands,
            events,
            epochs,
            sequence,
        })
    }
}

impl Opened {
    /// A follower of another node, and the rest. Nothing is released here but what that node has.
    pub fn follow(self) -> anyhow::Result<(Follower, Core)> {
        let Self { place, state, commands, events, storage, cursors, epochs, page_epoch, .. } = self;
        let logs = (Arc::clone(commands.ring()), Arc::clone(events.ring()), Arc::clone(&epochs));
        let core = Core::new((&state.0, state.1), (place, storage, Arc::clone(&cursors)), logs)?;
        let parts = FollowerParts {
            exchange: state.0,
            sequence: state.1,
            timestamp: state.2,
            commands,
            events,
            cursors,
            epochs,
        };
        Ok((Follower::new(parts, page_epoch), core))
    }
}

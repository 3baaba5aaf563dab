//! The exchange: a pure function of its commands. It knows no clock, thread, file or log; time and order come with each
//! command, and what it tells goes into a buffer. The same commands give the same bytes of events and the same state.

mod bust;
mod cancel;
mod closing;
mod conserve;
mod emit;
mod enter;
mod mass;
mod matching;
mod open_orders;
mod operate;
mod replace;
mod requests;
mod restore;
mod session_layer;
mod terms;
mod view;

use rialto_journal::position::Position;
use rialto_protocol::event::EventBuffer;
use rialto_protocol::terms::AckPolicy;
use rialto_protocol::{
    Command, Epoch, ExecId, GatewayId, Header, InstrumentId, Name, OrderId, Price, SessionId, Timestamp,
    TradeId, VERSION,
};
use rialto_shmring::hint::huge_pages;
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::book::{Book, Orders};
use crate::clordids::{OpenNames, Windows};
use crate::directory::Directory;
use crate::sessions::{Admit, Sessions};
use crate::trades::Trades;
use crate::transfers::Transfers;
use crate::work::Work;

pub use view::{AccountRow, BookRow, OrderRow};

use emit::Emitter;
use matching::Incoming;
use open_orders::OpenOrders;
use terms::Terms;

/// Most orders that are open at one time, in all sessions and books together.
pub const ORDERS_OPEN_MAX: u32 = 1 << 21;

/// What a loss by choice adds to the counters of orders, reports and trades, so that no number is issued twice: more
/// than can have been issued and lost.
pub const LOSS_JUMP: u64 = 1_000_000_000_000;

/// One instrument's market.
#[derive(Debug, Default)]
struct Market {
    book: Book,
    /// Price of the last trade.
    last: Option<Price>,
}

/// The last numbers issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issued {
    pub(crate) order: u64,
    pub(crate) exec: u64,
    pub(crate) trade: u64,
}

impl Issued {
    #[inline]
    fn order(&mut self) -> OrderId {
        self.order += 1;
        OrderId(self.order)
    }

    #[inline]
    fn exec(&mut self) -> ExecId {
        self.exec += 1;
        ExecId(self.exec)
    }

    #[inline]
    fn trade(&mut self) -> TradeId {
        self.trade += 1;
        TradeId(self.trade)
    }

    fn jump(&mut self) {
        self.order += LOSS_JUMP;
        self.exec += LOSS_JUMP;
        self.trade += LOSS_JUMP;
    }
}

/// What holds for the node's term as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Term {
    pub(crate) epoch: Epoch,
    pub(crate) node: Name,
    pub(crate) policy: AckPolicy,
    pub(crate) version: u32,
    /// The last journaled chain value over event pages: pages covered, and their hash.
    pub(crate) chain: (u64, [u8; 16]),
}

impl Default for Term {
    fn default() -> Self {
        Self {
            epoch: Epoch::NONE,
            node: Name::EMPTY,
            policy: AckPolicy::Async,
            version: VERSION,
            chain: (0, [0; 16]),
        }
    }
}

/// The whole state.
#[derive(Debug)]
pub struct Exchange {
    directory: Directory,
    sessions: Sessions,
    accounts: Accounts,
    transfers: Transfers,
    /// The orders of all books, and by slot what matching does not read.
    orders: Orders,
    terms: Vec<Terms>,
    /// By instrument number.
    markets: Vec<Market>,
    open: OpenOrders,
    names: OpenNames,
    windows: Windows,
    trades: Trades,
    work: Work,
    /// Incoming orders that have reached the limit of one command and go on with the next one.
    sweeps: Vec<Incoming>,
    issued: Issued,
    term: Term,
    event_end: Position,
}

impl Default for Exchange {
    fn default() -> Self {
        Self::new()
    }
}

impl Exchange {
    /// An exchange before its first command.
    pub fn new() -> Self {
        let mut terms = Vec::with_capacity(ORDERS_OPEN_MAX as usize + 1);
        huge_pages(&mut terms);
        Self {
            directory: Directory::default(),
            sessions: Sessions::default(),
            accounts: Accounts::default(),
            transfers: Transfers::default(),
            orders: Orders::new(ORDERS_OPEN_MAX),
            terms,
            markets: vec![Market::default()],
            open: OpenOrders::default(),
            names: OpenNames::default(),
            windows: Windows::default(),
            trades: Trades::default(),
            work: Work::default(),
            sweeps: Vec::new(),
            issued: Issued::default(),
            term: Term::default(),
            event_end: Position::FIRST,
        }
    }

    /// Applies a command and appends what it tells, at most 4,096 events.
    pub fn apply(&mut self, header: &Header, command: &Command, events: &mut EventBuffer) {
        let mut out = Emitter::new(header, self.event_end, events);
        self.apply_to(header, command, &mut out);
        self.event_end = out.end();
    }

    fn apply_to(&mut self, header: &Header, command: &Command, out: &mut Emitter<'_>) {
        if let Command::Epoch(opened) = command {
            self.epoch(opened, out);
        }
        if !self.sweeps.is_empty() {
            self.sweep_on(out);
        }
        self.fire_timers(out);
        match command {
            Command::NewOrder(order) => self.new_order(header, order, out),
            Command::Cancel(cancel) => self.cancel(header, cancel, out),
            Command::Replace(replace) => self.replace(header, replace, out),
            Command::Status(_)
            | Command::MassStatus(_)
            | Command::MassCancel(_)
            | Command::SecurityList(_)
            | Command::Balances(_)
            | Command::RefusedOrder(_)
            | Command::RefusedCancel(_) => self.request(header, command, out),
            Command::LogOn(_)
            | Command::LogOff(..)
            | Command::Note(_)
            | Command::Challenge
            | Command::GatewayLost(_)
            | Command::Refuse => self.session_layer(header, command, out),
            Command::Operate(_, operation) => self.operate(header, operation, out),
            Command::Continue => self.work_on(out),
            Command::Version(version) => self.term.version = *version,
            Command::Chain { page, hash } => self.term.chain = (*page, *hash),
            Command::Epoch(_) | Command::Tick => {}
        }
    }

    /// The matcher's question before it journals a record that came from `from`'s ring.
    #[inline]
    pub fn admit(&self, header: &Header, command_kind: u8, from: GatewayId) -> Admit {
        let header = Header { kind: command_kind, ..*header };
        self.sessions.admit(&header, from)
    }

    /// A Tick is to be journaled once this has passed.
    #[inline]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.sessions.next_deadline()
    }

    /// Whether a Continue is needed.
    #[inline]
    pub fn work_pending(&self) -> bool {
        !self.work.is_empty() || !self.sweeps.is_empty()
    }

    /// End of the event log after the last event.
    pub fn event_end(&self) -> u64 {
        self.event_end.get()
    }

    /// The definitions.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The session with the lowest number that is live.
    pub fn first_live_session(&self) -> Option<SessionId> {
        self.sessions.iter().find(|(_, session)| session.link().is_some()).map(|(id, _)| id)
    }

    /// The epoch that the last Epoch command opened.
    pub fn epoch_opened(&self) -> Epoch {
        self.term.epoch
    }

    /// The node that opened it.
    pub fn node(&self) -> Name {
        self.term.node
    }

    /// The ack policy in force.
    pub fn policy(&self) -> AckPolicy {
        self.term.policy
    }

    /// The last journaled chain value over event pages: pages covered, and their hash.
    pub fn chain(&self) -> (u64, [u8; 16]) {
        self.term.chain
    }

    /// Uses up the inbound number of a session's command; false if the command must be passed over.
    #[inline]
    fn take_number(&mut self, header: &Header) -> bool {
        self.sessions.consume(header.session, header.session_seq)
    }

    #[inline]
    fn market(&self, instrument: InstrumentId) -> &Market {
        &self.markets[instrument.0 as usize]
    }
}

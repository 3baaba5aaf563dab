//! An exchange driven by hand, command by command: for tests, benches and tools that need one without a matcher, a
//! journal or a gateway. It stamps sequence and time, keeps the members' numbers, and has short words for reference data.

use rialto_protocol::command::LogOn;
use rialto_protocol::event::{Event, EventBuffer, Outcome};
use rialto_protocol::reference::{
    AccountDef, Author, CurrencyDef, Grant, InstrumentDef, Operation, ParticipantDef, SessionDef, Transfer,
};
use rialto_protocol::terms::{ParticipantKind, ReplaceRule, SelfTrade, SessionKind};
use rialto_protocol::{
    AccountId, ClOrdId, Command, Decimal, GatewayId, Header, InstrumentId, Name, Sequence, SessionId,
    SessionSeq, Symbol, Timestamp,
};

use crate::exchange::Exchange;

/// An exchange, and what it is driven with.
#[derive(Debug, Default)]
pub struct Stage {
    /// The exchange.
    pub exchange: Exchange,
    /// Events of the last command.
    pub events: EventBuffer,
    /// The last command's sequence.
    pub sequence: Sequence,
    /// The time of the next command.
    pub now: Timestamp,
}

impl Stage {
    /// An empty exchange.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stage that goes on with an exchange.
    pub fn with(exchange: Exchange, sequence: Sequence, now: Timestamp) -> Self {
        Self { exchange, events: EventBuffer::default(), sequence, now }
    }

    /// Applies a command of `session` under `number`; its events stand in [`Self::events`].
    #[inline]
    pub fn apply(&mut self, session: SessionId, number: SessionSeq, command: &Command) {
        self.sequence.0 += 1;
        let header = Header {
            sequence: self.sequence,
            timestamp: self.now,
            session,
            session_seq: number,
            ..Header::default()
        };
        self.events.clear();
        self.exchange.apply(&header, command, &mut self.events);
    }

    /// Applies a message of `session` under the number that is expected of it.
    #[inline]
    pub fn send(&mut self, session: SessionId, command: &Command) {
        self.apply(session, self.next_number(session), command);
    }

    /// The number that the next message of `session` must have; none where there is no such session.
    #[inline]
    pub fn next_number(&self, session: SessionId) -> SessionSeq {
        self.exchange
            .sessions()
            .get(session)
            .map_or(SessionSeq::NONE, crate::sessions::SessionState::next_inbound)
    }

    /// Applies a command of the node itself.
    pub fn own(&mut self, command: &Command) {
        self.apply(SessionId::NONE, SessionSeq::NONE, command);
    }

    /// Applies an operator's request; the words of a refusal.
    pub fn operate(&mut self, operation: Operation) -> Result<Outcome, String> {
        self.own(&Command::Operate(Author::default(), operation));
        let answer = self.events.records().find_map(|record| match Event::decode(record) {
            Ok((_, Event::Answer { outcome, text, .. })) => Some((outcome, text)),
            _ => None,
        });
        match answer {
            Some((Outcome::Refused, words)) => Err(words.to_string()),
            Some((outcome, _)) => Ok(outcome),
            None => Err(String::from("no answer")),
        }
    }

    /// Defines a currency.
    pub fn currency(&mut self, code: &str, decimals: u8) -> Result<Outcome, String> {
        self.operate(Operation::Currency(CurrencyDef { code: Symbol::clipped(code), decimals }))
    }

    /// Defines an instrument with fees in millionths for maker and taker.
    pub fn instrument(&mut self, def: InstrumentDef) -> Result<InstrumentId, String> {
        self.operate(Operation::Instrument(def))?;
        let number = self.exchange.directory().instruments().find(def.symbol.as_bytes());
        number.map(InstrumentId).ok_or_else(|| String::from("not defined"))
    }

    /// Defines a participant, a broker.
    pub fn participant(&mut self, name: &str, self_trade: SelfTrade) -> Result<Outcome, String> {
        let (name, kind) = (Name::clipped(name), ParticipantKind::Broker);
        self.operate(Operation::Participant(ParticipantDef { name, kind, self_trade }))
    }

    /// Defines an account of a participant.
    pub fn account(&mut self, name: &str, participant: &str) -> Result<AccountId, String> {
        let (name, participant) = (Name::clipped(name), Name::clipped(participant));
        self.operate(Operation::Account(AccountDef { name, participant }))?;
        let number = self.exchange.directory().accounts().find(name.as_bytes());
        number.map(AccountId).ok_or_else(|| String::from("not defined"))
    }

    /// Defines a trading session of a participant that may act for `accounts`, and logs it on by gateway 1.
    pub fn session(
        &mut self,
        comp_id: &str,
        participant: &str,
        accounts: &[&str],
        cancel_on_disconnect: bool,
    ) -> Result<SessionId, String> {
        let (comp_id, participant) = (Name::clipped(comp_id), Name::clipped(participant));
        let kind = SessionKind::Trading;
        let def = SessionDef { comp_id, participant, kind, cancel_on_disconnect, secret: [0; 32] };
        self.operate(Operation::Session(def))?;
        for account in accounts {
            self.operate(Operation::Grant(Grant { session: comp_id, account: Name::clipped(account) }))?;
        }
        let number = self.exchange.directory().sessions().find(comp_id.as_bytes());
        let session = SessionId(number.ok_or_else(|| String::from("not defined"))?);
        self.log_on(session);
        Ok(session)
    }

    /// Logs a session on by gateway 1, under the number that is expected.
    pub fn log_on(&mut self, session: SessionId) {
        let log_on = LogOn {
            gateway: GatewayId(1),
            connection: session.0,
            next_expected: 0,
            heartbeat_s: 0,
            reset: 0,
            line: 0,
        };
        self.apply(session, SessionSeq::NONE, &Command::LogOn(log_on));
    }

    /// Deposits what an account is to have: `amount` as people write it. The id is made of the sequence.
    pub fn deposit(&mut self, account: &str, asset: &str, amount: Decimal) -> Result<Outcome, String> {
        let id = ClOrdId::clipped(&format!("stage {}", self.sequence.0 + 1));
        self.operate(Operation::Transfer(Transfer {
            id,
            account: Name::clipped(account),
            asset: Symbol::clipped(asset),
            amount,
            withdraw: false,
        }))
    }

    /// Completes the load: every market opens.
    pub fn open(&mut self) -> Result<Outcome, String> {
        self.operate(Operation::Loaded)
    }
}

/// An instrument in `currency` with tick and lot 1, without fees, whose orders keep their place when they shrink.
pub fn plain_instrument(symbol: &str, currency: &str) -> InstrumentDef {
    InstrumentDef {
        symbol: Symbol::clipped(symbol),
        currency: Symbol::clipped(currency),
        tick: Decimal::new(1, 0),
        lot: Decimal::new(1, 0),
        maker_fee_ppm: 0,
        taker_fee_ppm: 0,
        replace: ReplaceRule::KeepOnDecrease,
        midpoint: false,
    }
}

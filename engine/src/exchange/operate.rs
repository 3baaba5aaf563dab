//! What operators ask. Each request has one answer, behind everything else that it led to at once.

use rialto_protocol::event::{Event, Outcome};
use rialto_protocol::reference::{Operation, Scope, Transfer};
use rialto_protocol::terms::MarketState;
use rialto_protocol::{
    Cash, Header, InstrumentId, Name, Note, Reason, Sequence, SessionId, Symbol, TimeInForce,
};

use super::emit::Emitter;
use super::{Exchange, Market};
use crate::accounts::Row;
use crate::directory::{Covered, Refusal};
use crate::transfers::{Made, Moved};
use crate::work::{Selection, Task};

/// Markets that are named one by one; where more change at once, all have been asked for.
const MARKETS_TOLD_MAX: usize = 4_000;

/// A request that was not refused.
pub(super) enum Done {
    /// It was done now.
    Now,
    /// It was done by this command.
    Before(Sequence),
}

impl Exchange {
    pub(super) fn operate(&mut self, header: &Header, operation: &Operation, out: &mut Emitter<'_>) {
        let done = match operation {
            Operation::Currency(_)
            | Operation::Instrument(_)
            | Operation::Participant(_)
            | Operation::Account(_)
            | Operation::Session(_)
            | Operation::Grant(_) => self.define(operation, out),
            Operation::Transfer(transfer) => self.transfer(transfer, out),
            Operation::Loaded => {
                tell_markets(&self.directory.load_complete(), MarketState::Open, out);
                Ok(Done::Now)
            }
            Operation::Market(state, symbol) => self.set_market(*state, symbol, out),
            Operation::CancelAll(scope) => self.cancel_all(scope, out),
            Operation::Bust(trade) => self.bust(*trade, out),
            Operation::DayEnd => {
                self.day_end(out);
                Ok(Done::Now)
            }
            Operation::Kill(scope, on) => self.kill(scope, *on, out),
            Operation::Limits(limits) => self.directory.set_limits(limits).map(|()| Done::Now),
            Operation::SessionReset(name) => self.session_reset(name, out),
            Operation::Policy(policy) => {
                self.term.policy = *policy;
                out.tell(SessionId::NONE, &Event::Policy(*policy));
                Ok(Done::Now)
            }
            Operation::CancelOnly(on) => {
                self.directory.set_cancel_only(*on);
                Ok(Done::Now)
            }
        };
        let (outcome, sequence, text) = match done {
            Ok(Done::Now) => (Outcome::Done, out.sequence(), Note::EMPTY),
            Ok(Done::Before(sequence)) => (Outcome::Repeated, sequence, Note::EMPTY),
            Err(refusal) => (Outcome::Refused, out.sequence(), refusal.note()),
        };
        let request = header.session_seq.0;
        out.tell(SessionId::NONE, &Event::Answer { request, outcome, sequence, text });
    }

    fn define(&mut self, operation: &Operation, out: &mut Emitter<'_>) -> Result<Done, Refusal> {
        let defined = self.directory.define(operation)?;
        if !defined.changed {
            return Ok(Done::Now);
        }
        if matches!(operation, Operation::Session(_)) {
            self.sessions.defined(SessionId(defined.id));
        }
        let instruments = self.directory.instruments().len();
        self.markets.resize_with(instruments + 1, Market::default);
        let (id, owner) = (defined.id, defined.owner);
        out.tell(SessionId::NONE, &Event::Reference { id, owner, operation: *operation });
        Ok(Done::Now)
    }

    fn transfer(&mut self, asked: &Transfer, out: &mut Emitter<'_>) -> Result<Done, Refusal> {
        let moved = self.moved(asked)?;
        if let Some(made) = self.transfers.find(&asked.id) {
            return if made.moved == moved {
                Ok(Done::Before(made.sequence))
            } else {
                Err(Refusal::new(format!("transfer {} was made before with other data", asked.id)))
            };
        }
        if asked.id.is_empty() {
            return Err(Refusal::new("a transfer needs an id"));
        }
        if self.transfers.is_full() {
            return Err(Refusal::new("no room for another transfer id"));
        }
        let row = self.accounts.row(moved.account, moved.asset);
        if moved.withdraw {
            self.withdraw(row, &moved, asked)?;
        } else {
            if !self.accounts.can_deposit(moved.asset, moved.amount.0) {
                return Err(Refusal::new(format!("deposits of {} come to too much", asked.asset)));
            }
            self.accounts.deposit(row, moved.asset, moved.amount.0);
        }
        self.transfers.note(asked.id, Made { sequence: out.sequence(), moved });
        Ok(Done::Now)
    }

    fn withdraw(&mut self, row: Row, moved: &Moved, asked: &Transfer) -> Result<(), Refusal> {
        let balance = self.accounts.balance(row);
        if balance.available() < moved.amount.0 {
            let unit = self.directory.asset_unit(moved.asset).unwrap_or_default();
            let available = unit.times(balance.available()).unwrap_or_default();
            return Err(Refusal::new(format!(
                "account {} has {available} {} available, {} are asked for",
                asked.account, asked.asset, asked.amount
            )));
        }
        self.accounts.withdraw(row, moved.asset, moved.amount.0);
        Ok(())
    }

    /// What a transfer moves, in numbers and smallest units.
    fn moved(&self, asked: &Transfer) -> Result<Moved, Refusal> {
        let account = self
            .directory
            .accounts()
            .find(asked.account.as_bytes())
            .ok_or_else(|| Refusal::new(format!("no account {}", asked.account)))?;
        let asset = self
            .directory
            .asset_named(asked.asset.as_bytes())
            .ok_or_else(|| Refusal::new(format!("no asset {}", asked.asset)))?;
        let unit = self.directory.asset_unit(asset).ok_or_else(|| Refusal::new("an asset without unit"))?;
        let amount = asked.amount.in_units_of(unit).filter(|&amount| amount > 0).ok_or_else(|| {
            Refusal::new(format!("{} is not a positive multiple of {unit} {}", asked.amount, asked.asset))
        })?;
        Ok(Moved {
            account: rialto_protocol::AccountId(account),
            asset,
            amount: Cash(amount),
            withdraw: asked.withdraw,
        })
    }

    fn set_market(
        &mut self,
        state: MarketState,
        symbol: &Symbol,
        out: &mut Emitter<'_>,
    ) -> Result<Done, Refusal> {
        tell_markets(&self.directory.set_market(state, symbol)?, state, out);
        Ok(Done::Now)
    }

    fn cancel_all(&mut self, scope: &Scope, out: &mut Emitter<'_>) -> Result<Done, Refusal> {
        let covered = self.directory.covered(scope)?;
        self.end_all(covered, Reason::ByOperator, out);
        Ok(Done::Now)
    }

    fn kill(&mut self, scope: &Scope, on: bool, out: &mut Emitter<'_>) -> Result<Done, Refusal> {
        let covered = self.directory.kill(scope, on)?;
        if on {
            self.end_all(covered, Reason::Killed, out);
        }
        Ok(Done::Now)
    }

    fn end_all(&mut self, covered: Covered, reason: Reason, out: &mut Emitter<'_>) {
        let selection = Selection { covered, instrument: InstrumentId::NONE, time_in_force: None };
        self.start(Task::Cancel(reason), selection, out);
    }

    /// Ends the day orders, and then the day. What members are told of that belongs to the new day already, so a member
    /// who is away gets it when he comes back. Numbers go on, and so do the names that were used.
    fn day_end(&mut self, out: &mut Emitter<'_>) {
        self.sessions.day_end(out.end());
        let selection = Selection {
            covered: Covered::All,
            instrument: InstrumentId::NONE,
            time_in_force: Some(TimeInForce::Day),
        };
        self.start(Task::DayEnd, selection, out);
    }

    fn session_reset(&mut self, name: &Name, out: &mut Emitter<'_>) -> Result<Done, Refusal> {
        let number = self
            .directory
            .sessions()
            .find(name.as_bytes())
            .ok_or_else(|| Refusal::new(format!("no session {name}")))?;
        let session = SessionId(number);
        if self.sessions.reset(&self.directory, session, out.timestamp()) {
            out.tell(session, &Event::Gone);
        }
        self.forget_answers(session);
        Ok(Done::Now)
    }
}

/// Tells which markets have changed; one event that names none where there are more than a command may tell: all have.
fn tell_markets(changed: &[InstrumentId], state: MarketState, out: &mut Emitter<'_>) {
    let all = [InstrumentId::NONE];
    let named = if changed.len() > MARKETS_TOLD_MAX { &all } else { changed };
    for &instrument in named {
        out.tell(SessionId::NONE, &Event::Market(instrument, state));
    }
}

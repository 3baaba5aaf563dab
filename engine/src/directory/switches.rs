//! What the operator switches: the market in an instrument, kill switches, and what a scope's name stands for.

use rialto_protocol::reference::{Scope, ScopeKind};
use rialto_protocol::terms::MarketState;
use rialto_protocol::{AccountId, InstrumentId, ParticipantId, SessionId, Symbol};

use super::{Directory, Refusal};

/// A scope, looked up: what an operation covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Covered {
    /// Everything.
    All,
    /// One session.
    Session(SessionId),
    /// One account.
    Account(AccountId),
    /// One participant.
    Participant(ParticipantId),
    /// One instrument.
    Instrument(InstrumentId),
}

impl Directory {
    /// What `scope` covers.
    pub fn covered(&self, scope: &Scope) -> Result<Covered, Refusal> {
        let name = scope.name.as_bytes();
        Ok(match scope.kind {
            ScopeKind::All if name.is_empty() => Covered::All,
            ScopeKind::All => {
                return Err(Refusal::new(format!("a scope of everything has no name, not {}", scope.name)));
            }
            ScopeKind::Session => Covered::Session(SessionId(self.sessions.named(name)?.0)),
            ScopeKind::Account => Covered::Account(AccountId(self.accounts.named(name)?.0)),
            ScopeKind::Participant => Covered::Participant(ParticipantId(self.participants.named(name)?.0)),
            ScopeKind::Instrument => Covered::Instrument(InstrumentId(self.instruments.named(name)?.0)),
        })
    }

    /// Turns the kill switch of `scope` on or off. While it is on, [`Self::killed`] is true for its orders; to cancel
    /// those that rest is the caller's.
    pub fn kill(&mut self, scope: &Scope, on: bool) -> Result<Covered, Refusal> {
        let covered = self.covered(scope)?;
        let switch = match covered {
            Covered::Session(id) => self.sessions.get_mut(id.0).map(|session| &mut session.killed),
            Covered::Account(id) => self.accounts.get_mut(id.0).map(|account| &mut account.killed),
            Covered::Participant(id) => self.participants.get_mut(id.0).map(|member| &mut member.killed),
            Covered::All | Covered::Instrument(_) => {
                return Err(Refusal::new(
                    "a kill switch is for a session, an account or a participant; to stop a market, halt it",
                ));
            }
        };
        let switch = switch.expect("covered() found it");
        match (*switch, on) {
            (false, true) => self.killed += 1,
            (true, false) => self.killed -= 1,
            (false, false) | (true, true) => {}
        }
        *switch = on;
        Ok(covered)
    }

    /// Whether a kill switch stops orders of `session` for `account`: the session's, the account's, or that of either's
    /// participant.
    #[inline]
    pub fn killed(&self, session: SessionId, account: AccountId) -> bool {
        self.killed != 0 && self.killed_one(session, account)
    }

    fn killed_one(&self, session: SessionId, account: AccountId) -> bool {
        let session = self.session(session);
        let account = self.account(account);
        let owners = [session.map(|s| s.participant), account.map(|a| a.participant)];
        session.is_some_and(|session| session.killed)
            || account.is_some_and(|account| account.killed)
            || owners.into_iter().flatten().any(|id| self.participant(id).is_some_and(|owner| owner.killed))
    }

    /// Whether new orders and replaces are refused in all markets.
    #[inline]
    pub fn cancel_only(&self) -> bool {
        self.cancel_only
    }

    /// Refuses new orders and replaces from now on, or takes them again.
    pub fn set_cancel_only(&mut self, on: bool) {
        self.cancel_only = on;
    }

    /// Whether the first load of reference data is complete.
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// The first load of reference data is complete: every instrument opens, and those defined later are open at once.
    /// What opened; nothing if it was complete before.
    pub fn load_complete(&mut self) -> Vec<InstrumentId> {
        if std::mem::replace(&mut self.loaded, true) {
            return Vec::new();
        }
        self.switch_all(MarketState::Open)
    }

    /// Opens, closes or halts an instrument, or all where `symbol` is empty. Those that changed.
    pub fn set_market(&mut self, state: MarketState, symbol: &Symbol) -> Result<Vec<InstrumentId>, Refusal> {
        if symbol.is_empty() {
            return Ok(self.switch_all(state));
        }
        let (number, instrument) = self.instruments.named_mut(symbol.as_bytes())?;
        let before = std::mem::replace(&mut instrument.market, state);
        Ok(if before == state { Vec::new() } else { vec![InstrumentId(number)] })
    }

    fn switch_all(&mut self, state: MarketState) -> Vec<InstrumentId> {
        let mut changed = Vec::new();
        for (number, instrument) in self.instruments.iter_mut() {
            if std::mem::replace(&mut instrument.market, state) != state {
                changed.push(InstrumentId(number));
            }
        }
        changed
    }
}

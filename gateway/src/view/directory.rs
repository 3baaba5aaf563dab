//! Names and what they mean. Numbers are dense from 1; what is defined never goes away, and an instrument's tick, lot
//! and currency never change.

use std::collections::HashMap;

use rialto_protocol::reference::{AccountDef, CurrencyDef, InstrumentDef, Operation, SessionDef};
use rialto_protocol::terms::MarketState;
use rialto_protocol::{AccountId, InstrumentId, Name, SessionId, Symbol};

use super::seed::Seed;

/// An instrument as a gateway needs it.
#[derive(Clone, Copy, Debug)]
pub struct Instrument {
    /// Its number.
    pub id: InstrumentId,
    /// Its definition.
    pub def: InstrumentDef,
    /// Whether it trades.
    pub state: MarketState,
    /// Decimals of its currency.
    pub currency_decimals: u8,
}

/// A session as a gateway needs it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// Its definition.
    pub def: SessionDef,
    /// Accounts that it may act for, its default first.
    pub accounts: Vec<AccountId>,
}

/// All names.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    currencies: Vec<CurrencyDef>,
    instruments: Vec<Instrument>,
    accounts: Vec<AccountDef>,
    sessions: Vec<Session>,
    symbols: HashMap<Symbol, InstrumentId>,
    account_names: HashMap<Name, AccountId>,
    comp_ids: HashMap<Name, SessionId>,
}

impl Directory {
    pub(super) fn new(seed: &Seed) -> Self {
        let mut directory = Self { currencies: seed.currencies.clone(), ..Self::default() };
        for (id, instrument) in (1..).zip(&seed.instruments) {
            directory.set_instrument(id, &instrument.def);
            directory.set_market(InstrumentId(id), instrument.state);
        }
        for (id, account) in (1..).zip(&seed.accounts) {
            directory.set_account(id, account);
        }
        for (id, session) in (1..).zip(&seed.sessions) {
            directory.set_session(id, &session.def);
            directory.sessions[index(id)].accounts.clone_from(&session.accounts);
        }
        directory
    }

    /// The instrument with this symbol.
    pub fn instrument_by_symbol(&self, symbol: &[u8]) -> Option<&Instrument> {
        self.instrument(*self.symbols.get(&Symbol::new(symbol).ok()?)?)
    }

    /// The instrument with this number.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(index(id.0))
    }

    /// All instruments in the order of their numbers.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// The number of the account with this name.
    pub fn account_by_name(&self, name: &[u8]) -> Option<AccountId> {
        self.account_names.get(&Name::new(name).ok()?).copied()
    }

    /// The account with this number.
    pub fn account(&self, id: AccountId) -> Option<&AccountDef> {
        self.accounts.get(index(id.0))
    }

    /// The session with this `CompID`.
    pub fn session_by_comp_id(&self, comp_id: &[u8]) -> Option<&Session> {
        self.session(*self.comp_ids.get(&Name::new(comp_id).ok()?)?)
    }

    /// The session with this number.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(index(id.0))
    }

    pub(super) fn set_market(&mut self, id: InstrumentId, state: MarketState) {
        if let Some(instrument) = self.instruments.get_mut(index(id.0)) {
            instrument.state = state;
        }
    }

    pub(super) fn define(&mut self, id: u32, owner: u32, operation: &Operation) {
        match operation {
            Operation::Currency(def) => put(&mut self.currencies, id, *def),
            Operation::Instrument(def) => self.set_instrument(id, def),
            Operation::Account(def) => self.set_account(id, def),
            Operation::Session(def) => self.set_session(id, def),
            Operation::Grant(_) => {
                if let Some(session) = self.sessions.get_mut(index(id))
                    && !session.accounts.contains(&AccountId(owner))
                {
                    session.accounts.push(AccountId(owner));
                }
            }
            Operation::Participant(_)
            | Operation::Transfer(_)
            | Operation::Loaded
            | Operation::Market(..)
            | Operation::CancelAll(_)
            | Operation::Bust(_)
            | Operation::DayEnd
            | Operation::Kill(..)
            | Operation::Limits(_)
            | Operation::SessionReset(_)
            | Operation::Policy(_)
            | Operation::CancelOnly(_) => {}
        }
    }

    fn set_instrument(&mut self, id: u32, def: &InstrumentDef) {
        let currency_decimals = self
            .currencies
            .iter()
            .find(|currency| currency.code == def.currency)
            .map_or(0, |currency| currency.decimals);
        let state = self.instruments.get(index(id)).map_or(MarketState::Closed, |known| known.state);
        let instrument = Instrument { id: InstrumentId(id), def: *def, state, currency_decimals };
        put(&mut self.instruments, id, instrument);
        self.symbols.insert(def.symbol, InstrumentId(id));
    }

    fn set_account(&mut self, id: u32, def: &AccountDef) {
        put(&mut self.accounts, id, *def);
        self.account_names.insert(def.name, AccountId(id));
    }

    fn set_session(&mut self, id: u32, def: &SessionDef) {
        let accounts = self.sessions.get(index(id)).map(|known| known.accounts.clone()).unwrap_or_default();
        put(&mut self.sessions, id, Session { id: SessionId(id), def: *def, accounts });
        self.comp_ids.insert(def.comp_id, SessionId(id));
    }
}

/// Place of the number `id` (from 1) in a dense list; none for 0.
pub(super) fn index(id: u32) -> usize {
    usize::try_from(id).map_or(usize::MAX, |id| id.wrapping_sub(1))
}

/// Puts the thing with number `id` in its place: the next one, or one that is there.
fn put<T>(list: &mut Vec<T>, id: u32, thing: T) {
    let at = index(id);
    if let Some(known) = list.get_mut(at) {
        *known = thing;
    } else if at == list.len() {
        list.push(thing);
    }
}

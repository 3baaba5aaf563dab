//! The directory: who and what there is, by number and by name. It is written by the operator's commands alone and read
//! on every order, so what an order asks of it is answered without hashing.
//!
//! Numbers are given out densely from 1 in the order of definition and nothing is ever removed. What books and balances
//! count in (tick, lot, currency, decimals) and who owns what never changes once it is defined.

mod define;
mod entries;
mod limits;
mod register;
mod switches;

#[cfg(test)]
mod tests;

use rialto_protocol::{
    AccountId, AssetId, CurrencyId, Decimal, InstrumentId, Note, ParticipantId, Reason, SessionId,
};
use serde::{Deserialize, Serialize};

pub use define::Defined;
pub use entries::{Account, Asset, Currency, Instrument, Participant, Session};
pub use limits::{ORDERS_OPEN_MAX, OrderLimits};
pub use register::{Entry, Register};
pub use switches::Covered;

/// Why an operator's request was refused, in words that name what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(Box<str>);

impl Refusal {
    /// A refusal with these words.
    pub fn new(words: impl Into<Box<str>>) -> Self {
        Self(words.into())
    }

    /// The words, as much of them as an answer holds.
    pub fn note(&self) -> Note {
        Note::clipped(&self.0)
    }
}

/// All definitions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Directory {
    currencies: Register<Currency>,
    instruments: Register<Instrument>,
    participants: Register<Participant>,
    accounts: Register<Account>,
    sessions: Register<Session>,
    assets: Vec<Asset>,
    limits: limits::SharedLimits,
    /// Kill switches that are on.
    killed: u32,
    /// Whether the first load of reference data is complete.
    loaded: bool,
    /// Whether new orders and replaces are refused.
    cancel_only: bool,
}

impl Directory {
    /// The currency with this number.
    pub fn currency(&self, id: CurrencyId) -> Option<&Currency> {
        self.currencies.get(id.0)
    }

    /// The instrument with this number.
    #[inline]
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.0)
    }

    /// The participant with this number.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.get(id.0)
    }

    /// The account with this number.
    #[inline]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id.0)
    }

    /// The session with this number, as defined.
    #[inline]
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id.0)
    }

    /// What the asset with this number is.
    pub fn asset(&self, id: AssetId) -> Option<Asset> {
        self.assets.get((id.0 as usize).wrapping_sub(1)).copied()
    }

    /// All currencies.
    pub fn currencies(&self) -> &Register<Currency> {
        &self.currencies
    }

    /// All instruments.
    pub fn instruments(&self) -> &Register<Instrument> {
        &self.instruments
    }

    /// All participants.
    pub fn participants(&self) -> &Register<Participant> {
        &self.participants
    }

    /// All accounts.
    pub fn accounts(&self) -> &Register<Account> {
        &self.accounts
    }

    /// All sessions, as defined.
    pub fn sessions(&self) -> &Register<Session> {
        &self.sessions
    }

    /// All assets, by number from 1.
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The asset with this name: a currency's code or an instrument's symbol.
    pub fn asset_named(&self, name: &[u8]) -> Option<AssetId> {
        let currency = self.currencies.find(name).and_then(|id| self.currencies.get(id));
        let instrument = self.instruments.find(name).and_then(|id| self.instruments.get(id));
        currency.map(|currency| currency.asset).or(instrument.map(|instrument| instrument.asset))
    }

    /// The name of an asset.
    pub fn asset_name(&self, id: AssetId) -> Option<rialto_protocol::Symbol> {
        Some(match self.asset(id)? {
            Asset::Currency(id) => self.currency(id)?.code,
            Asset::Instrument(id) => self.instrument(id)?.symbol,
        })
    }

    /// What an account's holdings of an asset count in: a currency's smallest unit, an instrument's lot.
    pub fn asset_unit(&self, id: AssetId) -> Option<Decimal> {
        Some(match self.asset(id)? {
            Asset::Currency(id) => Decimal::new(1, self.currency(id)?.decimals),
            Asset::Instrument(id) => self.instrument(id)?.lot,
        })
    }

    /// Whether `session` may act for `account`.
    #[inline]
    pub fn permitted(&self, session: SessionId, account: AccountId) -> bool {
        self.session(session).is_some_and(|session| session.may_act_for(account))
    }

    /// For which account an order is that asks for `asked` ([`AccountId::NONE`]: for the session's default account).
    #[inline]
    pub fn account_for(&self, session: SessionId, asked: AccountId) -> Result<AccountId, Reason> {
        let session = self.session(session).ok_or(Reason::AccountNotAllowed)?;
        let account = if asked.is_some() { asked } else { session.default_account };
        if session.may_act_for(account) {
            Ok(account)
        } else if self.account(account).is_some() {
            Err(Reason::AccountNotAllowed)
        } else {
            Err(Reason::UnknownAccount)
        }
    }
}

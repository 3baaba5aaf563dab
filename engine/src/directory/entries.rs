//! What is defined: currencies, instruments, participants, accounts, sessions, and the assets that accounts hold.

use rialto_protocol::terms::{MarketState, ParticipantKind, ReplaceRule, SelfTrade, SessionKind};
use rialto_protocol::{AccountId, AssetId, CurrencyId, Decimal, InstrumentId, Name, ParticipantId, Symbol};
use serde::{Deserialize, Serialize};

use super::limits::OrderLimits;
use super::register::Entry;

/// A currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Currency {
    /// `USD`
    pub code: Symbol,
    /// Decimals of its smallest unit.
    pub decimals: u8,
    /// As what an account holds it.
    pub asset: AssetId,
}

/// An instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// What one tick of one lot is worth, in the currency's smallest units; at least 1.
    pub unit: i64,
    /// Fee of the resting side, millionths of the trade's value.
    pub maker_fee_ppm: u32,
    /// Fee of the incoming side, millionths of the trade's value.
    pub taker_fee_ppm: u32,
    /// The currency that it trades in.
    pub currency: CurrencyId,
    /// As what an account holds it.
    pub asset: AssetId,
    /// As what an account holds its currency.
    pub cash: AssetId,
    /// Whether it trades.
    pub market: MarketState,
    /// What a replace does to the place in the queue.
    pub replace: ReplaceRule,
    /// Trades execute at the midpoint of the two limits.
    pub midpoint: bool,
    /// Limits of every account in it.
    pub(super) limits: Option<OrderLimits>,
    /// `ACME`
    pub symbol: Symbol,
    /// Price step.
    pub tick: Decimal,
    /// Quantity step.
    pub lot: Decimal,
}

/// A participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// `ALPHA`
    pub name: Name,
    /// What it is.
    pub kind: ParticipantKind,
    /// What happens when it would trade with itself.
    pub self_trade: SelfTrade,
    /// Stopped by its kill switch.
    pub killed: bool,
}

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whose it is.
    pub participant: ParticipantId,
    /// Stopped by its kill switch.
    pub killed: bool,
    /// Whether limits of its own are set for single instruments.
    pub(super) limited_by_instrument: bool,
    /// Its limits in every instrument.
    pub(super) limits: Option<OrderLimits>,
    /// `A1`
    pub name: Name,
}

/// A session, as defined; what happens to it is [`crate::sessions`]'s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The first account that it was granted, [`AccountId::NONE`] = no account yet.
    pub default_account: AccountId,
    /// Whose it is.
    pub participant: ParticipantId,
    /// All accounts that it may act for, ascending.
    pub(super) accounts: Vec<AccountId>,
    /// Stopped by its kill switch.
    pub killed: bool,
    /// What it is for.
    pub kind: SessionKind,
    /// Whether its orders end when it goes away for longer than its grace.
    pub cancel_on_disconnect: bool,
    /// `ALPHA1`
    pub comp_id: Name,
    /// SHA-256 of its password.
    pub secret: [u8; 32],
}

impl Session {
    /// All accounts that it may act for, ascending.
    pub fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    /// Whether it may act for `account`.
    pub(super) fn may_act_for(&self, account: AccountId) -> bool {
        account.is_some()
            && (account == self.default_account || self.accounts.binary_search(&account).is_ok())
    }
}

/// Something that an account can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asset {
    /// Counted in its smallest units.
    Currency(CurrencyId),
    /// Counted in lots.
    Instrument(InstrumentId),
}

impl Entry for Currency {
    const WHAT: &'static str = "currency";
    /// More than the world has in use.
    const ENTRIES_MAX: usize = 256;

    fn name(&self) -> &[u8] {
        self.code.as_bytes()
    }
}

impl Entry for Instrument {
    const WHAT: &'static str = "instrument";
    /// An exchange's whole list; what more there is goes to another shard.
    const ENTRIES_MAX: usize = 1 << 16;

    fn name(&self) -> &[u8] {
        self.symbol.as_bytes()
    }
}

impl Entry for Participant {
    const WHAT: &'static str = "participant";
    /// Far more members than any exchange has.
    const ENTRIES_MAX: usize = 1 << 16;

    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

impl Entry for Account {
    const WHAT: &'static str = "account";
    /// A large broker's customers; tables by account stay within tens of MiB.
    const ENTRIES_MAX: usize = 1 << 20;

    fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

impl Entry for Session {
    const WHAT: &'static str = "session";
    /// As many as a node has sockets for.
    const ENTRIES_MAX: usize = 1 << 16;

    fn name(&self) -> &[u8] {
        self.comp_id.as_bytes()
    }
}

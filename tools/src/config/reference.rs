//! Reference data in the file: currencies, instruments, participants, accounts, sessions and first deposits.
//!
//! They come out as the definitions that the exchange takes. Cross-references are checked here, so that no operation
//! made of a file names what is not in it, and no password stays in memory: only its hash.
use std::str::FromStr;

use rialto_protocol::reference::{
    AccountDef, CurrencyDef, Grant, InstrumentDef, Operation, ParticipantDef, SessionDef, Transfer,
};
use rialto_protocol::terms::{ReplaceRule, SelfTrade, SessionKind};
use rialto_protocol::{Decimal, Name, Symbol};
use sha2::{Digest, Sha256};

use super::reader::{Fault, Section};
use super::settings::name_fault;

/// Digits of a currency behind the point; 18 is what the finest ones in use have.
const CURRENCY_DECIMALS_MAX: u32 = 18;
/// A fee of all that was traded; more would make a fill cost more than the order.
const FEE_PPM_MAX: u32 = 1_000_000;
/// Characters of a password.
const PASSWORD_CHARS_MAX: usize = 64;

/// What an empty journal is told first, in the file's order. Every name that is referred to is in here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// Currencies.
    pub currencies: Vec<CurrencyDef>,
    /// Instruments.
    pub instruments: Vec<InstrumentDef>,
    /// Participants.
    pub participants: Vec<ParticipantDef>,
    /// Accounts.
    pub accounts: Vec<AccountDef>,
    /// Sessions.
    pub sessions: Vec<Session>,
    /// Deposits.
    pub deposits: Vec<Transfer>,
}

/// Who may log on, and act for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The session itself.
    pub def: SessionDef,
    /// The accounts that it may act for; an order without an account uses the first.
    pub accounts: Vec<Name>,
}

impl Reference {
    /// All of it as operations, in an order in which each names only what came before it.
    pub fn operations(&self) -> Vec<Operation> {
        let mut all = Vec::new();
        all.extend(self.currencies.iter().copied().map(Operation::Currency));
        all.extend(self.instruments.iter().copied().map(Operation::Instrument));
        all.extend(self.participants.iter().copied().map(Operation::Participant));
        all.extend(self.accounts.iter().copied().map(Operation::Account));
        for Session { def, accounts } in &self.sessions {
            all.push(Operation::Session(*def));
            let grant = |account: &Name| Operation::Grant(Grant { session: def.comp_id, account: *account });
            all.extend(accounts.iter().map(grant));
        }
        all.extend(self.deposits.iter().copied().map(Operation::Transfer));
        all
    }
}

/// What is kept of a password: its SHA-256.
pub fn secret_of(password: &[u8]) -> [u8; 32] {
    Sha256::digest(password).into()
}

pub(super) fn read(root: &Section) -> Result<Reference, Fault> {
    let mut all = Reference::default();
    for entry in root.entries("currency", "code", &["code", "decimals"])? {
        let code = new_asset(&entry, "code", &all)?;
        let decimals = entry.whole("decimals", 2, 0..=CURRENCY_DECIMALS_MAX)?;
        let decimals = u8::try_from(decimals).expect("at most 18");
        all.currencies.push(CurrencyDef { code, decimals });
    }
    let keys = ["symbol", "tick", "lot", "currency", "maker_fee_ppm", "taker_fee_ppm", "replace"];
    for entry in root.entries("instrument", "symbol", &keys)? {
        let instrument = instrument(&entry, &all)?;
        all.instruments.push(instrument);
    }
    for entry in root.entries("participant", "name", &["name", "kind", "self_trade"])? {
        let name = new_name(&entry, "name", all.participants.iter().map(|known| known.name))?;
        let kind = entry.word("kind", None)?;
        let self_trade = entry.word("self_trade", Some(SelfTrade::Off))?;
        all.participants.push(ParticipantDef { name, kind, self_trade });
    }
    for entry in root.entries("account", "name", &["name", "participant"])? {
        let name = new_name(&entry, "name", all.accounts.iter().map(|known| known.name))?;
        let participant = known_participant(&entry, &all)?;
        all.accounts.push(AccountDef { name, participant });
    }
    let keys = ["comp_id", "participant", "accounts", "password", "kind", "cancel_on_disconnect"];
    for entry in root.entries("session", "comp_id", &keys)? {
        let session = session(&entry, &all)?;
        all.sessions.push(session);
    }
    for entry in root.entries("deposit", "id", &["id", "account", "asset", "amount"])? {
        let deposit = deposit(&entry, &all)?;
        all.deposits.push(deposit);
    }
    Ok(all)
}

fn instrument(entry: &Section, all: &Reference) -> Result<InstrumentDef, Fault> {
    let symbol = new_asset(entry, "symbol", all)?;
    let code = entry.required("currency")?;
    let Some(currency) = all.currencies.iter().find(|currency| currency.code.as_str() == code) else {
        return Err(entry.fault("currency", &format!("no currency {code} is declared")));
    };
    let (tick, lot) = (entry.decimal("tick")?, entry.decimal("lot")?);
    let product = tick.mantissa.checked_mul(lot.mantissa);
    let value = product.map(|product| Decimal::new(product, tick.decimals + lot.decimals));
    match value.map(|value| value.in_units_of(Decimal::new(1, currency.decimals))) {
        Some(Some(cash)) if i64::try_from(cash).is_ok() => {}
        Some(None) => {
            let smallest = Decimal::new(1, currency.decimals);
            let why = format!("tick × lot ({tick} × {lot}) has to be a whole number of {smallest} {code}");
            return Err(entry.fault("tick", &why));
        }
        Some(Some(_)) | None => return Err(entry.fault("tick", "tick × lot is too large")),
    }
    Ok(InstrumentDef {
        symbol,
        currency: currency.code,
        tick,
        lot,
        maker_fee_ppm: entry.whole("maker_fee_ppm", 0, 0..=FEE_PPM_MAX)?,
        taker_fee_ppm: entry.whole("taker_fee_ppm", 0, 0..=FEE_PPM_MAX)?,
        replace: entry.word("replace", Some(ReplaceRule::KeepOnDecrease))?,
        midpoint: false,
    })
}

fn session(entry: &Section, all: &Reference) -> Result<Session, Fault> {
    let comp_id = new_name(entry, "comp_id", all.sessions.iter().map(|known| known.def.comp_id))?;
    let participant = known_participant(entry, all)?;
    let kind = entry.word("kind", Some(SessionKind::Trading))?;
    let mut accounts = Vec::new();
    for name in entry.texts("accounts")? {
        let fault = |why: &str| Err(entry.fault("accounts", &format!("{name}: {why}")));
        match all.accounts.iter().find(|account| account.name.as_str() == name) {
            None => return fault("no such account is declared"),
            Some(account) if account.participant != participant => {
                return fault(&format!("this account belongs to {}", account.participant));
            }
            Some(account) if accounts.contains(&account.name) => return fault("named twice"),
            Some(account) => accounts.push(account.name),
        }
    }
    if accounts.is_empty() && kind == SessionKind::Trading {
        return Err(entry.fault("accounts", "a trading session needs at least one account"));
    }
    let password = entry.required("password")?.as_bytes();
    let sayable = |byte: &u8| byte.is_ascii_graphic() && *byte != b'|';
    if password.is_empty() || password.len() > PASSWORD_CHARS_MAX || !password.iter().all(sayable) {
        let why = "a password has 1 to 64 printable ASCII characters, no space and no '|'";
        return Err(entry.fault("password", why));
    }
    let cancel_on_disconnect = entry.flag("cancel_on_disconnect")?;
    if cancel_on_disconnect && kind == SessionKind::MarketData {
        return Err(entry.fault("cancel_on_disconnect", "a market-data session has no orders to cancel"));
    }
    let secret = secret_of(password);
    Ok(Session { def: SessionDef { comp_id, participant, kind, cancel_on_disconnect, secret }, accounts })
}

fn deposit(entry: &Section, all: &Reference) -> Result<Transfer, Fault> {
    let id = entry.required("id")?;
    let fits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(id) = id.parse().ok().filter(|_| fits) else {
        return Err(entry.fault("id", "an id has 1 to 36 printable ASCII characters and no space"));
    };
    if all.deposits.iter().any(|known| known.id == id) {
        return Err(entry.fault("id", "two deposits have this id; an id counts once"));
    }
    let account = entry.required("account")?;
    let Some(account) = all.accounts.iter().find(|known| known.name.as_str() == account) else {
        return Err(entry.fault("account", "no such account is declared"));
    };
    let (asset, amount) = amount(entry, all)?;
    Ok(Transfer { id, account: account.name, asset, amount, withdraw: false })
}

/// An asset, and an amount that is a whole number of what that asset is counted in.
fn amount(entry: &Section, all: &Reference) -> Result<(Symbol, Decimal), Fault> {
    let name = entry.required("asset")?;
    let currency = all.currencies.iter().find(|currency| currency.code.as_str() == name);
    let instrument = all.instruments.iter().find(|instrument| instrument.symbol.as_str() == name);
    let amount = entry.decimal("amount")?;
    if let Some(currency) = currency {
        if amount.in_units_of(Decimal::new(1, currency.decimals)).is_none() {
            let why = format!("{name} has {} digits behind the point", currency.decimals);
            return Err(entry.fault("amount", &why));
        }
        return Ok((currency.code, amount));
    }
    let Some(instrument) = instrument else {
        return Err(entry.fault("asset", "no currency or instrument of this name is declared"));
    };
    let lots = amount.in_units_of(instrument.lot).and_then(|lots| i64::try_from(lots).ok());
    if lots.is_none() {
        let why = format!("has to be a whole number of lots of {}, and less than 2^63", instrument.lot);
        return Err(entry.fault("amount", &why));
    }
    Ok((instrument.symbol, amount))
}

fn known_participant(entry: &Section, all: &Reference) -> Result<Name, Fault> {
    let name = entry.required("participant")?;
    let found = all.participants.iter().find(|known| known.name.as_str() == name);
    found.map(|known| known.name).ok_or_else(|| entry.fault("participant", "no such participant is declared"))
}

/// The name at `key`, which nothing of its kind has yet.
fn new_name<T: FromStr + PartialEq>(
    entry: &Section,
    key: &str,
    mut known: impl Iterator<Item = T>,
) -> Result<T, Fault> {
    let text = entry.required(key)?;
    if let Some(why) = name_fault(text) {
        return Err(entry.fault(key, &why));
    }
    let name = text.parse().map_err(|_| entry.fault(key, "too long"))?;
    if known.any(|known| known == name) {
        return Err(entry.fault(key, "declared twice"));
    }
    Ok(name)
}

/// The code or symbol at `key`, which no currency and no instrument has yet: deposits name either.
fn new_asset(entry: &Section, key: &str, all: &Reference) -> Result<Symbol, Fault> {
    let currencies = all.currencies.iter().map(|known| known.code);
    new_name(entry, key, currencies.chain(all.instruments.iter().map(|known| known.symbol)))
}

//! Reference data in the file: currencies, instruments, participants, accounts, sessions and first deposits.
//!
//! Cross-references are checked here, so that what a command is later made of cannot name what is not there.
use super::decimal::Decimal;
use super::reader::{Fault, Section};
use super::settings::name_fault;
use super::words::{ParticipantKind, ReplaceRule, SelfTrade, SessionKind};

/// Characters that an instrument's symbol or a currency's code may have.
pub const SYMBOL_CHARS_MAX: usize = 16;
/// Digits of a currency behind the point; 18 is what the finest ones in use have.
const CURRENCY_DECIMALS_MAX: u32 = 18;
/// A fee of all that was traded; more would make a fill cost more than the order.
const FEE_PPM_MAX: u32 = 1_000_000;
/// Characters of a password.
const PASSWORD_CHARS_MAX: usize = 64;
/// Characters of a deposit's id.
const DEPOSIT_ID_CHARS_MAX: usize = 36;

/// What an empty journal is told first, in the file's order. Every name that is referred to is in here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// Currencies.
    pub currencies: Vec<Currency>,
    /// Instruments.
    pub instruments: Vec<Instrument>,
    /// Participants.
    pub participants: Vec<Participant>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Sessions.
    pub sessions: Vec<Session>,
    /// Deposits.
    pub deposits: Vec<Deposit>,
}

/// Money of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency {
    /// Its code, unique among currencies and symbols.
    pub code: String,
    /// Digits behind the point; the smallest unit is 10^-decimals.
    pub decimals: u32,
}

/// What is traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// Its symbol, unique among currencies and symbols.
    pub symbol: String,
    /// The smallest step of its price, in the currency.
    pub tick: Decimal,
    /// The smallest step of its quantity.
    pub lot: Decimal,
    /// The code of the currency that it trades in.
    pub currency: String,
    /// What one lot costs at a price of one tick, in the currency's smallest units.
    pub tick_lot_cash: i64,
    /// Fee of the side that rested.
    pub maker_fee_ppm: u32,
    /// Fee of the side that came.
    pub taker_fee_ppm: u32,
    /// What a replace does to an order's place.
    pub replace: ReplaceRule,
}

/// A member of the market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Its name.
    pub name: String,
    /// What it is to the market.
    pub kind: ParticipantKind,
    /// What happens when its own orders meet.
    pub self_trade: SelfTrade,
}

/// Whose money and holdings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, unique on the exchange.
    pub name: String,
    /// The participant that it belongs to.
    pub participant: String,
}

/// Who may log on, and act for whom.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Its CompID.
    pub comp_id: String,
    /// Its participant.
    pub participant: String,
    /// The accounts that it may act for; an order without an account uses the first.
    pub accounts: Vec<String>,
    /// Its password in the clear, as the file has it; only its hash goes into a journal.
    pub password: String,
    /// What it is for.
    pub kind: SessionKind,
    /// Whether its orders are cancelled when its connection is lost.
    pub cancel_on_disconnect: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("comp_id", &self.comp_id)
            .field("participant", &self.participant)
            .field("accounts", &self.accounts)
            .field("kind", &self.kind)
            .field("cancel_on_disconnect", &self.cancel_on_disconnect)
            .finish_non_exhaustive()
    }
}

/// What an account is given; an id counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// Its id.
    pub id: String,
    /// The account that gets it.
    pub account: String,
    /// A currency's code or an instrument's symbol.
    pub asset: String,
    /// How much.
    pub amount: Amount,
}

/// An amount of an asset, as a whole number of what that asset is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Smallest units of a currency.
    Cash(i128),
    /// Lots of an instrument.
    Lots(i64),
}

pub(super) fn read(root: &Section) -> Result<Reference, Fault> {
    let mut all = Reference::default();
    for entry in root.entries("currency", "code", &["code", "decimals"])? {
        let currency = currency(&entry, &all)?;
        all.currencies.push(currency);
    }
    let keys = ["symbol", "tick", "lot", "currency", "maker_fee_ppm", "taker_fee_ppm", "replace"];
    for entry in root.entries("instrument", "symbol", &keys)? {
        let instrument = instrument(&entry, &all)?;
        all.instruments.push(instrument);
    }
    for entry in root.entries("participant", "name", &["name", "kind", "self_trade"])? {
        let name = new_name(&entry, "name", all.participants.iter().map(|known| &known.name))?;
        let kind = entry.word("kind", None)?;
        let self_trade = entry.word("self_trade", Some(SelfTrade::Off))?;
        all.participants.push(Participant { name, kind, self_trade });
    }
    for entry in root.entries("account", "name", &["name", "participant"])? {
        let name = new_name(&entry, "name", all.accounts.iter().map(|known| &known.name))?;
        let participant = known_participant(&entry, &all)?;
        all.accounts.push(Account { name, participant });
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

fn currency(entry: &Section, all: &Reference) -> Result<Currency, Fault> {
    let code = new_asset(entry, "code", all)?;
    Ok(Currency { code, decimals: entry.whole("decimals", 2, 0..=CURRENCY_DECIMALS_MAX)? })
}

fn instrument(entry: &Section, all: &Reference) -> Result<Instrument, Fault> {
    let symbol = new_asset(entry, "symbol", all)?;
    let code = entry.required("currency")?;
    let Some(currency) = all.currencies.iter().find(|currency| currency.code == code) else {
        return Err(entry.fault("currency", &format!("no currency {code} is declared above")));
    };
    let step = |key| match entry.decimal(key)? {
        zero if zero.units == 0 => Err(entry.fault(key, "a step may not be 0")),
        step => Ok(step),
    };
    let (tick, lot) = (step("tick")?, step("lot")?);
    let value = tick.times(lot).and_then(|value| value.in_units_of(currency.decimals));
    let Some(value) = value else {
        let why = format!(
            "tick × lot ({tick} × {lot}) has to be a whole number of 10^-{} {code}, its currency's smallest unit",
            currency.decimals
        );
        return Err(entry.fault("tick", &why));
    };
    let Ok(tick_lot_cash) = i64::try_from(value) else {
        return Err(entry.fault("tick", "tick × lot is too large"));
    };
    Ok(Instrument {
        symbol,
        tick,
        lot,
        currency: code.to_owned(),
        tick_lot_cash,
        maker_fee_ppm: entry.whole("maker_fee_ppm", 0, 0..=FEE_PPM_MAX)?,
        taker_fee_ppm: entry.whole("taker_fee_ppm", 0, 0..=FEE_PPM_MAX)?,
        replace: entry.word("replace", Some(ReplaceRule::KeepOnDecrease))?,
    })
}

fn session(entry: &Section, all: &Reference) -> Result<Session, Fault> {
    let comp_id = new_name(entry, "comp_id", all.sessions.iter().map(|known| &known.comp_id))?;
    let participant = known_participant(entry, all)?;
    let kind = entry.word("kind", Some(SessionKind::Trading))?;
    let accounts = entry.texts("accounts")?;
    for (index, name) in accounts.iter().enumerate() {
        let fault = |why: &str| Err(entry.fault("accounts", &format!("{name}: {why}")));
        match all.accounts.iter().find(|account| account.name == *name) {
            None => return fault("no such account is declared"),
            Some(account) if account.participant != participant => {
                return fault(&format!("this account belongs to {}", account.participant));
            }
            Some(_) if accounts[..index].contains(name) => return fault("named twice"),
            Some(_) => {}
        }
    }
    if accounts.is_empty() && kind == SessionKind::Trading {
        return Err(entry.fault("accounts", "a trading session needs at least one account"));
    }
    let password = entry.required("password")?.to_owned();
    let sayable = |byte: u8| byte.is_ascii_graphic() && byte != b'|';
    if password.is_empty() || password.len() > PASSWORD_CHARS_MAX || !password.bytes().all(sayable) {
        let why = "a password has 1 to 64 printable ASCII characters, no space and no '|'";
        return Err(entry.fault("password", why));
    }
    let cancel_on_disconnect = entry.flag("cancel_on_disconnect")?;
    if cancel_on_disconnect && kind == SessionKind::MarketData {
        return Err(entry.fault("cancel_on_disconnect", "a market-data session has no orders to cancel"));
    }
    Ok(Session { comp_id, participant, accounts, password, kind, cancel_on_disconnect })
}

fn deposit(entry: &Section, all: &Reference) -> Result<Deposit, Fault> {
    let id = entry.required("id")?.to_owned();
    if id.is_empty() || id.len() > DEPOSIT_ID_CHARS_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(entry.fault("id", "an id has 1 to 36 printable ASCII characters and no space"));
    }
    if all.deposits.iter().any(|known| known.id == id) {
        return Err(entry.fault("id", "two deposits have this id; an id counts once"));
    }
    let account = entry.required("account")?.to_owned();
    if !all.accounts.iter().any(|known| known.name == account) {
        return Err(entry.fault("account", "no such account is declared"));
    }
    let asset = entry.required("asset")?.to_owned();
    let amount = amount(entry, &asset, all)?;
    Ok(Deposit { id, account, asset, amount })
}

fn amount(entry: &Section, asset: &str, all: &Reference) -> Result<Amount, Fault> {
    let currency = all.currencies.iter().find(|currency| currency.code == asset);
    let instrument = all.instruments.iter().find(|instrument| instrument.symbol == asset);
    let decimal = entry.decimal("amount")?;
    if decimal.units == 0 {
        return Err(entry.fault("amount", "nothing is deposited"));
    }
    match (currency, instrument) {
        (Some(currency), _) => decimal.in_units_of(currency.decimals).map(Amount::Cash).ok_or_else(|| {
            let digits = currency.decimals;
            entry.fault("amount", &format!("{asset} has {digits} digits behind the point"))
        }),
        (None, Some(instrument)) => {
            let lots = decimal.count_of(instrument.lot).and_then(|lots| i64::try_from(lots).ok());
            let why =
                || format!("has to be a whole number of lots of {}, and less than 2^63", instrument.lot);
            lots.map(Amount::Lots).ok_or_else(|| entry.fault("amount", &why()))
        }
        (None, None) => Err(entry.fault("asset", "no currency or instrument of this name is declared")),
    }
}

fn known_participant(entry: &Section, all: &Reference) -> Result<String, Fault> {
    let name = entry.required("participant")?;
    if all.participants.iter().any(|known| known.name == name) {
        Ok(name.to_owned())
    } else {
        Err(entry.fault("participant", "no such participant is declared"))
    }
}

/// The name at `key`, which nothing of its kind has yet.
fn new_name<'a>(
    entry: &Section,
    key: &str,
    mut known: impl Iterator<Item = &'a String>,
) -> Result<String, Fault> {
    let name = entry.required(key)?;
    match name_fault(name) {
        Some(why) => Err(entry.fault(key, &why)),
        None if known.any(|known| known == name) => Err(entry.fault(key, "declared twice")),
        None => Ok(name.to_owned()),
    }
}

/// The code or symbol at `key`, which no currency and no instrument has yet: deposits name either.
fn new_asset(entry: &Section, key: &str, all: &Reference) -> Result<String, Fault> {
    let currencies = all.currencies.iter().map(|known| &known.code);
    let name = new_name(entry, key, currencies.chain(all.instruments.iter().map(|known| &known.symbol)))?;
    if name.len() > SYMBOL_CHARS_MAX {
        return Err(entry.fault(key, &format!("at most {SYMBOL_CHARS_MAX} characters")));
    }
    Ok(name)
}

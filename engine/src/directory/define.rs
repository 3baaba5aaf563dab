//! Definitions: what is added, what may change, and what is refused.

use rialto_protocol::money::DECIMALS_MAX;
use rialto_protocol::reference::{
    AccountDef, CurrencyDef, Grant, InstrumentDef, Operation, ParticipantDef, SessionDef,
};
use rialto_protocol::terms::MarketState;
use rialto_protocol::{AccountId, AssetId, CurrencyId, Decimal, InstrumentId, ParticipantId};

use super::entries::{Account, Asset, Currency, Instrument, Participant, Session};
use super::{Directory, Refusal};

/// Highest fee: all of a trade's value, so that what a seller gets is never negative.
const FEE_PPM_MAX: u32 = 1_000_000;

/// A definition that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defined {
    /// Its number, of the type that the operation defines (of a grant: the session's).
    pub id: u32,
    /// Number of what it belongs to: an account's or session's participant, an instrument's currency, a grant's
    /// account; else 0.
    pub owner: u32,
    /// Whether anything is new; false where the same was defined before.
    pub changed: bool,
}

impl Directory {
    /// Adds what an operation defines, or changes what may change of it. The same definition again changes nothing.
    pub fn define(&mut self, operation: &Operation) -> Result<Defined, Refusal> {
        match operation {
            Operation::Currency(def) => self.define_currency(def),
            Operation::Instrument(def) => self.define_instrument(def),
            Operation::Participant(def) => self.define_participant(def),
            Operation::Account(def) => self.define_account(def),
            Operation::Session(def) => self.define_session(def),
            Operation::Grant(grant) => self.grant(grant),
            Operation::Transfer(_)
            | Operation::Loaded
            | Operation::Market(..)
            | Operation::CancelAll(_)
            | Operation::Bust(_)
            | Operation::DayEnd
            | Operation::Kill(..)
            | Operation::Limits(_)
            | Operation::SessionReset(_)
            | Operation::Policy(_)
            | Operation::CancelOnly(_) => Err(Refusal::new("not a definition")),
        }
    }

    fn define_currency(&mut self, def: &CurrencyDef) -> Result<Defined, Refusal> {
        check_name("currency", def.code.as_bytes())?;
        if let Ok((id, known)) = self.currencies.named(def.code.as_bytes()) {
            let was = format!("{} decimals", known.decimals);
            keeps(known.decimals == def.decimals, "currency", &def.code, &was)?;
            return Ok(Defined { id, owner: 0, changed: false });
        }
        if def.decimals > DECIMALS_MAX {
            return Err(Refusal::new(format!(
                "currency {}: {} decimals, at most {DECIMALS_MAX} are allowed",
                def.code, def.decimals
            )));
        }
        if self.instruments.find(def.code.as_bytes()).is_some() {
            return Err(Refusal::new(format!("{} is the symbol of an instrument", def.code)));
        }
        let asset = self.next_asset();
        let id = self.currencies.add(Currency { code: def.code, decimals: def.decimals, asset })?;
        self.assets.push(Asset::Currency(CurrencyId(id)));
        Ok(Defined { id, owner: 0, changed: true })
    }

    fn define_instrument(&mut self, def: &InstrumentDef) -> Result<Defined, Refusal> {
        let what = "instrument";
        check_name(what, def.symbol.as_bytes())?;
        for (fee, side) in [(def.maker_fee_ppm, "maker"), (def.taker_fee_ppm, "taker")] {
            if fee > FEE_PPM_MAX {
                return Err(Refusal::new(format!(
                    "instrument {}: a {side} fee of {fee} ppm is more than the whole trade",
                    def.symbol
                )));
            }
        }
        let (currency, _) = self.currencies.named(def.currency.as_bytes())?;
        if self.instruments.find(def.symbol.as_bytes()).is_none() {
            let id = self.add_instrument(def)?;
            return Ok(Defined { id, owner: currency, changed: true });
        }
        let (id, known) = self.instruments.named_mut(def.symbol.as_bytes())?;
        keeps(equal(known.tick, def.tick), what, &def.symbol, &format!("tick {}", known.tick))?;
        keeps(equal(known.lot, def.lot), what, &def.symbol, &format!("lot {}", known.lot))?;
        keeps(known.currency.0 == currency, what, &def.symbol, "its currency")?;
        let changed = Instrument {
            maker_fee_ppm: def.maker_fee_ppm,
            taker_fee_ppm: def.taker_fee_ppm,
            replace: def.replace,
            midpoint: def.midpoint,
            ..*known
        };
        let before = std::mem::replace(known, changed);
        Ok(Defined { id, owner: currency, changed: before != changed })
    }

    fn add_instrument(&mut self, def: &InstrumentDef) -> Result<u32, Refusal> {
        if self.currencies.find(def.symbol.as_bytes()).is_some() {
            return Err(Refusal::new(format!("{} is the code of a currency", def.symbol)));
        }
        for (step, what) in [(def.tick, "tick"), (def.lot, "lot")] {
            if step.mantissa <= 0 || step.decimals > DECIMALS_MAX {
                return Err(Refusal::new(format!(
                    "instrument {}: {what} {step} is not a positive step of at most {DECIMALS_MAX} decimals",
                    def.symbol
                )));
            }
        }
        let (currency, money) = self.currencies.named(def.currency.as_bytes())?;
        let (cash, asset) = (money.asset, self.next_asset());
        let unit = unit(def, money)?;
        let id = self.instruments.add(Instrument {
            unit,
            maker_fee_ppm: def.maker_fee_ppm,
            taker_fee_ppm: def.taker_fee_ppm,
            currency: CurrencyId(currency),
            asset,
            cash,
            market: if self.loaded { MarketState::Open } else { MarketState::Closed },
            replace: def.replace,
            midpoint: def.midpoint,
            limits: None,
            symbol: def.symbol,
            tick: shortest(def.tick),
            lot: shortest(def.lot),
        })?;
        self.assets.push(Asset::Instrument(InstrumentId(id)));
        Ok(id)
    }

    fn define_participant(&mut self, def: &ParticipantDef) -> Result<Defined, Refusal> {
        check_name("participant", def.name.as_bytes())?;
        if self.participants.find(def.name.as_bytes()).is_none() {
            let (kind, self_trade) = (def.kind, def.self_trade);
            let entry = Participant { name: def.name, kind, self_trade, killed: false };
            return Ok(Defined { id: self.participants.add(entry)?, owner: 0, changed: true });
        }
        let (id, known) = self.participants.named_mut(def.name.as_bytes())?;
        keeps(known.kind == def.kind, "participant", &def.name, "its kind")?;
        let before = std::mem::replace(&mut known.self_trade, def.self_trade);
        Ok(Defined { id, owner: 0, changed: before != def.self_trade })
    }

    fn define_account(&mut self, def: &AccountDef) -> Result<Defined, Refusal> {
        check_name("account", def.name.as_bytes())?;
        let (owner, _) = self.participants.named(def.participant.as_bytes())?;
        if let Ok((id, known)) = self.accounts.named(def.name.as_bytes()) {
            keeps(known.participant.0 == owner, "account", &def.name, "its participant")?;
            return Ok(Defined { id, owner, changed: false });
        }
        let id = self.accounts.add(Account {
            participant: ParticipantId(owner),
            killed: false,
            limited_by_instrument: false,
            limits: None,
            name: def.name,
        })?;
        Ok(Defined { id, owner, changed: true })
    }

    fn define_session(&mut self, def: &SessionDef) -> Result<Defined, Refusal> {
        check_name("session", def.comp_id.as_bytes())?;
        let (owner, _) = self.participants.named(def.participant.as_bytes())?;
        if self.sessions.find(def.comp_id.as_bytes()).is_none() {
            let id = self.sessions.add(Session {
                default_account: AccountId::NONE,
                participant: ParticipantId(owner),
                accounts: Vec::new(),
                killed: false,
                kind: def.kind,
                cancel_on_disconnect: def.cancel_on_disconnect,
                comp_id: def.comp_id,
                secret: def.secret,
            })?;
            return Ok(Defined { id, owner, changed: true });
        }
        let (id, known) = self.sessions.named_mut(def.comp_id.as_bytes())?;
        keeps(known.participant.0 == owner, "session", &def.comp_id, "its participant")?;
        keeps(known.kind == def.kind, "session", &def.comp_id, "its kind")?;
        let asked = (def.cancel_on_disconnect, def.secret);
        let changed = (known.cancel_on_disconnect, known.secret) != asked;
        (known.cancel_on_disconnect, known.secret) = asked;
        Ok(Defined { id, owner, changed })
    }

    fn grant(&mut self, grant: &Grant) -> Result<Defined, Refusal> {
        let (owner, _) = self.accounts.named(grant.account.as_bytes())?;
        let (id, session) = self.sessions.named_mut(grant.session.as_bytes())?;
        let account = AccountId(owner);
        let Err(place) = session.accounts.binary_search(&account) else {
            return Ok(Defined { id, owner, changed: false });
        };
        session.accounts.insert(place, account);
        if !session.default_account.is_some() {
            session.default_account = account;
        }
        Ok(Defined { id, owner, changed: true })
    }

    fn next_asset(&self) -> AssetId {
        AssetId(u32::try_from(self.assets.len() + 1).expect("currencies and instruments are few"))
    }
}

/// What one tick of one lot is worth, in the currency's smallest units.
fn unit(def: &InstrumentDef, currency: &Currency) -> Result<i64, Refusal> {
    let (tick, lot) = (shortest(def.tick), shortest(def.lot));
    let smallest = Decimal::new(1, currency.decimals);
    let worth = tick.mantissa.checked_mul(lot.mantissa).and_then(|product| {
        shortest(Decimal::new(product, tick.decimals + lot.decimals)).in_units_of(smallest)
    });
    match worth.map(i64::try_from) {
        Some(Ok(unit)) => Ok(unit),
        Some(Err(_)) | None => Err(Refusal::new(format!(
            "instrument {}: tick {tick} x lot {lot} is not a whole number of {smallest} {} that fits 63 bits",
            def.symbol, currency.code
        ))),
    }
}

/// A name has 1 or more printable characters, and none that the line protocol or a person takes for an end of it.
fn check_name(what: &str, name: &[u8]) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(format!("a {what} needs a name")));
    }
    if name.iter().any(|byte| matches!(byte, b'|' | b'=' | b' ')) {
        return Err(Refusal::new(format!(
            "{what} {:?}: a name has no space, '|' or '='",
            String::from_utf8_lossy(name)
        )));
    }
    Ok(())
}

fn keeps(same: bool, what: &str, name: &dyn std::fmt::Display, was: &str) -> Result<(), Refusal> {
    if same {
        return Ok(());
    }
    Err(Refusal::new(format!("{what} {name}: {was} cannot change once it is defined")))
}

fn equal(a: Decimal, b: Decimal) -> bool {
    shortest(a) == shortest(b)
}

/// The same number with no zeros behind its last digit that counts.
fn shortest(mut decimal: Decimal) -> Decimal {
    while decimal.decimals > 0 && decimal.mantissa % 10 == 0 {
        decimal.mantissa /= 10;
        decimal.decimals -= 1;
    }
    decimal
}

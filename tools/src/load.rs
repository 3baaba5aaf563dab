//! A configuration file's reference data as the operations that an empty journal is told first.

use rialto_protocol::reference::{
    AccountDef, CurrencyDef, Grant, InstrumentDef, Limits, Operation, ParticipantDef, SessionDef, Transfer,
};
use rialto_protocol::terms;
use rialto_protocol::{Decimal, Name, Symbol};
use sha2::{Digest, Sha256};

use crate::config::{self, Config};

/// All that the file defines, in an order in which nothing names what is not there yet; [`Operation::Loaded`] is not
/// among it. Fails only where a limit of the records is narrower than the file's.
pub fn operations(config: &Config) -> anyhow::Result<Vec<Operation>> {
    let reference = &config.reference;
    let mut all = vec![Operation::Limits(Limits {
        account: Name::EMPTY,
        instrument: Symbol::EMPTY,
        quantity_max: 0,
        value_max: 0,
        collar_ppm: 0,
        orders_open_max: config.limits.orders_open_max,
    })];
    for currency in &reference.currencies {
        let decimals = u8::try_from(currency.decimals)?;
        all.push(Operation::Currency(CurrencyDef { code: currency.code.parse()?, decimals }));
    }
    for instrument in &reference.instruments {
        all.push(Operation::Instrument(instrument_def(instrument)?));
    }
    for participant in &reference.participants {
        all.push(Operation::Participant(ParticipantDef {
            name: participant.name.parse()?,
            kind: participant_kind(participant.kind),
            self_trade: self_trade(participant.self_trade),
        }));
    }
    for account in &reference.accounts {
        let (name, participant) = (account.name.parse()?, account.participant.parse()?);
        all.push(Operation::Account(AccountDef { name, participant }));
    }
    for session in &reference.sessions {
        push_session(session, &mut all)?;
    }
    for deposit in &reference.deposits {
        all.push(Operation::Transfer(transfer(deposit, reference)?));
    }
    Ok(all)
}

/// What is kept of a password.
pub fn secret(password: &str) -> [u8; 32] {
    Sha256::digest(password.as_bytes()).into()
}

fn instrument_def(instrument: &config::Instrument) -> anyhow::Result<InstrumentDef> {
    Ok(InstrumentDef {
        symbol: instrument.symbol.parse()?,
        currency: instrument.currency.parse()?,
        tick: decimal(instrument.tick)?,
        lot: decimal(instrument.lot)?,
        maker_fee_ppm: instrument.maker_fee_ppm,
        taker_fee_ppm: instrument.taker_fee_ppm,
        replace: match instrument.replace {
            config::ReplaceRule::KeepOnDecrease => terms::ReplaceRule::KeepOnDecrease,
            config::ReplaceRule::Requeue => terms::ReplaceRule::Requeue,
        },
        midpoint: false,
    })
}

fn push_session(session: &config::Session, all: &mut Vec<Operation>) -> anyhow::Result<()> {
    let comp_id: Name = session.comp_id.parse()?;
    all.push(Operation::Session(SessionDef {
        comp_id,
        participant: session.participant.parse()?,
        kind: match session.kind {
            config::SessionKind::Trading => terms::SessionKind::Trading,
            config::SessionKind::MarketData => terms::SessionKind::MarketData,
        },
        cancel_on_disconnect: session.cancel_on_disconnect,
        secret: secret(&session.password),
    }));
    for account in &session.accounts {
        all.push(Operation::Grant(Grant { session: comp_id, account: account.parse()? }));
    }
    Ok(())
}

fn transfer(deposit: &config::Deposit, reference: &config::Reference) -> anyhow::Result<Transfer> {
    let amount = match deposit.amount {
        config::Amount::Cash(units) => {
            let currency = reference.currencies.iter().find(|currency| currency.code == deposit.asset);
            let decimals = currency.map_or(0, |currency| currency.decimals);
            Decimal::new(units, u8::try_from(decimals)?)
        }
        config::Amount::Lots(lots) => {
            let instrument = reference.instruments.iter().find(|found| found.symbol == deposit.asset);
            let lot = instrument.map_or(Ok(Decimal::new(1, 0)), |found| decimal(found.lot))?;
            lot.times(i128::from(lots)).ok_or_else(|| anyhow::anyhow!("deposit {}: too large", deposit.id))?
        }
    };
    Ok(Transfer {
        id: deposit.id.parse()?,
        account: deposit.account.parse()?,
        asset: deposit.asset.parse()?,
        amount,
        withdraw: false,
    })
}

fn decimal(decimal: config::Decimal) -> anyhow::Result<Decimal> {
    Ok(Decimal::new(decimal.units, u8::try_from(decimal.scale)?))
}

fn participant_kind(kind: config::ParticipantKind) -> terms::ParticipantKind {
    match kind {
        config::ParticipantKind::Broker => terms::ParticipantKind::Broker,
        config::ParticipantKind::Institution => terms::ParticipantKind::Institution,
        config::ParticipantKind::Operator => terms::ParticipantKind::Operator,
    }
}

fn self_trade(rule: config::SelfTrade) -> terms::SelfTrade {
    match rule {
        config::SelfTrade::Off => terms::SelfTrade::Off,
        config::SelfTrade::CancelNewest => terms::SelfTrade::CancelNewest,
        config::SelfTrade::CancelOldest => terms::SelfTrade::CancelOldest,
        config::SelfTrade::CancelBoth => terms::SelfTrade::CancelBoth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn a_deposit_is_told_in_the_decimals_that_people_write() {
        let text = r#"
            node = { name = "n1", cluster = "test" }
            listen = { fix = "127.0.0.1:0" }
            currency = [{ code = "USD", decimals = 2 }]
            instrument = [{ symbol = "ACME", tick = "0.01", lot = "50", currency = "USD" }]
            participant = [{ name = "ALPHA", kind = "broker" }]
            account = [{ name = "A1", participant = "ALPHA" }]
            session = [{ comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret" }]
            deposit = [{ id = "d1", account = "A1", asset = "USD", amount = "1000.50" },
                       { id = "d2", account = "A1", asset = "ACME", amount = "5000" }]
        "#;
        let config = Config::parse("test.toml", text, &Overrides::default()).unwrap();
        let amounts: Vec<String> = operations(&config)
            .unwrap()
            .iter()
            .filter_map(|operation| match operation {
                Operation::Transfer(transfer) => Some(transfer.amount.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(amounts, ["1000.5", "5000"]);
    }
}

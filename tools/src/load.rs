//! A configuration file's reference data as the operations that an empty journal is told first.
use rialto_protocol::reference::{Limits, Operation};
use rialto_protocol::{Name, Symbol};

use crate::config::{self, Config};

/// All that the file defines, in an order in which nothing names what is not there yet; [`Operation::Loaded`] is not
/// among it.
pub fn operations(config: &Config) -> anyhow::Result<Vec<Operation>> {
    let mut all = vec![Operation::Limits(Limits {
        account: Name::EMPTY,
        instrument: Symbol::EMPTY,
        quantity_max: 0,
        value_max: 0,
        collar_ppm: 0,
        orders_open_max: config.limits.orders_open_max,
    })];
    all.extend(config.reference.operations());
    Ok(all)
}

/// What is kept of a password.
pub fn secret(password: &str) -> [u8; 32] {
    config::secret_of(password.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn a_deposit_is_told_in_the_decimals_that_people_write() {
        let text = r#"
            currency = [{ code = "USD", decimals = 2 }]
            instrument = [{ symbol = "ACME", tick = "0.01", lot = "50", currency = "USD" }]
            participant = [{ name = "ALPHA", kind = "broker" }]
            account = [{ name = "A1", participant = "ALPHA" }]
            session = [{ comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret" }]
            deposit = [{ id = "d1", account = "A1", asset = "USD", amount = "1000.50" },
                       { id = "d2", account = "A1", asset = "ACME", amount = "5000" }]
        "#;
        let config = Config::parse("test.toml", text, &Overrides::default()).unwrap();
        let all = operations(&config).unwrap();
        assert!(matches!(all[0], Operation::Limits(limits) if limits.orders_open_max == 1_000_000));
        let mut amounts = Vec::new();
        for operation in &all {
            if let Operation::Transfer(transfer) = operation {
                amounts.push(transfer.amount.to_string());
            }
        }
        assert_eq!(amounts, ["1000.5", "5000"]);
    }
}

//! What is traded in the demo, by whom, and with what: its configuration file, made here instead of read.
//!
//! All prices are whole cents and all quantities whole shares, so that traders decide in integers.

use std::fmt::Write;

use crate::config::{Config, Overrides};

/// A price in cents.
pub type Cents = i64;

/// What is traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instrument {
    /// Its symbol.
    pub symbol: &'static str,
    /// Where its fair price starts.
    pub start: Cents,
}

/// The five instruments.
pub const INSTRUMENTS: [Instrument; 5] = [
    Instrument { symbol: "ACME", start: 1_025 },
    Instrument { symbol: "BOLT", start: 4_810 },
    Instrument { symbol: "CORN", start: 560 },
    Instrument { symbol: "DUNE", start: 12_000 },
    Instrument { symbol: "ECHO", start: 7_745 },
];

/// Market makers that quote each instrument.
pub const MAKERS_PER_INSTRUMENT: usize = 2;
/// Traders that buy and sell at random.
pub const NOISE_TRADERS: usize = 5;
/// Traders that follow a trend.
pub const MOMENTUM_TRADERS: usize = 2;

/// The session and account that whoever watches may trade with.
pub const GUEST: &str = "YOU";
/// Its password; the port is open to this machine alone.
pub const GUEST_PASSWORD: &str = "demo";
/// The password of the simulated traders.
pub const TRADER_PASSWORD: &str = "demo-trader";

/// The session that the live view has its books from, where the nodes are processes of their own.
pub const WATCHER: &str = "WATCH";
/// Its password.
pub const WATCHER_PASSWORD: &str = "demo-watch";

/// Dollars that each simulated trader starts with, and shares of each instrument: more than a day of the demo moves.
const TRADER_USD: u64 = 10_000_000_000;
const TRADER_SHARES: u64 = 100_000_000;
const GUEST_USD: u64 = 1_000_000;
const GUEST_SHARES: u64 = 10_000;

/// Names of the simulated traders' sessions, in the order of their numbers.
pub fn trader_names() -> Vec<String> {
    let makers = INSTRUMENTS.len() * MAKERS_PER_INSTRUMENT;
    let kinds = [("MAKER", makers), ("NOISE", NOISE_TRADERS), ("TREND", MOMENTUM_TRADERS)];
    kinds.iter().flat_map(|(kind, count)| (1..=*count).map(move |n| format!("{kind}{n}"))).collect()
}

/// The configuration of a node on its own. Demos that run at the same time must differ in `cluster`.
pub fn config(cluster: &str) -> anyhow::Result<Config> {
    let text = toml(&node("demo", cluster))?;
    Ok(Config::parse("the demo's configuration", &text, &Overrides::default())?)
}

/// The line that says which node a configuration is for.
pub fn node(name: &str, cluster: &str) -> String {
    format!(
        "node = {{ name = \"{name}\", cluster = \"{cluster}\", idle = \"park\", segment_mib = 16, shm_mib = 16 }}\n"
    )
}

/// A whole configuration, of the lines that differ from node to node, and what is traded by whom.
pub fn toml(node: &str) -> Result<String, std::fmt::Error> {
    let mut text = format!("{node}[[currency]]\ncode = \"USD\"\ndecimals = 6\n");
    for Instrument { symbol, .. } in INSTRUMENTS {
        let fees = "maker_fee_ppm = 0\ntaker_fee_ppm = 50";
        let units = "tick = \"0.01\"\nlot = \"1\"\ncurrency = \"USD\"";
        writeln!(text, "[[instrument]]\nsymbol = \"{symbol}\"\n{units}\n{fees}")?;
    }
    for name in trader_names() {
        member(&mut text, &name, TRADER_PASSWORD, (TRADER_USD, TRADER_SHARES))?;
    }
    member(&mut text, GUEST, GUEST_PASSWORD, (GUEST_USD, GUEST_SHARES))?;
    writeln!(text, "[[session]]\ncomp_id = \"{WATCHER}\"\nparticipant = \"{GUEST}\"")?;
    writeln!(text, "password = \"{WATCHER_PASSWORD}\"\nkind = \"market-data\"")?;
    Ok(text)
}

/// A participant with an account of the same name, a session of the same name, and something to trade with.
fn member(text: &mut String, name: &str, password: &str, (usd, shares): (u64, u64)) -> std::fmt::Result {
    let leaves = name != GUEST;
    writeln!(
        text,
        "[[participant]]\nname = \"{name}\"\nkind = \"institution\"\nself_trade = \"cancel-oldest\""
    )?;
    writeln!(text, "[[account]]\nname = \"{name}\"\nparticipant = \"{name}\"")?;
    writeln!(text, "[[session]]\ncomp_id = \"{name}\"\nparticipant = \"{name}\"\naccounts = [\"{name}\"]")?;
    writeln!(text, "password = \"{password}\"\nkind = \"trading\"\ncancel_on_disconnect = {leaves}")?;
    let mut deposit = |asset: &str, amount: u64| {
        let id = format!("{name}-{asset}");
        writeln!(
            text,
            "[[deposit]]\nid = \"{id}\"\naccount = \"{name}\"\nasset = \"{asset}\"\namount = \"{amount}\""
        )
    };
    deposit("USD", usd)?;
    INSTRUMENTS.iter().try_for_each(|instrument| deposit(instrument.symbol, shares))
}

/// A price as people write it.
pub fn price_text(price: Cents) -> String {
    format!("{}.{:02}", price / 100, price % 100)
}

/// A price out of a message: at most two digits behind the point.
pub fn price_of(text: &str) -> Option<Cents> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let cents: Cents = match rest.len() {
        0 => 0,
        1 => rest.parse::<Cents>().ok()? * 10,
        2 => rest.parse().ok()?,
        _ => return None,
    };
    whole.parse::<Cents>().ok()?.checked_mul(100)?.checked_add(cents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_configuration_is_one_that_serve_would_take() {
        let config = config("demo-1").unwrap();
        assert_eq!(config.reference.instruments.len(), 5);
        assert_eq!(config.reference.sessions.len(), trader_names().len() + 2);
        assert_eq!(config.node.shm_mib, 16);
    }

    #[test]
    fn a_price_reads_back_as_it_was_written() {
        for (text, price) in [("10.25", 1025), ("10.2", 1020), ("10", 1000), ("0.07", 7)] {
            assert_eq!(price_of(text), Some(price), "{text}");
        }
        assert_eq!(price_text(1025), "10.25");
        assert_eq!(price_text(7), "0.07");
        for text in ["", "x", "1.234", "1.x"] {
            assert_eq!(price_of(text), None, "{text}");
        }
    }
}

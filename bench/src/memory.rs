//! How much memory does the exchange's state take, with so many accounts and open orders?
//!
//! Private memory of this process before and after the orders came in, by the kernel's own count. A node holds the state
//! twice (the shadow that makes snapshots has its own), and beside it the rings and logs in shared memory.

use std::fs;

use anyhow::{Context, anyhow};
use rialto_engine::exchange::ORDERS_OPEN_MAX;
use rialto_engine::stage::{Stage, plain_instrument};
use rialto_protocol::command::{NewOrder, OrderTerms};
use rialto_protocol::terms::SelfTrade;
use rialto_protocol::{AccountId, ClOrdId, Command, Decimal, InstrumentId, Price, Quantity, SessionId, Side};
use serde::Serialize;

use crate::machine::Machine;

/// Instruments that the orders are spread over.
const INSTRUMENTS: u32 = 100;
/// Members, each with one session and an equal share of the accounts.
const MEMBERS: u32 = 100;
/// Ticks from the middle to the worst order of a side.
const LEVELS: u32 = 500;
const MIDDLE: i64 = 10_000;

/// What a run says.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryReport {
    /// Accounts, each with cash and holdings.
    pub accounts: u32,
    /// Open orders.
    pub orders: u32,
    /// Private memory before there was an exchange, MiB.
    pub before_mib: f64,
    /// What was added once accounts were there.
    pub accounts_mib: f64,
    /// What was added once orders were there too: the whole state.
    pub state_mib: f64,
    /// What it was measured on.
    pub machine: Machine,
}

/// Fills an exchange and weighs it.
pub fn run(accounts: u32, orders: u32) -> anyhow::Result<MemoryReport> {
    if orders == 0 || orders > ORDERS_OPEN_MAX || accounts < MEMBERS {
        return Err(anyhow!(
            "{orders} orders of {accounts} accounts: at most {ORDERS_OPEN_MAX}, at least {MEMBERS}"
        ));
    }
    let before = private_mib()?;
    let mut stage = peopled(accounts).map_err(|words| anyhow!(words))?;
    let with_accounts = private_mib()?;
    for number in 0..orders {
        enter(&mut stage, accounts, number);
    }
    let open = stage.exchange.orders_open();
    if open != orders as usize {
        return Err(anyhow!("{open} of {orders} orders are open"));
    }
    Ok(MemoryReport {
        accounts,
        orders,
        before_mib: before,
        accounts_mib: with_accounts - before,
        state_mib: private_mib()? - before,
        machine: Machine::here(),
    })
}

/// An open exchange where every account has cash and something of one instrument.
fn peopled(accounts: u32) -> Result<Stage, String> {
    let mut stage = Stage::new();
    stage.currency("USD", 2)?;
    let symbols: Vec<String> = (0..INSTRUMENTS).map(|number| format!("S{number}")).collect();
    for symbol in &symbols {
        stage.instrument(plain_instrument(symbol, "USD"))?;
    }
    for member in 0..MEMBERS {
        stage.participant(&format!("M{member}"), SelfTrade::Off)?;
    }
    let names: Vec<String> = (0..accounts).map(|number| format!("A{number}")).collect();
    let much = Decimal::new(1 << 40, 0);
    for (number, name) in (0..).zip(&names) {
        stage.account(name, &format!("M{}", number % MEMBERS))?;
        stage.deposit(name, "USD", much)?;
        stage.deposit(name, &symbols[(number % INSTRUMENTS) as usize], much)?;
    }
    for member in 0..MEMBERS {
        let own: Vec<&str> = (0..)
            .zip(&names)
            .filter(|(at, _)| at % MEMBERS == member)
            .map(|(_, name)| name.as_str())
            .collect();
        let name = format!("M{member}");
        stage.session(&name, &name, &own, false)?;
    }
    stage.open()?;
    Ok(stage)
}

/// An order that rests: buys below the middle, sells above it.
fn enter(stage: &mut Stage, accounts: u32, number: u32) {
    let account = number.wrapping_mul(2_654_435_761) % accounts;
    let (side, away) =
        (if number.is_multiple_of(2) { Side::Buy } else { Side::Sell }, i64::from(1 + number % LEVELS));
    let price = if side == Side::Buy { MIDDLE - away } else { MIDDLE + away };
    let instrument = InstrumentId(1 + account % INSTRUMENTS);
    let mut terms = OrderTerms::limit(side, Quantity(100), instrument, Price(price));
    terms.account = AccountId(account + 1);
    let order = NewOrder { terms, cl_ord_id: ClOrdId::clipped(&format!("o{number}")) };
    stage.send(SessionId(1 + account % MEMBERS), &Command::NewOrder(order));
}

/// Memory that is this process's alone, MiB.
fn private_mib() -> anyhow::Result<f64> {
    let path = "/proc/self/smaps_rollup";
    let text = fs::read_to_string(path).context(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).context("Private_Dirty")?;
    let kib: u32 = line.trim().trim_end_matches(" kB").parse().context(path)?;
    Ok(f64::from(kib) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_weighed_with_all_its_orders_open() {
        let report = run(200, 5_000).unwrap();
        assert!(report.state_mib > 0.5 && report.state_mib >= report.accounts_mib, "{report:?}");
        assert!(run(200, 0).is_err() && run(1, 10).is_err() && run(200, ORDERS_OPEN_MAX + 1).is_err());
    }
}

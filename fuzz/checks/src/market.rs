//! A small market that checks start from, and what a gateway knows of it.

use std::sync::OnceLock;

use rialto_engine::exchange::Exchange;
use rialto_engine::stage::Stage;
use rialto_protocol::command::EpochOpened;
use rialto_protocol::reference::{Author, Operation};
use rialto_protocol::{Command, Epoch, Name, Timestamp};
use rialto_tools::config::{Config, Overrides};

/// 2026-03-01, 00:00:00.001 UTC.
pub(crate) const START_NS: u64 = 1_772_323_200_001_000_000;
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

const TEXT: &str = r#"
[[currency]]
code = "USD"
decimals = 10
[[instrument]]
symbol = "ACME"
tick = "0.01"
lot = "1"
currency = "USD"
taker_fee_ppm = 50
[[instrument]]
symbol = "BTC"
tick = "0.01"
lot = "0.00000001"
currency = "USD"
replace = "requeue"
[[participant]]
name = "ALPHA"
kind = "broker"
self_trade = "cancel-newest"
[[participant]]
name = "BETA"
kind = "institution"
[[account]]
name = "A1"
participant = "ALPHA"
[[account]]
name = "A2"
participant = "ALPHA"
[[account]]
name = "B1"
participant = "BETA"
[[session]]
comp_id = "ALPHA1"
participant = "ALPHA"
accounts = ["A1", "A2"]
password = "secret"
[[session]]
comp_id = "BETA1"
participant = "BETA"
accounts = ["B1"]
password = "secret"
cancel_on_disconnect = true
[[session]]
comp_id = "FEED1"
participant = "BETA"
password = "secret"
kind = "market-data"
[[deposit]]
id = "d1"
account = "A1"
asset = "USD"
amount = "1000000.00"
[[deposit]]
id = "d2"
account = "B1"
asset = "ACME"
amount = "5000"
[[deposit]]
id = "d3"
account = "B1"
asset = "BTC"
amount = "12.5"
[[deposit]]
id = "d4"
account = "B1"
asset = "USD"
amount = "1000000.00"
"#;

/// What an empty exchange is told to become the market.
pub(crate) fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let config =
            Config::parse("market", TEXT, &Overrides::default()).expect("the market's text is right");
        let mut operations = config.reference.operations();
        operations.push(Operation::Loaded);
        operations
    })
}

/// An exchange with the market open, after its first epoch.
pub(crate) fn open() -> Stage {
    let mut stage = Stage::with(Exchange::new(), rialto_protocol::Sequence(0), Timestamp(START_NS));
    stage.own(&Command::Epoch(EpochOpened { epoch: Epoch(1), node: Name::clipped("n1"), loss: false }));
    for operation in operations() {
        stage.own(&Command::Operate(Author::default(), *operation));
    }
    while stage.exchange.work_pending() {
        stage.own(&Command::Continue);
    }
    stage
}

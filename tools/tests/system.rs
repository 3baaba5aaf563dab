//! Promises that only whole processes can show: nodes are started, killed and drained, clients come over TCP.
//!
//! Runs with `RIALTO_SYSTEM=1`; in CI (`CI=true`) a case that is skipped is a failure. `RIALTO_ROUNDS` sets the rounds of
//! cases that have some, `RIALTO_SEED` repeats a run, arguments choose cases by a part of their name. A line per case,
//! closing with `N passed, N failed, N skipped`.

#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[path = "support/client.rs"]
mod client;
#[path = "system/drain.rs"]
mod drain;
#[path = "system/journal.rs"]
mod journal;
#[path = "system/kill.rs"]
mod kill;
#[path = "system/ledger.rs"]
mod ledger;
#[path = "system/neighbours.rs"]
mod neighbours;
#[path = "support/node.rs"]
mod node;
#[path = "support/random.rs"]
mod random;
#[path = "system/refusal.rs"]
mod refusal;
#[path = "system/trader.rs"]
mod trader;
#[path = "system/venue.rs"]
mod venue;

/// Two participants with two members each. ALPHA's orders cancel each other, BETA's trade with each other.
const CONFIG: &str = r#"
node     = { name = "n1", cluster = "CLUSTER", ack = "disk", idle = "park", pin = "off", segment_mib = 1, shm_mib = 16 }
currency = [{ code = "USD", decimals = 10 }]
instrument = [
  { symbol = "ACME", tick = "0.01", lot = "1", currency = "USD", maker_fee_ppm = 10, taker_fee_ppm = 50, replace = "keep-on-decrease" },
  { symbol = "GRAIN", tick = "0.05", lot = "50", currency = "USD", taker_fee_ppm = 30, replace = "requeue" },
]
participant = [{ name = "ALPHA", kind = "broker", self_trade = "cancel-oldest" }, { name = "BETA", kind = "institution", self_trade = "off" }]
account = [{ name = "A1", participant = "ALPHA" }, { name = "B1", participant = "BETA" }]
session = [
  { comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret" },
  { comp_id = "ALPHA2", participant = "ALPHA", accounts = ["A1"], password = "secret" },
  { comp_id = "BETA1", participant = "BETA", accounts = ["B1"], password = "secret" },
  { comp_id = "BETA2", participant = "BETA", accounts = ["B1"], password = "secret" },
]
deposit = [
  { id = "d1", account = "A1", asset = "USD", amount = "1000000" },
  { id = "d2", account = "B1", asset = "USD", amount = "1000000" },
  { id = "d3", account = "A1", asset = "ACME", amount = "100000" },
  { id = "d4", account = "B1", asset = "ACME", amount = "100000" },
  { id = "d5", account = "A1", asset = "GRAIN", amount = "1000000" },
  { id = "d6", account = "B1", asset = "GRAIN", amount = "1000000" },
]
"#;

/// How often and by which choices.
#[derive(Debug)]
pub(crate) struct Rounds {
    count: Option<usize>,
    /// Repeats a run.
    pub(crate) seed: u64,
}

impl Rounds {
    /// The rounds that the environment asks for, else this many.
    pub(crate) fn count_or(&self, default: usize) -> usize {
        self.count.unwrap_or(default)
    }
}

/// A case and its name, which is its promise.
type Case = (&'static str, fn(&Rounds));

const CASES: &[Case] = &[
    ("kill_9_loses_and_doubles_nothing", kill::kill_9_loses_and_doubles_nothing),
    ("sigterm_drains_within_5_s_and_says_good_bye", drain::sigterm_drains_within_5_s_and_says_good_bye),
    ("a_second_process_on_one_directory_is_refused", refusal::second_process),
    ("a_journal_of_another_cluster_is_refused", refusal::another_cluster),
    ("a_durable_policy_is_refused_where_nothing_is_durable", refusal::disk_on_memory),
    ("a_wrong_configuration_starts_nothing", refusal::wrong_configuration),
    ("a_slow_reader_is_cut_and_disturbs_nobody", neighbours::slow_reader),
    ("garbage_disturbs_nobody", neighbours::garbage),
];

fn main() -> ExitCode {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen: Vec<&Case> = CASES
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())))
        .collect();
    if !is("RIALTO_SYSTEM", "1") {
        for (name, _) in &chosen {
            println!("skipped {name}: RIALTO_SYSTEM=1 runs it");
        }
        println!("0 passed, 0 failed, {} skipped", chosen.len());
        return if is("CI", "true") && !chosen.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
    let rounds =
        Rounds { count: number("RIALTO_ROUNDS"), seed: number("RIALTO_SEED").unwrap_or(clock.into()) };
    println!("RIALTO_SEED={}", rounds.seed);
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in chosen {
        let began = Instant::now();
        let word = if catch_unwind(AssertUnwindSafe(|| case(&rounds))).is_ok() {
            passed += 1;
            "passed"
        } else {
            failed += 1;
            "failed"
        };
        println!("{word} {name} ({:.1} s)", began.elapsed().as_secs_f64());
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A number that the environment sets.
fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number is wanted")))
}

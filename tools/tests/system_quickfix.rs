//! A stock FIX engine, with its own dictionary and validation on, trades with a node: what it is told must be FIX 4.4 to
//! somebody else's eyes, and what it believes must be what the exchange says.
//!
//! The engine is the Python package `quickfix`; `quickfix/prepare.sh` builds it once. Runs with `RIALTO_SYSTEM=1`, a line per case,
//! closing with `N passed, N failed, N skipped`; in CI (`CI=true`) a case that is skipped is a failure.

use std::process::ExitCode;

#[path = "support/stock.rs"]
mod stock;

const CASE: &str = "quickfix_trades_is_cut_and_recovers";

fn main() -> ExitCode {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if !is("RIALTO_SYSTEM", "1") {
        println!("skipped {CASE}: RIALTO_SYSTEM=1 runs it");
        println!("0 passed, 0 failed, 1 skipped");
        return if is("CI", "true") { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    match trade() {
        Ok(()) => {
            println!("passed {CASE}");
            println!("1 passed, 0 failed, 0 skipped");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("failed {CASE}: {why}");
            println!("0 passed, 1 failed, 0 skipped");
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenario; its own lines say how far it comes.
fn trade() -> Result<(), String> {
    let mut command = stock::script("scenario.py")?;
    let folder = tempfile::tempdir().map_err(|error| format!("a folder for the run: {error}"))?;
    command.arg(env!("CARGO_BIN_EXE_rialto")).arg(folder.path());
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{status}; logs and stores are kept in {}", folder.keep().display()))
}

//! A stock FIX engine, with its own dictionary and validation on, trades with a node: what it is told must be FIX 4.4 to
//! somebody else's eyes, and what it believes must be what the exchange says.
//!
//! The engine is the Python package `quickfix`; `quickfix/prepare.sh` builds it once. Runs with `RIALTO_SYSTEM=1`, a line per case,
//! closing with `N passed, N failed, N skipped`; in CI (`CI=true`) a case that is skipped is a failure.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

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
    let python = engine()?.join("venv/bin/python");
    if !python.exists() {
        return Err(format!("no {}: run tools/tests/quickfix/prepare.sh", python.display()));
    }
    let folder = tempfile::tempdir().map_err(|error| format!("a folder for the run: {error}"))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quickfix/scenario.py");
    let status = Command::new(&python)
        // Nothing is written beside the script.
        .arg("-B")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_rialto"))
        .arg(folder.path())
        .status()
        .map_err(|error| format!("{}: {error}", python.display()))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{status}; logs and stores are kept in {}", folder.keep().display()))
}

/// Where `prepare.sh` puts the engine.
fn engine() -> Result<PathBuf, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("RIALTO_QUICKFIX")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("rialto-quickfix")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/rialto-quickfix")))
        .ok_or_else(|| "neither RIALTO_QUICKFIX nor HOME is set".to_owned())
}

//! Where the stock FIX engine is that `quickfix/prepare.sh` builds.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the scripts in `quickfix`, run by the Python that has the engine.
pub(crate) fn script(name: &str) -> Result<Command, String> {
    let python = engine()?.join("venv/bin/python");
    if !python.exists() {
        return Err(format!("no {}: run tools/tests/quickfix/prepare.sh", python.display()));
    }
    let mut command = Command::new(python);
    // Nothing is written beside the script.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quickfix").join(name));
    Ok(command)
}

/// Where `prepare.sh` puts the engine.
fn engine() -> Result<PathBuf, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("RIALTO_QUICKFIX")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("rialto-quickfix")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/rialto-quickfix")))
        .ok_or_else(|| "neither RIALTO_QUICKFIX nor HOME is set".to_owned())
}

//! `rialto status`: one row a node.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::admin::{Connection, Request};

/// Show what a node is doing.
#[derive(Debug, Args)]
pub struct Status {
    /// The node's directory.
    #[arg(long)]
    data: PathBuf,
    /// With a hash of the whole state, made aside.
    #[arg(long)]
    state_hash: bool,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Asks and prints.
    pub fn run(&self) -> anyhow::Result<()> {
        let mut node = Connection::open(&self.data)?;
        let row = node.object(&Request::Status { state_hash: self.state_hash })?;
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", json!({ "nodes": [row] }))?;
            return Ok(());
        }
        for (name, value) in row.as_object().into_iter().flatten() {
            match value.as_str() {
                Some(words) => writeln!(out, "{name:>16}  {words}")?,
                None => writeln!(out, "{name:>16}  {value}")?,
            }
        }
        Ok(())
    }
}

//! `rialto restore`: a node's directory out of the files that its archive hook was given.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rialto_journal::archive::restore::{RestorePlan, restore};
use rialto_journal::disk::Disk;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::error::JournalError;
use rialto_journal::segment::hex;
use serde_json::{Value, json};

use crate::config::{Config, Overrides};
use crate::failure::{Code, failure};
use crate::journal;

/// Rebuild a node's directory from an archive of its segments and snapshots.
#[derive(Debug, Args)]
pub struct Restore {
    /// The directory that holds the archived files.
    #[arg(long)]
    from: PathBuf,
    /// The node's directory: not there yet, or empty.
    #[arg(long)]
    data: PathBuf,
    /// The TOML file that the node will be served with: names, and the size of segments. Without it their defaults.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Instead of node.name.
    #[arg(long)]
    name: Option<String>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Restore {
    /// Does it, and says what the node has now.
    pub fn run(&self) -> anyhow::Result<()> {
        let overrides = Overrides { name: self.name.clone(), plaintext: true, ..Overrides::default() };
        let config = match &self.config {
            Some(path) => Config::load(path, &overrides)?,
            None => {
                Config::parse("", "", &overrides).map_err(|error| failure(Code::Usage, error.to_string()))?
            }
        };
        if !self.from.is_dir() {
            let from = self.from.display();
            return Err(failure(Code::Usage, format!("--from {from}: no such directory")));
        }
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Direct));
        let restored = restore(&RestorePlan {
            disk,
            from: self.from.clone(),
            dir: self.data.clone(),
            state_machine: rialto_protocol::VERSION,
            segment_bytes: u64::from(config.node.segment_mib) << 20,
            cluster: config.node.cluster.clone(),
            node: config.node.name.clone(),
        });
        let restored = restored.map_err(|error| match error {
            JournalError::Corrupt { .. } | JournalError::Refused { .. } => {
                failure(Code::Refused, error.to_string())
            }
            JournalError::Disk { .. } | JournalError::Shared(_) | JournalError::Start(_) => error.into(),
        })?;
        let object: Value = json!({
            "data": self.data,
            "node": config.node.name,
            "cluster": config.node.cluster,
            "cluster_id": hex(&restored.cluster_id),
            "first_seq": restored.first_seq,
            "last_seq": restored.last_seq,
            "epoch": restored.epoch,
            "pages": restored.pages.end - restored.pages.start,
            "event_pages": restored.event_pages.end - restored.event_pages.start,
            "snapshot": restored.snapshot,
            "remarks": restored.remarks,
        });
        let mut out = std::io::stdout().lock();
        journal::print(&mut out, &object, self.json)?;
        Ok(out.flush()?)
    }
}

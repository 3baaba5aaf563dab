//! `rialto promote`: makes a node the primary, or says which check was against it.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rialto_replicator::key::ClusterKey;
use serde_json::Value;

use crate::config::HostPort;
use crate::failure::{Code, failure};
use crate::request::{Answer, Ask, AskError, Promote as Request, Promotion, ask};
use crate::status::Row;

/// How long a node may take to say who it is.
const STATUS: Duration = Duration::from_secs(5);
/// How long a promotion may take: a planned one drains first, and checks wait for nodes that do not answer.
const PROMOTION: Duration = Duration::from_mins(1);

/// Make a node the primary.
#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed")]
#[derive(Debug, Args)]
pub struct Promote {
    /// The node's name.
    node: String,
    /// The primary lives: it drains and hands over.
    #[arg(long)]
    planned: bool,
    /// Even against the checks; together with --accept-loss only.
    #[arg(long)]
    force: bool,
    /// What was acknowledged may be lost; together with --force only.
    #[arg(long)]
    accept_loss: bool,
    /// FIX addresses of the nodes, that one among them.
    #[arg(long, value_name = "H:P,…", value_delimiter = ',', required = true)]
    nodes: Vec<HostPort>,
    /// The cluster's key: needed unless this runs on the node's own machine.
    #[arg(long, value_name = "F")]
    key_file: Option<PathBuf>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Promote {
    /// Asks the node, and prints how it went.
    pub fn run(&self) -> anyhow::Result<()> {
        if self.force != self.accept_loss {
            let why = "--force and --accept-loss: both or none; what was acknowledged may be lost";
            return Err(failure(Code::Usage, why));
        }
        if self.planned && self.force {
            return Err(failure(Code::Usage, "--planned and --force: a primary that lives hands over whole"));
        }
        let key = self.key_file.as_deref().map(ClusterKey::load).transpose();
        let key = key.map_err(|error| failure(Code::Usage, format!("--key-file {error}")))?;
        let rows = Row::ask_all(&self.nodes, false, STATUS);
        let promotion = match rows.iter().find(|row| row.name() == Some(self.node.as_str())) {
            Some(row) => self.ask(&row.endpoint, key.as_ref())?,
            None => self.unknown(&rows)?,
        };
        self.tell(&promotion)
    }

    /// What there is to say of a node that is at none of the addresses.
    fn unknown(&self, rows: &[Row]) -> anyhow::Result<Promotion> {
        let answered: Vec<&Value> = rows.iter().filter_map(|row| row.answer.as_ref().ok()).collect();
        let node = &self.node;
        if answered.is_empty() {
            return Err(failure(Code::Unreached, format!("{node}: no node answered{}", silent(rows))));
        }
        if answered.iter().any(|row| mentions(row, node)) {
            let why = format!("{node}: others know it, but it is at none of the addresses{}", silent(rows));
            return Err(failure(Code::Unreached, why));
        }
        let known: Vec<&str> = answered.iter().filter_map(|row| row["node"].as_str()).collect();
        let why = format!("no node {node}: {} answered{}", known.join(", "), silent(rows));
        Ok(Promotion::refused("unknown-node", why))
    }

    fn ask(&self, address: &HostPort, key: Option<&ClusterKey>) -> anyhow::Result<Promotion> {
        let mut request =
            Request { node: self.node.clone(), planned: self.planned, force: self.force, key_proof: None };
        let unreached = |error: AskError| {
            let again = match error {
                AskError::Unreached(_) => "",
                AskError::Unknown(_) => ": it may be the primary or not; see `rialto status`",
            };
            failure(Code::Unreached, format!("{} at {address}: {error}{again}", self.node))
        };
        if let Some(key) = key {
            match ask(address, &Ask::Nonce, STATUS).map_err(unreached)? {
                Answer::Nonce { nonce } => request.prove(key, nonce),
                Answer::Refused { why } => return Ok(Promotion::refused("key", why)),
                other @ (Answer::Status { .. } | Answer::Promotion(_)) => return Err(unasked(&other)),
            }
        }
        match ask(address, &Ask::Promote(request), PROMOTION).map_err(unreached)? {
            Answer::Promotion(promotion) => Ok(promotion),
            Answer::Refused { why } => Ok(Promotion::refused("key", why)),
            other @ (Answer::Status { .. } | Answer::Nonce { .. }) => Err(unasked(&other)),
        }
    }

    fn tell(&self, promotion: &Promotion) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(promotion)?)?;
        }
        if let Some(refused) = &promotion.refused {
            return Err(failure(Code::Refused, format!("refused: {}: {}", refused.check, refused.why)));
        }
        if self.json {
            return Ok(());
        }
        let epoch = promotion.epoch.map_or_else(String::new, |epoch| format!(" in epoch {epoch}"));
        let gap = promotion.gap_ms.map_or_else(String::new, |gap| format!(", {gap} ms without one"));
        writeln!(out, "{} is the primary{epoch}{gap}", self.node)?;
        if let Some(loss) = &promotion.possible_loss {
            let to = loss.to_seq.map_or_else(|| "the end".to_owned(), |to| to.to_string());
            let report = loss.report.as_deref().map_or_else(String::new, |file| format!("; see {file}"));
            writeln!(out, "what may be lost: commands {} to {to}{report}", loss.from_seq)?;
        }
        Ok(())
    }
}

fn unasked(answer: &Answer) -> anyhow::Error {
    failure(Code::CheckFailed, format!("the node answered something else: {}", answer.line()))
}

/// The addresses at which nobody answered, in words that follow others.
fn silent(rows: &[Row]) -> String {
    let silent = rows.iter().filter_map(|row| {
        let why = row.answer.as_ref().err()?;
        Some(format!("; {}: {why}", row.endpoint))
    });
    silent.collect()
}

/// Whether a node's row speaks of another node.
fn mentions(row: &Value, node: &str) -> bool {
    let listed = |list: &Value| list.as_array().is_some_and(|all| all.iter().any(|name| name == node));
    let follows =
        |list: &Value| list.as_array().is_some_and(|all| all.iter().any(|standby| standby["node"] == node));
    row["primary"] == node || listed(&row["in_sync"]) || listed(&row["members"]) || follows(&row["standbys"])
}

//! `rialto status`: one row a node.

use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::admin::{Connection, Request};
use crate::client::duration;
use crate::config::HostPort;
use crate::failure::{Code, failure};
use crate::request::{Answer, Ask, ask};

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same, where it makes a hash of the whole state first.
const PATIENCE_HASH: Duration = Duration::from_mins(1);
/// Between two looks while something is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// Show what nodes are doing.
#[derive(Debug, Args)]
pub struct Status {
    /// The directory of a node on this machine.
    #[arg(long, required_unless_present = "nodes", conflicts_with = "nodes")]
    data: Option<PathBuf>,
    /// FIX addresses of nodes: a row for each.
    #[arg(long, value_name = "H:P,…", value_delimiter = ',')]
    nodes: Vec<HostPort>,
    /// With a hash of the whole state, made aside.
    #[arg(long)]
    state_hash: bool,
    /// Wait until the primary says that these nodes are in sync.
    #[arg(long, value_name = "in-sync=N,…", value_parser = in_sync)]
    wait: Option<InSync>,
    /// How long to wait: 30s, 500ms.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

/// Nodes that are to be in sync.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InSync(Vec<String>);

fn in_sync(text: &str) -> Result<InSync, String> {
    let names = text.strip_prefix("in-sync=").filter(|names| !names.is_empty());
    let names = names.ok_or_else(|| "in-sync=NODE,… is what can be waited for".to_owned())?;
    Ok(InSync(names.split(',').map(str::to_owned).collect()))
}

/// What was found at one address.
#[derive(Debug)]
pub struct Row {
    /// The address.
    pub endpoint: HostPort,
    /// The node's row, or why there is none.
    pub answer: Result<Value, String>,
}

impl Row {
    /// Asks the nodes at all addresses at once; the rows are in the addresses' order.
    pub fn ask_all(nodes: &[HostPort], state_hash: bool, patience: Duration) -> Vec<Self> {
        let one = |node: &HostPort| {
            let answer = match ask(node, &Ask::Status { state_hash }, patience) {
                Ok(Answer::Status { row }) => Ok(row),
                Ok(Answer::Refused { why }) => Err(why),
                Ok(Answer::Nonce { .. } | Answer::Promotion(_)) => Err("it answered something else".into()),
                Err(error) => Err(error.to_string()),
            };
            Self { endpoint: node.clone(), answer }
        };
        thread::scope(|scope| {
            let asked: Vec<_> = nodes.iter().map(|node| scope.spawn(move || one(node))).collect();
            asked.into_iter().map(|asked| asked.join().expect("asking does not panic")).collect()
        })
    }

    /// The node's name.
    pub fn name(&self) -> Option<&str> {
        self.answer.as_ref().ok()?["node"].as_str()
    }

    fn into_json(self) -> Value {
        let endpoint = self.endpoint.to_string();
        self.answer.unwrap_or_else(
            |why| json!({ "node": null, "endpoint": endpoint, "role": "unreachable", "why": why }),
        )
    }
}

impl Status {
    /// Asks and prints.
    pub fn run(&self) -> anyhow::Result<()> {
        let until = Instant::now() + self.timeout;
        let (rows, waited) = loop {
            let rows = self.ask();
            let Some(wanted) = &self.wait else { break (rows?, true) };
            let found = rows.as_deref().is_ok_and(|rows| self.shows(rows, wanted));
            if found || Instant::now() >= until {
                break (rows?, found);
            }
            thread::sleep(LOOK);
        };
        let answered = rows.iter().any(|row| row["role"] != "unreachable");
        self.print(&rows)?;
        if !waited {
            let names = self.wait.as_ref().map(|wanted| wanted.0.join(", ")).unwrap_or_default();
            return Err(failure(
                Code::CheckFailed,
                format!("not in sync within {:?}: {names}", self.timeout),
            ));
        }
        if !answered {
            return Err(failure(Code::Unreached, "no node answered"));
        }
        Ok(())
    }

    fn ask(&self) -> anyhow::Result<Vec<Value>> {
        if let Some(data) = &self.data {
            let mut node = Connection::open(data)?;
            return Ok(vec![node.object(&Request::Status { state_hash: self.state_hash })?]);
        }
        let patience = if self.state_hash { PATIENCE_HASH } else { PATIENCE };
        let rows = Row::ask_all(&self.nodes, self.state_hash, patience);
        Ok(rows.into_iter().map(Row::into_json).collect())
    }

    /// Whether these rows show what is waited for: as the primary says, or the one node that was asked for.
    fn shows(&self, rows: &[Value], wanted: &InSync) -> bool {
        rows.iter().filter(|row| self.data.is_some() || row["role"] == "primary").any(|row| {
            let in_sync = row["in_sync"].as_array();
            in_sync.is_some_and(|all| wanted.0.iter().all(|name| all.iter().any(|node| node == name)))
        })
    }

    fn print(&self, rows: &[Value]) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", json!({ "nodes": rows }))?;
            return Ok(());
        }
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            for (name, value) in row.as_object().into_iter().flatten() {
                match value.as_str() {
                    Some(words) => writeln!(out, "{name:>16}  {words}")?,
                    None => writeln!(out, "{name:>16}  {value}")?,
                }
            }
        }
        Ok(())
    }
}

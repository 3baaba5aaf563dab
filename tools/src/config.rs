//! The configuration file of a node: TOML in, typed settings and reference data out.
//!
//! What comes out is whole: every name that is referred to exists, every amount is a whole number of its smallest
//! unit, every optional key has its default. What is wrong is told as `FILE: key = value: why`, and a password is
//! never part of it. Reading the file decides nothing about a running exchange: reference data become commands.
use std::fmt;
use std::path::Path;

use crate::failure::{Code, failure};

pub mod file;
mod reader;
mod reference;
mod settings;
mod words;

pub use reader::Fault;
pub use reference::{Reference, Session, secret_of};
pub use settings::{Cluster, Fix, HostPort, Limits, Listen, Node, Peer, Pin};
pub use words::{Ack, Idle, Word};

use file::{TEXT_BYTES_MAX, read_text};
use reader::Section;

/// Everything that a configuration file says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who this node is and how it keeps its journal.
    pub node: Node,
    /// Where it listens.
    pub listen: Listen,
    /// What its FIX sessions share.
    pub fix: Fix,
    /// What one session may use up.
    pub limits: Limits,
    /// The other nodes, where there are any.
    pub cluster: Cluster,
    /// What an empty journal is told first.
    pub reference: Reference,
}

/// What the command line says instead of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--name`: the node's name.
    pub name: Option<String>,
    /// `--ack`: the ack policy.
    pub ack: Option<Ack>,
    /// `--idle`: how threads wait.
    pub idle: Option<Idle>,
    /// `--pin`: which cores threads are bound to.
    pub pin: Option<Pin>,
    /// `--plaintext`: FIX may listen beyond loopback.
    pub plaintext: bool,
}

/// What is wrong with a configuration file, in the form `FILE: key = value: why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Unreadable(String),
    Syntax { line: usize, why: String },
    Fault(Fault),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Unreadable(why) => write!(f, "{}: {why}", self.file),
            What::Syntax { line, why } => write!(f, "{}: line {line}: {why}", self.file),
            What::Fault(fault) => write!(f, "{}: {fault}", self.file),
        }
    }
}

impl std::error::Error for ConfigError {}

const KEYS: &[&str] = &[
    "node",
    "listen",
    "fix",
    "limits",
    "cluster",
    "currency",
    "instrument",
    "participant",
    "account",
    "session",
    "deposit",
];

impl Config {
    /// Reads the file at `path`; an error exits with [`Code::Usage`].
    pub fn load(path: &Path, overrides: &Overrides) -> anyhow::Result<Config> {
        let file = path.display().to_string();
        let config = match read_text(path, TEXT_BYTES_MAX) {
            Ok(text) => Config::parse(&file, &text, overrides),
            Err(error) => Err(ConfigError { file, what: What::Unreadable(error.to_string()) }),
        };
        config.map_err(|error| failure(Code::Usage, error.to_string()))
    }

    /// Reads `text`; `file` is only named in errors. Looks at nothing but the key file that `cluster` names.
    pub fn parse(file: &str, text: &str, overrides: &Overrides) -> Result<Config, ConfigError> {
        let failed = |what| ConfigError { file: file.to_owned(), what };
        let table = text.parse::<toml::Table>().map_err(|error| failed(syntax(text, &error)))?;
        read(table, overrides).map_err(|fault| failed(What::Fault(fault)))
    }
}

fn read(table: toml::Table, overrides: &Overrides) -> Result<Config, Fault> {
    let root = Section::open("", table, KEYS)?;
    let listen = settings::listen(&root.section("listen", settings::LISTEN_KEYS)?, overrides)?;
    let cluster = settings::cluster(&root.section("cluster", settings::CLUSTER_KEYS)?, &listen)?;
    Ok(Config {
        node: settings::node(&root.section("node", settings::NODE_KEYS)?, &listen, overrides)?,
        fix: settings::fix(&root.section("fix", settings::FIX_KEYS)?)?,
        limits: settings::limits(&root.section("limits", settings::LIMITS_KEYS)?)?,
        reference: reference::read(&root)?,
        listen,
        cluster,
    })
}

fn syntax(text: &str, error: &toml::de::Error) -> What {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    What::Syntax { line, why: error.message().replace('\n', " ") }
}

#[cfg(test)]
mod tests;

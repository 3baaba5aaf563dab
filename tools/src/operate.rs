//! `rialto admin`: an operator's words as operations, sent to the node in a directory.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rialto_protocol::reference::{
    AccountDef, CurrencyDef, Grant, InstrumentDef, Operation, ParticipantDef, Scope, ScopeKind, SessionDef,
    Transfer,
};
use rialto_protocol::terms::{AckPolicy, MarketState, ParticipantKind, ReplaceRule, SelfTrade, SessionKind};
use rialto_protocol::{ClOrdId, Decimal, Name, Symbol, TradeId};
use serde_json::{Value, json};

use crate::admin::{Connection, Request};
use crate::config::{Config, Overrides};
use crate::failure::{Code, failure};
use crate::load;

/// Talk to a running node as its operator.
#[derive(Debug, Args)]
pub struct Admin {
    /// The node's directory.
    #[arg(long)]
    data: PathBuf,
    /// Why, in words: journaled with every operation.
    #[arg(long, default_value = "")]
    why: String,
    /// One JSON object on stdout.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Apply a configuration file's reference data: adds and changes, never removes.
    Apply {
        /// The TOML file.
        file: PathBuf,
    },
    /// Define participants.
    #[command(subcommand)]
    Participant(AddParticipant),
    /// Define accounts.
    #[command(subcommand)]
    Account(AddAccount),
    /// Define instruments.
    #[command(subcommand)]
    Instrument(AddInstrument),
    /// Define sessions, or set one's numbers back to 1.
    #[command(subcommand)]
    Session(SessionVerb),
    /// Define currencies.
    #[command(subcommand)]
    Currency(AddCurrency),
    /// Bring assets in. An id counts once.
    Deposit(Move),
    /// Take assets out. An id counts once.
    Withdraw(Move),
    /// Open the market, in one instrument or in all.
    Open {
        /// Its symbol.
        symbol: Option<Symbol>,
    },
    /// Close the market, in one instrument or in all.
    Close {
        /// Its symbol.
        symbol: Option<Symbol>,
    },
    /// Halt the market, in one instrument or in all.
    Halt {
        /// Its symbol.
        symbol: Option<Symbol>,
    },
    /// Cancel all open orders, or those of a part.
    CancelAll(ScopeArgs),
    /// Stop order entry of a part, and cancel its orders; `--off` frees it again.
    Kill {
        #[command(flatten)]
        scope: ScopeArgs,
        /// Free it again.
        #[arg(long)]
        off: bool,
    },
    /// Undo a trade.
    Bust {
        /// Its number (527).
        trade: u64,
    },
    /// Change the ack policy.
    Policy {
        /// async, disk, ram, disk+ram or disk+disk.
        policy: PolicyWord,
    },
    /// Take a standby out of the in-sync set: the primary no longer waits for it.
    Drop {
        /// The node's name.
        node: String,
    },
    /// End the trading day: day orders expire.
    DayEnd,
    /// Show a list.
    Show {
        /// Which.
        what: Shown,
    },
}

#[derive(Debug, Subcommand)]
enum AddParticipant {
    /// Add or change one.
    Add {
        /// Its name.
        name: Name,
        /// broker, institution or operator.
        #[arg(long, default_value = "broker")]
        kind: KindWord,
        /// What happens when it would trade with itself.
        #[arg(long, default_value = "off")]
        self_trade: SelfTradeWord,
    },
}

#[derive(Debug, Subcommand)]
enum AddAccount {
    /// Add one.
    Add {
        /// Its name.
        name: Name,
        /// Whose.
        #[arg(long)]
        participant: Name,
    },
}

#[derive(Debug, Subcommand)]
enum AddCurrency {
    /// Add one.
    Add {
        /// Its code.
        code: Symbol,
        /// Decimals of its smallest unit.
        #[arg(long, default_value_t = 2)]
        decimals: u8,
    },
}

#[derive(Debug, Subcommand)]
enum AddInstrument {
    /// Add one, or change its fees or its replace rule.
    Add {
        /// Its symbol.
        symbol: Symbol,
        /// Price step.
        #[arg(long)]
        tick: Decimal,
        /// Quantity step.
        #[arg(long, default_value = "1")]
        lot: Decimal,
        /// What it trades in.
        #[arg(long)]
        currency: Symbol,
        /// Millionths of the value.
        #[arg(long, default_value_t = 0)]
        maker_fee_ppm: u32,
        /// Millionths of the value.
        #[arg(long, default_value_t = 0)]
        taker_fee_ppm: u32,
        /// What a replace does to the place in the queue.
        #[arg(long, default_value = "keep-on-decrease")]
        replace: ReplaceWord,
        /// Trades execute at the midpoint of the two limits.
        #[arg(long)]
        midpoint: bool,
    },
}

#[derive(Debug, Subcommand)]
enum SessionVerb {
    /// Add one, or change its password.
    Add {
        /// Its `CompID`.
        comp_id: Name,
        /// Whose.
        #[arg(long)]
        participant: Name,
        /// Accounts that it may act for, its default first.
        #[arg(long, value_delimiter = ',')]
        accounts: Vec<Name>,
        /// The environment variable that holds its password.
        #[arg(long)]
        password_env: String,
        /// trading or market-data.
        #[arg(long, default_value = "trading")]
        kind: SessionWord,
        /// Cancel its orders when it goes away.
        #[arg(long)]
        cancel_on_disconnect: bool,
    },
    /// Set its numbers back to 1.
    Reset {
        /// Its `CompID`.
        comp_id: Name,
    },
}

#[derive(Debug, Args)]
struct Move {
    /// The account.
    account: Name,
    /// A currency's code or an instrument's symbol.
    asset: Symbol,
    /// How much.
    amount: Decimal,
    /// Names this transfer for ever.
    #[arg(long)]
    id: ClOrdId,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct ScopeArgs {
    /// Of a session.
    #[arg(long)]
    session: Option<Name>,
    /// Of an account.
    #[arg(long)]
    account: Option<Name>,
    /// Of a participant.
    #[arg(long)]
    participant: Option<Name>,
    /// In an instrument.
    #[arg(long)]
    symbol: Option<Name>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident => $target:ident { $($word:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, ValueEnum)]
        enum $name { $($word),+ }

        impl From<$name> for $target {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word),+ }
            }
        }
    };
}

words! { KindWord => ParticipantKind { Broker, Institution, Operator } }
words! { SelfTradeWord => SelfTrade { Off, CancelNewest, CancelOldest, CancelBoth } }
words! { ReplaceWord => ReplaceRule { KeepOnDecrease, Requeue } }
words! { SessionWord => SessionKind { Trading, MarketData } }

/// An ack policy on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyWord {
    Async,
    Disk,
    Ram,
    #[value(name = "disk+ram")]
    DiskRam,
    #[value(name = "disk+disk")]
    DiskDisk,
}

impl From<PolicyWord> for AckPolicy {
    fn from(word: PolicyWord) -> Self {
        match word {
            PolicyWord::Async => Self::Async,
            PolicyWord::Disk => Self::Disk,
            PolicyWord::Ram => Self::Ram,
            PolicyWord::DiskRam => Self::DiskRam,
            PolicyWord::DiskDisk => Self::DiskDisk,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shown {
    Accounts,
    Orders,
    Trades,
    Sessions,
}

impl Admin {
    /// Does it, and prints what came of it.
    pub fn run(self) -> anyhow::Result<()> {
        let mut node = Connection::open(&self.data)?;
        if let Verb::Show { what } = &self.verb {
            let what = format!("{what:?}").to_lowercase();
            return print(&node.object(&Request::Show { what })?);
        }
        let mut seq = 0;
        if let Verb::Drop { node: name } = &self.verb {
            seq = node.done(&Request::Drop { node: name.clone() })?;
        }
        for operation in operations(self.verb)? {
            seq = node.operate(&operation, &self.why)?;
        }
        if self.json { print(&json!({ "seq": seq })) } else { print(&Value::String(format!("done: {seq}"))) }
    }
}

fn print(value: &Value) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match value.as_str() {
        Some(words) => writeln!(out, "{words}")?,
        None => writeln!(out, "{value}")?,
    }
    Ok(())
}

fn operations(verb: Verb) -> anyhow::Result<Vec<Operation>> {
    let market = |state, symbol: Option<Symbol>| vec![Operation::Market(state, symbol.unwrap_or_default())];
    Ok(match verb {
        Verb::Apply { file } => {
            let config = Config::load(&file, &Overrides { plaintext: true, ..Overrides::default() })?;
            load::operations(&config)?
        }
        Verb::Participant(AddParticipant::Add { name, kind, self_trade }) => {
            let (kind, self_trade) = (kind.into(), self_trade.into());
            vec![Operation::Participant(ParticipantDef { name, kind, self_trade })]
        }
        Verb::Account(AddAccount::Add { name, participant }) => {
            vec![Operation::Account(AccountDef { name, participant })]
        }
        Verb::Currency(AddCurrency::Add { code, decimals }) => {
            vec![Operation::Currency(CurrencyDef { code, decimals })]
        }
        Verb::Instrument(add) => vec![instrument(&add)],
        Verb::Session(session) => self::session(session)?,
        Verb::Deposit(transfer) => vec![transfer.operation(false)],
        Verb::Withdraw(transfer) => vec![transfer.operation(true)],
        Verb::Open { symbol } => market(MarketState::Open, symbol),
        Verb::Close { symbol } => market(MarketState::Closed, symbol),
        Verb::Halt { symbol } => market(MarketState::Halted, symbol),
        Verb::CancelAll(scope) => vec![Operation::CancelAll(scope.scope())],
        Verb::Kill { scope, off } => vec![Operation::Kill(scope.scope(), !off)],
        Verb::Bust { trade } => vec![Operation::Bust(TradeId(trade))],
        Verb::Policy { policy } => vec![Operation::Policy(policy.into())],
        Verb::DayEnd => vec![Operation::DayEnd],
        Verb::Show { .. } | Verb::Drop { .. } => Vec::new(),
    })
}

fn instrument(add: &AddInstrument) -> Operation {
    let AddInstrument::Add { symbol, tick, lot, currency, maker_fee_ppm, taker_fee_ppm, replace, midpoint } =
        *add;
    Operation::Instrument(InstrumentDef {
        symbol,
        currency,
        tick,
        lot,
        maker_fee_ppm,
        taker_fee_ppm,
        replace: replace.into(),
        midpoint,
    })
}

fn session(verb: SessionVerb) -> anyhow::Result<Vec<Operation>> {
    let SessionVerb::Add { comp_id, participant, accounts, password_env, kind, cancel_on_disconnect } = verb
    else {
        let SessionVerb::Reset { comp_id } = verb else { return Ok(Vec::new()) };
        return Ok(vec![Operation::SessionReset(comp_id)]);
    };
    let password = std::env::var(&password_env)
        .map_err(|_| failure(Code::Usage, format!("--password-env {password_env}: no such variable")))?;
    let secret = load::secret(&password);
    let def = SessionDef { comp_id, participant, kind: kind.into(), cancel_on_disconnect, secret };
    let grants = accounts.into_iter().map(|account| Operation::Grant(Grant { session: comp_id, account }));
    Ok(std::iter::once(Operation::Session(def)).chain(grants).collect())
}

impl Move {
    fn operation(self, withdraw: bool) -> Operation {
        let Self { account, asset, amount, id } = self;
        Operation::Transfer(Transfer { id, account, asset, amount, withdraw })
    }
}

impl ScopeArgs {
    fn scope(&self) -> Scope {
        let parts = [
            (ScopeKind::Session, self.session),
            (ScopeKind::Account, self.account),
            (ScopeKind::Participant, self.participant),
            (ScopeKind::Instrument, self.symbol),
        ];
        let named = parts.into_iter().find_map(|(kind, name)| name.map(|name| Scope { kind, name }));
        named.unwrap_or(Scope { kind: ScopeKind::All, name: Name::EMPTY })
    }
}

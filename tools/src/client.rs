//! `rialto client`: trading by hand, in words or FIX lines, typed or from a pipe.
//!
//! It speaks line mode. It knows all nodes, follows the one that is primary, and resumes its session with the same
//! numbers after a loss: what had no answer is sent again, marked, and counts once. From a pipe each line waits for
//! the answer to the one before it.
use std::io::{self, BufRead, IsTerminal, Write};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use crossbeam::channel::{Receiver, Sender, bounded};
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::config::HostPort;
use crate::failure::{Code, failure};

mod drive;
mod line;
mod link;
mod session;
mod show;
mod words;

pub use line::Line;

use drive::{Driver, Screen, Settings};
use session::Session;

/// Typed lines that wait for their turn.
const TYPED_MAX: usize = 16;

/// The options of `rialto client`.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// FIX addresses of the nodes, the primary among them.
    #[arg(long, value_name = "H:P,…", value_delimiter = ',', required = true)]
    nodes: Vec<HostPort>,
    /// The session's CompID.
    #[arg(long, value_name = "ID")]
    user: String,
    /// The environment variable that holds its password.
    #[arg(long, value_name = "VAR")]
    password_env: String,
    /// Take every typed line as a FIX line, and show replies as they come.
    #[arg(long)]
    raw: bool,
    /// How long an answer may take, reconnects included: 5s, 500ms.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    wait: Duration,
}

/// Runs the client on this process's terminal or pipe.
pub fn run(args: &ClientArgs) -> anyhow::Result<()> {
    let variable = &args.password_env;
    let password = std::env::var(variable)
        .map_err(|_| failure(Code::Usage, format!("--password-env {variable}: no such variable is set")))?;
    let sayable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'|');
    if !sayable(&args.user) || !sayable(&password) {
        let why = "--user and the password: printable ASCII without blanks and '|'";
        return Err(failure(Code::Usage, why));
    }
    let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let settings = Settings { nodes: args.nodes.clone(), raw: args.raw, wait: args.wait, interactive };
    let session = Session::new(&args.user, &password, &id_prefix());
    let (sender, input) = bounded(TYPED_MAX);
    if interactive {
        return converse(settings, session, sender, &input);
    }
    thread::Builder::new().name("typed".to_owned()).spawn(move || read_pipe(&sender))?;
    let mut screen = Pipe(io::stdout().lock());
    Driver { settings, session, screen: &mut screen }.run(&input)
}

/// A start for ids of our own making that no earlier run of ours has used: microseconds since 1970 in base 36.
fn id_prefix() -> String {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut number = elapsed.as_micros();
    let mut digits = Vec::new();
    while number > 0 {
        let digit = u32::try_from(number % 36).unwrap_or(0);
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        number /= 36;
    }
    digits.iter().rev().collect()
}

/// `5s`, `500ms`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u32 = number.parse().map_err(|_| "a time such as 5s or 500ms".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number.into())),
        "s" => Ok(Duration::from_secs(number.into())),
        "m" => Ok(Duration::from_secs(60 * u64::from(number))),
        _ => Err("a time such as 5s or 500ms".to_owned()),
    }
}

/// Standard output, flushed at each reply.
struct Pipe<W>(W);

impl<W: Write> Screen for Pipe<W> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.0, "{text}")?;
        self.0.flush()
    }
}

/// The terminal, above the line that is being typed.
struct Terminal<P>(P);

impl<P: ExternalPrinter> Screen for Terminal<P> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.0.print(format!("{text}\n")).map_err(io::Error::other)
    }
}

fn read_pipe(typed: &Sender<String>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if !line.trim().is_empty() && typed.send(line).is_err() {
            return;
        }
    }
}

/// Types on one thread, while the replies come in on this one.
fn converse(
    settings: Settings,
    session: Session,
    typed: Sender<String>,
    input: &Receiver<String>,
) -> anyhow::Result<()> {
    let mut editor = DefaultEditor::new()?;
    let mut screen = Terminal(editor.create_external_printer()?);
    let read = move || {
        while let Ok(line) = editor.readline("rialto> ") {
            drop(editor.add_history_entry(&line));
            let last = line.trim() == "quit";
            if typed.send(line).is_err() || last {
                return;
            }
        }
    };
    let reader = thread::Builder::new().name("typed".to_owned()).spawn(read)?;
    let result = Driver { settings, session, screen: &mut screen }.run(input);
    if result.is_err() && !reader.is_finished() {
        screen.line("! the connection is gone; press Enter to leave")?;
    }
    // The editor has the terminal in raw mode until its line ends; leaving earlier would leave it so.
    drop(reader.join());
    result
}

#[cfg(test)]
mod tests;

//! The loop of the client: finds the primary, keeps one logged-on connection, and sees that each line is answered.
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, after, never, select};

use super::line::Line;
use super::link::Link;
use super::session::{Outcome, Session, Step};
use super::show::show;
use super::words::{Word, understand};
use crate::config::HostPort;
use crate::failure::{Code, failure};

/// How long one of several nodes may take to answer a log-on before the next one is asked.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Pause after all nodes said no.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a node may say nothing while it owes an answer, if there are others to ask.
const SILENCE: Duration = Duration::from_millis(1500);
/// How long a node may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Redirections followed in a row; more is two nodes that name each other.
const REDIRECTIONS_MAX: usize = 8;

/// Where replies are written.
pub(super) trait Screen {
    /// Writes one reply.
    fn line(&mut self, text: &str) -> io::Result<()>;
}

/// What a client was started with.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) nodes: Vec<HostPort>,
    pub(super) raw: bool,
    pub(super) wait: Duration,
    /// Whether a person types: then a missing answer is told, and is not the end.
    pub(super) interactive: bool,
}

/// A client at work.
pub(super) struct Driver<'a> {
    pub(super) settings: Settings,
    pub(super) session: Session,
    pub(super) screen: &'a mut dyn Screen,
}

/// What is typed after a look at the open orders.
type Postponed = Option<Word>;

impl Driver<'_> {
    /// Sends each typed line and waits for its answer, until `input` ends or says quit.
    pub(super) fn run(&mut self, input: &Receiver<String>) -> anyhow::Result<()> {
        let mut peer = self.connect()?;
        let mut postponed: Postponed = None;
        let mut due = Instant::now();
        let mut heard = due;
        let idle = never::<String>();
        loop {
            let (typed, timer) = if self.session.waits() {
                let look = if self.settings.nodes.len() > 1 { due.min(heard + SILENCE) } else { due };
                (&idle, after(look.saturating_duration_since(Instant::now())))
            } else {
                (input, never())
            };
            select! {
                recv(peer.lines) -> line => match line {
                    Ok(line) if self.heard(&line, &mut peer)? => heard = Instant::now(),
                    Ok(_) | Err(_) => {
                        // A node that takes a log-on and ends it at once is not asked again as fast as it can answer.
                        std::thread::sleep(PAUSE.saturating_sub(peer.opened.elapsed()));
                        peer = self.connect()?;
                        heard = Instant::now();
                    }
                },
                recv(typed) -> line => {
                    let Ok(line) = line else { break };
                    heard = Instant::now();
                    due = heard + self.settings.wait;
                    if !self.typed(&line, &mut peer, &mut postponed)? {
                        break;
                    }
                }
                recv(timer) -> _ => {
                    if Instant::now() >= due {
                        self.overdue()?;
                    } else {
                        // Its machine may be gone without a word.
                        drop(peer);
                        peer = self.connect()?;
                        heard = Instant::now();
                    }
                }
            }
            if !self.session.waits()
                && let Some(word) = postponed.take()
            {
                heard = Instant::now();
                due = heard + self.settings.wait;
                let step = self.session.say(word, true);
                self.take(step, &mut peer)?;
            }
        }
        self.goodbye(peer)
    }

    /// Does what one typed line asks; false at the end.
    fn typed(&mut self, text: &str, peer: &mut Link, postponed: &mut Postponed) -> anyhow::Result<bool> {
        if self.settings.raw {
            let step = self.session.raw(text);
            return self.take(step, peer);
        }
        let word = match understand(text) {
            Ok(word) => word,
            Err(why) => {
                self.screen.line(&format!("? {why}"))?;
                return Ok(true);
            }
        };
        let step = match self.session.say(word.clone(), false) {
            Step::LookUp => {
                *postponed = Some(word);
                self.session.open_orders()
            }
            step @ (Step::Send(_) | Step::Tell(_) | Step::Nothing | Step::Quit) => step,
        };
        self.take(step, peer)
    }

    fn take(&mut self, step: Step, peer: &mut Link) -> anyhow::Result<bool> {
        match step {
            Step::Send(lines) => send_all(peer, &lines),
            Step::Tell(text) => self.screen.line(&text)?,
            Step::Nothing | Step::LookUp => {}
            Step::Quit => return Ok(false),
        }
        Ok(true)
    }

    /// Takes in one line; false where the connection is of no more use.
    fn heard(&mut self, text: &str, peer: &mut Link) -> anyhow::Result<bool> {
        let mut useful = true;
        if self.settings.raw {
            self.screen.line(text)?;
        }
        for outcome in self.session.hear(text) {
            match outcome {
                Outcome::Told(line) if !self.settings.raw => {
                    if let Some(text) = show(&line) {
                        self.screen.line(&text)?;
                    }
                }
                Outcome::Words(text) if !self.settings.raw => self.screen.line(&text)?,
                Outcome::Send(line) => send_all(peer, &[line.to_string()]),
                Outcome::Elsewhere { .. } | Outcome::LoggedOut(_) => useful = false,
                Outcome::Told(_) | Outcome::Words(_) | Outcome::LoggedOn(_) | Outcome::Answered => {}
            }
        }
        Ok(useful)
    }

    fn overdue(&mut self) -> anyhow::Result<()> {
        let Some(line) = self.session.waiting_line() else { return Ok(()) };
        let why = format!("no answer within {:?} to {line}", self.settings.wait);
        if !self.settings.interactive {
            return Err(failure(Code::Unreached, why));
        }
        self.screen.line(&format!("! {why}"))?;
        self.session.give_up();
        Ok(())
    }

    /// A logged-on connection to the primary, within the time that an answer may take; what waited is sent again.
    fn connect(&mut self) -> anyhow::Result<Link> {
        let deadline = Instant::now() + self.settings.wait;
        let mut targets: VecDeque<HostPort> = self.settings.nodes.iter().cloned().collect();
        let mut redirections = 0;
        let mut last = "no node is given".to_owned();
        while Instant::now() < deadline {
            let Some(node) = targets.pop_front() else {
                std::thread::sleep(PAUSE);
                targets.extend(self.settings.nodes.iter().cloned());
                redirections = 0;
                continue;
            };
            match self.attempt(&node, deadline) {
                Ok(mut peer) => {
                    send_all(&mut peer, &self.session.again());
                    return Ok(peer);
                }
                Err((Some(primary), why)) if redirections < REDIRECTIONS_MAX => {
                    redirections += 1;
                    last = format!("{node}: {why}");
                    targets.push_front(primary);
                }
                Err((_, why)) => last = format!("{node}: {why}"),
            }
        }
        Err(failure(Code::Unreached, format!("no node took the log-on; last, {last}")))
    }

    /// Connects to one node and logs on; the error names the primary where the node did.
    fn attempt(&mut self, node: &HostPort, deadline: Instant) -> Result<Link, (Option<HostPort>, String)> {
        let failed = |error: io::Error| (None, error.to_string());
        let mut peer = Link::open(node, deadline).map_err(failed)?;
        peer.send(&self.session.log_on().to_string()).map_err(failed)?;
        let several = self.settings.nodes.len() > 1;
        let until = if several { deadline.min(Instant::now() + ATTEMPT) } else { deadline };
        while let Some(text) = peer.next(until).map_err(failed)? {
            for outcome in self.session.hear(&text) {
                match outcome {
                    Outcome::LoggedOn(line) => {
                        self.logged_on(&text, &line).map_err(failed)?;
                        return Ok(peer);
                    }
                    Outcome::Elsewhere { primary, text } => return Err((primary, text)),
                    Outcome::LoggedOut(line) => return Err((None, format!("logged out: {}", line.text(58)))),
                    Outcome::Told(line) => return Err((None, show(&line).unwrap_or_default())),
                    Outcome::Words(_) | Outcome::Send(_) | Outcome::Answered => {}
                }
            }
        }
        Err((None, "no answer to the log-on".to_owned()))
    }

    fn logged_on(&mut self, text: &str, line: &Line) -> io::Result<()> {
        if self.settings.raw {
            return self.screen.line(text);
        }
        if self.settings.interactive {
            return self.screen.line(&show(line).unwrap_or_default());
        }
        Ok(())
    }

    /// Logs out, and tells what still comes until the node has closed.
    fn goodbye(&mut self, mut peer: Link) -> anyhow::Result<()> {
        send_all(&mut peer, &[Line::of_type("5").to_string()]);
        let deadline = Instant::now() + GOODBYE;
        loop {
            match peer.lines.recv_deadline(deadline) {
                Ok(line) if self.heard(&line, &mut peer)? => {}
                Ok(_) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }
}

/// A line that cannot be sent is not lost: the connection's end shows in its reader, and what waits is sent again.
fn send_all(peer: &mut Link, lines: &[String]) {
    for line in lines {
        if peer.send(line).is_err() {
            return;
        }
    }
}

//! HTTP to etcd's endpoints: one connection per request, each with its limit, the next endpoint after a failure.
//!
//! No connection is kept: one that breaks while it idles would leave unknown whether a request was sent.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::{Agent, Body, Error as HttpError, Timeout, http};

use super::super::CoordinatorError;
use super::refusal;

/// The longest that one try at one endpoint takes.
pub const TRY: Duration = Duration::from_millis(500);
/// Longest answer: a cluster's keys fit it many times.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The way to an etcd cluster.
#[derive(Debug)]
pub(super) struct Gateway {
    endpoints: Vec<String>,
    /// The endpoint that answered last.
    current: AtomicUsize,
    agent: Agent,
}

/// Why an endpoint did not answer well.
#[derive(Debug)]
pub(super) enum Failed {
    /// The request was not sent.
    Unsent(String),
    /// It may have been done.
    Lost(String),
    /// The endpoint says no.
    Told { status: u16, message: String },
}

impl Failed {
    fn words(&self) -> String {
        match self {
            Failed::Unsent(why) | Failed::Lost(why) => why.clone(),
            Failed::Told { status, message } => format!("{status}: {message}"),
        }
    }
}

impl Gateway {
    pub(super) fn new(endpoints: Vec<String>) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(TRY))
            .http_status_as_error(false)
            .max_idle_connections(0)
            .max_redirects(0)
            .proxy(None)
            .user_agent("rialto")
            .build()
            .new_agent();
        Gateway { endpoints, current: AtomicUsize::new(0), agent }
    }

    /// Asks what does no harm when it is done twice: the endpoints in turn.
    pub(super) fn ask(&self, path: &str, body: &Value) -> Result<Value, CoordinatorError> {
        self.each(Again::Always, |endpoint| self.post(endpoint, path, body))
    }

    /// Asks for a change that is to be done once: the next endpoint only while nothing was sent.
    pub(super) fn change(&self, path: &str, body: &Value) -> Result<Value, CoordinatorError> {
        self.each(Again::WhileUnsent, |endpoint| self.post(endpoint, path, body))
    }

    /// Reads the lines of an answer that goes on, until one of them is wanted or patience ends: whether one was.
    pub(super) fn follow(
        &self,
        path: &str,
        body: &Value,
        patience: Duration,
        wanted: impl Fn(&Value) -> Result<bool, CoordinatorError>,
    ) -> Result<bool, CoordinatorError> {
        let until = Instant::now() + patience;
        self.each(Again::Always, |endpoint| {
            let lines = self.open(endpoint, path, body, until)?;
            for line in lines {
                let Some(line) = line? else { return Ok(Ok(false)) };
                match wanted(&line) {
                    Ok(false) => {}
                    found => return Ok(found),
                }
            }
            Err(Failed::Lost("the watch ended".to_owned()))
        })?
    }

    /// Tries the endpoints, beginning with the one that answered last, until one answers or refuses.
    fn each<T>(
        &self,
        again: Again,
        attempt: impl Fn(&str) -> Result<T, Failed>,
    ) -> Result<T, CoordinatorError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut words = Vec::new();
        for turn in 0..self.endpoints.len() {
            let index = (first + turn) % self.endpoints.len();
            let endpoint = &self.endpoints[index];
            let failed = match attempt(endpoint) {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            if let Some(refused) = refusal(&failed) {
                return Err(refused);
            }
            self.current.store((index + 1) % self.endpoints.len(), Ordering::Relaxed);
            words.push(format!("{endpoint}: {}", failed.words()));
            match (again, failed) {
                (Again::Always, _) | (Again::WhileUnsent, Failed::Unsent(_)) => {}
                (Again::WhileUnsent, Failed::Lost(_) | Failed::Told { .. }) => {
                    return Err(CoordinatorError::Unknown(words.join("; ")));
                }
            }
        }
        Err(CoordinatorError::Unreachable(words.join("; ")))
    }

    fn post(&self, endpoint: &str, path: &str, body: &Value) -> Result<Value, Failed> {
        let request = self.agent.post(format!("http://{endpoint}{path}"));
        let answer = request.content_type("application/json").send(body.to_string());
        let mut answer = answer.map_err(|error| failed(&error))?;
        let read = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = read.map_err(|error| Failed::Lost(error.to_string()))?;
        told(&answer, &text)?;
        serde_json::from_str(&text)
            .map_err(|error| Failed::Lost(format!("an answer that is no JSON: {error}")))
    }

    /// The lines of an answer that goes on until a moment: `None` when that has come.
    fn open(
        &self,
        endpoint: &str,
        path: &str,
        body: &Value,
        until: Instant,
    ) -> Result<impl Iterator<Item = Result<Option<Value>, Failed>> + use<>, Failed> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let request = self
            .agent
            .post(format!("http://{endpoint}{path}"))
            // Without it a member that lost its leader would go on being silent.
            .header("Grpc-Metadata-hasleader", "true")
            .content_type("application/json")
            .config()
            .timeout_global(None)
            .timeout_connect(Some(TRY))
            .timeout_recv_response(Some(TRY))
            .timeout_recv_body(Some(left))
            .build();
        let answer = request.send(body.to_string()).map_err(|error| failed(&error))?;
        if !answer.status().is_success() {
            told(&answer, "")?;
        }
        let lines = BufReader::new(answer.into_body().into_reader().take(ANSWER_BYTES_MAX)).lines();
        Ok(lines.map(move |line| match line {
            Ok(line) => {
                let line = serde_json::from_str(&line);
                line.map(Some).map_err(|error| Failed::Lost(format!("a line that is no JSON: {error}")))
            }
            Err(_) if Instant::now() >= until => Ok(None),
            Err(error) => Err(Failed::Lost(error.to_string())),
        }))
    }
}

/// Which requests may be sent once more.
#[derive(Debug, Clone, Copy)]
enum Again {
    Always,
    WhileUnsent,
}

/// Whether a request that failed so can have been done.
fn failed(error: &HttpError) -> Failed {
    let refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    let unsent = matches!(
        error,
        HttpError::HostNotFound
            | HttpError::ConnectionFailed
            | HttpError::BadUri(_)
            | HttpError::Timeout(Timeout::Resolve | Timeout::Connect)
    ) || matches!(error, HttpError::Io(error) if refused(error));
    let why = error.to_string();
    if unsent { Failed::Unsent(why) } else { Failed::Lost(why) }
}

/// What an endpoint says that does not do as asked.
fn told(answer: &http::Response<Body>, text: &str) -> Result<(), Failed> {
    if answer.status().is_success() {
        return Ok(());
    }
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    let message = told["message"].as_str().or(told["error"].as_str()).unwrap_or(text).to_owned();
    Err(Failed::Told { status: answer.status().as_u16(), message })
}

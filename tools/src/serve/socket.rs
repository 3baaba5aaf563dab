//! The operator's socket: one thread accepts, one more for each connection, a few at most. Who asked is what the kernel
//! says of the peer.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use rialto_journal::cursor::Gate;
use rialto_protocol::Command;
use rialto_protocol::event::Outcome;
use rialto_protocol::reference::Operation;

use super::cluster::told;
use super::current::Current;
use super::node::Node;
use crate::admin::{LINE_BYTES_MAX, Reply, Request};

/// Connections at once.
const CONNECTIONS_MAX: usize = 16;
/// How long an operation may take until it is released.
const PATIENCE: Duration = Duration::from_mins(2);

/// Listens on `path` and serves until the process ends.
pub fn listen(path: &Path, current: Arc<Current>) -> anyhow::Result<()> {
    if path.exists() {
        std::fs::remove_file(path).with_context(|| format!("{}: cannot remove", path.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| format!("{}: cannot listen", path.display()))?;
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, owner_only)?;
    let accept = move || {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().flatten() {
            let (current, open) = (Arc::clone(&current), Arc::clone(&open));
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let serve = move || {
                if let Err(error) = serve(stream, &current) {
                    tracing::debug!(%error, "operator's connection ended");
                }
                open.fetch_sub(1, Ordering::Relaxed);
            };
            if let Err(error) = std::thread::Builder::new().name("operator".into()).spawn(serve) {
                tracing::warn!(%error, "no thread for an operator");
            }
        }
    };
    std::thread::Builder::new().name("admin".into()).spawn(accept)?;
    Ok(())
}

fn serve(stream: UnixStream, current: &Current) -> anyhow::Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(&stream)?;
    let author = (peer.uid.as_raw(), u32::try_from(peer.pid.as_raw_nonzero().get())?);
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_str(&line) {
            Ok(request) => answer(request, author, &current.get()),
            Err(error) => Reply::Refused { why: format!("not a request: {error}") },
        };
        let mut text = serde_json::to_string(&reply)?;
        text.push('\n');
        writer.write_all(text.as_bytes())?;
    }
}

fn answer(request: Request, author: (u32, u32), node: &Node) -> Reply {
    let refused = |why: String| Reply::Refused { why };
    match request {
        Request::Drop { node: name } => match &node.cluster {
            Some(cluster) => done(told::drop_node(cluster, &name)),
            None => refused(format!("this node is alone: there is no {name} to drop")),
        },
        Request::Operate { record, why } => match Request::command(&record, author, &why) {
            Some(Command::Operate(author, Operation::Policy(policy))) if node.cluster.is_some() => {
                let cluster = node.cluster.as_ref().expect("just asked");
                done(told::policy(cluster, &node.operator, (author, policy)))
            }
            Some(_) if node.cursors.gate() != Gate::Open => refused(node.standing.words(node.cursors.gate())),
            Some(command) => match node.operator.ask(&command, PATIENCE) {
                Ok(answer) if answer.outcome == Outcome::Refused => refused(answer.text),
                Ok(answer) => Reply::Done { seq: answer.sequence.0 },
                Err(error) => refused(error.to_string()),
            },
            None => refused("not an operation of this build".to_owned()),
        },
        Request::Status { state_hash } => Reply::Object { object: node.status(state_hash) },
        Request::Show { what } => match node.show(&what) {
            Ok(object) => Reply::Object { object },
            Err(error) => refused(error.to_string()),
        },
    }
}

fn done(outcome: Result<u64, String>) -> Reply {
    match outcome {
        Ok(seq) => Reply::Done { seq },
        Err(why) => Reply::Refused { why },
    }
}

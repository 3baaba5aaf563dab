//! The operator's socket: one thread accepts, one more for each connection, a few at most. Who asked is what the kernel
//! says of the peer.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use rialto_protocol::event::Outcome;

use super::node::Node;
use crate::admin::{LINE_BYTES_MAX, Reply, Request};

/// Connections at once.
const CONNECTIONS_MAX: usize = 16;
/// How long an operation may take until it is released.
const PATIENCE: Duration = Duration::from_mins(2);

/// Listens on `path` and serves until the process ends.
pub fn listen(path: &Path, node: Arc<Node>) -> anyhow::Result<()> {
    if path.exists() {
        std::fs::remove_file(path).with_context(|| format!("{}: cannot remove", path.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| format!("{}: cannot listen", path.display()))?;
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, owner_only)?;
    let accept = move || {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().flatten() {
            let (node, open) = (Arc::clone(&node), Arc::clone(&open));
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let serve = move || {
                if let Err(error) = serve(stream, &node) {
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

fn serve(stream: UnixStream, node: &Node) -> anyhow::Result<()> {
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
            Ok(request) => answer(request, author, node),
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
        Request::Operate { record, why } => match Request::command(&record, author, &why) {
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

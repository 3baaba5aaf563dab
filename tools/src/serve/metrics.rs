//! Metrics as Prometheus text over HTTP, on an address of the operator's choice: one request a connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::current::Current;
use super::node::Node;

/// How long a scraper may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most lines of a request that are read.
const LINES_MAX: usize = 64;

/// Serves until the process ends.
pub fn serve(listener: TcpListener, current: Arc<Current>) -> anyhow::Result<()> {
    let accept = move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = answer(&stream, &current.get()) {
                tracing::debug!(%error, "a metrics connection ended");
            }
        }
    };
    std::thread::Builder::new().name("metrics".into()).spawn(accept)?;
    Ok(())
}

fn answer(stream: &TcpStream, node: &Node) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(std::io::Read::take(stream, 16 << 10));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    for _ in 0..LINES_MAX {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
    }
    let (status, body) = if first.starts_with("GET /metrics ") || first.starts_with("GET / ") {
        ("200 OK", node.metrics())
    } else {
        ("404 Not Found", "metrics are at /metrics\n".to_owned())
    };
    let length = body.len();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

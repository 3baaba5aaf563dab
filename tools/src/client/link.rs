//! A TCP connection to a node that has been logged on, and a thread that reads its lines.
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, unbounded};

use crate::config::HostPort;

/// One attempt's time to connect, so that a node that is gone does not use up all the time there is.
const CONNECT: Duration = Duration::from_millis(500);
/// Bytes of one line that a node may send.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// An open connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    /// Since when.
    pub(super) opened: Instant,
    /// The node's lines; disconnected where the connection has ended.
    pub(super) lines: Receiver<String>,
}

impl Link {
    /// Connects to `node` before `deadline`.
    pub(super) fn open(node: &HostPort, deadline: Instant) -> io::Result<Link> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (node.host.as_str(), node.port).to_socket_addrs()? {
            let left =
                deadline.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), CONNECT);
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => return Link::over(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn over(stream: TcpStream) -> io::Result<Link> {
        stream.set_nodelay(true)?;
        let reading = stream.try_clone()?;
        let (sender, lines) = unbounded();
        let read = move || {
            let mut reader = BufReader::new(reading);
            loop {
                let mut line = Vec::new();
                let read = io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line);
                let whole = read.is_ok() && line.last() == Some(&b'\n');
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if !whole || sender.send(text).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("reader".to_owned()).spawn(read)?;
        Ok(Link { stream, opened: Instant::now(), lines })
    }

    /// Sends one line.
    pub(super) fn send(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes())
    }

    /// The next line, if one comes before `deadline`; an error where the connection has ended.
    pub(super) fn next(&self, deadline: Instant) -> io::Result<Option<String>> {
        match self.lines.recv_deadline(deadline) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The reader holds a clone of the socket: only a shutdown ends it. It fails where the peer was faster.
        drop(self.stream.shutdown(std::net::Shutdown::Both));
    }
}

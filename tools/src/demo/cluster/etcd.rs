//! An etcd of the demo's own: one process, its files in the demo's directory, killed at the end.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// How long it may take to be of use.
const START: Duration = Duration::from_secs(20);
/// How long it may take to say that it is well.
const ASK: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A running etcd.
#[derive(Debug)]
pub struct Etcd {
    process: Child,
    port: u16,
}

impl Etcd {
    /// The program, where PATH has it.
    pub fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|dir| dir.join("etcd")).find(|program| program.is_file())
    }

    /// Starts it with its files in `dir` and waits until it is of use, or `stop` is set.
    pub fn start(
        program: &Path,
        dir: &Path,
        (client, peer): (u16, u16),
        stop: &AtomicBool,
    ) -> anyhow::Result<Self> {
        let http = |port: u16| format!("http://127.0.0.1:{port}");
        let log = File::create(dir.join("etcd.log")).context("etcd.log")?;
        let mut command = Command::new(program);
        command.arg("--name").arg("demo").arg("--data-dir").arg(dir.join("etcd"));
        command
            .arg("--listen-client-urls")
            .arg(http(client))
            .arg("--advertise-client-urls")
            .arg(http(client));
        command.arg("--listen-peer-urls").arg(http(peer));
        command.arg("--initial-advertise-peer-urls").arg(http(peer));
        command.arg("--initial-cluster").arg(format!("demo={}", http(peer)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        let process = command.spawn().with_context(|| program.display().to_string())?;
        let mut etcd = Self { process, port: client };
        let until = Instant::now() + START;
        while !etcd.is_well() {
            ensure!(!stop.load(Ordering::Relaxed), "ended while etcd started");
            ensure!(etcd.process.try_wait()?.is_none(), "etcd ended: see {}/etcd.log", dir.display());
            ensure!(
                Instant::now() < until,
                "etcd is of no use after {START:?}: see {}/etcd.log",
                dir.display()
            );
            std::thread::sleep(LOOK);
        }
        Ok(etcd)
    }

    /// As `rialto serve` names it.
    pub fn address(&self) -> String {
        format!("etcd://127.0.0.1:{}", self.port)
    }

    fn is_well(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(ASK))?;
            stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains("\"health\":\"true\""))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().ok();
    }
}

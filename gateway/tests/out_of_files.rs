//! A gateway whose process may open no more files: alone in its process, for the limit is everybody's.

#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "what fails here fails the test; its support serves other tests too"
)]

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;

use running::{Client, Running};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};

#[path = "support/running.rs"]
mod running;
#[path = "support/pretend.rs"]
mod support;

/// Processor time of all threads, milliseconds.
fn processor_ms() -> i64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec * 1_000 + used.tv_nsec / 1_000_000
}

#[test]
fn with_no_file_to_be_had_clients_are_turned_away_and_the_gateway_sleeps_and_recovers() {
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), ..limits }).unwrap();
    let running = Running::start();
    let mut member = running.connect();
    member.send("35=A|553=ALPHA1|554=secret|108=1");
    assert_eq!(member.line(), "35=A|34=1|58=n1 epoch 3");
    let turned_away: Vec<Socket> =
        (0..3).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for socket in turned_away {
        socket.connect(&running.address.into()).unwrap();
        // An end or a reset, at once: nothing was said that could be lost.
        let _ = TcpStream::from(socket).read(&mut [0; 16]).map(|bytes| assert_eq!(bytes, 0));
        files.push(File::open("/dev/null").unwrap());
    }
    member.send("35=1|112=still here");
    // On a slow machine a heartbeat may come first.
    let mut heard = member.line();
    while !heard.ends_with("112=still here") {
        assert!(heard.starts_with("35=0|34="), "{heard}");
        heard = member.line();
    }
    // A gateway that tried again and again would use all of the second until its heartbeat.
    let (before, began) = (processor_ms(), std::time::Instant::now());
    assert!(member.line().starts_with("35=0|34="));
    let (used, passed) = (processor_ms() - before, began.elapsed().as_millis());
    assert!(i128::from(used) * 2 < i128::try_from(passed).unwrap(), "{used} of {passed} ms");
    files.truncate(files.len() - 4);
    let mut other = Client::over(TcpStream::connect(running.address).unwrap());
    other.send("35=A|553=ALPHA2|554=secret");
    assert_eq!(other.line(), "35=A|34=1|58=n1 epoch 3");
    running.stop();
}

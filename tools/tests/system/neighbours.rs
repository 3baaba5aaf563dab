//! A client that behaves badly costs the others nothing.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, Wire, fix_frame};
use crate::node::{Home, Node, PATIENCE};
use crate::random::Random;
use crate::{CONFIG, Rounds};

/// Longest wait for one answer beside a bad client; generous, for a machine with other work.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// BETA1 trades alone, order by order, until `ends`; each must be answered in time. How many there were.
fn neighbour(node: &Node, ends: &AtomicBool) -> u32 {
    let mut client = Client::log_on(node.fix(), Wire::Line, "BETA1", (30, ""));
    let mut orders = 0;
    while !ends.load(Ordering::Relaxed) || orders < 100 {
        orders += 1;
        client.send(&format!("35=D|11=n{orders}|55=ACME|54=1|38=1|40=2|44=1.00|59=3"), 0, false).unwrap();
        for kind in ["0", "4"] {
            let began = Instant::now();
            let report = client.expect();
            assert_eq!((report.field(150), report.field(11)), (kind, format!("n{orders}").as_str()));
            assert!(began.elapsed() < ANSWER_WITHIN, "{:?} for {report}", began.elapsed());
        }
    }
    orders
}

/// While `bad` does its worst, a neighbour is served; afterwards the node is as before.
fn beside(bad: impl FnOnce(&Node)) {
    struct Ends<'a>(&'a AtomicBool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let home = Home::new(CONFIG);
    let node = home.start(&["--ack", "async"]);
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| neighbour(&node, &ends));
        {
            let _ends = Ends(&ends);
            bad(&node);
        }
        println!("  {} orders of a neighbour were answered", neighbour.join().unwrap());
    });
    assert_eq!(node.status(&[])["policy_met"], true);
    assert!(!node.log().contains("panicked"), "{}", node.log());
    let (status, _) = node.terminate();
    assert!(status.success(), "{status}");
}

/// It asks for much, reads nothing, is cut, and finds all its messages when it comes back.
pub(crate) fn slow_reader(_: &Rounds) {
    beside(|node| {
        let mut slow = Client::log_on(node.fix(), Wire::Line, "ALPHA1", (30, ""));
        let deadline = Instant::now() + PATIENCE;
        let mut asked = 0;
        while slow.send(&format!("35=D|11=s{asked}|55=NONE|54=1|38=1|40=2|44=1.00"), 0, false).is_ok() {
            asked += 1;
            assert!(Instant::now() < deadline, "{asked} requests without reading, and not cut");
        }
        println!("  cut after {asked} requests");
        drop(slow);
        let mut back = Client::connect(node.fix(), Wire::Line, "ALPHA1").unwrap();
        back.send("35=A|553=ALPHA1|554=secret|789=2", 0, false).unwrap();
        let last = back.expect().number();
        assert!(last > 10_000, "{last} messages, fewer than may wait");
        let mut next = 2;
        while next < last {
            let message = back.expect();
            assert!(message.is_again() && message.number() == next, "{next} is due: {message}");
            next = if message.kind() == "4" { message.whole(36) } else { next + 1 };
        }
    });
}

/// Bytes of every kind, from strangers and from a member.
pub(crate) fn garbage(rounds: &Rounds) {
    let mut random = Random::new(rounds.seed);
    let noise: Vec<u8> = (0..256 << 10).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
    let log_on_frame = fix_frame("35=A|98=0|108=30|553=ALPHA2|554=secret", ("ALPHA2", 1), false);
    let stranger = |node: &Node, bytes: &[u8]| {
        let mut stream = TcpStream::connect(node.fix()).unwrap();
        // It may be cut while it speaks.
        if let Err(error) = stream.write_all(bytes) {
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        }
    };
    beside(|node| {
        for chunk in noise.chunks(4 << 10) {
            stranger(node, chunk);
        }
        for bytes in [
            vec![b'x'; 1 << 20],
            vec![0; 1 << 20],
            b"GET / HTTP/1.1\r\nHost: rialto\r\n\r\n".to_vec(),
            b"8=FIX.4.4\x019=99999999\x0135=A\x01".to_vec(),
            log_on_frame.replace("10=", "10=9").into_bytes(),
            log_on_frame.as_bytes()[..60].to_vec(),
            log_on_frame.replace("secret", "guess!").into_bytes(),
            b"35=A|553=ALPHA2\n35=A|553=NOBODY|554=secret\n".to_vec(),
        ] {
            stranger(node, &bytes);
        }
        let mut member = Client::log_on(node.fix(), Wire::Fix, "ALPHA2", (30, ""));
        for chunk in noise.chunks(1000).take(20) {
            member.send_bytes(chunk).unwrap();
        }
        member.send("35=1|112=still there", 2, false).unwrap();
        let answer = member.expect();
        assert_eq!((answer.kind(), answer.get(112)), ("0", Some("still there")), "{answer}");
    });
}

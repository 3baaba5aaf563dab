//! What a node writes about itself, and what it never writes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::client::{Wire, fix_frame};
use crate::node::{Home, PATIENCE};
use crate::{CONFIG, Rounds};

pub(crate) fn logs_go_to_a_file_line_by_line_and_hold_no_password(_: &Rounds) {
    let home = Home::new(CONFIG);
    let path = home.config().with_file_name("rialto.log");
    let mut serve = home.serve(&["--json", "--log", &path.display().to_string()]);
    serve.env("RUST_LOG", "trace");
    let node = home.launch(serve, &home.data());
    for (wire, line) in [(Wire::Line, "35=A"), (Wire::Fix, "35=A|98=0|108=30")] {
        for password in ["wr0ng-guess", "secret"] {
            let asked = format!("{line}|553=ALPHA1|554={password}");
            let bytes =
                if wire == Wire::Fix { fix_frame(&asked, ("ALPHA1", 1), false) } else { asked + "\n" };
            let mut stream = TcpStream::connect(node.fix()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(bytes.as_bytes()).unwrap();
            // An answer, or the end of the connection.
            let heard = stream.read(&mut [0; 4096]).unwrap();
            assert!(heard < 4096, "an answer of one message");
        }
    }
    assert_eq!(node.log(), "", "nothing beside the file");
    assert!(node.terminate().0.success());
    let log = fs::read_to_string(&path).unwrap();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(entry["level"].is_string() && entry["timestamp"].is_string(), "{line}");
    }
    for password in ["wr0ng-guess", "secret"] {
        assert!(!log.contains(password), "a password is in the log");
    }
}

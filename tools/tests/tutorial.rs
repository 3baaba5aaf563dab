//! docs/tutorial.md, followed to the letter: its commands are typed into a shell, one after the other, and what stands
//! below each must come, `…` being anything.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, here in what several tests share")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// For one command and its output; generous, for a machine with other work.
const PATIENCE: Duration = Duration::from_mins(1);
/// Said behind each command.
const DONE: &str = "~~done~~";

/// A command of the tutorial and the lines below it.
#[derive(Debug, Default)]
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The steps in a document's console blocks.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_block = false;
    for line in document.lines() {
        match line.strip_prefix("```") {
            Some(kind) => in_block = kind == "console",
            None if !in_block => {}
            None => match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), ..Step::default() }),
                None => steps.last_mut().unwrap().expected.push(line.to_owned()),
            },
        }
    }
    steps
}

/// Whether a line is as expected: its parts between `…` come in this order, at its start and end if no `…` stands there.
fn is_as(expected: &str, line: &str) -> bool {
    let (expected, line) = (expected.trim(), line.trim());
    let mut rest = line;
    for (place, part) in expected.split('…').enumerate() {
        let Some(at) = rest.find(part).filter(|at| place > 0 || *at == 0) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || expected.ends_with('…')
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A folder like a clone that was built. Its node may run anywhere, beside any other: shared memory has a directory of its
/// own, and a disk that proves nothing is accepted.
fn clone(folder: &Path, shm: &Path) {
    let release = folder.join("target/release");
    fs::create_dir_all(&release).unwrap();
    let binary = env!("CARGO_BIN_EXE_rialto");
    let shm = shm.display();
    let script = format!(
        "#!/bin/sh\ncase $1 in\nserve) shift; exec {binary} serve --accept-volatile --shm-dir {shm} \"$@\";;\n\
         demo) exec {binary} \"$@\" --shm-dir {shm};;\n*) exec {binary} \"$@\";;\nesac\n"
    );
    fs::write(release.join("rialto"), script).unwrap();
    fs::set_permissions(release.join("rialto"), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["docs", "tools"] {
        symlink(repository().join(name), folder.join(name)).unwrap();
    }
}

/// A shell; what it leaves running ends with it.
struct Shell {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Shell {
    fn new(folder: &Path) -> Self {
        let mut bash = Command::new("bash");
        bash.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = bash.spawn().expect("bash");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let mut shell = Self { stdin: child.stdin.take(), child, lines };
        shell.write("exec 2>&1; trap '[ -z \"$NODE\" ] || kill -9 $NODE' EXIT\n");
        shell
    }

    fn write(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Types a command and waits until it is done and all that is expected of it has come.
    fn type_in(&mut self, step: &Step) {
        self.write(&format!("{}\necho {DONE}\n", step.command));
        let deadline = Instant::now() + PATIENCE;
        let mut expected = step.expected.iter();
        let mut due = expected.next();
        let (mut told, mut is_done) = (Vec::new(), false);
        while due.is_some() || !is_done {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("$ {}\n{}\nand not: {due:?}", step.command, told.join("\n"));
            };
            is_done |= line == DONE;
            if due.is_some_and(|expected| is_as(expected, &line)) {
                due = expected.next();
            }
            told.push(line);
            // A command in the background may speak later, any other has said all by then.
            let over = is_done && !step.command.contains(" & ");
            assert!(!over || due.is_none(), "$ {}\n{}\nand not: {due:?}", step.command, told.join("\n"));
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.stdin = None;
        self.child.wait().ok();
    }
}

#[test]
fn the_tutorial_does_what_it_says() {
    let document = fs::read_to_string(repository().join("docs/tutorial.md")).unwrap();
    let steps = steps(&document);
    let (built, typed): (Vec<_>, Vec<_>) =
        steps.into_iter().partition(|step| step.command.starts_with("cargo "));
    assert_eq!(built.iter().map(|step| step.command.as_str()).collect::<Vec<_>>(), ["cargo build --release"]);
    assert!(typed.len() > 20, "{} commands", typed.len());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let shm = tempfile::Builder::new().prefix("rialto-test-").tempdir_in("/dev/shm").unwrap();
    clone(folder.path(), shm.path());
    let mut shell = Shell::new(folder.path());
    for step in &typed {
        shell.type_in(step);
    }
}

#[test]
fn a_line_that_did_not_come_would_be_found() {
    assert!(is_as("a…c", "abc") && is_as("a…", "a") && is_as("  a…b…", "a1b2"));
    assert!(!is_as("a…c", "abcd") && !is_as("b…", "abc") && !is_as("a…c…b", "abc") && !is_as("a", "ab"));
    let found = steps("$ no\n```console\n$ one\nout\n$ two\n```\n```text\n$ no\n```\n");
    let typed: Vec<_> = found.iter().map(|step| (step.command.as_str(), step.expected.len())).collect();
    assert_eq!(typed, [("one", 1), ("two", 0)]);
}

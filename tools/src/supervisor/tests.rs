//! The supervisor with small children: a shell, and this test program in the child's part.
use std::io::Read;
use std::process::Stdio;
use std::time::Instant;

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

/// Runs a shell line under the supervisor: the code, and the leases that were ended.
fn run(line: &str) -> (u8, Vec<i64>) {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    let revoked: Arc<Mutex<Vec<i64>>> = Arc::default();
    let code = {
        let revoked = Arc::clone(&revoked);
        stay_with(command, move |lease| revoked.lock().push(lease.0)).unwrap()
    };
    let revoked = revoked.lock().clone();
    (code, revoked)
}

const TELL: &str = "tell() { echo $* > /proc/self/fd/${RIALTO_SUPERVISED#*:}; }; ";

#[test]
fn the_leases_of_a_killed_child_are_ended_at_once_and_the_code_is_5() {
    let begun = Instant::now();
    assert_eq!(run(&format!("{TELL} tell 3; tell 77 78; kill -9 $$")), (5, vec![77, 78]));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_child_that_let_its_leases_go_leaves_none_to_end() {
    assert_eq!(run(&format!("{TELL} tell 77; tell; exit 0")), (0, vec![]));
}

#[test]
fn the_code_of_a_child_that_ended_in_good_order_is_passed_on_and_others_mean_stopped() {
    for (code, expected) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (101, 5), (255, 5)] {
        assert_eq!(run(&format!("exit {code}")), (expected, vec![]), "{code}");
    }
}

#[test]
fn what_is_no_number_ends_no_lease() {
    assert_eq!(run(&format!("{TELL} tell garbage; tell x 9 y; exit 5")), (5, vec![9]));
}

#[test]
fn a_coordinator_that_does_not_answer_holds_the_exit_up_for_less_than_a_second() {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{TELL} tell 1; exit 5")]);
    let begun = Instant::now();
    let (_never, silent) = mpsc::channel::<()>();
    let code = stay_with(command, move |_| {
        silent.recv_timeout(DEADLINE).ok();
    });
    assert_eq!(code.unwrap(), 5);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// Not a promise by itself: the part that this program plays as a child of the tests below.
#[test]
fn plays_its_part_when_it_is_asked_to() {
    match std::env::var("RIALTO_TEST_PART").as_deref() {
        Ok("supervisor") => {
            let mut command = Command::new("/proc/self/exe");
            command.args(std::env::args_os().skip(1)).env("RIALTO_TEST_PART", "node");
            let code = stay_with(command, |lease| eprintln!("revoked {}", lease.0)).unwrap();
            eprintln!("code {code}");
        }
        Ok("node") => {
            let supervised = supervised().unwrap().unwrap();
            supervised.holds(&[LeaseId(41), LeaseId(42)]).unwrap();
            let mut signals = Signals::new([SIGTERM, SIGINT]).unwrap();
            eprintln!("node {} under {}", std::process::id(), supervised.supervisor());
            let signal = signals.forever().next();
            eprintln!("signal {}", signal.unwrap());
        }
        _ => assert!(supervised().unwrap().is_none()),
    }
}

/// A supervisor with its node, both played by this program, and what they say on stderr.
struct Played {
    supervisor: std::process::Child,
    node: i32,
    said: BufReader<std::process::ChildStderr>,
}

fn play() -> Played {
    let mut supervisor = Command::new("/proc/self/exe")
        .args(["--exact", "supervisor::tests::plays_its_part_when_it_is_asked_to", "--nocapture"])
        .env("RIALTO_TEST_PART", "supervisor")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(supervisor.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("node ") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended");
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], supervisor.id().to_string(), "the node knows its supervisor");
    Played { supervisor, node: words[1].parse().unwrap(), said }
}

impl Played {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.supervisor.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// What both say until they are gone: the pipe ends with the last of them.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        self.supervisor.wait().unwrap();
        rest
    }
}

#[test]
fn a_signal_to_the_supervisor_reaches_the_node_and_its_leases_end_after_it() {
    for (signal, number) in [(Signal::TERM, SIGTERM), (Signal::INT, SIGINT)] {
        let played = play();
        played.signal(signal);
        let rest = played.rest();
        let expected = format!("signal {number}\nrevoked 41\nrevoked 42\ncode 0\n");
        assert!(rest.contains(&expected), "{rest}");
    }
}

#[test]
fn a_node_dies_with_its_supervisor() {
    let played = play();
    let node = played.node;
    played.signal(Signal::KILL);
    let rest = played.rest();
    assert!(!rest.contains("signal"), "{rest}");
    let until = Instant::now() + DEADLINE;
    let is_running = || {
        let state = std::fs::read_to_string(format!("/proc/{node}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    while is_running() {
        assert!(Instant::now() < until, "node {node} outlives its supervisor");
        thread::yield_now();
    }
}

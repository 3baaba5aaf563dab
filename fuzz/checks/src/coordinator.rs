//! What the coordinator keeps and answers: any bytes as the cluster's state, and as what an etcd says.
//!
//! Promised: a state is refused in words, or it is sound, stays so through each change that is not refused, and is the same
//! after its text; an etcd's answer is a result or an error in words, soon.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rialto_replicator::coordinator::etcd::{Etcd, TRY};
use rialto_replicator::coordinator::{
    Coordinator, CoordinatorError, LeaseId, LeaseIs, NodeNote, Revision, Swap,
};
use rialto_replicator::state::{AckPolicy, ClusterState, Held, Opening, STATE_BYTES_MAX, StateRefusal};

use crate::bytes::Bytes;

const CHANGES_MAX: usize = 16;
const PATIENCE: Duration = Duration::from_millis(20);

/// The first byte decides: a state, the body of an answer, or all of an answer.
pub fn coordinator(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    match bytes.byte() % 4 {
        0 | 1 => state(&mut bytes),
        2 => {
            let call = bytes.byte();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.0.len());
            answered(call, [head.as_bytes(), bytes.0].concat());
        }
        _ => answered(bytes.byte(), bytes.0.to_vec()),
    }
}

/// Changes come first, then the text.
fn state(bytes: &mut Bytes<'_>) {
    let changes = bytes.below(CHANGES_MAX);
    let mut changes = Bytes(bytes.take(changes * 4));
    match ClusterState::from_bytes(bytes.0) {
        Err(why) => in_words(&why),
        Ok(mut state) => {
            is_sound(&state);
            while !changes.is_empty() {
                match changed(&state, changes.array()) {
                    Ok(next) => {
                        is_sound(&next);
                        assert!(
                            next.version > state.version && next.epoch >= state.epoch,
                            "{next:?} behind {state:?}"
                        );
                        state = next;
                    }
                    Err(why) => in_words(&why),
                }
            }
        }
    }
}

fn in_words(why: &StateRefusal) {
    assert!(!why.to_string().is_empty(), "{why:?} without words");
}

fn is_sound(state: &ClusterState) {
    let text = state.to_bytes();
    assert!(text.len() <= STATE_BYTES_MAX, "a state of {} bytes", text.len());
    assert_eq!(ClusterState::from_bytes(&text).as_ref(), Ok(state), "it is the same after its text");
    assert!(state.is_in_sync(&state.primary), "{state:?}");
    assert_eq!(state.policy_in_force().is_none(), state.strict && state.in_sync.len() < 2, "{state:?}");
}

fn changed(state: &ClusterState, [verb, which, a, b]: [u8; 4]) -> Result<ClusterState, StateRefusal> {
    let member = &state.in_sync[usize::from(which) % state.in_sync.len()];
    let stranger = format!("n{a}");
    match verb % 5 {
        0 => state.with(&stranger),
        1 => state.without(&[member], Held { released: u64::from(a), synced: u64::from(b) }),
        2 => state.under(AckPolicy::ALL[usize::from(a) % AckPolicy::ALL.len()], b.is_multiple_of(2)),
        3 => state.committed(u64::from(a)),
        _ => {
            let opening = Opening {
                epoch: state.epoch.saturating_add(u32::from(a % 4)),
                primary: if b < 64 { stranger } else { member.clone() },
                start_page: state.epoch_start_page.saturating_add(u64::from(a)),
                start_seq: state.epoch_start_seq.saturating_add(u64::from(b)),
                prev_end_page: state.epoch_start_page,
                prev_chain: [a; 16],
                loss: b.is_multiple_of(16),
            };
            state.opened(&opening, &[member])
        }
    }
}

/// Asks an etcd that answers so.
fn answered(call: u8, answer: Vec<u8>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (address, answers) = pretended_etcd();
    answers.send(answer).expect("it goes on");
    let etcd = Etcd::new(&format!("etcd://{address}"), "market").expect("an address");
    let began = Instant::now();
    let failed = match call % 7 {
        0 | 1 => etcd.read().map(|view| {
            if let Some(state) = view.state() {
                is_sound(state);
            }
            assert!(view.nodes.is_sorted_by(|a, b| a.name <= b.name), "{view:?}");
        }),
        2 => swap(&etcd),
        3 => etcd.grant(Duration::from_secs(3)).map(drop),
        4 => etcd.keep_alive(LeaseId(7)).map(drop),
        5 => etcd.register(&note(), LeaseId(7)),
        _ => etcd.watch(Revision(5), PATIENCE).map(drop),
    };
    if let Err(why) = failed {
        assert!(!why.to_string().is_empty(), "{why:?} without words");
    }
    // Ten times what it may take, for a machine that has other things to do.
    assert!(began.elapsed() < TRY * 10, "an answer took {:?}", began.elapsed());
}

fn swap(etcd: &Etcd) -> Result<(), CoordinatorError> {
    let state = ClusterState::founded("n1", AckPolicy::Ram, false).expect("a name");
    let swap = Swap { seen: Revision(3), lease_is: LeaseIs::Absent, state: &state, hold: Some(LeaseId(7)) };
    etcd.swap(&swap).map(drop)
}

fn note() -> NodeNote {
    NodeNote {
        name: "n1".to_owned(),
        replication: "127.0.0.1:1".to_owned(),
        fix: "127.0.0.1:2".to_owned(),
        boot_id: "00".to_owned(),
        incarnation: 1,
        role: "standby".to_owned(),
        epoch: 1,
        sequence: 1,
    }
}

/// Where something listens that gives each connection the next answer it is sent, and closes.
fn pretended_etcd() -> (SocketAddr, Sender<Vec<u8>>) {
    static ETCD: OnceLock<(SocketAddr, Sender<Vec<u8>>)> = OnceLock::new();
    let (address, answers) = ETCD.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = port.local_addr().expect("it is bound");
        let (answers, received) = channel::<Vec<u8>>();
        std::thread::spawn(move || {
            for answer in received {
                if let Ok((socket, _)) = port.accept() {
                    // Whoever asks may be gone before all is said.
                    give(&socket, &answer).ok();
                }
            }
        });
        (address, answers)
    });
    (*address, answers.clone())
}

/// Reads a request, so that closing does not cut off the answer, and answers.
fn give(mut socket: &TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut request = BufReader::new(socket);
    let mut length = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let line = line.to_ascii_lowercase();
        length =
            line.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap_or(0));
    }
    request.take(length).read_to_end(&mut Vec::new())?;
    socket.write_all(answer)
}

//! What is said comes back as it was said; what makes no sense is an error with words.

use proptest::prelude::*;

use super::*;

const BASE: Base = Base { page_no: 7, first_seq: 90, epoch: 3, chain: [5; 16] };

fn hello() -> Hello {
    Hello {
        cluster: "market".to_owned(),
        cluster_id: Some([1; 16]),
        node: "b".to_owned(),
        boot_id: [2; 16],
        incarnation: 3,
        versions: (1, 2),
        promised_epoch: 4,
        epochs: vec![EpochStart { epoch: 3, page_no: 2, first_seq: 20 }],
        end: BASE,
        open: Some(OpenPage { epoch: 3, offset: 96, last_seq: 90, hash: [6; 16] }),
        synced_page: 6,
    }
}

fn bytes(kind: Kind, value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, value);
    out
}

#[test]
fn structures_come_back_as_they_went() {
    assert_eq!(get(Kind::Hello, &bytes(Kind::Hello, &hello())), Ok(hello()));
    let reject = Welcome::Reject(Reject::Version { mine: 3, yours: (1, 2) });
    assert_eq!(get(Kind::Welcome, &bytes(Kind::Welcome, &reject)), Ok(reject));
}

#[test]
fn the_format_of_a_hello_is_the_golden_one() {
    let golden: &[u8] = b"\x01\0\0\0\x06\0\0\0\0\0\0\0market\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
        \x01\0\0\0\0\0\0\0b\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x03\0\0\0\0\0\0\0\
        \x01\0\0\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x02\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0\
        \x07\0\0\0\0\0\0\0\x5a\0\0\0\0\0\0\0\x03\0\0\0\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\
        \x01\x03\0\0\0\x60\0\x5a\0\0\0\0\0\0\0\x06\x06\x06\x06\x06\x06\x06\x06\x06\x06\x06\x06\x06\x06\x06\x06\
        \x06\0\0\0\0\0\0\0";
    assert_eq!(bytes(Kind::Hello, &hello()), golden);
}

#[test]
fn fixed_layouts_come_back_as_they_went() {
    let ack = Ack { epoch: 1, received: 2, synced: 3, applied: 4, event_pages: 5, event_hash: [6; 16] };
    let heartbeat = Heartbeat { epoch: 1, committed_seq: 2, wall_ns: 3, state_version: 4 };
    let mut out = Vec::new();
    ack.put(&mut out);
    assert_eq!((Ack::get(&out), out.len()), (Ok(ack), Kind::Ack.bytes_max()));
    out.clear();
    heartbeat.put(&mut out);
    assert_eq!((Heartbeat::get(&out), out.len()), (Ok(heartbeat), Kind::Heartbeat.bytes_max()));
    out.clear();
    put_run(&mut out, 9, Position::at(3, 64), b"records");
    assert_eq!(get_run(&out), Ok((9, Position::at(3, 64), &b"records"[..])));
    out.clear();
    put_placed(&mut out, 4, &[8; PAGE_BYTES]);
    assert_eq!(get_page(Kind::Page, &out), Ok((4, &[8; PAGE_BYTES][..])));
}

#[test]
fn peer_of_another_protocol_version_is_told_apart_before_its_structure_is_read() {
    let mut other = bytes(Kind::Hello, &hello());
    other[0] = 9;
    other.truncate(6);
    let error = get::<Hello>(Kind::Hello, &other).unwrap_err();
    assert_eq!(error, MessageError::Protocol { found: 9 });
    assert_eq!(error.to_string(), "the peer speaks version 9 of the replication protocol, this build 1");
}

#[test]
fn longest_epoch_table_that_is_sent_is_taken() {
    let rows = |count: u32| -> Vec<EpochStart> {
        let row = |n: u32| EpochStart { epoch: n, page_no: u64::from(n), first_seq: u64::from(n) };
        (1..=count).map(row).collect()
    };
    let most = u32::try_from(EPOCHS_MAX).unwrap();
    let mut hello = Hello { epochs: rows(most + 10), ..hello() };
    keep_newest(&mut hello.epochs);
    assert_eq!((hello.epochs.len(), hello.epochs[0].epoch), (EPOCHS_MAX, 11), "the oldest go");
    assert_eq!(get(Kind::Hello, &bytes(Kind::Hello, &hello)), Ok(hello));
}

#[test]
fn payloads_of_a_wrong_length_are_refused_by_name() {
    let words = |error: MessageError| error.to_string();
    assert_eq!(words(Ack::get(&[0; 55]).unwrap_err()), "Ack frame with 55 bytes of payload");
    assert_eq!(words(Heartbeat::get(&[]).unwrap_err()), "Heartbeat frame with 0 bytes of payload");
    assert_eq!(words(get_run(&[0; 15]).unwrap_err()), "Run frame with 15 bytes of payload");
    assert_eq!(words(get_close(&[0; 7]).unwrap_err()), "Close frame with 7 bytes of payload");
    assert_eq!(words(get_epoch(Kind::Fence, &[]).unwrap_err()), "Fence frame with 0 bytes of payload");
    assert_eq!(words(get_page(Kind::Page, &[0; 99]).unwrap_err()), "Page frame with 99 bytes of payload");
    assert_eq!(words(get::<Hello>(Kind::Hello, &[1]).unwrap_err()), "Hello frame with 1 bytes of payload");
}

proptest! {
    #[test]
    fn any_payload_is_a_structure_or_an_error(payload in prop::collection::vec(any::<u8>(), 0..400), at in 0..200usize) {
        let _ = get::<Hello>(Kind::Hello, &payload);
        let _ = get::<Answer>(Kind::Answer, &payload);
        let mut near = bytes(Kind::Hello, &hello());
        let from = at.min(near.len());
        let length = payload.len().min(near.len() - from);
        near[from..from + length].copy_from_slice(&payload[..length]);
        let _ = get::<Hello>(Kind::Hello, &near);
        let _ = get::<Welcome>(Kind::Welcome, &near);
    }
}

//! Any bytes in, and the limits of what is kept of them.

use proptest::prelude::*;

use super::*;
use crate::key::ClusterKey;
use crate::secure::{Channel, Credentials, Side};

fn proven() -> (Channel, Channel) {
    let credentials = Credentials { key: ClusterKey::new([3; 32]), cluster: "market".into() };
    let mut dialler = Channel::new(Side::Dialler, &credentials, [1; 32]);
    let mut listener = Channel::new(Side::Listener, &credentials, [2; 32]);
    for _ in 0..2 {
        let up = dialler.pending().to_vec();
        dialler.sent(up.len());
        listener.receive(&up).unwrap();
        let down = listener.pending().to_vec();
        listener.sent(down.len());
        dialler.receive(&down).unwrap();
    }
    (dialler, listener)
}

#[track_caller]
fn check(header: [u8; HEADER_BYTES], expected: &str) {
    let (_, mut listener) = proven();
    listener.receive(&header).unwrap();
    assert_eq!(listener.next_frame().unwrap_err().to_string(), expected);
}

#[test]
fn impossible_header_is_refused_before_its_payload_comes() {
    check([0, 0, 0, 0, 0, 0, 0, 0], "unknown kind of frame 0");
    check([0, 0, 0, 0, 17, 0, 0, 0], "unknown kind of frame 17");
    check([0, 0, 0, 0, 1, 0, 1, 0], "frame header has a byte that is not zero");
    check([57, 0, 0, 0, 5, 0, 0, 0], "Ack frame of 57 bytes, at most 56 are taken");
    check(
        [0xff; 4].into_iter().chain([2, 0, 0, 0]).collect::<Vec<_>>().try_into().unwrap(),
        "Welcome frame of 4294967295 bytes, at most 524288 are taken",
    );
}

#[test]
fn largest_frame_of_each_kind_is_taken() {
    let (mut dialler, mut listener) = proven();
    for kind in Kind::ALL {
        dialler.send(*kind, |out| out.resize(out.len() + kind.bytes_max(), 0x5a));
        let bytes = dialler.pending().to_vec();
        dialler.sent(bytes.len());
        for piece in bytes.chunks(1_000) {
            assert_eq!(listener.next_frame(), Ok(None));
            listener.receive(piece).unwrap();
        }
        let (found, place) = listener.next_frame().unwrap().unwrap();
        assert_eq!((found, place.len()), (*kind, kind.bytes_max()));
    }
}

#[test]
#[should_panic(expected = "Close frame of 9 bytes, at most 8")]
fn larger_frame_than_its_kind_allows_is_never_sent() {
    proven().0.send(Kind::Close, |out| out.extend_from_slice(&[0; 9]));
}

#[test]
fn outbound_keeps_what_the_socket_did_not_take() {
    let mut outbound = Outbound::default();
    outbound.tail().extend_from_slice(b"abcdef");
    outbound.sent(4);
    outbound.tail().extend_from_slice(b"gh");
    assert_eq!(outbound.pending(), b"efgh");
    outbound.sent(4);
    assert_eq!(outbound.pending(), b"");
}

proptest! {
    #[test]
    fn any_bytes_are_frames_or_an_error_and_little_is_kept(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
        plausible in any::<bool>(),
    ) {
        let (_, mut listener) = proven();
        for mut piece in pieces {
            if plausible && piece.len() >= HEADER_BYTES {
                piece[1..4].fill(0);
                piece[4] = piece[4] % 16 + 1;
                piece[5..8].fill(0);
            }
            listener.receive(&piece).unwrap();
            match listener.next_frame() {
                Ok(found) => prop_assert_eq!(found, None, "a mac met by chance"),
                Err(_) => break,
            }
        }
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 1..20),
        cuts in prop::collection::vec(1..3_000usize, 1..10),
    ) {
        let (mut dialler, mut listener) = proven();
        for payload in &payloads {
            dialler.send(Kind::State, |out| out.extend_from_slice(payload));
        }
        let (mut found, mut turn) = (Vec::new(), 0);
        while !dialler.pending().is_empty() {
            let length = cuts[turn % cuts.len()].min(dialler.pending().len());
            let piece = dialler.pending()[..length].to_vec();
            dialler.sent(length);
            listener.receive(&piece).unwrap();
            while let Some((_, place)) = listener.next_frame().unwrap() {
                found.push(listener.payload(place).to_vec());
            }
            turn += 1;
        }
        prop_assert_eq!(found, payloads);
    }
}

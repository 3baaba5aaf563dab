//! Two sides that prove themselves to each other, and everyone who must not get in between.

use super::*;

fn credentials() -> Credentials {
    Credentials { key: ClusterKey::new([3; 32]), cluster: "market".into() }
}

fn pass(from: &mut Channel, to: &mut Channel) -> Result<Vec<u8>, HandshakeError> {
    let bytes = from.pending().to_vec();
    from.sent(bytes.len());
    to.receive(&bytes)?;
    Ok(bytes)
}

fn ends(dialler: &Credentials, listener: &Credentials) -> (Channel, Channel) {
    (Channel::new(Side::Dialler, dialler, [1; 32]), Channel::new(Side::Listener, listener, [2; 32]))
}

/// What happened to the handshake; and the two ends.
fn shake(dialler: &Credentials, listener: &Credentials) -> Result<(Channel, Channel), HandshakeError> {
    let (mut dialler, mut listener) = ends(dialler, listener);
    for _ in 0..2 {
        pass(&mut dialler, &mut listener)?;
        pass(&mut listener, &mut dialler)?;
    }
    Ok((dialler, listener))
}

/// Two proven ends.
fn proven() -> (Channel, Channel) {
    let (dialler, listener) = shake(&credentials(), &credentials()).unwrap();
    assert!(dialler.is_proven() && listener.is_proven());
    (dialler, listener)
}

fn send(channel: &mut Channel, payload: &[u8]) -> Vec<u8> {
    channel.send(Kind::State, |out| out.extend_from_slice(payload));
    let bytes = channel.pending().to_vec();
    channel.sent(bytes.len());
    bytes
}

#[track_caller]
fn refused(channel: &mut Channel, bytes: &[u8], number: u64) {
    channel.receive(bytes).unwrap();
    assert_eq!(channel.next_frame(), Err(FrameError::Mac { kind: Kind::State, number }));
}

#[test]
fn both_sides_with_the_key_believe_each_other_and_speak() {
    let (mut dialler, mut listener) = proven();
    for payload in [&b"one"[..], b"", b"three"] {
        let frame = send(&mut dialler, payload);
        listener.receive(&frame).unwrap();
        let (kind, place) = listener.next_frame().unwrap().unwrap();
        assert_eq!((kind, listener.payload(place)), (Kind::State, payload));
        let frame = send(&mut listener, payload);
        dialler.receive(&frame).unwrap();
        let (_, place) = dialler.next_frame().unwrap().unwrap();
        assert_eq!(dialler.payload(place), payload);
    }
}

#[test]
fn handshake_may_come_one_byte_at_a_time_with_frames_close_behind() {
    let (mut dialler, mut listener) = ends(&credentials(), &credentials());
    for _ in 0..2 {
        for byte in pass(&mut dialler, &mut Channel::new(Side::Listener, &credentials(), [5; 32])).unwrap() {
            listener.receive(&[byte]).unwrap();
        }
        pass(&mut listener, &mut dialler).unwrap();
    }
    let mut bytes = send(&mut listener, b"close behind");
    bytes.extend(send(&mut listener, b"closer"));
    for byte in bytes {
        dialler.receive(&[byte]).unwrap();
    }
    assert!(dialler.next_frame().unwrap().is_some() && dialler.next_frame().unwrap().is_some());
    assert_eq!(dialler.next_frame(), Ok(None));
}

#[test]
fn another_key_or_another_clusters_name_is_not_believed() {
    let other_key = Credentials { key: ClusterKey::new([4; 32]), ..credentials() };
    let other_name = Credentials { cluster: "Market".into(), ..credentials() };
    for other in [other_key, other_name] {
        assert_eq!(shake(&other, &credentials()).unwrap_err(), HandshakeError::Proof);
        assert_eq!(shake(&credentials(), &other).unwrap_err(), HandshakeError::Proof);
    }
}

#[test]
fn stranger_is_told_a_nonce_and_nothing_else() {
    let (mut stranger, mut listener) = ends(&credentials(), &credentials());
    assert_eq!(listener.pending(), b"", "the listener waits to be spoken to");
    pass(&mut stranger, &mut listener).unwrap();
    assert_eq!(listener.pending(), [&MAGIC[..], &[2; 32]].concat());
    listener.sent(GREETING_BYTES);
    assert_eq!(listener.receive(&[0; PROOF_BYTES]), Err(HandshakeError::Proof));
    assert_eq!(listener.pending(), b"");
}

#[test]
fn other_protocols_are_cut_off_at_the_first_bytes_that_say_so() {
    let (_, mut listener) = ends(&credentials(), &credentials());
    let request = b"GET / HTTP/1.1\r\nHost: exchange.example\r\n\r\n";
    assert_eq!(listener.receive(request), Err(HandshakeError::Magic));
}

#[test]
fn own_greeting_reflected_is_refused() {
    let (mut dialler, _) = ends(&credentials(), &credentials());
    let greeting = dialler.pending().to_vec();
    assert_eq!(dialler.receive(&greeting), Err(HandshakeError::Reflected));
}

#[test]
fn own_proof_reflected_is_refused() {
    let (mut dialler, mut listener) = ends(&credentials(), &credentials());
    pass(&mut dialler, &mut listener).unwrap();
    pass(&mut listener, &mut dialler).unwrap();
    let proof = dialler.pending().to_vec();
    assert_eq!(dialler.receive(&proof), Err(HandshakeError::Proof));
}

#[test]
fn recorded_handshake_played_to_a_later_connection_is_refused() {
    let (mut dialler, mut listener) = ends(&credentials(), &credentials());
    let mut recorded = pass(&mut dialler, &mut listener).unwrap();
    pass(&mut listener, &mut dialler).unwrap();
    recorded.extend(pass(&mut dialler, &mut listener).unwrap());
    let mut later = Channel::new(Side::Listener, &credentials(), [6; 32]);
    assert_eq!(later.receive(&recorded), Err(HandshakeError::Proof));
}

#[test]
fn frame_sent_twice_is_refused() {
    let (mut dialler, mut listener) = proven();
    let frame = send(&mut dialler, b"once");
    listener.receive(&frame).unwrap();
    listener.next_frame().unwrap().unwrap();
    refused(&mut listener, &frame, 1);
}

#[test]
fn frame_left_out_is_noticed_at_the_next_one() {
    let (mut dialler, mut listener) = proven();
    send(&mut dialler, b"left out");
    let next = send(&mut dialler, b"next");
    refused(&mut listener, &next, 0);
}

#[test]
fn frames_in_another_order_are_refused() {
    let (mut dialler, mut listener) = proven();
    let (first, second) = (send(&mut dialler, b"first"), send(&mut dialler, b"second"));
    refused(&mut listener, &[second, first].concat(), 0);
}

#[test]
fn frame_reflected_to_its_sender_is_refused() {
    let (mut dialler, _) = proven();
    let frame = send(&mut dialler, b"to the listener");
    refused(&mut dialler, &frame, 0);
}

#[test]
fn frame_of_another_connection_is_refused() {
    let (mut dialler, _) = proven();
    let frame = send(&mut dialler, b"here");
    let mut other_dialler = Channel::new(Side::Dialler, &credentials(), [8; 32]);
    let mut other = Channel::new(Side::Listener, &credentials(), [9; 32]);
    for _ in 0..2 {
        pass(&mut other_dialler, &mut other).unwrap();
        pass(&mut other, &mut other_dialler).unwrap();
    }
    refused(&mut other, &frame, 0);
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_frame_is_refused_or_waits_for_more() {
    let (mut dialler, listener) = proven();
    let Trust::Proven(_, opener) = &listener.trust else { panic!("proven") };
    let frame = send(&mut dialler, b"as it was sent");
    let check = |bytes: &[u8]| {
        let (mut inbound, mut opener) = (Inbound::default(), Opener(opener.0.clone()));
        inbound.push(bytes);
        inbound.next(&mut opener)
    };
    assert!(matches!(check(&frame), Ok(Some((Kind::State, _)))));
    for bit in 0..frame.len() * 8 {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(check(&flipped), Ok(Some(_))), "bit {bit}");
    }
    for length in 0..frame.len() {
        assert_eq!(check(&frame[..length]), Ok(None));
        // A cut frame with another one behind it takes that one's bytes for its own.
        let spliced = [&frame[..length], &frame].concat();
        assert!(length == 0 || !matches!(check(&spliced), Ok(Some(_))), "cut at {length}");
    }
}

#[test]
#[should_panic(expected = "frame for a stranger")]
fn nothing_is_sent_to_a_stranger() {
    ends(&credentials(), &credentials()).1.send(Kind::State, |_| {});
}

#[test]
fn keys_do_not_show_in_debug_output() {
    let (dialler, _) = proven();
    let shown = format!("{dialler:?} {:?}", ends(&credentials(), &credentials()).0);
    assert!(shown.contains("Sealer(0 frames)") && shown.contains("ClusterKey(…)"), "{shown}");
}

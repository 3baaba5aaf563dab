//! The line decoder over any stream, and a line session that reads it.
//!
//! Promised: progress with each call; what is found does not depend on how the stream is cut; a message's fields are the
//! line's, byte for byte; and the session layer's promises, as [`crate::fix_session`] has them.

use rialto_gateway::fix::validate::Wire;
use rialto_gateway::line::decode::{Line, Reader};
use rialto_gateway::message::Message;

use crate::conversation::Conversations;
use crate::fix_decoder::check_message;
use crate::fix_session::framed;

/// Decodes the stream whole and in pieces, and lets a session read it. Its first byte says how long the pieces are.
pub fn line_decoder(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    let whole = found(&mut std::iter::once(stream));
    let pieces = found(&mut stream.chunks(piece));
    assert_eq!(whole, pieces, "in one piece, and in pieces of {piece}");
    let mut floor = Conversations::new();
    floor.say(0, b"35=A|553=ALPHA1|554=secret\n");
    for piece in stream.chunks(piece.max(stream.len() / 64)) {
        floor.say(0, piece);
        floor.pass(1);
    }
    floor.end(|floor, place, body| framed(floor, place, body.as_bytes()));
}

/// The answered lines of a stream that comes in pieces, each message as its bytes.
fn found(pieces: &mut dyn Iterator<Item = &[u8]>) -> Vec<Result<Vec<u8>, String>> {
    let (mut reader, mut buffer, mut found) = (Reader::default(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let used = match reader.next(&buffer) {
                Line::Partial => break,
                Line::Skipped { used } => used,
                Line::Malformed { used, why } => {
                    found.push(Err(why.to_string()));
                    used
                }
                Line::Message { message, used } => {
                    check_line(&buffer[..used], &message);
                    check_message(&message, Wire::Line);
                    found.push(Ok(message.bytes().to_vec()));
                    used
                }
            };
            assert!((1..=buffer.len()).contains(&used), "{used} bytes of {}", buffer.len());
            buffer.drain(..used);
        }
    }
    found
}

/// The fields, written again, are the line.
fn check_line(line: &[u8], message: &Message<'_>) {
    let mut values = message.fields().map(|(_, value)| value);
    let line = line.strip_suffix(b"\n").expect("a whole line");
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_suffix(b"|").unwrap_or(line);
    for field in line.split(|byte| *byte == b'|') {
        let at = field.iter().position(|byte| *byte == b'=').expect("a field is number=value");
        assert_eq!(values.next(), Some(&field[at + 1..]), "a field of the line");
    }
    assert_eq!(values.next(), None, "a field that is not in the line");
}

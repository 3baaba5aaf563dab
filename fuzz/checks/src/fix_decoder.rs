//! The FIX decoder over any stream: framing, the dictionary, and the translation into a command.
//!
//! Promised: progress with each call; a message has the length and checksum that it says; what is found does not depend
//! on how the stream is cut; a command that is made of a message is a sound record.

use std::sync::OnceLock;

use rialto_gateway::fix::frame::{Framed, Framer};
use rialto_gateway::fix::validate::{self, Checks, UserDefined, Wire};
use rialto_gateway::message::Message;
use rialto_gateway::translate::{self, Translated};
use rialto_gateway::view::View;
use rialto_protocol::record::check_crc;
use rialto_protocol::{Command, RecordBuffer, SessionId, SessionSeq};

use crate::market;

/// Decodes the stream whole and in pieces. Its first byte says how long the pieces are.
pub fn fix_decoder(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let whole = messages(&mut std::iter::once(stream));
    let pieces = messages(&mut stream.chunks(usize::from(*piece).max(1)));
    assert!(whole == pieces, "{} messages in one piece, {} in pieces of {piece}", whole.len(), pieces.len());
}

/// The messages of a stream that comes in pieces.
fn messages(pieces: &mut dyn Iterator<Item = &[u8]>) -> Vec<Vec<u8>> {
    let (mut framer, mut buffer, mut found) = (Framer::default(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let used = match framer.next(&buffer) {
                Framed::Partial => break,
                Framed::Garbled { used, .. } => used,
                Framed::Message { message, used } => {
                    check_frame(&buffer[..used], &message);
                    check_message(&message, Wire::Fix);
                    found.push(buffer[..used].to_vec());
                    used
                }
            };
            assert!((1..=buffer.len()).contains(&used), "{used} bytes of {}", buffer.len());
            buffer.drain(..used);
        }
        assert!(buffer.len() <= 16_384, "{} bytes are waited for", buffer.len());
    }
    found
}

/// Length and checksum, counted anew.
fn check_frame(bytes: &[u8], message: &Message<'_>) {
    let (framed, trailer) = bytes.split_at(bytes.len() - 7);
    let sum = framed.iter().fold(0_u32, |sum, byte| sum + u32::from(*byte)) % 256;
    assert_eq!(trailer, format!("10={sum:03}\x01").as_bytes());
    let text = String::from_utf8_lossy(framed);
    let (opening, body) = text.split_once("\x0135=").expect("35 is the third field");
    let (_, length) = opening.split_once("\x019=").expect("9 is the second field");
    let body_bytes = framed.len() - (opening.len() + 1);
    let counts = opening.is_ascii() && length.parse() == Ok(body_bytes);
    assert!(counts || !opening.is_ascii(), "BodyLength {length}, the body has {body_bytes} bytes: 35={body}");
    let fields: usize = message.fields().map(|(_, value)| value.len() + 1).sum();
    assert!(fields < bytes.len(), "fields of {fields} bytes in a message of {}", bytes.len());
}

/// Checks a message as a session would, and makes a command of it.
pub(crate) fn check_message(message: &Message<'_>, wire: Wire) {
    static VIEW: OnceLock<View> = OnceLock::new();
    let view = VIEW.get_or_init(|| {
        let stage = market::open();
        View::new(&rialto_tools::serve::seed::of(&stage.exchange, stage.sequence))
    });
    for user_defined in [UserDefined::Allowed, UserDefined::Refused] {
        if validate::inbound(message, Checks { wire, user_defined }).is_err() {
            continue;
        }
        if let Translated::Command(command) = translate::command(view, message) {
            let mut record = RecordBuffer::default();
            command.encode(SessionId(1), SessionSeq(7), &mut record);
            let (header, back) = Command::decode(record.as_bytes()).expect("a gateway makes sound records");
            assert_eq!(check_crc(record.as_bytes(), &header), Ok(()));
            assert_eq!(back, command, "a command is read back as it was written");
        }
    }
}

//! Puts a line around a body: MsgType, the session's number, the fields, LF.

use super::SEPARATOR;
use crate::fix::encode::Header;
use crate::fix::tag;
use crate::write::FieldWriter;

/// Appends one message as a line. CompIDs and times of the header are left out; a message sent again says 43=Y. Number
/// 0 is none: what is told beside the session's numbers and never again.
#[inline]
pub fn message(out: &mut Vec<u8>, header: &Header<'_>, body: impl FnOnce(&mut FieldWriter<'_>)) {
    let mut fields = FieldWriter::new(out, SEPARATOR);
    fields.bytes(tag::MSG_TYPE, header.msg_type);
    if header.number != 0 {
        fields.unsigned(tag::MSG_SEQ_NUM, u64::from(header.number));
    }
    if header.first_sent_ns.is_some() {
        fields.char(tag::POSS_DUP_FLAG, b'Y');
    }
    body(&mut fields);
    if let Some(last) = out.last_mut() {
        *last = b'\n';
    }
}

/// Appends a line without a number, such as `! starting`.
pub fn notice(out: &mut Vec<u8>, words: &str) {
    out.extend_from_slice(b"! ");
    out.extend(words.bytes().filter(|byte| *byte != b'\n'));
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_line_with_the_sessions_number() {
        let header = Header {
            msg_type: b"A",
            sender: b"RIALTO",
            target: b"ALPHA1",
            number: 7,
            sending_time_ns: 0,
            first_sent_ns: None,
        };
        let mut out = Vec::new();
        message(&mut out, &header, |fields| fields.text(tag::TEXT, b"n1 epoch 3"));
        message(&mut out, &Header { first_sent_ns: Some(0), ..header }, |_| ());
        message(&mut out, &Header { msg_type: b"W", number: 0, ..header }, |_| ());
        notice(&mut out, "no lease");
        assert_eq!(out, b"35=A|34=7|58=n1 epoch 3\n35=A|34=7|43=Y\n35=W\n! no lease\n");
    }
}

//! Puts a FIX message around a body: header, BodyLength, CheckSum.

use super::{SOH, tag};
use crate::write::{FieldWriter, put_unsigned};

/// Most bodies are 100 to 999 bytes long, so three digits are left for the length and others are moved.
const OPENING: &[u8] = b"8=FIX.4.4\x019=000\x01";
const LENGTH_DIGITS: usize = 3;

/// What stands in front of every outbound message.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// MsgType (35).
    pub msg_type: &'a [u8],
    /// SenderCompID (49): ours.
    pub sender: &'a [u8],
    /// TargetCompID (56): the client's.
    pub target: &'a [u8],
    /// MsgSeqNum (34).
    pub number: u32,
    /// SendingTime (52).
    pub sending_time_ns: u64,
    /// When it was first sent, if it is sent again: then PossDupFlag (43) is Y and this is OrigSendingTime (122).
    pub first_sent_ns: Option<u64>,
}

/// Appends one whole message; `body` writes what stands between header and trailer.
#[inline]
pub fn message(out: &mut Vec<u8>, header: &Header<'_>, body: impl FnOnce(&mut FieldWriter<'_>)) {
    let start = out.len();
    out.extend_from_slice(OPENING);
    let body_start = out.len();
    let mut fields = FieldWriter::new(out, SOH);
    fields.bytes(tag::MSG_TYPE, header.msg_type);
    fields.text(tag::SENDER_COMP_ID, header.sender);
    fields.text(tag::TARGET_COMP_ID, header.target);
    fields.unsigned(tag::MSG_SEQ_NUM, u64::from(header.number));
    if header.first_sent_ns.is_some() {
        fields.char(tag::POSS_DUP_FLAG, b'Y');
    }
    fields.time(tag::SENDING_TIME, header.sending_time_ns);
    if let Some(first_ns) = header.first_sent_ns {
        fields.time(tag::ORIG_SENDING_TIME, first_ns);
    }
    body(&mut fields);
    put_length(out, body_start);
    let sum = checksum(&out[start..]);
    let digits = [sum / 100, sum / 10 % 10, sum % 10].map(|digit| b'0' + digit);
    out.extend_from_slice(&[b'1', b'0', b'=', digits[0], digits[1], digits[2], SOH]);
}

/// The sum of all bytes, modulo 256.
#[inline]
pub(crate) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[inline]
fn put_length(out: &mut Vec<u8>, body_start: usize) {
    let length = out.len() - body_start;
    let digits_start = body_start - 1 - LENGTH_DIGITS;
    if let 100..=999 = length {
        let digit = |number: usize| b'0' + (number % 10).to_le_bytes()[0];
        out[digits_start..digits_start + LENGTH_DIGITS].copy_from_slice(&[
            digit(length / 100),
            digit(length / 10),
            digit(length),
        ]);
    } else {
        let mut digits = Vec::new();
        put_unsigned(&mut digits, length as u64);
        out.splice(digits_start..digits_start + LENGTH_DIGITS, digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(first_sent_ns: Option<u64>) -> Header<'static> {
        Header {
            msg_type: b"0",
            sender: b"RIALTO",
            target: b"ALPHA1",
            number: 7,
            sending_time_ns: 1_772_323_200_001_000_000,
            first_sent_ns,
        }
    }

    fn written(header: &Header<'_>, text: &str) -> String {
        let mut out = b"before".to_vec();
        message(&mut out, header, |fields| fields.text(tag::TEXT, text.as_bytes()));
        String::from_utf8(out).unwrap().replace('\x01', "|").strip_prefix("before").unwrap().to_owned()
    }

    #[test]
    fn length_and_checksum_are_right_for_bodies_of_every_length() {
        for length in (0..200).chain([300, 850, 930, 1000, 3000]) {
            let text = written(&header(None), &"x".repeat(length));
            let (framed, checksum) = text.split_at(text.len() - 7);
            let (opening, body) = framed.split_at(framed.find("35=").unwrap());
            assert_eq!(opening, format!("8=FIX.4.4|9={}|", body.len()));
            let sum: u32 = framed.replace('|', "\x01").bytes().map(u32::from).sum();
            assert_eq!(checksum, format!("10={:03}|", sum % 256));
        }
    }

    #[test]
    fn a_resent_message_carries_both_its_times() {
        let text = written(&header(Some(1_772_323_199_000_000_000)), "");
        assert_eq!(
            &text[..text.len() - 7],
            "8=FIX.4.4|9=86|35=0|49=RIALTO|56=ALPHA1|34=7|43=Y|52=20260301-00:00:00.001|\
             122=20260228-23:59:59.000|"
        );
    }
}

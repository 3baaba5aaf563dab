//! Line mode: the same messages as FIX, typed by hand.
//!
//! One message a line (LF or CRLF), `|` between fields, `35` first. Length, checksum, CompIDs and SendingTime are
//! not needed. Text holds neither `|` nor control characters.

pub mod decode;
pub mod encode;

/// Stands between two fields.
pub const SEPARATOR: u8 = b'|';

/// The longest line that is read, its ending not counted.
pub const LINE_BYTES_MAX: usize = 4096;

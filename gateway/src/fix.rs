//! FIX 4.4 over a byte stream: framing, the dictionary, the check of what came in, and the writing of what goes out.

pub mod dictionary;
pub mod encode;
pub mod frame;
pub mod tag;
pub mod validate;

/// The only version of FIX spoken here.
pub const BEGIN_STRING: &[u8] = b"FIX.4.4";

/// Ends every field.
pub const SOH: u8 = 1;

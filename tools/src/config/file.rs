//! Reads files that a person names: whole, but never more than a limit, whatever the name stands for.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Bytes of a configuration or of a set's units: reference data of some hundred thousand accounts.
pub const TEXT_BYTES_MAX: u64 = 64 << 20;

/// The text of a file that is expected to have at most `bytes_max` bytes.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused() {
        let endless = read_text(Path::new("/dev/zero"), 4096).unwrap_err();
        assert_eq!(
            (endless.kind(), endless.to_string().as_str()),
            (ErrorKind::FileTooLarge, "more than 4096 bytes")
        );
    }
}

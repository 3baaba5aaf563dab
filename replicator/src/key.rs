//! The cluster's key: 32 secret bytes that every node of a cluster has in a file.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// A key in hex and a little white space.
const FILE_BYTES_MAX: u64 = 256;

/// The secret that makes a node one of the cluster's. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKey([u8; KEY_BYTES]);

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(…)")
    }
}

/// Why a key file is not taken.
#[derive(Debug, Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("{path}: cannot read the cluster's key: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("{path}: mode {mode:04o} lets others than the owner at the cluster's key: chmod 600 it")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds something else.
    #[error("{path}: the cluster's key is {expected} hex digits, this has {found}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Digits wanted.
        expected: usize,
        /// What is there.
        found: String,
    },
}

impl ClusterKey {
    /// The key with these bytes.
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        ClusterKey(bytes)
    }

    /// Reads the key from a file of 64 hex digits (white space around them is allowed) that only its owner may touch.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Mode { path: path.to_owned(), mode });
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
        let content =
            |found: String| KeyError::Content { path: path.to_owned(), expected: KEY_BYTES * 2, found };
        let digits = bytes.trim_ascii();
        if let Some(other) = digits.iter().position(|digit| !digit.is_ascii_hexdigit()) {
            return Err(content(format!("something else at byte {other}")));
        }
        from_hex(digits).map(ClusterKey).ok_or_else(|| content(digits.len().to_string()))
    }

    /// A tag of `message` that nobody makes without the key, good for what `context` names and nothing else.
    pub fn tag(&self, context: &'static str, message: &[u8]) -> [u8; KEY_BYTES] {
        *blake3::keyed_hash(&blake3::derive_key(context, &self.0), message).as_bytes()
    }

    pub(crate) const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

fn from_hex(digits: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let digits: &[u8; KEY_BYTES * 2] = digits.try_into().ok()?;
    let mut bytes = [0; KEY_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Fresh bytes from the system's random source.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, mode: u32) -> Result<ClusterKey, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        ClusterKey::load(&path).map_err(|error| {
            let words = error.to_string();
            assert!(words.starts_with(&format!("{}: ", path.display())), "names no file: {words}");
            words.split_once(": ").unwrap().1.to_owned()
        })
    }

    #[test]
    fn key_is_64_hex_digits_that_only_the_owner_may_touch() {
        let digits = "0f".repeat(32);
        assert_eq!(check(&digits, 0o600), Ok(ClusterKey::new([15; 32])));
        assert_eq!(check(&format!(" {}\n", digits.to_uppercase()), 0o400), Ok(ClusterKey::new([15; 32])));
    }

    #[test]
    fn key_file_error_names_the_file_and_what_is_wrong() {
        let digits = "0f".repeat(32);
        for mode in [0o640, 0o604, 0o620, 0o777] {
            let words = check(&digits, mode).unwrap_err();
            assert_eq!(
                words,
                format!("mode {mode:04o} lets others than the owner at the cluster's key: chmod 600 it")
            );
        }
        let fault = |found: &str| Err(format!("the cluster's key is 64 hex digits, this has {found}"));
        assert_eq!(check(&digits[1..], 0o600), fault("63"));
        assert_eq!(check("", 0o600), fault("0"));
        assert_eq!(check(&digits.replacen('f', "g", 1), 0o600), fault("something else at byte 1"));
        let missing = ClusterKey::load(Path::new("no/such/key")).unwrap_err().to_string();
        assert!(missing.starts_with("no/such/key: cannot read the cluster's key: "), "{missing}");
    }

    #[test]
    fn key_is_never_shown() {
        assert_eq!(format!("{:?}", ClusterKey::new([7; 32])), "ClusterKey(…)");
    }
}

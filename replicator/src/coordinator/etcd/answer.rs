//! What stands in etcd's JSON: numbers are written as text, bytes as base64, and what is 0 or empty is left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::keys::{Kept, Keys};
use super::super::{CoordinatorError, LeaseId, Revision, View};

/// Bytes as etcd's JSON has them.
pub(super) fn base64_of(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn bytes_of(value: &Value) -> Result<Vec<u8>, CoordinatorError> {
    let text = value.as_str().unwrap_or("");
    STANDARD.decode(text).map_err(|error| malformed(&format!("{text:?} is no base64: {error}")))
}

/// A key.
pub(super) fn text_of(value: &Value) -> Result<String, CoordinatorError> {
    String::from_utf8(bytes_of(value)?).map_err(|_| malformed("a key is no text"))
}

/// A number; one that is left out is 0.
pub(super) fn number_of<N: std::str::FromStr + Default>(value: &Value) -> Result<N, CoordinatorError> {
    if value.is_null() {
        return Ok(N::default());
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().map_err(|_| malformed(&format!("{text:?} is not the number that it should be")))
}

/// The keys in a range's answer.
pub(super) fn kept_of(range: &Value) -> Result<Vec<Kept>, CoordinatorError> {
    let Some(kvs) = range["kvs"].as_array() else { return Ok(Vec::new()) };
    let kept = |kv: &Value| {
        Ok(Kept {
            key: text_of(&kv["key"])?,
            value: bytes_of(&kv["value"])?,
            changed: Revision(number_of(&kv["mod_revision"])?),
            lease: LeaseId(number_of(&kv["lease"])?),
        })
    };
    kvs.iter().map(kept).collect()
}

/// The cluster as a range's answer tells it.
pub(super) fn view_of(keys: &Keys, header: &Value, range: &Value) -> Result<View, CoordinatorError> {
    if header["revision"].is_null() {
        return Err(malformed("an answer without a revision"));
    }
    keys.view(Revision(number_of(&header["revision"])?), kept_of(range)?)
}

fn malformed(why: &str) -> CoordinatorError {
    CoordinatorError::Refused(why.to_owned())
}

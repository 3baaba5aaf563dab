//! Short texts kept in line: printable ASCII of bounded length, so that no record allocates.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Up to `N` (at most 255) bytes of printable ASCII (0x20 to 0x7E); the unused rest is zero, so equal texts are equal bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

/// `ClOrdID` (11, 41): 1 to 36 characters.
pub type ClOrdId = Text<36>;
/// Name of a participant, account, node, or a `CompID`.
pub type Name = Text<32>;
/// Symbol of an instrument or code of a currency.
pub type Symbol = Text<16>;
/// Words for a person (58), or an opaque id that is echoed (112, 584).
pub type Note = Text<200>;

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than the type allows.
    #[error("{len} characters, at most {max} are allowed")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A byte outside 0x20..=0x7E.
    #[error("character {at} is not printable ASCII")]
    NotPrintable {
        /// Place of the byte, from 1.
        at: usize,
    },
}

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Self = Self { bytes: [0; N], len: 0 };

    /// Takes `bytes` if they are at most `N` and printable.
    pub fn new(bytes: &[u8]) -> Result<Self, TextError> {
        const { assert!(N <= 255) }
        if bytes.len() > N {
            return Err(TextError::TooLong { len: bytes.len(), max: N });
        }
        if !all_printable(bytes) {
            let at = bytes.iter().position(|b| !(0x20..=0x7e).contains(b)).unwrap_or(0);
            return Err(TextError::NotPrintable { at: at + 1 });
        }
        let mut text = Self::EMPTY;
        text.bytes[..bytes.len()].copy_from_slice(bytes);
        text.len = u8::try_from(bytes.len()).expect("N is at most 255");
        Ok(text)
    }

    /// As much of `words` as fits; anything not printable becomes `?`. For texts of our own making.
    pub fn clipped(words: &str) -> Self {
        let mut text = Self::EMPTY;
        for (to, from) in text.bytes.iter_mut().zip(words.bytes()) {
            *to = if (0x20..=0x7e).contains(&from) { from } else { b'?' };
            text.len += 1;
        }
        text
    }

    /// The bytes in use.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// All bytes, zeros behind those in use.
    #[inline]
    pub const fn padded(&self) -> &[u8; N] {
        &self.bytes
    }

    /// The text as a `str`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Bytes in use.
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Whether all bytes are in 0x20..=0x7E, eight at a time.
#[inline]
fn all_printable(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).fold(0, |found, word| found | unprintable(u64::from_le_bytes(*word))) == 0
}

/// Nonzero if any of the eight bytes is not printable. Adding one carries into the top bit of a byte of 0x7F alone, and
/// taking 0x20 away borrows into that of a byte below 0x20 alone, but for the bytes above one that is found anyway.
#[inline]
fn unprintable(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let below = word.wrapping_sub(0x20 * EACH) & !word;
    (below | word | word.wrapping_add(EACH)) & (0x80 * EACH)
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> std::str::FromStr for Text<N> {
    type Err = TextError;

    fn from_str(words: &str) -> Result<Self, TextError> {
        Self::new(words.as_bytes())
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        words.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_what_fits_and_refuses_the_rest_in_words() {
        assert_eq!(ClOrdId::new(b"a1").unwrap().as_str(), "a1");
        assert_eq!(
            ClOrdId::new(&[b'x'; 37]).unwrap_err().to_string(),
            "37 characters, at most 36 are allowed"
        );
        assert_eq!(Symbol::new(b"AC\x01E").unwrap_err().to_string(), "character 3 is not printable ASCII");
        assert_eq!(Symbol::clipped("a|b\n0123456789abcdef").as_str(), "a|b?0123456789ab");
    }

    #[test]
    fn a_text_is_refused_at_its_first_byte_that_is_not_printable() {
        for len in 1..=36 {
            for at in 0..len {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'~'; len];
                    bytes[at] = byte;
                    if at + 1 < len {
                        bytes[at + 1] = b' ';
                    }
                    let expected = if (0x20..=0x7e).contains(&byte) {
                        Ok(bytes.clone())
                    } else {
                        Err(TextError::NotPrintable { at: at + 1 })
                    };
                    assert_eq!(Text::<36>::new(&bytes).map(|text| text.as_bytes().to_vec()), expected);
                }
            }
        }
        assert_eq!(Text::<4>::new(b"ABCDE"), Err(TextError::TooLong { len: 5, max: 4 }));
        assert_eq!(Text::<4>::new(b""), Ok(Text::EMPTY));
    }
}

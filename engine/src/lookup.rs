//! Look-ups by hash. The one place where hash tables are used: a [`Lookup`] answers for a key and cannot be walked, so
//! no behaviour and no byte of state can come to depend on the order of a table. What must be walked or kept lies
//! beside it in a `Vec` or `BTreeMap`, from which the table is built anew after a snapshot.
//!
//! The hash is fast and has no secret: keys that a stranger chooses must be hashed by something stronger first.

#![expect(clippy::disallowed_types, reason = "this is the one module behind which the tables are")]

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// From a key to a value, for look-ups alone.
#[derive(Clone, Debug)]
pub struct Lookup<K, V>(FxHashMap<K, V>);

impl<K, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<K: Eq + Hash, V: Copy> Lookup<K, V> {
    /// Room for `keys` keys, so that none of the first `keys` insertions allocates.
    pub fn with_capacity(keys: usize) -> Self {
        Self(FxHashMap::with_capacity_and_hasher(keys, rustc_hash::FxBuildHasher))
    }

    /// What stands under `key`.
    pub fn get(&self, key: &K) -> Option<V> {
        self.0.get(key).copied()
    }

    /// Whether something stands under `key`.
    pub fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// Puts `value` under `key`; what stood there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// Takes out what stands under `key`.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    /// Takes out everything; the room stays.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_answers_for_what_was_put_in_last() {
        let mut lookup = Lookup::with_capacity(2);
        assert_eq!(lookup.insert("a", 1), None);
        assert_eq!(lookup.insert("a", 2), Some(1));
        assert_eq!(lookup.get(&"a"), Some(2));
        assert_eq!(lookup.get(&"b"), None);
        assert!(lookup.contains(&"a") && lookup.len() == 1);
        assert_eq!(lookup.remove(&"a"), Some(2));
        assert!(lookup.is_empty());
    }
}

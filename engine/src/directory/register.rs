//! A register: everything of one kind, by number (dense, from 1, in the order of definition) and by name.

use rialto_protocol::Name;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Refusal;
use crate::lookup::Lookup;

/// What a register holds.
pub trait Entry {
    /// What it is, for words.
    const WHAT: &'static str;
    /// Most entries of this kind.
    const ENTRIES_MAX: usize;
    /// Its name, unique in its register.
    fn name(&self) -> &[u8];
}

/// All entries of one kind. As bytes it is the list of them.
#[derive(Clone, Debug)]
pub struct Register<T> {
    entries: Vec<T>,
    by_name: Lookup<Name, u32>,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), by_name: Lookup::default() }
    }
}

impl<T: Entry> Register<T> {
    /// The entry with this number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.entries.get((number as usize).wrapping_sub(1))
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.entries.get_mut((number as usize).wrapping_sub(1))
    }

    /// The number under this name.
    pub fn find(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(&Name::new(name).ok()?)
    }

    /// Number and entry under this name, or a refusal that names what is missing.
    pub(super) fn named(&self, name: &[u8]) -> Result<(u32, &T), Refusal> {
        self.find(name)
            .and_then(|number| Some((number, self.get(number)?)))
            .ok_or_else(|| Refusal::new(format!("no {} {}", T::WHAT, name.escape_ascii())))
    }

    /// Like [`Self::named`], to change it.
    pub(super) fn named_mut(&mut self, name: &[u8]) -> Result<(u32, &mut T), Refusal> {
        let (number, _) = self.named(name)?;
        Ok((number, self.get_mut(number).expect("named() found it")))
    }

    /// Adds an entry whose name is not taken; its number.
    pub(super) fn add(&mut self, entry: T) -> Result<u32, Refusal> {
        if self.entries.len() == T::ENTRIES_MAX {
            return Err(Refusal::new(format!(
                "no room for another {}: there are {}",
                T::WHAT,
                T::ENTRIES_MAX
            )));
        }
        let name = Name::new(entry.name()).expect("a name was checked before");
        let number = u32::try_from(self.entries.len() + 1).expect("ENTRIES_MAX is below 2^32");
        assert!(self.by_name.insert(name, number).is_none(), "{} {name} is defined twice", T::WHAT);
        self.entries.push(entry);
        Ok(number)
    }

    /// How many entries there are; also the highest number.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All numbers and entries, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (1..).zip(&self.entries)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        (1..).zip(&mut self.entries)
    }
}

impl<T: Serialize> Serialize for Register<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

impl<'de, T: Entry + Deserialize<'de>> Deserialize<'de> for Register<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::<T>::deserialize(deserializer)?;
        if entries.len() > T::ENTRIES_MAX {
            return Err(serde::de::Error::custom(format!("{} entries of kind {}", entries.len(), T::WHAT)));
        }
        let mut by_name = Lookup::with_capacity(entries.len());
        for (number, entry) in (1..).zip(&entries) {
            let name = Name::new(entry.name()).map_err(serde::de::Error::custom)?;
            if by_name.insert(name, number).is_some() {
                return Err(serde::de::Error::custom(format!("{} {name} stands twice", T::WHAT)));
            }
        }
        Ok(Self { entries, by_name })
    }
}

//! A growing array of equal records whose places are reused, last freed first.
//!
//! Its memory is reserved once, for the stated maximum, so that growing never copies: the operating system provides
//! each page when it is first touched. Place 0 is never handed out, so an optional [`Id`] is as small as an [`Id`].

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use rialto_shmring::hint::huge_pages;

/// A place among records of type `T`. Having one tells you that it was handed out; using it after it was freed finds
/// whatever took the place.
pub struct Id<T>(NonZeroU32, PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// The place with this number; `None` for 0, which is no place.
    #[inline]
    #[must_use]
    pub fn new(place: u32) -> Option<Id<T>> {
        NonZeroU32::new(place).map(|place| Id(place, PhantomData))
    }

    /// Its number, not 0.
    #[inline]
    #[must_use]
    pub fn place(self) -> u32 {
        self.0.get()
    }

    /// The place as an index from 1, for arrays that run parallel to the records.
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        self.0.get() as usize
    }
}

impl<T> Clone for Id<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Id<T> {}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Records of one type, each at a place that stays its own until it is freed.
#[derive(Debug)]
pub(super) struct Arena<T> {
    places: Vec<T>,
    free: Vec<Id<T>>,
    places_max: usize,
}

impl<T> Arena<T> {
    /// Room for `records_max` records; `vacant` fills place 0.
    pub(super) fn new(records_max: u32, vacant: T) -> Arena<T> {
        let places_max = records_max as usize + 1;
        let mut places = Vec::with_capacity(places_max);
        huge_pages(&mut places);
        places.push(vacant);
        Arena { places, free: Vec::with_capacity(records_max as usize), places_max }
    }

    /// Keeps a record; `None` when the arena is full.
    #[inline]
    pub(super) fn insert(&mut self, record: T) -> Option<Id<T>> {
        if let Some(id) = self.free.pop() {
            self.places[id.index()] = record;
            return Some(id);
        }
        let place = self.places.len();
        if place == self.places_max {
            return None;
        }
        self.places.push(record);
        Id::new(u32::try_from(place).expect("an arena's maximum is a u32"))
    }

    #[inline]
    pub(super) fn free(&mut self, id: Id<T>) {
        self.free.push(id);
    }

    /// How many records are kept now.
    pub(super) fn len(&self) -> usize {
        self.places.len() - 1 - self.free.len()
    }

    /// One past the highest place handed out so far.
    pub(super) fn places_used(&self) -> usize {
        self.places.len()
    }
}

impl<T> Index<Id<T>> for Arena<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: Id<T>) -> &T {
        &self.places[id.index()]
    }
}

impl<T> IndexMut<Id<T>> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, id: Id<T>) -> &mut T {
        &mut self.places[id.index()]
    }
}

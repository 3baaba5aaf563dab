//! What FIX 4.4 says about fields and messages, as far as an exchange has to know it: the type and the values of
//! every field, and for each message spoken here its fields, the required ones and the repeating groups.
//!
//! Written from the FIX 4.4 specification (volumes 1 to 7, with errata of 2003-06-18). All tables are built when
//! compiling; a look-up is an index.

mod blocks;
mod fields;
mod messages;

use super::tag;

pub use fields::{Kind, Place, Rule, Values, data_of_length, rule};
pub use messages::{ALL, is_known, message};

/// All tags of FIX 4.4 are below this.
pub const TAGS: u16 = 1024;

/// Tags from here on mean what two parties agree.
pub const USER_DEFINED: std::ops::RangeInclusive<i32> = 5_000..=99_999;

const WORDS: usize = TAGS as usize / 64;

/// A set of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagSet([u64; WORDS]);

impl TagSet {
    /// No tag.
    pub const EMPTY: TagSet = TagSet([0; WORDS]);

    /// The tags of all lists.
    pub(crate) const fn of(lists: &[&[u16]]) -> TagSet {
        let mut set = TagSet::EMPTY;
        let mut list = 0;
        while list < lists.len() {
            let mut item = 0;
            while item < lists[list].len() {
                let tag = lists[list][item];
                set.0[tag as usize / 64] |= 1 << (tag % 64);
                item += 1;
            }
            list += 1;
        }
        set
    }

    pub(crate) const fn union(mut self, other: &TagSet) -> TagSet {
        let mut word = 0;
        while word < WORDS {
            self.0[word] |= other.0[word];
            word += 1;
        }
        self
    }

    /// Whether the tag is in the set; tags beyond [`TAGS`] never are.
    #[inline]
    pub fn contains(&self, tag: u16) -> bool {
        tag < TAGS && self.0[usize::from(tag / 64)] & 1 << (tag % 64) != 0
    }

    /// Adds a tag below [`TAGS`]; false if it was there before.
    #[inline]
    pub(crate) fn insert(&mut self, tag: u16) -> bool {
        let word = &mut self.0[usize::from(tag / 64)];
        let bit = 1 << (tag % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// The lowest tag that is neither in `other` nor in `excused`.
    #[inline]
    pub(crate) fn first_missing_from(&self, other: &TagSet, excused: &TagSet) -> Option<u16> {
        let missing = |((mine, theirs), excused): ((&u64, &u64), &u64)| mine & !theirs & !excused;
        let words = || self.0.iter().zip(&other.0).zip(&excused.0).map(missing);
        if words().fold(0, |all, word| all | word) == 0 {
            return None;
        }
        let mut base = 0;
        for word in words() {
            if word != 0 {
                return u16::try_from(word.trailing_zeros()).ok().map(|bit| base + bit);
            }
            base += 64;
        }
        None
    }
}

/// A repeating group.
#[derive(Debug)]
pub struct Group {
    /// The field that counts its entries.
    pub count: u16,
    /// The field that starts each entry.
    pub first: u16,
    /// The fields of an entry itself.
    pub(crate) own: TagSet,
    /// The fields of an entry and of all groups in it.
    members: TagSet,
    /// The groups within an entry.
    pub groups: &'static [&'static Group],
}

impl Group {
    /// The first tag of the first list starts an entry.
    pub(crate) const fn new(count: u16, lists: &[&[u16]], groups: &'static [&'static Group]) -> Group {
        let own = with_counts(TagSet::of(lists), groups);
        let mut members = own;
        let mut group = 0;
        while group < groups.len() {
            members = members.union(&groups[group].members);
            group += 1;
        }
        Group { count, first: lists[0][0], own, members, groups }
    }

    /// Whether a field with this tag goes on with an entry.
    pub fn continues(&self, tag: i32) -> bool {
        u16::try_from(tag).is_ok_and(|tag| tag != self.first && self.members.contains(tag))
    }
}

const fn with_counts(mut set: TagSet, groups: &[&Group]) -> TagSet {
    let mut group = 0;
    while group < groups.len() {
        set = set.union(&TagSet::of(&[&[groups[group].count]]));
        group += 1;
    }
    set
}

/// Who sends a type of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The exchange alone.
    Exchange,
    /// Clients.
    Client,
    /// Clients in line mode alone: in FIX the exchange does not serve it.
    LineClient,
}

/// A message type.
#[derive(Debug)]
pub struct MessageRule {
    /// MsgType (35).
    pub msg_type: &'static str,
    /// Whose it is.
    pub speaker: Speaker,
    /// The fields of its body, outside of groups.
    pub(crate) fields: TagSet,
    pub(crate) required: TagSet,
    pub(crate) groups: &'static [&'static Group],
}

impl MessageRule {
    pub(crate) const fn new(
        msg_type: &'static str,
        speaker: Speaker,
        required: &[u16],
        lists: &[&[u16]],
        groups: &'static [&'static Group],
    ) -> MessageRule {
        let fields = with_counts(TagSet::of(lists).union(&TagSet::of(&[required])), groups);
        MessageRule { msg_type, speaker, fields, required: TagSet::of(&[required]), groups }
    }

    /// The repeating group counted by this field.
    pub fn group(&self, count: u16) -> Option<&'static Group> {
        find_group(self.groups, count)
    }
}

#[inline]
pub(crate) fn find_group(groups: &'static [&'static Group], count: u16) -> Option<&'static Group> {
    groups.iter().copied().find(|group| group.count == count)
}

/// Header fields that every FIX message must have, beside the three that open it.
pub(crate) const HEADER_REQUIRED: TagSet =
    TagSet::of(&[&[tag::SENDER_COMP_ID, tag::TARGET_COMP_ID, tag::MSG_SEQ_NUM, tag::SENDING_TIME]]);

/// The group of the header: through whom a message came.
pub(crate) static HOPS: Group = Group::new(627, &[&[628, 629, 630]], &[]);

//! One message as it was received: where its fields lie in the bytes.
//!
//! The table of fields belongs to the decoder and is used again for each message, so a message is a view and costs
//! no allocation. Nothing here says that the message makes sense: that is [`crate::fix::validate`]'s to find out.

use crate::fix::tag;

/// No message has more fields, counted with its header and trailer.
pub const FIELDS_MAX: usize = 256;

/// Tags below this are looked up in one step; all tags of FIX 4.4 are.
const SLOTS: usize = 1024;

/// One `tag=value`, as a place in the message's bytes.
#[derive(Debug, Clone, Copy)]
struct Field {
    /// May be zero, negative or beyond any dictionary: a client sent it.
    tag: i32,
    start: u16,
    end: u16,
}

const NO_FIELD: Field = Field { tag: 0, start: 0, end: 0 };

/// The reusable list of a message's fields, in the order received.
#[derive(Debug)]
pub struct FieldTable {
    fields: Box<[Field; FIELDS_MAX]>,
    len: usize,
    /// For each small tag the place of its first field, plus one; 0 where the message has none.
    slots: Box<[u16; SLOTS]>,
}

impl Default for FieldTable {
    fn default() -> Self {
        FieldTable { fields: Box::new([NO_FIELD; FIELDS_MAX]), len: 0, slots: Box::new([0; SLOTS]) }
    }
}

impl FieldTable {
    /// Forgets the last message.
    pub(crate) fn clear(&mut self) {
        for field in &self.fields[..self.len] {
            if let Some(slot) = slot(field.tag) {
                self.slots[slot] = 0;
            }
        }
        self.len = 0;
    }

    /// Adds a field; false when the table is full or the place lies beyond what a message may hold.
    #[inline]
    pub(crate) fn push(&mut self, tag: i32, start: usize, end: usize) -> bool {
        let (Ok(start), Ok(end)) = (u16::try_from(start), u16::try_from(end)) else { return false };
        let Some(field) = self.fields.get_mut(self.len) else { return false };
        *field = Field { tag, start, end };
        self.len += 1;
        if let Some(slot) = slot(tag) {
            let first = &mut self.slots[slot];
            if *first == 0 {
                *first = u16::try_from(self.len).unwrap_or(u16::MAX);
            }
        }
        true
    }

    /// The number of fields.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn listed(&self) -> &[Field] {
        &self.fields[..self.len]
    }
}

#[inline]
fn slot(tag: i32) -> Option<usize> {
    usize::try_from(tag).ok().filter(|slot| *slot < SLOTS)
}

/// A received message: having one tells you that it was framed whole and that its first field after the frame's
/// own (8 and 9 in FIX) is 35.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    table: &'a FieldTable,
}

impl<'a> Message<'a> {
    pub(crate) fn new(bytes: &'a [u8], table: &'a FieldTable) -> Self {
        Message { bytes, table }
    }

    /// The bytes as received, framing included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// MsgType (35); may be empty or unknown.
    pub fn msg_type(&self) -> &'a [u8] {
        self.get(tag::MSG_TYPE).unwrap_or_default()
    }

    /// The first value of `tag`, in or out of a repeating group.
    #[inline]
    pub fn get(&self, tag: u16) -> Option<&'a [u8]> {
        let place = self.find(tag)?;
        Some(self.value(place))
    }

    /// The place of the first field with this tag.
    #[inline]
    pub fn find(&self, tag: u16) -> Option<usize> {
        match self.table.slots.get(usize::from(tag)) {
            Some(0) => None,
            Some(place) => Some(usize::from(*place) - 1),
            None => self.table.listed().iter().position(|field| field.tag == i32::from(tag)),
        }
    }

    /// The number of fields.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a message has at least MsgType")]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The tag at a place below [`Message::len`].
    #[inline]
    pub fn tag(&self, place: usize) -> i32 {
        self.table.listed()[place].tag
    }

    /// The value at a place below [`Message::len`].
    #[inline]
    pub fn value(&self, place: usize) -> &'a [u8] {
        let field = self.table.listed()[place];
        &self.bytes[usize::from(field.start)..usize::from(field.end)]
    }

    /// All fields in the order received.
    pub fn fields(&self) -> impl Iterator<Item = (i32, &'a [u8])> + use<'a> {
        let message = *self;
        (0..message.len()).map(move |place| (message.tag(place), message.value(place)))
    }

    /// A whole number without sign, such as MsgSeqNum (34); `None` where the field is absent or is not one.
    pub fn unsigned(&self, tag: u16) -> Option<u32> {
        unsigned(self.get(tag)?)
    }

    /// Whether a Boolean field says Y.
    pub fn says_yes(&self, tag: u16) -> bool {
        self.get(tag) == Some(b"Y")
    }

    /// The entries of the repeating group counted by `count`: each is the run of fields that starts with `first`.
    /// The group must have passed the check; `members` tells where its last entry ends.
    pub fn entries(
        &self,
        group: &'static crate::fix::dictionary::Group,
    ) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let message = *self;
        let mut at = message.find(group.count).map_or(message.len(), |place| place + 1);
        std::iter::from_fn(move || {
            let from = at;
            if from >= message.len() || message.tag(from) != i32::from(group.first) {
                return None;
            }
            at += 1;
            while at < message.len() && group.continues(message.tag(at)) {
                at += 1;
            }
            Some(Entry { message, from, to: at })
        })
    }
}

/// One entry of a repeating group.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    message: Message<'a>,
    from: usize,
    to: usize,
}

impl<'a> Entry<'a> {
    /// The value of `tag` within this entry.
    pub fn get(&self, tag: u16) -> Option<&'a [u8]> {
        (self.from..self.to)
            .find(|place| self.message.tag(*place) == i32::from(tag))
            .map(|place| self.message.value(place))
    }
}

/// Reads decimal digits alone; `None` for anything else or above `u32::MAX`.
#[inline]
pub(crate) fn unsigned(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

//! Choices taken from the front of the bytes of a fuzzer; where they end, the choice is the first.

/// The bytes that are left.
#[derive(Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn word16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn word32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(crate) fn word64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = if end <= 256 { u32::from(self.byte()) } else { self.word32() };
        usize::try_from(number).map_or(0, |number| number % end)
    }

    /// At most so many.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.take(N);
        std::array::from_fn(|place| taken.get(place).copied().unwrap_or(0))
    }
}

//! One page: its header, its records, its seal. Bytes in, answers out; any bytes are an answer or an error.
//!
//! ```text
//!  0 crc u32   4 flags u16   6 n_records u16     8 page_no u64     16 first_seq u64
//! 24 epoch u32            28 used u16  30 0 u16    32 durable_page u64
//! 40 committed_seq u64   48 chain [u8; 16]        64 records … used, then zeros
//! ```
//!
//! The writer keeps `page_no`, `first_seq`, `n_records`, `used` and `epoch`. Sealing adds the rest: `chain` is the
//! xxh3-128 of the previous page but for what only its own node knows (`crc`, `durable_page`, `committed_seq`), so that
//! it is equal on all nodes that have the same records in the same pages; `crc` is the CRC-32C of bytes 4.. seeded with
//! that of cluster and page number, so that a page of another cluster, another place or an older use of the disk never
//! passes.

use thiserror::Error;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use crate::layout::{
    ClusterId, PAGE_BYTES, PAGE_HEADER_BYTES, Page, RECORD_ALIGN_BYTES, array_at, put, u16_at, u32_at, u64_at,
};
use crate::record::{Record, RecordError};

/// The hash that ties a page to the one before it.
pub type Chain = [u8; 16];

pub(crate) const CRC_AT: usize = 0;
pub(crate) const FLAGS_AT: usize = CRC_AT + 4;
pub(crate) const N_RECORDS_AT: usize = FLAGS_AT + 2;
pub(crate) const PAGE_NO_AT: usize = N_RECORDS_AT + 2;
pub(crate) const FIRST_SEQ_AT: usize = PAGE_NO_AT + 8;
pub(crate) const EPOCH_AT: usize = FIRST_SEQ_AT + 8;
pub(crate) const USED_AT: usize = EPOCH_AT + 4;
pub(crate) const PAD_AT: usize = USED_AT + 2;
pub(crate) const DURABLE_PAGE_AT: usize = PAD_AT + 2;
pub(crate) const COMMITTED_SEQ_AT: usize = DURABLE_PAGE_AT + 8;
pub(crate) const CHAIN_AT: usize = COMMITTED_SEQ_AT + 8;
const _: () = assert!(CHAIN_AT + size_of::<Chain>() == PAGE_HEADER_BYTES);

/// What is wrong with bytes that should be a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PageError {
    /// The bytes are not those that were sealed, or were sealed for another cluster or place.
    #[error("page crc is {found:08x}, its bytes give {computed:08x}")]
    Crc {
        /// The crc in the page.
        found: u32,
        /// The crc of its bytes in this place.
        computed: u32,
    },
    /// A page in another page's place.
    #[error("page number is {found}, expected {expected}")]
    PageNo {
        /// The number in the page.
        found: u64,
        /// The number of the place it was found in.
        expected: u64,
    },
    /// No page has this many bytes in use.
    #[error("page has {0} bytes in use, no multiple of 8 from 64 to 4096")]
    Used(u16),
    /// Flags or padding that this version does not know.
    #[error("page has unknown flags {flags:04x}, pad {pad:04x}")]
    Flags {
        /// The flags found.
        flags: u16,
        /// The padding found.
        pad: u16,
    },
    /// Bytes behind the last record that are not zero.
    #[error("page has a byte that is not zero at {0}, behind its last record")]
    Rest(usize),
    /// The header counts other records than there are.
    #[error("page holds {found} records, its header says {header}")]
    Count {
        /// Records found.
        found: u16,
        /// Records by the header.
        header: u16,
    },
    /// A record is not what it should be.
    #[error("at {offset}: {error}")]
    Record {
        /// The record's offset in the page.
        offset: usize,
        /// What is wrong with it.
        error: RecordError,
    },
    /// A sequence that does not follow the one before it.
    #[error("at {offset}: sequence {found}, expected {expected}")]
    Sequence {
        /// The record's offset in the page.
        offset: usize,
        /// The sequence in the record.
        found: u64,
        /// The sequence that belongs there; for an event, the lowest one that may.
        expected: u64,
    },
    /// An event's index does not follow that of the event before it.
    #[error("at {offset}: event index {found}, expected {expected}")]
    EventIndex {
        /// The record's offset in the page.
        offset: usize,
        /// The index in the event.
        found: u32,
        /// The index that belongs there.
        expected: u32,
    },
}

/// The fields of a page header, as found: nothing is known of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageHeader {
    /// CRC-32C of the page in its place; set by [`seal`].
    pub crc: u32,
    /// None is known yet: zero.
    pub flags: u16,
    /// How many records the page holds.
    pub n_records: u16,
    /// The page's number since the log began.
    pub page_no: u64,
    /// The sequence of the first record.
    pub first_seq: u64,
    /// The epoch that the page was written in.
    pub epoch: u32,
    /// The offset behind the last record.
    pub used: u16,
    /// Zero.
    pub pad: u16,
    /// Pages below this number were known to be durable when this one was sealed.
    pub durable_page: u64,
    /// The highest sequence that was released when this page was sealed.
    pub committed_seq: u64,
    /// [`chain_of`] the page before.
    pub chain: Chain,
}

impl PageHeader {
    /// The header in these bytes, whatever they are.
    pub fn read(page: &Page) -> Self {
        Self {
            crc: u32_at(page, CRC_AT),
            flags: u16_at(page, FLAGS_AT),
            n_records: u16_at(page, N_RECORDS_AT),
            page_no: u64_at(page, PAGE_NO_AT),
            first_seq: u64_at(page, FIRST_SEQ_AT),
            epoch: u32_at(page, EPOCH_AT),
            used: u16_at(page, USED_AT),
            pad: u16_at(page, PAD_AT),
            durable_page: u64_at(page, DURABLE_PAGE_AT),
            committed_seq: u64_at(page, COMMITTED_SEQ_AT),
            chain: array_at(page, CHAIN_AT),
        }
    }

    /// The header as bytes.
    pub fn to_bytes(self) -> [u8; PAGE_HEADER_BYTES] {
        let mut bytes = [0; PAGE_HEADER_BYTES];
        put(&mut bytes, CRC_AT, &self.crc.to_le_bytes());
        put(&mut bytes, FLAGS_AT, &self.flags.to_le_bytes());
        put(&mut bytes, N_RECORDS_AT, &self.n_records.to_le_bytes());
        put(&mut bytes, PAGE_NO_AT, &self.page_no.to_le_bytes());
        put(&mut bytes, FIRST_SEQ_AT, &self.first_seq.to_le_bytes());
        put(&mut bytes, EPOCH_AT, &self.epoch.to_le_bytes());
        put(&mut bytes, USED_AT, &self.used.to_le_bytes());
        put(&mut bytes, PAD_AT, &self.pad.to_le_bytes());
        put(&mut bytes, DURABLE_PAGE_AT, &self.durable_page.to_le_bytes());
        put(&mut bytes, COMMITTED_SEQ_AT, &self.committed_seq.to_le_bytes());
        put(&mut bytes, CHAIN_AT, &self.chain);
        bytes
    }

    /// Puts the header at the front of a page.
    pub fn write(self, page: &mut Page) {
        put(page, 0, &self.to_bytes());
    }
}

/// A page whose records fill it from the header to `used`, as many as it says, the first with the sequence it says.
#[derive(Debug, Clone, Copy)]
pub struct PageView<'a> {
    header: PageHeader,
    page: &'a Page,
}

impl<'a> PageView<'a> {
    /// The page in these bytes, its frame checked. Neither crc nor place are: see [`verify`].
    pub fn parse(page: &'a Page) -> Result<Self, PageError> {
        let header = PageHeader::read(page);
        let mut found = 0;
        let mut first_seq = None;
        for entry in Records::up_to(page, used(&header)?) {
            let (_, record) = entry?;
            first_seq.get_or_insert(record.sequence());
            found += 1;
        }
        match first_seq {
            Some(first) if first != header.first_seq => Err(PageError::Sequence {
                offset: PAGE_HEADER_BYTES,
                found: first,
                expected: header.first_seq,
            }),
            Some(_) if found == header.n_records => Ok(Self { header, page }),
            Some(_) | None => Err(PageError::Count { found, header: header.n_records }),
        }
    }

    /// The fields of the header.
    pub const fn header(&self) -> &PageHeader {
        &self.header
    }

    /// The whole page.
    pub const fn bytes(&self) -> &'a Page {
        self.page
    }

    /// The records with their offsets, in order.
    pub fn records(&self) -> impl Iterator<Item = (usize, Record<'a>)> {
        Records::up_to(self.page, usize::from(self.header.used)).map_while(Result::ok)
    }

    /// The sequence of the last record.
    pub fn last_seq(&self) -> u64 {
        self.records().last().map_or(self.header.first_seq, |(_, record)| record.sequence())
    }

    /// That these are commands: every crc right, every sequence one above the one before.
    pub fn check_commands(&self) -> Result<(), PageError> {
        let mut expected = self.header.first_seq;
        for (offset, record) in self.records() {
            record.check_crc().map_err(|error| PageError::Record { offset, error })?;
            let found = record.sequence();
            if found != expected {
                return Err(PageError::Sequence { offset, found, expected });
            }
            expected = expected.wrapping_add(1);
        }
        Ok(())
    }

    /// That these are events: sequences never fall, and the events of one command count up from 0. (The first command's
    /// may have begun on the page before.)
    pub fn check_events(&self) -> Result<(), PageError> {
        let mut last: Option<Record<'_>> = None;
        for (offset, record) in self.records() {
            let (found, index) = (record.sequence(), record.event_index());
            if let Some(last) = last {
                if found < last.sequence() {
                    return Err(PageError::Sequence { offset, found, expected: last.sequence() });
                }
                let expected = if found == last.sequence() { last.event_index().wrapping_add(1) } else { 0 };
                if index != expected {
                    return Err(PageError::EventIndex { offset, found: index, expected });
                }
            }
            last = Some(record);
        }
        Ok(())
    }
}

/// The records in a page's bytes, with their offsets; ends behind the first error.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Records<'a> {
    /// The records between the header and `used`, an offset in the page.
    pub fn up_to(page: &'a Page, used: usize) -> Self {
        Self { bytes: &page[..used.min(PAGE_BYTES)], offset: PAGE_HEADER_BYTES }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(usize, Record<'a>), PageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.bytes.get(offset..).filter(|rest| !rest.is_empty())?;
        let record = Record::parse(rest);
        self.offset = record.map_or(PAGE_BYTES, |record| offset + record.bytes().len());
        Some(record.map(|record| (offset, record)).map_err(|error| PageError::Record { offset, error }))
    }
}

/// What the storage thread knows and the writer does not, put into a page when it is sealed.
#[derive(Debug, Clone, Copy)]
pub struct SealInputs {
    /// The cluster whose journal this is.
    pub cluster_id: ClusterId,
    /// Pages below this number are known to be durable.
    pub durable_page: u64,
    /// The highest sequence that is released.
    pub committed_seq: u64,
    /// [`chain_of`] the page before, [`genesis_chain`] before page 0, zero for events.
    pub chain: Chain,
}

/// Fills in what the writer left open and the crc. From here on the page never changes.
pub fn seal(page: &mut Page, inputs: &SealInputs) {
    let mut header = PageHeader {
        durable_page: inputs.durable_page,
        committed_seq: inputs.committed_seq,
        chain: inputs.chain,
        ..PageHeader::read(page)
    };
    header.write(page);
    header.crc = crc(page, &inputs.cluster_id, header.page_no);
    header.write(page);
}

/// Ends a page that is still being written behind the record that ends at offset `used`: counts the records up to
/// there, says so in the header, and makes the rest zero. The records must be sound and begin as the header says.
pub fn cut(page: &mut Page, used: usize) -> Result<PageHeader, PageError> {
    let mut header = PageHeader { n_records: 0, ..PageHeader::read(page) };
    header.used = u16::try_from(used).unwrap_or(u16::MAX);
    let used = self::used(&header)?;
    for record in Records::up_to(page, used) {
        record?;
        header.n_records += 1;
    }
    header.write(page);
    page[used..].fill(0);
    PageView::parse(page).map(|view| *view.header())
}

/// That these bytes are, whole and unchanged, page `page_no` of this cluster's log.
pub fn verify<'a>(page: &'a Page, cluster_id: &ClusterId, page_no: u64) -> Result<PageView<'a>, PageError> {
    let header = PageHeader::read(page);
    if header.page_no != page_no {
        return Err(PageError::PageNo { found: header.page_no, expected: page_no });
    }
    let computed = crc(page, cluster_id, page_no);
    if header.crc != computed {
        return Err(PageError::Crc { found: header.crc, computed });
    }
    if header.flags != 0 || header.pad != 0 {
        return Err(PageError::Flags { flags: header.flags, pad: header.pad });
    }
    let used = used(&header)?;
    if !is_zero(&page[used..]) {
        let at = page[used..].iter().take_while(|&&byte| byte == 0).count();
        return Err(PageError::Rest(used + at));
    }
    PageView::parse(page)
}

/// The hash of a page that the next page carries: of all that is the same on every node.
pub fn chain_of(page: &Page) -> Chain {
    let mut hash = Xxh3Default::new();
    hash.update(&page[FLAGS_AT..DURABLE_PAGE_AT]);
    hash.update(&page[CHAIN_AT..]);
    hash.digest128().to_le_bytes()
}

/// The hash of a page's records up to `used`, for pages that are still open: see [`chain_of`] for those that are not.
pub fn hash_of_records(page: &Page, used: usize) -> Chain {
    xxh3_128(&page[PAGE_HEADER_BYTES..used.clamp(PAGE_HEADER_BYTES, PAGE_BYTES)]).to_le_bytes()
}

/// What page 0 carries as the hash of a page before it.
pub fn genesis_chain(cluster_id: &ClusterId) -> Chain {
    xxh3_128(cluster_id).to_le_bytes()
}

/// Whether a page was never written: all zeros, as a prepared segment is.
pub fn is_blank(page: &Page) -> bool {
    is_zero(page)
}

/// Compared in runs, which the compiler makes wide: a start looks at many pages that were never written.
fn is_zero(bytes: &[u8]) -> bool {
    let (runs, rest) = bytes.as_chunks::<128>();
    let found = |run: &[u8]| run.iter().fold(0, |found, byte| found | byte);
    runs.iter().all(|run| found(run) == 0) && found(rest) == 0
}

fn crc(page: &Page, cluster_id: &ClusterId, page_no: u64) -> u32 {
    let seed = crc32c::crc32c_append(crc32c::crc32c(cluster_id), &page_no.to_le_bytes());
    crc32c::crc32c_append(seed, &page[FLAGS_AT..])
}

fn used(header: &PageHeader) -> Result<usize, PageError> {
    let used = usize::from(header.used);
    let valid = (PAGE_HEADER_BYTES..=PAGE_BYTES).contains(&used) && used.is_multiple_of(RECORD_ALIGN_BYTES);
    if valid { Ok(used) } else { Err(PageError::Used(header.used)) }
}

#[cfg(test)]
mod tests;

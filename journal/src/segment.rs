//! Segment files: a log's pages on disk, a fixed number of them to a file.
//!
//! ```text
//! j-<first page, 16 hex digits>-<epoch, 8 hex digits>.seg
//! | header | header again | page first_page | page first_page + 1 | … | page first_page + pages - 1 |
//!
//! header, little-endian, then zeros to the end of the page:
//!  0 magic 8             8 version u16  10 page bytes u16  12 log u8   13 0 ×3
//! 16 cluster id 16      32 index u64    40 first_page u64  48 pages u64
//! 56 first_seq u64      64 epoch u32    68 state-machine version u32
//! 72 chain 16           88 crc u32, CRC-32C of 0..88
//! ```
//!
//! A file is prepared ahead, whole and zeroed, with `first_seq` and `chain` zero. When its first page is to be written
//! the second header is given both and synced, and then the first one: one of the two is right at any time. Nothing
//! in a segment is random or a local time, so that the files of all nodes are equal, byte for byte.

pub mod reader;
pub mod records;
pub mod supply;
pub mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile, count};
use crate::error::{During, JournalError};
use crate::layout::{ClusterId, PAGE_BYTES, Page, array_at, put, u16_at, u32_at, u64_at};
use crate::page::Chain;

const MAGIC: [u8; 8] = *b"RIALTOSG";
/// Version of the format of segments and of the pages in them.
pub const VERSION: u16 = 2;
/// Pages of a file before its first page of the log.
pub const HEADER_PAGES: u64 = 2;
const PAGE: u64 = PAGE_BYTES as u64;

const VERSION_AT: usize = MAGIC.len();
const PAGE_BYTES_AT: usize = VERSION_AT + 2;
const LOG_AT: usize = PAGE_BYTES_AT + 2;
const CLUSTER_AT: usize = LOG_AT + 4;
const INDEX_AT: usize = CLUSTER_AT + 16;
const FIRST_PAGE_AT: usize = INDEX_AT + 8;
const PAGES_AT: usize = FIRST_PAGE_AT + 8;
const FIRST_SEQ_AT: usize = PAGES_AT + 8;
const EPOCH_AT: usize = FIRST_SEQ_AT + 8;
const STATE_MACHINE_AT: usize = EPOCH_AT + 4;
const CHAIN_AT: usize = STATE_MACHINE_AT + 4;
const CRC_AT: usize = CHAIN_AT + 16;
const _: () = assert!(CRC_AT == 88 && CRC_AT + 4 <= PAGE_BYTES);

/// Which of the two logs a segment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Commands: synced, chained, never rebuilt.
    Commands,
    /// Events: derived from the commands.
    Events,
}

impl Log {
    /// The log's directory in a node's directory.
    pub const fn directory(self) -> &'static str {
        match self {
            Log::Commands => "commands",
            Log::Events => "events",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Log::Commands => 1,
            Log::Events => 2,
        }
    }
}

/// What all segments of a log on a node have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lineage {
    /// Which log.
    pub log: Log,
    /// Whose journal.
    pub cluster_id: ClusterId,
    /// Version of the commands' meaning: of a file, that of the build that wrote it; asked for, the highest that this
    /// build can run, or [`ANY_STATE_MACHINE`].
    pub state_machine: u32,
}

/// For readers that look at records and do not apply them.
pub const ANY_STATE_MACHINE: u32 = u32::MAX;

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// What it shares with the log's other segments.
    pub lineage: Lineage,
    /// Number of the segment in its log, from 0.
    pub index: u64,
    /// Number of its first page in the log.
    pub first_page: u64,
    /// Pages of the log that the file holds.
    pub pages: u64,
    /// Sequence of the first record; 0 as long as no page was written.
    pub first_seq: u64,
    /// Epoch of the first page; as long as no page was written, of the node at the time; 0 for events.
    pub epoch: u32,
    /// What the first page carries as the hash of the page before it; zero for events.
    pub chain: Chain,
}

impl SegmentHeader {
    /// Whether a page may have been written.
    pub fn is_begun(&self) -> bool {
        self.first_seq != 0
    }

    /// The first page that is not in this segment.
    pub fn end_page(&self) -> u64 {
        self.first_page + self.pages
    }

    /// Whether a page of the log belongs into this file.
    pub fn holds(&self, page_no: u64) -> bool {
        (self.first_page..self.end_page()).contains(&page_no)
    }

    /// The file's name.
    pub fn name(&self) -> String {
        format!("j-{:016x}-{:08x}.seg", self.first_page, self.epoch)
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        (HEADER_PAGES + self.pages) * PAGE
    }

    /// Where a page of the log stands in the file. Panics if it is in another segment.
    pub fn offset_of(&self, page_no: u64) -> u64 {
        assert!(self.holds(page_no), "page {page_no} is in another segment than {}", self.name());
        (HEADER_PAGES + page_no - self.first_page) * PAGE
    }

    /// The header as a page.
    pub fn to_page(&self) -> Page {
        let mut page = [0; PAGE_BYTES];
        put(&mut page, 0, &MAGIC);
        put(&mut page, VERSION_AT, &VERSION.to_le_bytes());
        let page_bytes = u16::try_from(PAGE_BYTES).expect("a page is below 64 KiB");
        put(&mut page, PAGE_BYTES_AT, &page_bytes.to_le_bytes());
        put(&mut page, LOG_AT, &[self.lineage.log.byte()]);
        put(&mut page, CLUSTER_AT, &self.lineage.cluster_id);
        put(&mut page, INDEX_AT, &self.index.to_le_bytes());
        put(&mut page, FIRST_PAGE_AT, &self.first_page.to_le_bytes());
        put(&mut page, PAGES_AT, &self.pages.to_le_bytes());
        put(&mut page, FIRST_SEQ_AT, &self.first_seq.to_le_bytes());
        put(&mut page, EPOCH_AT, &self.epoch.to_le_bytes());
        put(&mut page, STATE_MACHINE_AT, &self.lineage.state_machine.to_le_bytes());
        put(&mut page, CHAIN_AT, &self.chain);
        let crc = crc32c::crc32c(&page[..CRC_AT]);
        put(&mut page, CRC_AT, &crc.to_le_bytes());
        page
    }

    fn from_page(page: &Page, lineage: &Lineage) -> Result<Self, HeaderError> {
        if crc32c::crc32c(&page[..CRC_AT]) != u32_at(page, CRC_AT) || page[..8] != MAGIC {
            return Err(HeaderError::Damaged);
        }
        let version = u16_at(page, VERSION_AT);
        if version != VERSION {
            return Err(HeaderError::Foreign(format!(
                "format version {version}, this build reads {VERSION}"
            )));
        }
        if usize::from(u16_at(page, PAGE_BYTES_AT)) != PAGE_BYTES || page[LOG_AT] != lineage.log.byte() {
            return Err(HeaderError::Foreign("pages of another size or log".to_owned()));
        }
        let cluster_id: ClusterId = array_at(page, CLUSTER_AT);
        if cluster_id != lineage.cluster_id {
            let (found, expected) = (hex(&cluster_id), hex(&lineage.cluster_id));
            return Err(HeaderError::Foreign(format!("cluster {found}, this node's is {expected}")));
        }
        let state_machine = u32_at(page, STATE_MACHINE_AT);
        if state_machine > lineage.state_machine {
            let highest = lineage.state_machine;
            return Err(HeaderError::Foreign(format!(
                "commands of version {state_machine}, this build knows {highest}"
            )));
        }
        Ok(SegmentHeader {
            lineage: Lineage { state_machine, ..*lineage },
            index: u64_at(page, INDEX_AT),
            first_page: u64_at(page, FIRST_PAGE_AT),
            pages: u64_at(page, PAGES_AT),
            first_seq: u64_at(page, FIRST_SEQ_AT),
            epoch: u32_at(page, EPOCH_AT),
            chain: array_at(page, CHAIN_AT),
        })
    }
}

enum HeaderError {
    Damaged,
    Foreign(String),
}

/// Lower-case hex digits, as in file names, logs and tools' output.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

/// A segment file and its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where the file is.
    pub path: PathBuf,
    /// The copy of its header that holds.
    pub header: SegmentHeader,
}

/// The segment files of a log that are in a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Those that hold the log, in order; of commands without a gap.
    pub segments: Vec<Segment>,
    /// Files that hold nothing and follow on nothing: what an interrupted start leaves.
    pub strays: Vec<PathBuf>,
}

/// Lists a log's segments, also in the directory of a node that is running: a file that is being made has another name
/// until it is whole.
pub fn list(disk: &Arc<dyn Disk>, dir: &Path, lineage: &Lineage) -> Result<Listing, JournalError> {
    let mut listing = Listing::default();
    for name in disk.list(dir).during("list", dir)? {
        if has_extension(&name, "seg") {
            let path = dir.join(&name);
            match open_header(disk, &path, lineage) {
                Ok(Some(header)) if header.name() != name => {
                    let why = format!("its header belongs to {}", header.name());
                    return Err(JournalError::corrupt(&path, why));
                }
                Ok(Some(header)) => listing.add(Segment { path, header })?,
                // Events are made again from the commands, so a file of them that lost its head is no loss.
                Ok(None) if lineage.log == Log::Events => listing.strays.push(path),
                Ok(None) => {
                    return Err(JournalError::corrupt(&path, "both copies of its header are damaged"));
                }
                // Removed since it was listed.
                Err(JournalError::Disk { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(listing)
}

impl Listing {
    /// Adds the next file by name, that is, by first page and then by epoch.
    fn add(&mut self, segment: Segment) -> Result<(), JournalError> {
        let Some(last) = self.segments.last() else {
            self.segments.push(segment);
            return Ok(());
        };
        let (end, first_page) = (last.header.end_page(), segment.header.first_page);
        let follows = first_page == end || (first_page > end && segment.header.lineage.log == Log::Events);
        if follows {
            self.segments.push(segment);
        } else if !segment.header.is_begun() {
            self.strays.push(segment.path);
        } else if first_page == last.header.first_page && !last.header.is_begun() {
            self.strays.extend(self.segments.pop().map(|stray| stray.path));
            self.segments.push(segment);
        } else {
            let why = format!("begins with page {first_page}, the file before it ends with page {end}");
            return Err(JournalError::corrupt(&segment.path, why));
        }
        Ok(())
    }
}

pub(crate) fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

/// The header of a segment's file of which only that is known: of either log, of any cluster. `None` if both copies of
/// its header are damaged.
pub(crate) fn open_any(
    disk: &Arc<dyn Disk>,
    path: &Path,
    state_machine: u32,
) -> Result<Option<SegmentHeader>, JournalError> {
    let file = disk.open(path, Access::Read).during("open", path)?;
    if file.bytes().during("read the size of", path)? < HEADER_PAGES * PAGE {
        return Ok(None);
    }
    for copy in 0..HEADER_PAGES {
        let mut page = [0; PAGE_BYTES];
        file.read_at(copy * PAGE, &mut page).during("read", path)?;
        let is_log = |log: &Log| page[LOG_AT] == log.byte();
        let Some(log) = [Log::Commands, Log::Events].into_iter().find(is_log) else { continue };
        let lineage = Lineage { log, cluster_id: array_at(&page, CLUSTER_AT), state_machine };
        match SegmentHeader::from_page(&page, &lineage) {
            Ok(_) => return open_header(disk, path, &lineage),
            Err(HeaderError::Foreign(why)) => return Err(JournalError::refused(path, why)),
            Err(HeaderError::Damaged) => {}
        }
    }
    Ok(None)
}

pub(crate) fn open_header(
    disk: &Arc<dyn Disk>,
    path: &Path,
    lineage: &Lineage,
) -> Result<Option<SegmentHeader>, JournalError> {
    let file = disk.open(path, Access::Read).during("open", path)?;
    let header = read_header(&*file, path, lineage)?;
    let found = file.bytes().during("read the size of", path)?;
    match header {
        Some(header) if found != header.file_bytes() => {
            let why = format!("{found} bytes, its header says {}", header.file_bytes());
            Err(JournalError::corrupt(path, why))
        }
        header => Ok(header),
    }
}

/// The copy of the header that holds: the begun one, if one is; none if both are damaged.
fn read_header(
    file: &dyn DiskFile,
    path: &Path,
    lineage: &Lineage,
) -> Result<Option<SegmentHeader>, JournalError> {
    if file.bytes().during("read the size of", path)? < HEADER_PAGES * PAGE {
        return Ok(None);
    }
    let mut holding: Option<SegmentHeader> = None;
    for copy in 0..HEADER_PAGES {
        let mut page = [0; PAGE_BYTES];
        file.read_at(copy * PAGE, &mut page).during("read", path)?;
        match (SegmentHeader::from_page(&page, lineage), holding) {
            (Err(HeaderError::Damaged), _) => {}
            (Err(HeaderError::Foreign(why)), _) => return Err(JournalError::refused(path, why)),
            (Ok(header), Some(first)) if header.is_begun() && first.is_begun() && header != first => {
                return Err(JournalError::corrupt(path, "the two copies of its header differ"));
            }
            (Ok(_), Some(first)) if first.is_begun() => {}
            (Ok(header), Some(_) | None) => holding = Some(header),
        }
    }
    Ok(holding)
}

/// Writes one copy of the header.
fn write_header(file: &mut dyn DiskFile, copy: u64, segment: &Segment) -> Result<(), JournalError> {
    file.write_at(copy * PAGE, &segment.header.to_page()).during("write", &segment.path)
}

/// The segment that holds a page.
pub fn holding(segments: &[Segment], page_no: u64) -> Option<&Segment> {
    let after = segments.partition_point(|segment| segment.header.first_page <= page_no);
    segments[..after].last().filter(|segment| segment.header.holds(page_no))
}

/// How many pages of the log a segment file of `segment_bytes` holds. Panics if it holds none.
pub fn pages_of(segment_bytes: u64) -> u64 {
    let pages = (segment_bytes / PAGE).saturating_sub(HEADER_PAGES);
    assert!(pages > 0, "a segment of {segment_bytes} bytes holds no page");
    pages
}

/// Pages in a slice of whole pages.
pub(crate) fn pages_in(bytes: &[u8]) -> u64 {
    count(bytes.len() / PAGE_BYTES)
}

//! What the segments of the command log hold, and whether what they lack was ever durable.
//!
//! `E` is the end of the unbroken run of good pages. `D` is what was durable by the best witness: each page tells how
//! far its writer knew the log to be synced, also a page behind a hole, and `node.meta` keeps a floor. With `E >= D`
//! what is behind `E` was never reported durable: a torn tail. With `E < D` durable pages are bad or gone: corrupt,
//! and nothing may be cut off.

use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::JournalError;
use crate::layout::{ClusterId, PAGE_BYTES, Page};
use crate::page::{self, Chain, PageError, PageView};
use crate::segment::reader::{SegmentReader, Slot, blank};
use crate::segment::{Lineage, list};

/// A page from which a log can be read on: all pages before it are known or not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Base {
    /// The page.
    pub page_no: u64,
    /// The sequence of its first record.
    pub first_seq: u64,
    /// The epoch of the page before it.
    pub epoch: u32,
    /// The hash of the page before it.
    pub chain: Chain,
}

impl Base {
    /// The start of a cluster's log.
    pub fn genesis(cluster_id: &ClusterId) -> Self {
        Base { page_no: 0, first_seq: 1, epoch: 0, chain: page::genesis_chain(cluster_id) }
    }

    /// The base behind the page that is at this one, if the page is good, follows on it and has sound commands.
    pub fn after(&self, page: &Page, cluster_id: &ClusterId) -> Result<(Self, u64), PageError> {
        let view = page::verify(page, cluster_id, self.page_no)?;
        view.check_commands()?;
        let header = view.header();
        let expected = self.first_seq;
        if header.first_seq != expected || header.epoch < self.epoch || header.chain != self.chain {
            let offset = 0;
            return Err(PageError::Sequence { offset, found: header.first_seq, expected });
        }
        Ok((self.behind(&view), last_timestamp(&view)))
    }

    /// The base behind a page that is known to be good.
    pub(crate) fn behind_page(page: &Page, page_no: u64) -> Option<Self> {
        let view = PageView::parse(page).ok()?;
        let before =
            Base { page_no, first_seq: view.header().first_seq, epoch: 0, chain: view.header().chain };
        Some(before.behind(&view))
    }

    fn behind(&self, view: &PageView<'_>) -> Self {
        Base {
            page_no: self.page_no + 1,
            first_seq: view.last_seq() + 1,
            epoch: view.header().epoch,
            chain: page::chain_of(view.bytes()),
        }
    }
}

fn last_timestamp(view: &PageView<'_>) -> u64 {
    view.records().last().map_or(0, |(_, record)| record.timestamp_ns())
}

/// Where an epoch's first page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: u32,
    /// Its first page.
    pub page_no: u64,
    /// The sequence of that page's first record.
    pub first_seq: u64,
}

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With its last good page.
    Clean,
    /// With bytes that were never durable.
    Torn,
    /// Before pages that were durable: why.
    Corrupt(String),
}

/// What the segments hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Where the scan began.
    pub from: Base,
    /// What the next page would have to follow on: its page number is `E`.
    pub end: Base,
    /// Records in the good pages.
    pub records: u64,
    /// Bytes in the good pages that hold no record.
    pub padding_bytes: u64,
    /// Time of the last record; 0 if there is none.
    pub last_timestamp_ns: u64,
    /// `D`: pages below this number were durable.
    pub durable_page: u64,
    /// The last sequence in the good pages below `D`.
    pub durable_seq: u64,
    /// The highest sequence that a good page says was released.
    pub committed_seq: u64,
    /// The epochs that begin in the good pages.
    pub epochs: Vec<EpochStart>,
    /// Pages from `E` on that are not blank: their numbers, lowest and highest.
    pub torn: Option<(u64, u64)>,
    /// How many of these there are.
    pub torn_pages: u64,
    /// How it ends.
    pub ended: End,
}

impl Scan {
    /// The last sequence in the good pages; that before the base if there is none.
    pub fn last_seq(&self) -> u64 {
        self.end.first_seq - 1
    }

    /// Bytes that are not blank behind the end.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_pages * PAGE_BYTES as u64
    }
}

/// What to scan and how far.
#[derive(Debug)]
pub struct ScanRequest<'a> {
    /// The disk.
    pub disk: &'a Arc<dyn Disk>,
    /// The directory of the command log.
    pub dir: &'a Path,
    /// The log.
    pub lineage: Lineage,
    /// Where to begin.
    pub base: Base,
    /// Pages below this number were durable, as `node.meta` says.
    pub durable_floor: u64,
    /// Look no further than the page that holds this sequence: of a running node, what is released.
    pub up_to_seq: u64,
}

/// Reads pages from the base on and judges their end. Changes nothing.
pub fn scan(request: &ScanRequest<'_>) -> Result<Scan, JournalError> {
    let begun = list(request.disk, request.dir, &request.lineage)?.segments;
    // Nothing is written to a file before its header says that it is begun.
    let last = begun.iter().rev().find(|segment| segment.header.is_begun());
    let end_page = last.map_or(0, |segment| segment.header.end_page());
    let mut scanner = Scanner::new(request);
    let mut page = blank();
    while scanner.found.end.page_no < end_page && scanner.found.last_seq() < request.up_to_seq {
        if !scanner.take(&mut page)? {
            break;
        }
    }
    if scanner.found.last_seq() < request.up_to_seq {
        scanner.look_behind(end_page, &mut page)?;
    }
    Ok(scanner.finish(request))
}

struct Scanner {
    reader: SegmentReader,
    cluster_id: ClusterId,
    found: Scan,
    /// Why the page at the end is not good; `None` if it is blank or not there.
    fault: Option<String>,
    /// The last sequence of each good page is needed once `D` is known.
    seq_at: Vec<(u64, u64)>,
}

impl Scanner {
    fn new(request: &ScanRequest<'_>) -> Self {
        let found = Scan {
            from: request.base,
            end: request.base,
            records: 0,
            padding_bytes: 0,
            last_timestamp_ns: 0,
            durable_page: request.durable_floor,
            durable_seq: request.base.first_seq - 1,
            committed_seq: 0,
            epochs: Vec::new(),
            torn: None,
            torn_pages: 0,
            ended: End::Clean,
        };
        let reader = SegmentReader::new(request.disk, request.dir, request.lineage);
        Scanner { reader, cluster_id: request.lineage.cluster_id, found, fault: None, seq_at: Vec::new() }
    }

    /// Takes the page at the end, if it is good.
    fn take(&mut self, page: &mut Page) -> Result<bool, JournalError> {
        let base = self.found.end;
        match self.reader.read(base.page_no, page)? {
            Slot::Good | Slot::Bad => {}
            Slot::Blank | Slot::NoFile => return Ok(false),
        }
        let (after, timestamp_ns) = match base.after(page, &self.cluster_id) {
            Ok(found) => found,
            Err(error) => {
                self.fault = Some(error.to_string());
                return Ok(false);
            }
        };
        let header = page::PageHeader::read(page);
        let found = &mut self.found;
        if header.epoch != base.epoch {
            let (epoch, page_no, first_seq) = (header.epoch, base.page_no, base.first_seq);
            found.epochs.push(EpochStart { epoch, page_no, first_seq });
        }
        found.end = after;
        found.records += u64::from(header.n_records);
        found.padding_bytes += PAGE_BYTES as u64 - u64::from(header.used);
        found.last_timestamp_ns = timestamp_ns;
        found.committed_seq = found.committed_seq.max(header.committed_seq);
        if header.durable_page > found.durable_page {
            found.durable_page = header.durable_page;
        }
        self.seq_at.push((base.page_no, after.first_seq - 1));
        Ok(true)
    }

    /// Looks at all pages from the end on: for witnesses of what was durable, and for what has to be kept aside.
    fn look_behind(&mut self, end_page: u64, page: &mut Page) -> Result<(), JournalError> {
        for page_no in self.found.end.page_no..end_page {
            match self.reader.read(page_no, page)? {
                Slot::Blank | Slot::NoFile => continue,
                Slot::Good => {
                    let durable_page = page::PageHeader::read(page).durable_page;
                    self.found.durable_page = self.found.durable_page.max(durable_page);
                }
                Slot::Bad => {}
            }
            self.found.torn_pages += 1;
            let first = self.found.torn.map_or(page_no, |(first, _)| first);
            self.found.torn = Some((first, page_no));
        }
        Ok(())
    }

    fn finish(mut self, request: &ScanRequest<'_>) -> Scan {
        let durable_page = self.found.durable_page;
        let durable = self.seq_at.partition_point(|(page_no, _)| *page_no < durable_page);
        if let Some((_, seq)) = durable.checked_sub(1).and_then(|last| self.seq_at.get(last)) {
            self.found.durable_seq = *seq;
        }
        let end = self.found.end.page_no;
        if self.found.last_seq() >= request.up_to_seq {
            return self.found;
        }
        if end < durable_page {
            let fault = self.fault.unwrap_or_else(|| "the page is gone".to_owned());
            let why =
                format!("page {end} is not good ({fault}), and pages up to {durable_page} were durable");
            self.found.ended = End::Corrupt(why);
        } else if self.found.torn.is_some() {
            self.found.ended = End::Torn;
        }
        self.found
    }
}

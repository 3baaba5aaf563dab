//! A node's journal opened to be read: its directory, and where the node runs or `--shm-dir` is given, the records that
//! only shared memory has. Nothing is written, and a node that runs is not disturbed.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rialto_engine::exchange::Exchange;
use rialto_engine::replay::Replay;
use rialto_journal::cursor::Cursors;
use rialto_journal::disk::Disk;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::error::JournalError;
use rialto_journal::layout::Page;
use rialto_journal::log::{LogRing, LogShape, LogStart};
use rialto_journal::meta::{LOCK_NAME, META_NAME, MetaFile, NodeMeta, boot_id};
use rialto_journal::page::PageHeader;
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, PageSource};
use rialto_journal::recover::ring::{self, CURSORS_NAME, RingFound};
use rialto_journal::recover::scan::{End, Scan};
use rialto_journal::recover::verify;
use rialto_journal::segment::reader::{SegmentReader, blank};
use rialto_journal::segment::{ANY_STATE_MACHINE, Lineage, Log};
use rialto_journal::shared::{Identity, Kind};
use rialto_journal::snapshot::{Snapshot, Snapshots};
use rialto_protocol::Sequence;

use crate::failure::{Code, failure};

/// Where shared memory is unless it is said.
const SHM_DIR: &str = "/dev/shm";
/// How often a running node's logs are looked at anew because they moved on meanwhile.
const LOOKS_MAX: usize = 100;

/// A journal as it stood when it was opened.
#[derive(Debug)]
pub struct OpenJournal {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The node's directory.
    pub dir: PathBuf,
    /// What the node remembers.
    pub meta: NodeMeta,
    /// What the segments hold, of a running node up to what was released.
    pub scan: Scan,
    /// Pages behind the segments' end, out of shared memory.
    behind: Arc<[Page]>,
    /// The last command to be read; one less than the first if there is none.
    pub last: u64,
}

/// Pages of a journal: its segments, and behind them what shared memory has.
#[derive(Debug)]
pub struct Pages {
    segments: SegmentReader,
    end_page: u64,
    behind: Arc<[Page]>,
}

impl PageSource for Pages {
    fn read_page(&self, page_no: u64, page: &mut Page) -> io::Result<bool> {
        let Some(place) = page_no.checked_sub(self.end_page) else {
            return self.segments.read_page(page_no, page);
        };
        let behind = usize::try_from(place).ok().and_then(|place| self.behind.get(place));
        if let Some(found) = behind {
            *page = *found;
        }
        Ok(behind.is_some())
    }
}

/// What shared memory has of a node.
struct Memory {
    ring: Arc<LogRing>,
    cursors: Cursors,
}

impl OpenJournal {
    /// Opens the journal in a node's directory. A running node's is read up to what is released now.
    pub fn open(dir: &Path, shm_dir: Option<&Path>) -> anyhow::Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
        let missing = match dir.join(META_NAME).try_exists() {
            Ok(true) => None,
            Ok(false) => Some(format!("no {META_NAME}: not a node's directory")),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = missing {
            return Err(failure(Code::Usage, format!("{}: {why}", dir.display())));
        }
        let is_live = is_held(&dir.join(LOCK_NAME));
        let shm_dir = shm_dir.or(is_live.then_some(Path::new(SHM_DIR)));
        for _ in 0..LOOKS_MAX {
            if let Some(opened) = Self::look(&disk, dir, shm_dir, is_live)? {
                return Ok(opened);
            }
        }
        anyhow::bail!("{}: its node writes faster than this reads", dir.display())
    }

    /// One look; `None` if a running node has moved on between two steps of it.
    fn look(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        shm_dir: Option<&Path>,
        is_live: bool,
    ) -> anyhow::Result<Option<Self>> {
        let meta = MetaFile::peek(disk, dir)?;
        let memory = match shm_dir {
            Some(shm_dir) => attach(shm_dir, &meta)?,
            None => None,
        };
        let released = memory.as_ref().filter(|_| is_live).map(|memory| memory.cursors.released());
        let mut scan = verify(disk, dir, released)?;
        if let Some(memory) = memory.as_ref().filter(|_| is_live) {
            scan.durable_seq = scan.durable_seq.max(memory.cursors.synced().min(scan.last_seq()));
        }
        if is_live && scan.ended == End::Torn {
            // What the node is writing just now.
            (scan.ended, scan.torn, scan.torn_pages) = (End::Clean, None, 0);
        }
        let mut opened = Self {
            disk: Arc::clone(disk),
            dir: dir.to_owned(),
            last: released.map_or(scan.last_seq(), |released| released.min(scan.last_seq())),
            meta,
            scan,
            behind: Arc::new([]),
        };
        let enough = released.unwrap_or(u64::MAX);
        let Some(memory) = memory.filter(|_| opened.scan.last_seq() < enough) else {
            return Ok(Some(opened));
        };
        let found = opened.pages_behind(&memory.ring);
        match found {
            Ok(Some(pages)) => {
                let header = pages.last().map(PageHeader::read);
                let last = header.map_or(opened.last, |last| last.first_seq + u64::from(last.n_records) - 1);
                opened.last = last.min(enough);
                opened.behind = pages.into();
                Ok(Some(opened))
            }
            Ok(None) | Err(_) if is_live => Ok(None),
            Ok(None) => Ok(Some(opened)),
            Err(error) => {
                eprintln!("rialto: shared memory is left alone: {error}");
                Ok(Some(opened))
            }
        }
    }

    fn pages_behind(&self, ring: &LogRing) -> Result<Option<Vec<Page>>, JournalError> {
        let end = &self.scan.end;
        let mut last_page = blank();
        let has_last = end.page_no > self.scan.from.page_no;
        if has_last {
            self.segments(Log::Commands).read(end.page_no - 1, &mut last_page)?;
        }
        let last_page = has_last.then_some(&last_page);
        ring::pages_behind(ring, end, last_page, &self.meta.cluster_id, self.scan.committed_seq)
    }

    /// The first command that is kept.
    pub fn first(&self) -> u64 {
        self.scan.from.first_seq
    }

    /// How many good pages there are.
    pub fn pages(&self) -> u64 {
        self.scan.end.page_no - self.scan.from.page_no + self.behind.len() as u64
    }

    /// The segments of one of its logs.
    pub fn segments(&self, log: Log) -> SegmentReader {
        SegmentReader::new(&self.disk, &self.dir.join(log.directory()), self.lineage(log))
    }

    /// What the segments of one of its logs have in common.
    pub fn lineage(&self, log: Log) -> Lineage {
        Lineage { log, cluster_id: self.meta.cluster_id, state_machine: ANY_STATE_MACHINE }
    }

    /// Its snapshots.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(&self.disk, &self.dir, self.meta.cluster_id)
    }

    /// All its commands as records, up to [`Self::last`] if that is asked for.
    pub fn records(&self) -> anyhow::Result<LogReader<Pages>> {
        self.records_from(self.scan.from.page_no)
    }

    /// Its commands as records from a page on.
    pub fn records_from(&self, page_no: u64) -> anyhow::Result<LogReader<Pages>> {
        let end_page = self.scan.end.page_no;
        let pages =
            Pages { segments: self.segments(Log::Commands), end_page, behind: Arc::clone(&self.behind) };
        // A log without a page of its own, which ends where these pages do: all is read from them.
        let start = LogStart::at_page(end_page + self.behind.len() as u64, 0);
        let log = LogRing::anonymous(LogShape { kind: Kind::Commands, pages: 1 }, &start)?;
        let at = Position::page_start(page_no).skip_header();
        Ok(LogReader::new(Arc::clone(log.ring()), pages, at))
    }

    /// A replay that begins with the whole log, or with a snapshot.
    pub fn replay(&self, snapshot: Option<&Snapshot>) -> anyhow::Result<Replay<Pages>> {
        Ok(match snapshot {
            None => Replay::new(Exchange::new(), Sequence(0), self.records()?),
            Some(Snapshot { head, body }) => {
                let records = self.records_from(head.point.base.page_no)?;
                Replay::new(Exchange::from_state_body(body)?, Sequence(head.point.seq), records)
            }
        })
    }

    /// Whether the log is there from its first command on.
    pub fn has_genesis(&self) -> bool {
        self.scan.from.page_no == 0
    }

    /// The oldest snapshot that a replay of what is kept can begin with.
    pub fn oldest_snapshot(&self) -> anyhow::Result<Snapshot> {
        let usable = |snapshot: &Snapshot| {
            let point = &snapshot.head.point;
            point.base.page_no >= self.scan.from.page_no && point.seq <= self.last
        };
        let snapshots = self.snapshots();
        let loaded = snapshots.sequences()?.into_iter().filter_map(|seq| snapshots.load(seq).ok());
        let mut usable = loaded.filter(usable);
        usable.next().with_context(|| {
            let (dir, first) = (self.dir.display(), self.first());
            failure(
                Code::CheckFailed,
                format!("{dir}: the log begins with {first}, and no snapshot is there"),
            )
        })
    }
}

fn attach(shm_dir: &Path, meta: &NodeMeta) -> anyhow::Result<Option<Memory>> {
    let boot_id = boot_id()?;
    let ring = match ring::find(shm_dir, meta, boot_id) {
        RingFound::Here(ring) => ring,
        RingFound::None | RingFound::Lost(_) => return Ok(None),
    };
    let identity = Identity::new(meta.cluster_id, boot_id, &meta.node, meta.generation);
    let path = shm_dir.join(meta.ring.as_deref().unwrap_or_default()).join(CURSORS_NAME);
    Ok(Cursors::attach(&path, &identity).ok().map(|cursors| Memory { ring, cursors }))
}

/// Whether some process holds this lock file. Asked of the kernel's list: trying the lock could make a node that starts
/// at that moment believe that another one runs.
fn is_held(lock: &Path) -> bool {
    let Ok(lock) = std::fs::metadata(lock) else { return false };
    let inode = format!(":{}", lock.ino());
    let list = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    list.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1) == Some(&"FLOCK") && words.get(5).is_some_and(|file| file.ends_with(&inode))
    })
}

//! The uninterrupted replay: a node's command segments, read page by page from the first, applied to one exchange that is
//! never stopped. What a node that was killed and started many times says of its state, from snapshots or not, must equal
//! what this comes to. And `rialto journal` on the directory of a node that is no more.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rialto_engine::exchange::Exchange;
use rialto_journal::disk::Disk;
use rialto_journal::disk::real::{Backend, RealDisk};
use rialto_journal::meta::MetaFile;
use rialto_journal::page::PageView;
use rialto_journal::segment::reader::{SegmentReader, Slot};
use rialto_journal::segment::{Lineage, Log};
use rialto_protocol::Command;
use rialto_protocol::event::EventBuffer;
use serde_json::Value;

use crate::node::{rialto, told};

/// A replay that goes on where it was: what is in the segments stays as it is.
#[derive(Debug)]
pub(crate) struct Uninterrupted {
    dir: PathBuf,
    exchange: Exchange,
    events: EventBuffer,
    sequence: u64,
    page_no: u64,
}

impl Uninterrupted {
    /// The replay of the node in `dir`, before its first command.
    pub(crate) fn new(dir: &Path) -> Self {
        let (exchange, events) = (Exchange::new(), EventBuffer::default());
        Self { dir: dir.to_owned(), exchange, events, sequence: 0, page_no: 0 }
    }

    /// The state hash after command `last`, by the segments.
    pub(crate) fn hash_at(&mut self, last: u64) -> String {
        assert!(self.sequence <= last, "command {last} was there, and {} too", self.sequence);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
        let cluster_id = MetaFile::peek(&disk, &self.dir).expect("node.meta").cluster_id;
        let lineage = Lineage { log: Log::Commands, cluster_id, state_machine: rialto_protocol::VERSION };
        let segments = SegmentReader::new(&disk, &self.dir.join(Log::Commands.directory()), lineage);
        let mut page = [0; 4096];
        while self.sequence < last {
            let slot = segments.read(self.page_no, &mut page).expect("the segments can be read");
            let (page_no, sequence) = (self.page_no, self.sequence);
            assert_eq!(slot, Slot::Good, "page {page_no}: the log ends at command {sequence}, not {last}");
            self.apply(&page, last);
        }
        self.exchange.state_hash().to_hex().to_string()
    }

    fn apply(&mut self, page: &[u8; 4096], last: u64) {
        for (_, record) in PageView::parse(page).expect("a good page").records() {
            let (header, command) = Command::decode(record.bytes()).expect("a command");
            if header.sequence.0 <= self.sequence {
                continue;
            }
            if self.sequence == last {
                return;
            }
            self.sequence += 1;
            assert_eq!(header.sequence.0, self.sequence, "one command after the other");
            self.events.clear();
            self.exchange.apply(&header, &command, &mut self.events);
        }
        self.page_no += 1;
    }
}

/// `rialto journal verify DIR --deep`: every page right, the events those that the commands make, the money conserved,
/// each snapshot of the state that the replay has there.
pub(crate) fn verify_deep(dir: &Path, more: &[&str]) -> Value {
    let data = dir.display().to_string();
    let words = [&["journal", "verify", &data, "--deep", "--json"], more].concat();
    let (code, stdout, stderr) = told(&rialto(&words));
    assert_eq!(code, Some(0), "{stdout} {stderr}");
    let found: Value = serde_json::from_str(&stdout).expect("one JSON object");
    let deep = &found["deep"];
    assert!(deep["events_equal"] == true && deep["conserved"] == true, "{found}");
    found
}

/// Names of the files of one of the node's directories, sorted.
pub(crate) fn files(dir: &Path, name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join(name)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().display().to_string()).collect();
    names.sort_unstable();
    names
}

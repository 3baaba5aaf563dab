//! The uninterrupted replay: a node's command segments, read page by page from the first, applied to an empty exchange
//! in one go. What a node that was killed and started many times says of its state must equal what this comes to.

use std::path::Path;
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

/// The state hash after command `last`, by the segments in `dir`.
pub(crate) fn replayed_hash(dir: &Path, last: u64) -> String {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(Backend::Mapped));
    let cluster_id = MetaFile::peek(&disk, dir).expect("node.meta").cluster_id;
    let lineage = Lineage { log: Log::Commands, cluster_id, state_machine: rialto_protocol::VERSION };
    let segments = SegmentReader::new(&disk, &dir.join(Log::Commands.directory()), lineage);
    let (mut exchange, mut events) = (Exchange::new(), EventBuffer::default());
    let mut page = [0; 4096];
    let mut sequence = 0;
    for page_no in 0.. {
        let slot = segments.read(page_no, &mut page).expect("the segments can be read");
        assert_eq!(slot, Slot::Good, "page {page_no}: the log ends at command {sequence}, not {last}");
        for (_, record) in PageView::parse(&page).expect("a good page").records() {
            let (header, command) = Command::decode(record.bytes()).expect("a command");
            sequence += 1;
            assert_eq!(header.sequence.0, sequence, "one command after the other");
            events.clear();
            exchange.apply(&header, &command, &mut events);
            if sequence == last {
                return exchange.state_hash().to_hex().to_string();
            }
        }
    }
    unreachable!("there is an end to a log")
}

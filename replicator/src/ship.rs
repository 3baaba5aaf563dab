//! What a connection needs of the node it belongs to: two traits that the node's own code implements.

use std::io;
use std::sync::Arc;

use rialto_journal::layout::Page;
use rialto_journal::log::LogRing;
use rialto_journal::reader::PageSource;
use rialto_journal::recover::scan::{Base, EpochStart};

use crate::gone::Gone;
use crate::message::{Answer, Ask, Hello, Lead, Promise, Seed};
use crate::primary::Event;

/// A node, as its replication port needs it. Called on the thread that drives the port.
pub trait Node {
    /// What it says of itself.
    fn answer(&mut self, ask: &Ask) -> Answer;

    /// Asked to follow no epoch below this one: makes that durable first, then says so; or says why not. May take the
    /// time of a sync; nothing else on this port goes on meanwhile.
    fn promise(&mut self, epoch: u32) -> Promise;

    /// What it ships, if it is primary. Standbys are cut off when this is `None`, or when its epoch has changed.
    fn ship(&self) -> Option<&dyn Ship>;

    /// A standby has said something.
    fn event(&mut self, standby: &str, event: Event);

    /// A standby's connection has ended.
    fn gone(&mut self, standby: &str, why: &Gone);
}

/// A primary's log and what it knows. All of it is asked often, and may take no time but where it says so.
pub trait Ship {
    /// The epoch it leads in.
    fn epoch(&self) -> u32;

    /// Who it is. Asked once for each connection.
    fn lead(&self) -> Lead;

    /// Where its epochs begin, oldest first; the last one is its own, also while no record of it is written. Says so
    /// before a record of a new epoch is published.
    fn epochs(&self) -> &[EpochStart];

    /// The command log.
    fn ring(&self) -> &Arc<LogRing>;

    /// Where pages are that the ring has no more: a `SegmentReader` of its own for each connection.
    fn stored(&self) -> Box<dyn PageSource + Send>;

    /// The oldest page that can still be read. May read a directory; asked once for each connection.
    fn first_page(&self) -> u64;

    /// The base at a page: that behind the page before it, by `SegmentReader::base_behind(page_no - 1)`, and of page 0
    /// `Base::genesis`; the end's by what storage keeps. `None` while the page before is not sealed and stored: it
    /// is asked again for up to two seconds. May read a page.
    fn base_at(&self, page_no: u64) -> Option<Base>;

    /// The last command that is released.
    fn committed_seq(&self) -> u64;

    /// Grows with each change of the cluster's state.
    fn state_version(&self) -> u64;

    /// The cluster's state, as standbys keep it. Asked when the version has changed.
    fn state(&self) -> Vec<u8>;

    /// A snapshot for this standby, whose pages are gone; `None` if there is none to give now. May open files.
    fn seed(&self, standby: &Hello) -> Option<Box<dyn SeedSource + Send>>;
}

/// A snapshot and the pages that belong to it, as they are sent. Reads take the time that reads take.
pub trait SeedSource {
    /// What there is.
    fn seed(&self) -> &Seed;

    /// Fills `into` with the snapshot file's bytes from `offset` on.
    fn read_snapshot(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// A sealed command page.
    fn read_page(&mut self, page_no: u64, into: &mut Page) -> io::Result<()>;

    /// A stored event page.
    fn read_event_page(&mut self, page_no: u64, into: &mut Page) -> io::Result<()>;
}

/// A connection's own source of stored pages.
pub(crate) struct Stored(pub(crate) Box<dyn PageSource + Send>);

impl PageSource for Stored {
    fn read_page(&self, page_no: u64, page: &mut Page) -> io::Result<bool> {
        self.0.read_page(page_no, page)
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stored")
    }
}

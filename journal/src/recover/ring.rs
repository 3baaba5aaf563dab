//! The records that a killed process left in shared memory and not in its segments.
//!
//! Only the ring that `node.meta` names counts, and only in the boot it was made in. All of it that is published and
//! follows on the segments by page, sequence and record crc is taken; a ring that does not follow on them is of another
//! course of events and is left alone.

use std::path::Path;
use std::sync::Arc;

use crate::error::JournalError;
use crate::layout::{ClusterId, PAGE_BYTES, PAGE_HEADER_BYTES, Page};
use crate::log::LogRing;
use crate::meta::NodeMeta;
use crate::page::{self, PageHeader, PageView, SealInputs};
use crate::recover::scan::Base;
use crate::shared::{Identity, Kind};

/// Name of the command log's file in a ring directory.
pub const COMMANDS_NAME: &str = "commands.log";

/// Name of the event log's file in a ring directory.
pub const EVENTS_NAME: &str = "events.log";
/// Name of the cursors' file in a ring directory.
pub const CURSORS_NAME: &str = "cursors";

/// What shared memory has for a node.
#[derive(Debug)]
pub enum RingFound {
    /// `node.meta` names none, or one of another boot.
    None,
    /// The one that counts.
    Here(Arc<LogRing>),
    /// The one that `node.meta` names is not there, or is not what it should be: why.
    Lost(String),
}

/// Looks for the ring that `node.meta` names in the directory for shared memory.
pub fn find(shm_dir: &Path, meta: &NodeMeta, boot_id: [u8; 16]) -> RingFound {
    match &meta.ring {
        Some(name) if meta.boot_id == boot_id => {
            let path = shm_dir.join(name).join(COMMANDS_NAME);
            let identity = Identity::new(meta.cluster_id, boot_id, &meta.node, meta.generation);
            match LogRing::attach(&path, &identity, Kind::Commands) {
                Ok(ring) => RingFound::Here(ring),
                Err(error) => RingFound::Lost(error.to_string()),
            }
        }
        Some(_) | None => RingFound::None,
    }
}

/// The name of a ring directory.
pub fn directory_name(cluster: &str, node: &str, generation: u64) -> String {
    format!("rialto-{cluster}-{node}-{generation}")
}

/// Removes all ring directories of a node but one: they are of earlier starts, and nothing in them counts.
pub fn remove_others(shm_dir: &Path, meta: &NodeMeta, keep: Option<&str>) -> std::io::Result<()> {
    let prefix = directory_name(&meta.cluster, &meta.node, 0);
    let prefix = prefix.trim_end_matches('0');
    for entry in std::fs::read_dir(shm_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let generation = name.to_str().and_then(|name| name.strip_prefix(prefix));
        let is_ours = generation
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
        if is_ours && name.to_str() != keep {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The pages of a ring that follow on the segments' end, sealed; `None` if the ring does not follow on it.
///
/// `last_page` is the segments' last page, if there is one: the ring must agree with it.
pub fn pages_behind(
    ring: &LogRing,
    end: &Base,
    last_page: Option<&Page>,
    cluster_id: &ClusterId,
    committed_seq: u64,
) -> Result<Option<Vec<Page>>, JournalError> {
    let published = ring.end();
    if published.page() < end.page_no || !agrees(ring, end, last_page) {
        return Ok(None);
    }
    let mut base = *end;
    let mut pages = Vec::new();
    loop {
        let mut page = [0; PAGE_BYTES];
        let is_open = base.page_no == published.page();
        let there = if is_open {
            ring.copy_open_page(&mut page).map_err(|error| damaged(base.page_no, &error.to_string()))?
        } else {
            ring.copy_page(base.page_no, &mut page)
        };
        if !there && !is_open {
            // The ring has gone on without the page being stored: it cannot, unless the segments lost it.
            return Ok(None);
        }
        if !there {
            return Ok(Some(pages));
        }
        let inputs = SealInputs {
            cluster_id: *cluster_id,
            durable_page: end.page_no,
            committed_seq,
            chain: base.chain,
        };
        page::seal(&mut page, &inputs);
        base = match base.after(&page, cluster_id) {
            Ok((after, _)) => after,
            // Its first page decides whether it follows on at all; what is wrong behind that is damage.
            Err(_) if pages.is_empty() && PageHeader::read(&page).first_seq != base.first_seq => {
                return Ok(None);
            }
            Err(error) => return Err(damaged(base.page_no, &error.to_string())),
        };
        pages.push(page);
        if is_open {
            return Ok(Some(pages));
        }
    }
}

/// Whether the page before the end, if the ring still has it, is the one that the segments have.
fn agrees(ring: &LogRing, end: &Base, last_page: Option<&Page>) -> bool {
    let Some(last_page) = last_page else { return true };
    let mut page = [0; PAGE_BYTES];
    if !ring.copy_page(end.page_no - 1, &mut page) {
        return true;
    }
    let same = |view: &PageView<'_>| (view.header().first_seq, view.header().used);
    match (PageView::parse(&page), PageView::parse(last_page)) {
        (Ok(found), Ok(expected)) => {
            same(&found) == same(&expected) && page[PAGE_HEADER_BYTES..] == last_page[PAGE_HEADER_BYTES..]
        }
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn damaged(page_no: u64, why: &str) -> JournalError {
    JournalError::corrupt(Path::new(COMMANDS_NAME), format!("shared memory, page {page_no}: {why}"))
}

//! How to go on with a standby, by what it has and what this node has. Reads, and decides nothing by length alone.

use rialto_journal::layout::{PAGE_BYTES, PAGE_HEADER_BYTES};
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, UpTo};
use rialto_journal::recover::scan::Base;

use super::stream::count_records;
use crate::gone::Gone;
use crate::history::{History, meet};
use crate::message::{Hello, Lead, OpenPage, Reject, Welcome, hash_of_records, keep_newest};
use crate::ship::{SeedSource, Ship, Stored};

/// The answer to a HELLO.
pub(super) struct Decision {
    pub(super) welcome: Welcome,
    /// The epoch that the standby has met, if it is higher than this node's.
    pub(super) stale: Option<u32>,
    pub(super) seed: Option<Box<dyn SeedSource + Send>>,
}

impl From<Welcome> for Decision {
    fn from(welcome: Welcome) -> Self {
        Decision { welcome, stale: None, seed: None }
    }
}

impl From<Reject> for Decision {
    fn from(reject: Reject) -> Self {
        Welcome::Reject(reject).into()
    }
}

/// `None`: the page before the common point is not sealed yet; ask again. Once it `is_late`, that is an answer, too.
pub(super) fn decide(hello: &Hello, ship: &dyn Ship, is_late: bool) -> Result<Option<Decision>, Gone> {
    let lead = ship.lead();
    if let Some(rejected) = reject(hello, &lead) {
        return Ok(Some(rejected));
    }
    let theirs = History { epochs: &hello.epochs, end_page: hello.end.page_no };
    let mine = History { epochs: ship.epochs(), end_page: ship.ring().closed_pages() };
    if !theirs.is_sound() || !is_sound(hello) {
        return Ok(Some(diverged("what the standby says of its log cannot be")));
    }
    let Some(page_no) = meet(&mine, &theirs) else {
        return Ok(Some(diverged("no epoch is in both")));
    };
    if page_no < ship.first_page() {
        return Ok(Some(seed(hello, ship, lead)));
    }
    let Some(base) = ship.base_at(page_no) else {
        let busy = Reject::Busy(format!("page {page_no} of the primary has no base yet"));
        return Ok(is_late.then(|| busy.into()));
    };
    let before = page_no.checked_sub(1).and_then(|page_no| ship.base_at(page_no));
    if page_no < hello.end.page_no {
        let bases = [base].into_iter().chain(before).collect();
        return Ok(Some(Welcome::Truncate { lead, bases }.into()));
    }
    if hello.cluster_id.is_some() && base != hello.end {
        let Some(before) = before else {
            return Ok(Some(diverged(&format!("at page {page_no}: {base:?} and {:?}", hello.end))));
        };
        return Ok(Some(Welcome::Truncate { lead, bases: vec![before] }.into()));
    }
    go_on(hello, ship, lead, base).map(Some)
}

/// Goes on behind the standby's open page, if it is equal to this node's as far as it goes.
fn go_on(hello: &Hello, ship: &dyn Ship, lead: Lead, base: Base) -> Result<Decision, Gone> {
    let Some(open) = &hello.open else {
        let from = Position::page_start(base.page_no).get();
        return Ok(Welcome::Stream { lead, from, next_seq: base.first_seq }.into());
    };
    let welcome = match records_of(ship, base.page_no, open)? {
        Some(records) => {
            let from = Position::at(base.page_no, usize::from(open.offset)).get();
            Welcome::Stream { lead, from, next_seq: base.first_seq + records }
        }
        None => Welcome::Truncate { lead, bases: vec![base] },
    };
    Ok(welcome.into())
}

fn reject(hello: &Hello, lead: &Lead) -> Option<Decision> {
    let last_row = hello.epochs.last().map_or(0, |row| row.epoch);
    let open = hello.open.map_or(0, |open| open.epoch);
    let met = hello.promised_epoch.max(hello.end.epoch).max(last_row).max(open);
    if hello.cluster_id.is_some_and(|id| id != lead.cluster_id) {
        return Some(Reject::Cluster.into());
    }
    if met > lead.epoch {
        let rejected = Reject::Stale { epoch: lead.epoch }.into();
        return Some(Decision { stale: Some(met), ..rejected });
    }
    if !hello.runs(lead.version) {
        return Some(Reject::Version { mine: lead.version, yours: hello.versions }.into());
    }
    None
}

fn is_sound(hello: &Hello) -> bool {
    let is_empty = hello.end.page_no == 0 && hello.open.is_none() && hello.epochs.is_empty();
    let open_is_sound = hello.open.is_none_or(|open| {
        let offset = usize::from(open.offset);
        let fits = offset > PAGE_HEADER_BYTES && offset <= PAGE_BYTES && offset.is_multiple_of(8);
        fits && open.last_seq >= hello.end.first_seq && open.last_seq < u64::MAX
    });
    hello.end.first_seq > 0 && open_is_sound && (is_empty || hello.cluster_id.is_some())
}

fn diverged(why: &str) -> Decision {
    Reject::Diverged(why.to_owned()).into()
}

fn seed(hello: &Hello, ship: &dyn Ship, lead: Lead) -> Decision {
    match ship.seed(hello) {
        Some(source) => {
            let mut seed = source.seed().clone();
            keep_newest(&mut seed.epochs);
            let welcome = Welcome::Seed { lead, seed };
            Decision { welcome, stale: None, seed: Some(source) }
        }
        None => Reject::Busy("pages that it needs are gone, and there is no snapshot yet".to_owned()).into(),
    }
}

/// How many records the standby has of this node's page, if they are the very ones that it begins with.
fn records_of(ship: &dyn Ship, page_no: u64, open: &OpenPage) -> Result<Option<u64>, Gone> {
    let history = History { epochs: ship.epochs(), end_page: u64::MAX };
    if history.epoch_of(page_no) != Some(open.epoch) {
        return Ok(None);
    }
    let start = Position::page_start(page_no);
    let end = Position::at(page_no, usize::from(open.offset));
    let mut reader = LogReader::new(ship.ring().clone(), Stored(ship.stored()), start);
    let mut records = Vec::with_capacity(PAGE_BYTES);
    while let Some((at, run)) = reader.next_run(UpTo::Position(end))? {
        if at.page() != page_no {
            break;
        }
        records.extend_from_slice(run);
    }
    let is_equal = records.len() + PAGE_HEADER_BYTES == usize::from(open.offset)
        && hash_of_records(&records) == open.hash;
    Ok(is_equal.then(|| count_records(&records)))
}

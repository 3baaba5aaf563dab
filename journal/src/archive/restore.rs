//! Makes a node's directory of an archive.
//!
//! Every page of every file is read and checked first; nothing is written before all of it is known to be right. What is
//! taken is the last run of command pages without a gap, the newest snapshot that stands in it, and the events before
//! that; later ones are made again from the commands. The node that comes of it knows that its copy lacks what was
//! written after the archive's end: other nodes never count on it until it has caught up, and alone it opens its epoch
//! with a mark of the loss.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::found::Found;
use super::{base_of, pages};
use crate::disk::{Access, Disk, count, index};
use crate::error::{During, JournalError};
use crate::layout::ClusterId;
use crate::meta::{MetaFile, NodeMeta};
use crate::position::Position;
use crate::recover::scan::Base;
use crate::seed::{SeedPlan, SeedWriter, Whole, finish, is_same_place, names};
use crate::segment::Segment;
use crate::snapshot::{SnapshotHead, Snapshots};

/// Bytes of a snapshot that are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What is to be made of which archive.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The directory of archived files.
    pub from: PathBuf,
    /// The node's directory: not there, or empty.
    pub dir: PathBuf,
    /// The highest version of the commands' meaning that this build runs.
    pub state_machine: u32,
    /// Size of a segment file.
    pub segment_bytes: u64,
    /// The cluster's name.
    pub cluster: String,
    /// The node's name.
    pub node: String,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Whose journal.
    pub cluster_id: ClusterId,
    /// The first command.
    pub first_seq: u64,
    /// The last command.
    pub last_seq: u64,
    /// The epoch of the last command.
    pub epoch: u32,
    /// The command pages.
    pub pages: Range<u64>,
    /// The event pages that were taken over.
    pub event_pages: Range<u64>,
    /// The last command of the snapshot, if one fits.
    pub snapshot: Option<u64>,
    /// What was passed over, in words.
    pub remarks: Vec<String>,
}

/// Rebuilds a node's directory; durable on return.
pub fn restore(plan: &RestorePlan) -> Result<Restored, JournalError> {
    if names(&plan.disk, &plan.dir)?.is_some_and(|names| !names.is_empty()) {
        return Err(JournalError::refused(
            &plan.dir,
            "it is not empty: a restore never writes over anything",
        ));
    }
    let found = Found::in_dir(&plan.disk, &plan.from, plan.state_machine)?;
    let checked = Checked::read(plan, &found)?;
    let whole = write(plan, &found, &checked)?;
    let mut meta = NodeMeta::new(found.cluster_id, &plan.cluster, &plan.node);
    meta.promised_epoch = checked.end.epoch;
    meta.lost_unsynced = true;
    meta.seeded = Some(whole.seeded());
    let mut meta = MetaFile::create(&plan.disk, &plan.dir, meta)?;
    finish(&plan.disk, &plan.dir, &mut meta)?;
    let Checked { first, end, event_pages, snapshot, remarks, .. } = checked;
    Ok(Restored {
        cluster_id: found.cluster_id,
        first_seq: first.first_seq,
        last_seq: end.first_seq - 1,
        epoch: end.epoch,
        pages: first.page_no..end.page_no,
        event_pages,
        snapshot: snapshot.map(|(seq, _)| seq),
        remarks,
    })
}

/// What is to be taken of an archive all of which is right.
struct Checked {
    /// Where the commands begin and end that are taken.
    first: Base,
    end: Base,
    /// The event pages that are taken.
    event_pages: Range<u64>,
    /// The snapshot that is taken.
    snapshot: Option<(u64, PathBuf)>,
    remarks: Vec<String>,
}

/// A snapshot that is right, and whether the commands that lead to it are those of the last run.
struct Candidate {
    head: SnapshotHead,
    path: PathBuf,
    fits: bool,
}

impl Checked {
    fn read(plan: &RestorePlan, found: &Found) -> Result<Self, JournalError> {
        let mut remarks = Vec::new();
        let mut candidates = candidates(plan, found, &mut remarks)?;
        let (first, end, gap) = commands(plan, found, &mut candidates)?;
        let events = events(plan, found)?;
        let mut taken = None;
        for Candidate { head, path, fits } in candidates.into_iter().rev() {
            match unfit(&head, fits, (&first, &end, &events)) {
                Ok(event_pages) => {
                    taken = Some((event_pages, (head.point.seq, path)));
                    break;
                }
                Err(why) => remarks.push(format!("{}: not used: {why}", path.display())),
            }
        }
        // Where it does not begin with the first command of all, a start needs a snapshot.
        if taken.is_none() && first.page_no > 0 {
            let gap = gap.unwrap_or(0..first.page_no);
            return Err(JournalError::refused(&plan.from, no_start(&gap, &remarks)));
        }
        if let Some(Range { start, end }) = gap {
            remarks.push(format!("command pages {start} to {} are missing: begun behind them", end - 1));
        }
        let (event_pages, snapshot) = taken.map_or((0..0, None), |(pages, snapshot)| (pages, Some(snapshot)));
        Ok(Checked { first, end, event_pages, snapshot, remarks })
    }
}

/// Why nothing can be made of an archive that lacks these pages, and what may be done.
fn no_start(gap: &Range<u64>, remarks: &[String]) -> String {
    let mut why = format!(
        "command pages {} to {} are missing, and no snapshot behind them can be used: bring the missing files",
        gap.start,
        gap.end - 1
    );
    if gap.start > 0 {
        why.push_str(", or take away those behind them and restore up to there");
    }
    for remark in remarks {
        why.push_str("; ");
        why.push_str(remark);
    }
    why
}

/// The archive's snapshots, all of which have to be right.
fn candidates(
    plan: &RestorePlan,
    found: &Found,
    remarks: &mut Vec<String>,
) -> Result<Vec<Candidate>, JournalError> {
    let reader = Snapshots::new(&plan.disk, &plan.dir, found.cluster_id);
    let mut candidates = Vec::new();
    for (_, path) in &found.snapshots {
        match reader.read(path) {
            Ok(snapshot) if snapshot.head.point.state_machine > plan.state_machine => remarks.push(format!(
                "{}: not used: state of version {}, this build knows {}",
                path.display(),
                snapshot.head.point.state_machine,
                plan.state_machine
            )),
            Ok(snapshot) => {
                candidates.push(Candidate { head: snapshot.head, path: path.clone(), fits: false });
            }
            Err(JournalError::Corrupt { path, why }) => {
                let why = format!("{why}: bring another copy of it, or take it away to use an older one");
                return Err(JournalError::Corrupt { path, why });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(candidates)
}

/// Where the last run of command pages begins and ends, and the gap before it; sees which snapshots stand in it.
fn commands(
    plan: &RestorePlan,
    found: &Found,
    candidates: &mut [Candidate],
) -> Result<(Base, Base, Option<Range<u64>>), JournalError> {
    let Some(first) = found.commands.first() else {
        return Err(JournalError::refused(&plan.from, "it holds no segment of commands"));
    };
    let begin = |segment: &Segment| match segment.header.first_page {
        0 => Base::genesis(&found.cluster_id),
        _ => base_of(segment),
    };
    let mut run = begin(first);
    let mut end = run;
    let mut gap = None;
    let mut before: Option<&Segment> = None;
    for segment in &found.commands {
        let header = &segment.header;
        if header.first_page > end.page_no && before.is_some() {
            gap = Some(end.page_no..header.first_page);
            run = begin(segment);
            end = run;
            for candidate in &mut *candidates {
                candidate.fits = false;
            }
        }
        if (header.first_page, header.first_seq, header.chain) != (end.page_no, end.first_seq, end.chain) {
            let last = before
                .map_or_else(|| "the first page of all".to_owned(), |last| last.path.display().to_string());
            let why = format!(
                "it does not follow on {last}: it is of a history that was given up; take it away with \
                 what follows it"
            );
            return Err(JournalError::refused(&segment.path, why));
        }
        let mut see = |base: &Base| {
            let here = candidates.iter_mut().filter(|found| found.head.point.base.page_no == base.page_no);
            here.for_each(|found| found.fits = is_same_place(Some(*base), &found.head.point.base));
        };
        end = pages::commands(&plan.disk, segment, &end, |base, _| {
            see(base);
            Ok(())
        })?;
        see(&end);
        before = Some(segment);
    }
    Ok((run, end, gap))
}

/// The runs of event pages without a gap.
fn events(plan: &RestorePlan, found: &Found) -> Result<Vec<Range<u64>>, JournalError> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for segment in &found.events {
        let range = pages::events(&plan.disk, segment, |_, _| Ok(()))?;
        match runs.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            Some(_) | None => runs.push(range),
        }
    }
    Ok(runs)
}

/// The event pages that go with a snapshot, or why it cannot be used.
fn unfit(
    head: &SnapshotHead,
    fits: bool,
    (first, end, events): (&Base, &Base, &[Range<u64>]),
) -> Result<Range<u64>, String> {
    let point = &head.point;
    if point.seq >= end.first_seq {
        let last = end.first_seq - 1;
        return Err(format!("it is of command {}, and the archived segments end with {last}", point.seq));
    }
    if !fits {
        return Err("it stands in no archived page behind the last gap".to_owned());
    }
    let event_end = Position::new(point.event_at).page();
    if event_end == 0 {
        return Ok(0..0);
    }
    let run = events.iter().find(|run| run.contains(&(event_end - 1)));
    match run {
        Some(run) if first.page_no > 0 || run.start == 0 => Ok(run.start..event_end),
        Some(_) | None => Err(format!("event pages before {event_end} are missing")),
    }
}

/// Writes what is taken beside where it is to be.
fn write(plan: &RestorePlan, found: &Found, checked: &Checked) -> Result<Whole, JournalError> {
    let disk = &plan.disk;
    disk.create_dir(&plan.dir).during("create directory", &plan.dir)?;
    let mut writer = SeedWriter::begin(SeedPlan {
        disk: Arc::clone(disk),
        dir: plan.dir.clone(),
        cluster_id: found.cluster_id,
        state_machine: plan.state_machine,
        segment_bytes: plan.segment_bytes,
        snapshot: checked.snapshot.as_ref().map(|(seq, _)| *seq),
        base: checked.first,
        end_page: checked.end.page_no,
        event_pages: checked.event_pages.clone(),
    })?;
    while !writer.prepare()? {}
    if let Some((_, path)) = &checked.snapshot {
        copy_snapshot(disk, path, &mut writer)?;
    }
    let mut base = checked.first;
    let is_taken = |segment: &&Segment| segment.header.first_page >= checked.first.page_no;
    for segment in found.commands.iter().filter(is_taken) {
        base = pages::commands(disk, segment, &base, |_, page| writer.page(page))?;
    }
    let wanted = &checked.event_pages;
    for segment in &found.events {
        if segment.header.end_page() > wanted.start && segment.header.first_page < wanted.end {
            pages::events(disk, segment, |page_no, page| {
                if wanted.contains(&page_no) { writer.event_page(page) } else { Ok(()) }
            })?;
        }
    }
    writer.finish()
}

fn copy_snapshot(disk: &Arc<dyn Disk>, path: &Path, writer: &mut SeedWriter) -> Result<(), JournalError> {
    let file = disk.open(path, Access::Read).during("open", path)?;
    let bytes = file.bytes().during("read the size of", path)?;
    let mut part = vec![0; COPY_BYTES];
    for offset in (0..bytes).step_by(COPY_BYTES) {
        let part = &mut part[..index((bytes - offset).min(count(COPY_BYTES)))];
        file.read_at(offset, part).during("read", path)?;
        writer.snapshot_bytes(offset, part)?;
    }
    Ok(())
}

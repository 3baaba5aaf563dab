//! What the cluster went on without: cut off a node's log between two of its lives, with a report for a person.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::log::LogRing;
use rialto_journal::page::PageView;
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, PageSource, UpTo};
use rialto_journal::recover::divergent::{Divergent, cut};
use rialto_journal::recover::recover;
use rialto_protocol::Command;

use super::start::{Plan, find_ring, start_of, take_directory, usable_snapshot};

/// Writes beside the kept pages what is in them, and whether any of it may have been told to someone. `committed`: the
/// last command that this node's own pages say was released.
pub fn report(dir: &Path, cut: &Divergent, committed: u64) -> anyhow::Result<PathBuf> {
    let path = cut.kept.with_extension("txt");
    let bytes = std::fs::read(&cut.kept).with_context(|| format!("{}: cannot read", cut.kept.display()))?;
    let mut text = String::new();
    let (first, last) = cut.commands.unwrap_or((0, 0));
    writeln!(text, "Node directory: {}", dir.display())?;
    writeln!(
        text,
        "Pages {} to {} of the command log, kept in {}.",
        cut.page_no,
        cut.page_no + cut.pages - 1,
        cut.kept.display()
    )?;
    writeln!(text, "Commands {first} to {last}: the cluster went on without them from this page on.")?;
    if committed >= first {
        writeln!(
            text,
            "This node's pages say that commands up to {committed} were released: compare them with the new primary's journal."
        )?;
    } else {
        writeln!(
            text,
            "None of them is known to have been released: the last one that this node's pages know of is {committed}."
        )?;
    }
    for page in bytes.chunks_exact(PAGE_BYTES) {
        let Ok(view) = PageView::parse(page.try_into().context("whole pages")?) else { continue };
        for (_, record) in view.records() {
            let said = match Command::decode(record.bytes()) {
                Ok((header, command)) => {
                    format!("session {} number {}: {command:?}", header.session.0, header.session_seq.0)
                }
                Err(malformed) => format!("no command of this build: {malformed}"),
            };
            writeln!(text, "{} {} {said}", record.sequence(), record.timestamp_ns())?;
        }
    }
    std::fs::write(&path, text).with_context(|| format!("{}: cannot write", path.display()))?;
    Ok(path)
}

/// Takes back the end of a node's log from this page on, that its cluster went on without; a report says what it was.
pub fn cut_back(plan: &Plan, page_no: u64) -> anyhow::Result<Option<Divergent>> {
    let mut remarks = Vec::new();
    let (disk, lock, mut meta) = take_directory(plan)?;
    let found = find_ring(plan, meta.get(), &mut remarks)?;
    let snapshot = usable_snapshot(&disk, plan, &meta, &mut remarks)?;
    let start = start_of(plan, &disk, &meta, snapshot.as_ref());
    let recovered = recover(&start, &mut meta, found.as_deref())?;
    let committed = recovered.scan.committed_seq;
    drop(recovered);
    // What goes may have been acknowledged: until it has come again this node is not what its acks said.
    meta.update(|meta| meta.lost_unsynced = true)?;
    let cut = cut(&start, &mut meta, page_no)?;
    if let Some(cut) = &cut {
        let report = report(&plan.dir, cut, committed)?;
        tracing::warn!(
            page = cut.page_no,
            pages = cut.pages,
            report = %report.display(),
            "the end of this log is not the primary's as it stands: kept aside"
        );
    }
    drop(lock);
    Ok(cut)
}

/// Whether all commands that were cut off have come again as they were: a page that only ended elsewhere. Then nothing
/// has to be kept. The log must hold as many commands by now.
pub fn came_again<S: PageSource>(cut: &Divergent, log: &Arc<LogRing>, stored: S) -> anyhow::Result<bool> {
    let bytes = std::fs::read(&cut.kept)?;
    let mut reader = LogReader::new(Arc::clone(log), stored, Position::page_start(cut.page_no).skip_header());
    for page in bytes.chunks_exact(PAGE_BYTES) {
        let Ok(view) = PageView::parse(page.try_into()?) else { return Ok(false) };
        for (_, record) in view.records() {
            let found = reader.next(UpTo::Sequence(record.sequence()))?;
            if found.is_none_or(|(_, found)| found.bytes() != record.bytes()) {
                return Ok(false);
            }
        }
    }
    std::fs::remove_file(&cut.kept)?;
    std::fs::remove_file(cut.kept.with_extension("txt"))?;
    Ok(true)
}

/// Puts aside all that a node has, whose history is not its cluster's: it begins anew, as an empty node that joins. What
/// it has promised it keeps.
pub fn begin_anew(plan: &Plan) -> anyhow::Result<()> {
    let (disk, lock, mut meta) = take_directory(plan)?;
    let dir = &plan.dir;
    let kept = (0..u32::MAX).map(|n| dir.join(format!("divergent/whole-{n}"))).find(|path| !path.exists());
    let kept = kept.context("numbers do not run out")?;
    disk.create_dir(&kept).with_context(|| format!("{}: cannot create", kept.display()))?;
    meta.update(|meta| {
        meta.ring = None;
        meta.cut_from = None;
        meta.verified_snapshot = None;
        meta.durable_page = 0;
        meta.lost_unsynced = true;
    })?;
    for name in ["snapshots", "commands", "events"] {
        let (from, to) = (dir.join(name), kept.join(name));
        disk.rename_dir(&from, &to).with_context(|| format!("{}: cannot put aside", from.display()))?;
        disk.create_dir(&from).with_context(|| format!("{}: cannot create", from.display()))?;
    }
    for path in [&kept, &dir.join("divergent"), dir] {
        disk.sync_dir(path).with_context(|| format!("{}: cannot sync", path.display()))?;
    }
    tracing::error!(kept = %kept.display(), "alarm: this node's history was not its cluster's; it begins anew");
    drop(lock);
    Ok(())
}

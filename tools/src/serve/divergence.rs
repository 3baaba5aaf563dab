//! The report of what was cut off a log, for a person.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rialto_journal::layout::PAGE_BYTES;
use rialto_journal::page::PageView;
use rialto_journal::recover::divergent::Divergent;
use rialto_protocol::Command;

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

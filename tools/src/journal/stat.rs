//! `rialto journal stat`: how much is there, and of what.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use rialto_journal::reader::UpTo;
use rialto_journal::recover::scan::End;
use rialto_journal::segment::{Log, list};
use rialto_protocol::Command;
use serde_json::{Value, json};

use super::source::OpenJournal;
use super::{Node, corrupt, print, words};

/// What to count.
#[derive(Debug, Args)]
pub(super) struct Stat {
    #[command(flatten)]
    node: Node,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Stat {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let opened = self.node.open()?;
        print(out, &report(&opened)?, self.json)?;
        match &opened.scan.ended {
            End::Corrupt(why) => Err(corrupt(&self.node.dir, why)),
            End::Clean | End::Torn => Ok(()),
        }
    }
}

fn report(opened: &OpenJournal) -> anyhow::Result<Value> {
    let (segments, bytes) = files(opened, Log::Commands)?;
    let (event_segments, event_bytes) = files(opened, Log::Events)?;
    let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut records, mut first_ts_ns, mut last_ts_ns) = (0u64, Value::Null, Value::Null);
    let mut reader = opened.records()?;
    while let Some((_, record)) = reader.next(UpTo::Sequence(opened.last))? {
        let word =
            Command::decode(record.bytes()).map_or("malformed", |(_, command)| words::command(&command));
        *by_type.entry(word).or_default() += 1;
        last_ts_ns = json!(record.timestamp_ns());
        if records == 0 {
            first_ts_ns = last_ts_ns.clone();
        }
        records += 1;
    }
    let snapshots = opened.snapshots();
    let row = |seq| json!({ "seq": seq, "verified": snapshots.verify(seq).is_ok() });
    Ok(json!({
        "segments": segments,
        "bytes": bytes,
        "records": records,
        "padding_bytes": opened.scan.padding_bytes,
        "by_type": by_type,
        "first_ts_ns": first_ts_ns,
        "last_ts_ns": last_ts_ns,
        "snapshots": snapshots.sequences()?.into_iter().map(row).collect::<Vec<Value>>(),
        "event_segments": event_segments,
        "event_bytes": event_bytes,
    }))
}

/// How many files a log has, and their bytes.
fn files(opened: &OpenJournal, log: Log) -> anyhow::Result<(usize, u64)> {
    let dir = opened.dir.join(log.directory());
    let segments = list(&opened.disk, &dir, &opened.lineage(log))?.segments;
    Ok((segments.len(), segments.iter().map(|segment| segment.header.file_bytes()).sum()))
}

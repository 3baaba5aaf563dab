//! `rialto journal verify`: is every page what was written, does the log end where it should, and with `--deep`, does it
//! come to the same events and to a state that adds up.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use rialto_journal::error::JournalError;
use rialto_journal::reader::UpTo;
use rialto_journal::recover::scan::End;
use rialto_journal::segment::hex;
use rialto_protocol::Command;
use rialto_protocol::command::kind;
use serde_json::{Value, json};

use super::deep;
use super::source::OpenJournal;
use super::{Node, corrupt, print};
use crate::failure::{Code, failure};

/// What to verify.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    node: Node,
    /// Replay the log: hash the state, compare the events, add up the money.
    #[arg(long)]
    deep: bool,
    /// Replay no further than this command.
    #[arg(long)]
    to: Option<u64>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let opened = match self.node.open() {
            Ok(opened) => opened,
            Err(error) => return self.unreadable(out, error),
        };
        let mut object = report(&opened)?;
        if let End::Corrupt(why) = &opened.scan.ended {
            object["why"] = json!(why);
            print(out, &object, self.json)?;
            return Err(corrupt(&self.node.dir, why));
        }
        let mut wrong = Vec::new();
        if self.deep {
            let found = deep::replay(&opened, self.to.unwrap_or(u64::MAX).min(opened.last));
            (object["deep"], wrong) = match found {
                Ok(deep) => (deep.object, deep.wrong),
                Err(error) => (Value::Null, vec![format!("{error:#}")]),
            };
            if !wrong.is_empty() {
                object["why"] = json!(wrong.join("; "));
            }
        }
        print(out, &object, self.json)?;
        if wrong.is_empty() { Ok(()) } else { Err(failure(Code::CheckFailed, wrong.join("; "))) }
    }

    /// Files that cannot even be put in a row are as corrupt as a bad page.
    fn unreadable(&self, out: &mut impl Write, error: anyhow::Error) -> anyhow::Result<()> {
        let Some(JournalError::Corrupt { why, .. }) = error.downcast_ref() else { return Err(error) };
        let object = json!({
            "records": 0, "first_seq": Value::Null, "last_seq": Value::Null, "pages": 0, "epochs": [],
            "end": "corrupt", "torn_bytes": 0, "durable_seq": Value::Null, "chain": Value::Null,
            "deep": Value::Null, "why": why,
        });
        print(out, &object, self.json)?;
        Err(error)
    }
}

/// What there is to say without replaying.
fn report(opened: &OpenJournal) -> anyhow::Result<Value> {
    let scan = &opened.scan;
    let end = match scan.ended {
        End::Clean => "clean",
        End::Torn => "torn",
        End::Corrupt(_) => "corrupt",
    };
    Ok(json!({
        "records": opened.last + 1 - opened.first(),
        "first_seq": opened.first(),
        "last_seq": opened.last,
        "pages": opened.pages(),
        "epochs": epochs(opened)?,
        "end": end,
        "torn_bytes": scan.torn_bytes(),
        "durable_seq": scan.durable_seq,
        "chain": hex(&scan.end.chain),
        "deep": Value::Null,
    }))
}

/// The epochs, each from the first record that was written in it, with the node that its Epoch command names.
fn epochs(opened: &OpenJournal) -> anyhow::Result<Vec<Value>> {
    let mut epochs: BTreeMap<u32, (u64, Option<String>)> =
        opened.scan.epochs.iter().map(|start| (start.epoch, (start.first_seq, None))).collect();
    // An epoch's command is among the first of its pages; what only shared memory has is read to the end.
    let starts = opened.scan.epochs.iter().map(|start| (start.page_no, start.epoch));
    for (page_no, enough) in starts.chain([(opened.scan.end.page_no, u32::MAX)]) {
        let mut records = opened.records_from(page_no)?;
        while let Some((_, record)) = records.next(UpTo::Sequence(opened.last))? {
            if record.kind() == kind::EPOCH
                && let Ok((header, Command::Epoch(opened))) = Command::decode(record.bytes())
            {
                let (_, node) = epochs.entry(opened.epoch.0).or_insert((header.sequence.0, None));
                *node = Some(opened.node.as_str().to_owned());
                if opened.epoch.0 >= enough {
                    break;
                }
            }
        }
    }
    let row = |(epoch, (first_seq, node))| json!({ "epoch": epoch, "node": node, "first_seq": first_seq });
    Ok(epochs.into_iter().map(row).collect())
}

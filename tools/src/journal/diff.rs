//! `rialto journal diff`: are two journals one up to their common point, and how far does each go beyond it.
//!
//! The common point is told by the epochs, never by lengths: it is the end of the last epoch that both have (the
//! leader-epoch rule), where the shorter of the two ends it.

use std::cmp::Ordering;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use rialto_journal::reader::{LogReader, UpTo};
use rialto_journal::recover::scan::{End, EpochStart};
use serde_json::json;

use super::source::{OpenJournal, Pages};
use super::{Node, corrupt, print};
use crate::failure::{Code, failure};

/// What to compare.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A node's directory.
    a: PathBuf,
    /// Another's.
    b: PathBuf,
    /// Where the shared memory of both is: adds what only that has.
    #[arg(long)]
    shm_dir: Option<PathBuf>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let [a, b] = [&self.a, &self.b].map(|dir| Node { dir: dir.clone(), shm_dir: self.shm_dir.clone() });
        let (a, b) = (a.open()?, b.open()?);
        for opened in [&a, &b] {
            if let End::Corrupt(why) = &opened.scan.ended {
                return Err(corrupt(&opened.dir, why));
            }
        }
        let common = common_last(&epochs(&a), &epochs(&b)).unwrap_or(a.first().max(b.first()) - 1);
        let differs = first_difference(&a, &b, common)?;
        let object = json!({
            "common_last_seq": common,
            "equal": differs.is_none(),
            "only_a": a.last.saturating_sub(common),
            "only_b": b.last.saturating_sub(common),
            "first_difference": differs,
        });
        print(out, &object, self.json)?;
        match differs {
            None => Ok(()),
            Some(seq) => Err(failure(Code::CheckFailed, format!("command {seq} differs"))),
        }
    }
}

/// An epoch of a journal: its number, and its first and last command there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    epoch: u32,
    first: u64,
    last: u64,
}

fn epochs(opened: &OpenJournal) -> Vec<Span> {
    let starts = &opened.scan.epochs;
    let ends = starts.iter().skip(1).map(|next| next.first_seq - 1).chain([opened.last]);
    let span = |(start, last): (&EpochStart, u64)| Span { epoch: start.epoch, first: start.first_seq, last };
    starts.iter().zip(ends).map(span).filter(|span| span.first <= opened.last).collect()
}

/// The last command of the common part; `None` if no epoch is common. An epoch is one only if it begins with the same
/// command, or later in a journal that no longer has its beginning.
fn common_last(a: &[Span], b: &[Span]) -> Option<u64> {
    a.iter().enumerate().rev().find_map(|(at_a, of_a)| {
        let at_b = b.iter().position(|of_b| of_b.epoch == of_a.epoch)?;
        let of_b = &b[at_b];
        let is_one = match of_a.first.cmp(&of_b.first) {
            Ordering::Equal => true,
            Ordering::Greater => at_a == 0,
            Ordering::Less => at_b == 0,
        };
        is_one.then_some(of_a.last.min(of_b.last))
    })
}

/// The first command up to `common` that is not, byte for byte, the same in both.
fn first_difference(a: &OpenJournal, b: &OpenJournal, common: u64) -> anyhow::Result<Option<u64>> {
    let first = a.first().max(b.first());
    let (mut records_a, mut records_b) = (a.records()?, b.records()?);
    for seq in first..=common {
        if bytes_of(&mut records_a, seq)? != bytes_of(&mut records_b, seq)? {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

/// The bytes of a command, from a reader that has not passed it.
fn bytes_of(records: &mut LogReader<Pages>, seq: u64) -> anyhow::Result<Option<Vec<u8>>> {
    while let Some((_, record)) = records.next(UpTo::Sequence(seq))? {
        if record.sequence() == seq {
            return Ok(Some(record.bytes().to_vec()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(rows: &[(u32, u64, u64)]) -> Vec<Span> {
        rows.iter().map(|&(epoch, first, last)| Span { epoch, first, last }).collect()
    }

    #[test]
    fn the_common_point_is_told_by_epochs_and_not_by_lengths() {
        let check = |a: &[(u32, u64, u64)], b: &[(u32, u64, u64)], common| {
            assert_eq!(common_last(&spans(a), &spans(b)), common, "{a:?} {b:?}");
            assert_eq!(common_last(&spans(b), &spans(a)), common, "{b:?} {a:?}");
        };
        check(&[(1, 1, 9)], &[(1, 1, 5)], Some(5));
        check(&[(1, 1, 9), (2, 10, 12)], &[(1, 1, 5)], Some(5));
        // The old primary wrote on in epoch 1 what the new one, from epoch 2 on, never saw.
        check(&[(1, 1, 20)], &[(1, 1, 9), (2, 10, 40)], Some(9));
        check(&[(1, 1, 9), (2, 10, 20)], &[(1, 1, 9), (3, 10, 40)], Some(9));
        check(&[(1, 1, 9), (2, 10, 20)], &[(1, 1, 7), (2, 8, 20)], Some(7));
        check(&[(2, 15, 20)], &[(1, 1, 9), (2, 10, 18)], Some(18));
        check(&[(1, 1, 9)], &[(2, 1, 9)], None);
        check(&[], &[(1, 1, 9)], None);
    }
}

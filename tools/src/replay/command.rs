//! `rialto replay`: a public data set through a venue, and whether all of it came out as the real exchange stated.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Report, replay};
use crate::config::Ack;
use crate::dataset::Dataset;
use crate::failure::{Code, failure};
use crate::venue::InProcess;
use crate::venue::node::OwnNode;

/// What to replay, and where.
#[derive(Debug, Args)]
pub struct Replay {
    /// The set's folder: `ops.csv`, `trades.csv` and perhaps `books.csv`, `closing_l3.csv`, `set.toml`.
    dir: PathBuf,
    /// In an exchange in this process, without a node.
    #[arg(long)]
    in_process: bool,
    /// The ack policy of the replay's own node: async or disk.
    #[arg(long, conflicts_with = "in_process")]
    ack: Option<Ack>,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Replay {
    /// Does it, and prints what came of it; an error unless all is equal.
    pub fn run(&self) -> anyhow::Result<()> {
        self.run_to(&mut std::io::stdout().lock())
    }

    fn run_to(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let set = Dataset::read(&self.dir).map_err(|error| failure(Code::Usage, error.to_string()))?;
        let report = if self.in_process {
            replay(&set, &mut InProcess::new(&set)?)?
        } else {
            replay(&set, &mut OwnNode::start(&set, self.ack)?)?
        };
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            print(out, &report)?;
        }
        match &report.first_difference {
            _ if report.all_equal() => Ok(()),
            Some(first) => Err(failure(
                Code::CheckFailed,
                format!("{}: operation {}: {} differ", report.set, first.n, first.what),
            )),
            None => Err(failure(Code::CheckFailed, format!("{}: not all is equal", report.set))),
        }
    }
}

fn print(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    let Report { set, ops, trades_equal, trades_stated, trades_made, .. } = report;
    writeln!(
        out,
        "{set}: {ops} operations, {trades_equal} of {trades_stated} trades equal, {trades_made} made"
    )?;
    writeln!(out, "books: {} of {} equal", report.books_equal, report.books_stated)?;
    if let Some(equal) = report.closing_equal {
        writeln!(out, "closing queue: {}", if equal { "equal" } else { "different" })?;
    }
    for part in &report.skipped {
        writeln!(out, "operations {} to {}: {}", part.from_n, part.to_n, part.why)?;
    }
    if let Some(first) = &report.first_difference {
        writeln!(out, "operation {}: {}: stated {}, made {}", first.n, first.what, first.stated, first.made)?;
    }
    writeln!(out, "{:.3} s", report.seconds)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;
    use crate::failure::code_of;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        replay: Replay,
    }

    /// What a set made by hand prints as JSON, and the exit code.
    fn run(ops: &str, trades: &str) -> (Value, u8) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ops.csv"), format!("n,ts,op,id,side,price,qty\n{ops}\n")).unwrap();
        std::fs::write(folder.path().join("trades.csv"), format!("n,buy_id,sell_id,price,qty\n{trades}\n"))
            .unwrap();
        let dir = folder.path().to_str().unwrap();
        let line = Line::try_parse_from(["replay", dir, "--in-process", "--json"]).unwrap();
        let mut out = Vec::new();
        let code = line.replay.run_to(&mut out).err().map_or(0, |error| code_of(&error).number());
        (serde_json::from_slice(&out).unwrap_or_default(), code)
    }

    #[test]
    fn a_set_that_comes_out_as_stated_exits_0_and_another_one_1() {
        let ops =
            "1,0,S,a,B,100,9\n2,0,P,b,S,100,1\n3,0,N,c,S,100,6\n4,0,R,a,,,2\n5,0,F,d,B,,99\n6,0,M,e,S,,1";
        let (object, code) = run(ops, "3,a,c,100,6\n6,a,e,100,1");
        assert_eq!(code, 0, "{object}");
        assert_eq!((&object["trades_stated"], &object["trades_equal"]), (&json!(2), &json!(2)));
        assert_eq!((&object["closing_equal"], &object["first_difference"]), (&Value::Null, &Value::Null));
        assert_eq!(object["state_hash"].as_str().map(str::len), Some(64));

        let (object, code) = run(ops, "3,a,c,100,5\n6,a,e,100,1");
        assert_eq!((code, &object["first_difference"]["n"]), (1, &json!(3)));
        assert_eq!(run("1,0,Q,a,B,100,9", ""), (Value::Null, 2));
    }
}

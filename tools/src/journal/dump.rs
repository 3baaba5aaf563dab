//! `rialto journal dump`: commands or events, one a line, or all books in queue order. Names and decimals are those of
//! the state that the log comes to, so everything is replayed; nothing is taken from the event segments.

use std::io::Write;
use std::ops::RangeInclusive;

use clap::{Args, ValueEnum};
use rialto_engine::exchange::{BookRow, Exchange};
use rialto_engine::replay::Replay;
use rialto_gateway::view::View;
use rialto_journal::reader::{PageSource, UpTo};
use rialto_journal::recover::scan::End;
use rialto_journal::snapshot::Snapshot;
use rialto_protocol::{Command, Header, Sequence, SessionId};
use serde_json::{Map, Value, json};

use super::source::OpenJournal;
use super::{Node, corrupt, words};
use crate::failure::{Code, failure};
use crate::serve::{seed, show};

mod command;
mod event;
mod names;

use names::Names;

/// What to print.
#[derive(Debug, Args)]
pub(super) struct Dump {
    #[command(flatten)]
    node: Node,
    /// Events instead of commands.
    #[arg(long, conflicts_with = "book")]
    events: bool,
    /// The books, as they stand behind the last command.
    #[arg(long)]
    book: bool,
    /// The first command.
    #[arg(long)]
    from: Option<u64>,
    /// The last command.
    #[arg(long)]
    to: Option<u64>,
    /// How.
    #[arg(long, default_value = "json")]
    format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Words and `key=value`.
    Text,
    /// An object a line.
    Json,
    /// A header and a row a line.
    Csv,
}

/// What one line says of a command or an event.
struct Row {
    header: Header,
    kind: &'static str,
    session: Option<String>,
    /// Of an event: its index within its command.
    index: Option<u32>,
    fields: Map<String, Value>,
}

impl Dump {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let opened = self.node.open()?;
        let format = if self.json { Format::Json } else { self.format };
        let range = self.from.unwrap_or(0)..=self.to.unwrap_or(u64::MAX).min(opened.last);
        let mut lines = Lines { out, format };
        if self.book {
            self.book(&opened, *range.end(), &mut lines)?;
        } else {
            self.records(&opened, &range, &mut lines)?;
        }
        match &opened.scan.ended {
            End::Corrupt(why) => Err(corrupt(&self.node.dir, why)),
            End::Clean | End::Torn => Ok(()),
        }
    }

    fn book(&self, opened: &OpenJournal, to: u64, lines: &mut Lines<'_, impl Write>) -> anyhow::Result<()> {
        let mut replay = opened.replay(snapshot(opened, to)?.as_ref())?;
        while replay.step(Sequence(to))?.is_some() {}
        if replay.sequence().0 > to {
            return Err(self.too_old(&replay));
        }
        self.reached(&replay, to)?;
        lines.head(&["symbol", "side", "price", "order", "open", "cl_ord_id"])?;
        replay.exchange().book_rows().try_for_each(|row| lines.book_row(replay.exchange(), row))?;
        Ok(())
    }

    fn records(
        &self,
        opened: &OpenJournal,
        range: &RangeInclusive<u64>,
        lines: &mut Lines<'_, impl Write>,
    ) -> anyhow::Result<()> {
        let snapshot = snapshot(opened, range.start().saturating_sub(1))?;
        lines.head(&["seq", "ts_ns", "type", "session", "session_seq", "fields"])?;
        if range.is_empty() {
            return Ok(());
        }
        let mut replay = opened.replay(snapshot.as_ref())?;
        if self.events {
            return self.events(replay, range, lines);
        }
        if let Some(Snapshot { head, .. }) = &snapshot {
            before(opened, replay.exchange(), *range.start()..=head.point.seq.min(*range.end()), lines)?;
        }
        while let Some((header, command)) = replay.step(Sequence(*range.end()))? {
            if range.contains(&header.sequence.0) {
                lines.row(&row(replay.exchange(), &header, &command))?;
            }
        }
        self.reached(&replay, *range.end())
    }

    fn events<S: PageSource>(
        &self,
        mut replay: Replay<S>,
        range: &RangeInclusive<u64>,
        lines: &mut Lines<'_, impl Write>,
    ) -> anyhow::Result<()> {
        if replay.sequence().0 >= *range.end() && replay.sequence().is_some() {
            return Err(self.too_old(&replay));
        }
        if replay.sequence().0 >= *range.start() && replay.sequence().is_some() {
            eprintln!("rialto: events up to command {} cannot be made again", replay.sequence());
        }
        let mut view = View::new(&seed::of(replay.exchange(), replay.sequence()));
        while let Some((header, _)) = replay.step(Sequence(*range.end()))? {
            let is_wanted = range.contains(&header.sequence.0);
            for record in replay.events().records() {
                let (header, event) = view.apply(record, 0)?;
                if is_wanted {
                    lines.row(&Row {
                        kind: words::event(&event),
                        session: session(replay.exchange(), header.session),
                        index: Some(header.crc),
                        fields: event::fields(&view, &Names(replay.exchange()), &header, &event),
                        header,
                    })?;
                }
            }
        }
        self.reached(&replay, *range.end())
    }

    /// What is asked for is older than the oldest snapshot of a log that has lost its beginning.
    fn too_old<S: PageSource>(&self, replay: &Replay<S>) -> anyhow::Error {
        let (dir, oldest) = (self.node.dir.display(), replay.sequence());
        failure(Code::CheckFailed, format!("{dir}: the oldest state that is left is behind command {oldest}"))
    }

    fn reached<S: PageSource>(&self, replay: &Replay<S>, to: u64) -> anyhow::Result<()> {
        if replay.sequence().0 >= to {
            return Ok(());
        }
        let (dir, found) = (self.node.dir.display(), replay.sequence());
        Err(failure(
            Code::CheckFailed,
            format!("{dir}: the log ends at command {found}, {to} was to be reached"),
        ))
    }
}

/// What to replay from to have the state behind `seq`: a snapshot, or the beginning.
fn snapshot(opened: &OpenJournal, seq: u64) -> anyhow::Result<Option<Snapshot>> {
    let snapshots = opened.snapshots();
    let first_page = opened.scan.from.page_no;
    for earlier in snapshots.sequences()?.into_iter().rev().filter(|earlier| *earlier <= seq) {
        if let Ok(snapshot) = snapshots.load(earlier)
            && snapshot.head.point.base.page_no >= first_page
        {
            return Ok(Some(snapshot));
        }
    }
    if opened.has_genesis() { Ok(None) } else { opened.oldest_snapshot().map(Some) }
}

/// Prints commands that are older than the snapshot: what they did is not known, what they say is.
fn before(
    opened: &OpenJournal,
    exchange: &Exchange,
    range: RangeInclusive<u64>,
    lines: &mut Lines<'_, impl Write>,
) -> anyhow::Result<()> {
    let mut records = opened.records()?;
    while let Some((_, record)) = records.next(UpTo::Sequence(*range.end()))? {
        if range.contains(&record.sequence()) {
            let (header, command) = Command::decode(record.bytes())?;
            lines.row(&row(exchange, &header, &command))?;
        }
    }
    Ok(())
}

fn row(exchange: &Exchange, header: &Header, command: &Command) -> Row {
    Row {
        header: *header,
        kind: words::command(command),
        session: session(exchange, header.session),
        index: None,
        fields: command::fields(&Names(exchange), command),
    }
}

fn session(exchange: &Exchange, session: SessionId) -> Option<String> {
    exchange.directory().session(session).map(|known| known.comp_id.as_str().to_owned())
}

/// Lines of one format.
struct Lines<'a, W> {
    out: &'a mut W,
    format: Format,
}

impl<W: Write> Lines<'_, W> {
    fn head(&mut self, columns: &[&str]) -> std::io::Result<()> {
        match self.format {
            Format::Csv => writeln!(self.out, "{}", columns.join(",")),
            Format::Text | Format::Json => Ok(()),
        }
    }

    fn row(&mut self, row: &Row) -> std::io::Result<()> {
        let Header { sequence, timestamp, session_seq, .. } = row.header;
        let session = row.session.as_deref().unwrap_or_default();
        match self.format {
            Format::Json => {
                let mut object = json!({
                    "seq": sequence.0,
                    "ts_ns": timestamp.0,
                    "type": row.kind,
                    "session": row.session,
                    "session_seq": session_seq.0,
                    "fields": row.fields,
                });
                if let Some(index) = row.index {
                    object["index"] = json!(index);
                }
                writeln!(self.out, "{object}")
            }
            Format::Text => {
                let none = if session.is_empty() { "-" } else { session };
                writeln!(
                    self.out,
                    "{sequence} {timestamp} {} {none} {session_seq} {}",
                    row.kind,
                    pairs(&row.fields, " ")
                )
            }
            Format::Csv => {
                let fields = quoted(&pairs(&row.fields, "|"));
                let session = quoted(session);
                writeln!(self.out, "{sequence},{timestamp},{},{session},{session_seq},{fields}", row.kind)
            }
        }
    }

    fn book_row(&mut self, exchange: &Exchange, row: BookRow) -> std::io::Result<()> {
        let names = Names(exchange);
        let symbol = names.symbol(row.instrument);
        let price = names.price(row.instrument, row.price);
        let open = names.quantity(row.instrument, row.open);
        let (side, order) = (show::side(row.side), row.order.0);
        let cl_ord_id = exchange.open_order(row.order).map(|order| order.cl_ord_id).unwrap_or_default();
        match self.format {
            Format::Json => {
                let object = json!({
                    "symbol": symbol,
                    "side": side,
                    "price": price,
                    "order": order,
                    "open": open,
                    "cl_ord_id": cl_ord_id.as_str(),
                });
                writeln!(self.out, "{object}")
            }
            Format::Text => writeln!(self.out, "{symbol} {side} {open} @ {price} {order} {cl_ord_id}"),
            Format::Csv => {
                let (symbol, cl_ord_id) = (quoted(&symbol), quoted(cl_ord_id.as_str()));
                writeln!(self.out, "{symbol},{side},{price},{order},{open},{cl_ord_id}")
            }
        }
    }
}

fn pairs(fields: &Map<String, Value>, between: &str) -> String {
    let pair = |(key, value): (&String, &Value)| match value.as_str() {
        Some(text) => format!("{key}={text}"),
        None => format!("{key}={value}"),
    };
    fields.iter().map(pair).collect::<Vec<String>>().join(between)
}

/// A field of a CSV row.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

//! The matcher as it runs in a node: commands come out of a ring, are checked, journaled, applied to the exchange, and
//! their events are written into the event log. Requests and accounts are those of the exchange layer.
//!
//! Records are encoded beforehand, as gateways do it on their own threads, and pushed 64 at a time; pushing is timed.
//! What storage and gateways do on theirs, freeing pages and reading events, is done between bursts that fit the logs,
//! and its time is left out.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rialto_engine::clock::WallClock;
use rialto_engine::matcher::{Matcher, Parts, RECORDS_PER_TURN};
use rialto_engine::ports::{Counters, InHand, OnPublish, Port, Readers};
use rialto_journal::cursor::{Cursors, Policy};
use rialto_journal::layout::{PAGE_BYTES, PAGE_HEADER_BYTES, Page};
use rialto_journal::log::{LogRing, LogShape, LogStart, Writer};
use rialto_journal::position::Position;
use rialto_journal::reader::{LogReader, UpTo};
use rialto_journal::shared::Kind;
use rialto_protocol::event::{Event, Report};
use rialto_protocol::record::offset;
use rialto_protocol::terms::Liquidity;
use rialto_protocol::{GatewayId, Header, OrderId, RecordBuffer, SessionId, SessionSeq};
use rialto_shmring::{Doorbell, Producer};

use super::Layer;
use super::exchange::{MEMBERS, command, funded, requests, rest, session_of};
use crate::flow::{Flow, FlowOp};
use crate::ring::ring;
use crate::totals::{Resting, Sums, Trade};

/// Commands between two times at which the logs' pages are freed: about half a MiB of events.
const BURST: usize = 2_048;
const COMMAND_PAGES: u64 = 256;
const EVENT_PAGES: u64 = 512;
/// The gateway that holds all sessions of [`funded`].
const GATEWAY: GatewayId = GatewayId(1);

/// A matcher between a ring and its logs.
#[derive(Debug)]
pub struct MatcherLayer {
    matcher: Matcher<WallClock>,
    ring: Producer,
    /// All records of the flow, one behind the other, and where the next begins.
    records: Vec<u8>,
    next: usize,
    /// Records that wait for their turn, and those of the burst so far.
    waiting: usize,
    burst: usize,
    logs: [Arc<LogRing>; 2],
    events: LogReader<()>,
    /// The last order that was told of a trade as the incoming one: the report of the other side follows.
    taker: OrderId,
    trades: Vec<Trade>,
    sums: Sums,
    aside: Duration,
}

impl Layer for MatcherLayer {
    const NAME: &'static str = "matcher";

    fn new(flow: &Flow) -> MatcherLayer {
        let stage = funded(flow);
        let (sequence, timestamp) = (stage.sequence, stage.now);
        let records = encode(flow, |session| stage.next_number(session));
        let event_end = Position::new(stage.exchange.event_end());
        let commands = log(Kind::Commands, COMMAND_PAGES, &LogStart::EMPTY);
        let events = log_behind(event_end);
        let logs = [Arc::clone(commands.ring()), Arc::clone(events.ring())];
        let (producer, consumer) = ring(Path::new("/dev/shm"), GATEWAY.0).expect("shared memory for a ring");
        let parts = Parts {
            exchange: stage.exchange,
            sequence,
            timestamp,
            commands,
            events,
            cursors: Arc::new(Cursors::anonymous(Policy::Async, sequence.0).expect("memory for cursors")),
            readers: Arc::new(Readers::default()),
            on_publish: OnPublish::default(),
            storage: Arc::new(Doorbell::anonymous().expect("memory for a doorbell")),
            counters: Arc::new(Counters::default()),
            in_hand: Arc::new(InHand::default()),
            clock: WallClock,
        };
        MatcherLayer {
            matcher: Matcher::new(parts, vec![Port { gateway: GATEWAY, ring: consumer }]),
            ring: producer,
            records,
            next: 0,
            waiting: 0,
            burst: 0,
            events: LogReader::new(Arc::clone(&logs[1]), (), event_end),
            logs,
            taker: OrderId::NONE,
            trades: Vec::with_capacity(BURST),
            sums: Sums::default(),
            aside: Duration::ZERO,
        }
    }

    #[inline]
    fn apply(&mut self, _op: &FlowOp) {
        self.waiting += 1;
        if self.waiting == RECORDS_PER_TURN {
            self.turn();
            if self.burst >= BURST {
                self.end_burst();
            }
        }
    }

    fn settle(&mut self) {
        self.turn();
        self.end_burst();
    }

    fn aside(&self) -> Duration {
        self.aside
    }

    fn trades(&mut self, each: &mut dyn FnMut(&Trade)) {
        for trade in self.trades.drain(..) {
            each(&trade);
        }
    }

    fn sums(&self) -> Sums {
        self.sums
    }

    fn resting(&self, each: &mut dyn FnMut(&Resting)) {
        rest(self.matcher.exchange(), each);
    }
}

impl MatcherLayer {
    /// Pushes what waits, and has the matcher take it.
    fn turn(&mut self) {
        let (mut ahead, end) = (self.next, self.records.len());
        let records = &self.records;
        let batch = (0..self.waiting).map(|_| {
            let header =
                Header::read(&records[ahead..end]).expect("records were encoded one behind the other");
            let record = &records[ahead..ahead + usize::from(header.length)];
            ahead += record.len();
            record
        });
        let pushed = self.ring.push_batch(batch).expect("the matcher broke no ring");
        assert_eq!(pushed, self.waiting, "the ring has room for a turn");
        self.next = ahead;
        self.matcher.turn();
        self.burst += self.waiting;
        self.waiting = 0;
    }

    /// What others do in a node: the events are read, and the logs' pages freed.
    fn end_burst(&mut self) {
        let start = Instant::now();
        self.burst = 0;
        self.trades.clear();
        while let Some((_, record)) =
            self.events.next(UpTo::End).expect("events are read before they are freed")
        {
            match Event::decode(record.bytes()) {
                Ok((_, Event::Report(report))) => {
                    traded(&report, &mut self.taker, &mut self.sums, &mut self.trades);
                }
                Ok((_, Event::CancelReject(_))) => self.sums.rejects += 1,
                other => panic!("the flow makes reports and rejects only: {other:?}"),
            }
        }
        for log in &self.logs {
            log.free(log.closed_pages());
        }
        self.aside += start.elapsed();
    }
}

/// Counts a trade when its second side is told.
fn traded(report: &Report<'_>, taker: &mut OrderId, sums: &mut Sums, trades: &mut Vec<Trade>) {
    let Some(fill) = report.fill else { return };
    if report.body.liquidity == Liquidity::Taker {
        *taker = report.body.order;
        return;
    }
    let (price, quantity) = (fill.last_price.0, fill.last_quantity.0);
    sums.trade(price, quantity);
    trades.push(Trade { taker: taker.0, maker: report.body.order.0, price, quantity });
}

/// All records of a flow as a gateway puts them into its ring, each session's numbers going on from `first`.
fn encode(flow: &Flow, first: impl Fn(SessionId) -> SessionSeq) -> Vec<u8> {
    let mut numbers: Vec<SessionSeq> = (0..=MEMBERS).map(|session| first(SessionId(session))).collect();
    let (mut records, mut record) = (Vec::with_capacity(flow.ops.len() * 128), RecordBuffer::default());
    for (op, request) in flow.ops.iter().zip(requests(flow)) {
        let session = session_of(op);
        let number = &mut numbers[session.0 as usize];
        command(op, &request).encode(session, *number, &mut record);
        number.0 += 1;
        records.extend_from_slice(record.as_bytes());
    }
    records
}

fn log(kind: Kind, pages: u64, start: &LogStart<'_>) -> Writer {
    LogRing::anonymous(LogShape { kind, pages }, start).expect("memory for a log")
}

/// An event log that goes on at `end`; what stands before it in its page does not matter, and is one long record.
fn log_behind(end: Position) -> Writer {
    let filler = end.offset() - PAGE_HEADER_BYTES;
    if filler == 0 {
        return log(Kind::Events, EVENT_PAGES, &LogStart::at_page(end.page(), 0));
    }
    let mut before = log(Kind::Events, EVENT_PAGES, &LogStart::at_page(end.page(), 0));
    let length = u16::try_from(filler).expect("within a page");
    let mut record = vec![0; filler];
    record[offset::LENGTH..offset::LENGTH + 2].copy_from_slice(&length.to_le_bytes());
    before.append(&record);
    before.publish();
    let mut page: Page = [0; PAGE_BYTES];
    assert!(before.ring().copy_open_page(&mut page).is_ok_and(|found| found), "a page was just begun");
    log(Kind::Events, EVENT_PAGES, &LogStart { end, page: Some(&page), epoch: 0 })
}

//! The bytes of events.

mod read;

use zerocopy::{Immutable, IntoBytes};

use super::{
    AnswerWire, BalanceRow, BalanceWire, BustedWire, CancelReject, CancelRejectWire, Event, Fill, MarketWire,
    MassCancelReport, MassCancelWire, NoticeEvent, NoticeWire, NumberedWire, ReferenceWire, RefusedLogOnWire,
    Report, ReportBody, SecurityListPart, SecurityListWire, Stamp, kind,
};
use crate::command::{Command, NO_TAG};
use crate::ids::{SessionId, SessionSeq};
use crate::record::{HEADER_BYTES, Header, RECORD_BYTES_MAX, RecordBuffer};
use crate::reference::Author;

/// Where events are written, one record behind the other; reused, so that nothing is allocated once it has grown.
#[derive(Clone, Debug, Default)]
pub struct EventBuffer {
    bytes: Vec<u8>,
    scratch: RecordBuffer,
}

impl EventBuffer {
    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// All records, in order, each a multiple of 8 bytes with its length in its header.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records one by one.
    pub fn records(&self) -> Records<'_> {
        Records(&self.bytes)
    }

    /// Bytes that a report will take as a record.
    pub fn report_bytes(report: &Report<'_>) -> usize {
        let sections = report.fill.map_or(0, |_| size_of::<Fill>()) + report.funds.map_or(0, |_| 8);
        let texts = report.cl_ord_id.len() + report.orig_cl_ord_id.len() + report.request.len();
        (HEADER_BYTES + size_of::<ReportBody>() + sections + texts).next_multiple_of(8)
    }

    /// Writes an event; returns its length in bytes.
    pub fn push(&mut self, stamp: &Stamp, event: &Event<'_>) -> usize {
        if let Event::Report(report) = event {
            return self.push_report(stamp, report);
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        self.body(event);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let length = self.bytes.len() - start;
        let header = header(stamp, event.kind(), length);
        self.bytes[start..start + HEADER_BYTES].copy_from_slice(header.as_bytes());
        length
    }

    /// Writes a report, as [`Self::push`] does: nearly every event is one, so its fixed parts go in as one piece and its
    /// short texts without a call.
    #[inline]
    pub fn push_report(&mut self, stamp: &Stamp, report: &Report<'_>) -> usize {
        let length = Self::report_bytes(report);
        let head = ReportHead {
            header: header(stamp, kind::REPORT, length),
            body: ReportBody {
                cl_ord_id_len: short(report.cl_ord_id),
                orig_cl_ord_id_len: short(report.orig_cl_ord_id),
                request_len: short(report.request),
                sections: u8::from(report.fill.is_some()) | (u8::from(report.funds.is_some()) << 1),
                ..report.body
            },
        };
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        let rest = put::<REPORT_HEAD_BYTES>(&mut self.bytes[start..], zerocopy::transmute_ref!(&head));
        let rest = match &report.fill {
            Some(fill) => put::<{ size_of::<Fill>() }>(rest, zerocopy::transmute_ref!(fill)),
            None => rest,
        };
        let mut rest = match report.funds {
            Some(funds) => put(rest, &funds.to_le_bytes()),
            None => rest,
        };
        for text in [report.cl_ord_id, report.orig_cl_ord_id, report.request] {
            let (to, behind) = rest.split_at_mut(text.len());
            copy_short(to, text);
            rest = behind;
        }
        length
    }

    fn fixed<T: IntoBytes + Immutable>(&mut self, part: &T) {
        self.bytes.extend_from_slice(part.as_bytes());
    }

    /// The body of a command record, as a body of an event: definitions and refusals look the same in both.
    fn borrowed(&mut self, command: &Command) {
        command.encode(SessionId::NONE, SessionSeq::NONE, &mut self.scratch);
        self.bytes.extend_from_slice(&self.scratch.as_bytes()[HEADER_BYTES..]);
    }

    fn body(&mut self, event: &Event<'_>) {
        match event {
            Event::Report(_) => unreachable!("`push` has written it"),
            Event::RefusedOrder { previous, exec, order } => {
                self.fixed(&NumberedWire { previous: *previous, id: exec.0 });
                self.borrowed(&Command::RefusedOrder(*order));
            }
            Event::CancelReject(reject) => self.cancel_reject(reject),
            Event::MassCancelReport(report) => self.mass_cancel_report(report),
            Event::Notice(notice) => self.notice(notice),
            Event::SecurityList(part) => self.security_list(part),
            Event::LogOnRefused { gateway, connection, text } => {
                let (gateway, connection) = (*gateway, *connection);
                self.fixed(&RefusedLogOnWire { gateway, connection, text_len: text.len(), zero: [0; 7] });
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Event::Repeat(number) => self.fixed(&u64::from(number.0)),
            Event::Gone | Event::Challenged | Event::DayEnded => {}
            Event::Balance(row) => self.balance(row),
            Event::Epoch(epoch) => self.borrowed(&Command::Epoch(*epoch)),
            Event::Reference { id, owner, operation } => {
                self.fixed(&ReferenceWire { id: *id, owner: *owner });
                // The kind of operation stands where a reader can find it: behind the numbers, in 8 bytes.
                self.fixed(&u64::from(operation.kind()));
                self.borrowed(&Command::Operate(Author::default(), *operation));
            }
            Event::Market(instrument, state) => {
                self.fixed(&MarketWire { instrument: *instrument, state: *state, zero: [0; 3] });
            }
            Event::Answer { request, outcome, sequence, text } => {
                self.fixed(&AnswerWire {
                    sequence: *sequence,
                    request: *request,
                    outcome: *outcome,
                    text_len: text.len(),
                    zero: [0; 2],
                });
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Event::Busted(trade, instrument) => {
                self.fixed(&BustedWire { trade: *trade, instrument: *instrument, zero: 0 });
            }
            Event::Policy(policy) => self.fixed(&u64::from(*policy as u8)),
        }
    }

    fn cancel_reject(&mut self, reject: &CancelReject<'_>) {
        self.fixed(&CancelRejectWire {
            previous: reject.previous,
            order: reject.order,
            status: reject.status,
            reason: reject.reason,
            replace: u8::from(reject.replace),
            cl_ord_id_len: short(reject.cl_ord_id),
            orig_cl_ord_id_len: short(reject.orig_cl_ord_id),
            words_len: short(reject.words),
            zero: [0; 2],
        });
        self.bytes.extend_from_slice(reject.cl_ord_id);
        self.bytes.extend_from_slice(reject.orig_cl_ord_id);
        self.bytes.extend_from_slice(reject.words);
    }

    fn mass_cancel_report(&mut self, report: &MassCancelReport<'_>) {
        self.fixed(&MassCancelWire {
            previous: report.previous,
            exec: report.exec,
            instrument: report.instrument,
            affected: report.affected,
            cl_ord_id_len: short(report.cl_ord_id),
            zero: [0; 7],
        });
        self.bytes.extend_from_slice(report.cl_ord_id);
    }

    fn notice(&mut self, event: &NoticeEvent) {
        self.fixed(&NoticeWire {
            previous: event.previous,
            gateway: event.gateway,
            connection: event.connection,
            next_inbound: event.next_inbound,
            incarnation: event.incarnation,
            ref_seq: event.notice.ref_seq,
            ref_tag: event.notice.ref_tag.unwrap_or(NO_TAG),
            heartbeat_s: event.heartbeat_s,
            reason: event.notice.reason,
            ref_type: event.notice.ref_type,
            kind: event.notice.kind,
            flags: event.flags,
            text_len: event.notice.text.len(),
            zero: [0; 7],
        });
        self.bytes.extend_from_slice(event.notice.text.as_bytes());
    }

    fn balance(&mut self, row: &BalanceRow<'_>) {
        self.fixed(&BalanceWire {
            unit: row.unit.into(),
            total: row.total.into(),
            reserved: row.reserved.into(),
            account: row.account,
            rows: row.rows,
            reason: row.reason,
            asset_len: row.asset.len(),
            request_len: short(row.request),
            zero: [0; 5],
        });
        self.bytes.extend_from_slice(row.asset.as_bytes());
        self.bytes.extend_from_slice(row.request);
    }

    fn security_list(&mut self, part: &SecurityListPart<'_>) {
        self.fixed(&SecurityListWire {
            previous: part.previous,
            exec: part.exec,
            total: part.total,
            count: u16::try_from(part.instruments.len() / 4).expect("at most SECURITIES_PER_MESSAGE"),
            last: u8::from(part.last),
            request_len: short(part.request),
        });
        self.bytes.extend_from_slice(part.request);
        self.bytes.extend_from_slice(part.instruments);
    }
}

/// The fixed parts of a report's record.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct ReportHead {
    header: Header,
    body: ReportBody,
}

const REPORT_HEAD_BYTES: usize = size_of::<ReportHead>();
const _: () = assert!(REPORT_HEAD_BYTES == HEADER_BYTES + size_of::<ReportBody>());

#[inline]
fn header(stamp: &Stamp, kind: u8, length: usize) -> Header {
    assert!(length <= RECORD_BYTES_MAX, "an event of {length} bytes does not fit a page");
    Header {
        sequence: stamp.sequence,
        timestamp: stamp.timestamp,
        length: u16::try_from(length).expect("checked above"),
        kind,
        flags: 0,
        crc: stamp.index,
        session: stamp.session,
        session_seq: stamp.number,
    }
}

/// Writes a part of known size to the front of `room`, and returns what is behind it.
#[inline]
fn put<'a, const N: usize>(room: &'a mut [u8], part: &[u8; N]) -> &'a mut [u8] {
    let (to, behind) = room.split_first_chunk_mut().expect("room was made for every part");
    *to = *part;
    behind
}

/// Copies a text. Those of 4 to 16 bytes, as nearly all names are, go as two words that overlap, without a call.
#[inline]
fn copy_short(to: &mut [u8], from: &[u8]) {
    match from.len() {
        4..8 => copy_ends::<4>(to, from),
        8..=16 => copy_ends::<8>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Copies `N` to `2 * N` bytes: the first `N`, then the last.
#[inline]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    to[..N].copy_from_slice(&from[..N]);
    let (to_last, last) = (to.len() - N, from.len() - N);
    to[to_last..].copy_from_slice(&from[last..]);
}

#[inline]
fn short(text: &[u8]) -> u8 {
    u8::try_from(text.len()).expect("texts in events have at most 255 bytes")
}

/// Walks over records that lie one behind the other.
#[derive(Clone, Debug)]
pub struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let header = Header::read(self.0).ok()?;
        let (record, rest) = self.0.split_at(usize::from(header.length));
        self.0 = rest;
        Some(record)
    }
}

impl Event<'_> {
    /// The record kind.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Report(_) => kind::REPORT,
            Self::RefusedOrder { .. } => kind::REFUSED_ORDER,
            Self::CancelReject(_) => kind::CANCEL_REJECT,
            Self::MassCancelReport(_) => kind::MASS_CANCEL_REPORT,
            Self::Notice(_) => kind::NOTICE,
            Self::SecurityList(_) => kind::SECURITY_LIST,
            Self::LogOnRefused { .. } => kind::LOG_ON_REFUSED,
            Self::Repeat(_) => kind::REPEAT,
            Self::Gone => kind::GONE,
            Self::Challenged => kind::CHALLENGED,
            Self::Balance(_) => kind::BALANCE,
            Self::Epoch(_) => kind::EPOCH,
            Self::Reference { .. } => kind::REFERENCE,
            Self::Market(..) => kind::MARKET,
            Self::Answer { .. } => kind::ANSWER,
            Self::Busted(..) => kind::BUSTED,
            Self::DayEnded => kind::DAY_ENDED,
            Self::Policy(_) => kind::POLICY,
        }
    }
}

//! Events read back from their bytes; every enumeration and length is checked.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::command::{Command, NO_TAG, Notice};
use crate::event::{
    AnswerWire, BalanceRow, BalanceWire, BustedWire, CancelReject, CancelRejectWire, Event, MarketWire,
    MassCancelReport, MassCancelWire, NoticeEvent, NoticeWire, NumberedWire, ReferenceWire, RefusedLogOnWire,
    Report, ReportBody, SecurityListPart, SecurityListWire, kind,
};
use crate::ids::{ExecId, SessionSeq};
use crate::record::{HEADER_BYTES, Header, Malformed};

/// Takes an event's body apart from the front, borrowing its texts.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn fixed<T: TryFromBytes + KnownLayout + Immutable>(
        &mut self,
        what: &'static str,
    ) -> Result<T, Malformed> {
        let (part, rest) = T::try_read_from_prefix(self.0).map_err(|_| Malformed::Field(what))?;
        self.0 = rest;
        Ok(part)
    }

    fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Malformed::Field(what))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text<const N: usize>(&mut self, len: u8) -> Result<crate::Text<N>, Malformed> {
        crate::Text::new(self.bytes(usize::from(len), "text")?).map_err(|_| Malformed::Field("text"))
    }

    /// The rest, as the body of a command of `kind`.
    fn command(&self, kind: u8) -> Result<Command, Malformed> {
        let length = u16::try_from(HEADER_BYTES + self.0.len()).map_err(|_| Malformed::Field("body"))?;
        let mut record = Header { length, kind, ..Header::default() }.as_bytes().to_vec();
        record.extend_from_slice(self.0);
        Command::decode(&record).map(|(_, command)| command)
    }
}

impl<'a> Event<'a> {
    /// Reads a record's event; every enumeration is checked.
    pub fn decode(record: &'a [u8]) -> Result<(Header, Self), Malformed> {
        let header = Header::read(record)?;
        let mut parts = Parts(&record[HEADER_BYTES..usize::from(header.length)]);
        let event = match header.kind {
            kind::REPORT => Self::Report(Report::take(&mut parts)?),
            kind::REFUSED_ORDER => {
                let wire: NumberedWire = parts.fixed("refused order")?;
                let command = parts.command(crate::command::kind::REFUSED_ORDER)?;
                let Command::RefusedOrder(order) = command else {
                    return Err(Malformed::Field("refused order"));
                };
                Self::RefusedOrder { previous: wire.previous, exec: ExecId(wire.id), order }
            }
            kind::CANCEL_REJECT => Self::CancelReject(CancelReject::take(&mut parts)?),
            kind::MASS_CANCEL_REPORT => {
                let wire: MassCancelWire = parts.fixed("mass cancel report")?;
                Self::MassCancelReport(MassCancelReport {
                    previous: wire.previous,
                    instrument: wire.instrument,
                    affected: wire.affected,
                    exec: wire.exec,
                    cl_ord_id: parts.bytes(usize::from(wire.cl_ord_id_len), "ClOrdID")?,
                })
            }
            kind::NOTICE => Self::Notice(NoticeEvent::take(&mut parts)?),
            kind::SECURITY_LIST => {
                let wire: SecurityListWire = parts.fixed("security list")?;
                Self::SecurityList(SecurityListPart {
                    previous: wire.previous,
                    total: wire.total,
                    last: wire.last != 0,
                    exec: wire.exec,
                    request: parts.bytes(usize::from(wire.request_len), "request")?,
                    instruments: parts.bytes(usize::from(wire.count) * 4, "instruments")?,
                })
            }
            _ => Self::decode_unnumbered(header.kind, &mut parts)?,
        };
        Ok((header, event))
    }

    fn decode_unnumbered(record_kind: u8, parts: &mut Parts<'a>) -> Result<Self, Malformed> {
        Ok(match record_kind {
            kind::LOG_ON_REFUSED => {
                let wire: RefusedLogOnWire = parts.fixed("refused log-on")?;
                let text = parts.text(wire.text_len)?;
                Self::LogOnRefused { gateway: wire.gateway, connection: wire.connection, text }
            }
            kind::REPEAT => {
                let number =
                    u32::try_from(parts.fixed::<u64>("number")?).map_err(|_| Malformed::Field("number"))?;
                Self::Repeat(SessionSeq(number))
            }
            kind::GONE => Self::Gone,
            kind::CHALLENGED => Self::Challenged,
            kind::BALANCE => Self::Balance(BalanceRow::take(parts)?),
            kind::EPOCH => {
                let Command::Epoch(epoch) = parts.command(crate::command::kind::EPOCH)? else {
                    return Err(Malformed::Field("epoch"));
                };
                Self::Epoch(epoch)
            }
            kind::REFERENCE => {
                let wire: ReferenceWire = parts.fixed("reference")?;
                let of = u8::try_from(parts.fixed::<u64>("kind")?).map_err(|_| Malformed::Field("kind"))?;
                let Command::Operate(_, operation) = parts.command(of)? else {
                    return Err(Malformed::Field("reference"));
                };
                Self::Reference { id: wire.id, owner: wire.owner, operation }
            }
            kind::MARKET => {
                let wire: MarketWire = parts.fixed("market")?;
                Self::Market(wire.instrument, wire.state)
            }
            kind::ANSWER => {
                let wire: AnswerWire = parts.fixed("answer")?;
                Self::Answer {
                    request: wire.request,
                    outcome: wire.outcome,
                    sequence: wire.sequence,
                    text: parts.text(wire.text_len)?,
                }
            }
            kind::BUSTED => {
                let wire: BustedWire = parts.fixed("bust")?;
                Self::Busted(wire.trade, wire.instrument)
            }
            kind::DAY_ENDED => Self::DayEnded,
            kind::POLICY => Self::Policy(parts.fixed("policy")?),
            other => return Err(Malformed::Kind(other)),
        })
    }
}

impl<'a> Report<'a> {
    fn take(parts: &mut Parts<'a>) -> Result<Self, Malformed> {
        let wire: ReportBody = parts.fixed("report")?;
        Ok(Self {
            fill: if wire.sections & 1 == 0 { None } else { Some(parts.fixed("fill")?) },
            funds: if wire.sections & 2 == 0 { None } else { Some(parts.fixed("funds")?) },
            cl_ord_id: parts.bytes(usize::from(wire.cl_ord_id_len), "ClOrdID")?,
            orig_cl_ord_id: parts.bytes(usize::from(wire.orig_cl_ord_id_len), "OrigClOrdID")?,
            request: parts.bytes(usize::from(wire.request_len), "request")?,
            body: ReportBody { cl_ord_id_len: 0, orig_cl_ord_id_len: 0, request_len: 0, sections: 0, ..wire },
        })
    }
}

impl<'a> CancelReject<'a> {
    fn take(parts: &mut Parts<'a>) -> Result<Self, Malformed> {
        let wire: CancelRejectWire = parts.fixed("cancel reject")?;
        Ok(Self {
            previous: wire.previous,
            order: wire.order,
            status: wire.status,
            reason: wire.reason,
            replace: wire.replace != 0,
            cl_ord_id: parts.bytes(usize::from(wire.cl_ord_id_len), "ClOrdID")?,
            orig_cl_ord_id: parts.bytes(usize::from(wire.orig_cl_ord_id_len), "OrigClOrdID")?,
            words: parts.bytes(usize::from(wire.words_len), "words")?,
        })
    }
}

impl<'a> BalanceRow<'a> {
    fn take(parts: &mut Parts<'a>) -> Result<Self, Malformed> {
        let wire: BalanceWire = parts.fixed("balance")?;
        Ok(Self {
            account: wire.account,
            rows: wire.rows,
            reason: wire.reason,
            asset: parts.text(wire.asset_len)?,
            unit: wire.unit.try_into().map_err(|_| Malformed::Field("unit"))?,
            total: wire.total.into(),
            reserved: wire.reserved.into(),
            request: parts.bytes(usize::from(wire.request_len), "request")?,
        })
    }
}

impl NoticeEvent {
    fn take(parts: &mut Parts<'_>) -> Result<Self, Malformed> {
        let wire: NoticeWire = parts.fixed("notice")?;
        Ok(Self {
            previous: wire.previous,
            gateway: wire.gateway,
            connection: wire.connection,
            next_inbound: wire.next_inbound,
            incarnation: wire.incarnation,
            heartbeat_s: wire.heartbeat_s,
            flags: wire.flags,
            notice: Notice {
                kind: wire.kind,
                ref_type: wire.ref_type,
                reason: wire.reason,
                ref_seq: wire.ref_seq,
                ref_tag: (wire.ref_tag != NO_TAG).then_some(wire.ref_tag),
                text: parts.text(wire.text_len)?,
            },
        })
    }
}

//! The bytes of commands: fixed parts by `#[repr(C)]` structs, texts behind them in the order of their lengths.

mod refused;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::{
    BalanceRequest, CancelOrder, Command, EpochOpened, Inbound, LogOffCause, LogOn, MassCancelRequest,
    MassStatusRequest, NewOrder, Notice, NoticeKind, OrderTerms, RefusedCancel, RefusedOrder, ReplaceOrder,
    SecurityListRequest, SessionNote, StatusRequest, kind,
};
use crate::ids::{AccountId, Epoch, GatewayId, InstrumentId, OrderId, SessionId, SessionSeq};
use crate::money::{Price, Quantity};
use crate::record::{Body, Header, Malformed, RecordBuffer};
use crate::reference::{self, Operation};
use crate::terms::{OrderKind, Side, TimeInForce};
use crate::text::Note;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct EpochWire {
    epoch: Epoch,
    loss: u8,
    node_len: u8,
    zero: [u8; 2],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct ChainWire {
    page: u64,
    hash: [u8; 16],
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct LogOffWire {
    gateway: GatewayId,
    cause: LogOffCause,
    zero: [u8; 3],
}

/// No member can write this tag: its digits are too many for one.
pub(crate) const NO_TAG: i32 = i32::MIN;

/// Inbound: 0 untouched, 1 consumed, 2 jump to `jump_to`. Outbound: 0 = none, else a [`NoticeKind`].
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct NoteWire {
    jump_to: SessionSeq,
    inbound: u8,
    close: u8,
    outbound: u8,
    text_len: u8,
    ref_seq: u32,
    /// [`NO_TAG`] = none.
    ref_tag: i32,
    reason: u16,
    ref_type: [u8; 2],
    zero: [u8; 4],
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct CancelWire {
    order: OrderId,
    instrument: InstrumentId,
    side: Side,
    flags: u8,
    cl_ord_id_len: u8,
    orig_cl_ord_id_len: u8,
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct ReplaceWire {
    order: OrderId,
    price: Price,
    quantity: Quantity,
    instrument: InstrumentId,
    side: Side,
    kind: OrderKind,
    time_in_force: TimeInForce,
    flags: u8,
    cl_ord_id_len: u8,
    orig_cl_ord_id_len: u8,
    zero: [u8; 6],
}

/// Of status, mass status, mass cancel and security list requests.
#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RequestWire {
    order: OrderId,
    instrument: InstrumentId,
    side: Side,
    cl_ord_id_len: u8,
    request_len: u8,
    flags: u8,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct BalancesWire {
    account: AccountId,
    request_len: u8,
    zero: [u8; 3],
}

impl Command {
    /// The record kind.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Epoch(_) => kind::EPOCH,
            Self::Version(_) => kind::VERSION,
            Self::Tick => kind::TICK,
            Self::Continue => kind::CONTINUE,
            Self::Chain { .. } => kind::CHAIN,
            Self::Refuse => kind::REFUSE,
            Self::GatewayLost(_) => kind::GATEWAY_LOST,
            Self::Operate(_, operation) => operation.kind(),
            Self::LogOn(_) => kind::LOG_ON,
            Self::LogOff(..) => kind::LOG_OFF,
            Self::Note(_) => kind::NOTE,
            Self::Challenge => kind::CHALLENGE,
            Self::NewOrder(_) => kind::NEW_ORDER,
            Self::Cancel(_) => kind::CANCEL,
            Self::Replace(_) => kind::REPLACE,
            Self::Status(_) => kind::STATUS,
            Self::MassStatus(_) => kind::MASS_STATUS,
            Self::MassCancel(_) => kind::MASS_CANCEL,
            Self::SecurityList(_) => kind::SECURITY_LIST,
            Self::Balances(_) => kind::BALANCES,
            Self::RefusedOrder(_) => kind::REFUSED_ORDER,
            Self::RefusedCancel(_) => kind::REFUSED_CANCEL,
        }
    }

    /// Writes the command as one record; sequence and timestamp stay 0 for the matcher to stamp.
    pub fn encode(&self, session: SessionId, number: SessionSeq, out: &mut RecordBuffer) {
        out.start(self.kind());
        match self {
            Self::Tick | Self::Continue | Self::Refuse | Self::Challenge => {}
            Self::Epoch(epoch) => epoch.put(out),
            Self::Version(version) => out.fixed(&u64::from(*version)),
            Self::Chain { page, hash } => out.fixed(&ChainWire { page: *page, hash: *hash }),
            Self::GatewayLost(gateway) => out.fixed(&u64::from(gateway.0)),
            Self::Operate(author, operation) => operation.encode(author, out),
            Self::LogOn(log_on) => out.fixed(log_on),
            Self::LogOff(gateway, cause) => {
                out.fixed(&LogOffWire { gateway: *gateway, cause: *cause, zero: [0; 3] });
            }
            Self::Note(note) => note.put(out),
            Self::NewOrder(order) => order.put(out),
            Self::Cancel(cancel) => cancel.put(out),
            Self::Replace(replace) => replace.put(out),
            Self::Status(status) => status.put(out),
            Self::MassStatus(request) => request_put(request.instrument, &request.request, out),
            Self::MassCancel(request) => {
                let wire = request_wire(request.instrument, request.cl_ord_id.len(), 0);
                out.fixed(&RequestWire { flags: request.flags, ..wire });
                out.text(&request.cl_ord_id);
            }
            Self::SecurityList(request) => request_put(request.instrument, &request.request, out),
            Self::Balances(asked) => {
                out.fixed(&BalancesWire {
                    account: asked.account,
                    request_len: asked.request.len(),
                    zero: [0; 3],
                });
                out.text(&asked.request);
            }
            Self::RefusedOrder(refused) => refused.put(out),
            Self::RefusedCancel(refused) => refused.put(out),
        }
        out.finish(session, number);
    }

    /// Reads a record's command; every enumeration and text is checked, the checksum is not (see
    /// [`crate::record::check_crc`]).
    pub fn decode(record: &[u8]) -> Result<(Header, Self), Malformed> {
        let header = Header::read(record)?;
        Self::decode_body(record, &header).map(|command| (header, command))
    }

    /// The command of a record whose header has been read already.
    pub fn decode_body(record: &[u8], header: &Header) -> Result<Self, Malformed> {
        let mut body = Body::of(record, header);
        Ok(match header.kind {
            kind::EPOCH => Self::Epoch(EpochOpened::take(&mut body)?),
            kind::VERSION => Self::Version(small(&mut body, "version")?),
            kind::TICK => Self::Tick,
            kind::CONTINUE => Self::Continue,
            kind::CHAIN => {
                let wire: ChainWire = body.fixed("chain")?;
                Self::Chain { page: wire.page, hash: wire.hash }
            }
            kind::REFUSE => Self::Refuse,
            kind::GATEWAY_LOST => Self::GatewayLost(GatewayId(small(&mut body, "gateway")?)),
            reference::kind::FIRST..=reference::kind::LAST => {
                let (author, operation) = Operation::decode(header.kind, body)?;
                Self::Operate(author, operation)
            }
            kind::LOG_ON => Self::LogOn(body.fixed::<LogOn>("log-on")?),
            kind::LOG_OFF => {
                let wire: LogOffWire = body.fixed("log-off")?;
                Self::LogOff(wire.gateway, wire.cause)
            }
            kind::NOTE => Self::Note(SessionNote::take(&mut body)?),
            kind::CHALLENGE => Self::Challenge,
            kind::NEW_ORDER => Self::NewOrder(NewOrder::take(&mut body)?),
            kind::CANCEL => Self::Cancel(CancelOrder::take(&mut body)?),
            kind::REPLACE => Self::Replace(ReplaceOrder::take(&mut body)?),
            kind::STATUS => Self::Status(StatusRequest::take(&mut body)?),
            kind::MASS_STATUS => {
                let (instrument, request) = request_take(&mut body)?;
                Self::MassStatus(MassStatusRequest { instrument, request })
            }
            kind::MASS_CANCEL => {
                let wire: RequestWire = body.fixed("mass cancel")?;
                let cl_ord_id = body.text(wire.cl_ord_id_len, "ClOrdID")?;
                Self::MassCancel(MassCancelRequest {
                    instrument: wire.instrument,
                    flags: wire.flags,
                    cl_ord_id,
                })
            }
            kind::SECURITY_LIST => {
                let (instrument, request) = request_take(&mut body)?;
                Self::SecurityList(SecurityListRequest { instrument, request })
            }
            kind::BALANCES => {
                let wire: BalancesWire = body.fixed("balance request")?;
                let request = body.text(wire.request_len, "request id")?;
                Self::Balances(BalanceRequest { account: wire.account, request })
            }
            kind::REFUSED_ORDER => Self::RefusedOrder(RefusedOrder::take(&mut body)?),
            kind::REFUSED_CANCEL => Self::RefusedCancel(RefusedCancel::take(&mut body)?),
            other => return Err(Malformed::Kind(other)),
        })
    }
}

fn small(body: &mut Body<'_>, what: &'static str) -> Result<u32, Malformed> {
    u32::try_from(body.fixed::<u64>(what)?).map_err(|_| Malformed::Field(what))
}

impl EpochOpened {
    fn put(&self, out: &mut RecordBuffer) {
        let wire = EpochWire {
            epoch: self.epoch,
            loss: u8::from(self.loss),
            node_len: self.node.len(),
            zero: [0; 2],
        };
        out.fixed(&wire);
        out.text(&self.node);
    }

    fn take(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let wire: EpochWire = body.fixed("epoch")?;
        Ok(Self { epoch: wire.epoch, loss: wire.loss != 0, node: body.text(wire.node_len, "node")? })
    }
}

impl SessionNote {
    fn put(&self, out: &mut RecordBuffer) {
        let (inbound, jump_to) = match self.inbound {
            Inbound::Untouched => (0, SessionSeq::NONE),
            Inbound::Consumed => (1, SessionSeq::NONE),
            Inbound::JumpTo(next) => (2, next),
        };
        let notice = self.outbound.as_ref();
        out.fixed(&NoteWire {
            jump_to,
            inbound,
            close: u8::from(self.close),
            outbound: notice.map_or(0, |n| n.kind as u8),
            text_len: notice.map_or(0, |n| n.text.len()),
            ref_seq: notice.map_or(0, |n| n.ref_seq),
            ref_tag: notice.and_then(|n| n.ref_tag).unwrap_or(NO_TAG),
            reason: notice.map_or(0, |n| n.reason),
            ref_type: notice.map_or([0; 2], |n| n.ref_type),
            zero: [0; 4],
        });
        if let Some(notice) = notice {
            out.text(&notice.text);
        }
    }

    fn take(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let wire: NoteWire = body.fixed("note")?;
        let inbound = match wire.inbound {
            0 => Inbound::Untouched,
            1 => Inbound::Consumed,
            2 => Inbound::JumpTo(wire.jump_to),
            _ => return Err(Malformed::Field("inbound")),
        };
        let outbound = if wire.outbound == 0 {
            None
        } else {
            Some(Notice {
                kind: NoticeKind::try_read_from_bytes(&[wire.outbound])
                    .map_err(|_| Malformed::Field("notice"))?,
                ref_type: wire.ref_type,
                reason: wire.reason,
                ref_seq: wire.ref_seq,
                ref_tag: (wire.ref_tag != NO_TAG).then_some(wire.ref_tag),
                text: body.text(wire.text_len, "text")?,
            })
        };
        Ok(Self { inbound, outbound, close: wire.close != 0 })
    }
}

impl NewOrder {
    fn put(&self, out: &mut RecordBuffer) {
        out.fixed(&OrderTerms { cl_ord_id_len: self.cl_ord_id.len(), ..self.terms });
        out.text(&self.cl_ord_id);
    }

    fn take(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let wire: OrderTerms = body.fixed("order")?;
        let cl_ord_id = body.text(wire.cl_ord_id_len, "ClOrdID")?;
        Ok(Self { terms: OrderTerms { cl_ord_id_len: 0, ..wire }, cl_ord_id })
    }
}

impl CancelOrder {
    fn put(&self, out: &mut RecordBuffer) {
        out.fixed(&CancelWire {
            order: self.order,
            instrument: self.instrument,
            side: self.side,
            flags: self.flags,
            cl_ord_id_len: self.cl_ord_id.len(),
            orig_cl_ord_id_len: self.orig_cl_ord_id.len(),
        });
        out.text(&self.cl_ord_id);
        out.text(&self.orig_cl_ord_id);
    }

    fn take(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let wire: CancelWire = body.fixed("cancel")?;
        Ok(Self {
            order: wire.order,
            instrument: wire.instrument,
            side: wire.side,
            flags: wire.flags,
            cl_ord_id: body.text(wire.cl_ord_id_len, "ClOrdID")?,
            orig_cl_ord_id: body.text(wire.orig_cl_ord_id_len, "OrigClOrdID")?,
        })
    }
}

impl ReplaceOrder {
    fn put(&self, out: &mut RecordBuffer) {
        out.fixed(&ReplaceWire {
            order: self.order,
            price: self.price,
            quantity: self.quantity,
            instrument: self.instrument,
            side: self.side,
            kind: self.kind,
            time_in_force: self.time_in_force,
            flags: self.flags,
            cl_ord_id_len: self.cl_ord_id.len(),
            orig_cl_ord_id_len: self.orig_cl_ord_id.len(),
            zero: [0; 6],
        });
        out.text(&self.cl_ord_id);
        out.text(&self.orig_cl_ord_id);
    }

    fn take(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let wire: ReplaceWire = body.fixed("replace")?;
        Ok(Self {
            order: wire.order,
            price: wire.price,
            quantity: wire.quantity,
            instrument: wire.instrument,
            side: wire.side,
            kind: wire.kind,
            time_in_force: wire.time_in_force,
            flags: wire.flags,
            cl_ord_id: body.text(wire.cl_ord_id_len, "ClOrdID")?,
            orig_cl_ord_id: body.text(wire.orig_cl_ord_id_len, "OrigClOrdID")?,
        })
    }
}

impl StatusRequest {
    fn put(&self, out: &mut RecordBuffer) {
        out.fixed(&RequestWire {
            order: self.order,
            side: self.side,
            ..request_wire(self.instrument, self.cl_ord_id.len(), self.request.len())
        });
        out.text(&self.cl_ord_id);
        out.text(&self.request);
    }

    fn take(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let wire: RequestWire = body.fixed("status request")?;
        Ok(Self {
            order: wire.order,
            instrument: wire.instrument,
            side: wire.side,
            cl_ord_id: body.text(wire.cl_ord_id_len, "ClOrdID")?,
            request: body.text(wire.request_len, "request id")?,
        })
    }
}

fn request_wire(instrument: InstrumentId, cl_ord_id_len: u8, request_len: u8) -> RequestWire {
    RequestWire { order: OrderId::NONE, instrument, side: Side::Buy, cl_ord_id_len, request_len, flags: 0 }
}

fn request_put(instrument: InstrumentId, request: &Note, out: &mut RecordBuffer) {
    out.fixed(&request_wire(instrument, 0, request.len()));
    out.text(request);
}

fn request_take(body: &mut Body<'_>) -> Result<(InstrumentId, Note), Malformed> {
    let wire: RequestWire = body.fixed("request")?;
    Ok((wire.instrument, body.text(wire.request_len, "request id")?))
}

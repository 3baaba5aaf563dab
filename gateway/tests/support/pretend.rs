//! A pretend exchange: it keeps the numbers of sessions as the real one does, accepts every order, and writes events
//! into a log in this process's memory. It knows no books and no money.

#![expect(clippy::wildcard_enum_match_arm, reason = "it knows a few commands and says so of the others")]

use std::collections::HashMap;

use rialto_gateway::view::seed::{InstrumentSeed, Seed, SessionSeed};
use rialto_protocol::command::{Inbound, LogOn, Notice, NoticeKind, SessionNote, order_flag};
use rialto_protocol::event::{
    BalanceRow, CancelReject, Event, EventBuffer, NoticeEvent, Report, ReportBody, Stamp, notice_flag,
};
use rialto_protocol::reference::{AccountDef, CurrencyDef, InstrumentDef, SessionDef};
use rialto_protocol::terms::{MarketState, OrderStatus, ReplaceRule, SessionKind};
use rialto_protocol::{
    AccountId, Cash, Command, Decimal, Epoch, ExecId, GatewayId, Header, Name, Note, OrderId, Quantity,
    Reason, Sequence, SessionId, SessionSeq, Symbol, Timestamp,
};
use sha2::{Digest, Sha256};

/// What the pretend exchange knows of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) next_inbound: u32,
    pub(crate) next_outbound: u32,
    pub(crate) link: Option<(GatewayId, u32)>,
    last: u64,
    incarnation: u32,
    heartbeat_s: u16,
}

impl Default for Known {
    fn default() -> Self {
        Self { next_inbound: 1, next_outbound: 1, link: None, last: 0, incarnation: 1, heartbeat_s: 0 }
    }
}

/// The pretend exchange.
#[derive(Debug, Default)]
pub(crate) struct Pretend {
    pub(crate) sessions: HashMap<SessionId, Known>,
    /// By session and `ClOrdID`: the number of the first answer.
    names: HashMap<(SessionId, Vec<u8>), u32>,
    issued: u64,
    sequence: u64,
    /// Where the event log ends.
    end: u64,
    /// Every command taken, in words.
    pub(crate) taken: Vec<String>,
}

/// One command's events: each with its position, as the log will have it.
pub(crate) type Told = Vec<(u64, Vec<u8>)>;

struct Telling<'a> {
    exchange: &'a mut Pretend,
    told: Told,
    time_ns: u64,
}

impl Pretend {
    pub(crate) fn new() -> Self {
        Self { end: rialto_journal::position::Position::FIRST.get(), ..Self::default() }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Applies a command as its record, as the matcher would: under the rules of numbers.
    pub(crate) fn apply(&mut self, record: &[u8], time_ns: u64) -> Told {
        let (header, command) = Command::decode(record).expect("a gateway sends sound records");
        self.submit(&header, &command, time_ns)
    }

    pub(crate) fn submit(&mut self, header: &Header, command: &Command, time_ns: u64) -> Told {
        let known = *self.sessions.entry(header.session).or_default();
        let number = header.session_seq.0;
        let numbered = !matches!(command, Command::LogOn(_) | Command::LogOff(..) | Command::Challenge);
        if numbered && (known.link.is_none() || (number != 0 && number != known.next_inbound)) {
            self.taken.push(format!("dropped {command:?}"));
            return Vec::new();
        }
        self.sequence += 1;
        let mut telling = Telling { exchange: self, told: Vec::new(), time_ns };
        telling.command(header, command);
        telling.told
    }
}

impl Telling<'_> {
    fn known(&mut self, session: SessionId) -> &mut Known {
        self.exchange.sessions.entry(session).or_default()
    }

    fn tell(&mut self, session: SessionId, numbered: bool, event: impl Fn(u64) -> Event<'static>) {
        self.tell_any(session, numbered, |previous, push| push(&event(previous)));
    }

    fn tell_any(
        &mut self,
        session: SessionId,
        numbered: bool,
        event: impl FnOnce(u64, &mut dyn FnMut(&Event<'_>)),
    ) {
        let known = *self.known(session);
        let number = if numbered { known.next_outbound } else { 0 };
        let stamp = Stamp {
            sequence: Sequence(self.exchange.sequence),
            timestamp: Timestamp(self.time_ns),
            index: u32::try_from(self.told.len()).unwrap(),
            session,
            number: SessionSeq(number),
        };
        let mut buffer = EventBuffer::default();
        event(known.last, &mut |event| {
            buffer.push(&stamp, event);
        });
        let end = rialto_journal::position::Position::new(self.exchange.end);
        let place = rialto_journal::position::Position::place(end, buffer.as_bytes().len());
        self.exchange.end = place.plus(buffer.as_bytes().len()).get();
        self.told.push((place.get(), buffer.as_bytes().to_vec()));
        if numbered {
            let known = self.known(session);
            known.next_outbound += 1;
            known.last = place.get();
        }
    }

    fn notify(&mut self, session: SessionId, flags: u8, notice: Notice) {
        let known = *self.known(session);
        let (gateway, connection) = known.link.expect("a notice goes to a live session");
        self.tell(session, true, |previous| {
            Event::Notice(NoticeEvent {
                previous,
                gateway,
                connection,
                next_inbound: SessionSeq(known.next_inbound),
                incarnation: known.incarnation,
                heartbeat_s: known.heartbeat_s,
                flags,
                notice,
            })
        });
    }

    fn command(&mut self, header: &Header, command: &Command) {
        let session = header.session;
        self.exchange.taken.push(match command {
            Command::NewOrder(order) => format!("new {} {}", header.session_seq, order.cl_ord_id),
            Command::Note(note) => format!("note {} {:?}", header.session_seq, note.inbound),
            Command::LogOn(_) => format!("logon {}", header.session_seq),
            Command::LogOff(_, cause) => format!("logoff {cause:?}"),
            Command::Challenge => "challenge".to_owned(),
            other => format!("other {} {other:?}", header.session_seq),
        });
        match command {
            Command::LogOn(log_on) => self.log_on(header, log_on),
            Command::LogOff(gateway, _) => {
                if self.known(session).link.is_some_and(|link| link.0 == *gateway) {
                    self.known(session).link = None;
                    self.tell(session, false, |_| Event::Gone);
                }
            }
            Command::Challenge => {
                if self.known(session).link.is_some() {
                    self.tell(session, false, |_| Event::Challenged);
                }
            }
            Command::Note(note) => self.note(header, note),
            Command::NewOrder(order) => {
                self.consume(header);
                self.new_order(session, order);
            }
            Command::Cancel(cancel) => {
                self.consume(header);
                self.tell_any(session, true, |previous, push| {
                    push(&Event::CancelReject(CancelReject {
                        previous,
                        order: OrderId::NONE,
                        status: OrderStatus::Rejected,
                        reason: Reason::UnknownOrder,
                        replace: false,
                        cl_ord_id: cancel.cl_ord_id.as_bytes(),
                        orig_cl_ord_id: cancel.orig_cl_ord_id.as_bytes(),
                        words: b"",
                    }));
                });
            }
            Command::RefusedOrder(order) => {
                self.consume(header);
                if self.repeats(session, order.cl_ord_id.as_bytes(), order.flags) {
                    return;
                }
                let (exec, order) = (ExecId(self.issue()), *order);
                let answer = self.known(session).next_outbound;
                self.exchange.names.insert((session, order.cl_ord_id.as_bytes().to_vec()), answer);
                self.tell(session, true, |previous| Event::RefusedOrder { previous, exec, order });
            }
            Command::Balances(asked) => {
                self.consume(header);
                self.tell_any(session, false, |_, push| {
                    push(&Event::Balance(BalanceRow {
                        account: AccountId(1),
                        rows: 1,
                        reason: Reason::None,
                        asset: Symbol::clipped("USD"),
                        unit: Decimal::new(1, 2),
                        total: Cash(100_050),
                        reserved: Cash(1_000),
                        request: asked.request.as_bytes(),
                    }));
                });
            }
            other => panic!("the pretend exchange does not know {other:?}"),
        }
    }

    fn issue(&mut self) -> u64 {
        self.exchange.issued += 1;
        self.exchange.issued
    }

    fn consume(&mut self, header: &Header) {
        if header.session_seq.0 != 0 {
            self.known(header.session).next_inbound += 1;
        }
    }

    /// Whether a message repeats one of the same name: a possible duplicate is answered again, a possible resend passed
    /// over. Nothing else may use a name twice here.
    fn repeats(&mut self, session: SessionId, name: &[u8], flags: u8) -> bool {
        let Some(answer) = self.exchange.names.get(&(session, name.to_vec())).copied() else { return false };
        assert!(flags & order_flag::REPEATS != 0, "{} was used before", name.escape_ascii());
        if flags & order_flag::POSSIBLE_REPEAT != 0 {
            self.tell(session, false, |_| Event::Repeat(SessionSeq(answer)));
        }
        true
    }

    fn new_order(&mut self, session: SessionId, order: &rialto_protocol::command::NewOrder) {
        if self.repeats(session, order.cl_ord_id.as_bytes(), order.terms.flags) {
            return;
        }
        let (id, exec) = (self.issue(), self.issue());
        let answer = self.known(session).next_outbound;
        self.exchange.names.insert((session, order.cl_ord_id.as_bytes().to_vec()), answer);
        let terms = order.terms;
        let mut body = ReportBody::new(OrderId(id), ExecId(exec), terms.side, terms.kind);
        (body.price, body.quantity, body.leaves) = (terms.price, terms.quantity, terms.quantity);
        (body.account, body.instrument, body.cumulative) = (AccountId(1), terms.instrument, Quantity(0));
        self.tell_any(session, true, |previous, push| {
            let mut body = body;
            body.previous = previous;
            push(&Event::Report(Report {
                body,
                fill: None,
                funds: None,
                cl_ord_id: order.cl_ord_id.as_bytes(),
                orig_cl_ord_id: b"",
                request: b"",
            }));
        });
    }

    fn log_on(&mut self, header: &Header, log_on: &LogOn) {
        let session = header.session;
        if self.known(session).link.is_some() {
            let (gateway, connection) = (log_on.gateway, log_on.connection);
            let text = Note::clipped("the session is logged on already");
            return self.tell(session, false, |_| Event::LogOnRefused { gateway, connection, text });
        }
        let known = self.known(session);
        if log_on.reset != 0 {
            (known.next_inbound, known.next_outbound, known.last) = (1, 1, 0);
            known.incarnation += 1;
        }
        let (number, expected) = (header.session_seq.0, known.next_inbound);
        known.link = Some((log_on.gateway, log_on.connection));
        known.heartbeat_s = log_on.heartbeat_s;
        if number != 0 && number < expected {
            let words = format!("MsgSeqNum too low, expecting {expected} but received {number}");
            self.notify(session, notice_flag::CLOSE, notice(NoticeKind::Logout, Note::clipped(&words)));
            self.known(session).link = None;
            return;
        }
        if number == 0 || number == expected {
            known.next_inbound += 1;
        }
        let flags = if log_on.reset == 0 { 0 } else { notice_flag::RESET };
        self.notify(session, flags, notice(NoticeKind::LogOn, Note::clipped("n1 epoch 3")));
        if number > expected {
            let missing = notice(NoticeKind::ResendRequest, Note::EMPTY);
            self.notify(session, 0, Notice { ref_seq: expected, ..missing });
        }
    }

    fn note(&mut self, header: &Header, note: &SessionNote) {
        let session = header.session;
        match note.inbound {
            Inbound::Untouched => {}
            Inbound::Consumed => self.consume(header),
            Inbound::JumpTo(next) => {
                assert!(next.0 >= self.known(session).next_inbound);
                self.known(session).next_inbound = next.0;
            }
        }
        if let Some(outbound) = note.outbound {
            self.notify(session, if note.close { notice_flag::CLOSE } else { 0 }, outbound);
        }
        if note.close {
            self.known(session).link = None;
            self.tell(session, false, |_| Event::Gone);
        }
    }
}

fn notice(kind: NoticeKind, text: Note) -> Notice {
    Notice { kind, ref_type: [0; 2], reason: u16::MAX, ref_seq: 0, ref_tag: None, text }
}

/// ACME in USD, account A1, sessions ALPHA1 and ALPHA2 (trading) and FEED1 (market data), all with password `secret`.
pub(crate) fn seed() -> Seed {
    let name = |name: &str| Name::new(name.as_bytes()).unwrap();
    let symbol = |name: &str| Symbol::new(name.as_bytes()).unwrap();
    let session = |comp_id: &str, kind| SessionSeed {
        def: SessionDef {
            comp_id: name(comp_id),
            participant: name("ALPHA"),
            kind,
            cancel_on_disconnect: false,
            secret: Sha256::digest(b"secret").into(),
        },
        accounts: vec![AccountId(1)],
        holder: (GatewayId::NONE, 0),
        next_outbound: SessionSeq(1),
        incarnation: 1,
        last: 0,
        marks: Vec::new(),
    };
    let acme = InstrumentDef {
        symbol: symbol("ACME"),
        currency: symbol("USD"),
        tick: "0.01".parse().unwrap(),
        lot: "1".parse().unwrap(),
        maker_fee_ppm: 0,
        taker_fee_ppm: 0,
        replace: ReplaceRule::KeepOnDecrease,
        midpoint: false,
    };
    Seed {
        position: rialto_journal::position::Position::FIRST.get(),
        epoch: Epoch(3),
        node: name("n1"),
        currencies: vec![CurrencyDef { code: symbol("USD"), decimals: 10 }],
        instruments: vec![InstrumentSeed { def: acme, state: MarketState::Open, last_price: None }],
        accounts: vec![AccountDef { name: name("A1"), participant: name("ALPHA") }],
        sessions: vec![
            session("ALPHA1", SessionKind::Trading),
            session("ALPHA2", SessionKind::Trading),
            session("FEED1", SessionKind::MarketData),
        ],
        ..Seed::default()
    }
}

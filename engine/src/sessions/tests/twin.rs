//! Random days of three sessions, against a twin that keeps lists of everything instead of numbers and marks.

use proptest::prelude::*;

use super::*;

/// One thing that happens. Numbers are given as a distance from the expected one.
#[derive(Clone, Copy, Debug)]
enum Happening {
    LogOn { session: u32, gateway: u32, ahead: i8, next_expected: Option<i8>, reset: bool },
    Note { session: u32, gateway: u32, ahead: i8, kind: NoteKind },
    Order { session: u32, gateway: u32, ahead: i8 },
    OrderEnds { session: u32 },
    Send { session: u32, count: u8 },
    LogOff { session: u32, gateway: u32, cause: LogOffCause },
    GatewayLost { gateway: u32 },
    Epoch { loss: bool },
    Reset { session: u32 },
    DayEnd,
    Wait { ns: u64 },
}

#[derive(Clone, Copy, Debug)]
enum NoteKind {
    Reject,
    Logout,
    Heartbeat,
    Jump(i8),
}

/// A session, naively.
#[derive(Clone, Debug)]
struct Naive {
    /// Inbound numbers used up in this incarnation: all below this one.
    inbound: u32,
    /// Outbound numbers of the trading day, in order.
    sent: Vec<u32>,
    /// The next outbound number while `sent` is empty or a jump is behind it.
    at_least: u32,
    first_kept: u32,
    incarnation: u32,
    gateway: Option<u32>,
    orders: u32,
    deadline: Option<u64>,
}

impl Naive {
    fn new(incarnation: u32) -> Self {
        Self {
            inbound: 1,
            sent: Vec::new(),
            at_least: 1,
            first_kept: 1,
            incarnation,
            gateway: None,
            orders: 0,
            deadline: None,
        }
    }

    fn outbound(&self) -> u32 {
        self.sent.last().map_or(1, |last| last + 1).max(self.at_least)
    }

    fn send(&mut self) {
        self.sent.push(self.outbound());
    }

    fn reset(&mut self) {
        let kept = Self::new(self.incarnation + 1);
        *self = Self { gateway: self.gateway, orders: self.orders, deadline: self.deadline, ..kept };
    }

    fn leave(&mut self, id: u32, now: u64) {
        self.gateway = None;
        self.deadline = (id == 2 && self.orders > 0).then_some(now + GRACE_NS);
    }
}

struct Twin {
    sessions: Vec<Naive>,
    now: u64,
}

impl Twin {
    fn of(&mut self, id: u32) -> &mut Naive {
        &mut self.sessions[id as usize - 1]
    }

    fn number(&mut self, session: u32, ahead: i8) -> u32 {
        self.of(session).inbound.saturating_add_signed(ahead.into())
    }

    /// The one that is next to come due.
    fn due(&mut self) -> Option<u32> {
        let now = self.now;
        let ids = [1, 2, 3];
        let due = ids.into_iter().filter_map(|id| Some((self.sessions[id as usize - 1].deadline?, id)));
        let (_, id) = due.filter(|&(deadline, _)| deadline <= now).min()?;
        self.of(id).deadline = None;
        Some(id)
    }

    fn log_on(&mut self, session: u32, number: u32, log_on: &LogOn) {
        let (gateway, next_expected, reset) = (log_on.gateway.0, log_on.next_expected, log_on.reset != 0);
        let naive = self.of(session);
        if session == 3 || naive.gateway.is_some() {
            return;
        }
        if reset {
            if number <= 1 && next_expected <= 1 {
                naive.reset();
                (naive.inbound, naive.gateway, naive.deadline) = (2, Some(gateway), None);
                naive.send();
            }
            return;
        }
        let wrong = next_expected > naive.outbound() || (1..naive.first_kept).contains(&next_expected);
        if number != 0 && number < naive.inbound {
            naive.send();
            return;
        }
        let equal = number == 0 || number == naive.inbound;
        naive.inbound += u32::from(equal);
        naive.send();
        if wrong {
            return;
        }
        (naive.gateway, naive.deadline) = (Some(gateway), None);
        if !equal {
            naive.send();
        }
    }

    fn note(&mut self, session: u32, number: u32, kind: NoteKind) {
        let now = self.now;
        let naive = self.of(session);
        let expected = number == naive.inbound;
        match kind {
            NoteKind::Reject | NoteKind::Logout if expected => {
                naive.inbound += 1;
                naive.send();
                if matches!(kind, NoteKind::Logout) {
                    naive.leave(session, now);
                }
            }
            NoteKind::Reject | NoteKind::Logout => {}
            NoteKind::Heartbeat => naive.send(),
            NoteKind::Jump(by) => {
                naive.inbound = naive.inbound.max(naive.inbound.saturating_add_signed(by.into()));
            }
        }
    }

    fn admits(&mut self, session: u32, gateway: u32, number: u32) -> Admit {
        let naive = self.of(session);
        match (naive.gateway == Some(gateway), number) {
            (false, _) => Admit::Drop,
            (true, 0) => Admit::Yes,
            (true, number) if number < naive.inbound => Admit::Drop,
            (true, number) if number > naive.inbound => Admit::Cut,
            (true, _) => Admit::Yes,
        }
    }
}

/// The sessions under test and their twin, driven together.
struct Both {
    desk: Desk,
    twin: Twin,
}

impl Both {
    fn new() -> Self {
        let twin = Twin { sessions: vec![Naive::new(1); 3], now: 1_000 };
        Self { desk: Desk::new(), twin }
    }

    fn admitted(&mut self, kind: u8, session: u32, gateway: u32, number: u32) -> bool {
        let admit = self.desk.admit(kind, session, number, gateway);
        assert_eq!(admit, self.twin.admits(session, gateway, number));
        admit == Admit::Yes
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::LogOn { session, gateway, ahead, next_expected, reset } => {
                let number = if reset { u32::from(ahead != 0) * 2 } else { self.twin.number(session, ahead) };
                let next = self.twin.of(session).outbound();
                let next_expected = next_expected.map_or(0, |by| next.saturating_add_signed(by.into()));
                let log_on = LogOn {
                    gateway: GatewayId(gateway),
                    connection: 7,
                    next_expected,
                    heartbeat_s: 30,
                    reset: u8::from(reset),
                    line: 0,
                };
                self.twin.log_on(session, number, &log_on);
                let header = self.desk.header(session, number);
                self.desk.log_on(&header, &log_on);
            }
            Happening::Note { session, gateway, ahead, kind } => self.note(session, gateway, ahead, kind),
            Happening::Order { session, gateway, ahead } => {
                let number = self.twin.number(session, ahead);
                if self.admitted(kind::NEW_ORDER, session, gateway, number) {
                    assert!(self.desk.sessions.consume(SessionId(session), SessionSeq(number)));
                    self.desk.sessions.order_opened(SessionId(session));
                    self.desk.send(session);
                    let naive = self.twin.of(session);
                    naive.inbound += u32::from(number != 0);
                    naive.orders += 1;
                    naive.send();
                }
            }
            Happening::OrderEnds { session } if self.twin.of(session).orders > 0 => {
                self.twin.of(session).orders -= 1;
                self.desk.sessions.order_closed(SessionId(session));
            }
            Happening::OrderEnds { .. } => {}
            Happening::Send { session, count } => {
                for _ in 0..count {
                    self.desk.send(session);
                    self.twin.of(session).send();
                }
            }
            Happening::LogOff { .. }
            | Happening::GatewayLost { .. }
            | Happening::Epoch { .. }
            | Happening::Reset { .. }
            | Happening::DayEnd
            | Happening::Wait { .. } => self.end(happening),
        }
    }

    fn note(&mut self, session: u32, gateway: u32, ahead: i8, what: NoteKind) {
        let number = self.twin.number(session, ahead);
        if self.admitted(kind::NOTE, session, gateway, number) {
            let to = self.twin.of(session).inbound;
            let line = match what {
                NoteKind::Reject => format!("reject {number} s={session}"),
                NoteKind::Logout => format!("logout {number} s={session}"),
                NoteKind::Heartbeat => format!("heartbeat 0 s={session}"),
                NoteKind::Jump(by) => {
                    format!("jump {number} s={session} to={}", to.saturating_add_signed(by.into()))
                }
            };
            self.twin.note(session, number, what);
            self.desk.answer(&line);
        }
    }

    fn end(&mut self, happening: Happening) {
        let now = self.twin.now;
        let Self { desk, twin } = self;
        match happening {
            Happening::LogOff { session, gateway, cause } => {
                if twin.of(session).gateway == Some(gateway) {
                    if cause == LogOffCause::Disconnected {
                        twin.of(session).leave(session, now);
                    }
                    twin.of(session).gateway = None;
                }
                let header = desk.header(session, 0);
                desk.sessions.log_off(&desk.directory, &header, GatewayId(gateway), cause);
            }
            Happening::GatewayLost { gateway } => {
                let held: Vec<_> = (1..=3).filter(|&id| twin.of(id).gateway == Some(gateway)).collect();
                for &id in &held {
                    twin.of(id).leave(id, now);
                }
                let gone =
                    desk.sessions.gateway_lost(&desk.directory, &mut Lost::new(GatewayId(gateway)), desk.now);
                assert_eq!(gone, held.into_iter().map(SessionId).collect::<Vec<_>>());
            }
            Happening::Epoch { loss } => {
                for id in 1..=3 {
                    let naive = twin.of(id);
                    naive.leave(id, now);
                    naive.at_least = naive.outbound() + if loss { LOSS_JUMP } else { 0 };
                }
                desk.sessions.epoch(&desk.directory, desk.now, loss);
            }
            Happening::Reset { session } => {
                let live = twin.of(session).gateway.is_some();
                twin.of(session).reset();
                if live {
                    twin.of(session).leave(session, now);
                }
                assert_eq!(desk.sessions.reset(&desk.directory, SessionId(session), desk.now), live);
            }
            Happening::DayEnd => {
                for naive in &mut twin.sessions {
                    naive.at_least = naive.outbound();
                    naive.first_kept = naive.at_least;
                    naive.sent.clear();
                }
                desk.sessions.day_end(Position::FIRST);
            }
            Happening::Wait { ns } => {
                twin.now += ns;
                desk.now = Timestamp(twin.now);
                let due: Vec<_> = std::iter::from_fn(|| twin.due()).collect();
                assert_eq!(desk.due(twin.now), due);
            }
            Happening::LogOn { .. }
            | Happening::Note { .. }
            | Happening::Order { .. }
            | Happening::OrderEnds { .. }
            | Happening::Send { .. } => panic!("{happening:?} is no end"),
        }
    }

    fn compare(&mut self) {
        let deadlines = self.twin.sessions.iter().filter_map(|naive| naive.deadline);
        assert_eq!(self.desk.sessions.next_deadline(), deadlines.min().map(Timestamp));
        for (id, naive) in (1..).zip(&self.twin.sessions) {
            let state = self.desk.sessions.get(SessionId(id)).unwrap();
            assert_eq!(self.desk.numbers(id), (naive.inbound, naive.outbound()), "session {id}");
            assert_eq!(state.link().map(|link| link.gateway.0), naive.gateway, "session {id}");
            assert_eq!(state.incarnation(), naive.incarnation);
            assert_eq!(state.first_kept().0, naive.first_kept);
            assert_eq!(state.orders_open(), naive.orders);
            assert_eq!(state.positions().last() != 0, !naive.sent.is_empty());
        }
    }

    fn find_all(&self) {
        for (id, naive) in (1..).zip(&self.twin.sessions) {
            for &number in &naive.sent {
                let (found, steps) = self.desk.walk(id, number).expect("every number of the day is found");
                assert!(found == number && steps < MESSAGES_PER_MARK, "{number}: {found} in {steps} steps");
            }
        }
    }
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let session = || prop_oneof![Just(1u32), Just(2), Just(2), Just(3)];
    let gateway = || 1..=2u32;
    let ahead = || prop_oneof![4 => Just(0i8), 1 => -2..=2i8];
    let cause = prop_oneof![
        Just(LogOffCause::Disconnected),
        Just(LogOffCause::PolicyUnmet),
        Just(LogOffCause::Drained)
    ];
    let note = prop_oneof![
        Just(NoteKind::Reject),
        Just(NoteKind::Logout),
        Just(NoteKind::Heartbeat),
        (-3..=5i8).prop_map(NoteKind::Jump)
    ];
    prop_oneof![
        6 => (session(), gateway(), ahead(), prop::option::weighted(0.3, -70..=2i8), prop::bool::weighted(0.1))
            .prop_map(|(session, gateway, ahead, next_expected, reset)| Happening::LogOn {
                session, gateway, ahead, next_expected, reset
            }),
        4 => (session(), gateway(), ahead(), note)
            .prop_map(|(session, gateway, ahead, kind)| Happening::Note { session, gateway, ahead, kind }),
        6 => (session(), gateway(), ahead())
            .prop_map(|(session, gateway, ahead)| Happening::Order { session, gateway, ahead }),
        2 => session().prop_map(|session| Happening::OrderEnds { session }),
        3 => (session(), 0..=150u8).prop_map(|(session, count)| Happening::Send { session, count }),
        2 => (session(), gateway(), cause)
            .prop_map(|(session, gateway, cause)| Happening::LogOff { session, gateway, cause }),
        1 => gateway().prop_map(|gateway| Happening::GatewayLost { gateway }),
        1 => any::<bool>().prop_map(|loss| Happening::Epoch { loss }),
        1 => session().prop_map(|session| Happening::Reset { session }),
        1 => Just(Happening::DayEnd),
        3 => (0..=2 * GRACE_NS).prop_map(|ns| Happening::Wait { ns }),
    ]
}

proptest! {
    #[test]
    fn sessions_do_what_a_naive_twin_does_on_any_day(day in prop::collection::vec(any_happening(), 1..150)) {
        let mut both = Both::new();
        for happening in day {
            both.happen(happening);
            both.compare();
        }
        both.find_all();
        let bytes = bincode::serialize(&both.desk.sessions).unwrap();
        prop_assert_eq!(bincode::deserialize::<Sessions>(&bytes).unwrap(), both.desk.sessions);
    }
}

//! Members' conversations with the exchange: the gateway's sessions, the view and the real exchange, without sockets,
//! rings or clocks. What the exchange tells may be held back, so that everything can be on its way at once.

use std::collections::{HashMap, VecDeque};

use rialto_engine::sessions::{Admit, SessionState};
use rialto_engine::stage::Stage;
use rialto_gateway::resend::Past;
use rialto_gateway::session::{Commands, Context, Now, Seats, Session, Settings};
use rialto_gateway::standing::{Stance, Standing};
use rialto_gateway::view::View;
use rialto_gateway::view::seed::Seed;
use rialto_journal::position::Position;
use rialto_protocol::command::LogOffCause;
use rialto_protocol::event::notice_flag;
use rialto_protocol::record::check_crc;
use rialto_protocol::reference::{Author, Operation};
use rialto_protocol::{Command, Event, GatewayId, Header, Name, SessionId, SessionSeq};

use crate::heard::{Heard, Past as ToldBefore};
use crate::market::{self, SECOND_NS, START_NS};

/// Connections at a time.
pub(crate) const PLACES: usize = 4;
/// Whose member uses which place, unless it says otherwise.
pub(crate) const NAMES: [&str; PLACES] = ["ALPHA1", "BETA1", "FEED1", "ALPHA1"];
const US: GatewayId = GatewayId(1);
/// How often a gateway looks at its timers.
const TICK_NS: u64 = SECOND_NS / 10;

/// The event log.
#[derive(Debug, Default)]
struct Log(HashMap<u64, Vec<u8>>);

impl Past for Log {
    fn record(&mut self, position: u64) -> Option<&[u8]> {
        self.0.get(&position).map(Vec::as_slice)
    }
}

#[derive(Debug)]
struct Connection {
    session: Session,
    heard: Heard,
}

/// The exchange, a gateway, and who is connected to it.
#[derive(Debug)]
pub(crate) struct Conversations {
    pub(crate) stage: Stage,
    pub(crate) now: Now,
    view: View,
    commands: Commands,
    seats: Seats,
    standing: Standing,
    settings: Settings,
    log: Log,
    places: [Option<Connection>; PLACES],
    /// Told by the exchange, not yet read by the gateway.
    told: VecDeque<u64>,
    /// What each session was told, feeds apart.
    before: HashMap<SessionId, ToldBefore>,
    serial: u32,
    /// The gateway reads no events, and its ring is not read.
    pub(crate) held: bool,
}

impl Conversations {
    pub(crate) fn new() -> Self {
        let stage = market::open();
        let view = View::new(&seed(&stage));
        Self {
            stage,
            now: Now { utc_ns: START_NS, mono_ns: SECOND_NS },
            view,
            commands: Commands::default(),
            seats: Seats::default(),
            standing: Standing::default(),
            settings: Settings {
                comp_id: Name::clipped("RIALTO"),
                sending_time_tolerance_s: 120,
                user_defined_tags: false,
                messages_per_s: 0,
                spin: false,
            },
            log: Log::default(),
            places: [const { None }; PLACES],
            told: VecDeque::new(),
            before: HashMap::new(),
            serial: 0,
            held: false,
        }
    }

    /// A member's bytes; connects it first if it is not.
    pub(crate) fn say(&mut self, place: usize, bytes: &[u8]) {
        if self.places[place].is_none() {
            self.serial += 1;
            let session = Session::new(self.serial, self.now);
            self.places[place] = Some(Connection { session, heard: Heard::default() });
        }
        if let Some(connection) = &mut self.places[place] {
            connection.session.receive(bytes);
        }
        self.pump();
    }

    /// The number that the member would use next, if it knew all.
    pub(crate) fn next_number(&self, place: usize) -> u32 {
        let session =
            self.view.directory.session_by_comp_id(NAMES[place].as_bytes()).map(|session| session.id);
        let known = session.and_then(|session| self.stage.exchange.sessions().get(session));
        known.map_or(1, |known| known.next_inbound().0)
    }

    /// The member's connection is gone.
    pub(crate) fn hang_up(&mut self, place: usize) {
        self.with(place, |session, ctx, _| session.hung_up(ctx));
        self.places[place] = None;
        self.pump();
    }

    /// The member sends nothing more.
    pub(crate) fn end_input(&mut self, place: usize) {
        self.with(place, |session, _, _| session.end_of_input());
        self.pump();
    }

    /// Time passes, in steps in which timers are looked at.
    pub(crate) fn pass(&mut self, tenths: u32) {
        for _ in 0..tenths {
            self.now.utc_ns += TICK_NS;
            self.now.mono_ns += TICK_NS;
            for place in 0..PLACES {
                self.with(place, |session, ctx, _| session.tick(ctx));
            }
            self.pump();
        }
    }

    /// An operator's or the node's own command.
    pub(crate) fn own(&mut self, session: SessionId, command: &Command) {
        self.apply(session, SessionSeq::NONE, command);
        self.pump();
    }

    pub(crate) fn operate(&mut self, operation: Operation) {
        if let Operation::SessionReset(name) = operation
            && let Some(session) = self.view.directory.session_by_comp_id(name.as_bytes())
        {
            self.before.entry(session.id).or_default().reset = true;
        }
        self.own(SessionId::NONE, &Command::Operate(Author::default(), operation));
    }

    /// Lets everything happen that follows, unless it is held.
    pub(crate) fn pump(&mut self) {
        loop {
            self.serve();
            if self.held {
                return;
            }
            let worked = self.drain_commands() | self.deliver(usize::MAX);
            if !worked {
                return;
            }
        }
    }

    /// The gateway's turn with each connection.
    fn serve(&mut self) {
        for place in 0..PLACES {
            let can_read = self.commands.is_empty();
            self.with(place, |session, ctx, log| {
                if can_read {
                    session.turn(ctx);
                }
                session.tell_news(ctx);
                while session.resends() {
                    session.resend(log, ctx);
                }
            });
            self.listen(place);
        }
    }

    /// What is written to a connection is heard at once.
    fn listen(&mut self, place: usize) {
        let Some(Connection { session, heard }) = &mut self.places[place] else { return };
        let written = std::mem::take(session.output());
        session.drained();
        let known = self.view.directory.session(session.session());
        let name = known.map_or(String::new(), |known| known.def.comp_id.to_string());
        if session.is_feed() {
            heard.hear(&written, (&name, &mut ToldBefore::default()));
        } else {
            heard.hear(&written, (&name, self.before.entry(session.session()).or_default()));
        }
        if session.close().is_some() && session.backlog().0 == 0 {
            heard.close();
        }
    }

    fn with(&mut self, place: usize, turn: impl FnOnce(&mut Session, &mut Context<'_>, &mut Log)) {
        let Some(Connection { session, .. }) = &mut self.places[place] else { return };
        let mut ctx = Context {
            view: &self.view,
            commands: &mut self.commands,
            seats: &mut self.seats,
            settings: &self.settings,
            gateway: US,
            stance: Stance::Trades,
            standing: &self.standing,
            now: self.now,
        };
        turn(session, &mut ctx, &mut self.log);
    }

    /// The exchange takes what is in the gateway's ring; whether there was anything.
    pub(crate) fn drain_commands(&mut self) -> bool {
        let records: Vec<Vec<u8>> = self.commands.records().map(<[u8]>::to_vec).collect();
        self.commands.pushed(records.len());
        for record in &records {
            self.take(record);
        }
        let due = self.stage.exchange.next_deadline().is_some_and(|deadline| deadline.0 <= self.now.utc_ns);
        if due {
            self.apply(SessionId::NONE, SessionSeq::NONE, &Command::Tick);
        }
        while self.stage.exchange.work_pending() {
            self.apply(SessionId::NONE, SessionSeq::NONE, &Command::Continue);
        }
        due || !records.is_empty()
    }

    /// One record, as the matcher takes it. A gateway of ours makes none that is unsound or out of turn.
    fn take(&mut self, record: &[u8]) {
        let (header, command) = Command::decode(record).expect("a gateway sends sound records");
        assert_eq!(check_crc(record, &header), Ok(()));
        let state = self.stage.exchange.sessions().get(header.session);
        let is_ours = state.and_then(SessionState::link).is_some_and(|link| link.gateway == US);
        match self.stage.exchange.admit(&header, header.kind, US) {
            Admit::Yes => self.apply(header.session, header.session_seq, &command),
            // It was on its way when the exchange ended the session.
            Admit::Drop if !is_ours => {}
            Admit::Cut if header.session_seq.0 > rialto_engine::sessions::NUMBER_MAX => {
                let cut = Command::LogOff(US, LogOffCause::Disconnected);
                self.apply(header.session, SessionSeq::NONE, &cut);
            }
            answer @ (Admit::Drop | Admit::Cut) => {
                panic!("{answer:?} for {command:?} of {header:?}, {state:?}")
            }
        }
    }

    fn apply(&mut self, session: SessionId, number: SessionSeq, command: &Command) {
        self.stage.now.0 = self.now.utc_ns;
        let mut end = Position::new(self.stage.exchange.event_end());
        self.stage.apply(session, number, command);
        for record in self.stage.events.records() {
            let place = Position::place(end, record.len());
            end = place.plus(record.len());
            self.log.0.insert(place.get(), record.to_vec());
            self.told.push_back(place.get());
        }
        assert_eq!(end.get(), self.stage.exchange.event_end(), "where the event log ends");
    }

    /// The gateway reads up to so many events; whether there were any.
    pub(crate) fn deliver(&mut self, most: usize) -> bool {
        let mut delivered = 0;
        while delivered < most
            && let Some(position) = self.told.pop_front()
        {
            delivered += 1;
            let record = self.log.0.get(&position).cloned().expect("it was told");
            self.settle(Some(&record));
            self.route(position, &record);
        }
        if self.told.is_empty() {
            self.settle(None);
        }
        delivered > 0
    }

    /// Lets the feeds know what the command before this event changed.
    fn settle(&mut self, record: Option<&[u8]>) {
        let next = record.and_then(|record| Header::read(record).ok()).map(|header| header.sequence);
        if self.view.books.settled() || next == Some(self.view.sequence()) {
            return;
        }
        let changes = self.view.books.take_changes();
        for place in 0..PLACES {
            self.with(place, |session, ctx, _| session.changes(&changes, ctx));
        }
    }

    fn route(&mut self, position: u64, record: &[u8]) {
        let (header, event) = self.view.apply(record, position).expect("the exchange tells sound events");
        let seat = self.seats.get(header.session).filter(|_| event.is_for_its_session());
        let mut connection = seat.map(|seat| seat.connection);
        if let Event::LogOnRefused { gateway, connection: refused, .. } = &event {
            connection = (*gateway == US).then_some(*refused);
        }
        if matches!(event, Event::Epoch(_)) {
            self.seats.free_all();
            for place in 0..PLACES {
                self.with(place, |session, ctx, _| session.epoch(ctx));
            }
        }
        if let Some(connection) = connection {
            self.hand(connection, &header, &event);
        }
    }

    fn hand(&mut self, connection: u32, header: &Header, event: &Event<'_>) {
        let is_it =
            |at: &Option<Connection>| at.as_ref().is_some_and(|at| at.session.connection() == connection);
        let Some(place) = self.places.iter().position(is_it) else {
            let ends = matches!(event, Event::Notice(notice) if notice.flags & notice_flag::CLOSE != 0);
            if ends || matches!(event, Event::Gone | Event::LogOnRefused { .. }) {
                self.seats.free(header.session);
            }
            return;
        };
        self.with(place, |session, ctx, _| {
            if let Event::LogOnRefused { text, .. } = event {
                session.refused(text.as_str(), ctx);
            } else if let Event::Repeat(number) = event {
                session.repeat(*number);
            } else if *event == Event::Challenged {
                session.challenged(ctx);
            } else if *event == Event::Gone {
                session.gone(ctx);
            } else {
                session.event(header, event, ctx);
            }
        });
    }

    /// Everybody leaves; then every member must be able to come back, and all must add up.
    pub(crate) fn end(mut self, framed: impl Fn(&Self, usize, &str) -> Vec<u8>) {
        self.held = false;
        self.pump();
        for place in 0..PLACES {
            self.hang_up(place);
        }
        // Past cancel-on-disconnect, and past the minute in which passwords were guessed.
        self.pass(2);
        self.now.utc_ns += 61 * SECOND_NS;
        self.now.mono_ns += 61 * SECOND_NS;
        self.pump();
        if let Err(why) = self.stage.exchange.conserve() {
            panic!("it does not add up: {why}");
        }
        assert_eq!(self.stage.exchange.sessions().live(), 0, "a session is live that nobody holds");
        for (place, name) in NAMES.iter().enumerate().take(2) {
            let reset = "35=A|34=1|98=0|108=30|141=Y|553=NAME|554=secret".replace("NAME", name);
            let bytes = framed(&self, place, &reset);
            self.say(place, &bytes);
            let connection = self.places[place].as_ref().expect("it said something");
            assert!(connection.session.is_live(), "{name} cannot come back: {connection:?}");
            assert_eq!(connection.heard.last, 1, "a reset begins at 1");
        }
    }
}

/// What a view starts from: nothing of a market that is new is in any book or session.
fn seed(stage: &Stage) -> Seed {
    rialto_tools::serve::seed::of(&stage.exchange, stage.sequence)
}

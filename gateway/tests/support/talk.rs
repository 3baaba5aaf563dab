//! A conversation as a table: what a member sends, what it must hear, and how time passes.
//!
//! ```text
//! > 35=1|34=2|112=x      FIX from the member; 49, 52, 56 and the frame are added where they are not given
//! >raw 8=FIX.4.4|…       bytes from the member, bars standing for SOH
//! >line 35=A|…           a line from the member
//! < 35=0|34=2|112=x      the next message to the member, without 8 9 10 49 52 56; a star at the end: it starts so
//! +30                    seconds pass
//! x                      the connection is to end, and nothing more is said
//! hangup                 the member's connection ends; the next line is from a new one
//! ```
//! `2>`, `2<` and so on are of a second connection. `@a1` stands for the fields of an order a1. Whenever the member
//! speaks or the table ends, all that was said to it must have been in the table.

use std::collections::HashMap;

use rialto_gateway::resend::Past;
use rialto_gateway::session::{Commands, Context, Now, Seats, Session, Settings};
use rialto_gateway::standing::{Stance, Standing};
use rialto_gateway::timestamp;
use rialto_gateway::view::View;
use rialto_protocol::{Event, GatewayId, Name};

use crate::support::{Pretend, seed};

const START_NS: u64 = 1_772_323_200_001_000_000;
const SECOND_NS: u64 = 1_000_000_000;

#[derive(Default)]
pub(crate) struct Log(HashMap<u64, Vec<u8>>);

impl Past for Log {
    fn record(&mut self, position: u64) -> Option<&[u8]> {
        self.0.get(&position).map(Vec::as_slice)
    }
}

pub(crate) struct Talk {
    pub(crate) exchange: Pretend,
    pub(crate) settings: Settings,
    view: View,
    commands: Commands,
    seats: Seats,
    standing: Standing,
    log: Log,
    now: Now,
    connections: Vec<Option<Session>>,
    serial: u32,
    heard: Vec<Vec<u8>>,
    comp_id: &'static str,
}

impl Talk {
    pub(crate) fn new(comp_id: &'static str) -> Self {
        Self {
            exchange: Pretend::new(),
            settings: Settings {
                comp_id: Name::new(b"RIALTO").unwrap(),
                sending_time_tolerance_s: 120,
                user_defined_tags: false,
                messages_per_s: 0,
                spin: false,
            },
            view: View::new(&seed()),
            commands: Commands::default(),
            seats: Seats::default(),
            standing: Standing::default(),
            log: Log::default(),
            now: Now { utc_ns: START_NS, mono_ns: SECOND_NS },
            connections: vec![None, None],
            serial: 0,
            heard: vec![Vec::new(), Vec::new()],
            comp_id,
        }
    }

    pub(crate) fn run(&mut self, table: &str) {
        for (at, step) in table.lines().map(str::trim).enumerate().filter(|(_, step)| !step.is_empty()) {
            let (place, step) = match step.strip_prefix('2') {
                Some(rest) if !rest.starts_with(|c: char| c.is_ascii_digit()) => (1, rest),
                _ => (0, step),
            };
            let context = format!("step {at}: {step}\n{table}");
            self.step(place, step, &context);
        }
        self.nothing_left(0, table);
        self.nothing_left(1, table);
    }

    fn step(&mut self, place: usize, step: &str, context: &str) {
        if let Some(expected) = step.strip_prefix("< ") {
            let found = self.next(place);
            let matches = match expected.strip_suffix('*') {
                Some(start) => found.starts_with(start),
                None => found == expected,
            };
            assert!(matches, "heard `{found}` at {context}");
        } else if step == "x" {
            self.nothing_left(place, context);
            let close = self.connections[place].as_ref().unwrap().close();
            assert!(close.is_some(), "still open at {context}");
            self.hang_up(place);
        } else if step == "hangup" {
            self.nothing_left(place, context);
            self.hang_up(place);
        } else if let Some(seconds) = step.strip_prefix('+') {
            let seconds: f64 = seconds.parse().unwrap();
            let tenths = (0..1_000_000).take_while(|tenth| f64::from(*tenth) < seconds * 10.0).count();
            for _ in 0..tenths {
                self.now.utc_ns += SECOND_NS / 10;
                self.now.mono_ns += SECOND_NS / 10;
                self.tick();
            }
        } else {
            self.nothing_left(place, context);
            let bytes = if let Some(raw) = step.strip_prefix(">raw ") {
                raw.replace('|', "\x01").into_bytes()
            } else if let Some(line) = step.strip_prefix(">line ") {
                format!("{line}\n").into_bytes()
            } else if let Some(body) = step.strip_prefix("> ") {
                self.framed(body)
            } else {
                panic!("what is {step}?")
            };
            self.say(place, &bytes);
        }
    }

    /// A FIX message around the body.
    fn framed(&self, body: &str) -> Vec<u8> {
        let order = |name: &str| format!("11={name}|55=ACME|54=1|60=20260301-00:00:00|38=100|40=2|44=10.25");
        let mut fields: Vec<String> = Vec::new();
        for field in body.split('|') {
            match field.strip_prefix('@') {
                Some(name) => fields.extend(order(name).split('|').map(str::to_owned)),
                None => fields.push(field.to_owned()),
            }
        }
        let shifted = |seconds: i64| {
            let ns = self.now.utc_ns.saturating_add_signed(seconds * 1_000_000_000);
            String::from_utf8(timestamp::format_millis(ns).to_vec()).unwrap()
        };
        for field in &mut fields {
            for tag in ["52=", "122="] {
                if let Some(seconds) = field.strip_prefix(tag).and_then(|value| value.strip_prefix("now")) {
                    *field = format!("{tag}{}", shifted(seconds.parse().unwrap_or(0)));
                }
            }
        }
        let begin = match fields.iter().position(|field| field.starts_with("8=")) {
            Some(at) => fields.remove(at),
            None => "8=FIX.4.4".to_owned(),
        };
        let has = |fields: &[String], tag: &str| fields.iter().any(|field| field.starts_with(tag));
        for (tag, value) in
            [("49=", self.comp_id.to_owned()), ("56=", "RIALTO".to_owned()), ("52=", shifted(0))]
        {
            if !has(&fields, tag) {
                let at = 2.min(fields.len());
                fields.insert(at, format!("{tag}{value}"));
            }
        }
        fields.retain(|field| !matches!(field.as_str(), "49=" | "56=" | "52="));
        let body = format!("{}|", fields.join("|")).replace('|', "\x01");
        let mut bytes = format!("{begin}\x019={}\x01{body}", body.len()).into_bytes();
        let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256;
        bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
        bytes
    }

    fn say(&mut self, place: usize, bytes: &[u8]) {
        if self.connections[place].is_none() {
            self.serial += 1;
            self.connections[place] = Some(Session::new(self.serial, self.now));
        }
        self.connections[place].as_mut().unwrap().receive(bytes);
        self.pump();
    }

    /// A line comes, and a new epoch begins before the exchange has seen it.
    pub(crate) fn epoch_behind(&mut self, line: &str) {
        self.serial += 1;
        let mut session = Session::new(self.serial, self.now);
        session.receive(format!("{line}\n").as_bytes());
        self.connections[0] = Some(session);
        self.with(0, |session, ctx, _| session.turn(ctx));
        self.with(0, |session, ctx, _| session.epoch(ctx));
        self.pump();
    }

    fn hang_up(&mut self, place: usize) {
        self.with(place, |session, ctx, _| session.hung_up(ctx));
        self.connections[place] = None;
        self.pump();
    }

    fn tick(&mut self) {
        for place in 0..2 {
            self.with(place, |session, ctx, _| session.tick(ctx));
        }
        self.pump();
    }

    fn with(&mut self, place: usize, turn: impl FnOnce(&mut Session, &mut Context<'_>, &mut Log)) -> bool {
        let Some(session) = &mut self.connections[place] else { return false };
        let mut ctx = Context {
            view: &self.view,
            commands: &mut self.commands,
            seats: &mut self.seats,
            settings: &self.settings,
            gateway: GatewayId(1),
            stance: Stance::Trades,
            standing: &self.standing,
            now: self.now,
        };
        turn(session, &mut ctx, &mut self.log);
        true
    }

    /// Lets everything happen that follows.
    fn pump(&mut self) {
        loop {
            for place in 0..2 {
                self.with(place, |session, ctx, log| {
                    session.turn(ctx);
                    session.tell_news(ctx);
                    while session.resends() {
                        session.resend(log, ctx);
                    }
                });
                if let Some(session) = &mut self.connections[place] {
                    self.heard[place].append(session.output());
                    session.drained();
                }
            }
            if self.commands.is_empty() {
                return;
            }
            let records: Vec<Vec<u8>> = self.commands.records().map(<[u8]>::to_vec).collect();
            self.commands.pushed(records.len());
            for record in records {
                for (position, event) in self.exchange.apply(&record, self.now.utc_ns) {
                    self.log.0.insert(position, event.clone());
                    self.deliver(position, &event);
                }
                let changes = self.view.books.take_changes();
                for place in 0..2 {
                    self.with(place, |session, ctx, _| session.changes(&changes, ctx));
                }
            }
        }
    }

    fn deliver(&mut self, position: u64, record: &[u8]) {
        let (header, event) = self.view.apply(record, position).unwrap();
        let seat = self.seats.get(header.session);
        let refused =
            if let Event::LogOnRefused { connection, .. } = event { Some(connection) } else { None };
        let Some(connection) = refused.or(seat.map(|seat| seat.connection)) else { return };
        let place = (0..2).find(|place| {
            self.connections[*place].as_ref().is_some_and(|found| found.connection() == connection)
        });
        let Some(place) = place else {
            if matches!(event, Event::Gone) {
                self.seats.free(header.session);
            }
            return;
        };
        self.with(place, |session, ctx, _| {
            if let Event::LogOnRefused { text, .. } = &event {
                session.refused(text.as_str(), ctx);
            } else if let Event::Repeat(number) = &event {
                session.repeat(*number);
            } else if event == Event::Challenged {
                session.challenged(ctx);
            } else if event == Event::Gone {
                session.gone(ctx);
            } else {
                session.event(&header, &event, ctx);
            }
        });
    }

    /// The next message that the member hears, without what is the same in all of them; empty if there is none.
    fn next(&mut self, place: usize) -> String {
        let heard = &mut self.heard[place];
        if heard.first() != Some(&b'8') {
            let end = heard.iter().position(|byte| *byte == b'\n').map_or(heard.len(), |end| end + 1);
            let line: Vec<u8> = heard.drain(..end).collect();
            return String::from_utf8(line).unwrap().trim_end().to_owned();
        }
        let text = String::from_utf8(heard.clone()).unwrap();
        let end = text.find("\x0110=").unwrap() + 8;
        let message: Vec<u8> = heard.drain(..end).collect();
        let message = String::from_utf8(message).unwrap();
        let fields: Vec<&str> = message
            .split('\x01')
            .filter(|field| {
                !field.is_empty()
                    && !["8=", "9=", "10=", "49=", "52=", "56=", "122="]
                        .iter()
                        .any(|tag| field.starts_with(tag))
            })
            .collect();
        fields.join("|")
    }

    fn nothing_left(&mut self, place: usize, context: &str) {
        let left = self.next(place);
        assert!(left.is_empty(), "heard `{left}` before {context}");
    }
}

/// One conversation of ALPHA1 in FIX.
pub(crate) fn check(table: &str) {
    Talk::new("ALPHA1").run(table);
}

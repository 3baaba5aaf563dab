//! The session layer: what [`Sessions`](crate::sessions::Sessions) decides is told, and what follows for orders is set
//! going.

use rialto_protocol::command::{EpochOpened, LogOn, Notice, NoticeKind, SessionNote};
use rialto_protocol::event::{Event, NoticeEvent};
use rialto_protocol::terms::SessionKind;
use rialto_protocol::{
    Command, GatewayId, Header, InstrumentId, Note, Reason, SessionId, SessionSeq, TimeInForce,
};

use super::Exchange;
use super::emit::Emitter;
use crate::directory::Covered;
use crate::sessions::{LogOnAnswer, Lost, NoteAnswer};
use crate::work::{Selection, Task};

/// `BusinessRejectReason` (380): other.
const OTHER: u16 = 0;

impl Exchange {
    pub(super) fn session_layer(&mut self, header: &Header, command: &Command, out: &mut Emitter<'_>) {
        match command {
            Command::LogOn(log_on) => self.log_on(header, log_on, out),
            Command::LogOff(gateway, cause) => {
                if self.sessions.log_off(&self.directory, header, *gateway, *cause) {
                    out.tell(header.session, &Event::Gone);
                }
            }
            Command::Note(note) => self.note(header, note, out),
            Command::Challenge => {
                if self.sessions.get(header.session).is_some_and(|session| session.link().is_some()) {
                    out.tell(header.session, &Event::Challenged);
                }
            }
            Command::GatewayLost(gateway) => self.gateway_lost(*gateway, out),
            Command::Refuse => self.refuse(header, out),
            Command::Epoch(_)
            | Command::Version(_)
            | Command::Tick
            | Command::Continue
            | Command::Chain { .. }
            | Command::Operate(..)
            | Command::NewOrder(_)
            | Command::Cancel(_)
            | Command::Replace(_)
            | Command::Status(_)
            | Command::MassStatus(_)
            | Command::MassCancel(_)
            | Command::SecurityList(_)
            | Command::Balances(_)
            | Command::RefusedOrder(_)
            | Command::RefusedCancel(_) => unreachable!("{command:?} is not of the session layer"),
        }
    }

    /// A primary's term begins.
    pub(super) fn epoch(&mut self, opened: &EpochOpened, out: &mut Emitter<'_>) {
        self.term.epoch = opened.epoch;
        self.term.node = opened.node;
        if opened.loss {
            self.issued.jump();
        }
        self.sessions.epoch(&self.directory, out.timestamp(), opened.loss);
        // All are gone, and gateways have other numbers from now on.
        self.work.forget_lost();
        out.tell(SessionId::NONE, &Event::Epoch(*opened));
    }

    /// Ends the orders of sessions that have stayed away for too long.
    pub(super) fn fire_timers(&mut self, out: &mut Emitter<'_>) {
        while let Some(session) = self.sessions.pop_due(out.timestamp()) {
            let selection = Selection {
                covered: Covered::Session(session),
                instrument: InstrumentId::NONE,
                time_in_force: Some(TimeInForce::Day),
            };
            self.start(Task::Cancel(Reason::Disconnected), selection, out);
        }
    }

    /// Numbers of a session start anew: what it was told under the old ones can no longer be repeated.
    pub(super) fn forget_answers(&mut self, session: SessionId) {
        self.windows.forget(session);
        for (_, slot) in self.open.iter() {
            if self.orders[slot].session == session {
                self.terms[slot.index()].answer = SessionSeq::NONE;
            }
        }
    }

    fn log_on(&mut self, header: &Header, log_on: &LogOn, out: &mut Emitter<'_>) {
        let welcome = Note::clipped(&format!("{} epoch {}", self.term.node, self.term.epoch));
        match self.sessions.log_on(&self.directory, header, log_on, welcome) {
            LogOnAnswer::Refused(text) => {
                let (gateway, connection) = (log_on.gateway, log_on.connection);
                out.tell(header.session, &Event::LogOnRefused { gateway, connection, text });
            }
            LogOnAnswer::TurnedAway(logout) => self.notify(header.session, logout, out),
            LogOnAnswer::Live { log_on: answer, resend_request } => {
                if log_on.reset != 0 {
                    self.forget_answers(header.session);
                }
                self.notify(header.session, answer, out);
                if let Some(request) = resend_request {
                    self.notify(header.session, request, out);
                }
            }
        }
    }

    fn note(&mut self, header: &Header, note: &SessionNote, out: &mut Emitter<'_>) {
        let NoteAnswer::Taken { notice, gone } = self.sessions.note(&self.directory, header, note) else {
            return;
        };
        if let Some(notice) = notice {
            self.notify(header.session, notice, out);
        }
        if gone {
            out.tell(header.session, &Event::Gone);
        }
    }

    /// The first slice follows at once, unless there are sessions of another gateway left.
    fn gateway_lost(&mut self, gateway: GatewayId, out: &mut Emitter<'_>) {
        self.work.lose(Lost::new(gateway));
        self.end_lost(out);
    }

    /// The next slice of the sessions of a lost gateway; whether there was one.
    pub(super) fn end_lost(&mut self, out: &mut Emitter<'_>) -> bool {
        let Some(mut lost) = self.work.lost() else { return false };
        for session in self.sessions.gateway_lost(&self.directory, &mut lost, out.timestamp()) {
            out.tell(session, &Event::Gone);
        }
        self.work.advance_lost(lost);
        true
    }

    /// Answers the message that once made the exchange stop. The session need not be live.
    fn refuse(&mut self, header: &Header, out: &mut Emitter<'_>) {
        let trading = self.directory.session(header.session).map(|session| session.kind);
        if trading != Some(SessionKind::Trading) || !self.take_number(header) {
            return;
        }
        let Some(session) = self.sessions.get(header.session) else { return };
        let notice = Notice {
            kind: NoticeKind::BusinessReject,
            ref_type: [0; 2],
            reason: OTHER,
            ref_seq: header.session_seq.0,
            ref_tag: None,
            text: Note::clipped(Reason::Internal.words()),
        };
        let event = NoticeEvent {
            previous: 0,
            gateway: session.link().map_or(GatewayId(0), |link| link.gateway),
            connection: session.link().map_or(0, |link| link.connection),
            next_inbound: session.next_inbound(),
            incarnation: session.incarnation(),
            heartbeat_s: session.heartbeat_s(),
            flags: 0,
            notice,
        };
        self.notify(header.session, event, out);
    }

    fn notify(&mut self, session: SessionId, notice: NoticeEvent, out: &mut Emitter<'_>) {
        out.message(&mut self.sessions, session, |previous| {
            Event::Notice(NoticeEvent { previous, ..notice })
        });
    }
}

//! What sessions promise, in a member's and a gateway's words: `check(what happens, what is told)`.

mod twin;

use std::collections::BTreeMap;

use rialto_protocol::command::kind;
use rialto_protocol::reference::{AccountDef, Operation, ParticipantDef, SessionDef, kind as operation_kind};
use rialto_protocol::terms::{ParticipantKind, SelfTrade};

use super::*;

/// Three sessions: 1 keeps its orders when it goes away, 2 does not, 3 reads market data.
fn directory() -> Directory {
    let mut directory = Directory::default();
    let session = |comp_id: &str, kind, cancel_on_disconnect| {
        Operation::Session(SessionDef {
            comp_id: comp_id.parse().unwrap(),
            participant: "ALPHA".parse().unwrap(),
            kind,
            cancel_on_disconnect,
            secret: [0; 32],
        })
    };
    for operation in [
        Operation::Participant(ParticipantDef {
            name: "ALPHA".parse().unwrap(),
            kind: ParticipantKind::Broker,
            self_trade: SelfTrade::Off,
        }),
        Operation::Account(AccountDef { name: "A1".parse().unwrap(), participant: "ALPHA".parse().unwrap() }),
        session("KEEPS", SessionKind::Trading, false),
        session("ENDS", SessionKind::Trading, true),
        session("FEED", SessionKind::MarketData, false),
    ] {
        directory.define(&operation).unwrap();
    }
    directory
}

/// The sessions, a pretend event log, and a clock.
struct Desk {
    directory: Directory,
    sessions: Sessions,
    /// Position → session, number, position of the previous one.
    log: BTreeMap<u64, (u32, u32, u64)>,
    end: Position,
    now: Timestamp,
}

impl Desk {
    fn new() -> Self {
        let directory = directory();
        let mut sessions = Sessions::default();
        for (id, _) in directory.sessions().iter() {
            sessions.defined(SessionId(id));
        }
        Self { directory, sessions, log: BTreeMap::new(), end: Position::FIRST, now: Timestamp(1_000) }
    }

    /// A desk whose session 1 is live at gateway 1, expecting 2 both ways.
    fn live() -> Self {
        let mut desk = Self::new();
        desk.check("log-on 1", "LogOn 1 next 2");
        desk
    }

    fn header(&self, session: u32, number: u32) -> Header {
        Header {
            session: SessionId(session),
            session_seq: SessionSeq(number),
            timestamp: self.now,
            ..Header::default()
        }
    }

    /// Sends a message to a session, as the exchange does; its number.
    fn send(&mut self, session: u32) -> u32 {
        let (number, previous) = self.sessions.next_message(SessionId(session)).unwrap();
        // Lengths that vary, so that pages end differently.
        let length = 96 + (number.0 as usize % 5) * 8;
        let position = Position::place(self.end, length);
        self.end = position.plus(length);
        self.sessions.sent(SessionId(session), position);
        self.log.insert(position.get(), (session, number.0, previous));
        number.0
    }

    fn told(&mut self, session: u32, event: &NoticeEvent) -> String {
        let number = self.send(session);
        let notice = &event.notice;
        let what = match notice.kind {
            NoticeKind::ResendRequest => format!(" from {}", notice.ref_seq),
            NoticeKind::LogOn => format!(" next {}", event.next_inbound),
            NoticeKind::Heartbeat
            | NoticeKind::TestRequest
            | NoticeKind::Reject
            | NoticeKind::Logout
            | NoticeKind::BusinessReject => format!(": {}", notice.text),
        };
        let flags = [(notice_flag::RESET, " (reset)"), (notice_flag::CLOSE, " (close)")];
        let flags: String =
            flags.iter().filter(|(flag, _)| event.flags & flag != 0).map(|(_, name)| *name).collect();
        format!("{:?} {number}{what}{flags}", notice.kind)
    }

    /// What happens to a session in words: `VERB NUMBER [KEY=VALUE …]`, with keys s (session, 1), gw (gateway, 1), 789.
    fn answer(&mut self, words: &str) -> String {
        let key = |key: &str, or: u32| {
            let found = words.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            found.map_or(or, |value| value.parse().unwrap())
        };
        let verb = words.split(' ').next().unwrap();
        let number = words.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let (session, gateway) = (key("s", 1), GatewayId(key("gw", 1)));
        let header = self.header(session, number);
        let gone = |gone: bool| if gone { "gone".to_owned() } else { String::new() };
        match verb {
            "log-on" | "reset-log-on" => {
                let log_on = LogOn {
                    gateway,
                    connection: 7,
                    next_expected: key("789", 0),
                    heartbeat_s: 30,
                    reset: u8::from(verb == "reset-log-on"),
                    line: 0,
                };
                self.log_on(&header, &log_on)
            }
            "log-off" => {
                gone(self.sessions.log_off(&self.directory, &header, gateway, LogOffCause::Disconnected))
            }
            "unmet" => {
                gone(self.sessions.log_off(&self.directory, &header, gateway, LogOffCause::PolicyUnmet))
            }
            "drained" => gone(self.sessions.log_off(&self.directory, &header, gateway, LogOffCause::Drained)),
            "lost" => format!(
                "{:?}",
                self.sessions.gateway_lost(&self.directory, &mut Lost::new(gateway), self.now)
            ),
            "reset" => gone(self.sessions.reset(&self.directory, SessionId(session), self.now)),
            "consume" => self.note(&header, Inbound::Consumed, false, None),
            "reject" => self.note(&header, Inbound::Consumed, false, Some(NoticeKind::Reject)),
            "logout" => self.note(&header, Inbound::Consumed, true, Some(NoticeKind::Logout)),
            "heartbeat" => self.note(&header, Inbound::Untouched, false, Some(NoticeKind::Heartbeat)),
            "jump" => self.note(&header, Inbound::JumpTo(SessionSeq(key("to", 0))), false, None),
            other => panic!("nothing is called {other}"),
        }
    }

    fn log_on(&mut self, header: &Header, log_on: &LogOn) -> String {
        let session = header.session.0;
        match self.sessions.log_on(&self.directory, header, log_on, Note::clipped("n1 epoch 1")) {
            LogOnAnswer::Refused(words) => format!("refused: {words}"),
            LogOnAnswer::TurnedAway(logout) => self.told(session, &logout),
            LogOnAnswer::Live { log_on, resend_request } => {
                let mut words = self.told(session, &log_on);
                if let Some(event) = resend_request {
                    words += ", ";
                    words += &self.told(session, &event);
                }
                words
            }
        }
    }

    fn note(&mut self, header: &Header, inbound: Inbound, close: bool, kind: Option<NoticeKind>) -> String {
        let outbound = kind.map(|kind| text_notice(kind, Note::clipped("words")));
        match self.sessions.note(&self.directory, header, &SessionNote { inbound, outbound, close }) {
            NoteAnswer::Ignored => "ignored".to_owned(),
            NoteAnswer::Taken { notice, gone } => {
                let mut words = notice.map_or(String::new(), |event| self.told(header.session.0, &event));
                if gone {
                    words += ", gone";
                }
                words
            }
        }
    }

    #[track_caller]
    fn check(&mut self, happens: &str, told: &str) {
        assert_eq!(self.answer(happens), told, "{happens}");
    }

    /// Next inbound and outbound number of a session.
    fn numbers(&self, session: u32) -> (u32, u32) {
        let state = self.sessions.get(SessionId(session)).unwrap();
        (state.next_inbound().0, state.next_outbound().0)
    }

    fn is_live(&self, session: u32) -> bool {
        self.sessions.get(SessionId(session)).unwrap().link().is_some()
    }

    /// Sessions whose grace has ended by `now`.
    fn due(&mut self, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| self.sessions.pop_due(Timestamp(now))).map(|id| id.0).collect()
    }

    fn admit(&self, kind: u8, session: u32, number: u32, gateway: u32) -> Admit {
        let header = Header { kind, ..self.header(session, number) };
        self.sessions.admit(&header, GatewayId(gateway))
    }

    /// Finds a message by walking back from the nearest kept one. Its number and the steps taken.
    fn walk(&self, session: u32, number: u32) -> Option<(u32, u32)> {
        let state = self.sessions.get(SessionId(session)).unwrap();
        let start = state.positions().nearest(SessionSeq(number))?;
        let (mut at, mut steps) = (start.position, 0);
        let (_, mut found, mut previous) = self.log[&at];
        assert_eq!(found, start.number.0);
        while found > number && previous != 0 && self.log[&previous].1 >= number {
            at = previous;
            (_, found, previous) = self.log[&at];
            steps += 1;
        }
        assert_eq!(self.log[&at].0, session, "a walk stays with its session");
        Some((found, steps))
    }
}

#[test]
fn a_log_on_with_the_expected_number_is_answered_and_uses_it_up() {
    let mut desk = Desk::new();
    desk.check("log-on 1", "LogOn 1 next 2");
    assert!(desk.is_live(1));
    assert_eq!(desk.numbers(1), (2, 2));
    let state = desk.sessions.get(SessionId(1)).unwrap();
    assert_eq!(state.link(), Some(Link { gateway: GatewayId(1), connection: 7 }));
    assert_eq!((state.heartbeat_s(), state.incarnation()), (30, 1));
}

#[test]
fn numbers_go_on_after_a_disconnect() {
    let mut desk = Desk::live();
    desk.check("consume 2", "");
    desk.check("log-off 0", "gone");
    desk.check("log-on 3", "LogOn 2 next 4");
}

#[test]
fn a_log_on_without_number_is_taken_as_the_expected_one() {
    let mut desk = Desk::live();
    desk.check("log-off 0", "gone");
    desk.check("log-on 0", "LogOn 2 next 3");
}

#[test]
fn a_log_on_with_a_low_number_is_told_so_in_a_numbered_logout_and_not_let_in() {
    let mut desk = Desk::live();
    desk.check("log-off 0", "gone");
    desk.check("log-on 1", "Logout 2: MsgSeqNum too low, expecting 2 but received 1 (close)");
    assert!(!desk.is_live(1));
    assert_eq!(desk.numbers(1), (2, 3), "the logout has a number, the log-on used none up");
    desk.check("log-on 2", "LogOn 3 next 3");
}

#[test]
fn a_log_on_with_a_high_number_is_answered_first_and_then_asked_for_what_is_missing() {
    let mut desk = Desk::new();
    desk.check("log-on 5", "LogOn 1 next 1, ResendRequest 2 from 1");
    assert!(desk.is_live(1));
    assert_eq!(desk.numbers(1), (1, 3));
}

#[test]
fn a_log_on_with_reset_starts_both_numbers_anew_in_the_next_incarnation() {
    let mut desk = Desk::live();
    desk.check("reject 2", "Reject 2: words");
    desk.check("log-off 0", "gone");
    desk.check("reset-log-on 1", "LogOn 1 next 2 (reset)");
    assert_eq!(desk.numbers(1), (2, 2));
    let state = desk.sessions.get(SessionId(1)).unwrap();
    assert_eq!((state.incarnation(), state.first_kept()), (2, SessionSeq(1)));
}

#[test]
fn a_reset_needs_number_1_both_ways_and_is_refused_without_a_trace_otherwise() {
    let mut desk = Desk::live();
    desk.check("log-off 0", "gone");
    let before = desk.sessions.clone();
    desk.check("reset-log-on 2", "refused: ResetSeqNumFlag needs MsgSeqNum 1");
    desk.check("reset-log-on 1 789=2", "refused: ResetSeqNumFlag needs NextExpectedMsgSeqNum 1");
    assert_eq!(desk.sessions, before);
    desk.check("reset-log-on 0 789=1", "LogOn 1 next 2 (reset)");
}

#[test]
fn a_member_that_expects_more_than_was_sent_is_told_so_and_not_let_in() {
    let mut desk = Desk::live();
    desk.check("log-off 0", "gone");
    desk.check("log-on 2 789=3", "Logout 2: NextExpectedMsgSeqNum 3 is above the next number, 2 (close)");
    assert_eq!(desk.numbers(1), (3, 3), "the log-on had the expected number and used it up");
    desk.check("log-on 3 789=3", "LogOn 3 next 4");
}

#[test]
fn a_member_that_asks_for_what_is_kept_no_longer_is_told_so_and_not_let_in() {
    let mut desk = Desk::live();
    desk.check("log-off 0", "gone");
    desk.sessions.day_end(Position::FIRST);
    desk.check(
        "log-on 2 789=1",
        "Logout 2: NextExpectedMsgSeqNum 1 is older than what is kept, from 2 (close)",
    );
    desk.check("log-on 3 789=2", "LogOn 3 next 4");
}

#[test]
fn a_live_session_is_not_logged_on_again() {
    let mut desk = Desk::live();
    let before = desk.sessions.clone();
    desk.check("log-on 2 gw=2", "refused: the session is logged on already");
    desk.check("reset-log-on 1", "refused: the session is logged on already");
    assert_eq!(desk.sessions, before);
}

#[test]
fn unknown_and_market_data_sessions_are_refused_without_a_number() {
    let mut desk = Desk::new();
    desk.check("log-on 1 s=9", "refused: no such session");
    desk.check("log-on 1 s=0", "refused: no such session");
    desk.check("log-on 1 s=3", "refused: a market-data session has no numbers of the exchange's");
    assert_eq!(desk.numbers(3), (1, 1));
}

#[test]
fn a_note_uses_up_its_number_only_if_it_is_the_expected_one() {
    let mut desk = Desk::live();
    desk.check("reject 2", "Reject 2: words");
    assert_eq!(desk.numbers(1), (3, 3));
    for number in [0, 2, 4] {
        desk.check(&format!("reject {number}"), "ignored");
    }
    assert_eq!(desk.numbers(1), (3, 3));
}

#[test]
fn a_gateway_s_own_message_takes_a_number_out_and_none_in() {
    let mut desk = Desk::live();
    desk.check("heartbeat 0", "Heartbeat 2: words");
    assert_eq!(desk.numbers(1), (2, 3));
}

#[test]
fn a_sequence_reset_moves_the_inbound_number_forward_only() {
    let mut desk = Desk::live();
    desk.check("jump 0 to=10", "");
    assert_eq!(desk.numbers(1), (10, 2));
    desk.check("jump 10 to=10", "");
    desk.check("jump 0 to=9", "ignored");
    desk.check("jump 0 to=4294967295", "ignored");
    assert_eq!(desk.numbers(1), (10, 2));
    desk.check("jump 10 to=4000000000", "");
}

#[test]
fn a_logout_is_numbered_and_ends_the_session() {
    let mut desk = Desk::live();
    desk.check("logout 2", "Logout 2: words (close), gone");
    assert!(!desk.is_live(1));
    desk.check("heartbeat 0", "ignored");
    assert_eq!(desk.numbers(1), (3, 3));
}

#[test]
fn only_the_gateway_that_holds_a_session_logs_it_off() {
    let mut desk = Desk::live();
    desk.check("log-off 0 gw=2", "");
    assert!(desk.is_live(1));
    desk.check("log-off 0", "gone");
    desk.check("log-off 0", "");
    desk.check("log-off 0 s=9", "");
}

#[test]
fn a_lost_gateway_s_sessions_are_all_gone_and_no_others() {
    let mut desk = Desk::live();
    desk.check("log-on 1 s=2 gw=2", "LogOn 1 next 2");
    desk.check("lost 0 gw=1", "[SessionId(1)]");
    assert!(!desk.is_live(1) && desk.is_live(2));
    desk.check("lost 0 gw=1", "[]");
    desk.check("log-on 2 gw=3", "LogOn 2 next 3");
    assert_eq!(desk.sessions.live(), 2);
}

/// A desk whose session 2 (cancel on disconnect) is live and has an open order.
fn with_order() -> Desk {
    let mut desk = Desk::new();
    desk.check("log-on 1 s=2", "LogOn 1 next 2");
    desk.sessions.order_opened(SessionId(2));
    desk
}

#[test]
fn orders_of_a_session_that_went_away_wait_for_ten_seconds() {
    for way in ["log-off 0 s=2", "logout 2 s=2", "lost 0", "reset 0 s=2"] {
        let mut desk = with_order();
        desk.answer(way);
        assert_eq!(desk.sessions.next_deadline(), Some(Timestamp(1_000 + GRACE_NS)), "{way}");
        assert_eq!(desk.due(999 + GRACE_NS), []);
        assert_eq!(desk.due(1_000 + GRACE_NS), [2]);
        assert_eq!(desk.sessions.next_deadline(), None);
    }
}

#[test]
fn a_member_that_is_back_within_its_grace_keeps_its_orders() {
    let mut desk = with_order();
    desk.check("log-off 0 s=2", "gone");
    desk.check("log-on 1 s=2", "Logout 2: MsgSeqNum too low, expecting 2 but received 1 (close)");
    assert!(desk.sessions.next_deadline().is_some(), "who is not let in is not back");
    desk.check("log-on 2 s=2", "LogOn 3 next 3");
    assert_eq!(desk.sessions.next_deadline(), None);
    assert_eq!(desk.due(u64::MAX), []);
}

#[test]
fn no_grace_begins_for_orders_that_stay_or_are_not_there() {
    let mut desk = Desk::live();
    desk.sessions.order_opened(SessionId(1));
    desk.check("log-off 0", "gone");
    desk.check("log-on 1 s=2", "LogOn 1 next 2");
    desk.check("log-off 0 s=2", "gone");
    assert_eq!(desk.sessions.next_deadline(), None, "an exchange without deadlines journals nothing");
}

#[test]
fn a_session_that_went_away_by_our_fault_keeps_its_orders_until_the_next_epoch_s_grace() {
    for way in ["unmet 0 s=2", "drained 0 s=2"] {
        let mut desk = with_order();
        desk.check(way, "gone");
        assert!(!desk.is_live(2));
        assert_eq!(desk.sessions.next_deadline(), None, "{way}");
        desk.sessions.epoch(&desk.directory, Timestamp(5_000), false);
        assert_eq!(desk.due(5_000 + GRACE_NS), [2]);
    }
}

#[test]
fn in_a_new_epoch_nobody_is_live_and_every_grace_begins_anew() {
    let mut desk = with_order();
    desk.check("log-on 1", "LogOn 1 next 2");
    desk.check("log-off 0 s=2", "gone");
    let later = 1_000 + 100 * GRACE_NS;
    desk.sessions.epoch(&desk.directory, Timestamp(later), false);
    assert_eq!(desk.sessions.live(), 0);
    assert_eq!(desk.due(later), [], "no grace runs out while there was no primary");
    assert_eq!(desk.due(later + GRACE_NS), [2]);
    assert_eq!(desk.numbers(2), (2, 2), "numbers go on in a new epoch");
}

#[test]
fn after_a_loss_no_outbound_number_is_issued_twice() {
    let mut desk = Desk::live();
    desk.sessions.epoch(&desk.directory, Timestamp(5_000), true);
    desk.check("log-on 2", "LogOn 1000002 next 3");
    assert_eq!(desk.numbers(2), (1, 1_000_001));
    assert_eq!(desk.walk(1, 2), Some((1_000_002, 0)), "a number that was jumped over leads to the next");
    assert_eq!(desk.walk(1, 1), Some((1, 1)));
}

#[test]
fn an_operator_s_reset_starts_anew_and_ends_a_live_session() {
    let mut desk = Desk::live();
    desk.check("reset 0", "gone");
    assert_eq!(desk.numbers(1), (1, 1));
    desk.check("reset 0", "");
    desk.check("reset 0 s=9", "");
    assert_eq!(desk.sessions.get(SessionId(1)).unwrap().incarnation(), 3);
    desk.check("log-on 1", "LogOn 1 next 2");
}

#[test]
fn numbers_go_on_over_the_end_of_the_day_and_its_messages_are_kept_no_longer() {
    let mut desk = Desk::live();
    desk.sessions.day_end(Position::FIRST);
    assert_eq!(desk.numbers(1), (2, 2));
    assert_eq!(desk.sessions.get(SessionId(1)).unwrap().first_kept(), SessionSeq(2));
    assert_eq!(desk.sessions.next_message(SessionId(1)), Some((SessionSeq(2), 0)));
    assert_eq!(desk.walk(1, 1), None);
    desk.check("heartbeat 0", "Heartbeat 2: words");
    assert_eq!(desk.walk(1, 1), Some((2, 0)));
}

#[test]
fn every_kept_message_is_found_within_64_steps() {
    let mut desk = Desk::live();
    desk.check("log-on 1 s=2", "LogOn 1 next 2");
    for _ in 0..150 {
        desk.send(1);
        desk.send(2);
    }
    desk.sessions.epoch(&desk.directory, Timestamp(5_000), true);
    for _ in 0..40_000 {
        desk.send(1);
    }
    let numbers: Vec<_> = desk.log.values().filter(|entry| entry.0 == 1).map(|entry| entry.1).collect();
    assert_eq!(numbers.len(), 40_151);
    let mut longest = 0;
    for number in numbers {
        let (found, steps) = desk.walk(1, number).unwrap();
        assert_eq!(found, number);
        longest = longest.max(steps);
    }
    assert_eq!(longest, 63);
    let next = desk.numbers(1).1;
    assert_eq!(desk.walk(1, next), None, "what was not sent yet is not found");
}

#[test]
fn the_state_keeps_one_position_for_64_messages() {
    let mut desk = Desk::live();
    let empty = bincode::serialized_size(&desk.sessions).unwrap();
    for _ in 0..64 * 1_000 {
        desk.send(1);
    }
    let kept = bincode::serialized_size(&desk.sessions).unwrap() - empty;
    assert_eq!(kept, 1_000 * 12 + 4 * 8, "a number and a position each, and the lengths of four chunks");
    let marks: Vec<_> = desk.sessions.get(SessionId(1)).unwrap().positions().marks().collect();
    assert_eq!(marks.len(), 1_000);
    assert!(marks.iter().zip(1..).all(|(mark, count)| mark.number.0 == 64 * count));
    assert!(marks.is_sorted_by(|a, b| a.position < b.position));
}

#[test]
fn a_number_is_used_up_once_and_in_order() {
    let mut desk = Desk::live();
    let session = SessionId(1);
    assert!(desk.sessions.consume(session, SessionSeq(2)));
    assert!(!desk.sessions.consume(session, SessionSeq(2)));
    assert!(!desk.sessions.consume(session, SessionSeq(4)));
    assert!(desk.sessions.consume(session, SessionSeq::NONE));
    assert!(!desk.sessions.consume(SessionId(9), SessionSeq(1)));
    assert_eq!(desk.numbers(1), (3, 2));
}

#[test]
fn a_session_s_record_is_taken_only_from_its_gateway_and_only_in_order() {
    let desk = Desk::live();
    for kind in [kind::NOTE, kind::NEW_ORDER, kind::CANCEL, kind::REPLACE, kind::LAST] {
        assert_eq!(desk.admit(kind, 1, 2, 1), Admit::Yes);
        assert_eq!(desk.admit(kind, 1, 0, 1), Admit::Yes, "unnumbered: the gateway speaks by itself");
        assert_eq!(desk.admit(kind, 1, 1, 1), Admit::Drop, "a number that was used before");
        assert_eq!(desk.admit(kind, 1, 3, 1), Admit::Cut, "one is missing");
        assert_eq!(desk.admit(kind, 1, 2, 2), Admit::Drop, "another gateway's");
        assert_eq!(desk.admit(kind, 2, 1, 1), Admit::Drop, "not live");
        assert_eq!(desk.admit(kind, 9, 1, 1), Admit::Drop, "no such session");
    }
    assert_eq!(desk.admit(kind::LOG_OFF, 1, 0, 1), Admit::Yes);
    assert_eq!(desk.admit(kind::LOG_OFF, 1, 0, 2), Admit::Drop);
    assert_eq!(desk.admit(kind::LOG_OFF, 2, 0, 1), Admit::Drop);
}

#[test]
fn a_log_on_or_challenge_is_taken_from_any_gateway() {
    let desk = Desk::live();
    for kind in [kind::LOG_ON, kind::CHALLENGE] {
        assert_eq!(desk.admit(kind, 1, 99, 2), Admit::Yes);
        assert_eq!(desk.admit(kind, 2, 1, 1), Admit::Yes);
    }
}

#[test]
fn what_only_the_node_may_say_is_taken_from_no_gateway() {
    let desk = Desk::live();
    for kind in (kind::EPOCH..=kind::GATEWAY_LOST).chain(operation_kind::FIRST..=operation_kind::LAST) {
        assert_eq!(desk.admit(kind, 1, 2, 0), Admit::Yes);
        assert_eq!(desk.admit(kind, 1, 2, 1), Admit::Drop);
    }
    for kind in [0, 8, 15, operation_kind::LAST + 1, 47, 52, 63, kind::LAST + 1, 255] {
        assert_eq!(desk.admit(kind, 1, 2, 0), Admit::Drop, "no command has kind {kind}");
        assert_eq!(desk.admit(kind, 1, 2, 1), Admit::Drop);
    }
}

#[test]
fn worn_out_numbers_end_in_a_reset_and_never_wrap() {
    let mut desk = Desk::live();
    desk.check("jump 0 to=4000000000", "");
    desk.check("consume 4000000000", "");
    assert_eq!(desk.admit(kind::NEW_ORDER, 1, 4_000_000_001, 1), Admit::Cut);
    desk.check("log-off 0", "gone");
    desk.check("log-on 0", "refused: the session's numbers are used up: it needs a reset");
    desk.check("reset-log-on 1", "LogOn 1 next 2 (reset)");
    for _ in 0..5_000 {
        desk.sessions.epoch(&desk.directory, Timestamp(5_000), true);
    }
    assert_eq!(desk.numbers(1), (2, u32::MAX));
    desk.check("log-on 0", "refused: the session's numbers are used up: it needs a reset");
    desk.send(1);
    assert_eq!(desk.numbers(1), (2, u32::MAX));
}

#[test]
#[should_panic(expected = "SessionId(1) has no open order to close")]
fn an_order_that_ends_was_open() {
    Desk::live().sessions.order_closed(SessionId(1));
}

#[test]
fn sessions_read_back_from_bytes_go_on_the_same() {
    let mut desk = with_order();
    for _ in 0..200 {
        desk.send(2);
    }
    desk.check("log-off 0 s=2", "gone");
    let bytes = bincode::serialize(&desk.sessions).unwrap();
    let back: Sessions = bincode::deserialize(&bytes).unwrap();
    assert_eq!(back, desk.sessions);
    assert_eq!(bincode::serialize(&back).unwrap(), bytes);
}

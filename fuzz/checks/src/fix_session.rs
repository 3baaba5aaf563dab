//! The session layer over frames and time: a script of what members send, what is delivered when, and how time passes.
//!
//! ```text
//! >35=1|112=x      FIX of the member in hand, framed; 49, 56, 52 and 34 (the expected one) are added where they are missing;
//!                  34=+2 and 52=-130 are relative to the expected number and to now, in seconds
//! "8=FIX.4.4|…     bytes as they are; a bar stands for SOH
//! -35=A|…          a line
//! 0 1 2 3          the member in hand: ALPHA1, BETA1, FEED1, ALPHA1 once more
//! +30              so many tenths of a second pass
//! h                from here on what is asked and told is held back
//! c d              the exchange takes what was asked; the gateway reads one event
//! r                all is released, and nothing is held any more
//! x e              the connection breaks; the member sends nothing more
//! R K k G E        session reset, kill switch on and off, gateway lost, a new epoch
//! H O              the market is halted, opens
//! ```
//! Promised: no panic; what is written is well-framed FIX that a stock client's dictionary accepts, or whole lines; new
//! numbers go up by one, also over connections; nothing is sent again that was not sent; a gap is asked for once; nothing
//! is said after the end; no command is out of turn; money adds up; and whatever happened, every member can come back.

use rialto_gateway::timestamp;
use rialto_protocol::command::EpochOpened;
use rialto_protocol::reference::{Operation, Scope, ScopeKind};
use rialto_protocol::terms::MarketState;
use rialto_protocol::{Command, Epoch, GatewayId, Name, SessionId, Symbol};

use crate::conversation::{Conversations, NAMES, PLACES};
use crate::market::SECOND_NS;

/// Longer scripts take long and show no more.
const STEPS_MAX: usize = 400;
/// Tenths of a second that one script may let pass.
const TENTHS_MAX: u32 = 3000;

/// Plays the script.
pub fn fix_session(bytes: &[u8]) {
    let mut floor = Conversations::new();
    let mut script = Script { place: 0, tenths_left: TENTHS_MAX, epoch: 1 };
    for step in bytes.split(|byte| *byte == b'\n').take(STEPS_MAX) {
        if let Some((verb, rest)) = step.split_first() {
            script.step(&mut floor, *verb, rest);
        }
    }
    floor.end(|floor, place, body| framed(floor, place, body.as_bytes()));
}

struct Script {
    place: usize,
    tenths_left: u32,
    epoch: u32,
}

impl Script {
    fn step(&mut self, floor: &mut Conversations, verb: u8, rest: &[u8]) {
        let place = self.place;
        let name = Name::clipped(NAMES[place]);
        match verb {
            b'>' => floor.say(place, &framed(floor, place, rest)),
            b'"' => floor.say(place, &with_soh(rest)),
            b'-' => floor.say(place, &[rest, b"\n"].concat()),
            b'0'..=b'3' => self.place = usize::from(verb - b'0') % PLACES,
            b'+' => {
                let tenths = number(rest).min(self.tenths_left);
                self.tenths_left -= tenths;
                floor.pass(tenths);
            }
            b'h' => floor.held = true,
            b'c' => {
                floor.drain_commands();
                floor.pump();
            }
            b'd' => {
                floor.deliver(1);
                floor.pump();
            }
            b'r' => {
                floor.held = false;
                floor.pump();
            }
            b'x' => floor.hang_up(place),
            b'e' => floor.end_input(place),
            b'R' => floor.operate(Operation::SessionReset(name)),
            b'K' | b'k' => {
                let scope = Scope { kind: ScopeKind::Session, name };
                floor.operate(Operation::Kill(scope, verb == b'K'));
            }
            b'G' => floor.own(SessionId::NONE, &Command::GatewayLost(GatewayId(1))),
            b'E' => {
                self.epoch += 1;
                let opened = EpochOpened { epoch: Epoch(self.epoch), node: Name::clipped("n1"), loss: false };
                floor.own(SessionId::NONE, &Command::Epoch(opened));
            }
            b'H' | b'O' => {
                let state = if verb == b'H' { MarketState::Halted } else { MarketState::Open };
                floor.operate(Operation::Market(state, Symbol::clipped("ACME")));
            }
            _ => {}
        }
    }
}

fn with_soh(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == b'|' { 1 } else { *byte }).collect()
}

fn number(digits: &[u8]) -> u32 {
    let digits = digits.iter().take(5).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum, digit| sum * 10 + u32::from(*digit - b'0'))
}

/// A FIX message around the body.
pub(crate) fn framed(floor: &Conversations, place: usize, body: &[u8]) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = body.split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
    for field in &mut fields {
        if let Some(seconds) = field.strip_prefix(b"52=").or(field.strip_prefix(b"122=")).and_then(relative) {
            let tag_bytes = if field[0] == b'5' { 3 } else { 4 };
            let shifted =
                floor.now.utc_ns.saturating_add_signed(seconds.saturating_mul(SECOND_NS.cast_signed()));
            field.truncate(tag_bytes);
            field.extend_from_slice(&timestamp::format_millis(shifted));
        } else if let Some(by) = field.strip_prefix(b"34=").and_then(relative) {
            let number = i64::from(floor.next_number(place)).saturating_add(by);
            *field = format!("34={number}").into_bytes();
        }
    }
    let missing = [
        (&b"34="[..], format!("34={}", floor.next_number(place)).into_bytes()),
        (&b"49="[..], format!("49={}", NAMES[place]).into_bytes()),
        (&b"56="[..], b"56=RIALTO".to_vec()),
        (&b"52="[..], [&b"52="[..], &timestamp::format_millis(floor.now.utc_ns)].concat()),
    ];
    for (start, field) in missing {
        if !fields.iter().any(|found| found.starts_with(start)) {
            fields.insert(1, field);
        }
    }
    let mut bytes = b"8=FIX.4.4\x01".to_vec();
    let body = fields.iter().flat_map(|field| [&field[..], b"\x01"].concat()).collect::<Vec<u8>>();
    bytes.extend_from_slice(format!("9={}\x01", body.len()).as_bytes());
    bytes.extend_from_slice(&body);
    let sum = bytes.iter().fold(0_u32, |sum, byte| sum + u32::from(*byte)) % 256;
    bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    bytes
}

/// What `+2` and `-130` say.
fn relative(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"+").or(text.strip_prefix(b"-"))?;
    let by = i64::from(number(digits));
    Some(if text[0] == b'-' { -by } else { by })
}

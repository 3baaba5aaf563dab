//! What the matcher asks before it journals a record: whether the exchange takes it at all. A record that is not taken
//! leaves no trace in the journal; FIX's own resend brings back what was sent in earnest.

use rialto_protocol::command::kind;
use rialto_protocol::{GatewayId, Header, SessionSeq, reference};

use super::{NUMBER_MAX, SessionState, Sessions};

/// The ring of the node itself: only what comes from there may be an operator's or the node's own command.
const CONTROL: GatewayId = GatewayId(0);

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// It is journaled and applied.
    Yes,
    /// It is dropped and counted: not its sender's to send, or a number that was used before.
    Drop,
    /// It is dropped and its session is cut: a record before it is missing.
    Cut,
}

impl Sessions {
    /// Whether a record that came from `gateway`'s ring is taken, by its header alone.
    #[inline]
    pub fn admit(&self, header: &Header, gateway: GatewayId) -> Admit {
        match header.kind {
            kind::NOTE | kind::NEW_ORDER..=kind::LAST => self.admit_numbered(header, gateway),
            kind::LOG_ON | kind::CHALLENGE => Admit::Yes,
            kind::LOG_OFF if self.held_by(header, gateway) => Admit::Yes,
            kind::LOG_OFF => Admit::Drop,
            kind::EPOCH..=kind::GATEWAY_LOST | reference::kind::FIRST..=reference::kind::LAST
                if gateway == CONTROL =>
            {
                Admit::Yes
            }
            _ => Admit::Drop,
        }
    }

    /// A message of a session: from the gateway that holds it live, under the very number that is expected; or under
    /// none, where the gateway speaks by itself or a line was sent again.
    fn admit_numbered(&self, header: &Header, gateway: GatewayId) -> Admit {
        let Some(session) = self.get(header.session) else { return Admit::Drop };
        if session.link().is_none_or(|link| link.gateway != gateway) {
            return Admit::Drop;
        }
        let expected = session.next_inbound();
        match header.session_seq {
            SessionSeq::NONE => Admit::Yes,
            _ if expected.0 > NUMBER_MAX => Admit::Cut,
            number if number < expected => Admit::Drop,
            number if number > expected => Admit::Cut,
            _ => Admit::Yes,
        }
    }

    fn held_by(&self, header: &Header, gateway: GatewayId) -> bool {
        self.get(header.session).and_then(SessionState::link).is_some_and(|link| link.gateway == gateway)
    }
}

//! Between messages and the exchange's words: one translation serves FIX and line mode.
//!
//! Inbound, a message becomes a command, or an answer on the spot. What names something unknown or does not fit the
//! instrument still becomes a command, one that carries the refusal, since the exchange numbers all that it says.
//! Outbound, an event becomes one message, as a function of the event and of definitions that never change, so that a
//! message sent again is the first one but for its times.

mod inbound;
mod outbound;

#[cfg(test)]
mod tests;

use rialto_protocol::{Command, Decimal, Note};

pub use crate::fix::validate::Wire;
pub use inbound::command;
pub(crate) use outbound::security_list;
pub use outbound::{Identity, Resend, admin_run, is_application, outbound};

use crate::decimal::Scale;

/// What becomes of an application message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack of the caller")]
pub enum Translated {
    /// It goes to the exchange.
    Command(Command),
    /// It is refused on the session's level (35=3).
    Reject {
        /// `RefTagID` (371).
        ref_tag: u16,
        /// `SessionRejectReason` (373).
        reason: u16,
        /// `Text` (58).
        text: Note,
    },
    /// It is refused as business (35=j).
    Business {
        /// `BusinessRejectReason` (380).
        reason: u16,
        /// `Text` (58).
        text: Note,
    },
}

/// A tick's or lot's size for the codec. An instrument whose tick does not fit was never defined.
pub(crate) fn scale(step: Decimal) -> Scale {
    let mantissa = i64::try_from(step.mantissa).unwrap_or(1);
    Scale::new(mantissa, u32::from(step.decimals)).unwrap_or(UNIT)
}

/// One smallest unit of a currency.
fn unit(decimals: u8) -> Scale {
    Scale::new(1, u32::from(decimals)).unwrap_or(UNIT)
}

const UNIT: Scale = match Scale::new(1, 0) {
    Some(scale) => scale,
    None => unreachable!(),
};

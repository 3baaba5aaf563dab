//! The words that commands and events are called by.

use rialto_protocol::reference::Operation;
use rialto_protocol::terms::AckPolicy;
use rialto_protocol::{Command, Event};

/// A command's type.
pub(super) const fn command(command: &Command) -> &'static str {
    match command {
        Command::Epoch(_) => "epoch",
        Command::Version(_) => "version",
        Command::Tick => "tick",
        Command::Continue => "continue",
        Command::Chain { .. } => "chain",
        Command::Refuse => "refuse",
        Command::GatewayLost(_) => "gateway-lost",
        Command::Operate(_, operation) => self::operation(operation),
        Command::LogOn(_) => "logon",
        Command::LogOff(..) => "logoff",
        Command::Note(_) => "note",
        Command::Challenge => "challenge",
        Command::NewOrder(_) => "new",
        Command::Cancel(_) => "cancel",
        Command::Replace(_) => "replace",
        Command::Status(_) => "status",
        Command::MassStatus(_) => "mass-status",
        Command::MassCancel(_) => "mass-cancel",
        Command::SecurityList(_) => "security-list",
        Command::Balances(_) => "balances",
        Command::RefusedOrder(_) => "refused-order",
        Command::RefusedCancel(_) => "refused-cancel",
    }
}

/// An operation's type.
pub(super) const fn operation(operation: &Operation) -> &'static str {
    match operation {
        Operation::Currency(_) => "currency",
        Operation::Instrument(_) => "instrument",
        Operation::Participant(_) => "participant",
        Operation::Account(_) => "account",
        Operation::Session(_) => "session",
        Operation::Grant(_) => "grant",
        Operation::Transfer(transfer) if transfer.withdraw => "withdraw",
        Operation::Transfer(_) => "deposit",
        Operation::Loaded => "loaded",
        Operation::Market(..) => "market",
        Operation::CancelAll(_) => "cancel-all",
        Operation::Bust(_) => "bust",
        Operation::DayEnd => "day-end",
        Operation::Kill(..) => "kill",
        Operation::Limits(_) => "limits",
        Operation::SessionReset(_) => "session-reset",
        Operation::Policy(_) => "policy",
        Operation::CancelOnly(_) => "cancel-only",
    }
}

/// An event's type.
pub(super) const fn event(event: &Event<'_>) -> &'static str {
    match event {
        Event::Report(_) => "report",
        Event::RefusedOrder { .. } => "refused-order",
        Event::CancelReject(_) => "cancel-reject",
        Event::MassCancelReport(_) => "mass-cancel-report",
        Event::Notice(_) => "notice",
        Event::SecurityList(_) => "security-list",
        Event::LogOnRefused { .. } => "logon-refused",
        Event::Repeat(_) => "repeat",
        Event::Gone => "gone",
        Event::Challenged => "challenged",
        Event::Balance(_) => "balance",
        Event::Epoch(_) => "epoch",
        Event::Reference { .. } => "reference",
        Event::Market(..) => "market",
        Event::Answer { .. } => "answer",
        Event::Busted(..) => "busted",
        Event::DayEnded => "day-ended",
        Event::Policy(_) => "policy",
    }
}

/// An ack policy.
pub(super) const fn policy(policy: AckPolicy) -> &'static str {
    match policy {
        AckPolicy::Async => "async",
        AckPolicy::Disk => "disk",
        AckPolicy::Ram => "ram",
        AckPolicy::DiskRam => "disk+ram",
        AckPolicy::DiskDisk => "disk+disk",
    }
}

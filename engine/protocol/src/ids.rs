//! Identities and positions in the one order of everything. All are plain integers with a type, so that an account
//! cannot be passed for an order; zero means *none* everywhere.

#![expect(
    missing_debug_implementations,
    reason = "the layout derive's hidden types count where a macro names the span"
)]

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(transparent)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// Stands for *no such thing*; never issued.
            pub const NONE: Self = Self(0);

            /// Whether this names something (is not [`Self::NONE`]).
            pub const fn is_some(self) -> bool {
                self.0 != 0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// Place of a command in the one order of everything: dense, from 1.
    Sequence(u64)
}
id! {
    /// UTC nanoseconds since 1970, stamped once by the matcher and never decreasing.
    Timestamp(u64)
}
id! {
    /// A term of one primary; every start as primary opens a new one.
    Epoch(u32)
}
id! {
    /// A session (a `CompID`): dense, from 1, in the order of their definition.
    SessionId(u32)
}
id! {
    /// `MsgSeqNum` (34), inbound or outbound, of one session.
    SessionSeq(u32)
}
id! {
    /// An account: dense, from 1.
    AccountId(u32)
}
id! {
    /// A participant (broker, institution, operator): dense, from 1.
    ParticipantId(u32)
}
id! {
    /// A currency: dense, from 1.
    CurrencyId(u32)
}
id! {
    /// An instrument: dense, from 1.
    InstrumentId(u32)
}
id! {
    /// Something an account can hold: a currency or an instrument; dense, from 1, in the order of definition.
    AssetId(u32)
}
id! {
    /// `OrderID` (37): one for the whole life of an order, through replaces; dense, from 1.
    OrderId(u64)
}
id! {
    /// `ExecID` (17): one per report, never issued twice.
    ExecId(u64)
}
id! {
    /// A trade (527 on both sides): dense, from 1.
    TradeId(u64)
}
id! {
    /// A gateway, by the number of its ring; 0 is the node's own control ring.
    GatewayId(u32)
}

//! Settings that are one word out of a few, and the one table of those words.
use std::str::FromStr;

use rialto_protocol::terms::{ParticipantKind, ReplaceRule, SelfTrade, SessionKind};

/// A setting that is one word out of a few.
pub trait Word: Copy + PartialEq + 'static {
    /// Each word with what it stands for, in the order in which messages list them.
    const WORDS: &'static [(&'static str, Self)];

    /// The word as the file spells it.
    fn name(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, value)| *value == self);
        found.expect("each value stands in its own table").0
    }

    /// What `word` stands for.
    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
    }

    /// All words, for a message: `off, cancel-newest`.
    fn choices() -> String {
        let names: Vec<&str> = Self::WORDS.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// Which copies of a command must exist before anything is told about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// None but the ring in shared memory.
    Async,
    /// Durable on this node's disk.
    Disk,
    /// In a standby's memory.
    Ram,
    /// On this disk and in a standby's memory.
    DiskRam,
    /// On this disk and on a standby's.
    DiskDisk,
}

impl Word for Ack {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("async", Ack::Async),
        ("disk", Ack::Disk),
        ("ram", Ack::Ram),
        ("disk+ram", Ack::DiskRam),
        ("disk+disk", Ack::DiskDisk),
    ];
}

impl Ack {
    /// Whether this policy waits for another node.
    pub fn needs_standby(self) -> bool {
        match self {
            Ack::Async | Ack::Disk => false,
            Ack::Ram | Ack::DiskRam | Ack::DiskDisk => true,
        }
    }
}

/// How a thread waits when it has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Looks again at once.
    Spin,
    /// Gives its core away and looks again.
    Yield,
    /// Sleeps until it is woken.
    Park,
    /// Spins where there are cores to spare, else yields, then parks.
    Auto,
}

impl Word for Idle {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Idle::Auto), ("spin", Idle::Spin), ("yield", Idle::Yield), ("park", Idle::Park)];
}

impl Word for ReplaceRule {
    const WORDS: &'static [(&'static str, Self)] =
        &[("keep-on-decrease", ReplaceRule::KeepOnDecrease), ("requeue", ReplaceRule::Requeue)];
}

impl Word for ParticipantKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("broker", ParticipantKind::Broker),
        ("institution", ParticipantKind::Institution),
        ("operator", ParticipantKind::Operator),
    ];
}

impl Word for SelfTrade {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", SelfTrade::Off),
        ("cancel-newest", SelfTrade::CancelNewest),
        ("cancel-oldest", SelfTrade::CancelOldest),
        ("cancel-both", SelfTrade::CancelBoth),
    ];
}

impl Word for SessionKind {
    const WORDS: &'static [(&'static str, Self)] =
        &[("trading", SessionKind::Trading), ("market-data", SessionKind::MarketData)];
}

impl FromStr for Ack {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ack::from_word(word).ok_or_else(|| format!("one of {}", Ack::choices()))
    }
}

impl FromStr for Idle {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Idle::from_word(word).ok_or_else(|| format!("one of {}", Idle::choices()))
    }
}

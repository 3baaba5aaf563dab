//! The node's cursors: how far each step has come with the commands, shared with every thread and process of the node.
//!
//! ```text
//! line 0  what this file is and for whom (see `shared`)
//! line 1  published   all commands up to here are applied, and they and their events are in the logs  (matcher)
//! line 2  sealed      … are in pages that no one changes any more                                      (storage)
//! line 3  synced      … are durable on this node's disk                                               (storage)
//! line 4  released    … may be told to the world: what the policy asks for is done         (who raises a cause)
//! line 5  policy      what `released` waits for                                                       (matcher)
//! line 6  storage     whether storage is idle                                                         (storage)
//! line 7  failure     0, or why this node has to stop                                     (who finds it, first)
//! line 8  draining    whether the node is stopping and takes nothing new                              (control)
//! ```
//!
//! All four cursors are command sequences and never fall. `published` is raised after the events' end and the commands'
//! end: who sees a command published or released finds its events.

#[cfg(not(loom))]
use std::path::Path;

use crate::atomics::{AtomicU64, Ordering};
use crate::shared::{FileLine, HEADER_WORDS, Identity, Kind, LINE_WORDS, Shared, SharedError, load_acquire};

const PUBLISHED: usize = LINE_WORDS;
const SEALED: usize = PUBLISHED + LINE_WORDS;
const SYNCED: usize = SEALED + LINE_WORDS;
const RELEASED: usize = SYNCED + LINE_WORDS;
const POLICY: usize = RELEASED + LINE_WORDS;
const STORAGE_IDLE: usize = POLICY + LINE_WORDS;
const FAILURE: usize = STORAGE_IDLE + LINE_WORDS;
const DRAINING: usize = FAILURE + LINE_WORDS;
const _: () = assert!(DRAINING < HEADER_WORDS);

/// Which copies of a command must exist before anything is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The one in this node's shared memory: survives the process, not the machine.
    Async,
    /// One on this node's disk.
    Disk,
}

impl Policy {
    const fn word(self) -> u64 {
        match self {
            Self::Async => 0,
            Self::Disk => 1,
        }
    }

    /// An unknown word asks for most.
    const fn of(word: u64) -> Self {
        match word {
            0 => Self::Async,
            _ => Self::Disk,
        }
    }
}

/// A node's cursors.
#[derive(Debug)]
pub struct Cursors {
    shared: Shared,
}

impl Cursors {
    /// New cursors in a new file, all at `sequence`: the last command that a start found safe on disk.
    #[cfg(not(loom))]
    pub fn create(
        path: &Path,
        identity: &Identity,
        policy: Policy,
        sequence: u64,
    ) -> Result<Self, SharedError> {
        Ok(Self::start(Shared::create(path, HEADER_WORDS)?, identity, policy, sequence))
    }

    /// The cursors in a file that is there, to be read.
    #[cfg(not(loom))]
    pub fn attach(path: &Path, identity: &Identity) -> Result<Self, SharedError> {
        let shared = Shared::open(path)?;
        FileLine { identity: *identity, kind: Kind::Cursors, pages: 0 }.check(path, shared.words())?;
        Ok(Self { shared })
    }

    /// Cursors in the memory of this process.
    pub fn anonymous(policy: Policy, sequence: u64) -> Result<Self, SharedError> {
        let failed = |source| SharedError::Io { path: "anonymous".into(), action: "map", source };
        let shared = Shared::anonymous(HEADER_WORDS).map_err(failed)?;
        Ok(Self::start(shared, &Identity::new([0; 16], [0; 16], "", 0), policy, sequence))
    }

    fn start(shared: Shared, identity: &Identity, policy: Policy, sequence: u64) -> Self {
        for cursor in [PUBLISHED, SEALED, SYNCED, RELEASED] {
            shared.writable()[cursor].store(sequence, Ordering::Relaxed);
        }
        shared.writable()[POLICY].store(policy.word(), Ordering::Relaxed);
        FileLine { identity: *identity, kind: Kind::Cursors, pages: 0 }.write(shared.writable());
        Self { shared }
    }

    /// The last command that is applied, and published with its events.
    pub fn published(&self) -> u64 {
        self.load(PUBLISHED)
    }

    /// The last command in a sealed page.
    pub fn sealed(&self) -> u64 {
        self.load(SEALED)
    }

    /// The last command that is durable here.
    pub fn synced(&self) -> u64 {
        self.load(SYNCED)
    }

    /// The last command that may be told of, with its events. Pairs with the Release in the function that raised it:
    /// who sees it finds the events in the log.
    pub fn released(&self) -> u64 {
        self.load(RELEASED)
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        Policy::of(self.load(POLICY))
    }

    /// Whether storage has nothing to do, so that a page closed early would be on its way at once.
    pub fn storage_is_idle(&self) -> bool {
        self.load(STORAGE_IDLE) != 0
    }

    /// Why this node has to stop, if it has to: a code of the one who found it. Every wait looks at this.
    pub fn failure(&self) -> Option<u64> {
        Some(self.load(FAILURE)).filter(|&code| code != 0)
    }

    /// Whether the node is stopping and takes nothing new.
    pub fn is_draining(&self) -> bool {
        self.load(DRAINING) != 0
    }

    /// The matcher has published commands up to `sequence` and all their events. True if that released something: wake
    /// the readers.
    pub fn advance_published(&self, sequence: u64) -> bool {
        self.advance(PUBLISHED, sequence);
        match self.policy() {
            Policy::Async => self.release(sequence),
            Policy::Disk => false,
        }
    }

    /// Storage has copied and sealed commands up to `sequence`.
    pub fn advance_sealed(&self, sequence: u64) {
        self.advance(SEALED, sequence);
    }

    /// Storage has made commands up to `sequence` durable, having seen them published. True if that released something:
    /// wake the readers. (Under `async` they were released before.)
    pub fn advance_synced(&self, sequence: u64) -> bool {
        self.advance(SYNCED, sequence);
        self.release(sequence)
    }

    /// Puts another policy in force, and releases what it allows. Called by the matcher's thread alone: no command is
    /// then being released under the policy that this one replaces. True if that released something.
    pub fn set_policy(&self, policy: Policy) -> bool {
        self.word(POLICY).store(policy.word(), Ordering::Release);
        match policy {
            Policy::Async => self.release(self.published()),
            Policy::Disk => false,
        }
    }

    /// Storage says whether it has nothing to do.
    pub fn set_storage_idle(&self, idle: bool) {
        self.word(STORAGE_IDLE).store(u64::from(idle), Ordering::Release);
    }

    /// Says why this node has to stop; whether this is the first reason, which is the one that stays. Panics if `code`
    /// is 0.
    pub fn fail(&self, code: u64) -> bool {
        assert!(code != 0, "a failure has a code");
        // Release: pairs with the acquiring load in `failure`.
        self.word(FAILURE).compare_exchange(0, code, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// The node takes nothing new from now on.
    pub fn set_draining(&self) {
        self.word(DRAINING).store(1, Ordering::Release);
    }

    fn load(&self, line: usize) -> u64 {
        load_acquire(&self.shared.words()[line])
    }

    fn word(&self, line: usize) -> &AtomicU64 {
        &self.shared.writable()[line]
    }

    /// Raises a cursor that one thread alone writes; never lowers it.
    fn advance(&self, line: usize, sequence: u64) {
        let word = self.word(line);
        if word.load(Ordering::Relaxed) < sequence {
            // Pairs with the acquiring load of whoever reads the cursor and then the logs.
            word.store(sequence, Ordering::Release);
        }
    }

    /// Raises `released`, which several threads may; never lowers it. Whether it rose.
    fn release(&self, sequence: u64) -> bool {
        // Release: pairs with the acquiring load in `released`.
        self.word(RELEASED).fetch_max(sequence, Ordering::Release) < sequence
    }
}

#[cfg(test)]
mod tests;

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
//! line 8  draining    1: the node is stopping and takes nothing new; 2: the matcher pauses            (control)
//! line 9  standbys    how many are awaited, what all of them have received, and what all have synced  (replicator)
//! line 10 gate        whether anything may be released at all: `Gate`, and until when                 (control)
//! line 11 unmet       since when the policy is unmet, ns UTC; 0 = it is met                           (control)
//! ```
//!
//! The four cursors are command sequences and never fall. `published` is raised after the events' end and the commands'
//! end: who sees a command published or released finds its events.
//!
//! Whoever raises one of the causes that the policy asks for computes what is now allowed from all of them. Two who do so
//! at once cannot both miss the other's: each stores its own, a sequentially consistent fence, and then loads.

#[cfg(not(loom))]
use std::path::Path;

use crate::atomics::{AtomicU64, Ordering, fence};
use crate::shared::{FileLine, HEADER_WORDS, Identity, Kind, LINE_WORDS, Shared, SharedError, load_acquire};

const PUBLISHED: usize = LINE_WORDS;
const SEALED: usize = PUBLISHED + LINE_WORDS;
const SYNCED: usize = SEALED + LINE_WORDS;
const RELEASED: usize = SYNCED + LINE_WORDS;
const POLICY: usize = RELEASED + LINE_WORDS;
const STORAGE_IDLE: usize = POLICY + LINE_WORDS;
const FAILURE: usize = STORAGE_IDLE + LINE_WORDS;
const DRAINING: usize = FAILURE + LINE_WORDS;
const STANDBYS: usize = DRAINING + LINE_WORDS;
const AWAITED: usize = STANDBYS;
const RECEIVED: usize = STANDBYS + 1;
const KEPT: usize = STANDBYS + 2;
const GATE: usize = STANDBYS + LINE_WORDS;
const DEADLINE: usize = GATE + 1;
const UNMET: usize = GATE + LINE_WORDS;
const _: () = assert!(UNMET < HEADER_WORDS);

const DRAINS: u64 = 1;
const PAUSED: u64 = 2;

/// The deadline of a node that needs no lease.
pub const NO_DEADLINE: u64 = u64::MAX;

/// Which copies of a command must exist before anything is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The one in this node's shared memory: survives the process, not the machine.
    Async,
    /// One on this node's disk.
    Disk,
    /// One in the shared memory of every awaited standby.
    Ram,
    /// One on this node's disk, and one in the shared memory of every awaited standby.
    DiskRam,
    /// One on this node's disk, and one on that of every awaited standby.
    DiskDisk,
}

impl Policy {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Disk => "disk",
            Self::Ram => "ram",
            Self::DiskRam => "disk+ram",
            Self::DiskDisk => "disk+disk",
        }
    }

    const fn word(self) -> u64 {
        match self {
            Self::Async => 0,
            Self::Disk => 1,
            Self::Ram => 2,
            Self::DiskRam => 3,
            Self::DiskDisk => 4,
        }
    }

    /// An unknown word asks for most.
    const fn of(word: u64) -> Self {
        match word {
            0 => Self::Async,
            1 => Self::Disk,
            2 => Self::Ram,
            3 => Self::DiskRam,
            _ => Self::DiskDisk,
        }
    }

    /// Whether it asks for copies on standbys.
    pub const fn asks_standbys(self) -> bool {
        matches!(self, Self::Ram | Self::DiskRam | Self::DiskDisk)
    }

    /// Whether it asks for copies on the disks of standbys.
    pub const fn asks_standbys_disk(self) -> bool {
        matches!(self, Self::DiskDisk)
    }

    /// Whether it asks for a copy on this node's disk.
    pub const fn asks_disk(self) -> bool {
        matches!(self, Self::Disk | Self::DiskRam | Self::DiskDisk)
    }
}

/// Whether a node may release anything, and why not. What is released already stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It is the primary and may, up to its lease's deadline.
    Open,
    /// It is not the primary: it tells what the primary has released, see [`Cursors::follow`].
    Standby,
    /// It does not know yet what it is.
    Starting,
    /// It was the primary, or is and has no lease.
    Shut,
}

impl Gate {
    const fn word(self) -> u64 {
        match self {
            Self::Open => 0,
            Self::Standby => 1,
            Self::Starting => 2,
            Self::Shut => 3,
        }
    }

    const fn of(word: u64) -> Self {
        match word {
            0 => Self::Open,
            1 => Self::Standby,
            2 => Self::Starting,
            _ => Self::Shut,
        }
    }
}

/// What the standbys that are waited for have, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standbys {
    /// How many are waited for.
    pub awaited: u64,
    /// The last command that every one of them has in its shared memory.
    pub received: u64,
    /// The last command that every one of them has on its disk.
    pub kept: u64,
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
        shared.writable()[DEADLINE].store(NO_DEADLINE, Ordering::Relaxed);
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
        self.load(DRAINING) == DRAINS
    }

    /// Whether the matcher shall stop taking commands, and ask what comes next.
    pub fn is_paused(&self) -> bool {
        self.load(DRAINING) == PAUSED
    }

    /// The policy that counts: without a standby to wait for, a policy that asks for one is `disk`, and says so.
    pub fn policy_in_effect(&self) -> Policy {
        let policy = self.policy();
        if policy.asks_standbys() && self.load(AWAITED) == 0 { Policy::Disk } else { policy }
    }

    /// What the awaited standbys have.
    pub fn standbys(&self) -> Standbys {
        // `awaited` first: who sees one more sees what that one had when it was added.
        let awaited = self.load(AWAITED);
        Standbys { awaited, received: self.load(RECEIVED), kept: self.load(KEPT) }
    }

    /// Whether anything may be released.
    pub fn gate(&self) -> Gate {
        Gate::of(self.load(GATE))
    }

    /// Until when, by [`crate::clock::boottime_ns`], something may be released; [`NO_DEADLINE`]: for ever.
    pub fn deadline(&self) -> u64 {
        self.load(DEADLINE)
    }

    /// Since when the policy is unmet, ns UTC; 0 if it is met. Gateways then read no orders and send nothing numbered.
    pub fn unmet_since_ns(&self) -> u64 {
        self.load(UNMET)
    }

    /// The matcher has published commands up to `sequence` and all their events. True if that released something: wake
    /// the readers.
    pub fn advance_published(&self, sequence: u64) -> bool {
        self.advance(PUBLISHED, sequence);
        // Under all but `async` it is never the last copy to be made that this makes.
        self.policy() == Policy::Async && self.release_allowed()
    }

    /// Storage has copied and sealed commands up to `sequence`.
    pub fn advance_sealed(&self, sequence: u64) {
        self.advance(SEALED, sequence);
    }

    /// Storage has made commands up to `sequence` durable, having seen them published. True if that released something:
    /// wake the readers.
    pub fn advance_synced(&self, sequence: u64) -> bool {
        self.advance(SYNCED, sequence);
        self.release_allowed()
    }

    /// The replicator says who is waited for and what they have. True if that released something. One more is waited for
    /// from here on; for one fewer, the cluster's state must already say that it is not in sync.
    pub fn set_standbys(&self, standbys: Standbys) -> bool {
        self.word(RECEIVED).store(standbys.received, Ordering::Relaxed);
        self.word(KEPT).store(standbys.kept, Ordering::Relaxed);
        self.word(AWAITED).store(standbys.awaited, Ordering::Release);
        self.release_allowed()
    }

    /// A standby hears that the primary has released commands up to `sequence`. True if that released something here.
    pub fn follow(&self, sequence: u64) -> bool {
        self.gate() == Gate::Standby && self.release(sequence.min(self.published()))
    }

    /// Opens or shuts the gate. True if that released something.
    pub fn set_gate(&self, gate: Gate) -> bool {
        self.word(GATE).store(gate.word(), Ordering::Release);
        self.release_allowed()
    }

    /// The lease holds until `deadline`. True if that released something.
    pub fn set_deadline(&self, deadline: u64) -> bool {
        self.word(DEADLINE).store(deadline, Ordering::Release);
        self.release_allowed()
    }

    /// Says since when the policy is unmet, ns UTC; 0: it is met.
    pub fn set_unmet_since_ns(&self, since: u64) {
        self.word(UNMET).store(since, Ordering::Release);
    }

    /// Puts another policy in force, and releases what it allows. True if that released something.
    pub fn set_policy(&self, policy: Policy) -> bool {
        self.word(POLICY).store(policy.word(), Ordering::Release);
        self.release_allowed()
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
        self.word(DRAINING).store(DRAINS, Ordering::Release);
    }

    /// The matcher shall pause, or go on; a node that drains does that.
    pub fn set_paused(&self, paused: bool) {
        let (from, to) = if paused { (0, PAUSED) } else { (PAUSED, 0) };
        self.word(DRAINING).compare_exchange(from, to, Ordering::Release, Ordering::Relaxed).ok();
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

    /// Raises `released` to what the causes allow that are there now. Whether it rose.
    fn release_allowed(&self) -> bool {
        // Between the caller's store of its cause and the loads of the others': see the module.
        fence(Ordering::SeqCst);
        if self.gate() != Gate::Open {
            return false;
        }
        let published = self.published();
        let standbys = self.standbys();
        let allowed = match self.policy_in_effect() {
            Policy::Async => published,
            Policy::Disk => self.synced(),
            Policy::Ram => standbys.received,
            Policy::DiskRam => self.synced().min(standbys.received),
            Policy::DiskDisk => self.synced().min(standbys.kept),
        };
        let allowed = allowed.min(published);
        allowed > self.released() && self.has_lease() && self.release(allowed)
    }

    fn has_lease(&self) -> bool {
        let deadline = self.deadline();
        deadline == NO_DEADLINE || crate::clock::boottime_ns() < deadline
    }

    /// Raises `released`, which several threads may; never lowers it. Whether it rose.
    fn release(&self, sequence: u64) -> bool {
        // Release: pairs with the acquiring load in `released`.
        self.word(RELEASED).fetch_max(sequence, Ordering::Release) < sequence
    }
}

#[cfg(test)]
mod tests;

//! What can happen in the model, and the invariants that are looked at.

use rialto_replicator::state::{Counted, Held};

use super::nodes::{Cluster, Key, Left, NODES, Node, Role, log};
use super::rules::Rules;
use super::search::{Model, Step};

/// A rule that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The primary ceases to wait, and takes the standby out of the set afterwards.
    ShrinkAfterCeasing,
    /// The primary takes a standby into the set before it waits for it.
    GrowBeforeWaiting,
    /// A node that was the primary goes on in its old epoch when it starts.
    RestartInOldEpoch,
    /// A candidate goes on acknowledging the old epoch.
    NoPromise,
    /// The last copy is in memory when it becomes the last, by a shrink.
    ShrinkUnsynced,
    /// The primary does not wait for its own disk while a shrink that leaves it alone is on its way.
    ShrinkWithoutOwnDisk,
    /// The primary takes a standby in that has what this epoch released, yet not what an epoch before may have.
    GrowBelowStart,
    /// A node does not mind that its memory went with the power.
    IgnoreBoot,
    /// A candidate swaps though the state is not the one that it saw.
    SwapUnseen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Write(usize),
    Sync(usize),
    /// The first receives one record from the second, or cuts what the second does not have, or acks.
    Fetch(usize, usize),
    /// The ack of this node arrives.
    Ack(usize),
    Release(usize),
    Crash(usize),
    PowerCut(usize),
    Start(usize),
    LeaseEnds,
    Renew(usize),
    /// Checks and promise before a promotion.
    Promise(usize),
    /// The same before leading again, all members heard.
    Restart(usize),
    Swap(usize),
    Open(usize),
    /// The primary waits for its own disk from now on; or no longer.
    OwnDisk(usize, bool),
    Shrink(usize, usize),
    Cease(usize, usize),
    Await(usize, usize),
    Grow(usize, usize),
    /// The first, a primary, meets the second's promise.
    Meet(usize, usize),
    Fence(usize),
    /// Nothing happens: a state is looked at.
    Look,
}

pub(crate) struct Exchange {
    pub(crate) rules: Rules,
    pub(crate) fault: Fault,
    pub(crate) left: Left,
    pub(crate) epochs_max: u8,
    /// Whether I6 is looked at; without it, what follows from breaking it is.
    pub(crate) looks_at_promotable: bool,
}

const ALL: u8 = (1 << NODES) - 1;

impl Model for Exchange {
    type State = Cluster;
    type Action = Action;

    fn first(&self) -> Cluster {
        let standby = Node {
            role: Role::Standby,
            promised: 1,
            log: 0,
            synced: 0,
            led: false,
            power_lost: false,
            epoch: 0,
            seen: 0,
            start: 0,
            awaited: 0,
            own_disk: false,
            acked: [0; NODES],
            ack: (0, 0),
        };
        let primary = Node { role: Role::Primary, led: true, epoch: 1, awaited: ALL, ..standby };
        Cluster {
            nodes: [primary, standby, standby],
            key: Key { version: 1, epoch: 1, primary: 0, in_sync: ALL, lease: 1 },
            released: 0,
            released_epoch: 0,
            released_over: 0,
            opened_by: 1 << 4,
            left: self.left,
        }
    }

    fn steps(&self, now: &Cluster, steps: &mut Vec<Step<Cluster, Action>>) {
        if self.looks_at_promotable && !self.promotable_is_awaited(now) {
            steps.push((Action::Look, Err("I6")));
        }
        let mut add = |action, outcome: Option<Result<Cluster, &'static str>>| {
            steps.extend(outcome.map(|outcome| (action, outcome)));
        };
        let fine = |next: Option<Cluster>| next.map(Ok);
        add(Action::LeaseEnds, fine(lease_ends(now)));
        for a in 0..NODES {
            add(Action::Write(a), fine(write(now, a)));
            add(Action::Sync(a), fine(self.sync(now, a)));
            add(Action::Ack(a), fine(ack(now, a)));
            add(Action::Release(a), self.release(now, a));
            add(Action::Crash(a), fine(crash(now, a)));
            add(Action::PowerCut(a), fine(power_cut(now, a)));
            add(Action::Start(a), fine(self.start(now, a)));
            add(Action::Renew(a), fine(renew(now, a)));
            add(Action::Promise(a), fine(self.promise(now, a)));
            add(Action::Restart(a), fine(self.restart(now, a)));
            add(Action::Swap(a), fine(self.swap(now, a)));
            add(Action::Open(a), open(now, a));
            add(Action::OwnDisk(a, true), fine(own_disk(now, a)));
            add(Action::OwnDisk(a, false), fine(no_own_disk(now, a)));
            add(Action::Fence(a), fine(fence(now, a)));
            for b in (0..NODES).filter(|b| *b != a) {
                add(Action::Fetch(a, b), fine(self.fetch(now, a, b)));
                add(Action::Shrink(a, b), fine(self.shrink(now, a, b)));
                add(Action::Cease(a, b), fine(self.cease(now, a, b)));
                add(Action::Await(a, b), fine(await_(now, a, b)));
                add(Action::Grow(a, b), fine(self.grow(now, a, b)));
                add(Action::Meet(a, b), self.meet(now, a, b));
            }
        }
    }

    /// The nodes that did not lead first are alike.
    fn fingerprint(&self, state: &Cluster) -> u64 {
        let hash = |order| xxhash_rust::xxh3::xxh3_64(&state.bytes(order));
        hash([0, 1, 2]).min(hash([0, 2, 1]))
    }
}

fn with(now: &Cluster, index: usize, change: impl FnOnce(&mut Node)) -> Cluster {
    let mut next = *now;
    change(&mut next.nodes[index]);
    next
}

/// This primary's epoch is the one that the coordinator knows.
fn stands(now: &Cluster, primary: usize) -> bool {
    let node = &now.nodes[primary];
    node.is_primary() && now.key.epoch == node.epoch && usize::from(now.key.primary) == primary
}

fn lease_ends(now: &Cluster) -> Option<Cluster> {
    let mut next = *now;
    next.left.lease_ends = now.left.lease_ends.checked_sub(1)?;
    next.key.lease = 0;
    (now.key.lease != 0).then_some(next)
}

fn renew(now: &Cluster, primary: usize) -> Option<Cluster> {
    let mut next = *now;
    next.key.lease = primary as u8 + 1;
    (stands(now, primary) && now.key.lease == 0).then_some(next)
}

fn write(now: &Cluster, primary: usize) -> Option<Cluster> {
    let node = &now.nodes[primary];
    if !node.is_primary() || log::len(node.log) == log::RECORDS_MAX {
        return None;
    }
    let mut next = with(now, primary, |node| node.log = log::push(node.log, node.epoch));
    next.left.records = now.left.records.checked_sub(1)?;
    Some(next)
}

fn ack(now: &Cluster, standby: usize) -> Option<Cluster> {
    let (epoch, reach) = now.nodes[standby].ack;
    if epoch == 0 {
        return None;
    }
    let mut next = with(now, standby, |node| node.ack = (0, 0));
    for node in next.nodes.iter_mut().filter(|node| node.is_primary() && node.epoch == epoch) {
        node.acked[standby] = node.acked[standby].max(reach);
    }
    Some(next)
}

fn down(now: &Cluster, index: usize) -> Cluster {
    let epoch = now.nodes[index].epoch;
    let was_primary = now.nodes[index].is_primary();
    let mut next = with(now, index, |node| *node = Node { role: Role::Down, ..node.as_standby() });
    // Acks to a primary that is gone arrive nowhere.
    for node in next.nodes.iter_mut().filter(|node| was_primary && node.ack.0 == epoch) {
        node.ack = (0, 0);
    }
    next
}

fn crash(now: &Cluster, index: usize) -> Option<Cluster> {
    if !now.nodes[index].is_up() {
        return None;
    }
    let mut next = down(now, index);
    next.left.crashes = now.left.crashes.checked_sub(1)?;
    Some(next)
}

fn power_cut(now: &Cluster, index: usize) -> Option<Cluster> {
    let mut next = down(now, index);
    next.left.power_cuts = now.left.power_cuts.checked_sub(1)?;
    let node = &mut next.nodes[index];
    node.log = log::cut(node.log, node.synced);
    node.power_lost = true;
    Some(next)
}

fn own_disk(now: &Cluster, primary: usize) -> Option<Cluster> {
    let is_needed = stands(now, primary) && !now.nodes[primary].own_disk && now.key.in_sync.count_ones() == 2;
    is_needed.then(|| with(now, primary, |node| node.own_disk = true))
}

fn no_own_disk(now: &Cluster, primary: usize) -> Option<Cluster> {
    let is_over = stands(now, primary) && now.nodes[primary].own_disk && now.key.in_sync.count_ones() > 1;
    is_over.then(|| with(now, primary, |node| node.own_disk = false))
}

fn await_(now: &Cluster, primary: usize, standby: usize) -> Option<Cluster> {
    let node = &now.nodes[primary];
    let may = stands(now, primary) && node.awaited & 1 << standby == 0 && now.left.changes > 0;
    let mut next = with(now, primary, |node| node.awaited |= 1 << standby);
    next.left.changes = now.left.changes.saturating_sub(1);
    (may && now.nodes[standby].is_up()).then_some(next)
}

/// A primary hears of a newer epoch from the coordinator.
fn fence(now: &Cluster, primary: usize) -> Option<Cluster> {
    let node = &now.nodes[primary];
    (node.is_primary() && now.key.epoch > node.epoch)
        .then(|| with(now, primary, |node| *node = node.as_standby()))
}

fn open(now: &Cluster, index: usize) -> Option<Result<Cluster, &'static str>> {
    let node = &now.nodes[index];
    if node.role != Role::Won || node.start == log::RECORDS_MAX {
        return None;
    }
    let mut next = with(now, index, |node| {
        node.role = Role::Primary;
        node.promised = node.promised.max(node.epoch);
        node.log = log::push(log::cut(node.log, node.start), node.epoch);
        node.synced = log::len(node.log);
        node.own_disk = node.awaited == 1 << index;
        node.led = true;
        node.power_lost = false;
        node.seen = 0;
        node.start = 0;
    });
    Some(opened(&mut next, index).map(|()| next))
}

impl Exchange {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// What is on a standby's disk matters only to a power cut or to a policy that counts it.
    fn sync(&self, now: &Cluster, index: usize) -> Option<Cluster> {
        let node = &now.nodes[index];
        let matters =
            node.is_primary() || now.left.power_cuts > 0 || self.rules.policy.on_standby() == Counted::Disk;
        (node.is_up() && matters && node.synced < log::len(node.log))
            .then(|| with(now, index, |node| node.synced = log::len(node.log)))
    }

    fn start(&self, now: &Cluster, index: usize) -> Option<Cluster> {
        if now.nodes[index].is_up() {
            return None;
        }
        let goes_on = self.has(Fault::RestartInOldEpoch) && usize::from(now.key.primary) == index;
        Some(with(now, index, |node| {
            node.role = Role::Standby;
            if goes_on {
                let awaited = now.key.in_sync;
                *node = Node { role: Role::Primary, epoch: now.key.epoch, awaited, ..*node };
            }
        }))
    }

    fn fetch(&self, now: &Cluster, standby: usize, primary: usize) -> Option<Cluster> {
        let (to, from) = (now.nodes[standby], now.nodes[primary]);
        let follows = match to.role {
            Role::Standby => true,
            Role::Candidate | Role::Won => self.has(Fault::NoPromise),
            Role::Down | Role::Primary => false,
        };
        let is_stale = from.epoch < to.promised || from.epoch < log::last_epoch(to.log);
        if !follows || !from.is_primary() || is_stale {
            return None;
        }
        let common = log::common(to.log, from.log);
        let (has, offers) = (log::len(to.log), log::len(from.log));
        let mut next = with(now, standby, |node| {
            node.promised = from.epoch;
            if has > common {
                node.log = log::cut(node.log, common);
                node.synced = node.synced.min(common);
            } else if has < offers {
                node.log = log::push(node.log, log::at(from.log, has));
            }
            if node.log == from.log {
                node.led = false;
                node.power_lost = false;
            }
        });
        let node = &mut next.nodes[standby];
        let on_disk = self.rules.policy.on_standby() == Counted::Disk;
        let reach = if on_disk { node.synced } else { log::len(node.log) };
        if has <= common && reach > from.acked[standby] {
            node.ack = (from.epoch, reach);
        }
        (next != *now).then_some(next)
    }

    fn release(&self, now: &Cluster, primary: usize) -> Option<Result<Cluster, &'static str>> {
        let node = &now.nodes[primary];
        if !node.is_primary() {
            return None;
        }
        let on_disk = node.own_disk || self.rules.policy.on_primary() == Counted::Disk;
        let own = if on_disk { node.synced } else { log::len(node.log) };
        let awaited = (0..NODES).filter(|other| *other != primary && node.awaited & 1 << other != 0);
        let bound = awaited.map(|other| node.acked[other]).min().map_or(own, |least| own.min(least));
        // What was released already may be released again, by whoever holds it: it is the same record.
        let at = log::len(now.released);
        if bound <= at {
            return None;
        }
        // An ack from before a promise may come late: what it completes is held by the newer primary too.
        let record = log::at(node.log, at);
        if now.released_epoch > node.epoch {
            return (log::at(now.released_over, at) != record).then_some(Err("I4"));
        }
        if log::common(now.released, node.log) < at {
            return Some(Err("I3"));
        }
        let over = if node.epoch > now.released_epoch { node.log } else { now.released_over };
        let released = log::push(now.released, record);
        Some(Ok(Cluster { released, released_epoch: node.epoch, released_over: over, ..*now }))
    }

    fn promise(&self, now: &Cluster, index: usize) -> Option<Cluster> {
        let node = &now.nodes[index];
        let is_asked = node.role == Role::Standby && now.key.lease == 0;
        let ignores = self.has(Fault::IgnoreBoot);
        (is_asked && self.rules.may_promote(now.key, &now.nodes, index, ignores))
            .then(|| self.candidate(now, index, 0))?
    }

    fn restart(&self, now: &Cluster, index: usize) -> Option<Cluster> {
        let node = &now.nodes[index];
        let primary = &now.nodes[usize::from(now.key.primary)];
        // A primary that lives says so when it is heard.
        let is_led = primary.is_primary() && primary.epoch == now.key.epoch;
        if node.role != Role::Standby || is_led {
            return None;
        }
        let keep = (0..NODES).filter(|other| *other != index && now.key.in_sync & 1 << other != 0);
        let keep = keep.filter(|other| now.nodes[*other].log == node.log).map(|other| 1 << other).sum();
        let ignores = self.has(Fault::IgnoreBoot);
        self.rules
            .may_restart(now.key, &now.nodes, index, ignores)
            .then(|| self.candidate(now, index, keep))?
    }

    /// Promises, on its disk, together with all that it holds: it may be the last copy soon.
    fn candidate(&self, now: &Cluster, index: usize, keep: u8) -> Option<Cluster> {
        let node = &now.nodes[index];
        let epoch = now.key.epoch.max(node.promised) + 1;
        if epoch > self.epochs_max {
            return None;
        }
        Some(with(now, index, |node| {
            node.role = Role::Candidate;
            node.epoch = epoch;
            node.seen = now.key.version;
            node.start = log::len(node.log);
            node.awaited = keep | 1 << index;
            if !self.has(Fault::NoPromise) {
                node.promised = epoch;
            }
            node.synced = log::len(node.log);
        }))
    }

    fn swap(&self, now: &Cluster, index: usize) -> Option<Cluster> {
        let node = &now.nodes[index];
        if node.role != Role::Candidate {
            return None;
        }
        let is_seen = now.key.version == node.seen;
        let may = || self.rules.may_open(now.key, index, node.epoch, node.awaited & now.key.in_sync);
        let is_blind = self.has(Fault::SwapUnseen);
        if now.key.lease != 0 || !(is_blind || is_seen && may()) {
            return Some(with(now, index, |node| *node = node.as_standby()));
        }
        let mut next = with(now, index, |node| (node.role, node.seen) = (Role::Won, 0));
        next.key = Key {
            version: now.key.version + 1,
            epoch: node.epoch,
            primary: index as u8,
            in_sync: node.awaited,
            lease: index as u8 + 1,
        };
        Some(next)
    }

    /// The swap that takes a member out. What is not on the primary's disk must not be its last copy.
    fn shrink(&self, now: &Cluster, primary: usize, leaving: usize) -> Option<Cluster> {
        let node = &now.nodes[primary];
        let is_member = now.key.in_sync & 1 << leaving != 0;
        if !stands(now, primary) || !is_member {
            return None;
        }
        if self.has(Fault::ShrinkAfterCeasing) && node.awaited & 1 << leaving != 0 {
            return None;
        }
        let is_last = now.key.in_sync.count_ones() == 2;
        let careless = self.has(Fault::ShrinkUnsynced);
        if is_last && !node.own_disk && !careless && !self.has(Fault::ShrinkWithoutOwnDisk) {
            return None;
        }
        let held = Held {
            released: if careless { 0 } else { log::len(now.released).into() },
            synced: node.synced.into(),
        };
        let mut next = *now;
        next.left.changes = now.left.changes.checked_sub(1)?;
        next.key.in_sync &= !(1 << leaving);
        next.key.version += 1;
        self.rules.may_shrink(now.key, leaving, held).then_some(next)
    }

    fn cease(&self, now: &Cluster, primary: usize, left: usize) -> Option<Cluster> {
        let node = &now.nodes[primary];
        let is_out = now.key.in_sync & 1 << left == 0 || self.has(Fault::ShrinkAfterCeasing);
        let may = stands(now, primary) && node.awaited & 1 << left != 0 && is_out;
        may.then(|| {
            with(now, primary, |node| {
                node.awaited &= !(1 << left);
                // It learns that it is alone.
                node.own_disk |= node.awaited == 1 << primary;
            })
        })
    }

    fn grow(&self, now: &Cluster, primary: usize, joining: usize) -> Option<Cluster> {
        let node = &now.nodes[primary];
        let is_awaited = node.awaited & 1 << joining != 0 || self.has(Fault::GrowBeforeWaiting);
        // A primary before may still release what it was acked: all that this one began with has to be there.
        let start = if self.has(Fault::GrowBelowStart) { 0 } else { log::start(node.log, node.epoch) };
        let has_all = node.acked[joining] >= log::len(now.released).max(start);
        let is_out = now.key.in_sync & 1 << joining == 0;
        if !stands(now, primary) || !is_awaited || !has_all || !is_out {
            return None;
        }
        let mut next = *now;
        next.key.in_sync |= 1 << joining;
        next.key.version += 1;
        self.rules.may_grow(now.key, joining).then_some(next)
    }

    fn meet(&self, now: &Cluster, primary: usize, other: usize) -> Option<Result<Cluster, &'static str>> {
        let (node, promise) = (&now.nodes[primary], now.nodes[other].promised);
        if !node.is_primary() || !now.nodes[other].is_up() || promise <= node.epoch {
            return None;
        }
        let raised = self.rules.raised(now.key, primary, node.epoch, promise);
        let may =
            |epoch: &u8| self.rules.may_open(now.key, primary, *epoch, now.key.in_sync & !(1 << primary));
        let Some(epoch) = raised.filter(may) else {
            return Some(Ok(with(now, primary, |node| *node = node.as_standby())));
        };
        if epoch > self.epochs_max || log::len(node.log) == log::RECORDS_MAX {
            return None;
        }
        let mut next = with(now, primary, |node| {
            node.epoch = epoch;
            node.promised = epoch;
            node.log = log::push(node.log, epoch);
            node.synced = log::len(node.log);
            node.acked = [0; NODES];
        });
        next.key = Key { version: now.key.version + 1, epoch, ..now.key };
        Some(opened(&mut next, primary).map(|()| next))
    }

    /// I6: who may be promoted is awaited, or has promised away already.
    fn promotable_is_awaited(&self, now: &Cluster) -> bool {
        let primary = usize::from(now.key.primary);
        if !stands(now, primary) {
            return true;
        }
        let node = &now.nodes[primary];
        let key = Key { lease: 0, ..now.key };
        (0..NODES).filter(|other| *other != primary && now.nodes[*other].is_up()).all(|other| {
            node.awaited & 1 << other != 0
                || now.nodes[other].promised > node.epoch
                || !self.rules.may_promote(key, &now.nodes, other, false)
        })
    }
}

/// I1: an epoch has one primary. I3: it holds all that was released under epochs before.
fn opened(next: &mut Cluster, index: usize) -> Result<(), &'static str> {
    let node = &next.nodes[index];
    let place = 4 * u32::from(node.epoch);
    let before = next.opened_by >> place & 0xf;
    if before != 0 {
        return Err("I1");
    }
    next.opened_by |= (index as u32 + 1) << place;
    let is_late = next.released_epoch > node.epoch;
    let holds_all = log::common(next.released, node.log) == log::len(next.released);
    (is_late || holds_all).then_some(()).ok_or("I3")
}

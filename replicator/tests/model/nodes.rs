//! The state of the model: what a cluster of three is made of, small enough to be copied millions of times.

pub(crate) const NODES: usize = 3;

/// A log is the epochs of its records, four bits each, the first lowest. A record is known by its epoch and its place:
/// an epoch has one writer.
pub(crate) mod log {
    pub(crate) const RECORDS_MAX: u8 = 8;

    pub(crate) fn len(log: u32) -> u8 {
        ((32 - log.leading_zeros()).div_ceil(4)) as u8
    }

    pub(crate) fn last_epoch(log: u32) -> u8 {
        match len(log) {
            0 => 0,
            len => (log >> (4 * (len - 1)) & 0xf) as u8,
        }
    }

    pub(crate) fn push(log: u32, epoch: u8) -> u32 {
        assert!(len(log) < RECORDS_MAX);
        log | u32::from(epoch) << (4 * len(log))
    }

    pub(crate) fn cut(log: u32, to: u8) -> u32 {
        if to >= RECORDS_MAX { log } else { log & ((1 << (4 * to)) - 1) }
    }

    pub(crate) fn at(log: u32, index: u8) -> u8 {
        (log >> (4 * index) & 0xf) as u8
    }

    /// Records up to the first of an epoch, which opens it. The first epoch is opened by none.
    pub(crate) fn start(log: u32, epoch: u8) -> u8 {
        if epoch == 1 {
            0
        } else {
            (0..len(log)).find(|index| at(log, *index) == epoch).map_or(0, |index| index + 1)
        }
    }

    /// Records that both begin with.
    pub(crate) fn common(a: u32, b: u32) -> u8 {
        (0..RECORDS_MAX)
            .find(|index| at(a, *index) != at(b, *index) || at(a, *index) == 0)
            .unwrap_or(RECORDS_MAX)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Down,
    Standby,
    /// Has looked and promised, and wants to swap.
    Candidate,
    /// Its swap was made; it does not know yet, or has not opened yet.
    Won,
    Primary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) role: Role,
    /// On disk.
    pub(crate) promised: u8,
    pub(crate) log: u32,
    /// Records of it on disk.
    pub(crate) synced: u8,
    /// On disk: it led when it was last in sync.
    pub(crate) led: bool,
    /// Its memory went with the power since it was last in sync.
    pub(crate) power_lost: bool,
    /// A primary's epoch, or the one that a candidate wants.
    pub(crate) epoch: u8,
    /// The version of the state that a candidate saw.
    pub(crate) seen: u8,
    /// Where a candidate's epoch begins.
    pub(crate) start: u8,
    /// Whom a primary waits for, itself included; whom a candidate keeps.
    pub(crate) awaited: u8,
    /// A primary waits for its own disk, whatever the policy.
    pub(crate) own_disk: bool,
    /// What a primary knows its standbys to have.
    pub(crate) acked: [u8; NODES],
    /// The ack that is on its way from this node: the epoch, and how much.
    pub(crate) ack: (u8, u8),
}

impl Node {
    pub(crate) fn is_up(&self) -> bool {
        self.role != Role::Down
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.role == Role::Primary
    }

    /// A node that only follows, with nothing left of what it was.
    pub(crate) fn as_standby(self) -> Node {
        Node {
            role: Role::Standby,
            epoch: 0,
            seen: 0,
            start: 0,
            awaited: 0,
            own_disk: false,
            acked: [0; NODES],
            ..self
        }
    }
}

/// What the coordinator keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) version: u8,
    pub(crate) epoch: u8,
    pub(crate) primary: u8,
    pub(crate) in_sync: u8,
    /// The holder's number and one; 0: nobody.
    pub(crate) lease: u8,
}

/// How often what may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) records: u8,
    pub(crate) crashes: u8,
    pub(crate) power_cuts: u8,
    pub(crate) changes: u8,
    pub(crate) lease_ends: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) nodes: [Node; NODES],
    pub(crate) key: Key,
    /// All that was ever released, and by the highest epoch.
    pub(crate) released: u32,
    pub(crate) released_epoch: u8,
    /// What that epoch's primary held when it released first.
    pub(crate) released_over: u32,
    /// Who opened each epoch: the node's number and one, four bits each.
    pub(crate) opened_by: u32,
    pub(crate) left: Left,
}

impl Cluster {
    /// Bytes that tell two states apart, with the nodes in this order. Versions count only as far as they differ.
    pub(crate) fn bytes(&self, order: [usize; NODES]) -> [u8; BYTES] {
        let mut place = [0; NODES];
        for (to, from) in order.into_iter().enumerate() {
            place[from] = to as u8;
        }
        let mask = |mask: u8| (0..NODES).fold(0, |all, node| all | (mask >> node & 1) << place[node]);
        let holder = |number: u8| if number == 0 { 0 } else { place[usize::from(number) - 1] + 1 };
        let mut bytes = [0; BYTES];
        let mut at = 0;
        let mut put = |more: &[u8]| {
            bytes[at..at + more.len()].copy_from_slice(more);
            at += more.len();
        };
        let Key { version, epoch, primary, in_sync, lease } = self.key;
        put(&[epoch, place[usize::from(primary)], mask(in_sync), holder(lease), self.released_epoch]);
        let Left { records, crashes, power_cuts, changes, lease_ends } = self.left;
        put(&[records, crashes, power_cuts, changes, lease_ends]);
        put(&self.released.to_le_bytes());
        put(&self.released_over.to_le_bytes());
        for epoch in 0..EPOCHS {
            put(&[holder((self.opened_by >> (4 * epoch) & 0xf) as u8)]);
        }
        for node in order.map(|node| &self.nodes[node]) {
            let is_seen = node.seen == version;
            let flags = [node.led, node.power_lost, node.own_disk, is_seen];
            put(&[flags.into_iter().fold(node.role as u8, |all, flag| all << 1 | u8::from(flag))]);
            put(&[node.promised, node.synced, node.epoch, node.start, mask(node.awaited)]);
            put(&order.map(|other| node.acked[other]));
            put(&[node.ack.0, node.ack.1]);
            put(&node.log.to_le_bytes());
        }
        assert_eq!(at, BYTES);
        bytes
    }
}

/// Epochs that are told apart, 0 included.
const EPOCHS: u8 = 6;
/// Bytes of a state's print.
const BYTES: usize = 18 + EPOCHS as usize + NODES * (12 + NODES);

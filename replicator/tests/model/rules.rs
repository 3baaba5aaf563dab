//! The real rules, asked by the model: promotion checks, the restart rule, what a primary does that meets a promise, and
//! the transitions of the cluster's state. Answers are remembered, since the same question comes millions of times.

use std::cell::RefCell;
use std::collections::HashMap;

use rialto_replicator::promote::copy::CountedCopy;
use rialto_replicator::promote::restart::{Member, Restart, restart};
use rialto_replicator::promote::{Facts, LeaseSeen, Met, OwnCopy, Request, check, meet_promise};
use rialto_replicator::state::{AckPolicy, ClusterState, Held, Opening};

use super::nodes::{Key, NODES, Node, log};

/// The real rules under one policy.
pub(crate) struct Rules {
    pub(crate) policy: AckPolicy,
    answers: RefCell<HashMap<(u8, u128), bool>>,
}

fn name(node: usize) -> String {
    format!("n{node}")
}

fn names(mask: u8) -> Vec<String> {
    (0..NODES).filter(|node| mask & 1 << node != 0).map(name).collect()
}

impl Rules {
    pub(crate) fn new(policy: AckPolicy) -> Self {
        Rules { policy, answers: RefCell::default() }
    }

    fn state(&self, key: Key) -> ClusterState {
        let founded = ClusterState::founded(&name(key.primary.into()), self.policy, false).unwrap();
        let state = ClusterState { epoch: key.epoch.into(), in_sync: names(key.in_sync), ..founded };
        state.check().unwrap()
    }

    /// How the copy fared that was counted on a node. A lone primary's is on its disk, as its releases waited for.
    fn counted(&self, key: Key, index: usize, node: &Node, ignore_boot: bool) -> CountedCopy {
        let alone = key.in_sync == 1 << index && node.led;
        let policy = if alone { AckPolicy::Disk } else { self.policy };
        let power_lost = node.power_lost && !ignore_boot;
        CountedCopy { policy, led: node.led, power_lost, memory_found: !power_lost }
    }

    fn remember(&self, question: (u8, u128), answer: impl FnOnce() -> bool) -> bool {
        if let Some(answer) = self.answers.borrow().get(&question) {
            return *answer;
        }
        let answer = answer();
        self.answers.borrow_mut().insert(question, answer);
        answer
    }

    /// Whether a node may be promoted by itself, by the checks.
    pub(crate) fn may_promote(
        &self,
        key: Key,
        nodes: &[Node; NODES],
        index: usize,
        ignore_boot: bool,
    ) -> bool {
        let node = &nodes[index];
        let heard = key.in_sync & !(1 << index) & up(nodes);
        let epoch = log::last_epoch(node.log);
        let question = pack(&[
            key.epoch,
            key.primary,
            key.in_sync,
            key.lease,
            index as u8,
            heard,
            epoch,
            node.led.into(),
            node.power_lost.into(),
        ]);
        self.remember((0, question), || {
            let lease = match key.lease {
                0 => LeaseSeen::Absent,
                holder => LeaseSeen::Held(name(usize::from(holder) - 1)),
            };
            let counted = self.counted(key, index, node, ignore_boot);
            let facts = Facts {
                candidate: name(index),
                request: Request::Automatic,
                nodes: names(7),
                state: self.state(key),
                asked_at_epoch: key.epoch.into(),
                lease,
                leads: false,
                primary_leads: None,
                copy: OwnCopy {
                    epoch: epoch.into(),
                    received: 0,
                    applied: 0,
                    fault: None,
                    version: None,
                    counted,
                },
                heard: names(heard),
                tenure_ns: None,
                skew_ns: 0,
            };
            check(&facts).is_ok()
        })
    }

    /// Whether a node that starts may lead, by the restart rule.
    pub(crate) fn may_restart(
        &self,
        key: Key,
        nodes: &[Node; NODES],
        index: usize,
        ignore_boot: bool,
    ) -> bool {
        let mut question = vec![key.epoch, key.primary, key.in_sync, index as u8, up(nodes)];
        for node in nodes {
            let flags = u8::from(node.led) | u8::from(node.power_lost) << 1;
            question.extend([log::last_epoch(node.log), log::len(node.log), flags]);
        }
        self.remember((1, pack(&question)), || {
            let member = |index: usize| Member {
                name: name(index),
                epoch: log::last_epoch(nodes[index].log).into(),
                sequence: log::len(nodes[index].log).into(),
                counted: self.counted(key, index, &nodes[index], ignore_boot),
            };
            let heard: Vec<Member> = (0..NODES)
                .filter(|other| *other != index && up(nodes) & 1 << other != 0)
                .map(member)
                .collect();
            matches!(restart(&self.state(key), &member(index), &heard), Restart::Lead { loss: false })
        })
    }

    /// Whether the state may change so: the new primary, the epoch and the members that it keeps.
    pub(crate) fn may_open(&self, key: Key, primary: usize, epoch: u8, keep: u8) -> bool {
        let question = pack(&[key.epoch, key.primary, key.in_sync, primary as u8, epoch, keep]);
        self.remember((2, question), || {
            let opening = Opening {
                epoch: epoch.into(),
                primary: name(primary),
                start_page: 1,
                start_seq: 1,
                prev_end_page: 1,
                prev_chain: [0; 16],
                loss: false,
            };
            let keep = names(keep);
            let keep: Vec<&str> = keep.iter().map(String::as_str).collect();
            self.state(key).opened(&opening, &keep).is_ok()
        })
    }

    /// Whether a member may be taken out.
    pub(crate) fn may_shrink(&self, key: Key, leaving: usize, held: Held) -> bool {
        let question =
            pack(&[key.primary, key.in_sync, leaving as u8, u8::from(held.synced < held.released)]);
        self.remember((3, question), || self.state(key).without(&[&name(leaving)], held).is_ok())
    }

    /// Whether a node may be taken in.
    pub(crate) fn may_grow(&self, key: Key, joining: usize) -> bool {
        let question = pack(&[key.primary, key.in_sync, joining as u8]);
        self.remember((4, question), || self.state(key).with(&name(joining)).is_ok())
    }

    /// What a primary does that meets a promise: the epoch it raises itself to, or `None`: it fences itself.
    pub(crate) fn raised(&self, key: Key, primary: usize, own_epoch: u8, promise: u8) -> Option<u8> {
        let lease = if usize::from(key.lease) == primary + 1 {
            LeaseSeen::Held(name(primary))
        } else {
            LeaseSeen::Absent
        };
        match meet_promise(promise.into(), own_epoch.into(), &name(primary), &self.state(key), &lease) {
            Met::Raise(epoch) => Some(u8::try_from(epoch).unwrap()),
            Met::Fence => None,
            Met::Nothing => unreachable!("the promise is above its epoch"),
        }
    }
}

fn up(nodes: &[Node; NODES]) -> u8 {
    (0..NODES).filter(|node| nodes[*node].is_up()).map(|node| 1 << node).sum()
}

/// Small numbers as one.
fn pack(numbers: &[u8]) -> u128 {
    numbers.iter().fold(1, |packed, number| {
        assert!(*number < 16, "{number} does not fit");
        packed << 4 | u128::from(*number)
    })
}

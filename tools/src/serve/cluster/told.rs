//! What an operator asks of a node in a cluster, and what `rialto status` says of it.

use std::time::{Duration, Instant};

use crossbeam::channel::bounded;
use rialto_engine::matcher;
use rialto_protocol::reference::{Author, Operation};
use rialto_protocol::terms::AckPolicy as Word;
use rialto_protocol::{Command, Sequence};
use rialto_replicator::message::Role;
use rialto_replicator::promote::Request;
use serde_json::{Value, json};

use super::engine::Order;
use super::keeper::{change, leave};
use super::{Cluster, Life, ack_policy_of};
use crate::request::{Promote, Promotion};
use crate::serve::operator::Operator;

/// How long a promotion may take.
const PROMOTE_MAX: Duration = Duration::from_secs(20);
/// How long a policy may take until it is in force.
const POLICY_MAX: Duration = Duration::from_secs(10);

/// Makes this node the primary, or says which check failed.
pub fn promote(cluster: &Cluster, asked: &Promote) -> Promotion {
    let Some(life) = cluster.life() else {
        return Promotion::refused("journal", "the node is starting: ask again");
    };
    if life.role() == Role::Primary {
        return Promotion {
            promoted: Some(cluster.me.clone()),
            epoch: Some(life.epoch()),
            ..Promotion::default()
        };
    }
    let request = match (asked.planned, asked.force) {
        (true, _) => Request::Planned,
        (false, true) => Request::Forced,
        (false, false) => Request::Manual,
    };
    let (reply, answer) = bounded(1);
    if life.orders.try_send(Order::Promote { request, reply }).is_err() {
        return Promotion::refused(
            "epoch",
            "the node is busy with another promotion: look at `rialto status`",
        );
    }
    if let Some(bell) = &*life.upstream.lock() {
        bell.ring();
    }
    answer
        .recv_timeout(PROMOTE_MAX)
        .unwrap_or_else(|_| Promotion::refused("epoch", "no outcome in time: look at `rialto status`"))
}

/// Takes a node out of the in-sync set; the primary no longer waits for it.
pub fn drop_node(cluster: &Cluster, name: &str) -> Result<u64, String> {
    let life = leading(cluster)?;
    let state = leave(cluster, &life, name)?;
    tracing::warn!(
        node = name,
        in_sync = state.in_sync.join(","),
        "dropped by the operator: it may be promoted only with --force --accept-loss until it is in sync again"
    );
    Ok(life.cursors.synced())
}

/// Changes the policy, in the cluster's state and in the journal; done once it is in force.
pub fn policy(cluster: &Cluster, operator: &Operator, (author, word): (Author, Word)) -> Result<u64, String> {
    let life = leading(cluster)?;
    let wanted = matcher::policy_of(word);
    let policy = ack_policy_of(wanted);
    let strict = life.state().is_some_and(|state| state.strict);
    if life.state().is_none_or(|state| state.policy != policy) {
        change(cluster, &life, |state| state.under(policy, strict))?;
    }
    let command = Command::Operate(author, Operation::Policy(word));
    operator.tell(&command, POLICY_MAX).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + POLICY_MAX;
    while life.cursors.policy() != wanted {
        if Instant::now() > deadline {
            return Err("the policy is not in force yet: its record is not durable".to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(Sequence(life.cursors.synced()).0)
}

fn leading(cluster: &Cluster) -> Result<std::sync::Arc<Life>, String> {
    let life = cluster.life().filter(|life| life.role() == Role::Primary);
    life.ok_or_else(|| {
        format!("not primary; primary is {}", cluster.standing.primary().as_deref().unwrap_or("unknown"))
    })
}

/// What a node's row of `rialto status` says beside what a lone node's does.
#[derive(Debug)]
pub struct Row {
    /// `starting`, `standby`, `primary`, `stopped`.
    pub role: &'static str,
    /// Name of the primary, as far as it is known.
    pub primary: Option<String>,
    /// The epoch that it leads, of a primary.
    pub epoch: Option<u32>,
    /// The in-sync set, as this node knows it.
    pub in_sync: Vec<String>,
    /// All nodes that the configuration names.
    pub members: Vec<String>,
    /// The standbys, of a primary.
    pub standbys: Value,
}

/// The row's part of the cluster.
pub fn row(cluster: &Cluster) -> Row {
    let life = cluster.life();
    let state = life.as_ref().and_then(|life| life.state());
    let leads = life.as_ref().filter(|life| life.role() == Role::Primary);
    let standbys = leads.map_or_else(Vec::new, |life| {
        let published = life.cursors.published();
        let told = |(name, row): (String, super::awaited::Row)| {
            json!({
                "node": name,
                "recv": row.ack.received,
                "rsynced": row.ack.synced,
                "applied": row.ack.applied,
                "lag_commands": published.saturating_sub(row.ack.applied),
                "lag_us": u64::try_from(row.behind().as_micros()).unwrap_or(u64::MAX),
                "streams": row.streams,
                "awaited": row.awaited,
                "differs": row.differs,
            })
        };
        life.awaited.rows().into_iter().map(told).collect()
    });
    let mut members: Vec<String> = cluster.peers.iter().map(|(name, _)| name.clone()).collect();
    if !members.contains(&cluster.me) {
        members.push(cluster.me.clone());
    }
    Row {
        epoch: leads.map(|life| life.epoch()),
        role: cluster.role_word(),
        primary: state.as_ref().map(|state| state.primary.clone()),
        members,
        in_sync: state.map(|state| state.in_sync).unwrap_or_default(),
        standbys: Value::Array(standbys),
    }
}

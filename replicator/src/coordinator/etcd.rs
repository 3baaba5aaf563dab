//! The coordinator in etcd, over its HTTP/JSON gateway: plain HTTP/1.1, one request after the other, no TLS.
//!
//! Tested with etcd 3.4; the paths are those of 3.4 and later. Each call tries the endpoints in turn, each for at most
//! [`TRY`]. A change that was sent and not answered is not sent again here: its outcome is
//! [unknown](CoordinatorError::Unknown), and [`settle`](super::settle) finds out.

mod answer;
mod gateway;

use std::time::Duration;

use serde_json::{Value, json};

use self::answer::{base64_of, kept_of, number_of, view_of};
use self::gateway::{Failed, Gateway};
use super::keys::Keys;
use super::{
    Coordinator, CoordinatorError, Granted, LeaseId, LeaseIs, NodeNote, Revision, Swap, View, Watched,
};

pub use self::gateway::TRY;

/// What a coordinator's address begins with.
pub const SCHEME: &str = "etcd://";
/// Endpoints of one etcd cluster.
const ENDPOINTS_MAX: usize = 9;

/// A cluster's keys in etcd.
#[derive(Debug)]
pub struct Etcd {
    keys: Keys,
    gateway: Gateway,
}

impl Etcd {
    /// The keys of `cluster` in the etcd at `etcd://HOST:PORT,HOST:PORT,…`. Connects to nothing yet; says what is
    /// wrong with the address.
    pub fn new(address: &str, cluster: &str) -> Result<Self, String> {
        let endpoints = endpoints(address)?;
        Ok(Etcd { keys: Keys::of(cluster), gateway: Gateway::new(endpoints) })
    }

    fn prefix(&self) -> Value {
        json!({"key": base64_of(self.keys.prefix()), "range_end": base64_of(self.keys.behind())})
    }

    /// What a transaction's failure branch read.
    fn read_in(&self, answer: &Value) -> Result<View, CoordinatorError> {
        let range = &answer["responses"][0]["response_range"];
        view_of(&self.keys, &answer["header"], range)
    }

    fn condition(&self, lease_is: LeaseIs) -> Option<Value> {
        let key = base64_of(self.keys.lease());
        match lease_is {
            LeaseIs::Any => None,
            LeaseIs::Absent => {
                Some(json!({"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}))
            }
            LeaseIs::Held(LeaseId(lease)) => {
                Some(json!({"key": key, "target": "LEASE", "result": "EQUAL", "lease": lease.to_string()}))
            }
        }
    }
}

impl Coordinator for Etcd {
    fn read(&self) -> Result<View, CoordinatorError> {
        let answer = self.gateway.ask("/v3/kv/range", &self.prefix())?;
        view_of(&self.keys, &answer["header"], &answer)
    }

    fn swap(&self, swap: &Swap<'_>) -> Result<Revision, CoordinatorError> {
        let state = base64_of(self.keys.state());
        let seen = swap.seen.0.to_string();
        let mut compare =
            vec![json!({"key": state, "target": "MOD", "result": "EQUAL", "mod_revision": seen})];
        compare.extend(self.condition(swap.lease_is));
        let mut success =
            vec![json!({"request_put": {"key": state, "value": base64_of(swap.state.to_bytes())}})];
        if let Some(LeaseId(lease)) = swap.hold {
            let (key, value) = (base64_of(self.keys.lease()), base64_of(Keys::holder_text(swap.state)));
            success.push(json!({"request_put": {"key": key, "value": value, "lease": lease.to_string()}}));
        }
        let failure = json!([{"request_range": self.prefix()}]);
        let body = json!({"compare": compare, "success": success, "failure": failure});
        let answer = self.gateway.change("/v3/kv/txn", &body)?;
        if answer["succeeded"].as_bool() == Some(true) {
            return Ok(Revision(number_of(&answer["header"]["revision"])?));
        }
        let now = self.read_in(&answer)?;
        let why =
            if now.seen() == swap.seen { "the lease is not as wanted" } else { "the state was changed" };
        Err(CoordinatorError::Lost { why: why.to_owned(), now: Box::new(now) })
    }

    fn grant(&self, ttl: Duration) -> Result<Granted, CoordinatorError> {
        // Whole seconds, never fewer than asked for.
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let answer = self.gateway.ask("/v3/lease/grant", &json!({"TTL": seconds.to_string()}))?;
        let lease = LeaseId(number_of(&answer["ID"])?);
        Ok(Granted { lease, ttl: Duration::from_secs(number_of(&answer["TTL"])?) })
    }

    fn keep_alive(&self, lease: LeaseId) -> Result<Duration, CoordinatorError> {
        // Renewing twice does no harm, so every endpoint may be tried.
        let answer = self.gateway.ask("/v3/lease/keepalive", &json!({"ID": lease.0.to_string()}))?;
        // A lease that is over has no life left, which etcd leaves out.
        let ttl = &answer["result"]["TTL"];
        if ttl.is_null() {
            return Err(CoordinatorError::Expired);
        }
        Ok(Duration::from_secs(number_of(ttl)?))
    }

    fn revoke(&self, lease: LeaseId) -> Result<(), CoordinatorError> {
        match self.gateway.ask("/v3/lease/revoke", &json!({"ID": lease.0.to_string()})) {
            Ok(_) | Err(CoordinatorError::Expired) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn register(&self, node: &NodeNote, lease: LeaseId) -> Result<(), CoordinatorError> {
        let key = base64_of(self.keys.node(&node.name));
        let lease = lease.0.to_string();
        let put =
            json!({"request_put": {"key": key, "value": base64_of(Keys::note_text(node)), "lease": lease}});
        let absent = json!({
            "compare": [{"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}],
            "success": [put],
            "failure": [{"request_range": {"key": key}}],
        });
        let mine = json!({
            "compare": [{"key": key, "target": "LEASE", "result": "EQUAL", "lease": lease}],
            "success": [put],
            "failure": [{"request_txn": absent}],
        });
        let answer = self.gateway.ask("/v3/kv/txn", &mine)?;
        let inner = &answer["responses"][0]["response_txn"];
        if answer["succeeded"].as_bool() == Some(true) || inner["succeeded"].as_bool() == Some(true) {
            return Ok(());
        }
        let kept = kept_of(&inner["responses"][0]["response_range"])?;
        let other = kept.first().and_then(|kept| Keys::note(&kept.value));
        Err(other.map_or_else(
            || CoordinatorError::Refused(format!("no note was kept: {answer}")),
            CoordinatorError::taken,
        ))
    }

    fn watch(&self, seen: Revision, patience: Duration) -> Result<Watched, CoordinatorError> {
        let mut wanted = self.prefix();
        wanted["start_revision"] = json!((seen.0 + 1).to_string());
        let body = json!({"create_request": wanted});
        let changed = self.gateway.follow("/v3/watch", &body, patience, |answer| self.is_change(answer))?;
        Ok(if changed { Watched::Changed } else { Watched::Nothing })
    }

    fn forget(&self) -> Result<(), CoordinatorError> {
        self.gateway.ask("/v3/kv/deleterange", &self.prefix()).map(|_| ())
    }

    fn has_leases(&self) -> bool {
        true
    }
}

impl Etcd {
    /// Whether a watch's line tells of a change: of one of the keys that matter, or of a watch that ended, as after a
    /// compaction, so that one has to read.
    fn is_change(&self, answer: &Value) -> Result<bool, CoordinatorError> {
        let result = &answer["result"];
        if answer.get("error").is_some() || result["canceled"].as_bool() == Some(true) {
            return Ok(true);
        }
        let Some(events) = result["events"].as_array() else { return Ok(false) };
        for event in events {
            let key = answer::text_of(&event["kv"]["key"])?;
            if self.keys.is_watched(&key) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn endpoints(address: &str) -> Result<Vec<String>, String> {
    let wrong = |why: &str| Err(format!("{address:?}: {why}; etcd://HOST:PORT,HOST:PORT is wanted"));
    let Some(list) = address.strip_prefix(SCHEME) else {
        return wrong("a coordinator's address begins with etcd://");
    };
    let endpoints: Vec<String> = list.split(',').map(|endpoint| endpoint.trim().to_owned()).collect();
    let is_sound = |endpoint: &String| {
        endpoint.rsplit_once(':').is_some_and(|(host, port)| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
            !host.is_empty() && host.bytes().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if let Some(endpoint) = endpoints.iter().find(|endpoint| !is_sound(endpoint)) {
        return wrong(&format!("{endpoint:?} is no HOST:PORT"));
    }
    if endpoints.len() > ENDPOINTS_MAX {
        return wrong(&format!("more than {ENDPOINTS_MAX} endpoints"));
    }
    Ok(endpoints)
}

/// What etcd says in an error, as ours.
fn refusal(failed: &Failed) -> Option<CoordinatorError> {
    let Failed::Told { status, message } = failed else { return None };
    if message.contains("requested lease not found") {
        return Some(CoordinatorError::Expired);
    }
    // 5xx: no leader, time out, too busy; another endpoint or another moment may do. The rest is our request's fault.
    (*status < 500).then(|| CoordinatorError::Refused(format!("{status}: {message}")))
}

#[cfg(test)]
mod tests;

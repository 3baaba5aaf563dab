//! Addresses, and what etcd's lines mean. What it does is asked of a real one in `tests/coordinator_etcd.rs`.
use super::*;

#[test]
fn an_address_names_one_or_more_endpoints() {
    assert_eq!(endpoints("etcd://127.0.0.1:2379").unwrap(), ["127.0.0.1:2379"]);
    assert_eq!(endpoints("etcd://a:1,b.example:2, [::1]:3").unwrap(), ["a:1", "b.example:2", "[::1]:3"]);
    for bad in
        ["", "etcd://", "http://a:1", "etcd://a", "etcd://a:0", "etcd://a:1,", "etcd://a/b:1", "etcd://:1"]
    {
        assert!(endpoints(bad).unwrap_err().contains("etcd://"), "{bad}");
    }
}

#[test]
fn a_watch_tells_of_the_state_and_the_lease_and_of_its_own_end() {
    let etcd = Etcd::new("etcd://127.0.0.1:1", "x").unwrap();
    let event =
        |key: &str| json!({"result": {"events": [{"type": "DELETE", "kv": {"key": base64_of(key)}}]}});
    assert!(etcd.is_change(&event("/rialto/x/state")).unwrap());
    assert!(etcd.is_change(&event("/rialto/x/lease")).unwrap());
    assert!(!etcd.is_change(&event("/rialto/x/node/n1")).unwrap());
    assert!(!etcd.is_change(&json!({"result": {"created": true}})).unwrap());
    assert!(etcd.is_change(&json!({"result": {"canceled": true, "compact_revision": "9"}})).unwrap());
    assert!(etcd.is_change(&json!({"error": {"message": "no leader"}})).unwrap());
    assert!(etcd.is_change(&json!({"result": {"events": [{"kv": {"key": "%"}}]}})).is_err());
}

#[test]
fn nobody_there_is_known_to_have_done_nothing() {
    let etcd = Etcd::new("etcd://127.0.0.1:1,127.0.0.1:2", "x").unwrap();
    assert!(matches!(etcd.read(), Err(CoordinatorError::Unreachable(why)) if why.contains("127.0.0.1:2")));
    let state = crate::state::ClusterState::founded("n1", crate::state::AckPolicy::Disk, false).unwrap();
    let swap = Swap { seen: Revision(0), lease_is: LeaseIs::Absent, state: &state, hold: None };
    assert!(matches!(etcd.swap(&swap), Err(CoordinatorError::Unreachable(_))));
}

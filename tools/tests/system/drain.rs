//! SIGTERM: what is sequenced is answered, everybody hears a numbered good-bye, and the process ends cleanly and soon.

use std::time::Duration;

use crate::Rounds;
use crate::venue::Venue;

/// How long a node may take.
const WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn sigterm_drains_within_5_s_and_says_good_bye(rounds: &Rounds) {
    let mut venue = Venue::new(rounds.seed);
    for policy in ["disk", "async"] {
        let node = venue.start(policy);
        venue.come_back(&node, false);
        venue.trade_until(node, 500, |node| {
            let (status, took) = node.terminate();
            assert_eq!(status.code(), Some(0));
            assert!(took < WITHIN, "{policy}: {took:?}");
        });
        for trader in &venue.traders {
            let (kind, number) = trader.ledger.last();
            assert_eq!(kind, "5", "{}: the last word is a Logout", trader.name);
            assert_eq!(number + 1, trader.ledger.next(), "{}: all before it has come", trader.name);
        }
        let left: Vec<_> = std::fs::read_dir(venue.home.shm()).unwrap().flatten().collect();
        assert!(left.is_empty(), "shared memory is given back: {left:?}");
    }
    let node = venue.start("disk");
    assert!(!node.log().contains("torn"), "{}", node.log());
    venue.come_back(&node, true);
    venue.check(&node);
}

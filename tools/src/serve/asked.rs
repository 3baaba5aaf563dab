//! Requests to this node over its clients' port: see [`crate::request`].

use std::sync::Arc;
use std::thread;

use rialto_gateway::request::{Request, Requests};
use rialto_journal::cursor::Gate;

use super::node::Node;
use crate::request::{Answer, Ask, Promotion};

/// Answers requests for `node`, each on a thread of its own: gateways bound how many there are.
pub(super) fn requests(node: &Arc<Node>) -> Requests {
    let node = Arc::clone(node);
    Requests::new(move |request: Request| {
        let node = Arc::clone(&node);
        let work = move || {
            let answer = answer(&request.text, &node);
            request.responder.answer(answer.line());
        };
        if let Err(error) = thread::Builder::new().name("asked".into()).spawn(work) {
            tracing::warn!(%error, "no thread for a request");
        }
    })
}

fn answer(text: &str, node: &Node) -> Answer {
    match Ask::read(text) {
        Ok(Ask::Status { state_hash }) => Answer::Status { row: node.status(state_hash) },
        Ok(Ask::Promote(promote)) if promote.node == node.name => promotion(node),
        Ok(Ask::Promote(promote)) => {
            let why = format!("this is {}, not {}", node.name, promote.node);
            Answer::Promotion(Promotion::refused("unknown-node", why))
        }
        Ok(Ask::Nonce) => Answer::Refused { why: "a node alone has no key".to_owned() },
        Err(why) => Answer::Refused { why },
    }
}

/// Whoever is the primary already has nothing to be promoted to.
fn promotion(node: &Node) -> Answer {
    match node.cursors.gate() {
        Gate::Open => Answer::Promotion(Promotion {
            promoted: Some(node.name.clone()),
            epoch: Some(node.view.lock().epoch().0),
            ..Promotion::default()
        }),
        Gate::Standby | Gate::Starting | Gate::Shut => {
            Answer::Refused { why: "this build promotes no standby".to_owned() }
        }
    }
}

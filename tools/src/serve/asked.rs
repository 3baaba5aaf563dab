//! Requests to this node over its clients' port: see [`crate::request`].

use std::sync::Arc;
use std::thread;

use rialto_gateway::request::{Request, Requests};

use super::cluster::told;
use super::node::Node;
use crate::request::{Answer, Ask, Promote, Promotion};

/// Answers requests for `node`, each on a thread of its own: gateways bound how many there are.
pub(super) fn requests(node: &Arc<Node>) -> Requests {
    let node = Arc::clone(node);
    Requests::new(move |request: Request| {
        let node = Arc::clone(&node);
        let work = move || {
            let answer = answer(&request, &node);
            request.responder.answer(answer.line());
        };
        if let Err(error) = thread::Builder::new().name("asked".into()).spawn(work) {
            tracing::warn!(%error, "no thread for a request");
        }
    })
}

fn answer(request: &Request, node: &Node) -> Answer {
    match Ask::read(&request.text) {
        Ok(Ask::Status { state_hash }) => Answer::Status { row: node.status(state_hash) },
        Ok(Ask::Promote(promote)) if promote.node == node.name => promotion(request, &promote, node),
        Ok(Ask::Promote(promote)) => {
            let why = format!("this is {}, not {}", node.name, promote.node);
            Answer::Promotion(Promotion::refused("unknown-node", why))
        }
        Ok(Ask::Nonce) => match &node.cluster {
            None => Answer::Refused { why: "a node alone has no key".to_owned() },
            Some(cluster) => match cluster.nonces.give() {
                Ok(nonce) => Answer::Nonce { nonce },
                Err(error) => Answer::Refused { why: format!("no nonce: {error}") },
            },
        },
        Err(why) => Answer::Refused { why },
    }
}

/// Whoever is the primary already has nothing to be promoted to.
fn promotion(request: &Request, promote: &Promote, node: &Node) -> Answer {
    let Some(cluster) = &node.cluster else {
        return Answer::Promotion(Promotion {
            promoted: Some(node.name.clone()),
            epoch: Some(node.view.lock().epoch().0),
            ..Promotion::default()
        });
    };
    if !request.is_local() && !promote.is_proven(&cluster.credentials.key, &cluster.nonces) {
        let why =
            "from another machine a promotion has to be proven: --key-file, or ask on the node's own machine";
        return Answer::Refused { why: why.to_owned() };
    }
    Answer::Promotion(told::promote(cluster, promote))
}

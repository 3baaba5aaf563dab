//! What an event says, as fields: of a message to a session, the very fields that are sent.

use rialto_gateway::translate::{Identity, Wire, outbound};
use rialto_gateway::view::View;
use rialto_protocol::event::Outcome;
use rialto_protocol::{Event, Header};
use serde_json::{Map, Value};

use super::command;
use super::names::{Fields, Names};
use crate::journal::words;
use crate::serve::show;

/// The fields of an event.
pub(super) fn fields(
    view: &View,
    names: &Names<'_>,
    header: &Header,
    event: &Event<'_>,
) -> Map<String, Value> {
    let none = Fields::default();
    let fields = match event {
        Event::Report(_)
        | Event::RefusedOrder { .. }
        | Event::CancelReject(_)
        | Event::MassCancelReport(_)
        | Event::Notice(_)
        | Event::SecurityList(_)
        | Event::Balance(_) => message(view, header, event),
        Event::LogOnRefused { gateway, connection, text } => {
            none.plain("gateway", gateway.0).plain("connection", *connection).with("58", text)
        }
        Event::Repeat(number) => none.with("34", number),
        Event::Gone | Event::Challenged | Event::DayEnded => none,
        Event::Epoch(opened) => {
            none.plain("epoch", opened.epoch.0).with("node", opened.node).plain("loss", opened.loss)
        }
        Event::Reference { id, owner, operation } => command::operation(operation)
            .with("what", words::operation(operation))
            .plain("id", *id)
            .plain("owner", *owner),
        Event::Market(instrument, state) => {
            none.with("symbol", names.symbol(*instrument)).with("state", show::market(*state))
        }
        Event::Answer { request, outcome, sequence, text } => {
            none.plain("request", *request).plain("sequence", sequence.0).with("58", text).with(
                "outcome",
                match outcome {
                    Outcome::Done => "done",
                    Outcome::Repeated => "repeated",
                    Outcome::Refused => "refused",
                },
            )
        }
        Event::Busted(trade, instrument) => none.with("527", trade).with("symbol", names.symbol(*instrument)),
        Event::Policy(policy) => none.with("policy", words::policy(*policy)),
    };
    fields.0
}

/// The message in line mode, taken to pieces. `MsgSeqNum` is the line's `session_seq`.
fn message(view: &View, header: &Header, event: &Event<'_>) -> Fields {
    let identity = Identity { ours: b"", theirs: b"", wire: Wire::Line };
    let mut line = Vec::new();
    outbound(&mut line, (view, &identity), header, event, None);
    let line = String::from_utf8_lossy(&line);
    let mut fields = Fields::default();
    for (tag, value) in line.trim_end().split('|').filter_map(|field| field.split_once('=')) {
        fields = match tag {
            "34" => fields,
            "11" => fields.with("cl_ord_id", value),
            "41" => fields.with("orig_cl_ord_id", value),
            "1" => fields.with("account", value),
            "55" => fields.with("symbol", value),
            "54" => fields.with(
                "side",
                match value {
                    "1" => "buy",
                    "2" => "sell",
                    other => other,
                },
            ),
            "38" => fields.with("quantity", value),
            "44" => fields.with("price", value),
            other => fields.with(other, value),
        };
    }
    fields
}

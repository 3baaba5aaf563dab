//! What the exchange promises, as a trader's table.

use rialto_engine::stage::{Stage, plain_instrument};
use rialto_protocol::command::{NewOrder, OrderTerms};
use rialto_protocol::terms::SelfTrade;
use rialto_protocol::{ClOrdId, Command, Decimal, Price, Quantity, Side};

#[test]
fn funded_members_trade() {
    let mut stage = Stage::new();
    stage.currency("USD", 2).unwrap();
    let acme = stage.instrument(plain_instrument("ACME", "USD")).unwrap();
    let mut sessions = Vec::new();
    for name in ["ALPHA", "BETA"] {
        stage.participant(name, SelfTrade::Off).unwrap();
        stage.account(name, name).unwrap();
        sessions.push(stage.session(name, name, &[name], false).unwrap());
        stage.deposit(name, "USD", Decimal::new(1_000_000, 0)).unwrap();
        stage.deposit(name, "ACME", Decimal::new(1_000, 0)).unwrap();
    }
    stage.open().unwrap();
    for (session, side, name) in [(sessions[0], Side::Sell, "a"), (sessions[1], Side::Buy, "b")] {
        let terms = OrderTerms::limit(side, Quantity(10), acme, Price(101));
        let cl_ord_id: ClOrdId = name.parse().unwrap();
        stage.send(session, &Command::NewOrder(NewOrder { terms, cl_ord_id }));
        stage.exchange.conserve().unwrap();
    }
    assert_eq!(stage.exchange.trades().count(), 1);
    assert_eq!(stage.exchange.orders_open(), 0);
}

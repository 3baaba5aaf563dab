//! A replay is equal exactly when the venue does what the set states; a venue with a planted fault is found out.
use std::collections::HashMap;

use super::requests::Requests;
use super::*;
use crate::config::{Config, Overrides};
use crate::dataset::tests::shared;
use crate::dataset::{Limit, Trade};

/// A fault that a venue may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A replace loses its place in the queue.
    ReplaceRequeues,
    /// One cancel is forgotten.
    CancelForgotten,
    /// A post-only order trades.
    PostTrades,
    /// Money left over buys one lot too many.
    FundsRoundUp,
    /// Two orders of a level stand in the wrong order at the end.
    QueueSwapped,
}

/// The twin, which takes requests by ClOrdID as an exchange does.
struct TwinVenue {
    twin: Twin,
    fault: Fault,
    n: u64,
    cancels: usize,
    /// For each order, the ClOrdID that it has now and its `OrderQty`.
    orders: HashMap<String, (String, i64)>,
    /// ClOrdID of the request that is being done.
    request: String,
    answers: Vec<Answer>,
}

impl TwinVenue {
    fn new(fault: Fault) -> TwinVenue {
        TwinVenue {
            twin: Twin::new(),
            fault,
            n: 0,
            cancels: 0,
            orders: HashMap::new(),
            request: String::new(),
            answers: Vec::new(),
        }
    }

    fn run(&mut self, action: Action, taker: Side) {
        self.n += 1;
        let made = match self.twin.run(&Op { n: self.n, action }) {
            Ok(made) => made,
            Err(error) => {
                let cl_ord_id = self.request.clone();
                self.answers.push(Answer::Refused { cl_ord_id, why: error.to_string() });
                return;
            }
        };
        for Trade { buy, sell, price, quantity } in made {
            let now = |id: String| self.orders.get(&id).map_or(id.clone(), |(now, _)| now.clone());
            self.answers.push(Answer::Traded { buy: now(buy), sell: now(sell), price, quantity, taker });
        }
    }

    fn new_order(&mut self, id: String, side: Side, terms: Terms) {
        match terms {
            Terms::Limit { price, quantity, force } => {
                self.orders.insert(id.clone(), (id.clone(), quantity));
                let limit = Limit { id: id.clone(), side, price, quantity };
                let refused = force == Force::PostOnly && self.twin.crosses(&limit);
                match force {
                    Force::ImmediateOrCancel => self.run(Action::Immediate(limit), side),
                    Force::PostOnly if refused && self.fault != Fault::PostTrades => {
                        self.answers.push(Answer::Refused { cl_ord_id: id, why: "would trade".into() });
                    }
                    Force::PostOnly | Force::Day => self.run(Action::Limit(limit), side),
                }
            }
            Terms::Market { quantity } => self.run(Action::Market { id, side, quantity }, side),
            Terms::Funds { funds } => {
                let best = self.twin.levels(side.opposite(), 1)[0].price;
                let more = if self.fault == Fault::FundsRoundUp { i128::from(best) } else { 0 };
                self.run(Action::Funds { id, side, funds: funds + more }, side);
            }
        }
    }

    fn replace(&mut self, id: &str, cl_ord_id: &str, (side, price, quantity): (Side, i64, i64)) {
        let order = self.orders.get_mut(id).unwrap();
        let by = order.1 - quantity;
        *order = (cl_ord_id.to_owned(), quantity);
        if self.fault == Fault::ReplaceRequeues {
            let open = self.twin.open(id) - by;
            self.run(Action::Cancel { id: id.to_owned() }, side);
            self.run(Action::Rest(Limit { id: id.to_owned(), side, price, quantity: open }), side);
        } else {
            self.run(Action::Reduce { id: id.to_owned(), by }, side);
        }
    }
}

impl Venue for TwinVenue {
    fn send(&mut self, request: &Request) -> anyhow::Result<()> {
        let id = |cl_ord_id: &String| cl_ord_id.split('~').next().unwrap().to_owned();
        match request {
            Request::New { cl_ord_id, side, terms } => self.new_order(cl_ord_id.clone(), *side, *terms),
            Request::Cancel { cl_ord_id, orig_cl_ord_id, side, quantity } => {
                self.request.clone_from(cl_ord_id);
                assert_eq!(self.orders[&id(orig_cl_ord_id)], (orig_cl_ord_id.clone(), *quantity));
                self.cancels += 1;
                if self.fault != Fault::CancelForgotten || self.cancels != 100 {
                    self.run(Action::Cancel { id: id(orig_cl_ord_id) }, *side);
                }
            }
            Request::Replace { cl_ord_id, orig_cl_ord_id, side, price, quantity } => {
                assert_eq!(self.orders[&id(orig_cl_ord_id)].0, *orig_cl_ord_id);
                self.request.clone_from(cl_ord_id);
                self.replace(&id(orig_cl_ord_id), cl_ord_id, (*side, *price, *quantity));
            }
        }
        Ok(())
    }

    fn answers(&mut self) -> anyhow::Result<Vec<Answer>> {
        Ok(std::mem::take(&mut self.answers))
    }

    fn levels(&mut self, side: Side, depth: usize) -> anyhow::Result<Vec<LevelTotal>> {
        Ok(self.twin.levels(side, depth))
    }

    fn queue(&mut self) -> anyhow::Result<Vec<Resting>> {
        let mut queue = self.twin.queue();
        if self.fault == Fault::QueueSwapped {
            queue.swap(0, 1);
        }
        for order in &mut queue {
            order.id = self.orders[&order.id].0.clone();
        }
        Ok(queue)
    }

    fn state_hash(&mut self) -> anyhow::Result<Option<String>> {
        Ok(Some("00".into()))
    }
}

fn run(set: &Dataset, fault: Fault) -> Report {
    replay(set, &mut TwinVenue::new(fault)).unwrap()
}

/// A set made by hand: operations, trades and closing queue as the lines of their files, a blank between two.
fn set(ops: &str, trades: &str, closing: &str) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, header: &str, lines: &str| {
        let text = format!("{header}\n{}\n", lines.replace(' ', "\n"));
        std::fs::write(folder.path().join(name), text).unwrap();
    };
    write("ops.csv", "n,ts,op,id,side,price,qty", ops);
    write("trades.csv", "n,buy_id,sell_id,price,qty", trades);
    write("closing_l3.csv", "side,price,id,qty", closing);
    Dataset::read(folder.path()).unwrap()
}

fn every_operation() -> Dataset {
    set(
        "1,0,S,a,B,100,9 2,0,S,b,B,100,9 3,0,R,a,,,4 4,0,N,c,S,100,6 5,0,P,d,S,100,1 6,0,P,e,S,101,5 \
         7,0,I,f,B,101,2 8,0,F,g,B,,250 9,0,R,e,,,1 10,0,M,h,S,,1 11,0,N,i,B,99,2 12,0,N,j,B,99,2 13,0,C,b,,,",
        "4,a,c,100,5 4,b,c,100,1 7,f,e,101,2 8,g,e,101,2 10,b,h,100,1",
        "B,99,i,2 B,99,j,2",
    )
}

#[test]
fn every_kind_of_operation_becomes_the_request_that_does_it() {
    let report = run(&every_operation(), Fault::None);
    assert!(report.all_equal(), "{report:?}");
    assert_eq!((report.trades_stated, report.trades_made, report.trades_equal), (5, 5, 5));
    assert_eq!(report.closing_equal, Some(true));
    assert_eq!(report.first_difference, None);
}

#[test]
fn a_venue_with_a_planted_fault_is_found_out() {
    let set = every_operation();
    let first = |fault| {
        let report = run(&set, fault);
        assert!(!report.all_equal());
        report.first_difference.map(|difference| (difference.n, difference.what)).unwrap()
    };
    assert_eq!(first(Fault::ReplaceRequeues), (4, "trades"));
    assert_eq!(first(Fault::PostTrades), (5, "trades"));
    assert_eq!(first(Fault::FundsRoundUp), (8, "trades"));
    assert_eq!(first(Fault::QueueSwapped), (13, "closing"));
}

#[test]
fn a_reduction_names_the_whole_new_quantity_and_an_empty_one_cancels() {
    let set = set("1,0,S,a,B,100,9 2,0,M,b,S,,3 3,0,R,a,,,4 4,0,R,a,,,2", "2,a,b,100,3", "");
    let mut requests = Requests::default();
    let mut twin = Twin::new();
    let market = Market::of(&set);
    let mut lines = Vec::new();
    for op in &set.ops {
        twin.run(op).unwrap();
        lines.push(market.line(&requests.of(op, &twin).unwrap()).unwrap());
    }
    assert_eq!(
        lines,
        [
            "35=D|11=a|1=BUYER|55=SET|54=1|38=9|40=2|44=100",
            "35=D|11=b|1=SELLER|55=SET|54=2|38=3|40=1",
            "35=G|11=a~1|1=BUYER|55=SET|54=1|41=a|38=5|40=2|44=100",
            "35=F|11=~4|1=BUYER|55=SET|54=1|41=a~1|38=5",
        ]
    );
}

#[test]
fn lines_are_written_in_the_units_of_the_set() {
    let mut set = set("1,0,I,a,B,619085,7727983 2,0,F,b,B,,1234567 3,0,P,c,S,619086,100", "", "");
    set.tick = "0.01".parse().unwrap();
    set.lot = "0.00000001".parse().unwrap();
    let market = Market::of(&set);
    let mut requests = Requests::default();
    let mut lines = Vec::new();
    for op in &set.ops {
        lines.push(market.line(&requests.of(op, &Twin::new()).unwrap()).unwrap());
    }
    assert_eq!(
        lines,
        [
            "35=D|11=a|1=BUYER|55=SET|54=1|38=0.07727983|40=2|44=6190.85|59=3",
            "35=D|11=b|1=BUYER|55=SET|54=1|152=0.0001234567|40=1",
            "35=D|11=c|1=SELLER|55=SET|54=2|38=0.000001|40=2|44=6190.86|18=6",
        ]
    );
    assert_eq!((market.ticks("6190.85"), market.lots("0.07727983")), (Some(619_085), Some(7_727_983)));
    let config = Config::parse("F", &market.config().unwrap(), &Overrides::default()).unwrap();
    assert_eq!(config.reference.currencies[0].decimals, 10);
}

#[test]
fn coinbase_replays_equal_and_planted_faults_do_not() {
    let Some(set) = shared("coinbase-btcusd") else { return };
    let report = run(&set, Fault::None);
    assert!(report.all_equal(), "{report:?}");
    assert_eq!((report.trades_equal, report.books_equal, report.closing_equal), (501, 1, Some(true)));
    for fault in [Fault::CancelForgotten, Fault::FundsRoundUp, Fault::QueueSwapped] {
        assert!(run(&set, fault).first_difference.is_some());
    }
}

#[test]
fn nasdaq_replays_equal_and_a_forgotten_cancel_does_not() {
    let Some(set) = shared("nasdaq-aapl-49s") else { return };
    let report = run(&set, Fault::None);
    assert!(report.all_equal(), "{report:?}");
    assert_eq!((report.trades_equal, report.closing_equal), (97, None));
    assert!(!run(&set, Fault::CancelForgotten).all_equal());
}

#[test]
fn shanghai_replays_equal_after_its_auction() {
    let Some(set) = shared("sse-600519-open") else { return };
    let report = run(&set, Fault::None);
    assert!(report.all_equal(), "{report:?}");
    assert_eq!((report.trades_stated, report.trades_equal), (3433, 3433));
    assert_eq!((report.books_stated, report.books_equal), (202, 202));
    assert_eq!((report.skipped[0].from_n, report.skipped[0].to_n), (1, 1486));
    let object = serde_json::to_value(&report).unwrap();
    assert_eq!(object["closing_equal"], serde_json::Value::Null);
    assert_eq!(object["first_difference"], serde_json::Value::Null);
    assert!(!run(&set, Fault::CancelForgotten).all_equal());
}

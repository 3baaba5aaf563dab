//! The book's cases as a trader would write them: a line a step, what comes of it behind the arrow.

use rialto_protocol::{InstrumentId, OrderId, Price, Quantity, Side};

use super::{Book, Order, Orders, Slot, accepts};

#[derive(Default)]
struct Table {
    book: Book,
    slots: Vec<(u64, Slot)>,
}

impl Table {
    fn slot(&self, id: u64) -> Slot {
        self.slots.iter().rev().find(|(known, _)| *known == id).unwrap().1
    }

    fn line(&mut self, orders: &mut Orders, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<i64>().unwrap();
        let id = u64::try_from(number(1)).unwrap();
        match words[0] {
            "buy" => self.enter(orders, id, (Side::Buy, number(2), number(4))),
            "sell" => self.enter(orders, id, (Side::Sell, number(2), number(4))),
            "cancel" => {
                let slot = self.slot(id);
                self.book.remove(orders, slot);
                format!("{} gone", orders[slot].open().0)
            }
            "reduce" => {
                let slot = self.slot(id);
                self.book.reduce(orders, slot, Quantity(number(2)));
                let order = &orders[slot];
                let level = self.book.level(orders, order.side(), order.price()).unwrap();
                format!("level {} ({})", level.open.0, level.orders)
            }
            other => panic!("no such step: {other}"),
        }
    }

    fn enter(&mut self, orders: &mut Orders, id: u64, (side, quantity, price): (Side, i64, i64)) -> String {
        let order = Order::new(OrderId(id), InstrumentId(1), side, Price(price), Quantity(quantity));
        let slot = orders.insert(order).unwrap();
        let mut told = Vec::new();
        let mut open = Quantity(quantity);
        while open > Quantity(0) {
            let Some(maker) = self.book.front(orders, side.opposite()) else { break };
            let (at, id) = (orders[maker].price(), orders[maker].id);
            if !accepts(side, Price(price), at) {
                break;
            }
            let traded = open.min(orders[maker].open());
            self.book.fill(orders, maker, traded);
            open = orders.take(slot, traded);
            told.push(format!("{} @ {} with {id}", traded.0, at.0));
        }
        if open > Quantity(0) {
            self.book.rest(orders, slot);
            self.slots.push((id, slot));
            told.push(format!("rests {}", open.0));
        }
        told.join(", ")
    }
}

fn check(steps: &str) {
    let mut orders = Orders::new(100);
    let mut table = Table::default();
    for step in steps.lines().map(str::trim).filter(|step| !step.is_empty()) {
        let (line, expected) = step.split_once(" -> ").unwrap();
        assert_eq!(table.line(&mut orders, line), expected, "{step}");
    }
}

#[test]
fn earlier_order_trades_first_at_one_price() {
    check(
        "sell 1 10 @ 101 -> rests 10
         sell 2 10 @ 101 -> rests 10
         buy  3 15 @ 101 -> 10 @ 101 with 1, 5 @ 101 with 2",
    );
}

#[test]
fn better_price_trades_before_an_earlier_order() {
    check(
        "sell 1 10 @ 102 -> rests 10
         sell 2 10 @ 101 -> rests 10
         buy  3 25 @ 105 -> 10 @ 101 with 2, 10 @ 102 with 1, rests 5
         sell 4  9 @ 100 -> 5 @ 105 with 3, rests 4",
    );
}

#[test]
fn order_that_shrinks_keeps_its_place() {
    check(
        "buy    1 10 @ 99 -> rests 10
         buy    2 10 @ 99 -> rests 10
         reduce 1 4 -> level 14 (2)
         sell   3 6 @ 99 -> 4 @ 99 with 1, 2 @ 99 with 2",
    );
}

#[test]
fn cancelled_order_leaves_the_others_in_order() {
    check(
        "sell   1 10 @ 101 -> rests 10
         sell   2 10 @ 101 -> rests 10
         sell   3 10 @ 101 -> rests 10
         cancel 2 -> 10 gone
         buy    4 20 @ 101 -> 10 @ 101 with 1, 10 @ 101 with 3",
    );
}

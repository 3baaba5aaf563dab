//! The book's naive twin: sorted maps of queues, compared with the book after every step of random flows.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use rialto_protocol::{InstrumentId, OrderId, Price, Quantity, Side};

use super::{Book, Level, Order, Orders, QUANTITY_MAX, Slot, accepts};

const BOOKS: usize = 3;
const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

#[derive(Clone, Copy, Debug)]
enum Step {
    Rest { book: usize, side: Side, price: i64, open: i64 },
    Remove { pick: usize },
    Fill { pick: usize, part: u8 },
    FillFront { book: usize, side: Side, part: u8 },
    Reduce { pick: usize, part: u8 },
    Requeue { pick: usize, price: i64, open: i64 },
    Available { book: usize, side: Side, limit: i64, enough: i64 },
}

/// `1..=whole`, near the start for small parts and all of it for 255.
fn part_of(whole: i64, part: u8) -> i64 {
    if part == u8::MAX {
        whole
    } else {
        i64::try_from(i128::from(whole) * i128::from(part) / 255).unwrap().max(1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Resting {
    id: u64,
    open: i64,
    filled: i64,
}

type Levels = BTreeMap<i64, VecDeque<Resting>>;

#[derive(Default)]
struct Twin {
    bids: Levels,
    asks: Levels,
}

impl Twin {
    fn side(&self, side: Side) -> &Levels {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut Levels {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn rest(&mut self, side: Side, price: i64, resting: Resting) {
        self.side_mut(side).entry(price).or_default().push_back(resting);
    }

    fn with<T>(&mut self, side: Side, price: i64, id: u64, change: impl FnOnce(&mut Resting) -> T) -> T {
        let levels = self.side_mut(side);
        let queue = levels.get_mut(&price).unwrap();
        let at = queue.iter().position(|resting| resting.id == id).unwrap();
        let answer = change(&mut queue[at]);
        if queue[at].open == 0 {
            queue.remove(at);
            if queue.is_empty() {
                levels.remove(&price);
            }
        }
        answer
    }

    fn best_first(&self, side: Side) -> Vec<(i64, &VecDeque<Resting>)> {
        let levels = self.side(side).iter().map(|(&price, queue)| (price, queue));
        match side {
            Side::Buy => levels.rev().collect(),
            Side::Sell => levels.collect(),
        }
    }
}

struct Pair {
    orders: Orders,
    books: [Book; BOOKS],
    twins: [Twin; BOOKS],
    resting: Vec<Slot>,
    ids: u64,
}

impl Pair {
    fn new() -> Pair {
        Pair {
            orders: Orders::new(1000),
            books: Default::default(),
            twins: Default::default(),
            resting: Vec::new(),
            ids: 0,
        }
    }

    fn picked(&self, pick: usize) -> Option<(usize, Slot, Order)> {
        let at = pick.checked_rem(self.resting.len())?;
        let slot = self.resting[at];
        Some((at, slot, self.orders[slot]))
    }

    fn at(&self, slot: Slot) -> usize {
        self.resting.iter().position(|&other| other == slot).unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Rest { book, side, price, open } => {
                self.ids += 1;
                let instrument = InstrumentId(u32::try_from(book).unwrap());
                let slot = self
                    .orders
                    .insert(Order::new(OrderId(self.ids), instrument, side, Price(price), Quantity(open)))
                    .unwrap();
                self.books[book].rest(&mut self.orders, slot);
                self.twins[book].rest(side, price, Resting { id: self.ids, open, filled: 0 });
                self.resting.push(slot);
            }
            Step::Remove { pick } => {
                let Some((at, slot, order)) = self.picked(pick) else { return };
                self.books[order.instrument.0 as usize].remove(&mut self.orders, slot);
                self.gone(at, slot);
                self.change(&order, |resting| resting.open = 0);
            }
            Step::Fill { pick, part } => {
                let Some((at, _, _)) = self.picked(pick) else { return };
                self.fill(at, part);
            }
            Step::FillFront { book, side, part } => {
                let Some(slot) = self.books[book].front(&self.orders, side) else { return };
                self.fill(self.at(slot), part);
            }
            Step::Reduce { pick, part } => {
                let Some((_, slot, order)) = self.picked(pick) else { return };
                let open = part_of(order.open().0, part);
                self.books[order.instrument.0 as usize].reduce(&mut self.orders, slot, Quantity(open));
                self.change(&order, |resting| resting.open = open);
            }
            Step::Requeue { pick, price, open } => {
                let Some((_, slot, order)) = self.picked(pick) else { return };
                let book = &mut self.books[order.instrument.0 as usize];
                book.remove(&mut self.orders, slot);
                self.orders.amend(slot, Price(price), Quantity(open));
                book.rest(&mut self.orders, slot);
                self.change(&order, |resting| resting.open = 0);
                let resting = Resting { id: order.id.0, open, filled: order.filled().0 };
                self.twins[order.instrument.0 as usize].rest(order.side(), price, resting);
            }
            Step::Available { book, side, limit, enough } => self.available(book, side, limit, enough),
        }
    }

    fn fill(&mut self, at: usize, part: u8) {
        let slot = self.resting[at];
        let order = self.orders[slot];
        let quantity = part_of(order.open().0, part);
        let left = self.books[order.instrument.0 as usize].fill(&mut self.orders, slot, Quantity(quantity)).0;
        assert_eq!(self.orders[slot].rests(), left > 0);
        if left == 0 {
            self.gone(at, slot);
        }
        let twins_left = self.change(&order, |resting| {
            resting.open -= quantity;
            resting.filled += quantity;
            resting.open
        });
        assert_eq!(left, twins_left);
    }

    fn gone(&mut self, at: usize, slot: Slot) {
        self.orders.free(slot);
        self.resting.swap_remove(at);
    }

    fn change<T>(&mut self, order: &Order, change: impl FnOnce(&mut Resting) -> T) -> T {
        self.twins[order.instrument.0 as usize].with(order.side(), order.price().0, order.id.0, change)
    }

    fn available(&self, book: usize, side: Side, limit: i64, enough: i64) {
        let all: i64 = (self.twins[book].side(side).iter())
            .filter(|&(&price, _)| accepts(side.opposite(), Price(limit), Price(price)))
            .flat_map(|(_, queue)| queue.iter().map(|resting| resting.open))
            .sum();
        let found = self.books[book].available(&self.orders, side, Price(limit), Quantity(enough)).0;
        assert!(found == all || (found >= enough && found <= all), "{found} of {all}, {enough} asked");
    }

    fn compare(&self) {
        assert_eq!(self.orders.count(), self.resting.len());
        let mut levels_total = 0;
        for (book, twin) in self.books.iter().zip(&self.twins) {
            for side in SIDES {
                levels_total += self.compare_side(book, side, &twin.best_first(side));
            }
        }
        assert_eq!(self.orders.levels.len(), levels_total, "a level was lost");
        assert!(self.orders.nodes.len() <= levels_total, "more nodes than levels");
    }

    fn compare_side(&self, book: &Book, side: Side, twin: &[(i64, &VecDeque<Resting>)]) -> usize {
        let orders = &self.orders;
        let view = |slot: Slot| Resting {
            id: orders[slot].id.0,
            open: orders[slot].open().0,
            filled: orders[slot].filled().0,
        };
        assert_eq!(book.best(orders, side), twin.first().map(|&(price, _)| Price(price)));
        assert_eq!(
            book.front(orders, side).map(view).as_ref(),
            twin.first().and_then(|(_, queue)| queue.front())
        );
        let levels: Vec<Level> = book.levels(orders, side).collect();
        assert_eq!(levels.len(), twin.len());
        assert_eq!(book.levels_count(side) as usize, twin.len());
        for (level, &(price, queue)) in levels.iter().zip(twin) {
            let open = queue.iter().map(|resting| resting.open).sum();
            let price = Price(price);
            let expected = Level { price, open: Quantity(open), orders: u32::try_from(queue.len()).unwrap() };
            assert_eq!(*level, expected);
            assert_eq!(book.level(orders, side, price), Some(expected));
            assert!(book.queue(orders, side, price).map(view).eq(queue.iter().copied()));
        }
        let all: Vec<Resting> = twin.iter().flat_map(|(_, queue)| queue.iter().copied()).collect();
        assert!(book.priority(orders, side).map(view).eq(all.iter().copied()));
        assert_eq!(book.orders_count(side) as usize, all.len());
        twin.len()
    }
}

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 9_990..10_010_i64,
        4 => 9_000..11_000_i64,
        2 => (1..8_i64, -1..2_i64).prop_map(|(node, off)| node * 4096 + off),
        2 => (0..63_u32, -1..2_i64).prop_map(|(bit, off)| (1_i64 << bit).saturating_add(off).max(1)),
        1 => i64::MAX - 3..=i64::MAX,
        1 => 1..4_i64,
        1 => 1..=i64::MAX,
    ]
}

fn open() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1..1000_i64, 1 => 1..=QUANTITY_MAX.0, 1 => Just(QUANTITY_MAX.0)]
}

fn side() -> impl Strategy<Value = Side> {
    any::<bool>().prop_map(|buy| if buy { Side::Buy } else { Side::Sell })
}

fn part() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), Just(u8::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    let book = || 0..BOOKS;
    let pick = any::<usize>;
    prop_oneof![
        10 => (book(), side(), price(), open()).prop_map(|(book, side, price, open)| Step::Rest { book, side, price, open }),
        4 => pick().prop_map(|pick| Step::Remove { pick }),
        2 => (pick(), part()).prop_map(|(pick, part)| Step::Fill { pick, part }),
        4 => (book(), side(), part()).prop_map(|(book, side, part)| Step::FillFront { book, side, part }),
        1 => (pick(), part()).prop_map(|(pick, part)| Step::Reduce { pick, part }),
        2 => (pick(), price(), open()).prop_map(|(pick, price, open)| Step::Requeue { pick, price, open }),
        1 => (book(), side(), price(), open()).prop_map(|(book, side, limit, enough)| Step::Available { book, side, limit, enough }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every operation on books that share their orders, prices from 1 to the largest there is.
    #[test]
    fn book_agrees_with_its_naive_twin_at_every_step(steps in prop::collection::vec(step(), 1..300)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.step(step);
            pair.compare();
        }
    }

    /// A price that runs away while orders come and go: levels are made at the front and left behind.
    #[test]
    fn book_follows_a_moving_market(
        stride in prop_oneof![1..4_i64, 60..70_i64, 4000..4200_i64],
        steps in prop::collection::vec((side(), 0..40_i64, any::<usize>(), part()), 1..300),
    ) {
        let mut pair = Pair::new();
        let mut touch = 1_000_000;
        for (side, distance, pick, part) in steps {
            touch += stride;
            let price = if side == Side::Buy { touch - distance } else { touch + distance };
            pair.step(Step::Rest { book: 0, side, price, open: 1 + distance });
            if pick % 3 != 0 {
                pair.step(Step::FillFront { book: 0, side, part });
                pair.step(Step::Remove { pick });
            }
            pair.compare();
        }
    }
}

#[test]
fn emptied_book_keeps_no_level_and_no_node() {
    let mut pair = Pair::new();
    for bit in 0..63 {
        for side in SIDES {
            pair.step(Step::Rest { book: 0, side, price: 1 << bit, open: 1 });
        }
    }
    pair.compare();
    while !pair.resting.is_empty() {
        pair.step(Step::Remove { pick: 7 });
        pair.compare();
    }
    assert_eq!((pair.orders.count(), pair.orders.levels.len(), pair.orders.nodes.len()), (0, 0, 0));
}

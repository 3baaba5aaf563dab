//! The flow generator. Every draw of a random number is part of the format: a draw more, less or elsewhere gives
//! another flow for the same seed.

use rialto_protocol::Side;

use super::random::Random;
use super::reference::Reference;
use super::{Ask, Flow, FlowHeader, FlowOp, FlowSpec};

/// How many orders a symbol remembers as recent, and how many as gone.
const REMEMBERED: usize = 256;

/// Makes a flow; equal specifications give equal flows.
///
/// # Panics
/// If there is no symbol, no depth, fewer than two accounts, or more than `u32::MAX` orders.
#[must_use]
pub fn generate(spec: &FlowSpec) -> Flow {
    assert!(
        spec.symbols > 0 && spec.depth > 0 && spec.accounts > 1 && spec.range > 0,
        "{spec:?} has nothing to trade"
    );
    let mut market = Market::new(spec);
    market.fill_books();
    for _ in 0..spec.warm_mix {
        market.step();
    }
    let warm = market.ops.len();
    for _ in 0..spec.ops {
        market.step();
    }
    market.finish(warm)
}

/// One symbol as the generator's traders see it.
#[derive(Debug)]
struct Symbol {
    /// What they believe it to be worth, and where that started.
    fair: i64,
    fair_at_start: i64,
    live: Vec<u32>,
    recent: Ring,
    gone: Ring,
    bids: u64,
    asks: u64,
}

/// The last few order numbers of some kind.
#[derive(Debug)]
struct Ring {
    ids: [u32; REMEMBERED],
    count: usize,
}

impl Ring {
    const EMPTY: Ring = Ring { ids: [0; REMEMBERED], count: 0 };

    fn push(&mut self, id: u32) {
        self.ids[self.count % REMEMBERED] = id;
        self.count += 1;
    }

    /// Writes where the next one will be written again.
    fn overwrite(&mut self, id: u32) {
        self.ids[self.count % REMEMBERED] = id;
    }
}

struct Market<'a> {
    spec: &'a FlowSpec,
    random: Random,
    reference: Reference,
    symbols: Vec<Symbol>,
    /// Running sums of the symbols' weights.
    weights: Vec<u64>,
    /// By order number: its place in its symbol's `live`, and whose it is.
    places: Vec<u32>,
    accounts: Vec<u32>,
    ops: Vec<FlowOp>,
    price_max: i64,
}

impl<'a> Market<'a> {
    fn new(spec: &'a FlowSpec) -> Market<'a> {
        let symbol = |number: u16| {
            let fair = 10_000 + 137 * i64::from(number % 64);
            let (recent, gone) = (Ring::EMPTY, Ring::EMPTY);
            Symbol { fair, fair_at_start: fair, live: Vec::new(), recent, gone, bids: 0, asks: 0 }
        };
        let mut total = 0;
        let weights = (1..=u64::from(spec.symbols)).map(|rank| {
            total += 1_000_000_000 / rank;
            total
        });
        let records = spec.ops + spec.warm_mix + usize::from(spec.symbols) * spec.depth as usize;
        Market {
            spec,
            random: Random::new(spec.seed),
            reference: Reference::new(usize::from(spec.symbols)),
            symbols: (0..spec.symbols).map(symbol).collect(),
            weights: weights.collect(),
            places: vec![0],
            accounts: vec![0],
            ops: Vec::with_capacity(records),
            price_max: 0,
        }
    }

    fn finish(self, warm: usize) -> Flow {
        let header = FlowHeader {
            warm,
            symbols: u32::from(self.spec.symbols),
            accounts: self.spec.accounts,
            seed: self.spec.seed,
            id_max: self.accounts.len() as u64 - 1,
            price_max: self.price_max,
        };
        Flow { header, ops: self.ops }
    }

    fn fill_books(&mut self) {
        for round in 0..self.spec.depth {
            let side = if round % 2 == 0 { Side::Buy } else { Side::Sell };
            for number in 0..self.spec.symbols {
                self.enter_passive(number, side);
            }
        }
    }

    /// One record of the usual mix.
    fn step(&mut self) {
        let heaviest = *self.weights.last().expect("there is a symbol");
        let drawn = self.random.below(heaviest);
        let number = self.weights.partition_point(|&weight| weight <= drawn);
        let number = u16::try_from(number).expect("symbols are u16");
        self.drift(number);
        let cancels = self.cancels_per_10k(number);
        let drawn = self.random.ticks_below(10_000);
        let some_live = !self.symbols[usize::from(number)].live.is_empty();
        if some_live && drawn < cancels {
            self.cancel(number);
        } else if some_live && drawn < cancels + 500 {
            self.modify(number);
        } else {
            self.enter(number);
        }
    }

    /// Lets the fair price walk, drawn back the more the further it has gone.
    fn drift(&mut self, number: u16) {
        if self.random.below(64) != 0 {
            return;
        }
        let range = self.spec.range;
        let symbol = &mut self.symbols[usize::from(number)];
        let up_per_10k = (5_000 - (symbol.fair - symbol.fair_at_start) * 4_000 / range).clamp(1_000, 9_000);
        symbol.fair += if self.random.ticks_below(10_000) < up_per_10k { 1 } else { -1 };
    }

    /// More cancels in a book that is too deep, fewer in a shallow one.
    fn cancels_per_10k(&self, number: u16) -> i64 {
        let depth = i64::from(self.spec.depth);
        let live = self.symbols[usize::from(number)].live.len();
        let live = i64::try_from(live).expect("order numbers are u32");
        (4_000 + 3_000 * (live - depth) / depth).clamp(500, 7_500)
    }

    fn cancel(&mut self, number: u16) {
        if let Some(id) = self.draw_gone(number) {
            self.emit(Ask::Cancel, id, 0, 0);
            return;
        }
        let id = self.draw_live(number);
        self.emit(Ask::Cancel, id, 0, 0);
        self.leave(id);
    }

    /// Once in a hundred cancels, an order that is gone already.
    fn draw_gone(&mut self, number: u16) -> Option<u32> {
        let gone = &self.symbols[usize::from(number)].gone;
        if gone.count == 0 || self.random.below(100) != 0 {
            return None;
        }
        let id = gone.ids[self.random.index(gone.count.min(REMEMBERED))];
        (!self.reference.known(u64::from(id)).live).then_some(id)
    }

    /// Half of the time a recent order, else any.
    fn draw_live(&mut self, number: u16) -> u32 {
        let symbol = &self.symbols[usize::from(number)];
        if self.random.below(2) == 1 {
            for _ in 0..4 {
                let id = symbol.recent.ids[self.random.index(REMEMBERED)];
                if id != 0 && self.reference.known(u64::from(id)).live {
                    return id;
                }
            }
        }
        symbol.live[self.random.index(symbol.live.len())]
    }

    fn modify(&mut self, number: u16) {
        let id = self.draw_live(number);
        let order = *self.reference.known(u64::from(id));
        let (mut price, mut open) = (order.price, order.open);
        if self.random.percent(40) {
            open = if self.random.below(2) == 1 {
                (open / 2).max(1)
            } else {
                open + 100 * (1 + self.random.ticks_below(3))
            };
        } else {
            price = self.moved(number, order.side, price);
        }
        self.leave(id);
        // Where the next order that goes is noted, this one still stands: it is not gone, yet the place is not empty.
        let symbol = &mut self.symbols[usize::from(number)];
        symbol.gone.count -= 1;
        symbol.gone.overwrite(id);
        self.emit(Ask::Modify, id, price, open);
        if self.reference.known(u64::from(id)).live {
            self.stand(id);
        } else {
            self.symbols[usize::from(number)].gone.push(id);
        }
    }

    /// A price a little further up or down, which crosses in 5 of 100 cases.
    fn moved(&mut self, number: u16, side: Side, price: i64) -> i64 {
        let distance = 1 + self.random.ticks_below(3);
        let distance = if self.random.below(2) == 1 { -distance } else { distance };
        let wanted = (price + distance).max(1);
        let crosses = self.random.percent(5);
        match (self.reference.best(number, side.opposite()), side) {
            (None, _) => wanted,
            (Some(touch), _) if crosses => touch,
            (Some(touch), Side::Buy) => wanted.min(touch - 1),
            (Some(touch), Side::Sell) => wanted.max(touch + 1),
        }
    }

    fn enter(&mut self, number: u16) {
        let crossing = self.random.below(10_000) < self.spec.crossing_per_10k;
        let touch = (self.reference.best(number, Side::Buy), self.reference.best(number, Side::Sell));
        if let (true, (Some(bid), Some(ask))) = (crossing, touch) {
            self.enter_crossing(number, bid, ask);
            return;
        }
        let Symbol { bids, asks, .. } = self.symbols[usize::from(number)];
        let buys_percent = if bids * 10 < asks * 8 {
            70
        } else if asks * 10 < bids * 8 {
            30
        } else {
            50
        };
        let side = self.draw_side(buys_percent);
        self.enter_passive(number, side);
    }

    fn enter_crossing(&mut self, number: u16, bid: i64, ask: i64) {
        let fair = self.symbols[usize::from(number)].fair;
        let buys_percent = if ask <= fair {
            75
        } else if bid >= fair {
            25
        } else {
            50
        };
        let side = self.draw_side(buys_percent);
        let slip = match self.random.below(100) {
            0..60 => 0,
            60..85 => 1,
            _ => 2 + self.random.ticks_below(3),
        };
        let moves = self.random.below(64) == 0;
        let (price, step) = match side {
            Side::Buy => (ask + slip, 1),
            Side::Sell => ((bid - slip).max(1), -1),
        };
        if moves {
            self.symbols[usize::from(number)].fair += step;
        }
        let quantity = self.draw_quantity();
        self.new_order(number, side, price, quantity);
    }

    fn enter_passive(&mut self, number: u16, side: Side) {
        let quantity = self.draw_quantity();
        let price = self.draw_passive_price(number, side);
        self.new_order(number, side, price, quantity);
    }

    fn draw_side(&mut self, buys_percent: u64) -> Side {
        if self.random.percent(buys_percent) { Side::Buy } else { Side::Sell }
    }

    /// Mostly round lots, mostly one.
    fn draw_quantity(&mut self) -> i64 {
        match self.random.below(100) {
            0..60 => 100,
            60..80 => 1 + self.random.ticks_below(99),
            80..95 => 100 * (2 + self.random.ticks_below(4)),
            _ => 100 * (10 + self.random.ticks_below(41)),
        }
    }

    /// Near the touch mostly, and never across it.
    fn draw_passive_price(&mut self, number: u16, side: Side) -> i64 {
        let distance = match self.random.below(100) {
            0..50 => self.random.geometric(2, 40),
            50..85 => self.random.geometric(8, 120),
            85..98 => 10 + self.random.ticks_below(50),
            _ => 60 + self.random.ticks_below(440),
        };
        let fair = self.symbols[usize::from(number)].fair;
        let touch = self.reference.best(number, side.opposite());
        match side {
            Side::Buy => (touch.unwrap_or(fair).min(fair) - 1 - distance).max(1),
            Side::Sell => touch.unwrap_or(fair).max(fair) + 1 + distance,
        }
    }

    fn new_order(&mut self, number: u16, side: Side, price: i64, quantity: i64) {
        let parity = match side {
            Side::Buy => 0,
            Side::Sell => 1,
        };
        let pair = self.random.below(u64::from(self.spec.accounts / 2));
        let id = u32::try_from(self.accounts.len()).expect("order numbers are u32");
        self.accounts.push(u32::try_from(2 * pair + parity).expect("accounts are u32"));
        self.places.push(0);
        self.record(FlowOp {
            ask: Ask::New,
            side,
            symbol: number,
            account: 0,
            id: u64::from(id),
            price,
            quantity,
        });
        if self.reference.known(u64::from(id)).live {
            self.stand(id);
        }
    }

    /// A record about an order that is known.
    fn emit(&mut self, ask: Ask, id: u32, price: i64, quantity: i64) {
        let order = self.reference.known(u64::from(id));
        let (symbol, side) = (order.symbol, order.side);
        self.record(FlowOp { ask, side, symbol, account: 0, id: u64::from(id), price, quantity });
    }

    fn record(&mut self, op: FlowOp) {
        let account = self.accounts[usize::try_from(op.id).expect("order numbers are u32")];
        let op = FlowOp { account, ..op };
        self.price_max = self.price_max.max(op.price);
        self.ops.push(op);
        let mut filled = Vec::new();
        self.reference.apply(&op, &mut |maker| filled.push(maker));
        for maker in filled {
            self.leave(u32::try_from(maker).expect("order numbers are u32"));
        }
    }

    /// Notes that an order stands in its book.
    fn stand(&mut self, id: u32) {
        let order = self.reference.known(u64::from(id));
        let symbol = &mut self.symbols[usize::from(order.symbol)];
        self.places[id as usize] = u32::try_from(symbol.live.len()).expect("order numbers are u32");
        symbol.live.push(id);
        symbol.recent.push(id);
        match order.side {
            Side::Buy => symbol.bids += 1,
            Side::Sell => symbol.asks += 1,
        }
    }

    /// Notes that an order has gone.
    fn leave(&mut self, id: u32) {
        let order = self.reference.known(u64::from(id));
        let symbol = &mut self.symbols[usize::from(order.symbol)];
        let place = self.places[id as usize];
        symbol.live.swap_remove(place as usize);
        if let Some(&moved) = symbol.live.get(place as usize) {
            self.places[moved as usize] = place;
        }
        symbol.gone.push(id);
        match order.side {
            Side::Buy => symbol.bids -= 1,
            Side::Sell => symbol.asks -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_specifications_give_equal_flows() {
        let spec = FlowSpec { ops: 2_000, warm_mix: 500, depth: 100, symbols: 3, ..FlowSpec::S1 };
        let flow = generate(&spec);
        assert_eq!(flow, generate(&spec));
        assert_ne!(flow, generate(&FlowSpec { seed: 43, ..spec }));
        assert_eq!(flow.ops.len() - flow.header.warm, spec.ops);
    }
}

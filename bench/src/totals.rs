//! What a flow must come to, whoever matches it: sums over its trades, a hash of their sequence, a hash of what rests.
//!
//! Both hashes start at the FNV-1a basis and take whole 64-bit words where FNV takes bytes, with a shift to mix the
//! high half down after each trade or order.

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// One trade, as every engine that is compared tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The order that came.
    pub taker: u64,
    /// The order that rested.
    pub maker: u64,
    /// In ticks; the maker's limit.
    pub price: i64,
    /// In lots.
    pub quantity: i64,
}

/// One resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// Its number.
    pub id: u64,
    /// In ticks.
    pub price: i64,
    /// In lots.
    pub open: i64,
}

/// Sums that cost a few additions for each trade, so that timed runs keep them too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many trades.
    pub trades: u64,
    /// Lots traded.
    pub quantity: u64,
    /// Price times quantity of all trades, wrapping.
    pub notional: u64,
    /// Cancels and modifies of an order that was gone.
    pub rejects: u64,
}

impl Sums {
    /// Counts a trade.
    #[inline]
    pub fn trade(&mut self, price: i64, quantity: i64) {
        self.trades += 1;
        self.quantity = self.quantity.wrapping_add(quantity.cast_unsigned());
        self.notional = self.notional.wrapping_add(price.wrapping_mul(quantity).cast_unsigned());
    }
}

/// Hash of a sequence of trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeHash(u64);

impl Default for TradeHash {
    fn default() -> TradeHash {
        TradeHash(BASIS)
    }
}

impl TradeHash {
    /// Takes the next trade in.
    pub fn add(&mut self, trade: &Trade) {
        let Trade { taker, maker, price, quantity } = *trade;
        self.0 = absorb(self.0, [taker, maker, price.cast_unsigned(), quantity.cast_unsigned()]);
    }

    /// The hash so far.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }
}

/// Hash of everything that rests: symbols ascending, bids then asks, each from the best, in queue order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookHash {
    hash: u64,
    /// How many orders it has taken in.
    pub orders: u64,
    /// Their open quantity, in lots.
    pub open: u64,
}

impl Default for BookHash {
    fn default() -> BookHash {
        BookHash { hash: BASIS, orders: 0, open: 0 }
    }
}

impl BookHash {
    /// Takes the next order in.
    pub fn add(&mut self, resting: &Resting) {
        let Resting { id, price, open } = *resting;
        self.hash = absorb(self.hash, [id, price.cast_unsigned(), open.cast_unsigned()]);
        self.orders += 1;
        self.open = self.open.wrapping_add(open.cast_unsigned());
    }

    /// The hash so far.
    #[must_use]
    pub fn value(self) -> u64 {
        self.hash
    }
}

fn absorb<const WORDS: usize>(hash: u64, words: [u64; WORDS]) -> u64 {
    let mixed = words.iter().fold(hash, |hash, word| (hash ^ word).wrapping_mul(PRIME));
    mixed ^ (mixed >> 29)
}

/// Everything that two engines must agree on after the same flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sums over the trades, and rejects.
    pub sums: Sums,
    /// The trades in sequence.
    pub trade_hash: TradeHash,
    /// What rests at the end.
    pub book_hash: BookHash,
}

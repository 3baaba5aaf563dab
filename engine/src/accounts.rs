//! What accounts hold: for each account and asset a total and the part of it that open orders have reserved. And the
//! sums that prove it: per asset, all accounts and the fees together are what was deposited less what was withdrawn.
//!
//! Every change keeps `0 <= reserved <= total` and the sums; one that would not is a bug and stops the process before
//! anything is told. Balances lie in chunks of eight assets, so an account costs what it touches, and a [`Row`] found
//! once stays good for ever.

pub mod fees;

use rialto_protocol::{AccountId, AssetId, Cash};
use serde::{Deserialize, Serialize};

/// Most that may be deposited of one asset, in its smallest units, withdrawals not counted against it: sums and
/// products of what is held then stay far within 128 bits.
pub const DEPOSITS_MAX: i128 = 1 << 80;

/// Assets in a chunk.
const CHUNK_ASSETS: usize = 8;

/// What an account has of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// All of it.
    pub total: Cash,
    /// The part that open orders hold.
    pub reserved: Cash,
}

impl Balance {
    /// What can be spent, sold or withdrawn.
    #[inline]
    pub fn available(&self) -> i128 {
        self.total.0 - self.reserved.0
    }

    #[inline]
    fn check(&self) {
        assert!(0 <= self.reserved.0 && self.reserved.0 <= self.total.0, "a balance came to {self:?}");
    }
}

/// Where a balance is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row(u32);

impl Row {
    #[inline]
    fn place(self) -> (usize, usize) {
        let at = self.0 as usize;
        (at / CHUNK_ASSETS, at % CHUNK_ASSETS)
    }
}

/// The sums of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetTotals {
    /// Deposits less withdrawals.
    pub deposited: Cash,
    /// What all accounts hold.
    pub held: Cash,
    /// Fees taken.
    pub fees: Cash,
    /// Deposits alone: what [`DEPOSITS_MAX`] limits.
    pub ever_deposited: Cash,
}

impl AssetTotals {
    #[inline]
    fn check(&self) {
        assert!(self.held.0 + self.fees.0 == self.deposited.0, "the sums of an asset came to {self:?}");
    }
}

/// One side of a trade, as money sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its cash.
    pub cash: Row,
    /// Its holdings of the instrument.
    pub holding: Row,
    /// Its fee.
    pub fee: i128,
    /// What is released: of the buyer's reserved cash, of the seller's reserved holdings.
    pub released: i128,
}

/// A trade, as money sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// The currency.
    pub cash: AssetId,
    /// Lots.
    pub lots: i128,
    /// What the lots are worth.
    pub value: i128,
    /// Who pays.
    pub buyer: Party,
    /// Who delivers.
    pub seller: Party,
}

/// All balances.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    chunks: Vec<[Balance; CHUNK_ASSETS]>,
    /// By asset / 8, then by account: number of the chunk, from 1.
    chunks_of: Vec<Vec<u32>>,
    /// By asset.
    totals: Vec<AssetTotals>,
}

impl Accounts {
    /// The balance of an account in an asset, if it was ever touched.
    #[inline]
    pub fn find(&self, account: AccountId, asset: AssetId) -> Option<Row> {
        let (chunk, at) = place(asset);
        let number = *self.chunks_of.get(chunk)?.get(account.0 as usize)?;
        (number != 0).then(|| row(number, at))
    }

    /// The balance of an account in an asset; the first time it is made, with nothing in it.
    #[inline]
    pub fn row(&mut self, account: AccountId, asset: AssetId) -> Row {
        match self.find(account, asset) {
            Some(row) => row,
            None => self.make(account, asset),
        }
    }

    #[cold]
    fn make(&mut self, account: AccountId, asset: AssetId) -> Row {
        let (chunk, at) = place(asset);
        let account = account.0 as usize;
        self.chunks_of.resize_with(self.chunks_of.len().max(chunk + 1), Vec::new);
        let numbers = &mut self.chunks_of[chunk];
        numbers.resize(numbers.len().max(account + 1), 0);
        self.chunks.push([Balance::default(); CHUNK_ASSETS]);
        numbers[account] = u32::try_from(self.chunks.len()).expect("fewer chunks than 2^29");
        row(numbers[account], at)
    }

    /// What is in a balance.
    #[inline]
    pub fn balance(&self, row: Row) -> Balance {
        let (chunk, at) = row.place();
        self.chunks[chunk][at]
    }

    #[inline]
    fn balance_mut(&mut self, row: Row) -> &mut Balance {
        let (chunk, at) = row.place();
        &mut self.chunks[chunk][at]
    }

    /// The sums of an asset.
    pub fn totals(&self, asset: AssetId) -> AssetTotals {
        self.totals.get(asset.0 as usize).copied().unwrap_or_default()
    }

    #[inline]
    fn totals_mut(&mut self, asset: AssetId) -> &mut AssetTotals {
        let at = asset.0 as usize;
        if at >= self.totals.len() {
            self.totals.resize(at + 1, AssetTotals::default());
        }
        &mut self.totals[at]
    }

    /// Every balance that is not empty, by account, then asset.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, AssetId, Balance)> {
        let accounts = self.chunks_of.iter().map(Vec::len).max().unwrap_or(0);
        (0..accounts).flat_map(move |at| {
            let account = AccountId(u32::try_from(at).expect("accounts are numbered in 32 bits"));
            self.of(account).map(move |(asset, balance)| (account, asset, balance))
        })
    }

    /// Every balance of an account that is not empty, by asset.
    pub fn of(&self, account: AccountId) -> impl Iterator<Item = (AssetId, Balance)> {
        let chunk_assets = u32::try_from(CHUNK_ASSETS).expect("8");
        (0..).step_by(CHUNK_ASSETS).zip(&self.chunks_of).flat_map(move |(first, numbers)| {
            let number = numbers.get(account.0 as usize).copied().unwrap_or(0);
            let chunk = (number != 0).then(|| &self.chunks[number as usize - 1]);
            (first..first + chunk_assets)
                .map(AssetId)
                .zip(chunk.into_iter().flatten().copied())
                .filter(|(_, balance)| *balance != Balance::default())
        })
    }

    /// Whether `amount` more of an asset can be deposited.
    pub fn can_deposit(&self, asset: AssetId, amount: i128) -> bool {
        let ever = self.totals(asset).ever_deposited.0;
        ever.checked_add(amount).is_some_and(|sum| sum <= DEPOSITS_MAX)
    }

    /// Brings assets in.
    pub fn deposit(&mut self, row: Row, asset: AssetId, amount: i128) {
        assert!(amount > 0 && self.can_deposit(asset, amount), "a deposit of {amount}");
        self.balance_mut(row).total.0 += amount;
        let totals = self.totals_mut(asset);
        totals.deposited.0 += amount;
        totals.ever_deposited.0 += amount;
        totals.held.0 += amount;
        totals.check();
    }

    /// Takes assets out.
    pub fn withdraw(&mut self, row: Row, asset: AssetId, amount: i128) {
        assert!(amount > 0, "a withdrawal of {amount}");
        let balance = self.balance_mut(row);
        balance.total.0 -= amount;
        balance.check();
        let totals = self.totals_mut(asset);
        totals.deposited.0 -= amount;
        totals.held.0 -= amount;
        totals.check();
    }

    /// Sets aside what an order may come to cost; false if that much is not available.
    #[inline]
    #[must_use]
    pub fn reserve(&mut self, row: Row, amount: i128) -> bool {
        let balance = self.balance_mut(row);
        if balance.available() < amount {
            return false;
        }
        balance.reserved.0 += amount;
        balance.check();
        true
    }

    /// Frees what an order had reserved.
    #[inline]
    pub fn release(&mut self, row: Row, amount: i128) {
        let balance = self.balance_mut(row);
        balance.reserved.0 -= amount;
        balance.check();
    }

    /// Moves what a trade moves.
    #[inline]
    pub fn exchange(&mut self, trade: &Exchanged) {
        let Exchanged { cash, lots, value, buyer, seller } = *trade;
        let (paid, got) = (value + buyer.fee, value - seller.fee);
        let balance = self.balance_mut(buyer.cash);
        balance.total.0 -= paid;
        balance.reserved.0 -= buyer.released;
        balance.check();
        let balance = self.balance_mut(seller.holding);
        balance.total.0 -= lots;
        balance.reserved.0 -= seller.released;
        balance.check();
        self.balance_mut(buyer.holding).total.0 += lots;
        self.balance_mut(seller.cash).total.0 += got;
        let totals = self.totals_mut(cash);
        totals.held.0 += got - paid;
        totals.fees.0 += buyer.fee + seller.fee;
        totals.check();
    }

    /// Moves back what a trade moved, fees included, if both sides still have it; who has not, if not.
    pub fn take_back(&mut self, trade: &Exchanged) -> Result<(), &'static str> {
        let Exchanged { cash, lots, value, buyer, seller } = *trade;
        let (paid, got) = (value + buyer.fee, value - seller.fee);
        let before =
            [buyer.holding, seller.holding, buyer.cash, seller.cash].map(|row| (row, self.balance(row)));
        for (row, change) in
            [(buyer.cash, paid), (seller.holding, lots), (buyer.holding, -lots), (seller.cash, -got)]
        {
            self.balance_mut(row).total.0 += change;
        }
        let short = [
            (buyer.holding, "the buyer no longer has the holdings"),
            (seller.cash, "the seller no longer has the cash"),
        ]
        .into_iter()
        .find(|&(row, _)| self.balance(row).available() < 0);
        if let Some((_, words)) = short {
            for (row, balance) in before {
                *self.balance_mut(row) = balance;
            }
            return Err(words);
        }
        let totals = self.totals_mut(cash);
        totals.held.0 += paid - got;
        totals.fees.0 -= buyer.fee + seller.fee;
        totals.check();
        Ok(())
    }
}

#[inline]
fn place(asset: AssetId) -> (usize, usize) {
    let at = asset.0 as usize;
    (at / CHUNK_ASSETS, at % CHUNK_ASSETS)
}

#[inline]
fn row(chunk: u32, at: usize) -> Row {
    let chunk_assets = u32::try_from(CHUNK_ASSETS).expect("8");
    Row((chunk - 1) * chunk_assets + u32::try_from(at).expect("below 8"))
}

/// Balances and sums as a snapshot keeps them.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountsBody {
    balances: Vec<(AccountId, AssetId, Balance)>,
    totals: Vec<AssetTotals>,
}

impl AccountsBody {
    /// Whose balances they are, and in what.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (AccountId, AssetId)> {
        self.balances.iter().map(|(account, asset, _)| (*account, *asset))
    }
}

impl Accounts {
    /// Everything, in a fixed order.
    pub fn body(&self) -> AccountsBody {
        let used = self
            .totals
            .iter()
            .rposition(|totals| *totals != AssetTotals::default())
            .map_or(0, |last| last + 1);
        AccountsBody { balances: self.iter().collect(), totals: self.totals[..used].to_vec() }
    }

    /// The accounts of which [`Self::body`] was made.
    pub fn from_body(body: AccountsBody) -> Self {
        let mut accounts = Self { totals: body.totals, ..Self::default() };
        for (account, asset, balance) in body.balances {
            let row = accounts.row(account, asset);
            *accounts.balance_mut(row) = balance;
        }
        accounts
    }
}

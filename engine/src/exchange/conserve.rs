//! The proof that money adds up and that everything kept twice agrees: a walk over the whole state, for tests, snapshots
//! and verification.

use std::collections::BTreeMap;

use rialto_protocol::{AccountId, AssetId, InstrumentId, Quantity, SessionId, Side};

use super::Exchange;
use crate::accounts::Balance;
use crate::book::Slot;
use crate::clordids::Key;

impl Exchange {
    /// Walks the whole state: what is wrong with it, if anything.
    pub fn conserve(&self) -> Result<(), String> {
        self.check_sums()?;
        self.check_reserved()?;
        let mut rest = 0;
        for number in 1..self.markets.len() {
            let instrument = InstrumentId(u32::try_from(number).map_err(|e| e.to_string())?);
            rest += self.check_book(instrument)?;
        }
        let waiting = self.sweeps.iter().filter(|incoming| incoming.listed).count();
        let listed = self.open.iter().count();
        ensure(rest + waiting == listed, || format!("{rest} orders rest, {listed} are open"))?;
        ensure(listed == self.names.len(), || format!("{listed} orders, {} names", self.names.len()))?;
        let kept = listed + self.sweeps.len() - waiting;
        ensure(kept == self.orders.count(), || format!("{kept} orders, {} kept", self.orders.count()))?;
        self.check_sessions()
    }

    fn check_sums(&self) -> Result<(), String> {
        let mut held: BTreeMap<AssetId, i128> = BTreeMap::new();
        for (account, asset, Balance { total, reserved }) in self.accounts.iter() {
            ensure(0 <= reserved.0 && reserved.0 <= total.0, || {
                format!("{account:?} has {total:?} of {asset:?}, {reserved:?} of it reserved")
            })?;
            *held.entry(asset).or_default() += total.0;
        }
        for (asset, totals) in self.totals() {
            let sum = held.get(&asset).copied().unwrap_or_default();
            ensure(sum == totals.held.0 && sum + totals.fees.0 == totals.deposited.0, || {
                format!("accounts hold {sum} of {asset:?}, the sums say {totals:?}")
            })?;
        }
        Ok(())
    }

    fn check_reserved(&self) -> Result<(), String> {
        let mut reserved: BTreeMap<(AccountId, AssetId), i128> = BTreeMap::new();
        let on_the_way = self.sweeps.iter().filter(|incoming| !incoming.listed).map(|incoming| incoming.slot);
        for slot in self.open.iter().map(|(_, slot)| slot).chain(on_the_way) {
            let order = &self.orders[slot];
            let instrument = self.directory.instrument(order.instrument).ok_or("an unknown instrument")?;
            let asset = match order.side() {
                Side::Buy => instrument.cash,
                Side::Sell => instrument.asset,
            };
            *reserved.entry((order.account, asset)).or_default() +=
                self.terms[slot.index()].reserved(order, order.open(), instrument.unit);
        }
        for (account, asset, balance) in self.accounts.iter() {
            let sum = reserved.remove(&(account, asset)).unwrap_or_default();
            ensure(sum == balance.reserved.0, || {
                format!("{account:?} has {balance:?} of {asset:?}, its orders reserve {sum}")
            })?;
        }
        ensure(reserved.values().all(|&sum| sum == 0), || format!("orders reserve {reserved:?} of nothing"))
    }

    /// Checks an instrument's book; how many orders rest in it.
    fn check_book(&self, instrument: InstrumentId) -> Result<usize, String> {
        let book = &self.market(instrument).book;
        let best = [Side::Buy, Side::Sell].map(|side| book.best(&self.orders, side));
        if let [Some(bid), Some(ask)] = best {
            ensure(bid < ask, || format!("{instrument:?} is crossed: {bid:?} {ask:?}"))?;
        }
        let mut rest = 0;
        for side in [Side::Buy, Side::Sell] {
            for slot in book.priority(&self.orders, side) {
                self.check_resting(instrument, side, slot)?;
                rest += 1;
            }
            for level in book.levels(&self.orders, side) {
                let queue: Vec<Slot> = book.queue(&self.orders, side, level.price).collect();
                let open: i64 = queue.iter().map(|&slot| self.orders[slot].open().0).sum();
                ensure(open == level.open.0 && queue.len() == level.orders as usize, || {
                    format!("{instrument:?} {side:?} {level:?}: {} orders, {open} open", queue.len())
                })?;
            }
        }
        Ok(rest)
    }

    fn check_resting(&self, instrument: InstrumentId, side: Side, slot: Slot) -> Result<(), String> {
        let order = &self.orders[slot];
        let name = &self.terms[slot.index()].cl_ord_id;
        ensure(order.instrument == instrument && order.side() == side && order.open() > Quantity(0), || {
            format!("{order:?} rests in {instrument:?} {side:?}")
        })?;
        ensure(self.open.find(order.id) == Some(slot), || format!("{order:?} is not among the open ones"))?;
        ensure(self.named(order.session, name, Key::of(name)) == Some(slot), || {
            format!("{order:?} is not found by its name {name}")
        })
    }

    fn check_sessions(&self) -> Result<(), String> {
        let mut open: BTreeMap<SessionId, u32> = BTreeMap::new();
        for (_, slot) in self.open.iter() {
            *open.entry(self.orders[slot].session).or_default() += 1;
        }
        for (session, state) in self.sessions.iter() {
            let count = open.remove(&session).unwrap_or_default();
            ensure(count == state.orders_open(), || {
                format!("{session:?} has {count} open orders, counts {}", state.orders_open())
            })?;
        }
        ensure(open.is_empty(), || format!("orders of sessions that are not there: {open:?}"))
    }
}

fn ensure(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}

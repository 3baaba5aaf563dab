//! The bytes of what no terms could be made of.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::command::{RefusedCancel, RefusedOrder};
use crate::money::{Decimal, WireDecimal};
use crate::reason::Reason;
use crate::record::{Body, Malformed, RecordBuffer};
use crate::terms::{ExecType, Side};

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RefusedOrderWire {
    quantity: WireDecimal,
    price: WireDecimal,
    exec_type: ExecType,
    reason: Reason,
    side: u8,
    has_quantity: u8,
    has_price: u8,
    cl_ord_id_len: u8,
    symbol_len: u8,
    account_len: u8,
    words_len: u8,
    ord_type: u8,
    time_in_force: u8,
    flags: u8,
    zero: [u8; 4],
}

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RefusedCancelWire {
    reason: Reason,
    replace: u8,
    cl_ord_id_len: u8,
    orig_cl_ord_id_len: u8,
    words_len: u8,
    flags: u8,
    zero: [u8; 2],
}

impl RefusedOrder {
    pub(super) fn put(&self, out: &mut RecordBuffer) {
        out.fixed(&RefusedOrderWire {
            quantity: self.quantity.unwrap_or_default().into(),
            price: self.price.unwrap_or_default().into(),
            exec_type: self.exec_type,
            reason: self.reason,
            side: self.side.map_or(0, |side| side as u8),
            has_quantity: u8::from(self.quantity.is_some()),
            has_price: u8::from(self.price.is_some()),
            cl_ord_id_len: self.cl_ord_id.len(),
            symbol_len: self.symbol.len(),
            account_len: self.account.len(),
            words_len: self.words.len(),
            ord_type: self.ord_type,
            time_in_force: self.time_in_force,
            flags: self.flags,
            zero: [0; 4],
        });
        out.text(&self.cl_ord_id);
        out.text(&self.symbol);
        out.text(&self.account);
        out.text(&self.words);
    }

    pub(super) fn take(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let wire: RefusedOrderWire = body.fixed("refused order")?;
        let decimal = |has: u8, wire: WireDecimal| -> Result<Option<Decimal>, Malformed> {
            if has == 0 {
                return Ok(None);
            }
            wire.try_into().map(Some).map_err(|_| Malformed::Field("decimal"))
        };
        Ok(Self {
            exec_type: wire.exec_type,
            reason: wire.reason,
            side: if wire.side == 0 {
                None
            } else {
                Some(Side::try_read_from_bytes(&[wire.side]).map_err(|_| Malformed::Field("side"))?)
            },
            ord_type: wire.ord_type,
            time_in_force: wire.time_in_force,
            flags: wire.flags,
            quantity: decimal(wire.has_quantity, wire.quantity)?,
            price: decimal(wire.has_price, wire.price)?,
            cl_ord_id: body.text(wire.cl_ord_id_len, "ClOrdID")?,
            symbol: body.text(wire.symbol_len, "symbol")?,
            account: body.text(wire.account_len, "account")?,
            words: body.text(wire.words_len, "words")?,
        })
    }
}

impl RefusedCancel {
    pub(super) fn put(&self, out: &mut RecordBuffer) {
        out.fixed(&RefusedCancelWire {
            reason: self.reason,
            replace: u8::from(self.replace),
            cl_ord_id_len: self.cl_ord_id.len(),
            orig_cl_ord_id_len: self.orig_cl_ord_id.len(),
            words_len: self.words.len(),
            flags: self.flags,
            zero: [0; 2],
        });
        out.text(&self.cl_ord_id);
        out.text(&self.orig_cl_ord_id);
        out.text(&self.words);
    }

    pub(super) fn take(body: &mut Body<'_>) -> Result<Self, Malformed> {
        let wire: RefusedCancelWire = body.fixed("refused cancel")?;
        Ok(Self {
            reason: wire.reason,
            replace: wire.replace != 0,
            flags: wire.flags,
            cl_ord_id: body.text(wire.cl_ord_id_len, "ClOrdID")?,
            orig_cl_ord_id: body.text(wire.orig_cl_ord_id_len, "OrigClOrdID")?,
            words: body.text(wire.words_len, "words")?,
        })
    }
}

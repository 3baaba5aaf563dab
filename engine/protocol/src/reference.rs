//! What the operator may ask: definitions, transfers and market control. There is no other database of record: a
//! journal alone rebuilds all of it. Definitions name each other by name; the exchange gives out the numbers.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::ids::TradeId;
use crate::money::{Decimal, WireDecimal};
use crate::record::{Body, Malformed, RecordBuffer};
use crate::terms::{AckPolicy, MarketState, ParticipantKind, ReplaceRule, SelfTrade, SessionKind};
use crate::text::{ClOrdId, Name, Note, Symbol};

/// Who asked, and why; recorded with every operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Author {
    /// User id of the process that asked, as the kernel says.
    pub uid: u32,
    /// Its process id.
    pub pid: u32,
    /// In words.
    pub why: Note,
}

/// A currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyDef {
    /// `USD`
    pub code: Symbol,
    /// Decimals of its smallest unit.
    pub decimals: u8,
}

/// An instrument. Tick, lot and currency never change once it is defined, since books and reports count in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentDef {
    /// `ACME`
    pub symbol: Symbol,
    /// Code of the currency that it trades in.
    pub currency: Symbol,
    /// Price step.
    pub tick: Decimal,
    /// Quantity step.
    pub lot: Decimal,
    /// Fee of the resting side, millionths of the trade's value.
    pub maker_fee_ppm: u32,
    /// Fee of the incoming side, millionths of the trade's value.
    pub taker_fee_ppm: u32,
    /// What a replace does to the place in the queue.
    pub replace: ReplaceRule,
    /// Trades execute at the midpoint of the two limits (rounded to a tick in the maker's favour) instead of the maker's price.
    pub midpoint: bool,
}

/// A participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParticipantDef {
    /// `ALPHA`
    pub name: Name,
    /// What it is.
    pub kind: ParticipantKind,
    /// What happens when it would trade with itself.
    pub self_trade: SelfTrade,
}

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountDef {
    /// `A1`
    pub name: Name,
    /// Whose it is.
    pub participant: Name,
}

/// A session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionDef {
    /// `ALPHA1`: 49 inbound, 56 outbound.
    pub comp_id: Name,
    /// Whose it is.
    pub participant: Name,
    /// What it is for.
    pub kind: SessionKind,
    /// Whether its day orders end when it goes away for longer than its grace.
    pub cancel_on_disconnect: bool,
    /// SHA-256 of its password.
    pub secret: [u8; 32],
}

/// A right of a session to act for an account; the first one granted is its default account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `CompID` of the session.
    pub session: Name,
    /// The account.
    pub account: Name,
}

/// A deposit or a withdrawal. An id counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Names this transfer for ever.
    pub id: ClOrdId,
    /// The account.
    pub account: Name,
    /// A currency's code or an instrument's symbol.
    pub asset: Symbol,
    /// How much, positive, in whole units as people write it.
    pub amount: Decimal,
    /// Out of the exchange instead of into it.
    pub withdraw: bool,
}

/// What an order-wide operation covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u8)]
pub enum ScopeKind {
    /// Everything; the name is empty.
    All = 0,
    /// A session, by its `CompID`.
    Session = 1,
    /// An account.
    Account = 2,
    /// A participant.
    Participant = 3,
    /// An instrument, by its symbol.
    Instrument = 4,
}

/// A named part of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Of what kind.
    pub kind: ScopeKind,
    /// Its name.
    pub name: Name,
}

/// Pre-trade limits of an account in an instrument; 0 = no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Empty: every account.
    pub account: Name,
    /// Empty: every instrument.
    pub instrument: Symbol,
    /// Most lots in one order.
    pub quantity_max: i64,
    /// Most value of one order, in the currency's smallest units.
    pub value_max: i64,
    /// Farthest that a limit price may be from the last trade's, millionths of it.
    pub collar_ppm: u32,
    /// Most open orders of one session (only where account and instrument are empty).
    pub orders_open_max: u32,
}

/// What an operator asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Defines or changes a currency.
    Currency(CurrencyDef),
    /// Defines or changes an instrument.
    Instrument(InstrumentDef),
    /// Defines or changes a participant.
    Participant(ParticipantDef),
    /// Defines or changes an account.
    Account(AccountDef),
    /// Defines or changes a session.
    Session(SessionDef),
    /// Lets a session act for an account.
    Grant(Grant),
    /// Moves assets in or out.
    Transfer(Transfer),
    /// The first load of reference data is complete: every instrument opens.
    Loaded,
    /// Opens, closes or halts an instrument (empty: all).
    Market(MarketState, Symbol),
    /// Cancels all orders of a scope.
    CancelAll(Scope),
    /// Undoes a trade.
    Bust(TradeId),
    /// Ends the trading day.
    DayEnd,
    /// Stops (true) or frees (false) all order entry of a scope; stopping cancels its orders too.
    Kill(Scope, bool),
    /// Sets limits.
    Limits(Limits),
    /// Sets a session's numbers back to 1 and starts its next incarnation.
    SessionReset(Name),
    /// Changes the ack policy.
    Policy(AckPolicy),
    /// Refuses (true) or takes (false) new orders and replaces, in all markets; cancels always go on. A node asks it of
    /// itself while its disk has no room for the journal to grow.
    CancelOnly(bool),
}

/// Kinds of operation records: `command::Kind` of each is this number.
pub mod kind {
    /// First kind that is an operation.
    pub const FIRST: u8 = 16;
    /// [`super::Operation::Currency`]
    pub const CURRENCY: u8 = 16;
    /// [`super::Operation::Instrument`]
    pub const INSTRUMENT: u8 = 17;
    /// [`super::Operation::Participant`]
    pub const PARTICIPANT: u8 = 18;
    /// [`super::Operation::Account`]
    pub const ACCOUNT: u8 = 19;
    /// [`super::Operation::Session`]
    pub const SESSION: u8 = 20;
    /// [`super::Operation::Grant`]
    pub const GRANT: u8 = 21;
    /// [`super::Operation::Transfer`]
    pub const TRANSFER: u8 = 22;
    /// [`super::Operation::Loaded`]
    pub const LOADED: u8 = 23;
    /// [`super::Operation::Market`]
    pub const MARKET: u8 = 32;
    /// [`super::Operation::CancelAll`]
    pub const CANCEL_ALL: u8 = 33;
    /// [`super::Operation::Bust`]
    pub const BUST: u8 = 34;
    /// [`super::Operation::DayEnd`]
    pub const DAY_END: u8 = 35;
    /// [`super::Operation::Kill`]
    pub const KILL: u8 = 36;
    /// [`super::Operation::Limits`]
    pub const LIMITS: u8 = 37;
    /// [`super::Operation::SessionReset`]
    pub const SESSION_RESET: u8 = 38;
    /// [`super::Operation::Policy`]
    pub const POLICY: u8 = 39;
    /// [`super::Operation::CancelOnly`]
    pub const CANCEL_ONLY: u8 = 40;
    /// Last kind that is an operation.
    pub const LAST: u8 = 40;
}

/// Fixed part of every operation: numbers first, then the lengths of the texts that follow, in the order in which the
/// operation's own doc names them; `why` is last.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Fixed {
    uid: u32,
    pid: u32,
    first: WireDecimal,
    second: WireDecimal,
    numbers: [i64; 2],
    small: [u32; 2],
    bytes: [u8; 4],
    text_len: [u8; 3],
    why_len: u8,
    secret: [u8; 32],
}

/// An operation taken to pieces: what [`Fixed`] and the texts hold.
#[derive(Default)]
struct Pieces {
    first: Decimal,
    second: Decimal,
    numbers: [i64; 2],
    small: [u32; 2],
    bytes: [u8; 4],
    secret: [u8; 32],
    texts: [Name; 3],
}

impl Operation {
    /// The record kind.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Currency(_) => kind::CURRENCY,
            Self::Instrument(_) => kind::INSTRUMENT,
            Self::Participant(_) => kind::PARTICIPANT,
            Self::Account(_) => kind::ACCOUNT,
            Self::Session(_) => kind::SESSION,
            Self::Grant(_) => kind::GRANT,
            Self::Transfer(_) => kind::TRANSFER,
            Self::Loaded => kind::LOADED,
            Self::Market(..) => kind::MARKET,
            Self::CancelAll(_) => kind::CANCEL_ALL,
            Self::Bust(_) => kind::BUST,
            Self::DayEnd => kind::DAY_END,
            Self::Kill(..) => kind::KILL,
            Self::Limits(_) => kind::LIMITS,
            Self::SessionReset(_) => kind::SESSION_RESET,
            Self::Policy(_) => kind::POLICY,
            Self::CancelOnly(_) => kind::CANCEL_ONLY,
        }
    }

    pub(crate) fn encode(&self, author: &Author, out: &mut RecordBuffer) {
        let pieces = self.pieces();
        out.fixed(&Fixed {
            uid: author.uid,
            pid: author.pid,
            first: pieces.first.into(),
            second: pieces.second.into(),
            numbers: pieces.numbers,
            small: pieces.small,
            bytes: pieces.bytes,
            text_len: pieces.texts.map(|text| text.len()),
            why_len: author.why.len(),
            secret: pieces.secret,
        });
        for text in &pieces.texts {
            out.text(text);
        }
        out.text(&author.why);
    }

    pub(crate) fn decode(record_kind: u8, mut body: Body<'_>) -> Result<(Author, Self), Malformed> {
        let fixed: Fixed = body.fixed("operation")?;
        let mut texts = [Name::EMPTY; 3];
        for (text, len) in texts.iter_mut().zip(fixed.text_len) {
            *text = body.text(len, "operation's text")?;
        }
        let author = Author { uid: fixed.uid, pid: fixed.pid, why: body.text(fixed.why_len, "why")? };
        let pieces = Pieces {
            first: fixed.first.try_into().map_err(|_| Malformed::Field("decimal"))?,
            second: fixed.second.try_into().map_err(|_| Malformed::Field("decimal"))?,
            numbers: fixed.numbers,
            small: fixed.small,
            bytes: fixed.bytes,
            secret: fixed.secret,
            texts,
        };
        Ok((author, Self::from_pieces(record_kind, &pieces)?))
    }

    fn pieces(&self) -> Pieces {
        let none = Pieces::default();
        match *self {
            Self::Currency(def) => Pieces {
                bytes: [def.decimals, 0, 0, 0],
                texts: [wide(def.code), Name::EMPTY, Name::EMPTY],
                ..none
            },
            Self::Instrument(def) => Pieces {
                first: def.tick,
                second: def.lot,
                small: [def.maker_fee_ppm, def.taker_fee_ppm],
                bytes: [def.replace as u8, u8::from(def.midpoint), 0, 0],
                texts: [wide(def.symbol), wide(def.currency), Name::EMPTY],
                ..none
            },
            Self::Participant(def) => Pieces {
                bytes: [def.kind as u8, def.self_trade as u8, 0, 0],
                texts: [def.name, Name::EMPTY, Name::EMPTY],
                ..none
            },
            Self::Account(def) => Pieces { texts: [def.name, def.participant, Name::EMPTY], ..none },
            Self::Session(def) => Pieces {
                bytes: [def.kind as u8, u8::from(def.cancel_on_disconnect), 0, 0],
                secret: def.secret,
                texts: [def.comp_id, def.participant, Name::EMPTY],
                ..none
            },
            Self::Grant(def) => Pieces { texts: [def.session, def.account, Name::EMPTY], ..none },
            Self::Transfer(def) => {
                // The id has up to 36 characters, more than a name: its last four stand in `small`.
                let (head, tail) = def.id.as_bytes().split_at(def.id.as_bytes().len().min(32));
                let mut rest = [0u8; 4];
                rest[..tail.len()].copy_from_slice(tail);
                Pieces {
                    first: def.amount,
                    small: [u32::from_le_bytes(rest), 0],
                    bytes: [u8::from(def.withdraw), def.id.len(), 0, 0],
                    texts: [
                        Name::new(head).expect("at most 32 printable bytes"),
                        def.account,
                        wide(def.asset),
                    ],
                    ..none
                }
            }
            Self::Loaded | Self::DayEnd => none,
            Self::Market(state, symbol) => Pieces {
                bytes: [state as u8, 0, 0, 0],
                texts: [wide(symbol), Name::EMPTY, Name::EMPTY],
                ..none
            },
            Self::CancelAll(scope) => scope_pieces(scope, false),
            Self::Kill(scope, on) => scope_pieces(scope, on),
            Self::Bust(trade) => Pieces { numbers: [trade.0.cast_signed(), 0], ..none },
            Self::Limits(limits) => Pieces {
                numbers: [limits.quantity_max, limits.value_max],
                small: [limits.collar_ppm, limits.orders_open_max],
                texts: [limits.account, wide(limits.instrument), Name::EMPTY],
                ..none
            },
            Self::SessionReset(name) => Pieces { texts: [name, Name::EMPTY, Name::EMPTY], ..none },
            Self::Policy(policy) => Pieces { bytes: [policy as u8, 0, 0, 0], ..none },
            Self::CancelOnly(on) => Pieces { bytes: [u8::from(on), 0, 0, 0], ..none },
        }
    }

    fn from_pieces(record_kind: u8, p: &Pieces) -> Result<Self, Malformed> {
        Ok(match record_kind {
            kind::CURRENCY => {
                Self::Currency(CurrencyDef { code: narrow(&p.texts[0])?, decimals: p.bytes[0] })
            }
            kind::INSTRUMENT => Self::Instrument(InstrumentDef {
                symbol: narrow(&p.texts[0])?,
                currency: narrow(&p.texts[1])?,
                tick: p.first,
                lot: p.second,
                maker_fee_ppm: p.small[0],
                taker_fee_ppm: p.small[1],
                replace: byte(p.bytes[0], "replace rule")?,
                midpoint: p.bytes[1] != 0,
            }),
            kind::PARTICIPANT => Self::Participant(ParticipantDef {
                name: p.texts[0],
                kind: byte(p.bytes[0], "participant kind")?,
                self_trade: byte(p.bytes[1], "self-trade rule")?,
            }),
            kind::ACCOUNT => Self::Account(AccountDef { name: p.texts[0], participant: p.texts[1] }),
            kind::SESSION => Self::Session(SessionDef {
                comp_id: p.texts[0],
                participant: p.texts[1],
                kind: byte(p.bytes[0], "session kind")?,
                cancel_on_disconnect: p.bytes[1] != 0,
                secret: p.secret,
            }),
            kind::GRANT => Self::Grant(Grant { session: p.texts[0], account: p.texts[1] }),
            kind::TRANSFER => Self::Transfer(transfer_from(p)?),
            kind::LOADED => Self::Loaded,
            kind::MARKET => Self::Market(byte(p.bytes[0], "market state")?, narrow(&p.texts[0])?),
            kind::CANCEL_ALL => Self::CancelAll(scope_from(p)?),
            kind::BUST => Self::Bust(TradeId(p.numbers[0].cast_unsigned())),
            kind::DAY_END => Self::DayEnd,
            kind::KILL => Self::Kill(scope_from(p)?, p.bytes[1] != 0),
            kind::LIMITS => Self::Limits(Limits {
                account: p.texts[0],
                instrument: narrow(&p.texts[1])?,
                quantity_max: p.numbers[0],
                value_max: p.numbers[1],
                collar_ppm: p.small[0],
                orders_open_max: p.small[1],
            }),
            kind::SESSION_RESET => Self::SessionReset(p.texts[0]),
            kind::POLICY => Self::Policy(byte(p.bytes[0], "ack policy")?),
            kind::CANCEL_ONLY => Self::CancelOnly(p.bytes[0] != 0),
            other => return Err(Malformed::Kind(other)),
        })
    }
}

fn scope_pieces(scope: Scope, on: bool) -> Pieces {
    Pieces {
        bytes: [scope.kind as u8, u8::from(on), 0, 0],
        texts: [scope.name, Name::EMPTY, Name::EMPTY],
        ..Pieces::default()
    }
}

fn scope_from(p: &Pieces) -> Result<Scope, Malformed> {
    Ok(Scope { kind: byte(p.bytes[0], "scope")?, name: p.texts[0] })
}

fn transfer_from(p: &Pieces) -> Result<Transfer, Malformed> {
    let mut id = p.texts[0].as_bytes().to_vec();
    id.extend_from_slice(&p.small[0].to_le_bytes());
    let id = id.get(..usize::from(p.bytes[1])).ok_or(Malformed::Field("transfer id"))?;
    Ok(Transfer {
        id: ClOrdId::new(id).map_err(|_| Malformed::Field("transfer id"))?,
        account: p.texts[1],
        asset: narrow(&p.texts[2])?,
        amount: p.first,
        withdraw: p.bytes[0] != 0,
    })
}

fn byte<T: TryFromBytes + Immutable + KnownLayout>(value: u8, what: &'static str) -> Result<T, Malformed> {
    T::try_read_from_bytes(&[value]).map_err(|_| Malformed::Field(what))
}

fn wide(symbol: Symbol) -> Name {
    Name::new(symbol.as_bytes()).expect("a symbol is shorter than a name")
}

fn narrow(name: &Name) -> Result<Symbol, Malformed> {
    Symbol::new(name.as_bytes()).map_err(|_| Malformed::Field("symbol"))
}

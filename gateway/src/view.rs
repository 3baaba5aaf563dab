//! What a gateway knows of the exchange: who may log on, what can be traded, the books, and where each session's
//! messages lie in the event log. It starts from a [`Seed`] taken at a stated position and follows released events
//! from there; it never asks the matcher.

pub mod books;
pub mod directory;
pub mod seed;
pub mod sessions;

use rialto_protocol::event::{self, Event, report_flag};
use rialto_protocol::record::{Malformed, offset};
use rialto_protocol::terms::{ExecType, Liquidity};
use rialto_protocol::{Epoch, Header, Name, Quantity, Sequence};

use books::{Books, Trade};
use directory::Directory;
use seed::Seed;
use sessions::Sessions;

/// The state of the exchange as its events tell it, up to and with the last event applied.
#[derive(Clone, Debug)]
pub struct View {
    /// Names, definitions and market states.
    pub directory: Directory,
    /// Who is live, and the sessions' numbers and positions.
    pub sessions: Sessions,
    /// Books and trades.
    pub books: Books,
    epoch: Epoch,
    node: Name,
    sequence: Sequence,
}

impl View {
    /// A view at the seed's position.
    pub fn new(seed: &Seed) -> Self {
        Self {
            directory: Directory::new(seed),
            sessions: Sessions::new(seed),
            books: Books::new(seed),
            epoch: seed.epoch,
            node: seed.node,
            sequence: seed.sequence,
        }
    }

    /// The epoch in force.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The node that opened it.
    pub fn node(&self) -> Name {
        self.node
    }

    /// Sequence of the command whose event was applied last.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Applies the event in `record`, which lies at `position`, and hands it back decoded.
    pub fn apply<'r>(&mut self, record: &'r [u8], position: u64) -> Result<(Header, Event<'r>), Malformed> {
        let (header, event) = Event::decode(record)?;
        self.sequence = header.sequence;
        if header.kind < event::kind::UNNUMBERED && header.session.is_some() {
            self.sessions.sent(&header, position);
        }
        match &event {
            Event::Report(report) => self.report(report),
            Event::Notice(notice) => self.sessions.notice(header.session, notice),
            Event::Gone => self.sessions.gone(header.session),
            Event::Epoch(opened) => {
                (self.epoch, self.node) = (opened.epoch, opened.node);
                self.sessions.all_gone();
            }
            Event::Reference { id, owner, operation } => {
                self.directory.define(*id, *owner, operation);
                self.sessions.define(*id, operation);
            }
            Event::Market(instrument, state) => self.directory.set_market(*instrument, *state),
            Event::Busted(trade, instrument) => self.books.busted(*trade, *instrument),
            Event::RefusedOrder { .. }
            | Event::CancelReject(_)
            | Event::MassCancelReport(_)
            | Event::SecurityList(_)
            | Event::LogOnRefused { .. }
            | Event::Repeat(_)
            | Event::Challenged
            | Event::Balance(_)
            | Event::Answer { .. }
            | Event::DayEnded
            | Event::Policy(_) => {}
        }
        Ok((header, event))
    }

    fn report(&mut self, report: &event::Report<'_>) {
        let body = &report.body;
        match body.exec_type {
            ExecType::New => self.books.rest(body),
            ExecType::Trade => {
                self.books.set_leaves(body.order, body.leaves);
                if let (Liquidity::Taker, Some(fill)) = (body.liquidity, report.fill) {
                    let (instrument, side) = (body.instrument, body.side);
                    self.books.traded(Trade {
                        trade: fill.trade,
                        instrument,
                        aggressor: side,
                        price: fill.last_price,
                        quantity: fill.last_quantity,
                    });
                }
            }
            ExecType::Canceled | ExecType::Expired => self.books.set_leaves(body.order, Quantity(0)),
            ExecType::Replaced if body.flags & report_flag::KEPT_PLACE != 0 => {
                self.books.set_leaves(body.order, body.leaves);
            }
            ExecType::Replaced => {
                self.books.set_leaves(body.order, Quantity(0));
                self.books.rest(body);
            }
            ExecType::Rejected | ExecType::TradeCancel | ExecType::OrderStatus => {}
        }
    }
}

/// Whose message a numbered event is, without decoding it: kind, session and number.
pub fn addressee(record: &[u8]) -> Option<(u8, u32, u32)> {
    let word = |at: usize| record.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().expect("4 bytes")));
    let kind = *record.get(offset::KIND)?;
    Some((kind, word(offset::SESSION)?, word(offset::SESSION_SEQ)?))
}

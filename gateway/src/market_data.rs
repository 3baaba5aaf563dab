//! Market data: a connection's requests (35=V) become snapshots (W) and changes (X) of the books in the view.
//!
//! A feed is told at every command's end what changed, and says what its client does not know yet when there is room
//! for it. While there is none, changes of a level run together, and the client gets the level as it is in the end;
//! trades are kept one by one, and a client that leaves too many of them unread is cut. So that a client which applies
//! what it gets has the book as it was at the end of one command. Levels are known by instrument, side and price;
//! trades by number (278). A level that leaves the asked depth is deleted.
//!
//! Pure: bodies go out through a callback, and header and number are the caller's.

mod request;
mod stream;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use rialto_protocol::event::{SECURITIES_PER_MESSAGE, SecurityListPart};
use rialto_protocol::{ExecId, InstrumentId};
use slab::Slab;

use crate::fix::tag;
use crate::message::Message;
use crate::translate;
use crate::view::View;
use crate::view::books::Changes;
use crate::write::FieldWriter;
use request::{Asked, Refusal, Request};
use stream::Stream;

/// Instruments that a connection can follow, counted once for each request: enough for all of a market in several
/// depths, and a bound to what one connection can make us keep.
pub const STREAMS_MAX: usize = 1_024;
/// Trades that wait for a slow client, over all instruments.
pub const TRADES_WAITING_MAX: usize = 4_096;
/// Answers that wait for a slow client.
pub const ANSWERS_WAITING_MAX: usize = 256;

/// User-defined tag: the sequence of the command at whose end a W or X is true.
pub const SEQUENCE_TAG: u16 = 5_001;

/// `BusinessRejectReason` (380): unsupported message type, not authorized.
const UNSUPPORTED: u64 = 3;
const NOT_AUTHORIZED: u64 = 6;

/// Takes one message: its type (35) and what writes its body. `Break` when there is no room for another.
pub type Emit<'e> = dyn FnMut(&[u8], &dyn Fn(&mut FieldWriter<'_>)) -> ControlFlow<()> + 'e;

/// How feeds speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether W and X carry [`SEQUENCE_TAG`].
    pub user_defined_tags: bool,
    /// Whether books may be looked at once but not followed: on a trading session.
    pub looks_only: bool,
}

/// The client takes its messages so slowly that what it has to get is more than is kept: it is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much market data waits to be read")]
pub struct TooSlow;

/// What one connection has asked for, and what it has not been told yet.
#[derive(Debug, Default)]
pub struct Feed {
    settings: Settings,
    streams: Slab<Stream>,
    by_instrument: HashMap<InstrumentId, Vec<usize>>,
    /// Streams that have something to say, the one that waits longest first.
    due: VecDeque<usize>,
    answers: VecDeque<Answer>,
    trades_waiting: usize,
    lists: u64,
}

#[derive(Debug)]
enum Answer {
    Refused { request: Box<[u8]>, refusal: Refusal },
    Securities { request: Box<[u8]>, list: u64, from: usize, ids: Arc<[InstrumentId]> },
    Business { ref_seq: Option<u32>, ref_type: Box<[u8]>, reason: u64, words: &'static str },
}

impl Feed {
    /// Nothing is asked for yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Takes an application message that has passed the inbound check. What it leads to comes from [`Feed::pending`].
    pub fn request(&mut self, view: &View, message: &Message<'_>) -> Result<(), TooSlow> {
        if self.answers.len() >= ANSWERS_WAITING_MAX {
            return Err(TooSlow);
        }
        match message.msg_type() {
            b"V" => {
                let id = message.get(tag::MD_REQ_ID).unwrap_or_default();
                if let Err(refusal) = self.market_data(view, message, id) {
                    self.answers.push_back(Answer::Refused { request: id.into(), refusal });
                }
            }
            b"x" => self.securities(view, message),
            b"D" | b"F" | b"G" | b"H" | b"AF" | b"q" => {
                self.business(message, NOT_AUTHORIZED, "a market-data session takes no orders");
            }
            _ => self.business(message, UNSUPPORTED, "not offered on a market-data session"),
        }
        Ok(())
    }

    /// Takes notice of what changed up to a command's end; every change of the view's books must come by here once.
    pub fn changes(&mut self, changes: &Changes) -> Result<(), TooSlow> {
        for ((instrument, side, price), before) in &changes.levels {
            self.each(*instrument, |stream| {
                stream.level_changed((*side, *price), *before);
                0
            });
        }
        for trade in &changes.trades {
            self.each(trade.instrument, |stream| stream.traded(*trade));
        }
        for (trade, instrument) in &changes.busts {
            self.each(*instrument, |stream| stream.busted(*trade));
        }
        if self.trades_waiting > TRADES_WAITING_MAX { Err(TooSlow) } else { Ok(()) }
    }

    /// Whether [`Feed::pending`] has something to say.
    pub fn waits(&self) -> bool {
        !self.answers.is_empty() || !self.due.is_empty()
    }

    /// Says what the client does not know yet, until there is no room. While changes of the view's books were not yet
    /// taken and given to [`Feed::changes`] it says nothing, for no command is at its end.
    pub fn pending(&mut self, view: &View, emit: &mut Emit<'_>) -> ControlFlow<()> {
        if !view.books.settled() {
            return ControlFlow::Continue(());
        }
        while let Some(answer) = self.answers.pop_front() {
            self.answer(view, answer, emit)?;
        }
        while let Some(at) = self.due.pop_front() {
            let stream = &mut self.streams[at];
            self.trades_waiting -= stream.trades_waiting();
            let flow = stream.tell(view, self.settings, emit);
            if !stream.follows() {
                self.remove(at);
            }
            flow?;
        }
        ControlFlow::Continue(())
    }

    /// Lets each stream of an instrument take notice; `f` gives back how many trades wait because of it.
    fn each(&mut self, instrument: InstrumentId, f: impl Fn(&mut Stream) -> usize) {
        for at in self.by_instrument.get(&instrument).into_iter().flatten() {
            let stream = &mut self.streams[*at];
            self.trades_waiting += f(stream);
            if stream.becomes_due() {
                self.due.push_back(*at);
            }
        }
    }

    fn market_data(&mut self, view: &View, message: &Message<'_>, id: &[u8]) -> Result<(), Refusal> {
        match request::read(view, message)? {
            Asked::Ends => {
                let ended: Vec<usize> = self.of_request(id).collect();
                if ended.is_empty() {
                    return Err(Refusal::of_type(format_args!("no subscription {}", id.escape_ascii())));
                }
                for at in ended {
                    self.trades_waiting -= self.streams[at].trades_waiting();
                    self.due.retain(|due| *due != at);
                    self.remove(at);
                }
            }
            Asked::Begins(request) if request.follow && self.settings.looks_only => {
                return Err(Refusal::of_type("books are followed on market-data sessions; 263=0 looks once"));
            }
            Asked::Begins(request) => {
                if self.of_request(id).next().is_some() {
                    return Err(Refusal::duplicate(id));
                }
                if self.streams.len() + request.instruments.len() > STREAMS_MAX {
                    return Err(Refusal::too_many());
                }
                self.begin(&request, &id.into());
            }
        }
        Ok(())
    }

    fn begin(&mut self, request: &Request, id: &Arc<[u8]>) {
        for instrument in &request.instruments {
            let at = self.streams.insert(Stream::new(*instrument, Arc::clone(id), request));
            self.by_instrument.entry(*instrument).or_default().push(at);
            self.due.push_back(at);
        }
    }

    fn of_request(&self, id: &[u8]) -> impl Iterator<Item = usize> {
        self.streams.iter().filter(move |(_, stream)| stream.request() == id).map(|(at, _)| at)
    }

    fn remove(&mut self, at: usize) {
        let stream = self.streams.remove(at);
        if let Some(streams) = self.by_instrument.get_mut(&stream.instrument()) {
            streams.retain(|stream| *stream != at);
        }
    }

    fn securities(&mut self, view: &View, message: &Message<'_>) {
        let all = || view.directory.instruments().iter().map(|known| known.id).collect();
        let ids: Arc<[InstrumentId]> = match message.get(tag::SYMBOL) {
            Some(symbol) => {
                view.directory.instrument_by_symbol(symbol).map(|known| known.id).into_iter().collect()
            }
            None => all(),
        };
        self.lists += 1;
        let request = message.get(tag::SECURITY_REQ_ID).unwrap_or_default().into();
        self.answers.push_back(Answer::Securities { request, list: self.lists, from: 0, ids });
    }

    fn business(&mut self, message: &Message<'_>, reason: u64, words: &'static str) {
        let (ref_seq, ref_type) = (message.unsigned(tag::MSG_SEQ_NUM), message.msg_type().into());
        self.answers.push_back(Answer::Business { ref_seq, ref_type, reason, words });
    }

    fn answer(&mut self, view: &View, answer: Answer, emit: &mut Emit<'_>) -> ControlFlow<()> {
        match answer {
            Answer::Refused { request, refusal } => emit(b"Y", &|fields| {
                fields.text(tag::MD_REQ_ID, &request);
                fields.char(tag::MD_REQ_REJ_REASON, refusal.reason);
                fields.text(tag::TEXT, refusal.words.as_bytes());
            }),
            Answer::Business { ref_seq, ref_type, reason, words } => emit(b"j", &|fields| {
                if let Some(number) = ref_seq {
                    fields.unsigned(tag::REF_SEQ_NUM, u64::from(number));
                }
                fields.text(tag::REF_MSG_TYPE, &ref_type);
                fields.unsigned(tag::BUSINESS_REJECT_REASON, reason);
                fields.text(tag::TEXT, words.as_bytes());
            }),
            Answer::Securities { request, list, from, ids } => {
                let to = ids.len().min(from + SECURITIES_PER_MESSAGE);
                let instruments: Vec<u8> = ids[from..to].iter().flat_map(|id| id.0.to_le_bytes()).collect();
                let part = SecurityListPart {
                    previous: 0,
                    total: u32::try_from(ids.len()).unwrap_or(u32::MAX),
                    last: to == ids.len(),
                    exec: ExecId(list),
                    request: &request,
                    instruments: &instruments,
                };
                let flow = emit(b"y", &|fields| translate::security_list(fields, view, &part));
                if to < ids.len() {
                    self.answers.push_front(Answer::Securities { request, list, from: to, ids });
                }
                flow
            }
        }
    }
}

//! A member that keeps the market busy: orders of several kinds around a price, cancels, replaces, mass cancels, many on
//! their way at once; each has to be answered in time.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::books::INSTRUMENTS;
use crate::client::{Client, Message};
use crate::random::Random;

/// Requests on their way at once.
const WINDOW: usize = 32;
/// Open orders of one member, about.
const OPEN_MAX: usize = 300;

/// An order that may be open: symbol, side, quantity.
type Open = (usize, u64, u64);

#[derive(Debug)]
pub(crate) struct Member {
    client: Client,
    name: String,
    random: Random,
    asked: u32,
    waiting: HashMap<String, Instant>,
    open: BTreeMap<String, Open>,
    /// Orders by the name that they were sent under.
    sent: HashMap<String, Open>,
    /// The longest that it waited for an answer.
    pub(crate) slowest: Duration,
}

impl Member {
    /// A member that has logged on.
    pub(crate) fn new(client: Client, name: &str, random: Random) -> Self {
        Self {
            client,
            name: name.to_owned(),
            random,
            asked: 0,
            waiting: HashMap::new(),
            open: BTreeMap::new(),
            sent: HashMap::new(),
            slowest: Duration::ZERO,
        }
    }

    /// Trades until it ends, and until all is answered.
    pub(crate) fn trade(&mut self, ends: &AtomicBool) {
        loop {
            let over = ends.load(Ordering::Relaxed);
            while !over && self.waiting.len() < WINDOW {
                self.ask();
            }
            if self.waiting.is_empty() {
                return;
            }
            let message = self.client.expect();
            self.hear(&message);
        }
    }

    /// How much it asked for.
    pub(crate) fn asked(&self) -> u32 {
        self.asked
    }

    fn hear(&mut self, message: &Message) {
        let Some(id) = message.get(11) else { return };
        if let Some(since) = self.waiting.remove(id) {
            self.slowest = self.slowest.max(since.elapsed());
        }
        if message.kind() != "8" {
            return;
        }
        if let Some(orig) = message.get(41) {
            self.open.remove(orig);
        }
        match (message.field(39), self.sent.get(id)) {
            ("0" | "1", Some(order)) => {
                self.open.insert(id.to_owned(), *order);
            }
            _ => {
                self.open.remove(id);
            }
        }
    }

    fn ask(&mut self) {
        self.asked += 1;
        let id = format!("{}-{}", self.name, self.asked);
        let kind = self.random.below(1000);
        let (instrument, side) = (self.instrument(), self.random.between(1, 2));
        let symbol = INSTRUMENTS[instrument].0;
        let line = match kind {
            0 => format!("35=q|11={id}|530=1|55={symbol}"),
            1 => format!("35=q|11={id}|530=7"),
            2..250 => self.cancel(&id),
            250..400 => self.replace(&id),
            _ if self.open.len() > OPEN_MAX => self.cancel(&id),
            kind => {
                let quantity = self.quantity(instrument);
                self.sent.insert(id.clone(), (instrument, side, quantity));
                let how = match kind {
                    400..430 => "40=1".to_owned(),
                    430..480 => format!("40=2|59=3|44={}", self.price(instrument, side)),
                    480..510 => format!("40=2|59=4|44={}", self.price(instrument, side)),
                    _ => format!("40=2|44={}", self.price(instrument, side)),
                };
                format!("35=D|11={id}|55={symbol}|54={side}|38={quantity}|{how}")
            }
        };
        self.client.send(&line, 0, false).expect("the node is up");
        self.waiting.insert(id, Instant::now());
    }

    fn instrument(&mut self) -> usize {
        usize::try_from(self.random.below(INSTRUMENTS.len() as u64)).unwrap()
    }

    fn quantity(&mut self, instrument: usize) -> u64 {
        self.random.between(1, 10) * u64::try_from(INSTRUMENTS[instrument].2).unwrap()
    }

    /// Around 100 ticks of room on each side of 10.00, with some overlap.
    fn price(&mut self, instrument: usize, side: u64) -> String {
        let ticks = self.random.below(45);
        let tick = u64::try_from(INSTRUMENTS[instrument].1).unwrap();
        let hundredths = if side == 1 { 1000 + 5 * tick - ticks * tick } else { 1000 + ticks * tick };
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }

    /// An order that may be open, or one that never was.
    fn some_order(&mut self) -> (String, Open) {
        if self.open.is_empty() {
            return ("none".to_owned(), (0, 1, 1));
        }
        let place = usize::try_from(self.random.below(self.open.len() as u64)).unwrap();
        let (id, order) = self.open.iter().nth(place).expect("less than there are");
        (id.clone(), *order)
    }

    fn cancel(&mut self, id: &str) -> String {
        let (orig, (instrument, side, quantity)) = self.some_order();
        let symbol = INSTRUMENTS[instrument].0;
        format!("35=F|11={id}|41={orig}|55={symbol}|54={side}|38={quantity}")
    }

    fn replace(&mut self, id: &str) -> String {
        let (orig, (instrument, side, _)) = self.some_order();
        let (quantity, price) = (self.quantity(instrument), self.price(instrument, side));
        self.sent.insert(id.to_owned(), (instrument, side, quantity));
        let symbol = INSTRUMENTS[instrument].0;
        format!("35=G|11={id}|41={orig}|55={symbol}|54={side}|38={quantity}|40=2|44={price}")
    }
}

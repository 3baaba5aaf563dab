//! One session seen from the client: numbers, what waits for its answer, and which orders it knows. It takes lines
//! and gives lines; sockets and clocks are the driver's.
use std::collections::HashMap;

use rialto_protocol::Side;

use super::line::Line;
use super::words::{OrderWords, Word};
use crate::config::HostPort;

/// Levels of each side that `book` asks for.
const BOOK_LEVELS: u32 = 10;

/// What a line from the node means to the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The log-on was accepted.
    LoggedOn(Line),
    /// This node is not the one; perhaps that one is.
    Elsewhere {
        /// The primary, where it is known.
        primary: Option<HostPort>,
        /// The node's words.
        text: String,
    },
    /// A message that is new to this client.
    Told(Line),
    /// Words that are no message.
    Words(String),
    /// This has to be sent.
    Send(Line),
    /// What was waited for is answered.
    Answered,
    /// The node ends the session.
    LoggedOut(Line),
}

/// How the answer to a line is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    /// A report that carries this ClOrdID (11).
    Order(String),
    /// The last report of a mass status with this id (584).
    Status(String),
    /// A book with this id (262).
    Book(String),
    /// The last position with this id (710), so many told already.
    Balance(String, u64),
    /// A heartbeat with this id (112): it comes behind all answers to what was sent before.
    Barrier(String),
}

/// A line that waits for its answer.
#[derive(Debug, Clone)]
struct Pending {
    text: String,
    line: Option<Line>,
    key: Key,
}

/// An open order, as far as a cancel needs it.
#[derive(Debug, Clone)]
struct Known {
    symbol: String,
    side: String,
    quantity: String,
}

/// What a typed word leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// These lines are sent, and an answer is due.
    Send(Vec<String>),
    /// The person is told this; nothing is sent.
    Tell(String),
    /// The open orders have to be asked for first.
    LookUp,
    /// Nothing to do.
    Nothing,
    /// The end.
    Quit,
}

/// The client's side of one session.
#[derive(Debug)]
pub(super) struct Session {
    user: String,
    password: String,
    id_prefix: String,
    ids_used: u64,
    /// The next number that the node will use, once it is known.
    next: Option<u64>,
    /// The number of the last log-on's answer, while what came before it is still being sent again.
    log_on_number: Option<u64>,
    pending: Option<Pending>,
    orders: HashMap<String, Known>,
    /// What replaced orders are called now.
    renamed: HashMap<String, String>,
}

impl Session {
    /// A session that has not logged on yet; ids of its own making start with `id_prefix`.
    pub(super) fn new(user: &str, password: &str, id_prefix: &str) -> Session {
        Session {
            user: user.to_owned(),
            password: password.to_owned(),
            id_prefix: id_prefix.to_owned(),
            ids_used: 0,
            next: None,
            log_on_number: None,
            pending: None,
            orders: HashMap::new(),
            renamed: HashMap::new(),
        }
    }

    /// The log-on, which asks for all that was missed since the last one.
    pub(super) fn log_on(&mut self) -> Line {
        self.log_on_number = None;
        let line = Line::of_type("A").with(553, &self.user).with(554, &self.password);
        match self.next {
            Some(next) => line.with(789, next),
            None => line,
        }
    }

    /// Whether an answer is due.
    pub(super) fn waits(&self) -> bool {
        self.pending.is_some()
    }

    /// The line that waits, as it was sent.
    pub(super) fn waiting_line(&self) -> Option<&str> {
        self.pending.as_ref().map(|pending| pending.text.as_str())
    }

    /// No longer waits.
    pub(super) fn give_up(&mut self) {
        self.pending = None;
    }

    /// What has to be sent again on a new connection: an order marked as sent before, a question as it stands.
    pub(super) fn again(&self) -> Vec<String> {
        let Some(pending) = &self.pending else { return Vec::new() };
        match (&pending.line, &pending.key) {
            (Some(line), Key::Order(_)) => vec![line.repeated().to_string()],
            (None | Some(_), Key::Barrier(id)) => vec![pending.text.clone(), barrier(id).to_string()],
            (None | Some(_), _) => vec![pending.text.clone()],
        }
    }

    /// What `word` leads to; `looked` says that the open orders have just been asked for.
    pub(super) fn say(&mut self, word: Word, looked: bool) -> Step {
        match word {
            Word::Nothing => Step::Nothing,
            Word::Quit => Step::Quit,
            Word::Help => Step::Tell(super::words::HELP.to_owned()),
            Word::Raw(text) => self.raw(&text),
            Word::Order(order) => self.order(order),
            Word::Orders => self.open_orders(),
            Word::Book { symbol } => {
                let id = self.new_id();
                let line = Line::of_type("V").with(262, &id).with(263, 0).with(264, BOOK_LEVELS);
                let line = line.with(267, 2).with(269, 0).with(269, 1).with(146, 1).with(55, symbol);
                self.send(line, Key::Book(id))
            }
            Word::Balance { account } => {
                let id = self.new_id();
                let line = Line::of_type("AN").with(710, &id).with(724, 0);
                let line = account.into_iter().fold(line, |line, account| line.with(1, account));
                self.send(line, Key::Balance(id, 0))
            }
            Word::Cancel { id } => {
                let (orig, known) = match self.known(&id, looked) {
                    Ok(known) => known,
                    Err(step) => return step,
                };
                let new_id = self.new_id();
                let line = Line::of_type("F").with(11, &new_id).with(41, orig).with(55, known.symbol);
                self.send(line.with(54, known.side).with(38, known.quantity), Key::Order(new_id))
            }
            Word::Replace { id, quantity, price, new_id } => {
                let (orig, known) = match self.known(&id, looked) {
                    Ok(known) => known,
                    Err(step) => return step,
                };
                let new_id = new_id.unwrap_or_else(|| self.new_id());
                let line = Line::of_type("G").with(11, &new_id).with(41, orig).with(55, known.symbol);
                let line = line.with(54, known.side).with(38, quantity).with(40, 2).with(44, price);
                self.send(line, Key::Order(new_id))
            }
        }
    }

    /// Asks for all open orders.
    pub(super) fn open_orders(&mut self) -> Step {
        let id = self.new_id();
        self.send(Line::of_type("AF").with(584, &id).with(585, 7), Key::Status(id))
    }

    /// A line as it stands; where its answer cannot be told by its fields, a barrier follows it.
    pub(super) fn raw(&mut self, text: &str) -> Step {
        let line = Line::parse(text);
        let key = line.as_ref().and_then(|line| {
            let id = |tag| line.get(tag).map(str::to_owned);
            match line.kind() {
                "D" | "F" | "G" | "H" | "q" => id(11).map(Key::Order),
                "AF" => id(584).map(Key::Status),
                "V" => id(262).map(Key::Book),
                _ => None,
            }
        });
        if line.as_ref().is_some_and(|line| line.kind() == "5") {
            return Step::Quit;
        }
        let mut lines = vec![text.to_owned()];
        let key = key.unwrap_or_else(|| {
            let id = self.new_id();
            lines.push(barrier(&id).to_string());
            Key::Barrier(id)
        });
        self.pending = Some(Pending { text: text.to_owned(), line, key });
        Step::Send(lines)
    }

    /// Takes in one line from the node.
    pub(super) fn hear(&mut self, text: &str) -> Vec<Outcome> {
        if let Some(words) = text.strip_prefix("! ") {
            let primary =
                words.split_once("primary is ").and_then(|(_, address)| address.trim().parse().ok());
            return vec![Outcome::Elsewhere { primary, text: words.to_owned() }];
        }
        let Some(line) = Line::parse(text) else { return vec![Outcome::Words(text.to_owned())] };
        let new = self.count(&line);
        match line.kind() {
            "A" => return vec![Outcome::LoggedOn(line)],
            "5" if new => return vec![Outcome::LoggedOut(line)],
            "1" if new => {
                let answer = Line::of_type("0").with(112, line.text(112));
                return vec![Outcome::Told(line), Outcome::Send(answer)];
            }
            _ => {}
        }
        let answered = self.answers(&line);
        if line.kind() == "8" {
            self.remember(&line);
        }
        let mut outcomes = Vec::new();
        if new || answered {
            outcomes.push(Outcome::Told(line));
        }
        if answered {
            self.pending = None;
            outcomes.push(Outcome::Answered);
        }
        outcomes
    }

    /// Follows the node's numbers; whether this line is new to us.
    fn count(&mut self, line: &Line) -> bool {
        let Some(number) = line.number(34) else { return true };
        let Some(next) = self.next else {
            self.next = Some(number + 1);
            return true;
        };
        let new = number >= next;
        let after = match line.kind() {
            "A" => {
                self.log_on_number = Some(number);
                next
            }
            "4" => next.max(line.number(36).unwrap_or(next)),
            _ => next.max(number + 1),
        };
        let passed = self.log_on_number.is_some_and(|number| number <= after);
        self.next = Some(if passed && self.log_on_number.take() == Some(after) { after + 1 } else { after });
        new
    }

    fn answers(&mut self, line: &Line) -> bool {
        let Some(pending) = &mut self.pending else { return false };
        let is = |tag: u32, id: &str| line.get(tag) == Some(id);
        match (&mut pending.key, line.kind()) {
            (_, "3" | "j") => !line.is_repeat(),
            (Key::Order(id), "8" | "9" | "r") => is(11, id),
            (Key::Status(id), "8") => is(584, id) && (is(912, "Y") || is(911, "0")),
            (Key::Book(id), "W" | "Y") => is(262, id),
            (Key::Balance(id, _), "AO") => is(710, id) && !is(728, "0"),
            (Key::Balance(id, told), "AP") if is(710, id) => {
                *told += 1;
                line.number(727).is_none_or(|all| *told >= all)
            }
            (Key::Barrier(id), "0") => is(112, id),
            _ => false,
        }
    }

    /// Follows which orders are open, and what they are called.
    fn remember(&mut self, line: &Line) {
        let id = line.text(11).to_owned();
        if let ("5", Some(old)) = (line.text(150), line.get(41)) {
            self.orders.remove(old);
            for name in self.renamed.values_mut().filter(|name| *name == old) {
                name.clone_from(&id);
            }
            self.renamed.insert(old.to_owned(), id.clone());
        }
        let closed = ["2", "4", "8", "C"].contains(&line.text(39));
        match (line.text(150), closed) {
            ("0" | "5" | "F" | "I", false) => {
                let text = |tag| line.text(tag).to_owned();
                self.orders.insert(id, Known { symbol: text(55), side: text(54), quantity: text(38) });
            }
            (_, true) => {
                self.orders.remove(line.get(41).unwrap_or(&id));
            }
            (_, false) => {}
        }
    }

    /// What the order that the person calls `id` is called now, and what it is.
    fn known(&self, id: &str, looked: bool) -> Result<(String, Known), Step> {
        let now = self.renamed.get(id).map_or(id, String::as_str);
        match self.orders.get(now) {
            Some(known) => Ok((now.to_owned(), known.clone())),
            None if looked => Err(Step::Tell(format!("no open order {id} in this session"))),
            None => Err(Step::LookUp),
        }
    }

    fn order(&mut self, order: OrderWords) -> Step {
        let id = order.id.unwrap_or_else(|| self.new_id());
        let side = match order.side {
            Side::Buy => 1,
            Side::Sell => 2,
        };
        let mut line = Line::of_type("D").with(11, &id);
        if let Some(account) = order.account {
            line = line.with(1, account);
        }
        line = line.with(55, order.symbol).with(54, side).with(38, order.quantity);
        line = match order.price {
            Some(price) => line.with(40, 2).with(44, price),
            None => line.with(40, 1),
        };
        if let Some((tag, value)) = order.life {
            line = line.with(tag, value);
        }
        self.send(line, Key::Order(id))
    }

    fn send(&mut self, line: Line, key: Key) -> Step {
        let text = line.to_string();
        self.pending = Some(Pending { text: text.clone(), line: Some(line), key });
        Step::Send(vec![text])
    }

    fn new_id(&mut self) -> String {
        self.ids_used += 1;
        format!("{}-{}", self.id_prefix, self.ids_used)
    }
}

fn barrier(id: &str) -> Line {
    Line::of_type("1").with(112, id)
}

#[cfg(test)]
mod tests {
    use super::super::words::understand;
    use super::*;

    fn session() -> Session {
        let mut session = Session::new("ALPHA1", "secret", "c");
        assert_eq!(session.log_on().to_string(), "35=A|553=ALPHA1|554=secret");
        assert!(matches!(session.hear("35=A|34=7|58=n1 epoch 3")[..], [Outcome::LoggedOn(_)]));
        session
    }

    fn say(session: &mut Session, text: &str) -> String {
        match session.say(understand(text).unwrap(), false) {
            Step::Send(lines) => lines.join(" "),
            step @ (Step::Tell(_) | Step::LookUp | Step::Nothing | Step::Quit) => format!("{step:?}"),
        }
    }

    #[test]
    fn words_become_fix_lines() {
        let mut session = session();
        let mut check = |words: &str, line: &str| assert_eq!(say(&mut session, words), line);
        check("buy 100 ACME @ 10.25 ioc id a1", "35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25|59=3");
        check("sell 5 ACME for A2", "35=D|11=c-1|1=A2|55=ACME|54=2|38=5|40=1");
        check("orders", "35=AF|584=c-2|585=7");
        check("book ACME", "35=V|262=c-3|263=0|264=10|267=2|269=0|269=1|146=1|55=ACME");
        check("balance A1", "35=AN|710=c-4|724=0|1=A1");
        check("35=x|320=1|559=4", "35=x|320=1|559=4 35=1|112=c-5");
        check("cancel zz", "LookUp");
    }

    #[test]
    fn an_order_is_known_by_its_first_name_through_replaces() {
        let mut session = session();
        say(&mut session, "buy 100 ACME @ 10.25 id a1");
        let report = "35=8|34=8|37=1|11=a1|17=1|150=0|39=0|55=ACME|54=1|38=100|40=2|44=10.25|151=100|14=0";
        assert!(session.hear(report).contains(&Outcome::Answered));
        let line = "35=G|11=c-1|41=a1|55=ACME|54=1|38=80|40=2|44=10.3";
        assert_eq!(say(&mut session, "replace a1 80 @ 10.3"), line);
        session.hear("35=8|34=9|37=1|11=c-1|41=a1|150=5|39=0|55=ACME|54=1|38=80|151=80|14=0");
        assert_eq!(say(&mut session, "cancel a1"), "35=F|11=c-2|41=c-1|55=ACME|54=1|38=80");
        session.hear("35=8|34=10|37=1|11=c-2|41=c-1|150=4|39=4|55=ACME|54=1|38=80|151=0|14=0");
        assert_eq!(say(&mut session, "cancel a1"), "LookUp");
        let tell = session.say(Word::Cancel { id: "a1".into() }, true);
        assert_eq!(tell, Step::Tell("no open order a1 in this session".into()));
    }

    #[test]
    fn a_log_on_after_a_loss_asks_for_what_was_missed_and_tells_nothing_twice() {
        let mut session = session();
        session.hear("35=8|34=8|11=x|150=0");
        assert_eq!(session.log_on().to_string(), "35=A|553=ALPHA1|554=secret|789=9");
        session.hear("35=A|34=12|58=n2 epoch 4");
        let told = |outcomes: &[Outcome]| outcomes.iter().any(|one| matches!(one, Outcome::Told(_)));
        assert!(!told(&session.hear("35=8|34=8|43=Y|11=x|150=0")), "known already");
        assert!(told(&session.hear("35=8|34=9|43=Y|11=y|150=0")));
        session.hear("35=4|34=10|43=Y|36=12|123=Y");
        assert_eq!(session.next, Some(13), "the log-on's own number is not asked for again");
        assert!(told(&session.hear("35=8|34=13|11=z|150=0")));
        assert_eq!(session.next, Some(14));
    }

    #[test]
    fn an_order_sent_again_is_answered_by_its_old_report() {
        let mut session = session();
        session.hear("35=8|34=8|11=other|150=0");
        say(&mut session, "buy 1 ACME id a9");
        assert_eq!(session.again(), ["35=D|43=Y|11=a9|55=ACME|54=1|38=1|40=1"]);
        let outcomes = session.hear("35=8|34=7|43=Y|11=a9|150=0|39=0");
        assert!(outcomes.contains(&Outcome::Answered));
    }

    #[test]
    fn each_kind_of_question_knows_its_answer() {
        let check = |words: &str, answers: &[(&str, bool)]| {
            let mut session = session();
            say(&mut session, words);
            for (line, answered) in answers {
                assert_eq!(session.hear(line).contains(&Outcome::Answered), *answered, "{words}: {line}");
            }
        };
        check("buy 1 ACME id a", &[("35=8|34=8|11=b|150=0", false), ("35=8|34=9|11=a|150=8|39=8", true)]);
        check("buy 1 ACME id a", &[("35=3|34=8|45=2|58=no", true)]);
        check("orders", &[("35=8|34=8|584=c-1|911=2", false), ("35=8|34=9|584=c-1|911=2|912=Y", true)]);
        check("book ACME", &[("35=W|262=other", false), ("35=W|262=c-1|55=ACME", true)]);
        check("balance", &[("35=AP|710=c-1|727=2|55=USD", false), ("35=AP|710=c-1|727=2|55=ACME", true)]);
        check("35=zz|1=2", &[("35=0|34=8", false), ("35=0|34=9|112=c-1", true)]);
    }

    #[test]
    fn a_node_that_is_not_primary_names_the_one_that_is() {
        let mut session = session();
        let heard = |session: &mut Session, text: &str| match &session.hear(text)[..] {
            [Outcome::Elsewhere { primary, .. }] => primary.as_ref().map(ToString::to_string),
            other => panic!("{other:?}"),
        };
        let named = heard(&mut session, "! not primary; primary is 127.0.0.1:4002");
        assert_eq!(named.as_deref(), Some("127.0.0.1:4002"));
        assert_eq!(heard(&mut session, "! not primary; primary is unknown"), None);
        assert_eq!(heard(&mut session, "! starting"), None);
    }

    #[test]
    fn a_test_request_is_answered_with_its_own_words() {
        let outcomes = session().hear("35=1|34=8|112=are you there");
        assert!(outcomes.contains(&Outcome::Send(Line::of_type("0").with(112, "are you there"))));
    }
}

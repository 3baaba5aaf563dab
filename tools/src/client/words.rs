//! What a person types, as what it asks: `buy 100 ACME @ 10.25 ioc id a1`.
use rialto_protocol::{Decimal, Side};

/// What may be typed.
pub(super) const HELP: &str = "\
buy 100 ACME @ 10.25 [day|gtc|ioc|fok|post] [for ACCOUNT] [id a1]   limit order; without a price a market order
sell 100 ACME @ 10.30 …                             the same, selling
cancel a1                                           cancel an order
replace a1 80 @ 10.3 [id a2]                        its new whole quantity and price
orders                                              what is open
book ACME                                           ten levels of each side
balance [ACCOUNT]                                   cash and holdings
35=D|11=a1|55=ACME|…                                a FIX line as it stands
help, quit";

/// One typed line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing, or a comment.
    Nothing,
    /// A new order.
    Order(OrderWords),
    /// Cancel an order.
    Cancel {
        /// The name that the person knows it by.
        id: String,
    },
    /// Replace an order.
    Replace {
        /// The name that the person knows it by.
        id: String,
        /// Its new whole quantity.
        quantity: String,
        /// Its new price.
        price: String,
        /// The name that it has from now on, if a new one.
        new_id: Option<String>,
    },
    /// All open orders.
    Orders,
    /// The book of an instrument.
    Book {
        /// Its symbol.
        symbol: String,
    },
    /// Cash and holdings.
    Balance {
        /// Of this account; without one, of all that the session may see.
        account: Option<String>,
    },
    /// What may be typed.
    Help,
    /// The end.
    Quit,
    /// A FIX line as it stands.
    Raw(String),
}

/// A new order, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderWords {
    /// Its side.
    pub(super) side: Side,
    /// How much.
    pub(super) quantity: String,
    /// Of what.
    pub(super) symbol: String,
    /// At what price; none is a market order.
    pub(super) price: Option<String>,
    /// FIX fields for how long it lives: `TimeInForce` (59) or `ExecInst` (18).
    pub(super) life: Option<(u32, &'static str)>,
    /// For which account; none is the session's first.
    pub(super) account: Option<String>,
    /// Its name; none is one of ours.
    pub(super) id: Option<String>,
}

/// Understands one typed line; the error says what was expected.
pub(super) fn understand(text: &str) -> Result<Word, String> {
    let text = text.trim();
    if text.starts_with("35=") {
        return Ok(Word::Raw(text.to_owned()));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let [first, rest @ ..] = words.as_slice() else { return Ok(Word::Nothing) };
    let name = |id: &&str| (*id).to_owned();
    match (first.to_ascii_lowercase().as_str(), rest) {
        (comment, _) if comment.starts_with('#') => Ok(Word::Nothing),
        ("buy", rest) => order(Side::Buy, rest).map(Word::Order),
        ("sell", rest) => order(Side::Sell, rest).map(Word::Order),
        ("cancel", [id]) => Ok(Word::Cancel { id: checked_id(id)? }),
        ("cancel", _) => Err("cancel ID".to_owned()),
        ("replace", rest) => replace(rest),
        ("orders", []) => Ok(Word::Orders),
        ("book", [symbol]) => Ok(Word::Book { symbol: checked_id(symbol)? }),
        ("book", _) => Err("book SYMBOL".to_owned()),
        ("balance", rest @ ([] | [_])) => Ok(Word::Balance { account: rest.first().map(name) }),
        ("help" | "?", _) => Ok(Word::Help),
        ("quit" | "exit", []) => Ok(Word::Quit),
        _ => Err(format!("{first} is not understood; type help")),
    }
}

const ORDER_FORM: &str = "QUANTITY SYMBOL [@ PRICE] [day|gtc|ioc|fok|post] [for ACCOUNT] [id ID]";

fn order(side: Side, words: &[&str]) -> Result<OrderWords, String> {
    let [quantity, symbol, rest @ ..] = words else { return Err(format!("buy or sell {ORDER_FORM}")) };
    let mut order = OrderWords {
        side,
        quantity: checked_number(quantity)?,
        symbol: checked_id(symbol)?,
        price: None,
        life: None,
        account: None,
        id: None,
    };
    let mut rest = rest;
    while let [word, after @ ..] = rest {
        let life = |life| if order.life.is_none() { Ok(Some(life)) } else { Err("one life only".to_owned()) };
        rest = match (word.to_ascii_lowercase().as_str(), after) {
            ("@", [price, after @ ..]) if order.price.is_none() => {
                order.price = Some(checked_number(price)?);
                after
            }
            (at, after) if at.len() > 1 && at.starts_with('@') && order.price.is_none() => {
                order.price = Some(checked_number(&at[1..])?);
                after
            }
            ("id", [id, after @ ..]) if order.id.is_none() => {
                order.id = Some(checked_id(id)?);
                after
            }
            ("for", [account, after @ ..]) if order.account.is_none() => {
                order.account = Some(checked_id(account)?);
                after
            }
            (word, after) => {
                order.life = life(life_of(word).ok_or_else(|| format!("{word}: expected {ORDER_FORM}"))?)?;
                after
            }
        };
    }
    Ok(order)
}

fn life_of(word: &str) -> Option<(u32, &'static str)> {
    match word {
        "day" => Some((59, "0")),
        "gtc" => Some((59, "1")),
        "ioc" => Some((59, "3")),
        "fok" => Some((59, "4")),
        "post" => Some((18, "6")),
        _ => None,
    }
}

fn replace(words: &[&str]) -> Result<Word, String> {
    let form = || "replace ID QUANTITY @ PRICE [id NEW]".to_owned();
    let [id, quantity, rest @ ..] = words else { return Err(form()) };
    let (price, rest) = match rest {
        ["@", price, rest @ ..] => (*price, rest),
        [price, rest @ ..] => (price.strip_prefix('@').ok_or_else(form)?, rest),
        [] => return Err(form()),
    };
    let new_id = match rest {
        [] => None,
        ["id", new_id] => Some(checked_id(new_id)?),
        _ => return Err(form()),
    };
    let (quantity, price) = (checked_number(quantity)?, checked_number(price)?);
    Ok(Word::Replace { id: checked_id(id)?, quantity, price, new_id })
}

/// A number that a FIX field can hold; whether it fits the instrument is the exchange's to say.
fn checked_number(text: &str) -> Result<String, String> {
    Decimal::parse(text.as_bytes()).map(|_| text.to_owned()).map_err(|error| format!("{text}: {error}"))
}

/// A name that cannot break a line apart.
fn checked_id(text: &str) -> Result<String, String> {
    let sayable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'|');
    if sayable && text.len() <= 36 {
        Ok(text.to_owned())
    } else {
        Err(format!("{text}: a name has at most 36 printable ASCII characters, none of them '|'"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ordered(text: &str) -> OrderWords {
        match understand(text) {
            Ok(Word::Order(order)) => order,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_order_may_be_typed_short_or_in_full() {
        let order = ordered("buy 100 ACME @ 10.25 ioc for A2 id a1");
        assert_eq!((order.side, order.quantity.as_str(), order.symbol.as_str()), (Side::Buy, "100", "ACME"));
        assert_eq!((order.price.as_deref(), order.life), (Some("10.25"), Some((59, "3"))));
        assert_eq!((order.account.as_deref(), order.id.as_deref()), (Some("A2"), Some("a1")));
        let short = ordered("SELL 5 ACME @10 post");
        assert_eq!(
            (short.side, short.price.as_deref(), short.life),
            (Side::Sell, Some("10"), Some((18, "6")))
        );
        assert_eq!(ordered("buy 5 ACME").price, None);
    }

    #[test]
    fn other_words_are_understood() {
        let is = |text: &str, word: Word| assert_eq!(understand(text), Ok(word), "{text}");
        is("", Word::Nothing);
        is("# a remark", Word::Nothing);
        is("cancel a1", Word::Cancel { id: "a1".into() });
        is(
            "replace a1 80 @ 10.3",
            Word::Replace { id: "a1".into(), quantity: "80".into(), price: "10.3".into(), new_id: None },
        );
        is("orders", Word::Orders);
        is("book ACME", Word::Book { symbol: "ACME".into() });
        is("balance", Word::Balance { account: None });
        is("balance A1", Word::Balance { account: Some("A1".into()) });
        is("?", Word::Help);
        is("quit", Word::Quit);
        is(" 35=D|11=a ", Word::Raw("35=D|11=a".into()));
    }

    #[test]
    fn what_is_not_understood_says_what_was_expected() {
        let wrong = |text: &str, why: &str| assert_eq!(understand(text), Err(why.to_owned()), "{text}");
        wrong("trade", "trade is not understood; type help");
        wrong("buy", &format!("buy or sell {ORDER_FORM}"));
        wrong("buy x ACME", "x: not a decimal number");
        wrong("buy 5 AC|ME", "AC|ME: a name has at most 36 printable ASCII characters, none of them '|'");
        wrong("buy 5 ACME now", &format!("now: expected {ORDER_FORM}"));
        wrong("buy 5 ACME ioc fok", "one life only");
        wrong("cancel", "cancel ID");
        wrong("replace a1 80", "replace ID QUANTITY @ PRICE [id NEW]");
        wrong("book", "book SYMBOL");
    }

    proptest! {
        #[test]
        fn any_typed_text_is_understood_or_answered(text in "\\PC{0,60}") {
            let _ = understand(&text).map(|word| format!("{word:?}"));
        }
    }
}

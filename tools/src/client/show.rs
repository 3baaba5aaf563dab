//! A reply of the exchange as a person reads it.
use super::line::Line;

/// One reply in words; several lines for a book. `None` where there is nothing to tell.
pub(super) fn show(line: &Line) -> Option<String> {
    let text = match line.kind() {
        "8" => report(line),
        "9" => format!("{}: refused for order {}{}", line.text(11), line.text(41), because(line)),
        "3" | "j" => format!("message refused{}", because(line)),
        "5" => format!("logged out{}", because(line)),
        "W" => book(line),
        "Y" => format!("no book{}", because(line)),
        "AP" => balance(line),
        "AO" if line.text(728) == "0" => return None,
        "AO" => format!("no balance{}", because(line)),
        "A" => format!("logged on: {}", line.text(58)),
        "0" | "1" | "4" => return None,
        _ => line.to_string(),
    };
    Some(if line.is_repeat() { format!("{text} (sent again)") } else { text })
}

fn report(line: &Line) -> String {
    let id = line.text(11);
    let open = line.text(151);
    match line.text(150) {
        "0" => format!("{id}: new, {}, order {}", order(line), line.text(37)),
        "F" => {
            let (traded, price, trade) = (line.text(32), line.text(31), line.text(527));
            format!("{id}: {} {traded} {} @ {price}, trade {trade}, {open} open", done(line), line.text(55))
        }
        "4" => format!("{id}: canceled, order {}{}", line.text(37), because(line)),
        "5" => format!("{id}: replaced {}, {}, {open} open", line.text(41), order(line)),
        "8" => format!("{id}: refused{}", because(line)),
        "C" => format!("{id}: expired{}", because(line)),
        "H" => format!("{id}: trade {} busted{}", line.text(527), because(line)),
        "I" if line.text(37) == "NONE" => format!("no such order{}", because(line)),
        "I" => format!("{id}: {}, {open} open, order {}", order(line), line.text(37)),
        _ => line.to_string(),
    }
}

/// `buy 100 ACME @ 10.25`
fn order(line: &Line) -> String {
    let side = if line.text(54) == "2" { "sell" } else { "buy" };
    let price = line.get(44).map_or_else(|| " at any price".to_owned(), |price| format!(" @ {price}"));
    let quantity = line.get(152).map_or(line.text(38), |funds| funds);
    format!("{side} {quantity} {}{price}", line.text(55))
}

fn done(line: &Line) -> &'static str {
    if line.text(54) == "2" { "sold" } else { "bought" }
}

fn because(line: &Line) -> String {
    line.get(58).map_or_else(String::new, |why| format!(": {why}"))
}

/// Offers above bids, the best of both in the middle, as books are drawn.
fn book(line: &Line) -> String {
    let levels = |side: &str| {
        let mut levels = Vec::new();
        for entry in line.entries(269) {
            if entry.text(269) == side {
                let orders = entry.get(346).map_or_else(String::new, |orders| format!("  {orders} orders"));
                levels.push(format!("{:>14}  {:>14}{orders}", entry.text(270), entry.text(271)));
            }
        }
        levels
    };
    let mut shown = vec![format!("book {}", line.text(55))];
    shown.extend(levels("1").into_iter().rev());
    shown.push(format!("{:-^30}", ""));
    shown.extend(levels("0"));
    shown.join("\n")
}

fn balance(line: &Line) -> String {
    let (account, asset) = (line.text(1), line.text(55));
    format!("{account}: {} {asset}, {} of it reserved", line.text(704), line.text(705))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(line: &str, words: &str) {
        assert_eq!(show(&Line::parse(line).unwrap()).as_deref().unwrap_or(""), words);
    }

    #[test]
    fn reports_are_told_in_words() {
        let order = "1=A1|55=ACME|54=1|38=100|40=2|44=10.25";
        shown(
            &format!("35=8|34=8|37=1|11=a1|17=1|150=0|39=0|{order}|59=0|151=100|14=0|6=0"),
            "a1: new, buy 100 ACME @ 10.25, order 1",
        );
        shown(
            &format!("35=8|34=9|43=Y|37=1|11=a1|17=2|150=F|39=1|{order}|151=40|14=60|32=60|31=10.2|527=5"),
            "a1: bought 60 ACME @ 10.2, trade 5, 40 open (sent again)",
        );
        shown("35=8|37=NONE|11=a2|150=8|39=8|103=1|58=no instrument ACMX", "a2: refused: no instrument ACMX");
        shown(
            "35=9|37=NONE|11=c1|41=zz|39=8|434=1|102=1|58=no order zz",
            "c1: refused for order zz: no order zz",
        );
        shown("35=3|45=4|373=1|58=tag 55 is missing", "message refused: tag 55 is missing");
        shown("35=8|37=NONE|150=I|39=8|584=s|911=0|912=Y|58=no open orders", "no such order: no open orders");
        shown("35=AP|710=b|1=A1|55=USD|704=1000.5|705=10", "A1: 1000.5 USD, 10 of it reserved");
        shown("35=0|112=x", "");
    }

    #[test]
    fn a_book_is_drawn_with_the_best_prices_in_the_middle() {
        shown(
            "35=W|55=ACME|268=3|269=0|270=10.25|271=5|346=2|269=1|270=10.26|271=7|269=1|270=10.27|271=1",
            "book ACME\n         10.27               1\n         10.26               7\n\
             ------------------------------\n         10.25               5  2 orders",
        );
    }
}

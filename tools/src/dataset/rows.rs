//! One line of a set's CSV files: its columns by name, and what they mean.
use rialto_protocol::Side;

use super::{Action, Limit, Op, Resting, StatedLevel, Trade};

/// One line, cut at its commas; no field of these sets holds a quote or a comma.
pub(super) struct Row<'a> {
    columns: &'a [&'a str],
    fields: Vec<&'a str>,
}

impl<'a> Row<'a> {
    pub(super) fn new(columns: &'a [&'a str], line: &'a str) -> Result<Row<'a>, String> {
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() != columns.len() {
            return Err(format!("{} fields where the header has {}", fields.len(), columns.len()));
        }
        Ok(Row { columns, fields })
    }

    /// The field in `column`; empty where the file has no such column.
    fn text(&self, column: &str) -> &'a str {
        let index = self.columns.iter().position(|name| *name == column);
        index.map_or("", |index| self.fields[index])
    }

    fn number<T: std::str::FromStr>(&self, column: &str) -> Result<T, String> {
        let text = self.text(column);
        text.parse().map_err(|_| format!("{column} is {text:?}, not a whole number"))
    }

    /// A whole number above 0.
    fn positive(&self, column: &str) -> Result<i64, String> {
        match self.number(column)? {
            number if number > 0 => Ok(number),
            number => Err(format!("{column} is {number}, not above 0")),
        }
    }

    fn side(&self) -> Result<Side, String> {
        match self.text("side") {
            "B" => Ok(Side::Buy),
            "S" => Ok(Side::Sell),
            other => Err(format!("side is {other:?}, neither B nor S")),
        }
    }

    fn id(&self, column: &str) -> Result<String, String> {
        match self.text(column) {
            "" => Err(format!("{column} is empty")),
            id if id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(id.to_owned()),
            id => Err(format!("{column} is {id:?}, not 1 to 20 letters and digits")),
        }
    }

    fn limit(&self) -> Result<Limit, String> {
        Ok(Limit {
            id: self.id("id")?,
            side: self.side()?,
            price: self.positive("price")?,
            quantity: self.positive("qty")?,
        })
    }
}

pub(super) fn op(row: &Row<'_>) -> Result<Op, String> {
    let action = match row.text("op") {
        "S" => Action::Rest(row.limit()?),
        "N" => Action::Limit(row.limit()?),
        "I" => Action::Immediate(row.limit()?),
        "P" => Action::Post(row.limit()?),
        "M" => Action::Market { id: row.id("id")?, side: row.side()?, quantity: row.positive("qty")? },
        "F" => Action::Funds { id: row.id("id")?, side: row.side()?, funds: row.number("qty")? },
        "C" => Action::Cancel { id: row.id("id")? },
        "R" => Action::Reduce { id: row.id("id")?, by: row.positive("qty")? },
        "A" => Action::Auction,
        "U" => Action::Uncross { price: row.positive("price")? },
        other => return Err(format!("op is {other:?}, none of S N I P M F C R A U")),
    };
    Ok(Op { n: row.number("n")?, action })
}

pub(super) fn trade(row: &Row<'_>) -> Result<(u64, Trade), String> {
    let trade = Trade {
        buy: row.id("buy_id")?,
        sell: row.id("sell_id")?,
        price: row.positive("price")?,
        quantity: row.positive("qty")?,
    };
    Ok((row.number("n")?, trade))
}

pub(super) fn level(row: &Row<'_>) -> Result<(u64, StatedLevel), String> {
    let level = match row.number("level")? {
        0 => return Err("level is 0; the best is 1".to_owned()),
        level => level,
    };
    let orders = match row.text("orders") {
        "" => None,
        _ => Some(row.number("orders")?),
    };
    let stated = StatedLevel {
        side: row.side()?,
        level,
        price: row.positive("price")?,
        quantity: row.positive("qty")?,
        orders,
    };
    Ok((row.number("n")?, stated))
}

pub(super) fn resting(row: &Row<'_>) -> Result<Resting, String> {
    Ok(Resting {
        side: row.side()?,
        price: row.positive("price")?,
        id: row.id("id")?,
        open: row.positive("qty")?,
    })
}

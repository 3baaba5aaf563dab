//! Reading one table of a TOML file: unknown keys and wrong types are faults that name the key and its value.
use std::fmt;
use std::ops::RangeInclusive;

use rialto_protocol::Decimal;
use toml::{Table, Value};

use super::words::Word;

/// Characters of a value that a message repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// What is wrong with one key: `key = value: why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the key stands: `node.ack`, `instrument[ACME].tick`, or a flag.
    pub key: String,
    /// Its value as the file has it; a secret is not shown.
    pub value: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.key, self.value, self.why)
    }
}

/// One table of the file, all of whose keys are known.
pub(super) struct Section {
    path: String,
    table: Table,
}

impl Section {
    /// Takes `table`, which stands at `path`, if it has no key but `keys`.
    pub(super) fn open(path: &str, table: Table, keys: &[&str]) -> Result<Section, Fault> {
        let section = Section { path: path.to_owned(), table };
        match section.table.keys().find(|key| !keys.contains(&key.as_str())) {
            None => Ok(section),
            Some(key) => Err(section.fault(key, &unknown(key, keys))),
        }
    }

    /// The table at `key`; an absent one is empty.
    pub(super) fn section(&self, key: &str, keys: &[&str]) -> Result<Section, Fault> {
        match self.table.get(key) {
            None => Section::open(&self.path_of(key), Table::new(), keys),
            Some(Value::Table(table)) => Section::open(&self.path_of(key), table.clone(), keys),
            Some(_) => Err(self.fault(key, "a table is wanted, { … }")),
        }
    }

    /// The tables in the array at `key`, each named after what stands at its `name` key, or its place from 1.
    pub(super) fn entries(&self, key: &str, name: &str, keys: &[&str]) -> Result<Vec<Section>, Fault> {
        let tables = match self.table.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(tables)) => tables,
            Some(_) => return Err(self.fault(key, "an array of tables is wanted, [{ … }, { … }]")),
        };
        let mut sections = Vec::with_capacity(tables.len());
        for (index, entry) in tables.iter().enumerate() {
            let Value::Table(table) = entry else {
                return Err(self.fault(key, "each entry of the array has to be a table, { … }"));
            };
            let place = (index + 1).to_string();
            let named = table.get(name).and_then(Value::as_str).filter(|name| !name.is_empty());
            let path = format!("{key}[{}]", shorten(named.unwrap_or(&place)));
            sections.push(Section::open(&path, table.clone(), keys)?);
        }
        Ok(sections)
    }

    /// The text at `key`, if there is one.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, Fault> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.fault(key, "a text in quotes is wanted")),
        }
    }

    /// The text at `key`, which has to be there.
    pub(super) fn required(&self, key: &str) -> Result<&str, Fault> {
        self.text(key)?.ok_or_else(|| self.fault(key, "missing"))
    }

    /// The word at `key`, or `default`.
    pub(super) fn word<T: Word>(&self, key: &str, default: Option<T>) -> Result<T, Fault> {
        match (self.text(key)?, default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.fault(key, &format!("missing; one of {}", T::choices()))),
            (Some(word), _) => {
                T::from_word(word).ok_or_else(|| self.fault(key, &format!("one of {}", T::choices())))
            }
        }
    }

    /// The decimal above 0 at `key`, written as a text so that nothing of it is lost.
    pub(super) fn decimal(&self, key: &str) -> Result<Decimal, Fault> {
        if matches!(self.table.get(key), Some(Value::Integer(_) | Value::Float(_))) {
            return Err(self.fault(key, "a decimal is written in quotes, so that it stays exact"));
        }
        match Decimal::parse(self.required(key)?.as_bytes()) {
            Ok(decimal) if decimal.mantissa > 0 => Ok(decimal),
            Ok(_) => Err(self.fault(key, "has to be above 0")),
            Err(error) => Err(self.fault(key, &format!("{error}, such as 0.01"))),
        }
    }

    /// The whole number at `key`, or `default`, which has to lie in `range`.
    pub(super) fn whole(&self, key: &str, default: u32, range: RangeInclusive<u32>) -> Result<u32, Fault> {
        let number = match self.table.get(key) {
            None => return Ok(default),
            Some(Value::Integer(number)) => *number,
            Some(_) => return Err(self.fault(key, "a whole number is wanted, without quotes")),
        };
        let inside = u32::try_from(number).ok().filter(|number| range.contains(number));
        inside.ok_or_else(|| {
            self.fault(key, &format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// Whether `key` is true; an absent one is false.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Fault> {
        match self.table.get(key) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.fault(key, "true or false, without quotes")),
        }
    }

    /// The texts at `key`; an absent array is empty.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, Fault> {
        let wanted = "an array of texts is wanted, [\"…\", \"…\"]";
        match self.table.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(texts)) => {
                let owned = |text: &Value| text.as_str().map(str::to_owned);
                texts.iter().map(owned).collect::<Option<_>>().ok_or_else(|| self.fault(key, wanted))
            }
            Some(_) => Err(self.fault(key, wanted)),
        }
    }

    /// Says that what stands at `key` is wrong.
    pub(super) fn fault(&self, key: &str, why: &str) -> Fault {
        let value = match self.table.get(key) {
            None => "(absent)".to_owned(),
            Some(value) if is_secret(key) || holds_secret(value) => "…".to_owned(),
            Some(value) => shorten(&value.to_string()),
        };
        Fault { key: self.path_of(key), value, why: why.to_owned() }
    }

    fn path_of(&self, key: &str) -> String {
        let key = shorten(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }
}

/// Whether what stands at `key` is a password, perhaps under a misspelt name.
fn is_secret(key: &str) -> bool {
    key.to_lowercase().contains("pass") || distance(key, "password") <= 3
}

fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Table(table) => table.iter().any(|(key, value)| is_secret(key) || holds_secret(value)),
        Value::Array(values) => values.iter().any(holds_secret),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            false
        }
    }
}

/// One line of at most [`SHOWN_CHARS_MAX`] characters.
fn shorten(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).map(plain).collect();
    if text.chars().count() > SHOWN_CHARS_MAX {
        shown.push('…');
    }
    shown
}

fn unknown(key: &str, keys: &[&str]) -> String {
    let near = keys.iter().map(|known| (distance(key, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2 => format!("unknown key; did you mean {known}?"),
        Some(_) | None => format!("unknown key; known are {}", keys.join(", ")),
    }
}

/// How many letters have to be put in, taken out or changed to make `a` into `b` (Levenshtein, one row at a time).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().take(SHOWN_CHARS_MAX).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

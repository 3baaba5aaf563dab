//! One line of line mode: FIX fields with `|` between them, in their order.
use std::fmt;

/// A message as fields in their order; a tag may stand more than once, as in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    fields: Vec<(u32, String)>,
}

impl Line {
    /// A message of this type (35).
    pub fn of_type(kind: &str) -> Line {
        Line::default().with(35, kind)
    }

    /// The message with one more field at its end.
    #[must_use]
    pub fn with(mut self, tag: u32, value: impl fmt::Display) -> Line {
        self.fields.push((tag, value.to_string()));
        self
    }

    /// Reads `35=8|34=9|…`; `None` where some part is not `tag=value`.
    pub fn parse(text: &str) -> Option<Line> {
        let text = text.trim_end_matches('|');
        let field = |part: &str| {
            let (tag, value) = part.split_once('=')?;
            Some((tag.parse().ok()?, value.to_owned()))
        };
        Some(Line { fields: text.split('|').map(field).collect::<Option<_>>()? })
    }

    /// The first value of `tag`.
    pub fn get(&self, tag: u32) -> Option<&str> {
        self.fields.iter().find(|(name, _)| *name == tag).map(|(_, value)| value.as_str())
    }

    /// The first value of `tag`, or nothing.
    pub fn text(&self, tag: u32) -> &str {
        self.get(tag).unwrap_or_default()
    }

    /// The first value of `tag` as a number.
    pub fn number(&self, tag: u32) -> Option<u64> {
        self.get(tag)?.parse().ok()
    }

    /// The message type (35).
    pub fn kind(&self) -> &str {
        self.text(35)
    }

    /// Whether it is marked as sent before (43=Y).
    pub fn is_repeat(&self) -> bool {
        self.get(43) == Some("Y")
    }

    /// The same message, marked as sent before.
    #[must_use]
    pub fn repeated(&self) -> Line {
        let mut line = self.clone();
        if !line.is_repeat() {
            line.fields.insert(1.min(line.fields.len()), (43, "Y".to_owned()));
        }
        line
    }

    /// The entries of a repeating group: each starts at `first`.
    pub fn entries(&self, first: u32) -> Vec<Line> {
        let mut entries: Vec<Line> = Vec::new();
        for field in &self.fields {
            if field.0 == first {
                entries.push(Line::default());
            }
            if let Some(entry) = entries.last_mut() {
                entry.fields.push(field.clone());
            }
        }
        entries
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (tag, value)) in self.fields.iter().enumerate() {
            let between = if index == 0 { "" } else { "|" };
            write!(f, "{between}{tag}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        let text = "35=W|55=ACME|268=2|269=0|270=10.25|271=5|269=1|270=10.26|271=7";
        let line = Line::parse(text).unwrap();
        assert_eq!(line.to_string(), text);
        let prices: Vec<String> = line.entries(269).iter().map(|entry| entry.text(270).to_owned()).collect();
        assert_eq!(prices, ["10.25", "10.26"]);
        assert_eq!(line.repeated().to_string(), format!("35=W|43=Y{}", &text[4..]));
        assert_eq!(line.repeated().repeated(), line.repeated());
    }

    #[test]
    fn what_is_not_fields_is_no_line() {
        for text in ["", "hello", "35", "x=1", "35=D||11=a"] {
            assert_eq!(Line::parse(text), None, "{text}");
        }
    }
}

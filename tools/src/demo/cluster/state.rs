//! What is known of the demo's cluster at a moment: who leads, who is in sync, and what has happened.

use std::collections::VecDeque;

use crate::status::Row;

/// News that nobody has taken; more are forgotten.
const NEWS_MAX: usize = 32;

/// How a node fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// It does not answer.
    #[default]
    Down,
    /// It starts, or looks for whom to follow.
    Starting,
    /// It follows, and nobody waits for it: it may not be promoted.
    Behind,
    /// It follows, and all that is acknowledged is there too.
    InSync,
    /// It is the primary.
    Leads,
}

impl Condition {
    /// In a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Starting => "starting",
            Self::Behind => "behind",
            Self::InSync => "in sync",
            Self::Leads => "leads",
        }
    }
}

/// The cluster at a moment.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// All nodes by name, in their order.
    pub nodes: Vec<(String, Condition)>,
    /// The epoch, as the newest primary said.
    pub epoch: u64,
    /// Seconds until the primary is killed again, if it is to be.
    pub kill_s: Option<u64>,
    /// What has happened and nobody was told.
    pub news: VecDeque<String>,
}

impl State {
    /// All nodes down.
    pub fn new(names: impl Iterator<Item = String>) -> Self {
        Self { nodes: names.map(|name| (name, Condition::Down)).collect(), ..Self::default() }
    }

    /// Who leads.
    pub fn primary(&self) -> Option<&str> {
        self.in_condition(Condition::Leads).next()
    }

    /// Who may be promoted.
    pub fn successors(&self) -> impl Iterator<Item = &str> {
        self.in_condition(Condition::InSync)
    }

    /// Whether one node leads and all others are in sync.
    pub fn is_whole(&self) -> bool {
        self.primary().is_some() && self.successors().count() + 1 == self.nodes.len()
    }

    /// What nodes say of themselves now, in the order of the nodes. Changes are news.
    pub fn see(&mut self, rows: &[Row]) {
        let answers = || rows.iter().filter_map(|row| row.answer.as_ref().ok());
        let epoch = |row: &serde_json::Value| row["epoch"].as_u64().unwrap_or(0);
        // A primary that does not know yet that it is none any more is no primary.
        let primary = answers().filter(|row| row["role"] == "primary").max_by_key(|row| epoch(row));
        let in_sync = |name: &str| {
            let set = primary.and_then(|row| row["in_sync"].as_array());
            set.is_some_and(|set| set.iter().any(|known| known == name))
        };
        for ((name, known), row) in self.nodes.iter_mut().zip(rows) {
            let condition = match &row.answer {
                Err(_) => Condition::Down,
                Ok(row) if primary.is_some_and(|primary| primary["node"] == row["node"]) => Condition::Leads,
                Ok(row) if row["role"] == "standby" && in_sync(name) => Condition::InSync,
                Ok(row) if row["role"] == "standby" => Condition::Behind,
                Ok(_) => Condition::Starting,
            };
            if *known == condition {
                continue;
            }
            *known = condition;
            if condition == Condition::InSync {
                self.news.push_back(format!("{name} is in sync"));
            }
        }
        if let Some(row) = primary
            && epoch(row) > self.epoch
        {
            self.epoch = epoch(row);
            let name = row["node"].as_str().unwrap_or_default();
            self.news.push_back(format!("{name} leads in epoch {}", self.epoch));
        }
        self.forget();
    }

    /// This has happened.
    pub fn tell(&mut self, news: String) {
        self.news.push_back(news);
        self.forget();
    }

    fn forget(&mut self) {
        let forgotten = self.news.len().saturating_sub(NEWS_MAX);
        self.news.drain(..forgotten);
    }

    fn in_condition(&self, wanted: Condition) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(move |(_, known)| *known == wanted).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_two_that_say_that_they_lead_the_newer_epoch_does() {
        let row = |value: Option<serde_json::Value>| Row {
            endpoint: "127.0.0.1:1".parse().unwrap(),
            answer: value.ok_or_else(|| "gone".to_owned()),
        };
        let names = || ["n1", "n2", "n3"].map(str::to_owned).into_iter();
        let mut state = State::new(names());
        let primary = |node: &str, epoch: u64| json!({ "node": node, "role": "primary", "epoch": epoch, "in_sync": [node, "n3"] });
        let standby = |node: &str| json!({ "node": node, "role": "standby", "epoch": 1 });
        state.see(&[row(Some(primary("n1", 1))), row(Some(standby("n2"))), row(Some(standby("n3")))]);
        let conditions = |state: &State| state.nodes.iter().map(|(_, known)| *known).collect::<Vec<_>>();
        assert_eq!(conditions(&state), [Condition::Leads, Condition::Behind, Condition::InSync]);
        assert_eq!(state.news, ["n3 is in sync", "n1 leads in epoch 1"]);
        state.see(&[row(Some(primary("n1", 1))), row(Some(primary("n2", 2))), row(None)]);
        assert_eq!(conditions(&state), [Condition::Starting, Condition::Leads, Condition::Down]);
        assert_eq!((state.primary(), state.epoch, state.is_whole()), (Some("n2"), 2, false));
    }
}

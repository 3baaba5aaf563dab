//! What must hold of a run, whatever was cut: the invariants of the design, as far as they show outside of the nodes.
//!
//! | | here |
//! |---|---|
//! | I1 | an epoch has one primary, in all journals, in what nodes say of themselves and in log-ons; epochs increase |
//! | I2 | journals agree in each command up to the shorter one's end in the epochs that both have |
//! | I3 | what a member was told is in the last primary's journal under the same number; by I2 at one sequence in all |
//! | I4 | nothing is released in an epoch that was asked for, or not yet released, after a later epoch was heard of |
//! | I7 | states of one sequence are one state, the node's own and that of a replay |
//! | I8 | a request is admitted at most once, nothing is admitted that was not sent, each is answered once |
//! | I9 | numbers have no gap and come in order, and what comes again is what came before |
//! | I10 | accounts and fees are what was deposited, and a replay says that all is conserved |
//! | I11 | of each order what is open, what traded and what it was for add up; both sides of a trade are the same |
//! | I13 | nothing that was cut off a log is part of the history behind the first command that differs |
//! | I16 | after each healing all are in sync in time, and every member is answered |
//! | I17 | what was answered before something else was sent comes before it |
//!
//! Not here, for nothing outside of a node shows it: I5 (cursors against acknowledgements: the replicator's own checks),
//! I6 (who may be promoted is waited for: the exhaustive model in `replicator/tests/model`), I12 (recovery: the journal's
//! crash tests), I14 (its own deadline: a lease's arithmetic; what follows from it is I4), I15 (bounded memory). Of I9 market
//! data, and of I11 the books' order, are held by `market_data.rs` and by the engine's naive twin.
//!
//! A journal is the witness of the order, so no search is needed: each check walks what is known once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::facts::{Facts, Heard, Journal, Record};

/// How long all may take to be in sync, and each member to be answered, once nothing is cut any more.
pub(crate) const RESUMES_NS: u64 = 20_000_000_000;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// All that is wrong.
pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    type Check = fn(&Facts, &mut Vec<String>);
    let checks: [(&str, Check); 12] = [
        ("I1", one_primary_an_epoch),
        ("I2", journals_agree),
        ("I3", what_was_told_is_there),
        ("I4", nothing_is_released_late),
        ("I7", states_are_equal),
        ("I8", admitted_and_answered_once),
        ("I9", streams_have_no_gap),
        ("I10", money_is_conserved),
        ("I11", orders_add_up),
        ("I13", cut_off_stays_off),
        ("I16", all_resumes),
        ("I17", real_time_is_kept),
    ];
    let mut findings = Vec::new();
    for (invariant, check) in checks {
        let mut found = Vec::new();
        check(facts, &mut found);
        findings.extend(found.into_iter().map(|what| Finding { invariant, what }));
    }
    findings
}

/// The primary's.
fn last(facts: &Facts) -> &Journal {
    facts.journals.first().expect("a journal")
}

fn one_primary_an_epoch(facts: &Facts, found: &mut Vec<String>) {
    let rows = facts.journals.iter().flat_map(|journal| &journal.epochs);
    let of_journals = rows.map(|row| (row.number, &row.node));
    let of_looks = facts.looks.iter().filter(|look| look.role == "primary");
    let of_looks = of_looks.map(|look| (look.epoch, &look.node));
    let log_ons = facts.members.iter().flat_map(|member| &member.connections);
    let log_ons = log_ons.map(|connection| (connection.epoch, &connection.node));
    let mut leads: BTreeMap<u32, BTreeSet<&String>> = BTreeMap::new();
    for (epoch, node) in of_journals.chain(of_looks).chain(log_ons) {
        leads.entry(epoch).or_default().insert(node);
    }
    for (epoch, nodes) in leads.iter().filter(|(_, nodes)| nodes.len() > 1) {
        found.push(format!("epoch {epoch} was led by {nodes:?}"));
    }
    for journal in &facts.journals {
        let pairs = journal.epochs.windows(2);
        for pair in
            pairs.filter(|pair| pair[1].number <= pair[0].number || pair[1].first_seq <= pair[0].first_seq)
        {
            found.push(format!("{}: {:?} is followed by {:?}", journal.node, pair[0], pair[1]));
        }
    }
    let mut known: BTreeMap<&String, u32> = BTreeMap::new();
    for look in &facts.looks {
        let before = known.insert(&look.node, look.epoch).unwrap_or(0);
        if look.epoch < before {
            found.push(format!("{} was in epoch {before} and then in {}", look.node, look.epoch));
        }
    }
}

fn journals_agree(facts: &Facts, found: &mut Vec<String>) {
    for (place, one) in facts.journals.iter().enumerate() {
        for other in &facts.journals[place + 1..] {
            let end = common_end(one, other);
            let lines = |journal: &Journal| -> BTreeMap<u64, String> {
                let lines = journal.lines.iter().filter(|line| line.seq <= end);
                lines.map(|line| (line.seq, line.text.clone())).collect()
            };
            let (of_one, of_other) = (lines(one), lines(other));
            let seqs: BTreeSet<u64> = of_one.keys().chain(of_other.keys()).copied().collect();
            if let Some(seq) = seqs.into_iter().find(|seq| of_one.get(seq) != of_other.get(seq)) {
                let (left, right) = (of_one.get(&seq), of_other.get(&seq));
                found.push(format!("{} and {} differ at {seq}: {left:?} {right:?}", one.node, other.node));
            }
        }
    }
}

/// The last sequence of which two journals must agree: the shorter end within the last epoch that both have.
fn common_end(one: &Journal, other: &Journal) -> u64 {
    let common = one.epochs.iter().zip(&other.epochs).take_while(|(left, right)| left == right).count();
    let end = |journal: &Journal| {
        let last = journal.lines.last().map_or(0, |line| line.seq);
        journal.epochs.get(common).map_or(last, |next| next.first_seq - 1)
    };
    end(one).min(end(other))
}

fn what_was_told_is_there(facts: &Facts, found: &mut Vec<String>) {
    let journal = last(facts);
    for (member, heard) in reports(facts) {
        match journal.told.get(&(member.name.clone(), heard.number)) {
            None => {
                found.push(format!("{} was told and {} has nothing: {heard:?}", member.name, journal.node));
            }
            Some(told) => {
                let differs =
                    heard.fields.iter().find(|(name, value)| told.fields.get(*name) != Some(*value));
                if let Some((name, value)) = differs {
                    let there = told.fields.get(name);
                    found.push(format!(
                        "{} was told {name}={value}, there is {there:?}: {heard:?}",
                        member.name
                    ));
                }
            }
        }
    }
}

/// Messages that are in the journal under their number.
fn reports(facts: &Facts) -> impl Iterator<Item = (&Record, &Heard)> {
    let all = facts.members.iter().flat_map(|member| member.heard.iter().map(move |heard| (member, heard)));
    all.filter(|(_, heard)| !heard.fields.is_empty())
}

/// Who was heard in an epoch at some moment had released something by then. What an earlier epoch was asked for behind that
/// moment it must not answer; nor may its cursor move on behind it.
fn nothing_is_released_late(facts: &Facts, found: &mut Vec<String>) {
    let mut first: BTreeMap<u32, u64> = BTreeMap::new();
    for member in &facts.members {
        for heard in &member.heard {
            let since = first.entry(member.connections[heard.connection].epoch).or_insert(u64::MAX);
            *since = heard.at_ns.min(*since);
        }
    }
    let later = |epoch: u32| first.range(epoch + 1..).map(|(_, since)| *since).min().unwrap_or(u64::MAX);
    for member in &facts.members {
        let asked: BTreeMap<(&str, usize), u64> =
            member.sent.iter().map(|sent| ((sent.id.as_str(), sent.connection), sent.at_ns)).collect();
        for heard in member.heard.iter().filter(|heard| !heard.is_again) {
            let Some(id) = &heard.answers else { continue };
            let epoch = member.connections[heard.connection].epoch;
            let asked_ns = asked.get(&(id.as_str(), heard.connection));
            if asked_ns.is_some_and(|asked_ns| *asked_ns > later(epoch)) {
                found.push(format!("{}: {id} was asked and answered late in epoch {epoch}", member.name));
            }
        }
    }
    let mut before: BTreeMap<&String, (u32, u64, u64)> = BTreeMap::new();
    for look in &facts.looks {
        if look.role != "primary" {
            before.remove(&look.node);
            continue;
        }
        let now = (look.epoch, look.asked_ns, look.released);
        if let Some((epoch, asked_ns, released)) = before.insert(&look.node, now)
            && epoch == look.epoch
            && look.released > released
            && asked_ns > later(epoch)
        {
            let to = look.released;
            found.push(format!("{} released {released} to {to} late in epoch {epoch}", look.node));
        }
    }
}

fn states_are_equal(facts: &Facts, found: &mut Vec<String>) {
    let mut known: BTreeMap<u64, (&String, &String)> = BTreeMap::new();
    for journal in &facts.journals {
        for (seq, hash) in &journal.states {
            let (node, before) = *known.entry(*seq).or_insert((&journal.node, hash));
            if before != hash {
                found.push(format!("behind {seq} {node} has {before} and {} has {hash}", journal.node));
            }
        }
    }
}

fn admitted_and_answered_once(facts: &Facts, found: &mut Vec<String>) {
    let journal = last(facts);
    let mut admitted: BTreeMap<&(String, String), u64> = BTreeMap::new();
    for line in &journal.lines {
        let Some(request) = &line.request else { continue };
        if let Some(before) = admitted.insert(request, line.seq) {
            found.push(format!("{request:?} was admitted at {before} and at {}", line.seq));
        }
    }
    let all_sent: BTreeSet<(&String, &String)> = facts
        .members
        .iter()
        .flat_map(|member| member.sent.iter().map(|sent| (&member.name, &sent.id)))
        .collect();
    for (name, id) in admitted.keys().filter(|(name, id)| !all_sent.contains(&(name, id))) {
        found.push(format!("{name} never sent {id}"));
    }
    for member in &facts.members {
        let mut answers: BTreeMap<&String, BTreeSet<u32>> = BTreeMap::new();
        for heard in &member.heard {
            if let Some(id) = &heard.answers {
                answers.entry(id).or_default().insert(heard.number);
            }
        }
        let ids: BTreeSet<&String> = member.sent.iter().map(|sent| &sent.id).collect();
        for id in ids {
            let numbers = answers.remove(id).unwrap_or_default();
            if numbers.len() != 1 {
                found.push(format!("{}: {id} was answered under {numbers:?}", member.name));
            }
        }
        if let Some(id) = answers.keys().next() {
            found.push(format!("{}: {id} was answered and not asked", member.name));
        }
    }
}

fn streams_have_no_gap(facts: &Facts, found: &mut Vec<String>) {
    for member in &facts.members {
        let name = &member.name;
        let mut known: BTreeMap<u32, &BTreeMap<String, String>> = BTreeMap::new();
        let mut fills: Vec<(u32, u32)> = Vec::new();
        let mut last = 0;
        for heard in &member.heard {
            if !heard.is_again && heard.number <= last {
                found.push(format!("{name}: {} behind {last}: {heard:?}", heard.number));
            }
            last = last.max(heard.until - 1);
            if heard.until > heard.number + 1 || heard.fields.is_empty() {
                fills.push((heard.number, heard.until));
                if let Some((number, _)) = known.range(heard.number..heard.until).next() {
                    found.push(format!("{name}: {number} is nothing when it comes again: {heard:?}"));
                }
                continue;
            }
            if known.insert(heard.number, &heard.fields).is_some_and(|before| *before != heard.fields) {
                found.push(format!("{name}: {} is another when it comes again: {heard:?}", heard.number));
            }
        }
        fills.extend(known.keys().map(|number| (*number, number + 1)));
        fills.sort_unstable();
        let mut due = 1;
        for (from, to) in fills {
            if from > due {
                found.push(format!("{name}: {due} to {} never came", from - 1));
            }
            due = due.max(to);
        }
        let told = last_number(facts, name);
        if told >= due {
            found.push(format!("{name}: {due} to {told} are in the journal and never came"));
        }
    }
}

/// The last report to a member that the journal has.
fn last_number(facts: &Facts, name: &str) -> u32 {
    let told = last(facts).told.iter().filter(|((session, _), _)| session == name);
    let reports =
        told.filter(|(_, told)| matches!(told.fields.get("35").map(String::as_str), Some("8" | "9")));
    reports.map(|((_, number), _)| *number).max().unwrap_or(0)
}

fn money_is_conserved(facts: &Facts, found: &mut Vec<String>) {
    for journal in &facts.journals {
        if !journal.is_conserved {
            found.push(format!("{}: a replay says that it is not", journal.node));
        }
        for (asset, (held, deposited)) in
            journal.sums.iter().filter(|(_, (held, deposited))| held != deposited)
        {
            found.push(format!("{}: {held} {asset}, {deposited} were deposited", journal.node));
        }
    }
}

/// Of a trade: side, quantity, price.
type Side<'a> = (&'a String, Option<&'a String>, Option<&'a String>);

fn orders_add_up(facts: &Facts, found: &mut Vec<String>) {
    let whole =
        |fields: &BTreeMap<String, String>, name: &str| -> Option<i64> { fields.get(name)?.parse().ok() };
    let mut reports: Vec<_> = last(facts).told.values().collect();
    reports.sort_by_key(|told| (told.seq, whole(&told.fields, "17")));
    let mut traded: BTreeMap<&String, i64> = BTreeMap::new();
    let mut by_trade: BTreeMap<&String, Vec<Side<'_>>> = BTreeMap::new();
    for told in reports {
        let fields = &told.fields;
        let (Some(order), Some(open), Some(sum)) =
            (fields.get("37"), whole(fields, "151"), whole(fields, "14"))
        else {
            continue;
        };
        let so_far = traded.entry(order).or_default();
        *so_far += whole(fields, "32").unwrap_or(0);
        let quantity = whole(fields, "quantity").unwrap_or(0);
        let is_open = matches!(fields.get("39").map(String::as_str), Some("0" | "1"));
        let adds_up = if is_open { open + sum == quantity } else { open == 0 && sum <= quantity };
        if *so_far != sum || !adds_up {
            found.push(format!("order {order} traded {so_far} in all: {fields:?}"));
        }
        if let (Some(trade), Some(side)) = (fields.get("527"), fields.get("side")) {
            by_trade.entry(trade).or_default().push((side, fields.get("32"), fields.get("31")));
        }
    }
    for (trade, mut sides) in by_trade {
        sides.sort_unstable();
        let is_sound = sides.len() == 2
            && (sides[0].0.as_str(), sides[1].0.as_str()) == ("buy", "sell")
            && sides[0].1 == sides[1].1
            && sides[0].2 == sides[1].2;
        if !is_sound {
            found.push(format!("trade {trade}: {sides:?}"));
        }
    }
}

/// Whole pages are cut off, so that what comes first in them may be everybody's. Behind the first command that differs
/// nothing is.
fn cut_off_stays_off(facts: &Facts, found: &mut Vec<String>) {
    let there: BTreeSet<(u64, u64)> = last(facts).lines.iter().map(|line| (line.seq, line.ts_ns)).collect();
    for journal in &facts.journals {
        for cut_off in &journal.cut_off {
            let own = cut_off.iter().skip_while(|command| there.contains(command));
            if let Some((seq, _)) = own.into_iter().find(|command| there.contains(command)) {
                found.push(format!("{}: {seq} was cut off and is there again", journal.node));
            }
        }
    }
}

fn all_resumes(facts: &Facts, found: &mut Vec<String>) {
    for (round, healed_ns) in facts.healed_ns.iter().enumerate() {
        match facts.converged_ns.get(round) {
            Some(converged_ns) if *converged_ns - healed_ns <= RESUMES_NS => {}
            converged => found.push(format!("in sync at {converged:?}, healed at {healed_ns}")),
        }
        for member in &facts.members {
            let asked: BTreeSet<&String> =
                member.sent.iter().filter(|sent| sent.at_ns >= *healed_ns).map(|sent| &sent.id).collect();
            let mut answers = member.heard.iter().filter(|heard| heard.at_ns >= *healed_ns);
            let first = answers.find(|heard| heard.answers.as_ref().is_some_and(|id| asked.contains(id)));
            if first.is_none_or(|heard| heard.at_ns - healed_ns > RESUMES_NS) {
                found.push(format!("{}: no answer in time behind {healed_ns}", member.name));
            }
        }
    }
}

fn real_time_is_kept(facts: &Facts, found: &mut Vec<String>) {
    let journal = last(facts);
    let (mut answered, mut asked) = (Vec::new(), Vec::new());
    for member in &facts.members {
        let mut first: BTreeMap<&String, u64> = BTreeMap::new();
        for sent in &member.sent {
            let at_ns = first.entry(&sent.id).or_insert(sent.at_ns);
            *at_ns = sent.at_ns.min(*at_ns);
        }
        let mut is_known = BTreeSet::new();
        for heard in member.heard.iter().filter(|heard| heard.answers.is_some()) {
            let Some(told) = journal.told.get(&(member.name.clone(), heard.number)) else { continue };
            let id = heard.answers.as_ref().expect("an answer");
            if is_known.insert(id) {
                answered.push((heard.at_ns, told.seq, id));
                asked.extend(first.get(id).map(|at_ns| (*at_ns, told.seq, id)));
            }
        }
    }
    answered.sort_unstable();
    asked.sort_unstable();
    let mut answered = answered.into_iter().peekable();
    let mut highest = (0, String::new());
    for (at_ns, seq, id) in asked {
        while let Some((_, seq, id)) = answered.next_if(|(answered_ns, ..)| *answered_ns < at_ns) {
            if seq > highest.0 {
                highest = (seq, id.clone());
            }
        }
        if seq <= highest.0 {
            let (before, other) = &highest;
            found.push(format!("{id} at {seq} was sent when {other} at {before} had been answered"));
        }
    }
}

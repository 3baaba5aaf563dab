//! The checker's proof: a sound run written by hand, in which it finds nothing, and faults planted into it, one for each way
//! an invariant can be broken, of which it finds exactly that one.

use std::collections::BTreeMap;

use crate::Rounds;
use crate::checker::{RESUMES_NS, check};
use crate::facts::{Connection, Epoch, Facts, Heard, Journal, Line, Look, Record, Sent, Told};

type Plant = fn(&mut Facts);
/// A member and a number.
type To = (&'static str, u32);

/// What is planted, and what has to be found.
const PLANTS: &[(&str, &str, Plant)] = &[
    ("nothing", "", |_| {}),
    ("two nodes say that they lead one epoch", "I1", |facts| {
        let look = facts.looks.last().unwrap().clone();
        facts.looks.push(Look { node: "n3".to_owned(), ..look });
    }),
    ("a log-on to another primary of that epoch", "I1", |facts| {
        "n3".clone_into(&mut facts.members[1].connections[0].node);
    }),
    ("an epoch comes again", "I1", |facts| {
        facts.journals.iter_mut().for_each(|journal| journal.epochs[1].number = 1);
    }),
    ("a node goes back to an earlier epoch", "I1", |facts| {
        facts.looks.push(Look { role: "standby".to_owned(), ..look(900, "n2", 1, 4) });
    }),
    ("a command differs", "I2", |facts| facts.journals[2].lines[3].text.push('x')),
    ("a command is missing in the middle", "I2", |facts| _ = facts.journals[1].lines.remove(2)),
    ("what was told is nowhere", "I3", |facts| {
        facts.journals[0].told.remove(&("A".to_owned(), 2));
    }),
    ("what was told is something else", "I3", |facts| {
        let told = facts.journals[0].told.get_mut(&("A".to_owned(), 2)).unwrap();
        told.fields.insert("17".to_owned(), "99".to_owned());
    }),
    ("the old primary answers what was asked after the new one was heard", "I4", |facts| {
        facts.members[0].sent[2].connection = 0;
        facts.members[0].heard[5].connection = 0;
    }),
    ("the old primary goes on to release", "I4", |facts| {
        facts.looks.push(look(500, "n1", 1, 4));
        facts.looks.push(look(600, "n1", 1, 5));
    }),
    ("a state differs", "I7", |facts| facts.journals[1].states[0].1.push('x')),
    ("a replay comes to another state", "I7", |facts| facts.journals[0].states[1].1.push('x')),
    ("a request is admitted twice", "I8", |facts| {
        let request = facts.journals[0].lines[2].request.clone();
        facts.journals.iter_mut().for_each(|journal| journal.lines[5].request.clone_from(&request));
    }),
    ("a request is admitted that nobody sent", "I8", |facts| {
        let request = Some(("A".to_owned(), "A-9".to_owned()));
        facts.journals.iter_mut().for_each(|journal| journal.lines[5].request.clone_from(&request));
    }),
    ("a request is answered twice", "I8", |facts| {
        let again = facts.members[0].heard[1].answers.clone();
        facts.members[0].heard[2].answers = again;
    }),
    ("a request is never answered", "I8", |facts| {
        facts.members[0].sent.push(Sent { id: "A-7".to_owned(), connection: 1, at_ns: 800 });
    }),
    ("a number is left out", "I9", |facts| {
        let heard = &mut facts.members[1].heard;
        heard.retain(|heard| heard.number != 3);
    }),
    ("the last number never comes", "I9", |facts| {
        let told = Told { seq: 8, fields: BTreeMap::from([("35".to_owned(), "8".to_owned())]) };
        facts.journals[0].told.insert(("B".to_owned(), 6), told);
    }),
    ("a number comes twice, unmarked", "I9", |facts| {
        let again = facts.members[0].heard[2].clone();
        facts.members[0].heard.insert(3, again);
    }),
    ("a report is another when it comes again", "I9", |facts| {
        let told = facts.journals[0].told.get_mut(&("A".to_owned(), 2)).unwrap();
        told.fields.insert("58".to_owned(), "x".to_owned());
        let again = facts.members[0].heard.iter_mut().find(|heard| heard.is_again).unwrap();
        again.fields.insert("58".to_owned(), "x".to_owned());
    }),
    ("money appears", "I10", |facts| {
        facts.journals[1].sums.insert("USD".to_owned(), (101, 100));
    }),
    ("a replay does not conserve", "I10", |facts| facts.journals[2].is_conserved = false),
    ("an order's rest does not add up", "I11", |facts| {
        change_report(facts, ("B", 3), "151", "3");
    }),
    ("a side of a trade is of another quantity", "I11", |facts| {
        change_report(facts, ("A", 3), "31", "9.99");
    }),
    ("what was cut off comes back", "I13", |facts| {
        facts.journals[2].cut_off = vec![vec![(3, 30), (4, 41), (5, 50)]];
    }),
    ("they do not come together in time", "I16", |facts| facts.converged_ns[0] += RESUMES_NS),
    ("a member is not answered any more", "I16", |facts| {
        facts.healed_ns[0] = 750;
        facts.converged_ns[0] = 760;
    }),
    ("what was answered before comes behind", "I17", |facts| {
        // B's first answer was there before A asked: at a higher sequence all the same.
        let heard = facts.members[1].heard.iter_mut().find(|heard| heard.number == 2).unwrap();
        heard.at_ns = 105;
        facts.members[1].sent[0].at_ns = 101;
    }),
];

pub(crate) fn each_is_found(_: &Rounds) {
    for (what, expected, plant) in PLANTS {
        let mut facts = sound();
        plant(&mut facts);
        let findings = check(&facts);
        let mut found: Vec<&str> = findings.iter().map(|finding| finding.invariant).collect();
        found.dedup();
        let expected: Vec<&str> = Some(*expected).filter(|word| !word.is_empty()).into_iter().collect();
        assert_eq!(found, expected, "{what}: {findings:?}");
    }
    let found = |invariant: &str| PLANTS.iter().any(|(_, expected, _)| *expected == invariant);
    let all = ["I1", "I2", "I3", "I4", "I7", "I8", "I9", "I10", "I11", "I13", "I16", "I17"];
    assert!(all.into_iter().all(found));
}

fn change_report(facts: &mut Facts, (name, number): (&str, u32), field: &str, value: &str) {
    let told = facts.journals[0].told.get_mut(&(name.to_owned(), number)).unwrap();
    told.fields.insert(field.to_owned(), value.to_owned());
    let member = facts.members.iter_mut().find(|member| member.name == name).unwrap();
    for heard in member.heard.iter_mut().filter(|heard| heard.number == number) {
        heard.fields.insert(field.to_owned(), value.to_owned());
    }
}

/// Two members and three nodes; n1 leads epoch 1 with sequences 1 to 4, n2 epoch 2 from 5 on. A sells 5 to B, who bought 7;
/// then each has one more order.
fn sound() -> Facts {
    Facts {
        members: members(),
        looks: vec![
            look(100, "n1", 1, 2),
            look(200, "n1", 1, 4),
            look(450, "n2", 2, 5),
            look(700, "n2", 2, 8),
        ],
        journals: ["n2", "n1", "n3"].map(journal).into(),
        healed_ns: vec![600],
        converged_ns: vec![650],
    }
}

/// All reports: to whom under which number, at which sequence.
fn reports() -> [(To, u64, BTreeMap<String, String>); 6] {
    [
        (("A", 2), 3, report(("A-0", "1"), ("sell", "5", "5", "0"), "0", "1")),
        (("B", 2), 4, report(("B-0", "2"), ("buy", "7", "7", "0"), "0", "2")),
        (("B", 3), 4, trade(("B-0", "2"), ("buy", "7", "2", "5"), "1", "3")),
        (("A", 3), 4, trade(("A-0", "1"), ("sell", "5", "0", "5"), "2", "4")),
        (("A", 5), 7, report(("A-1", "3"), ("sell", "1", "1", "0"), "0", "5")),
        (("B", 5), 8, report(("B-1", "4"), ("buy", "1", "1", "0"), "0", "6")),
    ]
}

fn journal(node: &str) -> Journal {
    let request = |seq: u64| match seq {
        3 => Some(("A", "A-0")),
        4 => Some(("B", "B-0")),
        7 => Some(("A", "A-1")),
        8 => Some(("B", "B-1")),
        _ => None,
    };
    let line = |seq: u64| Line {
        seq,
        ts_ns: seq * 10,
        request: request(seq).map(|(name, id)| (name.to_owned(), id.to_owned())),
        text: format!("command {seq}"),
    };
    let told =
        reports().map(|((name, number), seq, fields)| ((name.to_owned(), number), Told { seq, fields }));
    Journal {
        node: node.to_owned(),
        epochs: vec![epoch(1, "n1", 1), epoch(2, "n2", 5)],
        lines: (1..=8).map(line).collect(),
        told: told.into(),
        states: vec![(8, "state".to_owned()), (8, "state".to_owned())],
        is_conserved: true,
        sums: BTreeMap::from([("USD".to_owned(), (100, 100))]),
        cut_off: vec![vec![(3, 30), (4, 40), (5, 51), (6, 61)]],
    }
}

fn members() -> Vec<Record> {
    let heard = |name: &str, (number, connection, at_ns), answers: Option<&str>| {
        let report = reports().into_iter().find(|(to, ..)| *to == (name, number));
        let fields = report.map(|(_, _, fields)| fields).unwrap_or_default();
        Heard { fields, answers: answers.map(str::to_owned), ..silent(number, connection, at_ns) }
    };
    let again = Heard { is_again: true, ..heard("A", (2, 1, 410), Some("A-0")) };
    let a = Record {
        name: "A".to_owned(),
        connections: connections(),
        sent: vec![sent("A-0", 0, 110), sent("A-0", 1, 405), sent("A-1", 1, 700)],
        heard: vec![
            silent(1, 0, 100),
            heard("A", (2, 0, 120), Some("A-0")),
            heard("A", (3, 0, 230), None),
            silent(4, 1, 400),
            again,
            heard("A", (5, 1, 710), Some("A-1")),
        ],
    };
    let b = Record {
        name: "B".to_owned(),
        connections: connections(),
        sent: vec![sent("B-0", 0, 200), sent("B-1", 1, 720)],
        heard: vec![
            silent(1, 0, 100),
            heard("B", (2, 0, 220), Some("B-0")),
            heard("B", (3, 0, 220), None),
            silent(4, 1, 400),
            heard("B", (5, 1, 730), Some("B-1")),
        ],
    };
    vec![a, b]
}

fn connections() -> Vec<Connection> {
    let connection = |node: &str, epoch| Connection { node: node.to_owned(), epoch };
    vec![connection("n1", 1), connection("n2", 2)]
}

fn epoch(number: u32, node: &str, first_seq: u64) -> Epoch {
    Epoch { number, node: node.to_owned(), first_seq }
}

fn look(asked_ns: u64, node: &str, epoch: u32, released: u64) -> Look {
    let (node, role) = (node.to_owned(), "primary".to_owned());
    Look { asked_ns, told_ns: asked_ns + 1, node, role, epoch, released }
}

fn sent(id: &str, connection: usize, at_ns: u64) -> Sent {
    Sent { id: id.to_owned(), connection, at_ns }
}

/// A message of the session layer.
fn silent(number: u32, connection: usize, at_ns: u64) -> Heard {
    let (is_again, answers, fields) = (false, None, BTreeMap::new());
    Heard { number, until: number + 1, connection, at_ns, is_again, answers, fields }
}

/// A report of an order: its names; side, quantity, open, traded; status and `ExecID`.
fn report(
    (id, order): (&str, &str),
    (side, quantity, open, traded): (&str, &str, &str, &str),
    status: &str,
    exec_id: &str,
) -> BTreeMap<String, String> {
    let fields = [
        ("35", "8"),
        ("cl_ord_id", id),
        ("37", order),
        ("side", side),
        ("quantity", quantity),
        ("151", open),
        ("14", traded),
        ("39", status),
        ("17", exec_id),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The same of the trade, at 10.
fn trade(
    names: (&str, &str),
    amounts: (&str, &str, &str, &str),
    status: &str,
    exec_id: &str,
) -> BTreeMap<String, String> {
    let mut fields = report(names, amounts, status, exec_id);
    let more = [("32", amounts.3), ("31", "10"), ("527", "1")];
    fields.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    fields
}

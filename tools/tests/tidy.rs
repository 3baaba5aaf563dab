//! The rules of this repository that no compiler knows, over the files that git keeps: which crate may use which,
//! how a file opens, how long it gets, what may not stand in it.
//!
//! Each rule is a function from a path and its text to what is wrong with it, and is proven on a planted fault.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The architecture as data: each crate's folder, and which of ours it may use, tests included.
const MAY_USE: &[(&str, &[&str])] = &[
    ("engine/protocol", &[]),
    ("engine/shmring", &[]),
    ("journal", &[]),
    ("engine", &["protocol", "shmring", "journal"]),
    ("replicator", &["journal"]),
    ("gateway", &["protocol", "shmring", "journal"]),
    ("bench", &["protocol", "shmring", "journal", "engine", "gateway", "replicator"]),
    ("bench/challenge", &["engine"]),
    ("tools", &["protocol", "shmring", "journal", "engine", "gateway", "replicator", "bench"]),
    ("fuzz/checks", &["protocol", "shmring", "journal", "engine", "gateway", "replicator"]),
    ("fuzz", &["checks"]),
];

/// What does not hold yet: rule and path. This list may only shrink; an entry that is no longer needed fails.
const EXCEPTIONS: &[(&str, &str)] = &[];
/// Lower it with each exception that goes.
const EXCEPTIONS_MAX: usize = 0;

/// Lines of a source file without its tests.
const LINES_MAX: usize = 500;

/// Words that no file, module or type is named after: they say nothing about what is in it.
const EMPTY_WORDS: &[&str] =
    &["manager", "helper", "util", "utils", "common", "handler", "processor", "service", "misc", "impl"];
/// Words that say nothing when they are a source file's whole name.
const EMPTY_NAMES: &[&str] = &["data", "info", "core", "types"];

/// Folders where `unsafe` may be written.
const UNSAFE_FOLDERS: &[&str] = &["engine/shmring/", "journal/", "bench/challenge/"];

type Rule = (&'static str, fn(&str, &str) -> Option<String>);

const RULES: &[Rule] = &[
    ("dependencies", dependencies),
    ("opening", opening),
    ("length", length),
    ("unfinished", unfinished),
    ("names", names),
    ("paths", machine_paths),
    ("unsafe", unsafe_places),
];

fn dependencies(path: &str, text: &str) -> Option<String> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == folder) else {
        return Some(format!("{folder} is no crate of the table in tools/tests/tidy.rs"));
    };
    let used: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("rialto-"))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|used| !allowed.contains(used))
        .collect();
    (!used.is_empty()).then(|| format!("{folder} may not use {}", used.join(", ")))
}

fn opening(path: &str, text: &str) -> Option<String> {
    (is_source(path) && !text.starts_with("//!")).then(|| "a source file opens with //!".to_owned())
}

fn length(path: &str, text: &str) -> Option<String> {
    if !is_source(path) || is_test(path) {
        return None;
    }
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    (lines > LINES_MAX)
        .then(|| format!("{lines} lines without its tests; past {LINES_MAX} two ideas have met"))
}

fn unfinished(path: &str, text: &str) -> Option<String> {
    if !is_source(path) {
        return None;
    }
    // Put together here, so that this file holds none of them.
    let marks = ["TO_DO", "FIX_ME", "XX_X:", "HA_CK:", "to_do!(", "un_implemented!(", "#[ig_nore"];
    let marks = marks.map(|mark| mark.replacen('_', "", 1));
    let found = marks.iter().find(|mark| text.contains(mark.as_str()))?;
    Some(format!("holds {found}"))
}

fn names(path: &str, text: &str) -> Option<String> {
    if !is_source(path) {
        return None;
    }
    if path.ends_with("/mod.rs") {
        return Some("foo.rs stands beside foo/, there is no mod.rs".to_owned());
    }
    let parts = path.trim_end_matches(".rs").split('/').filter(|part| *part != "src");
    for part in parts {
        let empty = part.split(['_', '-']).find(|word| EMPTY_WORDS.contains(word));
        if empty.is_some() || EMPTY_NAMES.contains(&part) {
            return Some(format!("{part} says nothing about what is in it"));
        }
    }
    let declared = text.lines().filter_map(declared_type);
    let empty = |name: &&str| words_of(name).iter().any(|word| EMPTY_WORDS.contains(&word.as_str()));
    declared.into_iter().find(empty).map(|name| format!("{name} says nothing about what it is"))
}

fn machine_paths(_: &str, text: &str) -> Option<String> {
    let homes = ["/ho:me/", "/ro:ot/", "/wo:rk/", "/Us:ers/"].map(|home| home.replacen(':', "", 1));
    let starts = |line: &str, home: &str| {
        line.match_indices(home).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| !before.is_ascii_alphanumeric() && !"./}_-".contains(before))
        })
    };
    let found = text.lines().position(|line| homes.iter().any(|home| starts(line, home)))?;
    Some(format!("line {} names a folder of one machine", found + 1))
}

fn unsafe_places(path: &str, text: &str) -> Option<String> {
    if !is_source(path) || UNSAFE_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let keyword = format!("un{} ", "safe");
    let written = text.lines().filter(code).any(|line| {
        line.match_indices(&keyword).any(|(at, _)| {
            let after = line[at + keyword.len()..].trim_start();
            ["{", "fn", "impl", "trait", "extern"].iter().any(|start| after.starts_with(start))
        })
    });
    written.then(|| format!("only {} may do this", UNSAFE_FOLDERS.join(", ")))
}

fn is_source(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|end| end == "rs")
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The name that this line declares a type by.
fn declared_type(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = ["pub(crate) ", "pub(super) ", "pub "]
        .iter()
        .find_map(|start| line.strip_prefix(start))
        .unwrap_or(line);
    let name = ["struct ", "enum ", "trait ", "type "].iter().find_map(|start| line.strip_prefix(start))?;
    name.split(|letter: char| !letter.is_ascii_alphanumeric()).next()
}

/// `OrderBook` is `order`, `book`.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter.to_ascii_lowercase());
        }
    }
    words
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files that git keeps; without git, all files outside hidden folders and `target`.
fn files() -> Vec<String> {
    let listed = Command::new("git").arg("-C").arg(root()).arg("ls-files").output();
    let listed = listed.ok().filter(|output| output.status.success());
    let names = listed.and_then(|output| String::from_utf8(output.stdout).ok());
    let mut files: Vec<String> = match names {
        Some(names) => names.lines().map(str::to_owned).collect(),
        None => walk(&root(), ""),
    };
    files.retain(|file| root().join(file).is_file());
    files
}

fn walk(folder: &Path, path: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the repository").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if entry.path().is_dir() {
            files.extend(walk(&entry.path(), &path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Every breach of a rule in the repository: rule, path, what is wrong.
fn breaches() -> Vec<(&'static str, String, String)> {
    let mut breaches = Vec::new();
    for path in files() {
        // What is not text has no rules.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for (rule, check) in RULES {
            breaches.extend(check(&path, &text).map(|why| (*rule, path.clone(), why)));
        }
    }
    breaches
}

#[test]
fn the_repository_keeps_its_rules() {
    let excepted = |rule: &str, path: &str| EXCEPTIONS.contains(&(rule, path));
    let told: Vec<String> = breaches()
        .into_iter()
        .filter(|(rule, path, _)| !excepted(rule, path))
        .map(|(rule, path, why)| format!("{path}: {rule}: {why}"))
        .collect();
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn exceptions_only_shrink() {
    assert_eq!(EXCEPTIONS.len(), EXCEPTIONS_MAX, "lower EXCEPTIONS_MAX with each exception that goes");
    let needed: BTreeSet<(&str, String)> =
        breaches().into_iter().map(|(rule, path, _)| (rule, path)).collect();
    for (rule, path) in EXCEPTIONS {
        assert!(
            needed.contains(&(*rule, (*path).to_owned())),
            "{path} keeps the rule {rule} now: take it out"
        );
    }
}

#[test]
fn each_rule_finds_its_planted_fault() {
    let breaks = |rule: &str, path: &str, text: &str| {
        let check = RULES.iter().find(|(name, _)| *name == rule).expect("a rule of the table").1;
        check(path, text).is_some()
    };
    let both = |rule: &str, (path, text): (&str, &str), (good_path, good): (&str, &str)| {
        assert!(breaks(rule, path, text), "{rule} overlooks {path}: {text}");
        assert!(!breaks(rule, good_path, good), "{rule} blames {good_path}: {good}");
    };
    let uses = "[dependencies]\nrialto-engine.workspace = true\n";
    both("dependencies", ("gateway/Cargo.toml", uses), ("tools/Cargo.toml", uses));
    both("dependencies", ("stranger/Cargo.toml", ""), ("journal/Cargo.toml", "crc32c.workspace = true\n"));
    both("opening", ("journal/src/page.rs", "use std::fs;\n"), ("journal/src/page.rs", "//! Pages.\n"));
    let long = "a\n".repeat(LINES_MAX + 1);
    let tested = format!("a\n#[cfg(test)]\n{long}");
    both("length", ("journal/src/page.rs", &long), ("journal/src/page.rs", &tested));
    both("length", ("journal/src/page.rs", &long), ("journal/tests/page.rs", &long));
    let mark = format!("// {}DO: later\n", "TO");
    both("unfinished", ("journal/src/page.rs", &mark), ("journal/src/page.rs", "// done\n"));
    both("names", ("gateway/src/session_manager.rs", ""), ("gateway/src/market_data.rs", ""));
    both("names", ("gateway/src/data.rs", ""), ("gateway/src/fix/session.rs", ""));
    both("names", ("gateway/src/fix/mod.rs", ""), ("gateway/src/fix.rs", ""));
    both("names", ("a/src/b.rs", "pub struct OrderHandler;\n"), ("a/src/b.rs", "pub struct Order;\n"));
    let home = format!("see /{}me/me/notes\n", "ho");
    let relative = format!("see docs/{}me/notes and ./{}rk/notes\n", "ho", "wo");
    both("paths", ("README.md", &home), ("README.md", &relative));
    let block = format!("let x = un{} {{ 1 }};\n", "safe");
    both("unsafe", ("gateway/src/a.rs", &block), ("engine/shmring/src/a.rs", &block));
}

/// What is wrong with a row of the table in docs/interface.md: each names a test that exists, or says that what it
/// promises is not there yet.
fn promise_without_test(row: &str, text_of: impl Fn(&str) -> Option<String>) -> Option<String> {
    let cells = row.strip_prefix("| ").and_then(|row| row.strip_suffix(" |"));
    let Some((promise, held_by)) = cells.and_then(|cells| cells.split_once(" | ")) else {
        return Some(format!("two cells are wanted: {row}"));
    };
    if held_by.starts_with("not yet: ") {
        return None;
    }
    held_by.split("; ").find_map(|test| {
        let [_, file, _, name, _] = test.split('`').collect::<Vec<_>>()[..] else {
            return Some(format!("`file` `test` is wanted for: {promise}"));
        };
        let Some(text) = text_of(file) else { return Some(format!("no file {file}")) };
        let named = [format!("fn {name}("), format!("def {name}("), format!("\"{name}\"")];
        let there = named.iter().any(|named| text.contains(named.as_str()));
        (!there).then(|| format!("{file} has no test {name}"))
    })
}

#[test]
fn every_promise_of_the_interface_names_a_test_that_exists() {
    let read = |path: &str| fs::read_to_string(root().join(path)).ok();
    let document = read("docs/interface.md").expect("docs/interface.md");
    let head = |row: &&str| *row == "| Promise | Held by |" || *row == "|---|---|";
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with('|') && !head(line)).collect();
    assert!(rows.len() > 50, "{} promises", rows.len());
    let wrong: Vec<String> = rows.iter().filter_map(|row| promise_without_test(row, read)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let planted = [
        "| It flies | `tools/tests/tidy.rs` `pigs_fly` |",
        "| It flies | `tools/tests/pigs.rs` `tidy` |",
        "| It flies | somewhere |",
        "| It flies |",
    ];
    for row in planted {
        assert!(promise_without_test(row, read).is_some(), "{row}");
    }
}

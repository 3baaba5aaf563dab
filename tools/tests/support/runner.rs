//! Runs cases by their names, a line each, closing with `N passed, N failed, N skipped`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How often and by which choices.
#[derive(Debug)]
pub(crate) struct Rounds {
    count: Option<usize>,
    /// All cases were asked for.
    is_all: bool,
    /// Repeats a run.
    pub(crate) seed: u64,
}

impl Rounds {
    /// The rounds that the environment asks for, else a case's own: where all cases are run, and where only some are.
    pub(crate) fn count_or(&self, (all, some): (usize, usize)) -> usize {
        self.count.unwrap_or(if self.is_all { all } else { some })
    }
}

/// A case, its name, which is its promise, and what it needs.
pub(crate) type Case<N> = (&'static str, N, fn(&Rounds));

/// Runs those that the arguments ask for by a part of their name: without `RIALTO_SYSTEM=1` only what is `free`, with it
/// all, each behind `check_needs`, which fails where they are not met.
pub(crate) fn run<N: Copy>(
    cases: &[Case<N>],
    free: impl Fn(N) -> bool,
    check_needs: impl Fn(N, &str),
) -> ExitCode {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_all = is("RIALTO_SYSTEM", "1");
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
    let rounds = Rounds {
        count: number("RIALTO_ROUNDS"),
        is_all,
        seed: number("RIALTO_SEED").unwrap_or(clock.into()),
    };
    println!("RIALTO_SEED={}", rounds.seed);
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, needs, case) in cases {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        if !is_all && !free(*needs) {
            println!("skipped {name}: RIALTO_SYSTEM=1 runs it");
            skipped += 1;
            continue;
        }
        let began = Instant::now();
        let run = || {
            check_needs(*needs, name);
            case(&rounds);
        };
        let word = if catch_unwind(AssertUnwindSafe(run)).is_ok() {
            passed += 1;
            "passed"
        } else {
            failed += 1;
            "failed"
        };
        println!("{word} {name} ({:.1} s)", began.elapsed().as_secs_f64());
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    let is_failure = failed > 0 || (skipped > 0 && is("CI", "true"));
    if is_failure { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A number that the environment sets.
fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number is wanted")))
}

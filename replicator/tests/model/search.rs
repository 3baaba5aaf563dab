//! Breadth-first search through all states of a model: the shortest way to a broken invariant, or none.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hasher};

/// What is searched.
pub(crate) trait Model {
    type State: Clone;
    type Action: Copy + Debug;

    fn first(&self) -> Self::State;

    /// All that can happen in a state, each with the state behind it, or with the invariant that it breaks.
    fn steps(&self, state: &Self::State, steps: &mut Vec<Step<Self::State, Self::Action>>);

    /// Equal for states that behave the same.
    fn fingerprint(&self, state: &Self::State) -> u64;
}

pub(crate) type Step<S, A> = (A, Result<S, &'static str>);

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found<A> {
    /// States seen.
    pub(crate) states: usize,
    /// Steps of the longest shortest way.
    pub(crate) depth: usize,
    /// The invariant that is broken first, and the way there.
    pub(crate) broken: Option<(&'static str, Vec<A>)>,
}

/// Fingerprints are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Searches all states, no more than `states_max`: past that the model has outgrown its bounds.
pub(crate) fn search<M: Model>(model: &M, states_max: usize) -> Found<M::Action> {
    let mut seen: HashSet<u64, BuildHasherDefault<AsIs>> = HashSet::default();
    let mut ways: Vec<(u32, Option<M::Action>)> = vec![(0, None)];
    let first = model.first();
    seen.insert(model.fingerprint(&first));
    let mut level = vec![(0_u32, first)];
    let mut depth = 0;
    let mut steps = Vec::new();
    while !level.is_empty() {
        let mut next = Vec::new();
        for (from, state) in &level {
            steps.clear();
            model.steps(state, &mut steps);
            for (action, outcome) in steps.drain(..) {
                match outcome {
                    Ok(state) if seen.insert(model.fingerprint(&state)) => {
                        let way = u32::try_from(ways.len()).expect("as many states as fit the memory");
                        ways.push((*from, Some(action)));
                        next.push((way, state));
                    }
                    Ok(_) => {}
                    Err(invariant) => {
                        let mut way = way_to(&ways, *from);
                        way.push(action);
                        return Found { states: seen.len(), depth, broken: Some((invariant, way)) };
                    }
                }
            }
            assert!(seen.len() <= states_max, "more than {states_max} states at depth {depth}");
        }
        level = next;
        depth += 1;
    }
    Found { states: seen.len(), depth, broken: None }
}

fn way_to<A: Copy>(ways: &[(u32, Option<A>)], to: u32) -> Vec<A> {
    let mut way = Vec::new();
    let mut at = to;
    while let (before, Some(action)) = ways[at as usize] {
        way.push(action);
        at = before;
    }
    way.reverse();
    way
}

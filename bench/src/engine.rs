//! How long does the engine take for one record of a flow, in process, with nothing before or behind it?
//!
//! A layer is as much of the engine as is measured: the book alone, the exchange, the matcher. Each run first checks,
//! untimed, what the flow comes to; then it times whole passes over the records after the warm-up, each on a fresh
//! layer, and every timed pass must come to the same sums. It says nothing of latency: that is an open-loop question.

mod book;
mod exchange;
mod matcher;

use std::time::{Duration, Instant};

use serde::Serialize;

pub use self::book::{BookLayer, Event};
pub use self::exchange::ExchangeLayer;
pub use self::matcher::MatcherLayer;
use crate::flow::{Flow, FlowOp};
use crate::machine::Machine;
use crate::totals::{Resting, Sums, Totals, Trade};

/// As much of the engine as is measured.
pub trait Layer {
    /// Name in the report.
    const NAME: &'static str;

    /// A layer that is ready for the first record of a flow, all its memory reserved.
    fn new(flow: &Flow) -> Self;

    /// Applies one record, and emits what comes of it as this layer does.
    fn apply(&mut self, op: &FlowOp);

    /// Finishes what was applied but is still under way, in a layer that works in batches.
    fn settle(&mut self) {}

    /// Time spent so far on what others do in a node: it is not the layer's own.
    fn aside(&self) -> Duration {
        Duration::ZERO
    }

    /// The trades emitted since this was last called, in sequence. Called after every record of the untimed pass.
    fn trades(&mut self, each: &mut dyn FnMut(&Trade));

    /// What was counted so far.
    fn sums(&self) -> Sums;

    /// Everything that rests: symbols ascending, bids then asks, each from the best, in queue order.
    fn resting(&self, each: &mut dyn FnMut(&Resting));
}

/// What a run says.
#[derive(Clone, Debug, Serialize)]
pub struct EngineReport {
    /// Name of the flow.
    pub flow: String,
    /// Which layer.
    pub layer: &'static str,
    /// Records of the flow.
    pub records: usize,
    /// Those before the clock starts.
    pub warm: usize,
    /// Those timed.
    pub timed: usize,
    /// Trades of the whole flow.
    pub trades: u64,
    /// Lots traded.
    #[serde(rename = "qty")]
    pub quantity: u64,
    /// Price times quantity of all trades.
    pub notional: u64,
    /// Cancels and modifies of an order that was gone.
    pub rejects: u64,
    /// Hash of the trades in sequence, 16 hexadecimal digits.
    pub trade_hash: String,
    /// Hash of what rests, 16 hexadecimal digits.
    pub book_hash: String,
    /// Orders that rest at the end.
    pub live_orders: u64,
    /// Their open quantity, in lots.
    #[serde(rename = "open_qty")]
    pub open_quantity: u64,
    /// Time per timed record.
    pub ns_per_op: NsPerOp,
    /// What it was measured on.
    pub machine: Machine,
}

/// Time per record over several passes, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NsPerOp {
    /// Of the fastest pass.
    pub best: f64,
    /// Of the middle pass.
    pub median: f64,
    /// Of the slowest pass.
    pub worst: f64,
}

/// How often, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// Timed passes, at least one.
    pub reps: usize,
    /// Processor to stay on.
    pub cpu: Option<usize>,
}

/// Why a run gave no figures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The processor asked for cannot be had.
    #[error("cannot run on processor {0}: it is not there, or not for this process")]
    NoSuchCpu(usize),
    /// A pass traded otherwise than the pass before it.
    #[error("a timed pass came to {timed:?}, the untimed one to {checked:?}")]
    PassesDiffer {
        /// Of the timed pass.
        timed: Sums,
        /// Of the untimed pass.
        checked: Sums,
    },
    /// Nothing to do.
    #[error("no timed record, or no pass asked for")]
    NothingToTime,
}

/// The book alone on a flow.
pub fn run_book(name: &str, flow: &Flow, passes: Passes) -> Result<EngineReport, EngineError> {
    run::<BookLayer>(name, flow, passes)
}

/// The whole exchange on a flow.
pub fn run_exchange(name: &str, flow: &Flow, passes: Passes) -> Result<EngineReport, EngineError> {
    run::<ExchangeLayer>(name, flow, passes)
}

/// The matcher with its ring and logs on a flow.
pub fn run_matcher(name: &str, flow: &Flow, passes: Passes) -> Result<EngineReport, EngineError> {
    run::<MatcherLayer>(name, flow, passes)
}

/// A layer on a flow. Pins the calling thread if a processor is named.
pub fn run<L: Layer>(name: &str, flow: &Flow, passes: Passes) -> Result<EngineReport, EngineError> {
    let warm = flow.header.warm;
    if passes.reps == 0 || warm >= flow.ops.len() {
        return Err(EngineError::NothingToTime);
    }
    if let Some(cpu) = passes.cpu
        && !core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
    {
        return Err(EngineError::NoSuchCpu(cpu));
    }
    let totals = check::<L>(flow);
    let mut timed = Vec::with_capacity(passes.reps);
    for _ in 0..passes.reps {
        timed.push(time::<L>(flow, totals.sums)?);
    }
    timed.sort_by(f64::total_cmp);
    let Totals { sums, trade_hash, book_hash } = totals;
    Ok(EngineReport {
        flow: name.into(),
        layer: L::NAME,
        records: flow.ops.len(),
        warm,
        timed: flow.ops.len() - warm,
        trades: sums.trades,
        quantity: sums.quantity,
        notional: sums.notional,
        rejects: sums.rejects,
        trade_hash: format!("{:016x}", trade_hash.value()),
        book_hash: format!("{:016x}", book_hash.value()),
        live_orders: book_hash.orders,
        open_quantity: book_hash.open,
        ns_per_op: NsPerOp { best: timed[0], median: timed[timed.len() / 2], worst: timed[timed.len() - 1] },
        machine: Machine::here(),
    })
}

/// What a flow comes to on a layer, untimed.
#[must_use]
pub fn check<L: Layer>(flow: &Flow) -> Totals {
    let mut layer = L::new(flow);
    let mut totals = Totals::default();
    for op in &flow.ops {
        layer.apply(op);
        layer.trades(&mut |trade| totals.trade_hash.add(trade));
    }
    layer.settle();
    layer.trades(&mut |trade| totals.trade_hash.add(trade));
    layer.resting(&mut |resting| totals.book_hash.add(resting));
    totals.sums = layer.sums();
    totals
}

fn time<L: Layer>(flow: &Flow, checked: Sums) -> Result<f64, EngineError> {
    let (warm, timed) = flow.ops.split_at(flow.header.warm);
    let mut layer = L::new(flow);
    for op in warm {
        layer.apply(op);
    }
    layer.settle();
    let aside = layer.aside();
    let start = Instant::now();
    for op in timed {
        layer.apply(op);
    }
    layer.settle();
    let elapsed = start.elapsed().saturating_sub(layer.aside().saturating_sub(aside));
    let sums = layer.sums();
    if sums != checked {
        return Err(EngineError::PassesDiffer { timed: sums, checked });
    }
    let records = u32::try_from(timed.len()).unwrap_or(u32::MAX);
    Ok(elapsed.as_secs_f64() * 1e9 / f64::from(records))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{FlowSpec, generate, replay};

    /// A known flow gives the totals that five engines agree on.
    fn check_known(spec: &FlowSpec, counts: (u64, u64, u64), hashes: (u64, u64)) {
        let Totals { sums, trade_hash, book_hash } = check::<BookLayer>(&generate(spec));
        assert_eq!((sums.trades, sums.quantity, sums.rejects), counts);
        assert_eq!((trade_hash.value(), book_hash.value()), hashes);
    }

    #[test]
    fn book_gives_the_known_totals_on_s1() {
        let hashes = (0x0900_2234_ea26_32a8, 0x5fff_73f1_b72a_1f2a);
        check_known(&FlowSpec::S1, (829_252, 112_617_572, 20_880), hashes);
    }

    #[test]
    fn book_gives_the_known_totals_on_s100() {
        let hashes = (0xc2f4_0b7f_c81c_da60, 0xdfd4_55c5_b1ae_37ea);
        check_known(&FlowSpec::S100, (787_005, 105_037_709, 21_285), hashes);
    }

    #[test]
    fn book_gives_the_known_totals_on_s1deep() {
        let hashes = (0xb92f_bcfa_b0c7_ba4a, 0xfb9a_15df_d0db_c10e);
        check_known(&FlowSpec::S1DEEP, (872_873, 119_467_575, 20_792), hashes);
    }

    #[test]
    fn book_agrees_with_the_reference_on_any_seed() {
        for seed in 0..20 {
            let spec = FlowSpec {
                ops: 5_000,
                warm_mix: 500,
                depth: 20 + u32::try_from(seed).unwrap() * 10,
                symbols: 7,
                crossing_per_10k: 4_000,
                seed,
                ..FlowSpec::S1
            };
            let flow = generate(&spec);
            assert_eq!(check::<BookLayer>(&flow), replay(&flow), "seed {seed}");
        }
    }

    /// A layer comes to what the reference comes to, on flows of several books and depths.
    fn check_against_reference<L: Layer>(seeds: u64) {
        for seed in 0..seeds {
            let small = u32::try_from(seed).unwrap();
            let spec = FlowSpec {
                ops: 20_000,
                warm_mix: 500,
                depth: 20 + small * 50,
                symbols: 1 + u16::try_from(small).unwrap() * 3,
                crossing_per_10k: 4_000,
                seed,
                ..FlowSpec::S1
            };
            let flow = generate(&spec);
            assert_eq!(check::<L>(&flow), replay(&flow), "{}, seed {seed}", L::NAME);
        }
    }

    #[test]
    fn exchange_agrees_with_the_reference_on_any_seed() {
        check_against_reference::<ExchangeLayer>(5);
    }

    #[test]
    fn matcher_agrees_with_the_reference_on_any_seed() {
        check_against_reference::<MatcherLayer>(3);
    }

    #[test]
    fn every_record_is_answered_once() {
        let flow = generate(&FlowSpec { ops: 5_000, warm_mix: 500, depth: 50, ..FlowSpec::S1 });
        let mut layer = BookLayer::new(&flow);
        for op in &flow.ops {
            layer.apply(op);
            let mut answers = Vec::new();
            layer.events(|&event| match event {
                Event::Accepted { id, .. } | Event::Cancelled { id, .. } | Event::Rejected { id } => {
                    answers.push(id.0);
                }
                Event::Traded { taker, .. } => assert_eq!(taker.0, op.id),
            });
            assert_eq!(answers, [op.id]);
        }
    }

    #[test]
    fn run_without_passes_is_refused() {
        let flow = generate(&FlowSpec { ops: 10, warm_mix: 10, depth: 10, ..FlowSpec::S1 });
        let report = run_book("tiny", &flow, Passes { reps: 3, cpu: None }).unwrap();
        assert_eq!((report.records, report.warm, report.timed), (30, 20, 10));
        assert!(
            report.ns_per_op.best <= report.ns_per_op.median
                && report.ns_per_op.median <= report.ns_per_op.worst
        );
        let refused = run_book("tiny", &flow, Passes { reps: 0, cpu: None });
        assert_eq!(refused.unwrap_err(), EngineError::NothingToTime);
    }
}

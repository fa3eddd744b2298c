//! What a task costs where several threads take turns: a poll on the multi-thread runtime, and a hand-over by
//! `spawn_blocking`.
//!
//! No walk follows it from thread to thread. Callgrind counts all threads of a process, and the slope between few and
//! many is what one takes. Who finds the next task, and who has to be woken for it, differs from run to run, so this is
//! measured: the median of several runs, with the least and the greatest. The kernel's own instructions are not in it.

use super::callgrind::{self, Run};
use crate::scenario::Scenario;
use crate::scenario::cross_thread::{CrossThread, HandOver};

const FEW: u64 = 100;
const MANY: u64 = 1100;
/// How often each is counted: odd, for a median.
const RUNS: usize = 3;

/// Instructions of one hand-over, from several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

/// Measures every kind of hand-over, all runs at once.
///
/// # Errors
/// Whatever keeps callgrind from counting.
pub fn measure() -> Result<Vec<(HandOver, Spread)>, callgrind::Error> {
    let start = |how, times| Run::start(Scenario::CrossThread(CrossThread { how, times }));
    let started = HandOver::ALL.map(|how| {
        (
            how,
            start(how, FEW),
            [MANY; RUNS].map(|times| start(how, times)),
        )
    });
    let measured = started.into_iter().map(|(how, few, many)| {
        let few = few.total()?;
        let each = many.into_iter().map(|run| Ok(slope(few, run.total()?)));
        let each: Result<Vec<f64>, callgrind::Error> = each.collect();
        Ok((how, Spread::of(each?)))
    });
    measured.collect()
}

/// Instructions of one. None can be less than that of the few: it is negative, and seen.
#[expect(clippy::cast_precision_loss, reason = "millions")]
#[must_use]
pub fn slope(few: u64, many: u64) -> f64 {
    (many as f64 - few as f64) / (MANY - FEW) as f64
}

impl Spread {
    /// Of an odd number of them.
    #[must_use]
    pub fn of(mut each: Vec<f64>) -> Self {
        each.sort_by(f64::total_cmp);
        Self {
            median: each[each.len() / 2],
            least: each[0],
            greatest: each[each.len() - 1],
        }
    }
}

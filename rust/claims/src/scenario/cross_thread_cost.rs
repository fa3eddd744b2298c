//! What a task costs where several threads take turns: a poll on the multi-thread runtime, and a hand-over by
//! `spawn_blocking`.
//!
//! No walk follows it from thread to thread. Callgrind counts all threads of a process, and the slope between few and
//! many is what one takes; who finds the next task, and who has to be woken for it, is another in each run, so that
//! this is measured: the median of several, with the least and the greatest. The kernel's own instructions are not in it.

use std::io;

use tokio::runtime::Builder;
use zero_cost_ffi::greet;

use crate::claim::Measured;
use crate::image_under_test::ImageUnderTest;
use crate::measure::callgrind::{NotCounted, Run};

const FEW: u64 = 100;
const MANY: u64 = 1100;
/// How often each is counted: odd, for a median.
const RUNS: usize = 3;

/// What is done so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A task on one of two workers wakes itself, and is polled again.
    Poll,
    /// A task on the current-thread runtime has a blocking thread make a call, and awaits it.
    SpawnBlocking,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Poll, Self::SpawnBlocking];

    /// What is measured, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Poll => "per poll, multi_thread, 2 workers",
            Self::SpawnBlocking => "per spawn_blocking, all threads",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::SpawnBlocking => "spawn_blocking",
        }
    }

    /// `cross-thread/poll/100`: what, and how often.
    pub fn named(text: &str) -> Option<(Self, u64)> {
        let (word, times) = text.strip_prefix("cross-thread/")?.split_once('/')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.word() == word)?;
        Some((kind, times.parse().ok()?))
    }

    /// Performs it that often.
    ///
    /// # Errors
    /// When there is no runtime, or the task failed.
    pub fn perform(self, times: u64) -> io::Result<()> {
        let runtime = match self {
            Self::Poll => Builder::new_multi_thread().worker_threads(2).build(),
            Self::SpawnBlocking => Builder::new_current_thread().build(),
        }?;
        // Spawned: what `block_on` is given itself is no task.
        let done = match self {
            Self::Poll => runtime.block_on(runtime.spawn(crate::scenario::polls::in_task(times))),
            Self::SpawnBlocking => runtime.block_on(runtime.spawn(in_turns(times))),
        };
        done.map(drop).map_err(io::Error::other)
    }
}

async fn in_turns(times: u64) -> i64 {
    let mut value = 0;
    for _ in 0..times {
        let called = tokio::task::spawn_blocking(move || greet::add_one(value)).await;
        // It fails when the closure panics, which this one does not.
        value = called.unwrap_or_default();
    }
    value
}

/// Measures every kind, all runs at once.
///
/// # Errors
/// Whatever keeps callgrind from counting.
pub fn measure(subject: &ImageUnderTest) -> Result<Vec<(Kind, Measured)>, NotCounted> {
    let start = |kind: Kind, times: u64| {
        let what = format!("cross-thread/{}/{times}", kind.word());
        Run::start(subject.image.path(), ["act", &what])
    };
    let mut started = Vec::new();
    for kind in Kind::ALL {
        let many: Result<Vec<Run>, NotCounted> = (0..RUNS).map(|_| start(kind, MANY)).collect();
        started.push((kind, start(kind, FEW)?, many?));
    }
    let measured = started.into_iter().map(|(kind, few, many)| {
        let few = few.total()?;
        let each: Result<Vec<f64>, NotCounted> = many
            .into_iter()
            .map(|run| Ok(slope(few, run.total()?)))
            .collect();
        Ok((kind, median(each?)))
    });
    measured.collect()
}

/// Instructions of one. None can be less than that of the few: it is negative, and seen.
#[expect(clippy::cast_precision_loss, reason = "millions")]
fn slope(few: u64, many: u64) -> f64 {
    (many as f64 - few as f64) / (MANY - FEW) as f64
}

/// Of an odd number of them.
fn median(mut each: Vec<f64>) -> Measured {
    each.sort_by(f64::total_cmp);
    Measured {
        value: each[each.len() / 2],
        spread: Some([each[0], each[each.len() - 1]]),
        unit: "instructions",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_performed_by_its_name() {
        for kind in Kind::ALL {
            let name = format!("cross-thread/{}/7", kind.word());
            assert_eq!(Kind::named(&name), Some((kind, 7)));
            kind.perform(7).expect("it is performed");
        }
        assert_eq!(Kind::named("cross-thread/poll"), None);
    }

    #[test]
    fn the_median_has_its_spread() {
        let measured = median(vec![3.0, 9.0, 1.0]);
        assert_eq!((measured.value, measured.spread), (3.0, Some([1.0, 9.0])));
        assert!((slope(1_000, 401_000) - 400.0).abs() < 1e-9);
    }
}

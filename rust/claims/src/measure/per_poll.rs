//! What a task costs beside its calls, counted by walks of several numbers of polls and calls.
//!
//! Differences are what is counted: whatever is done once, to make a runtime and to spawn, is the same in each. One thing
//! is not, and is left out: to read the clock, as the runtime does when it begins, takes a few instructions more while a
//! second turns.

use barecall::walk::{Walk, WalkError};

use super::{parallel, walks};
use crate::image_under_test::{self, ImageUnderTest};
use crate::scenario::Scenario;
use crate::scenario::polls::{Polls, enter, polled_out};

/// What a task costs, in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskCost {
    /// Of one poll more of a task: waking it, finding it, polling it; without what the loop does in its place.
    pub per_poll: u64,
    /// Of one call more in a poll, the callee's own included.
    pub per_call: u64,
    /// Of one call more outside of tasks.
    pub per_call_outside: u64,
}

/// Why it was not counted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(transparent)]
    ImageUnderTest(#[from] image_under_test::Error),
    #[error(transparent)]
    Start(#[from] std::io::Error),
    #[error("one poll or call did not execute as many instructions as the next")]
    Uneven,
}

/// Counts, on the current-thread runtime.
///
/// # Errors
/// When the judge cannot be walked here.
pub fn count(image: &ImageUnderTest) -> Result<TaskCost, Error> {
    // Fewer than a scheduler's tick, at which it does other things too.
    const POLLS: u64 = 4;
    let [from, to] = [
        ("enter", enter as *const ()),
        ("polled_out", polled_out as *const ()),
    ]
    .map(|(name, entry)| {
        image
            .at(name, entry)
            .map(|function| image.exactly(&function))
    });
    let (from, to) = (from?, to?);
    let scenarios = [(POLLS, 1), (2 * POLLS, 1), (POLLS, 3)]
        .into_iter()
        .flat_map(|(polls, calls)| {
            [true, false].map(|in_task| Polls {
                polls,
                calls,
                in_task,
            })
        });
    let counts = parallel::map(scenarios, |polls| {
        let walker = walks::walker(Scenario::Polls(polls))?;
        let walk = walker.from(&*from).to(&*to).warmup(1).run()?;
        Ok(instructions(&walk))
    });
    let counts = counts.into_iter().collect::<Result<Vec<_>, Error>>()?;
    let [fewer, more_polls, more_calls] = [0, 2, 4].map(|first| [counts[first], counts[first + 1]]);
    let each = |more: u64, fewer: u64, times: u64| {
        let difference = more.checked_sub(fewer).filter(|all| all % times == 0);
        difference.map(|all| all / times).ok_or(Error::Uneven)
    };
    let polls = |of: usize| each(more_polls[of], fewer[of], POLLS);
    let calls = |of: usize| each(more_calls[of], fewer[of], 2 * POLLS);
    Ok(TaskCost {
        per_poll: polls(0)?.checked_sub(polls(1)?).ok_or(Error::Uneven)?,
        per_call: calls(0)?,
        per_call_outside: calls(1)?,
    })
}

/// Those on the way out, without what reads the clock.
fn instructions(walk: &Walk) -> u64 {
    let all = walk.out.steps.iter();
    let but_clock = all.filter(|step| !reads_clock(&step.symbol));
    but_clock.map(|step| step.instructions).sum()
}

/// Whether it is code of the vDSO's, or libc's on the way there.
fn reads_clock(symbol: &str) -> bool {
    symbol.contains("clock_gettime") || symbol.contains("vdso")
}

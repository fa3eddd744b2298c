//! What a task costs beside its calls: so many polls with so many calls in each, all executed on one thread, so that
//! a walk counts every instruction of them.
//!
//! Differences are what is counted: whatever is done once, to make a runtime and to spawn, is the same in each. One thing
//! is not, and is left out: to read the clock, as the runtime does when it begins, takes a few instructions more while a
//! second turns. It does so when it ends, too, so that what is walked ends with the last poll.

use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::process::{Command, Stdio};
use std::task::Poll;

use barecall::walk::{Walk, WalkError, Walker};
use tokio::runtime::{Builder, Runtime};
use zero_cost_ffi::greet;

use crate::image_under_test::{self, ImageUnderTest};
use crate::measure::walks;

/// What is performed: polls, and calls in each; in a task, or by a loop that takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polls {
    polls: u64,
    calls: u64,
    in_task: bool,
}

/// What was counted, in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Of one poll more of a task: waking it, finding it, polling it; without what the loop does in its place.
    pub per_poll: u64,
    /// Of one call more in a poll, the callee's own included.
    pub per_call: u64,
    /// Of one call more outside of tasks.
    pub per_call_outside: u64,
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum NotCounted {
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(transparent)]
    ImageUnderTest(#[from] image_under_test::Error),
    #[error("one poll or call did not execute as many instructions as the next")]
    Uneven,
}

/// Counts, on the current-thread runtime.
///
/// # Errors
/// When the judge cannot be walked here.
pub fn count(subject: &ImageUnderTest) -> Result<Counted, NotCounted> {
    // Fewer than a scheduler's tick, at which it does other things too.
    const POLLS: u64 = 4;
    let walkers = [(POLLS, 1), (2 * POLLS, 1), (POLLS, 3)]
        .into_iter()
        .flat_map(|(polls, calls)| {
            [true, false].map(|in_task| Polls {
                polls,
                calls,
                in_task,
            })
        })
        .map(|what| what.walker(subject).map(Some))
        .collect::<Result<Vec<_>, _>>()?;
    let walks = walks::at_once(walkers)
        .into_iter()
        .flatten()
        .collect::<Result<Vec<_>, _>>()?;
    let [fewer, more_polls, more_calls] =
        [0, 2, 4].map(|first| [instructions(&walks[first]), instructions(&walks[first + 1])]);
    let each = |more: u64, fewer: u64, times: u64| {
        let difference = more.checked_sub(fewer).filter(|all| all % times == 0);
        difference.map(|all| all / times).ok_or(NotCounted::Uneven)
    };
    let polls = |of: usize| each(more_polls[of], fewer[of], POLLS);
    let calls = |of: usize| each(more_calls[of], fewer[of], 2 * POLLS);
    Ok(Counted {
        per_poll: polls(0)?.checked_sub(polls(1)?).ok_or(NotCounted::Uneven)?,
        per_call: calls(0)?,
        per_call_outside: calls(1)?,
    })
}

impl Polls {
    /// `polls/4/1/task`, `polls/4/1/loop`
    pub fn named(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("polls/")?.split('/');
        let what = Self {
            polls: parts.next()?.parse().ok()?,
            calls: parts.next()?.parse().ok()?,
            in_task: parts.next()? == "task",
        };
        Some(what)
    }

    /// Performs it twice: the first is the warm-up.
    ///
    /// # Errors
    /// When there is no runtime.
    pub fn perform(self) -> io::Result<()> {
        // Made before, and used twice: what is left to chance when it is made is not walked.
        let runtime = Builder::new_current_thread().build()?;
        for _ in 0..2 {
            enter(&runtime, black_box(self));
        }
        Ok(())
    }

    /// A walk of it all, not taken yet.
    fn walker(self, subject: &ImageUnderTest) -> Result<Walker, NotCounted> {
        let kind = if self.in_task { "task" } else { "loop" };
        let mut program = Command::new(subject.image.path());
        program
            .args([
                "act",
                &format!("polls/{}/{}/{kind}", self.polls, self.calls),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let [from, to] = [
            ("enter", enter as *const ()),
            ("polled_out", polled_out as *const ()),
        ]
        .map(|(name, entry)| {
            subject
                .at(name, entry)
                .map(|function| subject.exactly(&function))
        });
        Ok(Walk::of(program).from(from?).to(to?).warmup(1))
    }
}

/// Those of it all.
fn instructions(walk: &Walk) -> u64 {
    let all = walk.out.steps.iter();
    let but_clock = all.filter(|step| !reads_clock(&step.symbol));
    but_clock.map(|step| step.instructions).sum()
}

/// Whether it is code of the vDSO's, or libc's on the way there.
fn reads_clock(symbol: &str) -> bool {
    symbol.contains("clock_gettime") || symbol.contains("vdso")
}

/// From where it is walked.
#[inline(never)]
fn enter(runtime: &Runtime, what: Polls) {
    performed(runtime, what);
    black_box(());
}

/// What is walked: what the caller executes itself is not on the way.
#[inline(never)]
fn performed(runtime: &Runtime, what: Polls) {
    if what.in_task {
        // Spawned: what `block_on` is given itself is no task.
        let task = runtime.spawn(task(what.polls, what.calls));
        // It fails when the task panics, which this one does not.
        let _ = black_box(runtime.block_on(task));
        return;
    }
    let (mut value, mut left) = (0, what.polls);
    while left > 0 {
        value = called(what.calls, value);
        left = black_box(left - 1);
    }
    polled_out(value);
}

/// To where it is walked: all polls are over.
#[inline(never)]
fn polled_out(value: i64) {
    black_box(value);
}

/// A task that is polled that often, with a call in each poll.
pub async fn in_task(polls: u64) -> i64 {
    task(polls, 1).await
}

async fn task(polls: u64, calls: u64) -> i64 {
    let (mut value, mut left) = (0, polls);
    poll_fn(move |cx| {
        value = called(calls, value);
        left = black_box(left - 1);
        if left == 0 {
            polled_out(value);
            return Poll::Ready(value);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// The same code in a task and outside: what differs is what stands around it.
#[inline(never)]
fn called(times: u64, mut value: i64) -> i64 {
    for _ in 0..times {
        value = greet::add_one(value);
    }
    value
}

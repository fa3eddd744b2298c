//! Polls of a task, with so many calls in each; and a loop that makes the same calls outside of tasks.
//!
//! All of it is executed on one thread, so that a walk from [`enter`] to [`polled_out`] counts every instruction. It
//! ends with the last poll: the runtime reads the clock when it ends.

use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::task::Poll;

use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use zero_cost_ffi::greet;

/// Polls, and calls in each; in a task, or in a loop that takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Polls {
    pub polls: u64,
    pub calls: u64,
    pub in_task: bool,
}

impl Polls {
    /// Runs it twice: the first time is the warm-up.
    pub(super) fn run(self) -> io::Result<()> {
        // Made before, and used twice: what is left to chance when it is made is not walked.
        let runtime = Builder::new_current_thread().build()?;
        for _ in 0..2 {
            enter(&runtime, black_box(self));
        }
        Ok(())
    }
}

/// Where the walk begins.
#[inline(never)]
pub fn enter(runtime: &Runtime, what: Polls) {
    run_in(runtime, what);
    black_box(());
}

/// What is walked: instructions of the caller itself are not part of a walk.
#[inline(never)]
fn run_in(runtime: &Runtime, what: Polls) {
    if what.in_task {
        // Spawned: the future that `block_on` is given is not a task.
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

/// Where the walk ends: all polls are over.
#[inline(never)]
pub fn polled_out(value: i64) {
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

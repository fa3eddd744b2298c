//! Work that is handed from thread to thread.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;
use zero_cost_ffi::greet;

use super::polls;

/// A hand-over, and how often it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CrossThread {
    pub how: HandOver,
    pub times: u64,
}

/// How work is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandOver {
    /// A task on one of two workers wakes itself, and is polled again.
    Poll,
    /// A task on the current-thread runtime has a blocking thread make a call, and awaits it.
    SpawnBlocking,
}

impl HandOver {
    pub const ALL: [Self; 2] = [Self::Poll, Self::SpawnBlocking];

    /// What is measured of it, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "per poll, multi_thread, 2 workers",
            Self::SpawnBlocking => "per spawn_blocking, all threads",
        }
    }
}

impl CrossThread {
    pub(super) fn run(self) -> io::Result<()> {
        let runtime = match self.how {
            HandOver::Poll => Builder::new_multi_thread().worker_threads(2).build(),
            HandOver::SpawnBlocking => Builder::new_current_thread().build(),
        }?;
        // Spawned: the future that `block_on` is given is not a task.
        let done = match self.how {
            HandOver::Poll => runtime.block_on(runtime.spawn(polls::in_task(self.times))),
            HandOver::SpawnBlocking => runtime.block_on(runtime.spawn(in_turns(self.times))),
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

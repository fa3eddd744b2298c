//! All that a child process of the judge can run.
//!
//! What is walked, counted or measured runs in a process of its own, so that nothing else is in the result. A
//! [`Scenario`] says what; [`child`] starts the judge once more to run it.

pub mod call;
pub mod child;
pub mod cross_thread;
pub mod futures;
pub mod idle_tasks;
pub mod polls;
#[cfg(target_os = "linux")]
pub mod thread_ring;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod trampolines;

use std::time::Duration;
use std::{fmt, io};

use serde::{Deserialize, Serialize};

use call::CallScenario;
use cross_thread::CrossThread;
use futures::TalkFuture;
use idle_tasks::Idle;
use polls::Polls;
#[cfg(target_os = "linux")]
use thread_ring::ThreadRing;

/// What a child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// One exhibit, twin or control, called a few times; it is walked.
    Call(CallScenario),
    /// Every exhibit and twin, called so many times; callgrind counts their instructions.
    AllCalls { times: usize },
    /// Polls of a task, or a loop in its place; it is walked.
    Polls(Polls),
    /// Work handed from thread to thread; callgrind counts its instructions.
    CrossThread(CrossThread),
    /// Messages in a ring of pipes; its system calls are counted.
    #[cfg(target_os = "linux")]
    ThreadRing(ThreadRing),
    /// Many tasks or threads asleep at once. It prints what they take.
    Idle(Idle),
    /// One of the talk's futures. It prints what that does.
    Future(TalkFuture),
}

/// Why a scenario failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    ThreadRing(#[from] zero_cost_ffi::thread_ring::Error),
}

/// As JSON, which is what a child is given: `{"idle":{"what":"tasks","count":1000}}`.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Scenario {
    /// Runs it in this process.
    ///
    /// # Errors
    /// When this system does not provide what it needs: a runtime, so many threads, a standard output.
    pub fn run_here(self) -> Result<(), Error> {
        match self {
            Self::Call(call) => call.run()?,
            Self::AllCalls { times } => call::run_all(times)?,
            Self::Polls(polls) => polls.run()?,
            Self::CrossThread(work) => work.run()?,
            #[cfg(target_os = "linux")]
            Self::ThreadRing(ring) => drop(ring.plan.run(ring.variant)?),
            Self::Idle(idle) => idle.run()?,
            Self::Future(future) => future.run()?,
        }
        Ok(())
    }

    /// Whether it takes long enough to say on stderr how far it is.
    #[must_use]
    pub const fn shows_progress(self) -> bool {
        matches!(self, Self::Idle(Idle { count, .. }) if count >= idle_tasks::MANY)
    }

    /// How long a child may take: a hundred times what it takes on a slow machine.
    #[must_use]
    pub fn limit(self) -> Duration {
        match self {
            Self::Idle(Idle { count, .. }) => Duration::from_secs(10 + count / 10_000),
            Self::Future(_) => Duration::from_secs(10),
            #[cfg(target_os = "linux")]
            Self::ThreadRing(_) => Duration::from_secs(30),
            // Under callgrind, or stopped at each instruction.
            Self::Call(_) | Self::AllCalls { .. } | Self::Polls(_) | Self::CrossThread(_) => {
                Duration::from_secs(60)
            }
        }
    }
}

//! The thread ring: stages in a ring pass messages on, each with a read and a write.
//! Threads, tasks and plain kernel interfaces do the same work.
//!
//! A **stage** reads a message of one byte from the pipe before it and writes it to
//! the pipe after it: one **hop**. Every stage makes the same number of hops, then
//! it ends; nothing else takes part. Whatever a variant executes beyond one
//! `read(2)` and one `write(2)` per hop is its cost of waiting.
//!
//! | module | what a stage is |
//! | --- | --- |
//! | [`threads`] | an OS thread that blocks in `read(2)` |
//! | [`tasks`] | a task of tokio's current-thread runtime |
//! | [`epoll`] | an entry in a small event loop, level- or edge-triggered |
//! | [`uring`] | a read and a write in the rings of io_uring |
//! | [`channels`] | a thread or a task with channels instead of pipes: no I/O |
//! | [`creation`] | no stage: creates a thread or a task, and nothing else |
//! | [`processor`] | no stage: keeps a ring on one processor; counts a thread's switches |
//!
//! ```
//! use zero_cost_ffi::thread_ring::{Plan, Variant};
//!
//! let plan = Plan { stages: 8, in_flight: 4, hops_each: 10, buffer: 64 };
//! let run = plan.run(Variant::Tokio)?;
//! assert_eq!(plan.hops(), 80);
//! assert_eq!(run.switches.map(|switches| switches.voluntary), Some(0));
//! # Ok::<(), zero_cost_ffi::thread_ring::Error>(())
//! ```

use std::fmt;
use std::io;
use std::time::Duration;

pub mod channels;
pub mod creation;
pub mod epoll;
mod limits;
mod pipes;
pub mod processor;
pub mod tasks;
pub mod threads;
pub mod uring;

pub use processor::Switches;

/// The size of a thread ring, and how much work it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The number of stages, and of pipes.
    pub stages: usize,
    /// The number of messages under way at any time, evenly spaced; at most one for
    /// every second stage, so that no message catches up with the next.
    pub in_flight: usize,
    /// The number of hops of each stage.
    pub hops_each: usize,
    /// The size of the read buffer in bytes. A message has one byte.
    pub buffer: usize,
}

/// What passes the messages on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// OS threads that block.
    Threads,
    /// Tasks of tokio's current-thread runtime.
    Tokio,
    /// A hand-written event loop: level-triggered epoll, one read per message.
    EpollLevel,
    /// The same with edge-triggered epoll, which reads until nothing is left.
    EpollEdge,
    /// Reads and writes by io_uring.
    IoUring,
    /// Threads, with `std::sync::mpsc` channels instead of pipes.
    ThreadChannels,
    /// Tasks, with `tokio::sync::mpsc` channels instead of pipes.
    TaskChannels,
    /// The control: level-triggered epoll with one read too many.
    EpollLevelTwice,
}

impl Variant {
    /// All variants, the control last.
    pub const ALL: [Self; 8] = [
        Self::Threads,
        Self::Tokio,
        Self::EpollLevel,
        Self::EpollEdge,
        Self::IoUring,
        Self::ThreadChannels,
        Self::TaskChannels,
        Self::EpollLevelTwice,
    ];

    /// `threads`, `epoll-level`, …
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Tokio => "tokio",
            Self::EpollLevel => "epoll-level",
            Self::EpollEdge => "epoll-edge",
            Self::IoUring => "io-uring",
            Self::ThreadChannels => "thread-channels",
            Self::TaskChannels => "task-channels",
            Self::EpollLevelTwice => "epoll-level-twice",
        }
    }

    /// The variant of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.word() == word)
    }

    const fn has_threads(self) -> bool {
        matches!(self, Self::Threads | Self::ThreadChannels)
    }

    const fn has_pipes(self) -> bool {
        !matches!(self, Self::ThreadChannels | Self::TaskChannels)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The result of a run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The time from the first message to the last hop.
    pub elapsed: Duration,
    /// The context switches of all its threads in that time, or `None` if they cannot
    /// be told from those of other work.
    pub switches: Option<Switches>,
}

impl Plan {
    /// Returns the total number of hops.
    #[must_use]
    pub const fn hops(&self) -> usize {
        self.stages * self.hops_each
    }

    /// Runs the thread ring.
    ///
    /// # Errors
    /// Returns an error if a number is out of range or the system does not allow it,
    /// before anything starts, and if a system call fails.
    ///
    /// # Panics
    /// Panics within a tokio runtime, for the variants that start one.
    pub fn run(&self, variant: Variant) -> Result<Run, Error> {
        self.check(variant)?;
        Ok(match variant {
            Variant::Threads => threads::run(self)?,
            Variant::Tokio => tasks::run(self)?,
            Variant::EpollLevel => epoll::run(self, epoll::Trigger::Level)?,
            Variant::EpollEdge => epoll::run(self, epoll::Trigger::Edge)?,
            Variant::EpollLevelTwice => epoll::run(self, epoll::Trigger::LevelTwice)?,
            Variant::IoUring => uring::run(self)?,
            Variant::ThreadChannels => channels::threads(self)?,
            Variant::TaskChannels => channels::tasks(self)?,
        })
    }

    /// Checks whether the ring can run here.
    ///
    /// # Errors
    /// Returns the errors that [`Plan::run`] returns before it starts.
    pub fn check(&self, variant: Variant) -> Result<(), Error> {
        const MOST_STAGES: usize = 100_000;
        const MOST_HOPS: usize = 1 << 40;
        const MOST_BUFFER: usize = 1 << 16;
        let within = |what, value, least, most| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(Error::Absurd {
                    what,
                    value,
                    least,
                    most,
                })
            }
        };
        within("stages", self.stages, 2, MOST_STAGES)?;
        within("messages in flight", self.in_flight, 1, self.stages / 2)?;
        within("hops of a stage", self.hops_each, 1, MOST_HOPS)?;
        within("bytes of buffer", self.buffer, 1, MOST_BUFFER)?;
        if variant.has_pipes() {
            limits::file_descriptors(2 * self.stages)?;
        }
        if variant.has_threads() {
            limits::threads(self.stages)?;
        }
        if variant == Variant::IoUring {
            uring::check()?;
        }
        Ok(())
    }
}

/// Why a thread ring did not run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A number is out of range.
    Absurd {
        /// What it counts.
        what: &'static str,
        /// The number.
        value: usize,
        /// The smallest number allowed.
        least: usize,
        /// The largest number allowed.
        most: usize,
    },
    /// Too few file descriptors are available.
    FileDescriptors {
        /// How many the ring needs.
        needed: u64,
        /// How many this process may have.
        limit: u64,
    },
    /// Too few threads are available.
    Threads {
        /// How many the ring needs.
        needed: u64,
        /// How many there may be, if that is known.
        limit: Option<u64>,
        /// What limits them, and what raises the limit.
        raise: &'static str,
    },
    /// io_uring is not available.
    NoIoUring {
        /// The error of `io_uring_setup(2)`.
        source: io::Error,
    },
    /// A system call failed.
    System(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absurd {
                what,
                value,
                least,
                most,
            } => {
                write!(f, "{value} {what}: it must be {least} to {most}")?;
                if *what == "messages in flight" {
                    write!(f, " (one for every second stage)")?;
                }
                Ok(())
            }
            Self::FileDescriptors { needed, limit } => write!(
                f,
                "it takes {needed} file descriptors, and this process may have {limit} \
                 (RLIMIT_NOFILE): raise the limit with `ulimit -n {needed}`"
            ),
            Self::Threads {
                needed,
                limit,
                raise,
            } => {
                write!(f, "it takes {needed} threads more")?;
                if let Some(limit) = limit {
                    write!(f, ", and there may be {limit}")?;
                }
                write!(f, ": {raise}")
            }
            Self::NoIoUring { source } => match source.raw_os_error() {
                Some(libc::ENOSYS) => {
                    write!(
                        f,
                        "this kernel has no io_uring (ENOSYS): it takes Linux 5.6 or later"
                    )
                }
                Some(libc::EPERM) => write!(
                    f,
                    "io_uring is forbidden here (EPERM): by a container's filter, or by \
                     /proc/sys/kernel/io_uring_disabled, which `sysctl kernel.io_uring_disabled=0` lifts"
                ),
                _ => write!(f, "no io_uring: {source}"),
            },
            Self::System(_) => write!(f, "a system call failed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(source) | Self::NoIoUring { source } => Some(source),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        Self::System(source)
    }
}

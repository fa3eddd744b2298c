//! What is to be walked, and within which limits.

use std::process::Command;
use std::time::Duration;

use super::record::Walk;

impl Walk {
    /// Prepares a walk of the program that `command` starts. Its arguments,
    /// environment and standard streams are the program's own.
    ///
    /// See [`Walk`] for an example.
    #[must_use]
    pub fn of(command: Command) -> Walker {
        Walker {
            command,
            from: String::new(),
            to: String::new(),
            warmup: 0,
            repeat: 1,
            max_steps: 10_000_000,
            step_all: false,
            timeout: Duration::from_secs(60),
        }
    }
}

/// A walk to be taken; made by [`Walk::of`].
#[derive(Debug)]
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    allow(dead_code, reason = "walks are not supported there")
)]
pub struct Walker {
    pub(super) command: Command,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) warmup: u64,
    pub(super) repeat: u64,
    pub(super) max_steps: u64,
    pub(super) step_all: bool,
    pub(super) timeout: Duration,
}

impl Walker {
    /// The caller: a mangled name, a demangled one, or a suffix of one at a `::`
    /// or `.` boundary that fits exactly one. Where several have the name, it
    /// can be narrowed down: `libc.so.6:puts` is the one in that file,
    /// `demo:0x1139` what is at that address of that file (as in the file's
    /// own symbol table).
    #[must_use]
    pub fn from(mut self, symbol: impl Into<String>) -> Self {
        self.from = symbol.into();
        self
    }

    /// The callee, named in the same way.
    #[must_use]
    pub fn to(mut self, symbol: impl Into<String>) -> Self {
        self.to = symbol.into();
        self
    }

    /// Lets this many arrivals at `from` go by before the one that is walked:
    /// first calls bind symbols and set things up. Default 0.
    #[must_use]
    pub fn warmup(mut self, arrivals: u64) -> Self {
        self.warmup = arrivals;
        self
    }

    /// Takes the walk this many times, each in a new process, and says whether
    /// all were identical. Default 1; 0 counts as 1.
    #[must_use]
    pub fn repeat(mut self, walks: u64) -> Self {
        self.repeat = walks.max(1);
        self
    }

    /// Gives up after this many instructions in one walk. Default 10,000,000.
    #[must_use]
    pub fn max_steps(mut self, steps: u64) -> Self {
        self.max_steps = steps;
        self
    }

    /// Stops at every single instruction, as a check of the walk itself. By
    /// default straight code, which can be executed in one way only, is run
    /// through to the next instruction that may go elsewhere, which is faster
    /// and gives the same record.
    #[must_use]
    pub fn step_all(mut self, yes: bool) -> Self {
        self.step_all = yes;
        self
    }

    /// Gives up after this time, all repetitions together. Default 60 seconds.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }
}

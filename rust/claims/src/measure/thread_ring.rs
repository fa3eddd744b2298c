//! The system calls of the thread rings, each run in a process of its own.

use std::cmp::Reverse;
use std::fmt;

use zero_cost_ffi::thread_ring::processor;
use zero_cost_ffi::thread_ring::{Error, Plan, Variant};

use super::parallel;
#[cfg(target_arch = "x86_64")]
use super::syscall_tracer::count as traced;
use super::syscalls::{self, NotCounted, SyscallCounts};
use crate::scenario::thread_ring::ThreadRing;
use crate::scenario::{Scenario, child};

/// The hops over which system calls are counted: those that the longer of two runs makes more.
pub const HOPS: usize = 128;

/// Settings of glibc's allocator, whose own system calls would differ from run to run. With more arenas, it reads how
/// many processors there are when threads happen to allocate at the same time. With little room to spare, it moves the
/// end of the heap (`brk`) once more or less.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TOP_PAD_", "16777216"),
    ("MALLOC_TRIM_THRESHOLD_", "1073741824"),
];

/// A variant, and what it works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    pub variant: Variant,
    pub in_flight: usize,
    /// Bytes.
    pub buffer: usize,
}

/// `tokio, 4 in flight, 1-byte buffer`
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            variant,
            in_flight,
            buffer,
        } = self;
        write!(f, "{variant}, {in_flight} in flight, {buffer}-byte buffer")
    }
}

impl Case {
    /// That variant, with so many messages in flight and room for so many bytes.
    #[must_use]
    pub const fn new(variant: Variant, in_flight: usize, buffer: usize) -> Self {
        Self {
            variant,
            in_flight,
            buffer,
        }
    }

    /// As few stages as do: most of what a short run calls is setting up its pipes.
    #[must_use]
    pub const fn plan(&self, hops_each: usize) -> Plan {
        let stages = if self.in_flight < 4 {
            8
        } else {
            2 * self.in_flight
        };
        Plan {
            stages,
            in_flight: self.in_flight,
            hops_each,
            buffer: self.buffer,
        }
    }

    /// The system calls of [`HOPS`] hops: the difference between a longer and a shorter run.
    ///
    /// # Errors
    /// When they cannot be counted, or a run fails.
    pub fn counts(&self) -> Result<SyscallCounts, NotCounted> {
        let shorter = self.plan(1);
        let longer = self.plan(1 + HOPS / shorter.stages);
        let count = |plan| {
            let scenario = Scenario::ThreadRing(ThreadRing {
                variant: self.variant,
                plan,
            });
            let mut program = child::command(scenario, scenario.limit())?;
            traced(program.envs(ALLOCATOR))
        };
        Ok(syscalls::more(&count(longer)?, &count(shorter)?))
    }
}

/// The counts of several cases, as many at a time as there are processors. Who counts and who is counted take turns
/// on one: waking another takes longer.
///
/// # Errors
/// As [`Case::counts`].
pub fn counts(cases: &[Case]) -> Result<Vec<(Case, SyscallCounts)>, NotCounted> {
    let count = |case: &Case| processor::on_one(|| Ok((*case, case.counts()?)));
    parallel::map(cases, count).into_iter().collect()
}

/// Whether all of these can be run here, the largest first, so that a limit is raised once. But for io_uring, which
/// may be absent.
///
/// # Errors
/// What it takes.
pub fn possible(rings: impl Iterator<Item = (Variant, Plan)>) -> Result<(), Error> {
    let mut rings: Vec<_> = rings
        .filter(|(variant, _)| *variant != Variant::IoUring)
        .collect();
    rings.sort_by_key(|(_, plan)| Reverse(plan.stages));
    rings
        .iter()
        .try_for_each(|(variant, plan)| plan.check(*variant))
}

#[cfg(not(target_arch = "x86_64"))]
fn traced(_: &mut std::process::Command) -> Result<SyscallCounts, NotCounted> {
    Err(NotCounted::Unsupported)
}

//! The thread rings as the judge runs them: each in a process of its own, whose system calls are counted.

use std::cmp::Reverse;
use std::fmt;
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zero_cost_ffi::thread_ring::processor;
use zero_cost_ffi::thread_ring::{Error, Plan, Variant};

use crate::measure::syscalls::{self, Counts, NotCounted};

/// The hops over which system calls are counted: those that the longer of two runs makes more.
pub const HOPS: usize = 128;

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
    /// As few stages as do: most of what a short run calls is setting up its pipes.
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

    /// The system calls of [`HOPS`] hops: what a run of so many more calls more.
    ///
    /// # Errors
    /// When they cannot be counted, or a run fails.
    pub fn counts(&self) -> Result<Counts, NotCounted> {
        let shorter = self.plan(1);
        let longer = self.plan(1 + HOPS / shorter.stages);
        let count = |plan| syscalls::count(&mut program(self.variant, &plan)?);
        Ok(syscalls::more(&count(longer)?, &count(shorter)?))
    }
}

/// The counts of several cases, as many at a time as there are processors. Who counts and who is counted take turns
/// on one: waking another takes longer.
pub fn counts(cases: &[Case]) -> Result<Vec<(Case, Counts)>, NotCounted> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut counted = Vec::new();
        while let Some((index, case)) = following(&next, cases) {
            counted.push((index, *case, case.counts()?));
        }
        Ok::<_, NotCounted>(counted)
    };
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let counted = thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once.min(cases.len()))
            .map(|_| scope.spawn(|| processor::on_one(some)))
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut counted: Vec<_> = counted.into_iter().flatten().collect();
    counted.sort_by_key(|(index, ..)| *index);
    Ok(counted
        .into_iter()
        .map(|(_, case, counts)| (case, counts))
        .collect())
}

/// The next that nobody has taken.
fn following<'a, T>(next: &AtomicUsize, all: &'a [T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, all.get(index)?))
}

/// What a program started for it is told: `tokio 8 1 17 64`.
pub fn words(variant: Variant, plan: &Plan) -> [String; 5] {
    let Plan {
        stages,
        in_flight,
        hops_each,
        buffer,
    } = plan;
    [
        variant.word().to_owned(),
        stages.to_string(),
        in_flight.to_string(),
        hops_each.to_string(),
        buffer.to_string(),
    ]
}

/// The thread ring that these words tell of; `None` if they tell of none.
pub fn told(words: &[String]) -> Option<(Variant, Plan)> {
    let [variant, numbers @ ..] = words else {
        return None;
    };
    let numbers: Vec<usize> = numbers.iter().map_while(|word| word.parse().ok()).collect();
    let [stages, in_flight, hops_each, buffer] = numbers[..] else {
        return None;
    };
    let plan = Plan {
        stages,
        in_flight,
        hops_each,
        buffer,
    };
    Some((Variant::named(variant)?, plan))
}

/// The judge itself, as a thread ring.
fn program(variant: Variant, plan: &Plan) -> io::Result<Command> {
    let mut program = Command::new(std::env::current_exe()?);
    let words = words(variant, plan);
    #[cfg(not(test))]
    program.arg("thread-ring").args(words);
    #[cfg(test)]
    program
        .args([
            "scenario::thread_ring::tests::thread_ring",
            "--exact",
            "--nocapture",
        ])
        .env(tests::RING, words.join(" "));
    program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // With more arenas, glibc reads how many processors there are when threads happen to allocate at the same
        // time: a read more in some runs.
        .env("MALLOC_ARENA_MAX", "1");
    Ok(program)
}

/// Whether what a claim runs can be run here.
///
/// # Errors
/// What it takes, and what raises the limit.
pub fn check(claim: &str, hops: Option<u64>) -> Result<(), Error> {
    match claim {
        "reads-per-message" => crate::claims::reads_per_message::check_limits(),
        "switch-cost" => crate::claims::switch_cost::check_limits(hops),
        _ => Ok(()),
    }
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

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Tells of the thread ring that [`thread_ring`] is to be.
    pub const RING: &str = "CLAIMS_RING";

    /// The test program as the program that is counted.
    #[test]
    fn thread_ring() {
        if let Ok(text) = std::env::var(RING) {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let (variant, plan) = told(&words).expect("a thread ring");
            plan.run(variant).expect("it runs");
        }
    }

    #[test]
    fn what_is_told_is_understood() {
        let plan = Plan {
            stages: 8,
            in_flight: 4,
            hops_each: 3,
            buffer: 64,
        };
        for variant in Variant::ALL {
            assert_eq!(told(&words(variant, &plan)), Some((variant, plan)));
        }
        let wrong = [
            "tokio 8 4 3",
            "tokio 8 4 3 x",
            "tokio 8 4 3 64 1",
            "smoke 8 4 3 64",
            "",
        ];
        for words in wrong {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            assert_eq!(told(&words), None, "{words:?}");
        }
    }
}

//! Sleepers: so many tasks or threads asleep at once, and what they take. A child has them, so that
//! its memory is theirs.

use std::future::Future;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use zero_cost_ffi::machine::nap;

use crate::measure::allocations::Count;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of tokio's current-thread runtime, in virtual time.
    Tasks,
    /// Of the operating system.
    Threads,
    /// Tasks of futures of several sizes, one of each: what is allocated for it.
    Cells,
}

/// From here on it is said how far it is.
pub const MANY: u64 = 100_000;

impl Kind {
    const ALL: [Self; 3] = [Self::Tasks, Self::Threads, Self::Cells];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Threads => "threads",
            Self::Cells => "cells",
        }
    }

    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Has `count` of them asleep at once, and prints what they took, as JSON.
    ///
    /// # Errors
    /// When there is no runtime, or not as many threads, to be had.
    pub fn perform(self, count: u64) -> io::Result<()> {
        let mut out = io::stdout();
        match self {
            Self::Tasks => serde_json::to_writer(&mut out, &tasks(count)?)?,
            Self::Threads => serde_json::to_writer(&mut out, &threads(count)?)?,
            Self::Cells => serde_json::to_writer(&mut out, &cells()?)?,
        }
        writeln!(out)
    }
}

/// What so many sleepers took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    pub count: u64,
    /// How many there were when all were asleep.
    pub asleep: u64,
    /// Allocations until then, and the bytes asked for.
    pub allocations: u64,
    pub bytes: u64,
    /// How many were left when all had ended, and how many of the bytes when their runtime was gone as well.
    pub left: u64,
    pub bytes_left: i64,
    /// By how many bytes this process's resident memory grew until all were asleep, and the kernel's stacks, of all
    /// processes. Linux only.
    pub resident: Option<u64>,
    pub kernel_stacks: Option<u64>,
    /// Seconds until all were asleep, and from there until all had ended.
    pub asleep_after: f64,
    pub ended_after: f64,
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
}

/// How many are spawned before they are polled: fewer than what makes the runtime's queue grow.
const AT_ONCE: u64 = 32;

fn tasks(count: u64) -> io::Result<Taken> {
    // What is made once in a thread's life, by the first runtime.
    asleep(1)?;
    let before = Count::now();
    let taken = asleep(count)?;
    let all = Count::now() - before;
    Ok(Taken {
        bytes_left: difference(all.bytes, all.freed),
        ..taken
    })
}

/// In a runtime of their own, which is gone afterwards.
fn asleep(count: u64) -> io::Result<Taken> {
    let runtime = runtime()?;
    runtime.block_on(async {
        // What the runtime makes once, for the first.
        let _ = nap::spawn().await;
        tokio::task::yield_now().await;
        let alive = || runtime.metrics().num_alive_tasks() as u64;
        let mut progress = Progress::new(count);
        let meter = Meter::start();
        for task in 1..=count {
            drop(nap::spawn());
            if task % AT_ONCE == 0 {
                tokio::task::yield_now().await;
                progress.at(task);
            }
        }
        tokio::task::yield_now().await;
        let taken = meter.taken(count, alive());
        let end = Instant::now();
        // Nobody waits: the time is virtual.
        tokio::time::sleep(Duration::from_secs(11)).await;
        Ok(Taken {
            left: alive(),
            ended_after: end.elapsed().as_secs_f64(),
            ..taken
        })
    })
}

/// How many threads are asleep, and whether they may go.
#[derive(Default)]
struct Dormitory {
    state: Mutex<(u64, bool)>,
    changed: Condvar,
}

impl Dormitory {
    fn state(&self) -> MutexGuard<'_, (u64, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(
        &self,
        mut asleep: impl FnMut(&(u64, bool)) -> bool,
        state: MutexGuard<'_, (u64, bool)>,
    ) {
        let waited = self.changed.wait_while(state, |state| asleep(state));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn sleep(&self) {
        let mut state = self.state();
        state.0 += 1;
        self.changed.notify_all();
        self.wait_while(|(_, may_go)| !may_go, state);
    }
}

fn threads(count: u64) -> io::Result<Taken> {
    let dormitory = Dormitory::default();
    let before = Count::now();
    let mut taken = thread::scope(|scope| {
        let meter = Meter::start();
        let spawned = (1..=count).try_for_each(|number| {
            let thread = thread::Builder::new().spawn_scoped(scope, || dormitory.sleep());
            let refused = |error: io::Error| {
                io::Error::new(error.kind(), format!("thread {number} of {count}: {error}"))
            };
            thread.map(drop).map_err(refused)
        });
        if spawned.is_ok() {
            dormitory.wait_while(|(asleep, _)| *asleep < count, dormitory.state());
        }
        let taken = meter.taken(count, dormitory.state().0);
        // In any case, or the scope would wait for them for ever.
        dormitory.state().1 = true;
        dormitory.changed.notify_all();
        spawned.map(|()| (taken, Instant::now()))
    })
    .map(|(taken, end)| Taken {
        ended_after: end.elapsed().as_secs_f64(),
        ..taken
    })?;
    let all = Count::now() - before;
    taken.bytes_left = difference(all.bytes, all.freed);
    Ok(taken)
}

const fn difference(allocated: u64, freed: u64) -> i64 {
    allocated.cast_signed() - freed.cast_signed()
}

/// What there was before the first fell asleep.
struct Meter {
    resident: Option<u64>,
    kernel_stacks: Option<u64>,
    count: Count,
    start: Instant,
}

impl Meter {
    fn start() -> Self {
        Self {
            resident: kib("/proc/self/status", "VmRSS:"),
            kernel_stacks: kib("/proc/meminfo", "KernelStack:"),
            count: Count::now(),
            start: Instant::now(),
        }
    }

    fn taken(self, count: u64, asleep: u64) -> Taken {
        let asleep_after = self.start.elapsed().as_secs_f64();
        let counted = Count::now() - self.count;
        let grown = |file, field, before: Option<u64>| {
            Some(kib(file, field)?.saturating_sub(before?) * 1024)
        };
        Taken {
            count,
            asleep,
            allocations: counted.allocations,
            bytes: counted.bytes,
            left: 0,
            bytes_left: 0,
            resident: grown("/proc/self/status", "VmRSS:", self.resident),
            kernel_stacks: grown("/proc/meminfo", "KernelStack:", self.kernel_stacks),
            asleep_after,
            ended_after: 0.0,
        }
    }
}

/// A field of a file of the kernel's, in KiB; none where there is no such file.
fn kib(file: &str, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// A future of so many bytes, and what tokio allocates for a task of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub future: u64,
    pub allocations: u64,
    pub bytes: u64,
}

/// Never ready, and of that many words.
struct Words<const N: usize>([u64; N]);

impl<const N: usize> Future for Words<N> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        std::hint::black_box(&self.0);
        Poll::Pending
    }
}

fn cells() -> io::Result<Vec<Cell>> {
    fn cell<const N: usize>() -> Cell {
        let before = Count::now();
        drop(tokio::spawn(Words([0; N])));
        let counted = Count::now() - before;
        Cell {
            future: size_of::<Words<N>>() as u64,
            allocations: counted.allocations,
            bytes: counted.bytes,
        }
    }
    macro_rules! cells {
        ($($words:literal),*) => { vec![$(cell::<$words>()),*] };
    }
    runtime()?.block_on(async {
        let _ = nap::spawn().await;
        // On both sides of where it takes a line more.
        Ok(cells!(
            0, 1, 2, 3, 4, 8, 14, 15, 18, 19, 20, 34, 35, 36, 50, 51, 52, 128
        ))
    })
}

/// Says how far it is, once a second, where there are many.
struct Progress {
    of: u64,
    last: Instant,
}

impl Progress {
    fn new(of: u64) -> Self {
        Self {
            of,
            last: Instant::now(),
        }
    }

    fn at(&mut self, done: u64) {
        if self.of >= MANY && self.last.elapsed() >= Duration::from_secs(1) {
            self.last = Instant::now();
            let _ = writeln!(
                io::stderr(),
                "million-tasks: {done} of {} tasks asleep",
                self.of
            );
        }
    }
}

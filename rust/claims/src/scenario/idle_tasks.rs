//! Many tasks or threads asleep at once, and what they take of the memory of the process that has them.

use std::future::Future;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use zero_cost_ffi::machine::nap;

use crate::measure::allocations::Count;
use crate::measure::procfs;

/// What is asleep, and how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Idle {
    pub what: Sleeper,
    pub count: u64,
}

/// What is asleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sleeper {
    /// Tasks of tokio's current-thread runtime, in virtual time.
    Tasks,
    /// Threads of the operating system.
    Threads,
    /// Tasks of futures of several sizes, one of each: what is allocated for it.
    Cells,
}

impl Sleeper {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Threads => "threads",
            Self::Cells => "cells",
        }
    }
}

/// With as many, progress is printed.
pub const MANY: u64 = 100_000;

impl Idle {
    /// Has them asleep at once, and prints what they took, as JSON.
    pub(super) fn run(self) -> io::Result<()> {
        let mut out = io::stdout();
        match self.what {
            Sleeper::Tasks => serde_json::to_writer(&mut out, &tasks(self.count)?)?,
            Sleeper::Threads => serde_json::to_writer(&mut out, &threads(self.count)?)?,
            Sleeper::Cells => serde_json::to_writer(&mut out, &cells()?)?,
        }
        writeln!(out)
    }
}

/// What so many tasks or threads took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
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

fn tasks(count: u64) -> io::Result<Footprint> {
    // What is made once in a thread's life, by the first runtime.
    asleep(1)?;
    let before = Count::now();
    let taken = asleep(count)?;
    let all = Count::now() - before;
    Ok(Footprint {
        bytes_left: difference(all.bytes, all.freed),
        ..taken
    })
}

/// In a runtime of their own, which is gone afterwards.
fn asleep(count: u64) -> io::Result<Footprint> {
    let runtime = runtime()?;
    runtime.block_on(async {
        // What the runtime makes once, for the first.
        let _ = nap::spawn().await;
        tokio::task::yield_now().await;
        let alive = || runtime.metrics().num_alive_tasks() as u64;
        let mut reported = Instant::now();
        let meter = Meter::start();
        for task in 1..=count {
            drop(nap::spawn());
            if task % AT_ONCE == 0 {
                tokio::task::yield_now().await;
                if count >= MANY && reported.elapsed() >= Duration::from_secs(1) {
                    reported = Instant::now();
                    // Nothing can be done about a stderr that cannot be written.
                    let _ = writeln!(
                        io::stderr(),
                        "million-tasks: {task} of {count} tasks asleep"
                    );
                }
            }
        }
        tokio::task::yield_now().await;
        let taken = meter.taken(count, alive());
        let end = Instant::now();
        // Nobody waits: the time is virtual.
        tokio::time::sleep(Duration::from_secs(11)).await;
        Ok(Footprint {
            left: alive(),
            ended_after: end.elapsed().as_secs_f64(),
            ..taken
        })
    })
}

fn threads(count: u64) -> io::Result<Footprint> {
    let (gate, asleep) = (Mutex::new(()), AtomicU64::new(0));
    let before = Count::now();
    let (mut taken, end) = thread::scope(|scope| {
        let closed = gate.lock();
        let meter = Meter::start();
        let sleep = || {
            asleep.fetch_add(1, Ordering::Release);
            drop(gate.lock());
        };
        for number in 1..=count {
            // On an error the gate opens, or the scope would wait for ever for those that are there.
            thread::Builder::new()
                .spawn_scoped(scope, sleep)
                .map_err(|error| {
                    io::Error::new(error.kind(), format!("thread {number} of {count}: {error}"))
                })?;
        }
        while asleep.load(Ordering::Acquire) < count {
            thread::sleep(Duration::from_micros(100));
        }
        let taken = meter.taken(count, asleep.load(Ordering::Acquire));
        drop(closed);
        Ok::<_, io::Error>((taken, Instant::now()))
    })?;
    taken.ended_after = end.elapsed().as_secs_f64();
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
            resident: procfs::kib("/proc/self/status", "VmRSS:"),
            kernel_stacks: procfs::kib("/proc/meminfo", "KernelStack:"),
            count: Count::now(),
            start: Instant::now(),
        }
    }

    fn taken(self, count: u64, asleep: u64) -> Footprint {
        let asleep_after = self.start.elapsed().as_secs_f64();
        let counted = Count::now() - self.count;
        let grown = |file, field, before: Option<u64>| {
            Some(procfs::kib(file, field)?.saturating_sub(before?) * 1024)
        };
        Footprint {
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

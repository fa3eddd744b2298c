//! Many greetings at once, from tasks on 1, 2 and 8 threads, each awaited, dropped, cancelled or aborted at a random
//! point: every one is called back once, and on both sides every block that is allocated is freed.
//!
//! `STRESS=1000000 cargo test --release -p claims --test stress` does so a million times for each number of threads;
//! `STRESS_SEED` repeats a run. Which of them are cancelled depends on the scheduler too: the seed repeats the plan,
//! not the race.

#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use fastrand::Rng;
use testkit::alone::{ALONE, alone, name_of};
use tokio::runtime::Builder;
use zero_cost_ffi::greeting::Error;

use claims::measure::callback_audit::{Balance, CallbackAudit};

/// The system's, counted.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's, which keeps the contract; what is counted does not matter to it. A block that is resized stays
// one block.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        FREES.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn live() -> i128 {
    i128::from(ALLOCATIONS.load(Relaxed)) - i128::from(FREES.load(Relaxed))
}

/// A number from the environment.
fn asked(name: &str, otherwise: u64) -> u64 {
    let Ok(text) = std::env::var(name) else {
        return otherwise;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{name}={text}: not a number"))
}

#[test]
fn on_1_thread() {
    alone(|| stress(1));
}

#[test]
fn on_2_threads() {
    alone(|| stress(2));
}

#[test]
fn on_8_threads() {
    alone(|| stress(8));
}

fn stress(threads: usize) {
    let _limit = testkit::limit::seconds(600);
    let (submissions, seed) = (asked("STRESS", 20_000), asked("STRESS_SEED", 1));
    let submissions = usize::try_from(submissions).expect("64 bits");
    // Once before: what is allocated once for the process is no leak.
    let others = running();
    run(threads, 64, seed);
    wait_for(others);
    let (before, made, begun) = (live(), ALLOCATIONS.load(Relaxed), Instant::now());
    let balance = run(threads, submissions, seed);
    let took = begun.elapsed();
    assert_eq!(balance.faults, Vec::<String>::new());
    let n = submissions as u64;
    assert_eq!(
        (balance.submissions, balance.callbacks, balance.releases),
        (n, n, n)
    );
    assert_eq!(balance.allocations, balance.frees);
    let cancelled = balance.cancelled;
    assert!(
        n < 1000 || (cancelled > n / 20 && cancelled < n - n / 20),
        "no mixture: {balance:?}"
    );
    drop(balance);
    wait_for(others);
    assert_eq!(live() - before, 0, "blocks of Rust's that were not freed");
    println!(
        "{threads} threads, seed {seed}: {n} submissions, {n} callbacks, {cancelled} cancelled, {} blocks of Rust's, \
         in {took:.1?}",
        ALLOCATIONS.load(Relaxed) - made
    );
}

/// How many threads this process has.
fn running() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").expect("/proc");
    threads.count()
}

/// Waits until there are no more threads than that: one that ends still frees what it kept for itself, after C has
/// said that it called back for the last time.
fn wait_for(threads: usize) {
    let begun = Instant::now();
    while running() > threads {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{} threads, where there were {threads}",
            running()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many tasks submit.
const TASKS: usize = 64;

fn run(threads: usize, submissions: usize, seed: u64) -> Balance {
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_time()
        .build()
        .expect("a runtime");
    let audit = Arc::new(CallbackAudit::open(submissions, None));
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let share = submissions / TASKS + usize::from(task < submissions % TASKS);
        let rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(task as u64));
        tasks.push(runtime.spawn(submit(Arc::clone(&audit), share, rng)));
    }
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("no panic").expect("C starts each");
        }
    });
    // Tasks that were aborted may not have been dropped yet.
    drop(runtime);
    let audit = Arc::into_inner(audit).expect("every task is over");
    audit.settle(Duration::from_secs(60))
}

/// Submits so many, up to 16 of them at once, and does something to each.
async fn submit(audit: Arc<CallbackAudit>, share: usize, mut rng: Rng) -> Result<(), Error> {
    let mut left = share;
    while left > 0 {
        let batch = rng.usize(1..=16).min(left);
        left -= batch;
        let mut under_way = Vec::new();
        for _ in 0..batch {
            // 0: within the start. The last is not over before it is cancelled.
            let delay = match rng.u8(..) {
                0..32 => Duration::ZERO,
                32..192 => Duration::from_nanos(rng.u64(1..300_000)),
                _ => Duration::from_secs(3600),
            };
            under_way.push((audit.submit(delay)?, delay));
        }
        rng.shuffle(&mut under_way);
        for (mut submitted, delay) in under_way {
            let ends = delay < Duration::from_secs(1);
            match rng.u8(0..6) {
                // Not polled.
                0 => submitted.drop_now(),
                // Polled, perhaps several times, and dropped in between.
                1 => {
                    for _ in 0..rng.u8(1..4) {
                        if once(&mut submitted.greeting).await {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                    submitted.drop_now();
                }
                // Cancelled, and awaited.
                2 => {
                    let cancelled = submitted.greeting.cancel();
                    match (cancelled, submitted.greeting.await) {
                        (Ok(()), Err(Error::Cancelled)) | (Err(Error::UnknownHandle), Ok(_)) => {}
                        other => panic!("{other:?}"),
                    }
                }
                // In a task of its own, which is aborted at some time.
                3 => {
                    let task = tokio::spawn(submitted.greeting);
                    if rng.bool() {
                        tokio::task::yield_now().await;
                    }
                    task.abort();
                    drop(task.await);
                }
                // Awaited; with a limit, if it does not end by itself.
                _ if ends => {
                    let index = submitted.index;
                    assert_eq!(submitted.greeting.await?, index, "the answer to another");
                }
                _ => {
                    audit.must_be_cancelled(submitted.index);
                    let limit = Duration::from_micros(rng.u64(0..200));
                    let late = tokio::time::timeout(limit, submitted.greeting).await;
                    assert!(late.is_err(), "it ended after an hour");
                }
            }
        }
    }
    Ok(())
}

/// Polls it once. True when it was ready.
async fn once<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_ready())).await
}

/// Neither an invalid access nor a definite leak; that valgrind sees those is shown in tests/all/greeting_valgrind.rs.
#[test]
#[ignore = "slow: under valgrind"]
fn valgrind_has_nothing_to_say() {
    let _limit = testkit::limit::seconds(60);
    let version = Command::new("valgrind").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        return testkit::missing("valgrind", "`apt-get install valgrind`");
    }
    let output = Command::new("valgrind")
        .args([
            "--quiet",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
        ])
        .args([
            "--show-leak-kinds=definite",
            "--fair-sched=yes",
            "--error-exitcode=77",
        ])
        .arg(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", name_of(&on_2_threads), "--nocapture"])
        .envs([(ALONE, name_of(&on_2_threads)), ("STRESS", "500")])
        .output()
        .expect("valgrind runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("500 submissions, 500 callbacks"),
        "{}{stdout}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The control: with a block that is not freed the count of Rust's is not level.
#[test]
fn a_block_that_is_not_freed_is_counted() {
    alone(|| {
        let before = live();
        std::hint::black_box(Box::leak(Box::new([0; 64])));
        assert_eq!(live() - before, 1);
    });
}

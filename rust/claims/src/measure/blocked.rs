//! What else can run while tasks wait in C: called by them directly, or on threads of their own.

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Threads that run tasks.
pub const WORKERS: usize = 2;
/// As often is the bystander asked for.
pub const TICKS: u64 = 1000;
/// What is waited for comes in milliseconds, or it never does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a task calls C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallSite {
    /// In its own poll.
    Poll,
    /// On another thread, by `spawn_blocking`.
    BlockingThread,
}

/// What was found while they waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The most calls that were in C at the same time.
    pub in_c: u64,
    /// How often those in C had to be let go until all had been there.
    pub rounds: u64,
    /// What another task did while the first of them waited, of [`TICKS`].
    pub ticks: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("/proc/self/task/*/syscall does not say which threads are in read(2): {0}")]
    NoProc(io::Error),
    #[error("after {PATIENCE:?}, {0} calls were in C")]
    Stalled(u64),
}

/// Has so many tasks call C's `read` on a pipe that nobody writes to, on two workers, and lets those go that are in
/// it as soon as no more can come.
///
/// That no more can come is read off the system, not off a clock: either all are in C, or each of the workers is,
/// asleep in that system call, so that there is none left to poll a task.
pub fn in_tasks(calls: u64, site: CallSite) -> Result<Waiting, Error> {
    let (reader, mut writer) = pipe()?;
    let fd = reader.as_raw_fd();
    let polling = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .build()?;
    for _ in 0..calls {
        let (polling, done) = (Arc::clone(&polling), Arc::clone(&done));
        runtime.spawn(async move {
            polling
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread());
            match site {
                CallSite::Poll => read(fd),
                // A task that is cancelled at the end of the runtime is no error.
                CallSite::BlockingThread => {
                    let _ = tokio::task::spawn_blocking(move || read(fd)).await;
                }
            }
            done.fetch_add(1, Ordering::Release);
        });
    }
    let mut round = |found: &mut Waiting, left: u64| -> Result<(), Error> {
        let mut stalled = false;
        let inside = wait(|| {
            let inside = in_read(fd).map_err(Error::NoProc)?;
            let polling = polling.lock().unwrap_or_else(PoisonError::into_inner);
            let workers = inside.iter().filter(|id| polling.contains(id)).count();
            let inside = inside.len() as u64;
            stalled = workers == WORKERS;
            Ok((inside, stalled || inside == left))
        })?;
        if found.rounds == 0 {
            found.ticks = bystander(&runtime, stalled);
        }
        found.in_c = found.in_c.max(inside);
        found.rounds += 1;
        let before = done.load(Ordering::Acquire);
        writer.write_all(&vec![0; usize::try_from(inside).unwrap_or(0)])?;
        wait(|| {
            let back = done.load(Ordering::Acquire) - before;
            Ok((inside - back, back == inside))
        })?;
        Ok(())
    };
    let mut found = Waiting {
        in_c: 0,
        rounds: 0,
        ticks: 0,
    };
    let outcome = loop {
        match calls - done.load(Ordering::Acquire) {
            0 => break Ok(found),
            left => {
                if let Err(error) = round(&mut found, left) {
                    break Err(error);
                }
            }
        }
    };
    // Whoever still waits reads the end of the pipe.
    drop(writer);
    runtime.shutdown_timeout(PATIENCE);
    drop(reader);
    outcome
}

/// How often another task is polled while the calls wait. Where no worker is left, it is asked for all the same, and
/// looked at after a while that would do for all of it a hundred times over.
fn bystander(runtime: &tokio::runtime::Runtime, stalled: bool) -> u64 {
    let ticks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&ticks);
    runtime.spawn(async move {
        for _ in 0..TICKS {
            counted.fetch_add(1, Ordering::Release);
            tokio::task::yield_now().await;
        }
    });
    let limit = if stalled {
        Duration::from_millis(20)
    } else {
        PATIENCE
    };
    let started = Instant::now();
    while ticks.load(Ordering::Acquire) < TICKS && started.elapsed() < limit {
        std::thread::sleep(Duration::from_micros(100));
    }
    ticks.load(Ordering::Acquire)
}

/// Looks again and again how many calls are in C, until that is final.
fn wait(mut look: impl FnMut() -> Result<(u64, bool), Error>) -> Result<u64, Error> {
    let started = Instant::now();
    loop {
        match look()? {
            (in_c, true) => return Ok(in_c),
            (in_c, false) if started.elapsed() > PATIENCE => return Err(Error::Stalled(in_c)),
            _ => std::thread::sleep(Duration::from_micros(100)),
        }
    }
}

fn pipe() -> io::Result<(OwnedFd, File)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), OwnedFd::from(writer).into()))
}

/// The C call that waits.
fn read(fd: c_int) {
    let mut byte = 0_u8;
    // SAFETY: the buffer is one byte long, and lives until the call returns. What it returns is of no consequence.
    unsafe { libc::read(fd, (&raw mut byte).cast(), 1) };
}

/// The thread that asks.
fn thread() -> i32 {
    // SAFETY: it always succeeds.
    unsafe { libc::gettid() }
}

/// The threads of this process that are in read(2) of that file.
fn in_read(fd: c_int) -> io::Result<Vec<i32>> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        let line = match std::fs::read_to_string(entry.path().join("syscall")) {
            Ok(line) => line,
            // It has ended.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok());
        let file = words
            .next()
            .and_then(|word| c_int::from_str_radix(word.trim_start_matches("0x"), 16).ok());
        if number == Some(libc::SYS_read)
            && file == Some(fd)
            && let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok())
        {
            threads.push(id);
        }
    }
    Ok(threads)
}

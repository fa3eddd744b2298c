//! What it takes to create a thread or a task that does nothing, and wait for its end.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::{Error, limits, tasks};

/// Returns the time for `count` threads, one after another.
///
/// # Errors
/// Returns an error if a thread cannot be started.
pub fn threads(count: usize) -> Result<Duration, Error> {
    let start = Instant::now();
    for _ in 0..count {
        thread::scope(|scope| limits::spawn(scope, || ()).map(drop))?;
    }
    Ok(start.elapsed())
}

/// Returns the time for `count` tasks, one after another, on an existing runtime.
///
/// # Errors
/// Returns an error if the runtime cannot be built.
///
/// # Panics
/// Panics within another runtime.
pub fn tasks(count: usize) -> io::Result<Duration> {
    let runtime = Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..count {
            tasks::join(vec![tokio::spawn(async { Ok(()) })]).await?;
        }
        Ok(start.elapsed())
    })
}

//! What it takes to make a thread or a task, have it do nothing, and see it end.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::{Error, limits, tasks};

/// The time for so many threads, one after another.
///
/// # Errors
/// When one cannot be started.
pub fn threads(count: usize) -> Result<Duration, Error> {
    let start = Instant::now();
    for _ in 0..count {
        thread::scope(|scope| limits::spawn(scope, || ()).map(drop))?;
    }
    Ok(start.elapsed())
}

/// The time for so many tasks, one after another, on a runtime that is there already.
///
/// # Errors
/// When the runtime cannot be built.
///
/// # Panics
/// Within another runtime.
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

//! The task of the claim `million-tasks`: it only sleeps for ten seconds.

use std::future::Future;
use std::time::Duration;

use tokio::time::sleep;

/// Sleeps for ten seconds.
///
/// ```
/// use zero_cost_ffi::machine::{self, nap};
///
/// assert_eq!(size_of_val(&nap::nap()), size_of_val(&machine::greet())); // one sleep, one tag
/// ```
pub async fn nap() {
    sleep(Duration::from_secs(10)).await;
}

/// Spawns [`nap`] as a task.
///
/// tokio allocates one cell for it, which holds the future and what tokio keeps beside
/// it.
///
/// # Panics
/// Panics outside a runtime.
///
/// ```
/// use zero_cost_ffi::machine::nap;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
/// runtime.block_on(async { nap::spawn().await })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline(never)]
pub fn spawn() -> tokio::task::JoinHandle<()> {
    tokio::spawn(nap())
}

/// Returns the size of the future that [`nap`] returns, in bytes.
#[must_use]
pub const fn bytes() -> usize {
    const fn of<F: Future>(_: fn() -> F) -> usize {
        size_of::<F>()
    }
    of(nap)
}

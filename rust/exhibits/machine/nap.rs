//! The task of which there are a million: it sleeps ten seconds, and that is all.

use std::future::Future;
use std::time::Duration;

use tokio::time::sleep;

/// Sleeps ten seconds.
///
/// ```
/// use zero_cost_ffi::machine::{self, nap};
///
/// assert_eq!(size_of_val(&nap::nap()), size_of_val(&machine::greet())); // one sleep, one tag
/// ```
pub async fn nap() {
    sleep(Duration::from_secs(10)).await;
}

/// Makes a task of it.
///
/// What is allocated for it is tokio's cell: the future, and what tokio keeps beside
/// it.
///
/// # Panics
/// Outside a runtime.
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

/// The size of what [`nap`] returns, in bytes.
#[must_use]
pub const fn bytes() -> usize {
    const fn of<F: Future>(_: fn() -> F) -> usize {
        size_of::<F>()
    }
    of(nap)
}

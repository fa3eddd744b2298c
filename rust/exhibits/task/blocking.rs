//! A thread that may block makes the call; the task awaits that thread.
//!
//! **Choose it** for a C function that blocks, has no alternative, and is called only
//! now and then. Each call under way has a thread. tokio starts up to 512 and queues
//! further calls (`Builder::max_blocking_threads`). Calls cannot be cancelled: a call
//! that has begun runs to its end even if the future is dropped, and dropping the
//! runtime waits for it (`Runtime::shutdown_timeout` does not).

use std::ffi::{CStr, CString};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::ffi;
use crate::greeting::{Error, nanoseconds, size, text};

/// Greets `name`, which blocks a thread for `delay`. The first poll starts the call.
///
/// # Errors
/// Returns [`Error::NoRuntime`] outside tokio, and [`Error::Cancelled`] if the runtime
/// was shut down before the call began.
///
/// ```
/// use std::time::Duration;
/// use zero_cost_ffi::task::{self, blocking};
///
/// let greeting = blocking::greet(c"Ferris", Duration::from_millis(1));
/// assert_eq!(task::on_current_thread(greeting)??, c"Hi, Ferris! Bye, Ferris!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn greet(name: &CStr, delay: Duration) -> Result<CString, Error> {
    let runtime = Handle::try_current().map_err(|_| Error::NoRuntime)?;
    // Its own: what the closure has must not end with the future.
    let name = name.to_owned();
    let call = runtime.spawn_blocking(move || wait(&name, delay));
    // Only the runtime cancels it, by shutting down; C never panics.
    call.await.map_err(|_| Error::Cancelled)?
}

/// Makes the call, on the other thread.
fn wait(name: &CStr, delay: Duration) -> Result<CString, Error> {
    let mut buffer = vec![0_u8; size(name)];
    let (start, size) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: a `CStr` ends in a NUL; the buffer is ours to write, for all of its length, during the call.
    Error::check(unsafe { ffi::greeting_wait(name.as_ptr(), start, size, nanoseconds(delay)) })?;
    Ok(text(&buffer))
}

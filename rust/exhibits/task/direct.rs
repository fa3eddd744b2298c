//! The task makes the call itself.
//!
//! **Choose it** for a C function that never waits: not for I/O, not for a lock that
//! another thread may hold for long, and not by computing for more than about ten
//! microseconds. The call costs the same as outside tasks, but nothing protects the
//! other tasks of this worker from a call that does wait.

use std::ffi::{CStr, CString};

use crate::ffi;
use crate::greeting::{Error, size, text};

/// Greets `name`, without waiting.
///
/// # Errors
/// This wrapper causes none itself; it returns what C reports.
///
/// ```
/// use zero_cost_ffi::task::{self, direct};
///
/// let text = task::on_current_thread(direct::greet(c"Ferris"))??;
/// assert_eq!(text, c"Hi, Ferris! Bye, Ferris!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn greet(name: &CStr) -> Result<CString, Error> {
    let mut buffer = vec![0_u8; size(name)];
    let (start, size) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: a `CStr` ends in a NUL; the buffer is ours to write, for all of its length, during the call.
    Error::check(unsafe { ffi::greeting_now(name.as_ptr(), start, size) })?;
    Ok(text(&buffer))
}

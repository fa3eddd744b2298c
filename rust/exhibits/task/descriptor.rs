//! C makes a file descriptor readable when it is done; the runtime waits for that.
//!
//! **Choose it** for a C library made for event loops, which provides a descriptor and
//! a call that never waits (libpq, libcurl, c-ares). It needs neither a thread of C nor
//! a callback, and dropping the future cancels the work. It needs a tokio runtime with
//! I/O, and a descriptor for each greeting under way.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use crate::ffi;
use crate::greeting::{Error, nanoseconds, size, text};

/// Greets `name`, which takes `delay`. The first poll starts the greeting.
///
/// # Errors
/// Returns [`Error::NoRuntime`] outside tokio, [`Error::NoDescriptor`] if none is
/// available, [`Error::Reactor`] if the runtime cannot wait for the descriptor, and
/// [`Error::NoThread`] or [`Error::NoMemory`] if C cannot start the greeting.
///
/// # Panics
/// Panics in a runtime without I/O (`Builder::enable_io`).
///
/// ```
/// use std::time::Duration;
/// use zero_cost_ffi::task::descriptor;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
/// let text = runtime.block_on(descriptor::greet(c"Ferris", Duration::from_millis(1)))?;
/// assert_eq!(text, c"Hi, Ferris! Bye, Ferris!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn greet(name: &CStr, delay: Duration) -> Result<CString, Error> {
    // Not on a foreign thread: there `AsyncFd` would panic.
    Handle::try_current().map_err(|_| Error::NoRuntime)?;
    let open = Open::new(name, delay)?;
    // SAFETY: the descriptor is open, and is neither closed nor another's, until `open` is dropped, by `AsyncFd`.
    let registered = unsafe { AsyncFd::register_with_interest(open, Interest::READABLE) };
    let mut waiting = registered.map_err(|refused| Error::Reactor(refused.into()))?;
    // The call first: it may be done already.
    let mut result = waiting.get_ref().result();
    while let Err(Error::Pending) = result {
        let mut ready = waiting.readable_mut().await.map_err(Error::Reactor)?;
        // Its answer is what counts: readiness is a hint, which `try_io` takes back when it was wrong.
        let answer = ready.try_io(|open| match open.get_ref().result() {
            Err(Error::Pending) => Err(io::ErrorKind::WouldBlock.into()),
            answer => Ok(answer),
        });
        result = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Error::Reactor(error)),
            Err(_would_block) => Err(Error::Pending),
        };
    }
    result?;
    Ok(text(&waiting.get_ref().buffer))
}

/// A greeting under way in C. Dropping it frees it, after which C no longer uses the
/// buffer. The buffer can therefore be a field of this type.
struct Open {
    handle: ffi::greeting_handle,
    descriptor: RawFd,
    buffer: Vec<u8>,
}

impl Open {
    fn new(name: &CStr, delay: Duration) -> Result<Self, Error> {
        let mut buffer = vec![0; size(name)];
        let (mut handle, mut descriptor) = (0, -1);
        // SAFETY: a `CStr` ends in a NUL; the buffer is neither used nor released before the greeting is over: `drop`.
        Error::check(unsafe {
            ffi::greeting_open(
                name.as_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                nanoseconds(delay),
                &raw mut descriptor,
                &raw mut handle,
            )
        })?;
        Ok(Self {
            handle,
            descriptor,
            buffer,
        })
    }

    /// Returns how the greeting ended, or that it is still under way.
    fn result(&self) -> Result<(), Error> {
        // SAFETY: it has no precondition: handles are checked.
        Error::check(unsafe { ffi::greeting_result(self.handle) })
    }
}

impl AsRawFd for Open {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor
    }
}

impl Drop for Open {
    /// `AsyncFd` deregisters the descriptor first. If it were closed before that, its
    /// number might already belong to another file when it is deregistered.
    fn drop(&mut self) {
        // SAFETY: it has no precondition: handles are checked.
        let _ = unsafe { ffi::greeting_free(self.handle) };
    }
}

//! C calls back on its own thread when it is done; the task sleeps until then.
//!
//! **Choose it** if the C library offers completion callbacks. Nothing blocks,
//! thousands may be under way at once, dropping the future cancels the C work, and
//! any runtime will do, or none. It takes the most code: this file.
//!
//! It must handle the following:
//! - What C borrows must outlive the future, which may be dropped at any time. The
//!   buffer is in a box (`Lent`) that C owns from the start until its callback.
//! - The callback may run before the first poll, inside the start function, while
//!   another thread polls the task, or after the future was dropped: see `Exchange`.
//! - A panic must not cross C. The callback (`over`) catches it, and it continues
//!   where the task awaits.

use std::any::Any;
use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::exchange::Exchange;
use crate::ffi;
use crate::greeting::{Error, nanoseconds, size};

/// Starts the greeting of `name`, which takes `delay`. C is already at work when
/// this returns; the future only waits for it.
///
/// # Errors
/// Returns [`Error::NoThread`] or [`Error::NoMemory`] if C cannot start it.
///
/// ```
/// use std::time::Duration;
/// use futures::executor::block_on;
/// use zero_cost_ffi::task::callback;
///
/// let greeting = callback::greet(c"Ferris", Duration::from_millis(1))?;
/// assert_eq!(block_on(greeting)?, c"Hi, Ferris! Bye, Ferris!");
/// # Ok::<(), zero_cost_ffi::greeting::Error>(())
/// ```
pub fn greet(name: &CStr, delay: Duration) -> Result<Greeting<CString>, Error> {
    greet_then(name, delay, vec![0; size(name)], CStr::to_owned)
}

/// Starts a greeting in a `buffer` that the caller provides, and has C's thread call
/// `then` with the text.
///
/// While `then` runs, no other greeting completes. If the greeting is cancelled,
/// `then` is dropped without being called. `then` and the buffer are dropped on C's
/// thread, before the future is ready.
///
/// # Errors
/// Returns [`Error::TooSmall`] if the greeting does not fit into the buffer, and
/// otherwise the errors of [`greet`]. `then` is dropped in this case.
///
/// # Panics
/// The future panics with the panic of `then` if `then` panicked.
///
/// ```
/// use std::time::Duration;
/// use futures::executor::block_on;
/// use zero_cost_ffi::task::callback;
///
/// let greeting = callback::greet_then(c"you", Duration::ZERO, vec![0; 19], |text| text.count_bytes())?;
/// assert_eq!(block_on(greeting)?, 18);
/// # Ok::<(), zero_cost_ffi::greeting::Error>(())
/// ```
pub fn greet_then<T, F>(
    name: &CStr,
    delay: Duration,
    buffer: Vec<u8>,
    then: F,
) -> Result<Greeting<T>, Error>
where
    T: Send + 'static,
    F: FnOnce(&CStr) -> T + Send + 'static,
{
    let start = |buffer, size, callback, user_data| {
        let mut handle = 0;
        // SAFETY: a `CStr` ends in a NUL and C copies it; the rest is as C asks for: `greet_by`.
        let status = unsafe {
            ffi::greeting_start(
                name.as_ptr(),
                buffer,
                size,
                nanoseconds(delay),
                callback,
                user_data,
                &raw mut handle,
            )
        };
        Error::check(status).map(|()| handle)
    };
    // SAFETY: `greeting_start` promises what is asked for, in c/greeting.h.
    unsafe { greet_by(start, buffer, then) }
}

/// Does the same with another C function. `start` receives what is lent to C, a
/// callback and the pointer for it, and returns the handle for cancelling.
///
/// # Errors
/// Returns the error of `start`.
///
/// # Safety
/// If `start` returns `Ok`, the callback is called exactly once with that pointer,
/// at any time, on any thread. If it is called with `GREETING_OK`, the buffer holds
/// a NUL-terminated text. The buffer is not used after that. If `start` returns an
/// error, the callback is never called and the buffer is not used.
pub unsafe fn greet_by<T, F>(
    start: impl FnOnce(
        *mut c_char,
        usize,
        ffi::greeting_callback,
        *mut c_void,
    ) -> Result<ffi::greeting_handle, Error>,
    buffer: Vec<u8>,
    then: F,
) -> Result<Greeting<T>, Error>
where
    T: Send + 'static,
    F: FnOnce(&CStr) -> T + Send + 'static,
{
    let exchange = Arc::new(Exchange::new());
    // In parts: while C has the bytes, no value here may claim to own them.
    let (bytes, length, capacity) = buffer.into_raw_parts();
    let lent = Box::into_raw(Box::new(Lent {
        bytes,
        length,
        capacity,
        then: Some(then),
        exchange: Arc::clone(&exchange),
    }));
    match start(bytes.cast(), length, Some(over::<T, F>), lent.cast()) {
        Ok(handle) => Ok(Greeting { exchange, handle }),
        Err(error) => {
            // SAFETY: it came from `Box::into_raw`, and C never had it.
            drop(unsafe { Box::from_raw(lent) });
            Err(error)
        }
    }
}

/// What C owns until its callback: the buffer that it writes to, and what to do then.
struct Lent<T, F> {
    /// The three parts of a `Vec<u8>`.
    bytes: *mut u8,
    length: usize,
    capacity: usize,
    then: Option<F>,
    exchange: Arc<Exchange<Outcome<T>>>,
}

impl<T, F> Drop for Lent<T, F> {
    fn drop(&mut self) {
        // SAFETY: the parts of a `Vec` that nothing else drops.
        drop(unsafe { Vec::from_raw_parts(self.bytes, self.length, self.capacity) });
    }
}

/// What the task receives: how the greeting ended, or the panic of the closure.
type Outcome<T> = Result<Result<T, Error>, Box<dyn Any + Send>>;

/// The callback, which C calls when the greeting is over.
///
/// # Safety
/// `user_data` is a `Box<Lent<T, F>>` whose ownership passes to this function. With
/// `GREETING_OK`, its buffer holds a NUL-terminated text.
unsafe extern "C" fn over<T, F>(status: ffi::greeting_status, user_data: *mut c_void)
where
    F: FnOnce(&CStr) -> T,
{
    // Unwinding out of an `extern "C"` function aborts the process, and code that is
    // not ours runs here: the closure, and what is dropped or woken.
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's promise.
        let mut lent = unsafe { Box::from_raw(user_data.cast::<Lent<T, F>>()) };
        let (then, exchange) = (lent.then.take(), Arc::clone(&lent.exchange));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            Error::check(status)?;
            // SAFETY: it holds a NUL-terminated text, which stays until `lent` is dropped.
            let text = unsafe { CStr::from_ptr(lent.bytes.cast()) };
            then.map(|then| then(text)).ok_or(Error::Gone)
        }));
        // First: whoever is told that it is over may count what is left.
        drop(lent);
        // Nobody waits: the outcome is dropped here, on C's thread.
        drop(exchange.complete(outcome));
    }));
    if let Err(panic) = result {
        // A destructor or a waker panicked. Nobody is there to be told; to drop it could panic again.
        std::mem::forget(panic);
    }
}

/// A greeting under way in C. Dropping it cancels the greeting.
///
/// It needs no particular runtime. It wakes the task that polled it last.
pub struct Greeting<T> {
    exchange: Arc<Exchange<Outcome<T>>>,
    handle: ffi::greeting_handle,
}

impl<T> Greeting<T> {
    /// Cancels the greeting: C ends it now, and it becomes ready with [`Error::Cancelled`].
    ///
    /// # Errors
    /// Returns [`Error::UnknownHandle`] if the greeting is already over, and
    /// [`Error::Cancelled`] if it was cancelled before.
    ///
    /// ```
    /// use std::time::Duration;
    /// use futures::executor::block_on;
    /// use zero_cost_ffi::{greeting::Error, task::callback};
    ///
    /// let greeting = callback::greet(c"Ferris", Duration::from_secs(60))?;
    /// greeting.cancel()?;
    /// assert!(matches!(block_on(greeting), Err(Error::Cancelled)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cancel(&self) -> Result<(), Error> {
        // SAFETY: it has no precondition: handles are checked.
        Error::check(unsafe { ffi::greeting_cancel(self.handle) })
    }
}

impl<T> Future for Greeting<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.exchange.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(result)) => Poll::Ready(result),
            Poll::Ready(Err(panic)) => resume_unwind(panic),
        }
    }
}

impl<T> Drop for Greeting<T> {
    fn drop(&mut self) {
        // Only what is to come: another greeting cannot have the handle of one that is over, but why ask.
        if self.exchange.close() {
            // Too late is no error: then the callback runs, or has run, and finds nobody waiting.
            let _ = self.cancel();
        }
    }
}

impl<T> fmt::Debug for Greeting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Greeting")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

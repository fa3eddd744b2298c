//! One dedicated thread makes all calls; tasks send it requests.
//!
//! **Choose it** for a C library that is tied to a thread: it has state in thread-local
//! variables, or handles that only their creating thread may use (GUI toolkits, OpenGL,
//! COM, many drivers). The thread makes the calls one after another, in the order of the
//! requests. Dropping a future cancels its call if the call has not begun.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use super::exchange::Exchange;
use crate::ffi;
use crate::greeting::{Error, size, text};

/// A greeter with its own thread. Clones share the thread.
///
/// The thread ends when the last clone is dropped and all requests are answered.
#[derive(Debug, Clone)]
pub struct Host {
    requests: Sender<Request>,
}

impl Host {
    /// Starts the thread, and creates C's host on it.
    ///
    /// # Errors
    /// Returns [`Error::Thread`] if the thread cannot be started.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use zero_cost_ffi::task::dedicated::Host;
    ///
    /// let host = Host::new()?;
    /// assert_eq!(block_on(host.greet(c"you"))?, (c"Hi, you! Bye, you!".to_owned(), 1));
    /// assert_eq!(block_on(host.greet(c"all"))?.1, 2);
    /// # Ok::<(), zero_cost_ffi::greeting::Error>(())
    /// ```
    pub fn new() -> Result<Self, Error> {
        let (requests, received) = mpsc::channel::<Request>();
        thread::Builder::new()
            .name("host".to_owned())
            .spawn(move || {
                let mut bound = Bound::new();
                for request in received {
                    request.answer(bound.as_mut());
                }
            })
            .map_err(Error::Thread)?;
        Ok(Self { requests })
    }

    /// Greets `name`. Returns the greeting and its number, counted from 1. The request is
    /// sent at once; the future only waits for the answer.
    ///
    /// # Errors
    /// Returns [`Error::NoMemory`] if C could not create its host, and [`Error::Gone`] if
    /// the thread has ended.
    pub fn greet(
        &self,
        name: &CStr,
    ) -> impl Future<Output = Result<(CString, u64), Error>> + Send + 'static {
        let answer = Arc::new(Exchange::new());
        let request = Request {
            name: name.to_owned(),
            answer: Arc::clone(&answer),
        };
        let sent = self.requests.send(request);
        let waiting = Waiting(answer);
        async move {
            sent.map_err(|_| Error::Gone)?;
            std::future::poll_fn(|cx| waiting.0.poll(cx)).await
        }
    }
}

type Answer = Result<(CString, u64), Error>;

/// A requested call, and where the task waits for its answer.
#[derive(Debug)]
struct Request {
    name: CString,
    answer: Arc<Exchange<Answer>>,
}

impl Request {
    fn answer(self, bound: Option<&mut Bound>) {
        if self.answer.is_closed() {
            return; // nobody waits any more
        }
        let answer = match bound {
            Some(bound) => bound.greet(&self.name),
            None => Err(Error::NoMemory),
        };
        // A waker is code that is not ours. What it does must not end this thread.
        let told = catch_unwind(AssertUnwindSafe(|| self.answer.complete(answer)));
        drop(told);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // Not answered: the thread has ended, or could not.
        drop(self.answer.complete(Err(Error::Gone)));
    }
}

/// Closes the exchange when dropped, so that the thread knows that nobody waits.
struct Waiting(Arc<Exchange<Answer>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// C's host, on the thread that it belongs to. It is neither `Send` nor `Sync`, so
/// the compiler keeps it there, as C requires.
///
/// ```compile_fail,E0277
/// fn on_any_thread<T: Send>() {}
/// on_any_thread::<zero_cost_ffi::task::dedicated::Bound>();
/// ```
///
/// ```
/// use zero_cost_ffi::task::dedicated::Bound;
///
/// let mut host = Bound::new().expect("memory");
/// assert_eq!(host.greet(c"you")?.1, 1);
/// # Ok::<(), zero_cost_ffi::greeting::Error>(())
/// ```
#[derive(Debug)]
pub struct Bound {
    host: NonNull<ffi::greeting_host>,
    /// A raw pointer is not `Send` anyway; this field says that it is intended.
    _bound: PhantomData<*mut ()>,
}

impl Bound {
    /// Creates a host that belongs to this thread. Returns `None` if memory is exhausted.
    #[must_use]
    pub fn new() -> Option<Self> {
        // SAFETY: it has no precondition.
        let host = NonNull::new(unsafe { ffi::greeting_host_new() })?;
        Some(Self {
            host,
            _bound: PhantomData,
        })
    }

    /// Greets `name`. Returns the greeting and its number on this host, counted from 1.
    ///
    /// # Errors
    /// This wrapper causes none itself; it returns what C reports.
    pub fn greet(&mut self, name: &CStr) -> Result<(CString, u64), Error> {
        let mut buffer = vec![0_u8; size(name)];
        let mut served = 0;
        // SAFETY: the host is alive until `drop`, and this is its thread, which it cannot leave; a `CStr` ends in a
        // NUL; the buffer is ours to write, for all of its length, during the call.
        Error::check(unsafe {
            ffi::greeting_host_greet(
                self.host.as_ptr(),
                name.as_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut served,
            )
        })?;
        Ok((text(&buffer), served))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // SAFETY: it came from `greeting_host_new`, on this thread, and is released once.
        let _ = unsafe { ffi::greeting_host_free(self.host.as_ptr()) };
    }
}

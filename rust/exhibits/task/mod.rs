//! The same calls, inside `async` code.
//!
//! An `async fn` is compiled to a state machine, whose `poll` is the function's body.
//! It is a function like any other, on the stack of the thread that polls it, so a
//! call in it is made as it is elsewhere. Its symbol in the image is that of the
//! function followed by `::{{closure}}` (`::{closure#0}` in v0 mangling).
//!
//! A task has a cost per poll, not per call.
//!
//! This file has the calls on show. The modules have the ways in which a task waits
//! for C, one file each, all for the same greeting:
//!
//! | module | the C library offers | the worker thread | dropping the future |
//! | --- | --- | --- | --- |
//! | [`direct`] | a call that never waits | makes the call | nothing to cancel |
//! | [`blocking`] | a call that blocks | stays free: another thread blocks | cancels nothing |
//! | [`callback`] | a callback, on C's thread | stays free | cancels |
//! | [`descriptor`] | a file descriptor to wait for | stays free | cancels |
//! | [`dedicated`] | an object tied to one thread | stays free: that thread calls | cancels calls that have not begun |

#[cfg(target_os = "linux")]
pub mod blocking;
#[cfg(target_os = "linux")]
pub mod callback;
#[cfg(target_os = "linux")]
pub mod dedicated;
#[cfg(target_os = "linux")]
pub mod descriptor;
#[cfg(target_os = "linux")]
pub mod direct;
#[cfg(target_os = "linux")]
mod exchange;

use std::future::Future;
use std::io;
use std::pin::Pin;
#[cfg(target_os = "linux")]
use std::sync;
use std::task::{Context, Poll};

use crate::ffi;

/// Calls without ever suspending: the first poll is the last.
///
/// *Its machine code* (of `poll`): it checks the state, then calls.
///
/// ```
/// use zero_cost_ffi::task;
///
/// task::on_current_thread(task::say_ready())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn say_ready() {
    // SAFETY: the literal is NUL-terminated; `puts` only reads it.
    unsafe { libc::puts(c"Hello, ready".as_ptr()) };
}

/// Suspends first: the second poll makes the call, perhaps on another thread than
/// the first.
///
/// *Its machine code* (of `poll`): it branches on the state; the call is in the part
/// that resumes.
///
/// ```
/// use zero_cost_ffi::task;
///
/// task::on_multi_thread(task::say_after_yield())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn say_after_yield() {
    YieldOnce { yielded: false }.await;
    // SAFETY: the literal is NUL-terminated; `puts` only reads it.
    unsafe { libc::puts(c"Hello, resumed".as_ptr()) };
}

/// Calls a function of a static C library with an argument that the task holds.
///
/// *Its machine code* (of `poll`): it reads the argument from the state, calls, and
/// writes the result to where `Poll` holds it.
///
/// ```
/// use zero_cost_ffi::task;
///
/// assert_eq!(task::on_multi_thread(task::add_one_in_task(41))?, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn add_one_in_task(value: i64) -> i64 {
    // SAFETY: it has no precondition.
    unsafe { ffi::greet_add_one(value) }
}

/// Returns the address that C returns to: the one after the call instruction.
///
/// Run as a task, it shows which instruction of the image made the call. That
/// instruction is in this `poll`, or in a function of tokio into which this `poll`
/// was inlined, as happens in optimised builds. If the future is boxed as a
/// `dyn Future`, its `poll` cannot be inlined. Returns 0 if C cannot tell.
///
/// *Its machine code* (of `poll`): a call that returns here, since the state must
/// still be written.
///
/// ```
/// use zero_cost_ffi::task;
///
/// let executed = task::on_multi_thread(task::return_address())?;
/// assert_ne!(executed, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn return_address() -> usize {
    // SAFETY: it has no precondition.
    unsafe { ffi::greet_return_address() }.addr()
}

/// Runs `future` as a task of tokio's current-thread runtime, on this thread, and
/// returns what it returned.
///
/// # Errors
/// Returns an error if the runtime cannot be built.
///
/// # Panics
/// Panics with the task's panic if the task panics, and within another runtime.
///
/// ```
/// use std::thread;
/// use zero_cost_ffi::task;
///
/// let polled_on = task::on_current_thread(async { thread::current().id() })?;
/// assert_eq!(polled_on, thread::current().id());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn on_current_thread<F>(future: F) -> io::Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    run(tokio::runtime::Builder::new_current_thread(), future)
}

/// Runs `future` as a task of tokio's multi-thread runtime, on its one worker
/// thread, and returns what it returned.
///
/// # Errors
/// Returns an error if the runtime cannot be built.
///
/// # Panics
/// Panics with the task's panic if the task panics, and within another runtime.
///
/// ```
/// use std::thread;
/// use zero_cost_ffi::task;
///
/// let polled_on = task::on_multi_thread(async { thread::current().id() })?;
/// assert_ne!(polled_on, thread::current().id());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn on_multi_thread<F>(future: F) -> io::Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1);
    run(runtime, future)
}

fn run<F>(mut runtime: tokio::runtime::Builder, future: F) -> io::Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = runtime.build()?;
    // Spawned: what `block_on` is given itself is no task, and no worker polls it.
    let task = runtime.spawn(future);
    Ok(match runtime.block_on(task) {
        Ok(output) => output,
        // Not cancelled: nothing aborts the task, and the runtime is alive.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    })
}

/// A future that is pending once, then ready.
struct YieldOnce {
    yielded: bool,
}

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        // Before returning: a pending future that nothing wakes is never polled again.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

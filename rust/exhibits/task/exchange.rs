//! The state machine of [`callback`](super::callback), through which a thread passes
//! a result to the task that waits for it.
//!
//! One side completes it, once; the other polls it. Neither waits for the other. It
//! depends on no runtime and on no C, and takes its lock from the parent module, so
//! that `tests/all/loom.rs` can run it unchanged under a model checker.

use std::task::{Context, Poll, Waker};

use super::sync::Mutex;

/// An exchange is empty, then waited for, then full, then taken; or full at once.
#[derive(Debug)]
pub struct Exchange<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
enum State<T> {
    /// There is no result yet, and nobody to wake.
    Empty,
    /// There is no result yet; wake this waker.
    Waiting(Waker),
    /// There is a result that nobody has taken.
    Full(T),
    /// The result was taken, or will never be; there is nobody to wake.
    Closed,
}

impl<T> Exchange<T> {
    /// Creates an empty exchange.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::Empty),
        }
    }

    /// Stores the result and wakes the waiting task. If nobody will take the result,
    /// returns it, so that the caller can drop it without the lock.
    ///
    /// # Errors
    /// Returns the result if the exchange is closed.
    pub fn complete(&self, result: T) -> Result<(), T> {
        let waiting = {
            let mut state = self.lock();
            if matches!(*state, State::Closed | State::Full(_)) {
                return Err(result);
            }
            std::mem::replace(&mut *state, State::Full(result))
        };
        // After unlocking: a waker may poll at once, on this very thread.
        if let State::Waiting(waker) = waiting {
            waker.wake();
        }
        Ok(())
    }

    /// Takes the result, or stores the waker, which replaces an earlier one.
    ///
    /// # Panics
    /// Panics if the result was taken before, as futures do.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        // Before locking: cloning a waker runs code that is not ours.
        let waker = cx.waker().clone();
        let before = {
            let mut state = self.lock();
            match &*state {
                State::Empty | State::Waiting(_) => {
                    std::mem::replace(&mut *state, State::Waiting(waker))
                }
                State::Full(_) | State::Closed => std::mem::replace(&mut *state, State::Closed),
            }
        };
        // The waker that is replaced is dropped here, after unlocking.
        match before {
            State::Empty | State::Waiting(_) => Poll::Pending,
            State::Full(result) => Poll::Ready(result),
            State::Closed => panic!("polled after it was ready"),
        }
    }

    /// Closes the exchange: nobody will take the result. Returns whether it was still to come.
    pub fn close(&self) -> bool {
        let before = std::mem::replace(&mut *self.lock(), State::Closed);
        // A waker or a result is dropped here, after unlocking.
        matches!(before, State::Empty | State::Waiting(_))
    }

    /// Returns whether the exchange is closed.
    pub fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed)
    }

    fn lock(&self) -> super::sync::MutexGuard<'_, State<T>> {
        // Nothing that can panic runs while it is locked.
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

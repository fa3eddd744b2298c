//! Where the thread that has a result and the task that waits for it meet: the
//! state machine of [`callback`](super::callback), and nothing of C.
//!
//! One side completes it, once; the other polls it. Neither waits for the other. It
//! knows no runtime and no C, and takes its lock from the module above, so that
//! `tests/all/loom.rs` can put it under a model checker as it stands.

use std::task::{Context, Poll, Waker};

use super::sync::Mutex;

/// Empty, then waited for, then full, then taken; or full at once.
#[derive(Debug)]
pub struct Exchange<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
enum State<T> {
    /// No result yet, and nobody to be told.
    Empty,
    /// No result yet; this one is to be told.
    Waiting(Waker),
    /// A result that nobody has taken.
    Full(T),
    /// It was taken, or will not be: nobody is to be told.
    Closed,
}

impl<T> Exchange<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::Empty),
        }
    }

    /// Leaves the result, and wakes who waits for it. Gives it back if nobody will
    /// take it, so that it is dropped by whom the caller chooses, under no lock.
    ///
    /// # Errors
    /// The result, when the exchange is closed.
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

    /// Takes the result, or leaves word whom to wake: always the last who asked.
    ///
    /// # Panics
    /// When the result was taken before, as futures do.
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

    /// Says that nobody will take the result. True if it was still to come.
    pub fn close(&self) -> bool {
        let before = std::mem::replace(&mut *self.lock(), State::Closed);
        // A waker or a result is dropped here, after unlocking.
        matches!(before, State::Empty | State::Waiting(_))
    }

    /// Whether nobody will take a result any more.
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

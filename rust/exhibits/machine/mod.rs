//! The talk's `greet()`, three ways: the machine that the compiler makes of an `async
//! fn`, the same machine written by hand, and the one on the slide.
//!
//! The first two behave alike. The slide's machine returns [`Poll::Pending`] without
//! having polled what it waits for, so nothing knows whom to wake: it says "Hi!" and
//! never "Bye!". It breaks the contract of [`Future::poll`]: a future that returns
//! `Pending` must have arranged that the waker will be called.
//!
//! [`kept`] shows what else a future keeps while it waits; [`nap`] has the task of the
//! claim `million-tasks`.

pub mod kept;
pub mod nap;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// The slide's `async fn`, from which the compiler makes the machine.
///
/// *Its machine code* (of `poll`): a jump on the state, then the parts of the body.
///
/// ```
/// use zero_cost_ffi::machine::greet;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
/// runtime.block_on(greet()); // Hi! Bye!
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn greet() {
    println!("Hi!");
    sleep(Duration::from_secs(1)).await;
    println!("Bye!");
}

/// The same machine, written by hand: the slide's `enum`, with a `poll` that keeps
/// the contract.
///
/// *Its machine code* (of `poll`): the same jump, on a state without a separate tag:
/// the state is encoded in values that a `Sleep` never has.
///
/// ```
/// use zero_cost_ffi::machine::Greet;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
/// runtime.block_on(Greet::Init); // Hi! Bye!
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub enum Greet {
    /// Nothing was said yet.
    Init,
    /// "Hi!" was said; waiting.
    Wait1(Sleep),
    /// "Bye!" was said.
    Done,
}

impl Future for Greet {
    type Output = ();

    /// # Panics
    /// Panics if polled after it was done, as the compiler's machine does.
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // SAFETY: nothing is moved out of here, and the sleep is pinned again at once: it stays where it is
            // until it is dropped in place, by `set` below or with the machine.
            match unsafe { self.as_mut().get_unchecked_mut() } {
                Self::Init => {
                    println!("Hi!");
                    self.set(Self::Wait1(sleep(Duration::from_secs(1))));
                    // Not `Pending`: on to the sleep, which only knows whom to wake once it was polled.
                }
                Self::Wait1(sleep) => {
                    // SAFETY: as above.
                    ready!(unsafe { Pin::new_unchecked(sleep) }.poll(cx));
                    println!("Bye!");
                    self.set(Self::Done);
                    return Poll::Ready(());
                }
                Self::Done => panic!("Contract violation"),
            }
        }
    }
}

/// The slide's `poll`, word for word, except for the syntax that it calls fake.
///
/// Do not await it: it never wakes.
///
/// *Its machine code* (of `poll`): shorter, since the part that says "Hi!" returns.
///
/// ```
/// use std::time::Duration;
/// use tokio::time::timeout;
/// use zero_cost_ffi::machine::GreetOnSlide;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
/// let bye = runtime.block_on(async {
///     let task = tokio::spawn(GreetOnSlide::Init); // Hi!
///     timeout(Duration::from_secs(3600), task).await
/// });
/// assert!(bye.is_err()); // not within an hour
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub enum GreetOnSlide {
    /// Nothing was said yet.
    Init,
    /// "Hi!" was said; waiting for what was never asked.
    Wait1(Sleep),
    /// "Bye!" was said.
    Done,
}

impl Future for GreetOnSlide {
    type Output = ();

    /// # Panics
    /// Panics if polled after it was done.
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: as for `Greet`.
        match unsafe { self.as_mut().get_unchecked_mut() } {
            Self::Init => {
                println!("Hi!");
                self.set(Self::Wait1(sleep(Duration::from_secs(1))));
                Poll::Pending
            }
            Self::Wait1(sf) => {
                // The slide's `sf.poll(cx)?; // … (fake syntax)`.
                // SAFETY: as for `Greet`.
                ready!(unsafe { Pin::new_unchecked(sf) }.poll(cx));
                println!("Bye!");
                self.set(Self::Done);
                Poll::Ready(())
            }
            Self::Done => panic!("Contract violation"),
        }
    }
}

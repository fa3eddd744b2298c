//! What a future keeps: functions with the same buffer, which differ in whether the
//! buffer is part of the future while it waits.
//!
//! The rule: a future holds the *union* of what is stored across each of its awaits
//! (values that are not alive at the same time share bytes), and a tag for the await
//! that it has reached. Two exceptions cost memory, and are known to the compiler's
//! developers: an argument by value is stored twice (rust-lang/rust#62958), so that
//! each `async fn` around a future doubles it; and a value that was borrowed is stored
//! to the end of its scope, even if it was dropped or moved before
//! (rust-lang/rust#94067, rust-lang/rust#96084).
//!
//! Each of these futures waits in [`Pause`], which has one byte, and passes its buffer
//! to [`note`]. [`buffer_offset`] then returns where in the future the buffer lies.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// The length of the buffer, in bytes.
pub const KIB: usize = 1024;

/// A buffer that cannot be copied and has a destructor, like most values.
#[derive(Debug)]
pub struct Buffer([u8; KIB]);

impl Buffer {
    /// Creates a buffer that is filled with `byte`.
    #[must_use]
    pub const fn filled(byte: u8) -> Self {
        Self([byte; KIB])
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.0[0] = 0;
    }
}

/// The buffer is alive across the await: it is in the future.
pub async fn held() {
    let buffer = Buffer::filled(1);
    note(&buffer);
    Pause::default().await;
    note(&buffer);
}

/// The buffer's scope ends before the await: it is not in the future.
pub async fn scoped() {
    {
        let buffer = Buffer::filled(2);
        note(&buffer);
    }
    Pause::default().await;
}

/// The buffer is dropped before the await, after it was borrowed: its bytes are still
/// in the future, but unused. Another byte says that the buffer was dropped.
pub async fn dropped() {
    let buffer = Buffer::filled(3);
    note(&buffer);
    drop(buffer);
    Pause::default().await;
}

/// Two buffers, each alive across another await: they share their bytes.
pub async fn in_turn() {
    {
        let first = Buffer::filled(4);
        note(&first);
        Pause::default().await;
        note(&first);
    }
    {
        let second = Buffer::filled(5);
        note(&second);
        Pause::default().await;
        note(&second);
    }
}

/// Two buffers that are alive across the same await: both are in the future.
pub async fn at_once() {
    let first = Buffer::filled(6);
    let second = Buffer::filled(7);
    note(&first);
    note(&second);
    Pause::default().await;
    note(&first);
    note(&second);
}

/// A buffer as an argument by value: it is stored twice, as passed and as used.
pub async fn argument(buffer: Buffer) {
    note(&buffer);
    Pause::default().await;
    note(&buffer);
}

/// A future within a future: the inner one is stored twice, as any argument by value.
pub async fn wrap<F: Future>(inner: F) -> F::Output {
    inner.await
}

/// Three wrappers around the buffer: it is stored eight times, since each doubles it.
pub fn wrapped() -> impl Future<Output = ()> {
    wrap(wrap(wrap(held())))
}

/// The buffer is on the heap: the future holds only a pointer.
pub async fn boxed() {
    Box::pin(held()).await;
}

/// A future of one byte that is pending once, then ready.
#[derive(Debug, Default)]
pub struct Pause {
    paused: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.paused {
            return Poll::Ready(());
        }
        self.paused = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

thread_local! {
    static NOTED: Cell<usize> = const { Cell::new(0) };
}

/// Reads a buffer, and records its address.
#[inline(never)]
pub fn note(buffer: &Buffer) {
    NOTED.set(buffer.0.as_ptr().addr());
}

/// Polls a future once, and returns the offset in bytes of the buffer that it passed to
/// [`note`] last. Returns `None` if the buffer is not in the future, but on the stack of
/// the thread that polls, or on the heap.
///
/// ```
/// use zero_cost_ffi::machine::kept;
///
/// assert_eq!(kept::buffer_offset(kept::scoped()), None);
/// assert!(kept::buffer_offset(kept::held()).is_some());
/// ```
#[must_use]
pub fn buffer_offset<F: Future>(future: F) -> Option<usize> {
    let future = pin!(future);
    let start = (&raw const *future).addr();
    NOTED.set(0);
    let _ = future.poll(&mut Context::from_waker(Waker::noop()));
    let offset = NOTED.get().checked_sub(start)?;
    (offset + KIB <= size_of::<F>()).then_some(offset)
}

//! What a future keeps: the same buffer, written in ways that differ in whether it
//! is part of the future while that waits.
//!
//! The rule: a future holds the *union* of what is stored across each of its awaits
//! (what is not alive at the same time shares its bytes), and a tag that says at
//! which await it is. Two exceptions cost memory, and are known to the compiler's
//! makers: an argument by value is stored twice (rust-lang/rust#62958), so that each
//! `async fn` around a future doubles it; and what was borrowed is stored to the end
//! of its scope, though it was dropped or moved before (rust-lang/rust#94067,
//! rust-lang/rust#96084).
//!
//! Each of these futures waits in [`Pause`], one byte, and shows its buffer to
//! [`note`]. [`buffer_offset`] then tells where in the future it lies.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// The length of the buffer, in bytes.
pub const KIB: usize = 1024;

/// A buffer, which cannot be copied, and is dropped: as most things are.
#[derive(Debug)]
pub struct Buffer([u8; KIB]);

impl Buffer {
    /// A buffer that is filled with `byte`.
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

/// Alive across the await: it is in the future.
pub async fn held() {
    let buffer = Buffer::filled(1);
    note(&buffer);
    Pause::default().await;
    note(&buffer);
}

/// Gone at the await, with its scope: it is not in the future.
pub async fn scoped() {
    {
        let buffer = Buffer::filled(2);
        note(&buffer);
    }
    Pause::default().await;
}

/// Gone at the await, but by `drop`, after it was borrowed: its bytes are still in
/// the future, and hold nothing. A byte beside them says that it is gone.
pub async fn dropped() {
    let buffer = Buffer::filled(3);
    note(&buffer);
    drop(buffer);
    Pause::default().await;
}

/// Two buffers, each alive across an await of its own: they share their bytes.
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

/// Two buffers, alive across the same await: both are in the future.
pub async fn at_once() {
    let first = Buffer::filled(6);
    let second = Buffer::filled(7);
    note(&first);
    note(&second);
    Pause::default().await;
    note(&first);
    note(&second);
}

/// An argument by value: once as what was passed, once as the body's own.
pub async fn argument(buffer: Buffer) {
    note(&buffer);
    Pause::default().await;
    note(&buffer);
}

/// A future within a future: the inner one twice, as any argument by value.
pub async fn wrap<F: Future>(inner: F) -> F::Output {
    inner.await
}

/// Three wrappers deep: eight times the buffer, since each doubles.
pub fn wrapped() -> impl Future<Output = ()> {
    wrap(wrap(wrap(held())))
}

/// On the heap: the future holds the pointer.
pub async fn boxed() {
    Box::pin(held()).await;
}

/// Is not ready at first; then it is. One byte.
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

/// Reads a buffer, and notes where it is.
#[inline(never)]
pub fn note(buffer: &Buffer) {
    NOTED.set(buffer.0.as_ptr().addr());
}

/// Polls a future once, and returns how many bytes from its start the buffer lies
/// that it noted last. `None` where that is outside: the buffer is not in the future,
/// but on the stack of whoever polls, or on the heap.
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

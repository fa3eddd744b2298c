//! The call itself, in every shape that the compiler gives it.
//!
//! `puts` comes from a shared library, `greet_*` from a static one. Which
//! instruction makes the call depends on that, on the target and on how the image
//! is linked. On x86-64 Linux it is one instruction in every case by default.

use std::ffi::{CStr, c_int};

use crate::ffi;

/// The talk's one line, with `.cast()` for `as *const i8`, so that it compiles
/// where `char` is unsigned.
///
/// *Its machine code:* it loads the address of the text into the argument register,
/// then calls. Nothing follows, so the call is a **tail call**: a `jmp`.
///
/// ```
/// zero_cost_ffi::calls::say();
/// ```
#[inline(never)]
#[expect(clippy::manual_c_str_literals, reason = "the line is the talk's")]
pub fn say() {
    // SAFETY: the literal ends in a NUL and lives for ever; `puts` only reads it.
    unsafe { libc::puts("Hello\0".as_ptr().cast()) };
}

/// The idiomatic form: a [`CStr`] guarantees that there is a NUL.
///
/// *Its machine code:* only the call, as a tail call. A `&CStr` is a pointer and a
/// length, and the pointer is already in the argument register.
///
/// ```
/// assert!(zero_cost_ffi::calls::say_cstr(c"Hello") >= 0);
/// ```
#[inline(never)]
pub fn say_cstr(text: &CStr) -> c_int {
    // SAFETY: a `CStr` ends in a NUL; `puts` only reads it, during the call.
    unsafe { libc::puts(text.as_ptr()) }
}

/// A call after which something is left to do, so that C must return here.
///
/// *Its machine code:* a `call`, not a `jmp`, and then the comparison.
///
/// ```
/// assert!(zero_cost_ffi::calls::say_then());
/// ```
#[inline(never)]
pub fn say_then() -> bool {
    // SAFETY: the literal is NUL-terminated; `puts` only reads it.
    unsafe { libc::puts(c"Hello, then".as_ptr()) >= 0 }
}

/// Two calls of the same symbol.
///
/// *Its machine code:* it may load the address of `puts` into a register once and
/// make both calls through it. A search for `call puts` finds neither.
///
/// ```
/// zero_cost_ffi::calls::say_twice();
/// ```
#[inline(never)]
pub fn say_twice() {
    // SAFETY: both literals are NUL-terminated; `puts` only reads them.
    unsafe {
        libc::puts(c"Hello, once".as_ptr());
        libc::puts(c"Hello, twice".as_ptr());
    }
}

/// A call in a loop.
///
/// *Its machine code:* one call instruction, executed `n` times, with the load of
/// its target moved out of the loop.
///
/// ```
/// zero_cost_ffi::calls::say_times(2);
/// ```
#[inline(never)]
pub fn say_times(n: usize) {
    for _ in 0..n {
        // SAFETY: the literal is NUL-terminated; `puts` only reads it.
        unsafe { libc::puts(c"Hello, again".as_ptr()) };
    }
}

/// A call of a function in a static C library.
///
/// *Its machine code:* only a tail call: the argument arrives where C expects it,
/// and the result is returned as C returned it.
///
/// ```
/// assert_eq!(zero_cost_ffi::calls::add_one(41), 42);
/// ```
#[inline(never)]
pub fn add_one(value: i64) -> i64 {
    // SAFETY: it has no precondition.
    unsafe { ffi::greet_add_one(value) }
}

/// Calls of which each needs the result of the previous one. Benchmarks of a call
/// measure this.
///
/// *Its machine code:* a loop that makes one call, moves its result to where the
/// next call expects it, and counts.
///
/// ```
/// assert_eq!(zero_cost_ffi::calls::add_one_times(40, 2), 42);
/// ```
#[inline(never)]
pub fn add_one_times(n: usize, start: i64) -> i64 {
    let mut value = start;
    for _ in 0..n {
        // SAFETY: it has no precondition.
        value = unsafe { ffi::greet_add_one(value) };
    }
    value
}

/// A call that lends C a buffer. Nothing is copied.
///
/// *Its machine code:* only a tail call. A slice is a pointer and a length, which
/// are already in the registers where C expects them.
///
/// ```
/// assert_eq!(zero_cost_ffi::calls::sum(&[20, 20, 2]), 42);
/// ```
#[inline(never)]
pub fn sum(items: &[i64]) -> i64 {
    // SAFETY: the pointer is valid for `len` items, which C only reads, during the
    // call.
    unsafe { ffi::greet_sum(items.as_ptr(), items.len()) }
}

/// A call that passes structs by value and returns one.
///
/// *Its machine code:* only a tail call: the four coordinates are already in vector
/// registers. Rust does not promise to pass them as C does; where it passes them
/// differently, moves surround the call.
///
/// ```
/// use zero_cost_ffi::{calls, ffi::greet_point};
///
/// let middle = calls::midpoint(greet_point { x: 0.0, y: 0.0 }, greet_point { x: 2.0, y: 4.0 });
/// assert_eq!((middle.x, middle.y), (1.0, 2.0));
/// ```
#[inline(never)]
pub fn midpoint(a: ffi::greet_point, b: ffi::greet_point) -> ffi::greet_point {
    // SAFETY: it has no precondition.
    unsafe { ffi::greet_midpoint(a, b) }
}

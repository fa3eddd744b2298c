//! The call itself, in every shape that the compiler gives it.
//!
//! `puts` comes from a shared library, `greet_*` from a static one. Which
//! instruction makes the call depends on that, on the target and on how the image
//! is linked; that there is exactly one does not.

use std::ffi::{CStr, c_int};

use crate::ffi;

/// The talk's one line, with `.cast()` for `as *const i8`, so that it compiles
/// where `char` is unsigned.
///
/// *Its machine code:* the address of the text into the argument register, and
/// the call. Nothing follows it, so it is a **tail call**: a `jmp`.
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

/// The idiomatic form: [`CStr`] carries the proof that there is a NUL.
///
/// *Its machine code:* the call alone, as a tail call. A `&CStr` is a pointer and
/// a length; the pointer already is in the argument register.
///
/// ```
/// assert!(zero_cost_ffi::calls::say_cstr(c"Hello") >= 0);
/// ```
#[inline(never)]
pub fn say_cstr(text: &CStr) -> c_int {
    // SAFETY: a `CStr` ends in a NUL; `puts` only reads it, during the call.
    unsafe { libc::puts(text.as_ptr()) }
}

/// Something is left to do after the call, so that it has to come back.
///
/// *Its machine code:* a `call`, not a `jmp`, and the comparison behind it.
///
/// ```
/// assert!(zero_cost_ffi::calls::say_then());
/// ```
#[inline(never)]
pub fn say_then() -> bool {
    // SAFETY: the literal is NUL-terminated; `puts` only reads it.
    unsafe { libc::puts(c"Hello, then".as_ptr()) >= 0 }
}

/// The same symbol twice.
///
/// *Its machine code:* the address of `puts` may be loaded once, into a register,
/// and both calls go through that. A search for `call puts` finds neither.
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

/// The call in a loop.
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

/// A function of a static C library.
///
/// *Its machine code:* a tail call and nothing else: the argument arrives where C
/// wants it, and the result leaves as C left it.
///
/// ```
/// assert_eq!(zero_cost_ffi::calls::add_one(41), 42);
/// ```
#[inline(never)]
pub fn add_one(value: i64) -> i64 {
    // SAFETY: it has no precondition.
    unsafe { ffi::greet_add_one(value) }
}

/// Each call waits for the result of the one before: what is measured when a call
/// is measured.
///
/// *Its machine code:* a loop of one call, the move of its result to where the
/// next one wants it, and the counting.
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

/// A borrowed buffer. Nothing is copied.
///
/// *Its machine code:* a tail call and nothing else. A slice is a pointer and a
/// length, in the very registers in which C expects the two.
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

/// A struct by value, in and out.
///
/// *Its machine code:* a tail call and nothing else: the four coordinates are in
/// vector registers already. Rust does not promise to pass them as C does, and
/// where it does not, moves surround the call.
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

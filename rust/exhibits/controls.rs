//! The opposite of the exhibits: calls with something in between. Each must be
//! classified correctly; an instrument that reports one of them as bare is broken.
//!
//! The PLT stub is not among them. The linker makes it, and inserts it into the
//! exhibits themselves if the image is built with `-C relocation-model=static`.

use std::ffi::{CStr, c_int};

/// Calls through a C function that only passes control on to `greet_add_one`.
///
/// *Its machine code:* like [`calls::add_one`](crate::calls::add_one). The second
/// jump is visible only to an instrument that follows the call.
///
/// ```
/// assert_eq!(zero_cost_ffi::controls::through_shim(41), 42);
/// ```
#[inline(never)]
pub fn through_shim(value: i64) -> i64 {
    // SAFETY: it has no precondition.
    unsafe { greet_shim_add_one(value) }
}

/// Calls `puts` through such a function, which a PLT stub may follow.
///
/// *Its machine code:* like [`calls::say_cstr`](crate::calls::say_cstr).
///
/// ```
/// assert!(zero_cost_ffi::controls::say_through_shim(c"Hello") >= 0);
/// ```
#[inline(never)]
pub fn say_through_shim(text: &CStr) -> c_int {
    // SAFETY: a `CStr` ends in a NUL; `puts` only reads it, during the call.
    unsafe { greet_shim_say(text.as_ptr()) }
}

/// Calls through a function pointer, which may point to any function.
///
/// *Its machine code:* an indirect call whose target is an argument.
///
/// # Safety
/// `function` is safe to call with `value`.
///
/// ```
/// use zero_cost_ffi::{controls, ffi};
///
/// // SAFETY: `greet_add_one` has no precondition.
/// assert_eq!(unsafe { controls::through_pointer(ffi::greet_add_one, 41) }, 42);
/// ```
#[inline(never)]
pub unsafe fn through_pointer(function: unsafe extern "C" fn(i64) -> i64, value: i64) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { function(value) }
}

/// Calls `puts` through a pointer that the dynamic linker looks up by name at run
/// time, as for a plug-in or a lazily loaded library.
///
/// *Its machine code:* a bare call of `dlsym`, then an indirect call of its result.
/// If that is null, the function returns `EOF` without a call.
///
/// ```
/// assert!(zero_cost_ffi::controls::through_dlsym(c"Hello") >= 0);
/// ```
#[cfg(unix)]
#[inline(never)]
pub fn through_dlsym(text: &CStr) -> c_int {
    // SAFETY: the name is NUL-terminated; the default handle is always valid.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"puts".as_ptr()) };
    if symbol.is_null() {
        return libc::EOF;
    }
    // SAFETY: not null, and the C standard gives `puts` this type.
    let puts: unsafe extern "C" fn(*const std::ffi::c_char) -> c_int =
        unsafe { std::mem::transmute(symbol) };
    // SAFETY: a `CStr` ends in a NUL; `puts` only reads it, during the call.
    unsafe { puts(text.as_ptr()) }
}

/// Calls a boxed closure: dynamic dispatch.
///
/// *Its machine code:* it reads the vtable, then calls indirectly through its slot.
///
/// ```
/// use zero_cost_ffi::{controls, greet};
///
/// let boxed: Box<dyn Fn(i64) -> i64> = Box::new(greet::add_one);
/// assert_eq!(controls::through_box(&boxed, 41), 42);
/// ```
#[inline(never)]
#[expect(clippy::borrowed_box, reason = "the box is what is on show")]
pub fn through_box(function: &Box<dyn Fn(i64) -> i64>, value: i64) -> i64 {
    // `**`: the closure's own call, without the one that `Box` forwards from.
    (**function)(value)
}

// The functions of c/controls.h; tests/all/bindings checks these types.
unsafe extern "C" {
    fn greet_shim_add_one(value: i64) -> i64;
    fn greet_shim_say(text: *const std::ffi::c_char) -> c_int;
}

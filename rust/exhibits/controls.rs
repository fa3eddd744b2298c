//! The opposite: calls with something in the way. Each must be reported as what it
//! is; an instrument that calls one of these bare is broken.
//!
//! The PLT stub is not among them: it is the linker's, and appears around the
//! exhibits themselves when the image is built with `-C relocation-model=static`.

use std::ffi::{CStr, c_int};

/// Through a C function that does nothing but pass control on to `greet_add_one`.
///
/// *Its machine code:* like [`calls::add_one`](crate::calls::add_one). Only who
/// follows the call sees the second jump.
///
/// ```
/// assert_eq!(zero_cost_ffi::controls::through_shim(41), 42);
/// ```
#[inline(never)]
pub fn through_shim(value: i64) -> i64 {
    // SAFETY: it has no precondition.
    unsafe { greet_shim_add_one(value) }
}

/// The same on the way to `puts`, where a PLT stub may follow the shim.
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

/// Through a function pointer, which may be any function's.
///
/// *Its machine code:* an indirect call whose target came as an argument.
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

/// Through a pointer that the dynamic linker looks `puts` up for, by name, at run
/// time: what a plug-in or a lazily loaded library costs.
///
/// *Its machine code:* a bare call of `dlsym`, then an indirect call of whatever it
/// returned. `EOF`, without a call, when that is null.
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

/// Through a boxed closure: dynamic dispatch.
///
/// *Its machine code:* the vtable is read, then an indirect call through its slot.
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

// c/controls.h. That these are its types is checked in tests/all/bindings.
unsafe extern "C" {
    fn greet_shim_add_one(value: i64) -> i64;
    fn greet_shim_say(text: *const std::ffi::c_char) -> c_int;
}

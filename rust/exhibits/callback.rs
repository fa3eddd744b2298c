//! C calling back into Rust.

use std::ffi::{c_int, c_void};

use crate::ffi;

/// Hands C a function of ours, and a pointer for it.
///
/// *Its machine code:* one call, to `greet_for_each`, and two addresses as its
/// arguments. The call back is C's, through the pointer that it was given, exactly
/// as it would be into C: [`visit`] is a plain C function.
///
/// ```
/// assert_eq!(zero_cost_ffi::callback::for_each(&[20, 20, 2]), 42);
/// ```
#[inline(never)]
pub fn for_each(items: &[i64]) -> i64 {
    let mut total = 0_i64;
    // SAFETY: the pointer is valid for `len` items; `visit` expects an `i64`, and
    // `total` outlives the call, after which C never calls back. The status is
    // that of neither null nor stopped.
    unsafe {
        ffi::greet_for_each(
            items.as_ptr(),
            items.len(),
            Some(visit),
            (&raw mut total).cast(),
        );
    }
    total
}

/// Adds `item` to the `i64` behind `user_data`: what C calls.
///
/// *Its machine code:* an addition. It cannot panic, which in an `extern "C"`
/// function aborts the process; [`greet::for_each`](crate::greet::for_each) takes
/// closures that can.
///
/// # Safety
/// `user_data` points to an `i64` that nothing else uses during the call.
pub unsafe extern "C" fn visit(item: i64, user_data: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    let total = unsafe { &mut *user_data.cast::<i64>() };
    *total = total.wrapping_add(item);
    0
}

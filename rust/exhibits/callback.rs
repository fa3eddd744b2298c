//! C calls back into Rust.

use std::ffi::{c_int, c_void};

use crate::ffi;

/// Passes C a Rust function, and a pointer for C to pass to that function.
///
/// *Its machine code:* one call, to `greet_for_each`, with two addresses among its
/// arguments. C makes the callback through the pointer that it received, exactly as
/// it would call a C function, since [`visit`] follows C's calling convention.
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

/// The callback: adds `item` to the `i64` that `user_data` points to.
///
/// *Its machine code:* an addition. It cannot panic, which would abort the process
/// in an `extern "C"` function. [`greet::for_each`](crate::greet::for_each) accepts
/// closures that can panic.
///
/// # Safety
/// `user_data` points to an `i64` that nothing else uses during the call.
pub unsafe extern "C" fn visit(item: i64, user_data: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    let total = unsafe { &mut *user_data.cast::<i64>() };
    *total = total.wrapping_add(item);
    0
}

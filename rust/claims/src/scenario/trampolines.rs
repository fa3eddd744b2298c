//! Controls that only a walk tells from a bare call: at rest, each is called like any function.

use std::arch::naked_asm;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};

use zero_cost_ffi::ffi;

const SIZE: usize = 64 * 1024;

/// A stack of its own. The ABI wants its top aligned to 16 bytes.
#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; SIZE]>);

// SAFETY: only `on_other_stack` uses it, whose caller sees to it that one thread at a time does.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(UnsafeCell::new([0; SIZE]));

/// Calls `greet_add_one` on another stack, as the runtimes of languages with small stacks do.
#[inline(never)]
pub fn through_other_stack(value: i64) -> i64 {
    // One thread at a time: there is one such stack.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // SAFETY: the lock is held.
    unsafe { on_other_stack(value) }
}

/// # Safety
/// On one thread at a time.
#[unsafe(naked)]
unsafe extern "C" fn on_other_stack(value: i64) -> i64 {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "lea rax, [rip + {stack}]",
        "add rax, {size}",
        "mov rsp, rax", // there
        "call {callee}",
        "mov rsp, rbp", // and back
        "pop rbp",
        "ret",
        stack = sym STACK,
        size = const SIZE,
        callee = sym ffi::greet_add_one,
    )
}

/// What [`callback::visit`](zero_cost_ffi::callback::visit) does. Not that one itself: a use of it here could be
/// given a copy of its machine code, and the exhibit's would no longer be the only one.
///
/// # Safety
/// As `visit`.
#[inline(never)]
pub unsafe extern "C" fn visited(item: i64, user_data: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    let total = unsafe { &mut *user_data.cast::<i64>() };
    *total = total.wrapping_add(item);
    0
}

/// Passes control on to [`visited`]: what a wrapped callback costs.
///
/// # Safety
/// As `visit`.
#[unsafe(naked)]
pub unsafe extern "C" fn visit_shim(item: i64, user_data: *mut c_void) -> c_int {
    naked_asm!("jmp {visited}", visited = sym visited)
}

//! The one line in a test, and the trampolines it must not let through.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::arch::global_asm;
use std::ffi::{CStr, c_char, c_int};

mod wrappers {
    use super::{CStr, c_char, c_int};

    unsafe extern "C" {
        fn puts(text: *const c_char) -> c_int;
        fn planted_thunk(text: *const c_char) -> c_int;
        fn planted_shim(text: *const c_char) -> c_int;
        fn getppid() -> c_int;
    }

    /// In tail position.
    pub fn say(text: &CStr) -> c_int {
        // SAFETY: a `CStr` ends in a NUL.
        unsafe { puts(text.as_ptr()) }
    }

    pub fn say_twice(text: &CStr) -> c_int {
        // SAFETY: a `CStr` ends in a NUL.
        unsafe { puts(text.as_ptr()) + puts(text.as_ptr()) }
    }

    #[inline]
    pub fn say_inline(text: &CStr) -> c_int {
        // SAFETY: a `CStr` ends in a NUL.
        unsafe { puts(text.as_ptr()) + 7 }
    }

    pub fn say_any<T: AsRef<CStr>>(text: T) -> c_int {
        // SAFETY: a `CStr` ends in a NUL.
        unsafe { puts(text.as_ref().as_ptr()) + 3 }
    }

    /// # Safety
    /// `text` ends in a NUL.
    pub unsafe extern "C" fn say_c(text: *const c_char) -> c_int {
        // SAFETY: the caller's promise.
        unsafe { puts(text) - 1 }
    }

    pub struct Voice;

    impl Voice {
        pub fn say(&self, text: &CStr) -> c_int {
            // SAFETY: a `CStr` ends in a NUL.
            unsafe { puts(text.as_ptr()) + 9 }
        }
    }

    pub fn through_thunk(text: &CStr) -> c_int {
        // SAFETY: a `CStr` ends in a NUL.
        unsafe { planted_thunk(text.as_ptr()) + 1 }
    }

    pub fn through_shim(text: &CStr) -> c_int {
        // SAFETY: a `CStr` ends in a NUL.
        unsafe { planted_shim(text.as_ptr()) + 2 }
    }

    pub fn through_pointer(puts: &dyn Fn(*const c_char) -> c_int, text: &CStr) -> c_int {
        puts(text.as_ptr()) + 5
    }

    pub fn calls_another() -> c_int {
        // SAFETY: getppid only answers.
        unsafe { getppid() }
    }

    #[expect(dead_code, reason = "it must have no machine code")]
    #[inline]
    pub fn never_used(text: &CStr) -> c_int {
        // SAFETY: a `CStr` ends in a NUL.
        unsafe { puts(text.as_ptr()) }
    }
}

// A thunk does nothing but pass control on; a shim does something of its own.
global_asm!(
    ".globl planted_thunk",
    ".type planted_thunk, @function",
    "planted_thunk:",
    "jmp *puts@GOTPCREL(%rip)",
    ".size planted_thunk, . - planted_thunk",
    ".globl planted_shim",
    ".type planted_shim, @function",
    "planted_shim:",
    "pushq %rbx",
    "incl shim_count(%rip)",
    "call *puts@GOTPCREL(%rip)",
    "popq %rbx",
    "ret",
    ".size planted_shim, . - planted_shim",
    ".local shim_count",
    ".comm shim_count,4,4",
    options(att_syntax)
);

#[test]
fn bare_calls_pass() {
    barecall::assert_bare!(wrappers::say => "puts");
    barecall::assert_bare!(wrappers::say_twice => "puts");
    barecall::assert_bare!(wrappers::say_c => "puts");
    barecall::assert_bare!(wrappers::Voice::say => "puts");
    barecall::assert_bare!(wrappers::calls_another => "getppid");
}

#[test]
fn an_inline_function_and_a_generic_one_have_code_of_their_own() {
    barecall::assert_bare!(wrappers::say_inline => "puts");
    barecall::assert_bare!(wrappers::say_any::<&CStr> => "puts");
}

#[test]
fn the_function_form_takes_a_path_or_its_end() {
    std::hint::black_box(wrappers::say as *const ());
    barecall::assert_bare("assert_bare::wrappers::say", "puts");
    barecall::assert_bare("wrappers::say", "puts");
}

#[test]
fn a_thunk_is_named() {
    let message = failure(|| barecall::assert_bare!(wrappers::through_thunk => "puts"));
    contains(
        &message,
        &[
            "through_thunk: expected bare calls to puts",
            "expected  1 instruction to its first: direct, got or register",
        ],
    );
    contains(
        &message,
        &[
            "found     at 0x",
            "thunk -> puts, 2 instructions, via planted_thunk",
        ],
    );
    assert_eq!(marked(&message).len(), 1, "{message}");
    contains(marked(&message)[0], &["call", "; thunk -> puts"]);
    contains(&message, &["next      cargo barecall show --file /"]);
}

#[test]
fn a_shim_is_named() {
    let message = failure(|| barecall::assert_bare!(wrappers::through_shim => "puts"));
    contains(
        &message,
        &[
            "no call reaches puts",
            "planted_shim; that is code of its own, and calls it",
        ],
    );
    contains(marked(&message)[0], &["-> planted_shim"]);
}

#[test]
fn a_pointer_is_named() {
    let message = failure(|| barecall::assert_bare!(wrappers::through_pointer => "puts"));
    contains(
        &message,
        &[
            "no call reaches puts",
            "pointer -> ?",
            "wherever the pointer leads",
        ],
    );
    contains(marked(&message)[0], &["; pointer -> ?"]);
}

#[test]
fn another_symbol_is_not_this_one() {
    let message = failure(|| barecall::assert_bare!(wrappers::calls_another => "puts"));
    contains(
        &message,
        &["no call reaches puts", "other calls, 1 in all,"],
    );
    contains(marked(&message)[0], &["-> getppid"]);
}

#[test]
fn a_function_without_code_is_not_taken_for_bare() {
    let message = failure(|| barecall::assert_bare("wrappers::never_used", "puts"));
    contains(
        &message,
        &[
            "was not checked",
            "no function wrappers::never_used",
            "inlined everywhere or never used",
        ],
    );
}

#[test]
fn the_evidence_is_a_value_too() -> Result<(), barecall::Error> {
    std::hint::black_box((
        wrappers::say as *const (),
        wrappers::through_thunk as *const (),
    ));
    let image = barecall::Image::current()?;
    assert_eq!(
        image
            .function("wrappers::say")?
            .bare_calls(&["puts"])
            .expect("bare")
            .len(),
        1
    );
    let evidence = image
        .function("wrappers::through_thunk")?
        .bare_calls(&["puts"])
        .expect_err("a thunk");
    assert_eq!(evidence.findings.len(), 1);
    assert!(evidence.listing.contains("\n > "), "{}", evidence.listing);
    Ok(())
}

fn failure(assertion: impl Fn() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(assertion).expect_err("the assertion should fail");
    *panic.downcast::<String>().expect("a message")
}

#[track_caller]
fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in\n{message}");
    }
}

fn marked(message: &str) -> Vec<&str> {
    message
        .lines()
        .filter(|line| line.starts_with(" > "))
        .collect()
}

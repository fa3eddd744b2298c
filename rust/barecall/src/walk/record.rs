//! The record of a walk.

use serde::{Deserialize, Serialize};

/// The record of one call, out and back.
///
/// ```standalone_crate
/// use std::{env, process::Command};
/// use barecall::walk::Walk;
///
/// #[unsafe(no_mangle)]
/// #[inline(never)]
/// extern "C" fn callee(x: u64) -> u64 { std::hint::black_box(x + 1) }
///
/// #[unsafe(no_mangle)]
/// #[inline(never)]
/// extern "C" fn caller(x: u64) -> u64 { callee(x) + 1 }
///
/// # #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     if env::args().nth(1).as_deref() == Some("be-walked") {
///         assert_eq!(caller(1), 3);
///         return Ok(());
///     }
///     let mut this_program = Command::new(env::current_exe()?);
///     this_program.arg("be-walked");
///     let walk = Walk::of(this_program).from("caller").to("callee").run()?;
///     assert!(walk.is_bare());
///     assert!(walk.is_same_stack());
///     println!("{walk}");
///     Ok(())
/// }
/// # #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Walk {
    /// The caller's full name, demangled.
    pub from: String,
    /// The callee's full name, demangled.
    pub to: String,
    /// How many arrivals at `from` went by before the one that was walked.
    pub warmup: u64,
    /// How often the walk was taken, and how often it was the same.
    pub repeats: Repeats,
    /// Whether addresses were randomised all the same, because the system
    /// forbids to turn that off (some containers do). Counts do not depend on
    /// addresses in a program that does not make them.
    pub randomised: bool,
    /// The last instruction executed in `from` before `to`, in Intel syntax:
    /// `call qword ptr [rip+0x2fe2]`.
    pub call: String,
    /// From the last instruction executed in `from` (included) to the first of
    /// `to` (excluded).
    pub out: Leg,
    /// From the first instruction of `to` to its return (both included).
    pub callee: Callee,
    /// From after the return of `to` to the first instruction back in `from`
    /// or, after a tail call, in its caller.
    pub back: Leg,
}

/// One way of the walk: [out](Walk::out) or [back](Walk::back).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Leg {
    /// Instructions executed.
    pub instructions: u64,
    /// The functions executed, in order; a function that comes again is listed
    /// again.
    pub steps: Vec<Step>,
    /// Instructions that moved to [another stack](crate::walk#when-is-it-another-stack).
    pub stack_switches: u64,
    /// Atomic instructions: a `lock` prefix, or `xchg` with memory.
    pub atomics: u64,
    /// System calls.
    pub syscalls: u64,
}

/// A stretch of instructions executed in one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// The function's name, demangled. A linker's stub is `puts@plt`. Code
    /// without a symbol is named by its file: `libc.so.6+0x27310` is the
    /// function that starts there (by the file's unwinding tables, or because
    /// no other function claims that code), `libc.so.6:.plt` where not even
    /// that is known.
    pub symbol: String,
    /// Instructions executed.
    pub instructions: u64,
    /// Of these, how many moved to another stack.
    pub stack_switches: u64,
    /// Of these, how many were atomic.
    pub atomics: u64,
    /// Of these, how many were system calls.
    pub syscalls: u64,
}

/// The callee's own part of the walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Callee {
    /// Instructions executed, those of all it calls included.
    pub instructions: u64,
}

/// How often the walk was taken, each time in a new process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Repeats {
    /// Walks taken; the first is the one shown.
    pub walks: u64,
    /// Walks that were the first over again in every particular, the first
    /// included.
    pub identical: u64,
}

impl Walk {
    /// Whether exactly one instruction executed on the way out, and none on the
    /// way back.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.out.instructions == 1 && self.back.instructions == 0
    }

    /// Whether neither way moved to another stack.
    #[must_use]
    pub fn is_same_stack(&self) -> bool {
        self.out.stack_switches == 0 && self.back.stack_switches == 0
    }

    /// Whether every repetition was identical.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.repeats.identical == self.repeats.walks
    }
}

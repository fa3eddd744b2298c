//! The walk: one call, instruction by instruction, out and back, taken by
//! single-stepping the program that makes it.
//!
//! A listing shows what could happen; a walk shows what did. It counts the
//! instructions between a call site and the callee's first instruction, and
//! between the callee's return and the caller, in any language that compiles
//! to native code.
//!
//! # What is counted
//! The program runs at full speed until a thread arrives at the first
//! instruction of `from`. Then every other thread is stopped and that thread
//! is single-stepped. Three stretches follow each other without gap or overlap:
//!
//! | | first instruction counted | last instruction counted |
//! | --- | --- | --- |
//! | [`out`](Walk::out) | the last one executed in `from` | the last one before the first of `to` |
//! | [`callee`](Walk::callee) | the first of `to` | the one that returns from `to` |
//! | [`back`](Walk::back) | where `to` returns to | the last one before `from` is back |
//!
//! - `from` may call other functions first: whenever it executes an instruction
//!   of its own, `out` starts again. The first call that reaches `to` is walked.
//! - `callee` includes all that `to` calls. `to` has returned when the return
//!   address it was entered with is reached with the stack pointer above it, so
//!   a callee that recurses or tail-calls another function is followed to its end.
//! - `from` is back at its next instruction, or, after a tail call (a jump out of
//!   `from`), at its caller's.
//! - So a bare call is 1 out and 0 back.
//! - A `rep` instruction counts once however often it repeats, as the
//!   processor's own counter has it. (Callgrind counts every repetition.)
//! - A signal handler that runs meanwhile is let run and not counted.
//! - Code compiled into `from` (inlined) is `from`; so is its `.cold` part.
//!
//! # When is it another stack?
//! [`stack_switches`](Leg::stack_switches) counts the instructions that *set* the
//! stack pointer (any that write it except `push`, `pop`, `call`, `ret`, `enter`,
//! `add`, `sub`, `and`, `inc`, `dec` and `lea …,[rsp…]`) so that it lands
//! 1. in another mapping of the process, or
//! 2. in the same mapping, outside what the walk has seen of the current stack:
//!    at any distance if it was loaded from memory, by more than 64 KiB if it
//!    came from a register (nearer than that it may be a variable-length array).
//!
//! # How it is stepped
//! Where code can be executed in one way only, up to a branch that says where it
//! may go, the thread is not stopped before each instruction but after all of
//! them; what is recorded is the same, and [`Walker::step_all`] checks that.
//!
//! # Limits
//! While it is walked, the thread may use one processor only (it takes turns with
//! the walk on it), which it will notice if it asks.
//!
//! The walk follows a thread. Where a language runtime moves a task to another
//! thread in mid-call, it cannot follow; where several tasks share a thread, and
//! another of them runs `from` in mid-call, it cannot tell them apart.

mod error;
mod json;
mod ladder;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "linux/mod.rs"]
mod steps;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[path = "elsewhere.rs"]
mod steps;

use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use error::{Ending, Lost, WalkError, Wanted};

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
    /// Instructions that moved to [another stack](self#when-is-it-another-stack).
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
    /// function that starts there (by the file's unwinding tables),
    /// `libc.so.6:.text` where that is not known either.
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
    /// Prepares a walk of the program that `command` starts. Its arguments,
    /// environment and standard streams are the program's own.
    ///
    /// See [`Walk`] for an example.
    #[must_use]
    pub fn of(command: Command) -> Walker {
        Walker {
            command,
            from: String::new(),
            to: String::new(),
            warmup: 0,
            repeat: 1,
            max_steps: 10_000_000,
            step_all: false,
            timeout: Duration::from_secs(60),
        }
    }

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

    /// The walk as text that can be read aloud. [`Display`](std::fmt::Display)
    /// prints the same.
    ///
    /// ```text
    /// walk    say -> puts (warm-up 1, 100 of 100 walks identical)
    ///
    /// out     2 instructions, same stack
    ///      1  say       call 0x401030
    ///      1  puts@plt
    ///         puts
    /// callee  152 instructions
    /// back    0 instructions, same stack
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        ladder::text(self)
    }

    /// The walk as JSON, `"schema": 1`.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::json(self)
    }
}

impl std::fmt::Display for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&ladder::text(self))
    }
}

/// A walk to be taken; made by [`Walk::of`].
#[derive(Debug)]
pub struct Walker {
    command: Command,
    from: String,
    to: String,
    warmup: u64,
    repeat: u64,
    max_steps: u64,
    step_all: bool,
    timeout: Duration,
}

impl Walker {
    /// The caller: a mangled name, a demangled one, or a suffix of one at a `::`
    /// or `.` boundary that fits exactly one. Where several have the name, it
    /// can be narrowed down: `libc.so.6:puts` is the one in that file,
    /// `demo:0x1139` what is at that address of that file (as in the file's
    /// own symbol table).
    #[must_use]
    pub fn from(mut self, symbol: impl Into<String>) -> Self {
        self.from = symbol.into();
        self
    }

    /// The callee, named in the same way.
    #[must_use]
    pub fn to(mut self, symbol: impl Into<String>) -> Self {
        self.to = symbol.into();
        self
    }

    /// Lets this many arrivals at `from` go by before the one that is walked:
    /// first calls bind symbols and set things up. Default 0.
    #[must_use]
    pub fn warmup(mut self, arrivals: u64) -> Self {
        self.warmup = arrivals;
        self
    }

    /// Takes the walk this many times, each in a new process, and says whether
    /// all were identical. Default 1; 0 counts as 1.
    #[must_use]
    pub fn repeat(mut self, walks: u64) -> Self {
        self.repeat = walks.max(1);
        self
    }

    /// Gives up after this many instructions in one walk. Default 10,000,000.
    #[must_use]
    pub fn max_steps(mut self, steps: u64) -> Self {
        self.max_steps = steps;
        self
    }

    /// Stops at every single instruction, as a check of the walk itself. By
    /// default straight code, which can be executed in one way only, is run
    /// through to the next instruction that may go elsewhere, which is faster
    /// and gives the same record.
    #[must_use]
    pub fn step_all(mut self, yes: bool) -> Self {
        self.step_all = yes;
        self
    }

    /// Gives up after this time, all repetitions together. Default 60 seconds.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Takes the walk. When this returns, whatever it returns, the program, all
    /// its threads and its own children are gone. They are killed with this
    /// process too, however it dies.
    ///
    /// ```
    /// # use std::process::Command;
    /// # use barecall::walk::{Walk, WalkError};
    /// let nobody = Walk::of(Command::new("/no/such/program")).from("main").to("puts").run();
    /// # #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    /// assert!(matches!(nobody, Err(WalkError::ProgramMissing { .. })));
    /// ```
    ///
    /// # Errors
    /// Every case has its own [`WalkError`]. Elsewhere than on x86-64 Linux it
    /// is always [`WalkError::Unsupported`].
    pub fn run(self) -> Result<Walk, WalkError> {
        steps::run(self)
    }
}

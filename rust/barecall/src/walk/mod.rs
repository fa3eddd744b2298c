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
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux;
mod record;
mod text;
mod walker;

pub use error::{Ending, Lost, WalkError, Wanted};
pub use record::{Callee, Leg, Repeats, Step, Walk};
pub use walker::Walker;

impl Walker {
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
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        {
            linux::run(self)
        }
        #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
        {
            Err(WalkError::Unsupported)
        }
    }
}

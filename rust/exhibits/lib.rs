//! Rust calling C, on show.
//!
//! An **exhibit** is a small function whose machine code proves something: that
//! between the caller and the C function it calls, exactly one instruction
//! executes. Its **twin** is the same function in C. Read an exhibit, look at its
//! machine code (`cargo asm --lib say`), then let the judge decide for your
//! compiler and machine (`cargo run --release`).
//!
//! | module | on show |
//! | --- | --- |
//! | [`calls`] | the call itself: the talk's one-liner, then every shape a call takes |
//! | [`callback`] | C calling back into Rust |
//! | [`task`] | the same calls, made inside `async` code |
//! | [`thread_ring`] | messages handed on by threads, tasks, epoll and io_uring (Linux): what waiting costs |
//! | [`machine`] | the talk's `greet()` as a state machine, and what else a future keeps |
//! | [`controls`] | the opposite: calls with something in the way |
//! | [`twins`] | the exhibits once more, in C |
//! | [`compilers`] | the twins once more, by clang and through the GOT |
//! | [`catalogue`] | the list of them all, for the judge |
//! | [`greet`] | the C library, made safe: what a program calls |
//! | [`greeting`] | the greeting that takes time, made safe; from tasks: [`task`] |
//! | [`ffi`] | the C library, as it is: the bindings of `c/greet.h` and `c/greeting.h` |
//!
//! Every exhibit is `#[inline(never)]`, so that it has machine code of its own,
//! and no two have the same body, so that none is merged into another. Nothing
//! but `core`, `std`, `libc` and `tokio` is used: the machine code is
//! contaminated by nothing.
//!
//! ```
//! use zero_cost_ffi::{calls, greet};
//!
//! assert_eq!(calls::add_one(41), 42); // the exhibit: one call, and nothing else
//! assert_eq!(greet::add_one(41), 42); // what a program writes
//! ```

pub mod callback;
pub mod calls;
pub mod catalogue;
pub mod compilers;
pub mod controls;
pub mod ffi;
pub mod greet;
#[cfg(target_os = "linux")]
pub mod greeting;
pub mod machine;
pub mod task;
#[cfg(target_os = "linux")]
pub mod thread_ring;
pub mod twins;

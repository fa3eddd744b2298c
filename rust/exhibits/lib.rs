//! Rust calling C, on show.
//!
//! An **exhibit** is a small function whose machine code proves something: that
//! exactly one instruction executes from the caller to the C function it calls.
//! Its **twin** is the same function in C. Read an exhibit, look at its machine
//! code (`cargo asm --lib say`), then run the judge to get a verdict for your
//! compiler and your machine (`cargo run --release`).
//!
//! | module | on show |
//! | --- | --- |
//! | [`calls`] | the call itself: the talk's one-liner, then every shape a call takes |
//! | [`callback`] | C calls back into Rust |
//! | [`task`] | the same calls, made inside `async` code |
//! | [`thread_ring`] | messages passed around by threads, tasks, epoll and io_uring (Linux): what waiting costs |
//! | [`machine`] | the talk's `greet()` as a state machine, and what else a future keeps |
//! | [`controls`] | the opposite: calls with a trampoline or a pointer in between |
//! | [`twins`] | the same functions in C |
//! | [`compilers`] | the twins, also compiled by clang and to call through the GOT |
//! | [`catalogue`] | the list of everything on show, for the judge |
//! | [`greet`] | safe wrappers of the C library, for programs |
//! | [`greeting`] | safe wrappers of the greeting that takes time; for tasks, see [`task`] |
//! | [`ffi`] | the raw bindings of `c/greet.h` and `c/greeting.h` |
//!
//! Every exhibit is `#[inline(never)]`, so that it has its own machine code, and
//! no two have the same body, so that the linker does not merge them. The
//! exhibits use only `core`, `std`, `libc` and `tokio`, so that the machine code
//! contains nothing else.
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

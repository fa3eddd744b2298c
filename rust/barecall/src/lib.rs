//! `barecall` proves how a call reaches a C symbol.
//!
//! It reads the **linked image**, where PLT and GOT are decided, and says of each call which route it takes
//! ([`Route`]): a call is *bare* when exactly one instruction executes between the caller and the callee's first
//! instruction.
//!
//! ```
//! use barecall::Image;
//!
//! let image = Image::current()?;
//! for call in image.function("main")?.calls() {
//!     println!("{:#x} {} {}", call.at(), call.route(), call.to().unwrap_or_default());
//! }
//! # Ok::<(), barecall::Error>(())
//! ```

mod aarch64;
mod calls;
mod error;
mod flow;
mod image;
mod listing;
mod names;
mod route;
mod step;
mod x86;

pub use calls::{Call, Function};
pub use error::Error;
pub use image::{Architecture, Image};
pub use names::{demangle, is_rust};
pub use route::Route;

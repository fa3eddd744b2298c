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
//!
//! What a listing shows could happen; [`walk`] shows what did: one call, single-stepped, out and back.
//!
//! In a test, one line will do, [`assert_bare!`]; [`guide`] says how to guard a crate with it, and with the command
//! `cargo barecall`.

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

#[doc = include_str!("../docs/remedies.md")]
pub mod remedies {}

mod assert;
mod bare;
mod call;
mod cgo;
mod dataflow;
mod error;
mod function;
mod image;
mod ir;
mod isa;
mod listing;
mod names;
#[cfg(target_os = "linux")]
mod process_maps;
mod resolve;
mod route;
mod scan;
mod target;
pub mod walk;

pub use assert::{assert_bare, assert_bare_at};
pub use bare::{NotBare, quoted};
pub use call::{Call, Calls, Function, IntoCalls};
pub use error::Error;
pub use image::Image;
pub use listing::{Instruction, Listing};
pub use names::{demangle, is_rust};
pub use route::Route;
pub use target::Architecture;

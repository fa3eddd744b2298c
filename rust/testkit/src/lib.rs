//! What the workspace's test programs share: how to run a test or a command safely, and what to run it on.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`require`] | a check whose tool is missing says so, or fails where `BARECALL_REQUIRE` names it |
//! | [`mod@alone`] | a test in a process of its own |
//! | [`limit`] | a test that hangs fails, with its name |
//! | [`limited`] | a command that hangs fails |
//! | [`scratch`] | folders below the target folder, and files that all tests of one run share |
//! | [`mod@forbid`] | a system that refuses a system call (Linux) |
//! | [`toolchain`] | Mach-O and PE files, made by clang and rustc's linkers |
//! | [`real`] | real object files of every format |
//! | [`walking`] | programs to walk (Linux) |
//! | [`browser`] | a report in a real browser |
//! | [`digits`] | the numbers in a text or in JSON |
//! | [`schema`] | JSON documents against `docs/schema` |

pub mod alone;
pub mod browser;
pub mod digits;
#[cfg(target_os = "linux")]
pub mod forbid;
pub mod limit;
pub mod limited;
pub mod real;
pub mod require;
pub mod schema;
pub mod scratch;
pub mod toolchain;
#[cfg(target_os = "linux")]
pub mod walking;

pub use alone::alone;
#[cfg(target_os = "linux")]
pub use forbid::forbid;
pub use require::{missing, requires};

/// The root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

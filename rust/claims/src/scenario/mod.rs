//! What the judge starts itself again for: each scenario runs in a child process of its own.

pub mod act;
#[cfg(target_os = "linux")]
pub mod brigades;
pub mod child;
pub mod handovers;
pub mod machines;
pub mod polls;
pub mod sleepers;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod trampolines;

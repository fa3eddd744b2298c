//! What is measured: walks, instruction counts, system calls, allocations, limits.

pub mod allocations;
#[cfg(target_os = "linux")]
pub mod blocked;
#[cfg(target_os = "linux")]
pub mod callback_audit;
pub mod callgrind;
pub mod explain;
pub mod limits;
pub mod lto;
pub mod syscalls;
pub mod walks;

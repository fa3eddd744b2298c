//! What is measured: walks, instruction counts, system calls, allocations, limits.

pub mod allocations;
#[cfg(target_os = "linux")]
pub mod blocked;
#[cfg(target_os = "linux")]
pub mod callback_audit;
pub mod callgrind;
pub mod code;
pub mod cross_thread;
pub mod explain;
pub mod limits;
pub mod lto;
pub mod missing;
pub mod parallel;
pub mod per_poll;
pub mod process;
pub mod procfs;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod syscall_tracer;
pub mod syscalls;
#[cfg(target_os = "linux")]
pub mod thread_ring;
pub mod walks;

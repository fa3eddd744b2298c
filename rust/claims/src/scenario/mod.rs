//! What the judge starts itself again for: each scenario runs in a child process of its own.

pub mod act;
pub mod child;
pub mod cross_thread_cost;
pub mod futures;
pub mod idle_tasks;
pub mod polls;
#[cfg(target_os = "linux")]
pub mod thread_ring;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod trampolines;

//! The judge's library through its public API: what its children run, what it measures, and that each claim turns where
//! the opposite of what it says is planted.

mod below_zero;
mod cgo_buys_something;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod cgo_crosses_its_runtime;
mod code;
#[cfg(target_os = "linux")]
mod drop_cancels;
mod evaluation;
mod every_opt_level;
mod go;
mod measure;
mod million_tasks;
mod no_more_than_c;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod reads_per_message;
mod right_sized;
mod scenario;
mod state_machine;
#[cfg(target_os = "linux")]
mod switch_cost;

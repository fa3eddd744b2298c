//! The judge's claims: each turns where the opposite of what it says is planted.

mod cgo_buys_something;
#[cfg(target_os = "linux")]
mod drop_cancels;
mod million_tasks;
mod right_sized;
#[cfg(target_os = "linux")]
mod switch_cost;

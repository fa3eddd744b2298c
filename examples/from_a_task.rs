//! The same call within tasks of tokio: no runtime stands between a task and C.
//!
//! ```text
//! Hello, ready
//! Hello, resumed
//! 42
//! ```

use zero_cost_ffi::{greet, task};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // On this thread, in a task that never suspends.
    task::on_current_thread(task::say_ready())?;
    // On a worker thread, in a task that suspends before it calls.
    task::on_multi_thread(task::say_after_yield())?;
    // Any call, in any task.
    let answer = task::on_multi_thread(async { greet::add_one(41) })?;
    Ok(greet::say_str(&answer.to_string())?)
}

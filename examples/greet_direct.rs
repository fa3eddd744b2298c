//! A C function that never waits, called in a task: no more than a call.
//!
//! ```text
//! Hi, Ferris! Bye, Ferris!
//! ```

use zero_cost_ffi::task::{self, direct};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = task::on_multi_thread(direct::greet(c"Ferris"))??;
    println!("{}", text.to_string_lossy());
    Ok(())
}

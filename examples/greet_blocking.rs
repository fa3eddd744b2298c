//! A C function that blocks: on a thread that may, while the task's own goes on.
//!
//! ```text
//! the worker is free
//! Hi, Ferris! Bye, Ferris!
//! ```

use std::time::Duration;

use zero_cost_ffi::task::{self, blocking};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = task::on_current_thread(async {
        let greeting = blocking::greet(c"Ferris", Duration::from_millis(50));
        // On the same worker, which would not come to it if C blocked that.
        let other = async { println!("the worker is free") };
        tokio::join!(greeting, other).0
    })??;
    println!("{}", text.to_string_lossy());
    Ok(())
}

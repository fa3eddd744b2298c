//! A C library that hands out a file descriptor: the runtime waits for that, and C
//! needs no callback.
//!
//! ```text
//! Hi, Ferris! Bye, Ferris!
//! an hour is too long: cancelled 1, descriptors left open 0
//! ```

use std::time::Duration;

use tokio::time::timeout;
use zero_cost_ffi::greeting;
use zero_cost_ffi::task::descriptor::greet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let text = greet(c"Ferris", Duration::from_millis(1)).await?;
        println!("{}", text.to_string_lossy());

        let hour = greet(c"Ferris", Duration::from_secs(3600));
        if timeout(Duration::from_millis(1), hour).await.is_err() {
            let counts = greeting::counts();
            let open = counts.opened - counts.closed;
            println!(
                "an hour is too long: cancelled {}, descriptors left open {open}",
                counts.cancelled
            );
        }
        Ok(())
    })
}

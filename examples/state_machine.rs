//! The talk's `greet()` three ways, each as a task, in virtual time: two say goodbye, and the slide's never does.
//!
//! ```text
//! Hi!
//! Bye!
//! async fn: done after 1 s
//! Hi!
//! Bye!
//! by hand: done after 1 s
//! Hi!
//! on the slide: still asleep after 3600 s
//! ```

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use zero_cost_ffi::machine::{Greet, GreetOnSlide, greet};

fn main() -> std::io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Paused: when all are asleep, the clock goes on to where the first one wakes.
    let runtime = runtime.enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        run("async fn", greet()).await;
        run("by hand", Greet::Init).await;
        run("on the slide", GreetOnSlide::Init).await;
    });
    Ok(())
}

async fn run(name: &str, machine: impl Future<Output = ()> + Send + 'static) {
    let start = Instant::now();
    let task = timeout(Duration::from_secs(3600), tokio::spawn(machine)).await;
    let became = if task.is_ok() { "done" } else { "still asleep" };
    println!("{name}: {became} after {} s", start.elapsed().as_secs());
}

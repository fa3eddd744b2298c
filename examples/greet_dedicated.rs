//! A C library tied to a thread: one thread makes its calls, any task may ask.
//!
//! ```text
//! Hi, Ferris! Bye, Ferris! (1)
//! Hi, Ferris! Bye, Ferris! (2)
//! Hi, Ferris! Bye, Ferris! (3)
//! ```

use tokio::task::JoinSet;
use zero_cost_ffi::task::dedicated::Host;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::new()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let mut greetings = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..3 {
            tasks.spawn(host.greet(c"Ferris"));
        }
        tasks
            .join_all()
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
    })?;
    greetings.sort_by_key(|(_, nth)| *nth); // the tasks end in any order
    for (text, nth) in greetings {
        println!("{} ({nth})", text.to_string_lossy());
    }
    Ok(())
}

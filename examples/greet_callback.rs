//! A C library with callbacks, as a future: one is awaited, one dropped, one panics.
//!
//! ```text
//! Hi, Ferris! Bye, Ferris!
//! a panic on C's thread came back: 24 is too long
//! started 3, called back 3, cancelled 1
//! ```

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use futures::executor::block_on; // or tokio's, or any: the future is bound to none
use futures::future::FutureExt;
use zero_cost_ffi::greeting::{self, Error};
use zero_cost_ffi::task::callback::{greet, greet_then};

fn main() -> Result<(), Error> {
    let soon = Duration::from_millis(1);
    println!("{}", block_on(greet(c"Ferris", soon)?)?.to_string_lossy());

    // C is at work since `greet` returned. Dropping the future cancels that.
    drop(greet(c"Ferris", Duration::from_secs(3600))?);

    panic::set_hook(Box::new(|_| {})); // it is caught below: no report on stderr
    let then = |text: &std::ffi::CStr| match text.count_bytes() {
        length @ ..20 => length,
        length => panic!("{length} is too long"),
    };
    let greeting = greet_then(c"Ferris", soon, vec![0; 25], then)?;
    if let Err(payload) = block_on(AssertUnwindSafe(greeting).catch_unwind()) {
        let message = payload.downcast_ref::<String>().map_or("?", String::as_str);
        println!("a panic on C's thread came back: {message}");
    }

    // C ends its thread only when nothing is under way.
    while let Err(Error::Pending) = greeting::shutdown() {}
    let counts = greeting::counts();
    println!(
        "started {}, called back {}, cancelled {}",
        counts.started, counts.callbacks, counts.cancelled
    );
    Ok(())
}

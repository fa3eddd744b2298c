//! C calls a closure back. Its panic is carried around C, never through it.
//!
//! ```text
//! 20 + 20 + 2 = 42
//! a panic came back across C: no more than 1
//! ```

use std::panic::{self, AssertUnwindSafe};

use zero_cost_ffi::greet::{self, Error};

fn main() -> Result<(), Error> {
    let mut total = 0;
    greet::for_each(&[20, 20, 2], |item| total += item)?;
    println!("20 + 20 + 2 = {total}");

    panic::set_hook(Box::new(|_| {})); // it is caught below: no report on stderr
    let caught = panic::catch_unwind(AssertUnwindSafe(|| {
        greet::for_each(&[1, 2, 3], |item| assert!(item <= 1, "no more than 1"))
    }));
    if let Err(payload) = caught {
        let message = payload.downcast_ref::<&str>().unwrap_or(&"?");
        println!("a panic came back across C: {message}");
    }
    Ok(())
}

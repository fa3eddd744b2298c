//! The future may be forgotten, and C calls the closure after what it borrows is gone.
//!
//! error[E0373]: closure may outlive the current function

use std::time::Duration;

use zero_cost_ffi::task::callback::greet_then;

fn main() {
    let mut count = 0;
    let _ = greet_then(c"you", Duration::ZERO, vec![0; 19], |_| count += 1);
}

//! C has the buffer for longer than any borrow of it can be relied on.
//!
//! error[E0308]: mismatched types

use std::time::Duration;

use zero_cost_ffi::task::callback::greet_then;

fn main() {
    let mut buffer = [0; 19];
    let _ = greet_then(c"you", Duration::ZERO, &mut buffer, |_| ());
}

//! A struct goes to C and comes back by value, in registers.
//!
//! ```text
//! halfway between (0, 0) and (2, 4): (1, 2)
//! ```

use zero_cost_ffi::greet::{self, Point};

fn main() {
    let (a, b) = (Point { x: 0.0, y: 0.0 }, Point { x: 2.0, y: 4.0 });
    let middle = greet::midpoint(a, b);
    println!(
        "halfway between ({}, {}) and ({}, {}): ({}, {})",
        a.x, a.y, b.x, b.y, middle.x, middle.y
    );
}

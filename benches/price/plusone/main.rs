//! Calls `plusone` as often as it is told and prints the milliseconds that took: `rustc -C opt-level=2`.

use std::ffi::c_int;
use std::time::Instant;

unsafe extern "C" {
    safe fn plusone(x: c_int) -> c_int;
}

/// Not inlined, so that it can be found, and counted.
#[unsafe(no_mangle)]
#[inline(never)]
fn run(count: c_int) -> c_int {
    let mut x = 0;
    while x < count {
        x = plusone(x);
    }
    x
}

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(0);
    let start = Instant::now();
    let x = run(count);
    println!("{} {x}", start.elapsed().as_millis());
}

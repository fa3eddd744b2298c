//! Every exhibit that calls the static C library, once. Built with linker-plugin LTO and C by clang, the C functions
//! are inlined and the calls are gone, which the claim `below-zero` checks:
//!
//! ```sh
//! cargo run --release -- prove --live below-zero
//! ```
//!
//! ```text
//! 10 calls made, or none at all
//! ```

use std::hint::black_box;

use zero_cost_ffi::ffi::greet_point;
use zero_cost_ffi::{callback, calls};

fn main() {
    // How often the loop goes round.
    let times = std::env::args()
        .nth(1)
        .and_then(|times| times.parse().ok())
        .unwrap_or(10);
    perform(times);
    println!("{times} calls made, or none at all");
}

/// By this name, for a walk to start from.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn perform(times: usize) {
    let items = black_box([20, 20, 2]);
    let [from, to] = black_box([0.0, 4.0]).map(|at| greet_point { x: at, y: at });

    assert_eq!(black_box(calls::add_one(black_box(41))), 42);
    assert_eq!(
        black_box(calls::add_one_times(black_box(times), 0)),
        times as i64
    );
    assert_eq!(black_box(calls::sum(&items)), 42);
    assert_eq!(black_box(calls::midpoint(from, to)).x, 2.0);
    assert_eq!(black_box(callback::for_each(&items)), 42);
}

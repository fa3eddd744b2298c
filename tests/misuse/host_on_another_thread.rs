//! C's host belongs to the thread that made it.
//!
//! error[E0277]: `NonNull<greeting_host>` cannot be sent between threads safely

use zero_cost_ffi::task::dedicated::Bound;

fn main() {
    let mut host = Bound::new().expect("memory");
    std::thread::spawn(move || host.greet(c"you"));
}

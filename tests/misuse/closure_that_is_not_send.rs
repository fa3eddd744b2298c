//! C calls the closure on a thread of its own.
//!
//! error[E0277]: `Rc<i32>` cannot be sent between threads safely

use std::rc::Rc;
use std::time::Duration;

use zero_cost_ffi::task::callback::greet_then;

fn main() {
    let count = Rc::new(1);
    let _ = greet_then(c"you", Duration::ZERO, vec![0; 19], move |_| drop(count));
}

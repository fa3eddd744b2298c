//! A task may go on on another thread; a raw pointer that it has across an await says
//! nothing of whether that is allowed.
//!
//! error: future cannot be sent between threads safely

use zero_cost_ffi::task::{self, direct};

fn main() {
    let task = async {
        let mut value = 1_i64;
        let pointer = &raw mut value;
        let _ = direct::greet(c"you").await;
        pointer.addr()
    };
    let _ = task::on_multi_thread(task);
}

//! The talk's one line, in safe Rust: a C function, called as one instruction.
//!
//! ```text
//! Hello
//! Hello, Ferris
//! ```

use zero_cost_ffi::greet::{self, Error};

fn main() -> Result<(), Error> {
    greet::say(c"Hello")?; // a literal that has its NUL already: nothing is copied
    greet::say_str(&format!("Hello, {}", "Ferris")) // any text: a copy, with a NUL
}

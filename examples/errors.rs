//! What C answers with null, with a status, or not at all is an error in Rust.
//!
//! ```text
//! the text has a NUL before its end: nul byte found in provided data at position: 3
//! `greeter_new` returned a null pointer
//! the buffer is too small for the result
//! Hello, Ferris!
//! ```

use std::error::Error as _;

use zero_cost_ffi::greet::{self, Error, Greeter};

fn main() -> Result<(), Error> {
    if let Err(error) = greet::say_str("Hel\0lo") {
        let where_ = error.source().map(ToString::to_string);
        println!("{error}: {}", where_.unwrap_or_default());
    }
    if let Err(error) = Greeter::new(c"") {
        println!("{error}");
    }
    let greeter = Greeter::new(c"Ferris")?;
    if let Err(error) = greeter.greeting(&mut [0; 4]) {
        println!("{error}");
    }
    let mut buffer = [0; 64];
    println!("{}", greeter.greeting(&mut buffer)?.to_string_lossy());
    Ok(())
}

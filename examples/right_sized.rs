//! How often a buffer of 1,024 bytes fits into futures that use it: once is right, and more is the compiler's.
//!
//! ```text
//! 1  alive across the await
//! 0  gone with its scope before the await
//! 1  dropped before the await, in the same scope
//! 1  two buffers, each across an await of its own
//! 2  two buffers across the same await
//! 2  an argument by value
//! 8  held, in three wrappers
//! 0  held, in a box
//! ```

use zero_cost_ffi::catalogue;
use zero_cost_ffi::machine::kept::KIB;

fn main() {
    for future in catalogue::kept() {
        println!("{}  {}", future.bytes / KIB, future.says);
    }
}

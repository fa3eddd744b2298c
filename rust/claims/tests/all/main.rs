//! All tests of the judge in one program but `stress.rs`, which counts what it allocates.

mod cgo;
mod cli;
mod evidence;
mod judge;
mod render;
mod report;
mod thread_ring;

/// Counts what this program allocates, as the judge does.
#[global_allocator]
static ALLOCATOR: claims::measure::allocations::Counting = claims::measure::allocations::Counting;

/// This program as the child that its tests start.
#[test]
fn scenario() {
    if let Some(ran) = claims::scenario::child::serve() {
        ran.expect("it runs");
    }
}

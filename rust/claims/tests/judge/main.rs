//! The judge's library through its public API: what children run, and what is measured.

mod measure;
mod scenario;

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

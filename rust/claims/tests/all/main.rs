//! All tests of the judge in one program but `stress.rs`, which counts what it allocates.

mod cgo;
mod cli;
mod evidence;
mod judge;
mod render;
mod report;
mod thread_ring;

/// The value of a cell of a claim's matrix, as its JSON has it.
fn cell(claim: &serde_json::Value, matrix: &str, row: &str, column: &str) -> Option<u64> {
    let claim: claims::report::Claim =
        serde_json::from_value(claim.clone()).expect("a claim of the report");
    claim.cell(matrix, row, column)
}

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

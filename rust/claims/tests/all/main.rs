//! All tests of the judge in one program but `stress.rs`, which counts what it allocates.

mod cgo;
mod cli;
mod evidence;
mod report;
mod thread_ring;
